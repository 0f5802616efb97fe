#!/usr/bin/env bash
# docs/tutorial.md word by word: its commands in their order, its files from its code blocks, and what it says is printed,
# apart from numbers and paths. Its layer is the compiled example. Arguments: source folder, build folder.
set -u
source_dir=$(realpath "$1")
build=$(realpath "$2")
tutorial=$source_dir/docs/tutorial.md
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export XDG_DATA_HOME=$dir/data XDG_CACHE_HOME=$dir/cache TERM=dumb PATH=$build:$PATH
unset CONVOY_PLUGIN_PATH CONVOY_RESULTS
failures=0

fail() {
    echo "FAILED: $*"
    failures=$((failures + 1))
}

block() { # block LANGUAGE: the only code block of that language
    awk -v fence="\`\`\`$1" '$0 == fence { inside = 1; next } $0 == "```" { inside = 0 } inside' "$tutorial"
}

# Numbers, paths and how long something took are the machine's.
alike() {
    sed -E -e 's/[0-9a-f]{64}/HASH/g' -e 's#/[^ ]*/#PATH/#g' -e 's/[0-9][0-9.,e-]*/N/g' -e 's/N min N s/N s/g' -e 's/(N s) +(time|parameters|MACs).*$/\1/' \
        -e 's# -IPATH/[^ ]* # -I... #' -e 's/N ms/N s/g' -e 's/, N images\/s//' -e 's/ +/ /g' -e 's/ $//'
}

mkdir "$dir/here" && cd "$dir/here" || exit 1
block c >"$dir/maxout.c"
block yaml >"$dir/maxout.yaml"
diff -u "$source_dir/tests/examples/maxout.c" "$dir/maxout.c" || fail "the tutorial's layer is not tests/examples/maxout.c"
warnings="-std=c11 -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Werror"
for compiler in gcc clang; do
    command -v $compiler >/dev/null || continue
    for real in "" -DCVY_DOUBLE; do
        # shellcheck disable=SC2086
        $compiler $warnings $real -I"$source_dir/core/include" -fsyntax-only "$dir/maxout.c" || fail "$compiler warns"
    done
done

# try COMMAND: runs it here and compares with what stands in $dir/wanted.
try() {
    local command=$1 real=${1//-I.../-I$source_dir/core/include}
    if [[ $command == cc* ]]; then # the reader has replaced both files by now
        cp "$dir/maxout.c" "$dir/maxout.yaml" .
    fi
    if [[ $command == cd* ]]; then
        $command || fail "$command"
        return
    fi
    bash -c "$real" >"$dir/got" 2>&1 </dev/null
    case "$?$command" in
    0* | 2*.pieces=3 | 2*.k=3) ;;
    *) fail "$command: $(cat "$dir/got")" ;;
    esac
    commands=$((commands + 1))
    for side in wanted got; do
        alike <"$dir/$side" >"$dir/$side.alike"
        # The checks by name and result; their remarks are measurements.
        [[ $command != *"plugin check"* ]] || sed -i -E 's/^([^ ]+ [^ ]+) .*/\1/' "$dir/$side.alike"
    done
    diff "$dir/wanted.alike" "$dir/got.alike" >"$dir/difference" || fail "\$ $command prints other lines: $(cat "$dir/difference")"
}

commands=0
pending=
inside=
while IFS= read -r line <&3; do
    if [ "$line" = '```console' ]; then
        inside=yes
    elif [ -n "$inside" ] && { [ "$line" = '```' ] || [[ $line == '$ '* ]]; }; then
        [ -z "$pending" ] || try "$pending"
        pending=
        : >"$dir/wanted"
        if [ "$line" = '```' ]; then inside=; else pending=${line#'$ '}; fi
    elif [ -n "$inside" ]; then
        printf '%s\n' "$line" >>"$dir/wanted"
    fi
done 3<"$tutorial"
[ $commands -ge 10 ] || fail "only $commands commands were found"
[ -s results/r1/checkpoints/best.safetensors ] || fail "the network was not trained"
[ -s results/r1-r2.png ] || command -v gnuplot >/dev/null || echo "no gnuplot: no chart"

# Its other advice: the sweep; `run` then wants --base.
awk '/^  ```yaml$/ { inside = 1; next } /^  ```$/ { inside = 0 } inside { print substr($0, 3) }' "$tutorial" >"$dir/sweep"
[ "$(wc -l <"$dir/sweep")" = 4 ] || fail "not four lines of a sweep: $(cat "$dir/sweep")"
cat maxout.yaml "$dir/sweep" >swept.yaml
convoy sweep swept.yaml --dry-run >"$dir/got" 2>&1 || fail "the sweep: $(cat "$dir/got")"
grep -q '3 trials' "$dir/got" || fail "not three trials: $(cat "$dir/got")"
convoy run swept.yaml >"$dir/got" 2>&1 </dev/null && fail "run takes a file with a sweep"
grep -q -- '--base' "$dir/got" || fail "run does not speak of --base: $(cat "$dir/got")"

# Its other advice: the sanitizers, if this compiler has them.
if echo 'int main(void) { return 0; }' | cc -fsanitize=address,undefined -x c - -o "$dir/probe" 2>/dev/null && "$dir/probe"; then
    if ! grep -q 'CONVOY_SANITIZE:BOOL=ON' "$build/CMakeCache.txt"; then
        convoy plugin check ./maxout.so --sanitize maxout.c >"$dir/got" 2>&1 || fail "--sanitize: $(cat "$dir/got")"
    fi
fi

[ $failures = 0 ]
