#!/usr/bin/env bash
# What README.md and the pages beside it promise: the README's layer is the compiled example, its one-line command builds it, and its experiments are
# right. Arguments: source folder, build folder.
set -u
source_dir=$1
convoy=$2/convoy
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export XDG_DATA_HOME=$dir XDG_CACHE_HOME=$dir/cache CONVOY_RESULTS=$dir/results
unset CONVOY_PLUGIN_PATH
failures=0

fail() {
    echo "FAILED: $*"
    failures=$((failures + 1))
}

# block LANGUAGE PATTERN [PAGE]: the first code block of that language that has a line matching PATTERN.
block() {
    awk -v language="$1" -v pattern="$2" '
        !inside && $0 == "```" language { inside = 1; text = ""; found = 0; next }
        inside && $0 == "```" {
            inside = 0
            if (found) { printf "%s", text; exit }
            next
        }
        inside { text = text $0 "\n"; if ($0 ~ pattern) found = 1 }' "$source_dir/${3-README.md}"
}

expect() { # expect CODE COMMAND...
    local code=$1
    shift
    "$@" >"$dir/out" 2>&1 </dev/null
    local got=$?
    [ $got = "$code" ] || fail "$*: exit code $got, expected $code: $(head -c 2000 "$dir/out")"
}

cd "$dir" || exit 1
block c 'include "convoy/layer.h"' >block.c
diff -u "$source_dir/tests/examples/squareplus.c" block.c || fail "README's layer is not tests/examples/squareplus.c"

# The command is meant for the root of the source tree.
mkdir -p tests/examples
ln -s "$source_dir/core" core
cp block.c tests/examples/squareplus.c
command=$(grep -m 1 '^cc .*squareplus' "$source_dir/README.md")
[ -n "$command" ] || fail "README has no cc command"
expect 0 bash -c "$command"
warnings="-std=c11 -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Werror"
for compiler in gcc clang; do
    command -v $compiler >/dev/null || continue
    for real in "" -DCVY_DOUBLE; do
        expect 0 $compiler $warnings $real -Icore/include -fsyntax-only tests/examples/squareplus.c
    done
done
expect 0 "$convoy" plugin info squareplus --plugin ./squareplus.so

# The same line for an installation, and the one for C++.
grep -qF '`cc -O2 -shared -fPIC $(pkg-config --cflags convoy) -o squareplus.so squareplus.c -lm`' "$source_dir/README.md" ||
    fail "README does not say how a plugin is built with pkg-config"
if command -v g++ >/dev/null; then
    ln -s "$source_dir/tests/plugins_cxx" tests/plugins_cxx
    command=$(grep -m 1 '^g++ ' "$source_dir/README.md")
    expect 0 bash -c "$command"
    expect 0 "$convoy" plugin info halve --plugin ./halve.so
fi

block yaml 'squareplus\.so' >squareplus.yaml
expect 0 "$convoy" check squareplus.yaml
sed 's/b: 1/b: -1/' squareplus.yaml >wrong.yaml
expect 2 "$convoy" check wrong.yaml
grep -q '^wrong.yaml:7:21: layer "2" (squareplus): b: -1 is below 1e-06' out || fail "the refusal reads $(cat out)"
sed 's/b: 1/roundness: 1/' squareplus.yaml >unknown.yaml
expect 2 "$convoy" check unknown.yaml
grep -q 'hint: known: b$' out || fail "of the only parameter the hint reads $(cat out)"
expect 0 "$convoy" run squareplus.yaml train.epochs=1 dataset.train_limit=200 dataset.test_limit=50

# The other experiment needs CIFAR-10, which need not be here; nothing but its dataset may be missing.
block yaml 'type: cifar10' >cifar10.yaml
sed 's/type: cifar10/type: shapes/' cifar10.yaml >shapes.yaml
expect 0 "$convoy" check shapes.yaml
block yaml 'inputs: ' docs/experiment.md >graph.yaml
expect 0 "$convoy" check graph.yaml

# Every command that the pages name exists.
for name in $(grep -ohE '(`|^|build/)convoy [a-z]+' "$source_dir"/README.md "$source_dir"/docs/*.md | awk '{ print $NF }' | sort -u); do
    "$convoy" help "$name" >/dev/null 2>&1 || fail "a page speaks of \"convoy $name\", which is not there"
done

[ $failures = 0 ]
