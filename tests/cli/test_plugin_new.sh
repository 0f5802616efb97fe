#!/usr/bin/env bash
# `convoy plugin new`: each kind is built by the line that is printed and by its CMakeLists.txt, without a warning, and
# trains; nothing is overwritten; bad names are refused. Arguments: source folder, build folder.
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

expect() { # expect CODE COMMAND...
    local code=$1
    shift
    "$@" >"$dir/out" 2>"$dir/err" </dev/null
    local got=$?
    [ $got = "$code" ] || fail "$*: exit code $got, expected $code: $(head -c 1500 "$dir/out" "$dir/err")"
}

says() {
    grep -qF -- "$2" "$dir/$1" || fail "no \"$2\" in $1: $(head -c 500 "$dir/$1")"
}

warnings="-std=c11 -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Werror"

try() { # try NAME ARGUMENT...: a new plugin, built and trained
    local name=$1 command
    shift
    expect 0 "$convoy" plugin new "$@"
    says out "convoy run $name.yaml"
    command=$(grep -m 1 '^ *cc ' out)
    grep -qF -- "${command#"${command%%[! ]*}"}" "$name/$name.c" || fail "$name.c does not tell its cc command"
    grep -rn 'my_plugin\|@CC@\|@INCLUDE@' "$name" && fail "$name: a placeholder is left"
    cd "$name" || return
    expect 0 bash -c "$command"
    for compiler in gcc clang; do
        command -v $compiler >/dev/null || continue
        for real in "" -DCVY_DOUBLE; do
            expect 0 $compiler $warnings $real -I"$source_dir/core/include" -fsyntax-only "$name.c"
        done
    done
    expect 0 "$convoy" check "$name.yaml"
    expect 0 "$convoy" run "$name.yaml" train.epochs=1 dataset.train=200 dataset.test=50
    cd "$dir" || exit 1
}

try bend layer bend
try block layer block --composite
try follow optimizer follow
try gratings dataset gratings
try light augmentation light
try smooth loss smooth

# ---- the CMakeLists.txt: beside the headers it was made with, and with others
if command -v cmake >/dev/null; then
    rm bend/bend.so
    expect 0 cmake -S bend -B bend/build
    expect 0 cmake --build bend/build
    [ -f bend/bend.so ] || fail "CMakeLists.txt does not put bend.so beside the experiment"
    expect 0 "$convoy" plugin info bend --plugin bend/bend.so
    says out "double twin"
    cp -r "$source_dir/core/include" "with spaces"
    expect 0 cmake -S follow -B follow/build -DCONVOY_INCLUDE="$dir/with spaces"
    expect 0 cmake --build follow/build
    expect 1 cmake -S smooth -B smooth/build -DCONVOY_INCLUDE="$dir"
    says err "no convoy/plugin.h"
fi

# ---- places
mkdir elsewhere
expect 0 "$convoy" plugin new layer other -C elsewhere
[ -f elsewhere/other/other.c ] || fail "-C does not choose the folder"
expect 0 "$convoy" plugin new layer told --json
says out '"files":["told.c","told.yaml","CMakeLists.txt"]'
expect 2 "$convoy" plugin new layer other -C nowhere
says err "nowhere/other: cannot be made"

# ---- refusals
echo mine >bend/bend.c
expect 2 "$convoy" plugin new layer bend
says err "bend: is there already; nothing was written"
[ "$(cat bend/bend.c)" = mine ] || fail "a file was overwritten"
touch file
expect 2 "$convoy" plugin new layer file
expect 2 "$convoy" plugin new layer relu
says err "there is a plugin relu of this kind (layer) already"
expect 0 "$convoy" plugin new loss relu
expect 2 "$convoy" plugin new layer max-out
says err "write max_out"
for name in 9lives "" "a b" ../up 'x;y' é; do
    expect 2 "$convoy" plugin new layer "$name"
    says err "cannot name a plugin"
done
expect 2 "$convoy" plugin new layer a234567890123456789012345678901234567890123456789
says err "at most 47 fit"
expect 0 "$convoy" plugin new layer a2345678901234567890123456789012345678901234567
expect 2 "$convoy" plugin new layr x
says err "did you mean \`layer\`?"
expect 2 "$convoy" plugin new loss x --composite
expect 2 "$convoy" plugin new layer
[ -e x ] && fail "a refusal leaves a folder"

[ $failures = 0 ]
