#!/usr/bin/env bash
# Every wrong experiment in errors/ gives exactly the text in its .expect file and the exit code in its .exit file. With
# CONVOY_UPDATE=1 both are written instead: read what changed before committing it.
# Arguments: source folder, build folder.
set -u
source_dir=$(realpath "$1")
build_dir=$(realpath "$2")
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export XDG_DATA_HOME=$dir XDG_CACHE_HOME=$dir TERM=dumb
unset CONVOY_PLUGIN_PATH CONVOY_RESULTS
cd "$source_dir/tests/cli/errors" || exit 1
[ -x "$build_dir/convoy" ] || { echo "FAILED: there is no $build_dir/convoy"; exit 1; }
cases=0
failures=0

for file in *.yaml; do
    name=${file%.yaml}
    cases=$((cases + 1))
    start=${EPOCHREALTIME/./}
    "$build_dir/convoy" check "$file" >"$dir/out" 2>"$dir/err" </dev/null
    code=$?
    end=${EPOCHREALTIME/./}
    # Folders differ from machine to machine.
    sed -i -e "s|$build_dir|BUILD|g" -e "s|$dir|DATA|g" -e "s|$PWD|HERE|g" "$dir/err"
    [ $((end - start)) -lt 100000 ] || echo "$name took $(((end - start) / 1000)) ms"
    if [ -n "${CONVOY_UPDATE:-}" ]; then
        cp "$dir/err" "$name.expect"
        echo $code >"$name.exit"
        continue
    fi
    if ! diff -u "$name.expect" "$dir/err"; then
        echo "FAILED: $name says something else"
        failures=$((failures + 1))
    elif [ "$code" != "$(cat "$name.exit")" ]; then
        echo "FAILED: $name: exit code $code, expected $(cat "$name.exit")"
        failures=$((failures + 1))
    elif [ -s "$dir/out" ]; then
        echo "FAILED: $name prints on standard output: $(head -c 200 "$dir/out")"
        failures=$((failures + 1))
    fi
done
for expect in *.expect *.exit; do
    [ -e "${expect%.*}.yaml" ] || { echo "FAILED: $expect has no experiment"; failures=$((failures + 1)); }
done
[ "$cases" -gt 30 ] || { echo "FAILED: only $cases cases"; failures=$((failures + 1)); }
echo "$cases cases, $failures failures"
[ "$failures" = 0 ]
