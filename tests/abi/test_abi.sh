#!/usr/bin/env bash
# Plugins as files of another time: one built against ABI 1 and kept as it is trains for as long as Convoy's ABI is 1; one of
# another ABI is refused, both versions named, before any of its code runs. Arguments: source folder, build folder.
set -u
source_dir=$(realpath "$1")
convoy=$(realpath "$2")/convoy
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export XDG_DATA_HOME=$dir/data XDG_CACHE_HOME=$dir/cache CONVOY_RESULTS=$dir/results TERM=dumb
unset CONVOY_PLUGIN_PATH
cd "$dir" || exit 1
failures=0

fail() {
    echo "FAILED: $*"
    failures=$((failures + 1))
}

expect() { # expect CODE ARGUMENT...
    local code=$1
    shift
    "$convoy" "$@" >out 2>err </dev/null
    local got=$?
    [ $got = "$code" ] || fail "convoy $*: exit code $got, expected $code: $(head -c 1500 out err)"
}

says() {
    grep -qF -- "$2" "$1" || fail "no \"$2\" in $1: $(head -c 800 "$1")"
}

abi=$(sed -n 's/^#define CVY_ABI \([0-9]*\)u.*/\1/p' "$source_dir/core/include/convoy/plugin.h")
cp "$source_dir"/tests/abi/abi1_scale.* .

# ---- yesterday's file
if [ "$(uname -m)" = x86_64 ]; then
    if [ "$abi" = 1 ]; then
        expect 0 plugin info abi1_scale --plugin ./abi1_scale.so
        says out "built against ABI 1"
        expect 0 run abi1_scale.yaml
        if command -v sqlite3 >/dev/null; then
            moved=$(sqlite3 "$CONVOY_RESULTS/convoy.db" "SELECT count(*) FROM run_summary WHERE state = 'finished'")
            [ "$moved" = 1 ] || fail "the run has not finished"
        fi
        grep -qaF 'scaled.scale' results/r1/checkpoints/last.safetensors || fail "its weight is not in the checkpoint"
        grep -qaF 'scaled.seen' results/r1/checkpoints/last.safetensors || fail "its buffer is not in the checkpoint"
        sed 's/start: 0.9/start: 11/' abi1_scale.yaml >wrong.yaml
        expect 2 check wrong.yaml
        says err "start: 11 is above 10"
    else
        expect 5 run abi1_scale.yaml
        says err "built for plugin ABI 1; this Convoy has ABI $abi"
    fi
fi

# ---- tomorrow's file: its constructor would leave a file behind
later=$((abi + 1))
cp -r "$source_dir/core/include" include
sed -i "s/^#define CVY_ABI [0-9]*u/#define CVY_ABI ${later}u/" include/convoy/plugin.h
cp abi1_scale.c later.c
cat >>later.c <<'END'
#include <fcntl.h>
#include <unistd.h>
__attribute__((constructor)) static void sing(void) { close(open("canary", O_CREAT | O_WRONLY, 0600)); }
END
cc -shared -fPIC -Iinclude -o later.so later.c || fail "cannot compile"
sed 's/abi1_scale.so/later.so/' abi1_scale.yaml >later.yaml
for command in run check; do
    expect 5 "$command" later.yaml
    says err "built for plugin ABI $later; this Convoy has ABI $abi"
    says err "later.so"
done
expect 5 plugin info abi1_scale --plugin ./later.so
says err "built for plugin ABI $later; this Convoy has ABI $abi"
mkdir folder && cp later.so folder/
CONVOY_PLUGIN_PATH=$dir/folder expect 0 doctor
says out "built for plugin ABI $later; this Convoy has ABI $abi"
[ -e canary ] && fail "code of the refused plugin ran"

[ $failures = 0 ]
