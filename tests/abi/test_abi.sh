#!/usr/bin/env bash
# Plugins as files of another time: those built against the present ABI and kept as they are go on training; one of an
# older or a newer ABI is refused, both versions named, before any of its code runs. Arguments: source folder, build folder.
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
cp "$source_dir"/tests/abi/abi* .
kept=2 # the ABI that abi2_kit.so was built against
[ "$abi" = "$kept" ] || fail "no plugins built against ABI $abi are kept: build a kit of them, and list it here"

# ---- yesterday's file
if [ "$(uname -m)" = x86_64 ]; then
    expect 0 plugin info abi2_scale --plugin ./abi2_kit.so
    says out "built against ABI 2"
    expect 0 run abi2_kit.yaml
    says err "a warning of the kit"
    for tensor in scaled.scale scaled.seen ops.running_var block.side.fc.weight block.inner.1.bias optimizer.velocity.ops.gamma; do
        grep -qaF "$tensor" results/r1/checkpoints/last.safetensors || fail "$tensor is not in the checkpoint"
    done
    expect 0 show r1
    says out "finished"
    sed 's/start: 0.9/start: 11/' abi2_kit.yaml >wrong.yaml
    expect 2 check wrong.yaml
    says err "start: 11 is above 10"
    # ---- the day before yesterday's
    expect 5 run abi1_scale.yaml
    says err "built for plugin ABI 1; this Convoy has ABI $abi"
fi

# ---- tomorrow's file: its constructor would leave a file behind
later=$((abi + 1))
cp -r "$source_dir/core/include" include
sed -i "s/^#define CVY_ABI [0-9]*u/#define CVY_ABI ${later}u/" include/convoy/plugin.h
cp abi2_kit.c later.c
cat >>later.c <<'END'
#include <fcntl.h>
#include <unistd.h>
__attribute__((constructor)) static void sing(void) { close(open("canary", O_CREAT | O_WRONLY, 0600)); }
END
cc -shared -fPIC -Iinclude -o later.so later.c || fail "cannot compile"
sed 's/abi2_kit.so/later.so/' abi2_kit.yaml >later.yaml
for command in run check; do
    expect 5 "$command" later.yaml
    says err "built for plugin ABI $later; this Convoy has ABI $abi"
    says err "later.so"
done
expect 5 plugin info abi2_scale --plugin ./later.so
says err "built for plugin ABI $later; this Convoy has ABI $abi"
mkdir folder && cp later.so folder/
CONVOY_PLUGIN_PATH=$dir/folder expect 0 doctor
says out "built for plugin ABI $later; this Convoy has ABI $abi"
[ -e canary ] && fail "code of the refused plugin ran"

[ $failures = 0 ]
