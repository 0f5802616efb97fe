#!/bin/bash
# `convoy plugin check` as an author meets it: tables, exit codes, what is no plugin; and
# --sanitize, where a compiler with its runtime is there.
set -u
source=$1 convoy=$2/convoy
broken=$2/tests/check/broken
tmp=$(mktemp -d) && trap 'rm -rf "$tmp"' EXIT
cd "$tmp" || exit 1
export TMPDIR=$tmp/temporary
mkdir "$TMPDIR"
failures=0
fail() { echo "FAILED: $*"; failures=$((failures + 1)); }
run() {
    local code=$1 got=0
    shift
    "$convoy" plugin check "$@" >said 2>&1 || got=$?
    [ "$got" = "$code" ] || fail "$*: exit code $got, expected $code: $(cat said)"
}
says() { grep -qF -- "$1" said || fail "expected \"$1\", got: $(cat said)"; }
silent_of() { grep -qF -- "$1" said && fail "unexpected \"$1\" in: $(cat said)"; }

run 0 "$2/plugins/layers/relu.so"
says "layer:relu of"
says "gradient_input  ok"
silent_of "FAILED"
run 0 "$2/plugins/layers/relu.so" relu
run 0 "$2/plugins/layers/relu.so" layer:relu --json
says '"passed":true'
says '"name":"gradient_input"'
run 0 "$2/plugins/layers/conv2d.so" --config '{channels: 3, groups: 3}' --shape '[2, 6, 7, 5]'
run 5 "$broken/wrong_input_gradient.so"
grep -q "gradient_input *FAILED" said || fail "no failure: $(cat said)"
says "gradient of x["
says "1 of 19 checks failed"
silent_of "not reached"
run 5 "$broken/wrong_input_gradient.so" -q
silent_of "CHECK "
says "layer:wrong_input_gradient of"
says "gradient of x["
run 0 "$2/plugins/layers/relu.so" -q
[ ! -s said ] || fail "-q of a plugin that passes says: $(cat said)"
run 2 "$2/plugins/layers/relu.so" elu
says 'no plugin called "elu" is in it'
run 5 "$2/libconvoy.so"
run 2 nowhere.so
run 2
says "which file?"
run 2 "$2/plugins/layers/relu.so" --in x
says "belong to"
run 5 "$2/plugins/layers/conv2d.so" --config '{chanels: 3}'
says "chanels"
run 5 "$2/plugins/layers/linear.so" --shape '[2, 3, 4, 4]'
says "expects vectors (N, F)"

# A source is built here, with its double twin, so that gradients are measured sharply.
cp "$source/tests/examples/maxout.c" .
run 0 maxout.c
says "layer:maxout of maxout.c"
grep -q "^gradient_input  ok .* numbers in double, to 1e-05" said || fail "no gradient in double: $(cat said)"
grep -q "^twin  *ok" said || fail "no twin: $(cat said)"
run 0 maxout.c maxout --json
says '"file":"maxout.c","sanitized":false'
${CC:-cc} -O2 -shared -fPIC -I"$source/core/include" -o maxout.so maxout.c -lm || fail "cannot compile"
run 0 ./maxout.so
says "numbers in float"
says "there is no twin, \`plugin check SOURCE.c\` builds one"
silent_of "SECONDS"
run 5 "$source/tests/check/broken/wrong_input_gradient.c"
says "gradient of x["
# The opposite sign is told from any other mistake.
sed 's/call->gx\[0\]\[at + p \* pixels\] = p == best ? call/call->gx[0][at + p * pixels] = p == best ? -call/' maxout.c >opposite.c
run 5 opposite.c
says "do not agree, opposite sign"
run 5 "$source/tests/check/broken/wrong_input_gradient.c"
silent_of "opposite sign"
# It is compiled twice: a warning comes once, and a name that is no file's own is explained.
{ cat maxout.c && echo 'static int idle;'; } >warns.c
CC="${CC:-cc} -Wall" run 0 warns.c
[ "$(grep -c 'warning:.*idle' said)" = 1 ] || fail "not one warning: $(cat said)"
{ cat maxout.c && echo 'int helper(int x); int helper(int x) { return x; }'; } >global.c
run 5 global.c
says "global.c: visible outside the file: helper"
says "make it static"
silent_of "multiple definition"
# The same for C++.
if command -v "${CXX:-c++}" >/dev/null; then
    for ending in cpp cc cxx; do
        cp "$source/tests/plugins_cxx/halve.cpp" halve.$ending
        run 0 halve.$ending
        says "layer:halve of halve.$ending"
        grep -q "^gradient_input  ok .* numbers in double, to 1e-05" said || fail "no gradient in double: $(cat said)"
    done
fi
CXX=nowhere run 2 halve.cpp
says 'no C++ compiler: "nowhere" is not found'
run 2 --sanitize ./maxout.so
says "--sanitize needs the source, ./maxout.c"
printf 'int nonsense(;\n' >bad.c
run 5 bad.c
says "could not compile it"
run 2 nowhere.c
says "there is no such file"
run 2 maxout.c elu
says 'no plugin called "elu" is in it'
[ -z "$(ls "$TMPDIR")" ] || fail "temporary files are left: $(ls "$TMPDIR")"

printf 'int main(void) { return 0; }\n' >probe.c
if ! ${CC:-cc} -fsanitize=address,undefined probe.c -o probe 2>/dev/null; then
    echo "no compiler with sanitizers here: --sanitize is not tried"
else
    run 0 --sanitize "$source/plugins/layers/relu.c"
    says "by AddressSanitizer"
    run 5 --sanitize "$source/tests/check/broken/reads_outside.c"
    says "CRASHED"
    says "heap-buffer-overflow"
    says "reads_outside.c:"
    [ "$(grep -c heap-buffer-overflow said)" = 1 ] || fail "a fault is told more than once: $(cat said)"
    says "    the same in constants, complete, "
    says "as in bounds"
    run 5 --sanitize "$source/tests/check/broken/leaks.c"
    says "memory"
    says "bytes more in use afterwards, about 48 each time"
    printf 'int nonsense(;\n' >bad.c
    run 5 --sanitize bad.c
    says "could not compile it"
    run 2 --sanitize nowhere.c
    [ -z "$(ls "$TMPDIR")" ] || fail "temporary files are left: $(ls "$TMPDIR")"
fi
[ $failures = 0 ] || exit 1
