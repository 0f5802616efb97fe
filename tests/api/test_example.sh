#!/usr/bin/env bash
# The example of docs/library.md: runs as it stands there, says the same twice, and leaves weights that a run's own tools read.
# Arguments: source folder, build folder.
set -u
source_dir=$(realpath "$1")
build=$(realpath "$2")
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export XDG_DATA_HOME=$dir/data XDG_CACHE_HOME=$dir/cache
unset CONVOY_PLUGIN_PATH CONVOY_RESULTS
cd "$dir" || exit 1
failures=0

fail() {
    echo "FAILED: $*"
    failures=$((failures + 1))
}

for i in 1 2; do
    "$build/tests/api/example" "$source_dir/tests/api/example.yaml" weights.$i >out.$i 2>err.$i </dev/null ||
        fail "exit code $?: $(cat out.$i err.$i)"
    [ -s err.$i ] && fail "talks: $(cat err.$i)"
    [ "$(grep -c '^step ' out.$i)" = 20 ] || fail "not 20 steps: $(cat out.$i)"
done
sed -i 's/weights.[12]/weights/' out.?
cmp out.1 out.2 && cmp weights.1 weights.2 || fail "the second time is not like the first"
grep -qE '^15,?322 parameters in [0-9]+ tensors' out.1 || fail "no count of parameters: $(cat out.1)"
grep -q '^stem.weight: 432 elements, the first is [-0-9.]*$' out.1 || fail "no weight: $(cat out.1)"
grep -q '^validation: loss [0-9.]*, accuracy [0-9.]*$' out.1 || fail "no evaluation: $(cat out.1)"

"$build/tests/api/example" absent.yaml weights.3 >out.3 2>err.3
code=$?
[ $code = 2 ] || fail "exit code $code for a file that is not there"
grep -q 'absent.yaml' err.3 || fail "does not name the file: $(cat err.3)"

# docs/library.md shows the example as it is: every line of its C blocks is a line of it, in order.
awk '/^```c$/ { inside = 1; next } /^```$/ { inside = 0 } inside && NF { print }' "$source_dir/docs/library.md" >shown
[ "$(wc -l <shown)" -gt 40 ] || fail "docs/library.md shows hardly any code"
awk 'NR == FNR { line[NR] = $0; n = NR; next }
     { for (at++; at <= n && line[at] != $0; at++); if (at > n) { print "FAILED: docs/library.md: not in example.c: " $0; exit 1 } }' \
    "$source_dir/tests/api/example.c" shown || failures=$((failures + 1))

[ $failures = 0 ]
