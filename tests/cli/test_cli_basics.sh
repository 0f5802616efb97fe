#!/usr/bin/env bash
# The command line's manners: exit codes, help, suggestions, streams. Arguments: source folder, build folder.
set -u
source_dir=$1
convoy=$2/convoy
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export XDG_DATA_HOME=$dir XDG_CACHE_HOME=$dir TERM=xterm
unset CONVOY_PLUGIN_PATH CONVOY_RESULTS NO_COLOR
cd "$dir" || exit 1
failures=0

fail() {
    echo "FAILED: $*"
    failures=$((failures + 1))
}

# expect CODE ARGUMENT...: runs convoy, keeps its streams in out and err.
expect() {
    local code=$1
    shift
    "$convoy" "$@" >out 2>err </dev/null
    local got=$?
    [ "$got" = "$code" ] || fail "convoy $*: exit code $got, expected $code: $(head -c 500 out err)"
}

says() { # says FILE TEXT
    grep -qF -- "$2" "$1" || fail "no \"$2\" in $1: $(head -c 500 "$1")"
}

empty() {
    [ ! -s "$1" ] || fail "$1 should be empty: $(head -c 500 "$1")"
}

begins() {
    [ "$(head -n 1 "$1")" = "$2" ] || fail "$1 begins with $(head -n 1 "$1"), not $2"
}

# ---- help and version
expect 2
begins err Examples:
empty out
for arguments in --help -h help; do
    expect 0 $arguments
    begins out Examples:
    says out "plugin"
    empty err
done
for arguments in "plugin --help" "help plugin" "--help plugin" "plugin ls -h"; do
    expect 0 $arguments
    begins out Examples:
    says out "convoy plugin ls [KIND] [--json]"
    says out "--plugin FILE"
    empty err
done
for arguments in "plugin new --help" "help plugin new"; do # of a subcommand its own part
    expect 0 $arguments
    begins out Examples:
    says out "  convoy plugin new layer maxout"
    says out "--composite"
    grep -q "convoy plugin ls\|--timeout" out && fail "the help of another subcommand: $(cat out)"
    empty err
done
expect 0 sweep --help # what the examples name is there
says out "convoy sweep experiments/quickstart.yaml"
[ -s "$source_dir/experiments/quickstart.yaml" ] || fail "experiments/quickstart.yaml is not there"
expect 0 --version
grep -qE '^convoy [0-9]+\.[0-9]+\.[0-9]+$' out || fail "version: $(cat out)"

# ---- wrong usage
expect 2 plugn
empty out
says err 'unknown command "plugn"'
says err 'did you mean `convoy plugin`?'
expect 2 help plugn
says err 'did you mean `convoy plugin`?'
expect 2 xyzzy
says err 'convoy --help lists the commands'
expect 2 --plugni
says err 'unknown option --plugni'
says err 'did you mean `--plugin`?'
expect 2 plugin ls --jsno
says err 'did you mean `--json`?'
expect 2 plugin ls --color green
says err '"green" is not auto, always or never'
expect 2 plugin
expect 2 plugin lss
says err 'did you mean `ls`?'
expect 2 plugin info
expect 2 plugin ls layers
expect 2 plugin info lair:conv2d

# ---- plugins
mkdir -p plugins
cat >own.c <<'END'
#include "convoy/layer.h"
#include <fcntl.h>
#include <unistd.h>
typedef struct config { int64_t size; int32_t mode; } config;
static const char *const modes[] = {"fast", "slow", NULL};
static const cvy_param params[] = {CVY_INT(config, size, 3, 1, 9, "side, pixels"), CVY_ALSO("kernel_size width"),
                                   CVY_ENUM(config, mode, fast, modes, "how")};
static int infer(cvy_infer *in, const void *c) { (void)c; in->out = in->in[0]; return 0; }
static int forward(const cvy_plain *p, const void *c) { (void)p; (void)c; return 0; }
static const cvy_layer type = {sizeof type, 1, -1, infer, forward, forward, NULL, NULL};
__attribute__((constructor)) static void sing(void) { close(open("canary", O_CREAT | O_WRONLY, 0600)); }
CVY_PLUGIN(CVY_LAYER, own_layer, "Twin", "a layer of one's own", "a paper", config, &type, CVY_PARAMS(params));
END
build() { # build FILE
    cc -w -shared -fPIC -I"$source_dir/core/include" -o "$1" own.c || fail "cannot compile"
}
build plugins/own.so
echo hello >plugins/text.so
export CONVOY_PLUGIN_PATH=$dir/plugins

expect 0 plugin ls
says out "own_layer"
says out "$dir/plugins/own.so"
says err "text.so: warning: not a plugin: a text file"
expect 0 plugin ls --json
grep -qF '{"kind":"layer","name":"own_layer","path":"' out || fail "json: $(head -c 300 out)"
expect 0 plugin ls dataset
[ ! -e canary ] || fail "plugin ls ran code of a plugin"

expect 0 plugin info own_layer
[ -e canary ] || fail "the canary should sing when its plugin is asked for"
says out "a layer of one's own"
says out "a paper"
says out "1 or more"
says out "plain C"
says out "side, pixels"
expect 0 plugin info layer:own_layer --json
says out '"max":9'
says out '"choices":["fast","slow"]'
says out '"elsewhere":["kernel_size","width"]'
expect 2 plugin info own_lyer
empty out
says err 'no plugin named "own_lyer"'
says err 'did you mean `own_layer`?'
says err "$dir/plugins"
expect 2 plugin info loss:own_layer
says err "there is a plugin of this name of kind layer"

build again.so
expect 5 plugin info own_layer --plugin ./again.so
says err "is in 2 files"
expect 0 plugin ls --plugin ./again.so
says err "is in two files"
expect 5 plugin ls --plugin plugins/text.so
says err "plugins/text.so: not a plugin: a text file"
says err "-I HEADERS -o NAME.so NAME.c -lm"
expect 2 plugin check own
says err 'did you mean `own.c`?'
expect 2 plugin check nothing_of_this_name
says err "there is no such file"
for group in plugin data; do
    expect 2 $group list
    says err 'did you mean `ls`?'
done
expect 2 list
says err 'did you mean `convoy ls`?'
expect 0 inspect --help
grep -q -- "default -" out && fail "a number that stands for none is shown as a default"
expect 2 predict cat.JPG r1
says err "the run comes first"
echo file >a_file
for command in ls "run nothing.yaml"; do
    # shellcheck disable=SC2086
    expect 2 $command --results a_file
    says err "a_file: a file, where the folder of results is expected"
done
expect 2 plugin ls --plugin missing.so
says err "missing.so: cannot be opened"

# ---- streams
"$convoy" plugin ls 2>err >/dev/full
[ $? = 4 ] || fail "a full disk is exit code 4"
says err "No space left on device"
"$convoy" plugin ls 2>err >&-
[ $? = 4 ] || fail "a closed stdout is exit code 4"
for i in 1 2 3; do
    rm -f plugins/text.so
    "$convoy" plugin ls 2>err | true
    [ "${PIPESTATUS[0]}" = 0 ] || fail "a reader that has gone is no failure: ${PIPESTATUS[0]}"
    empty err
done
expect 0 plugin ls --color always
grep -q $'\x1b' out || fail "--color always"
expect 0 plugin ls
grep -q $'\x1b' out && fail "no colour into a file"

# ---- speed, for the record: a clock decides no test
best=1000000
for i in 1 2 3 4 5 6 7 8 9 10; do
    begin=$(date +%s%N)
    "$convoy" --help >/dev/null
    took=$((($(date +%s%N) - begin) / 1000))
    [ $took -lt $best ] && best=$took
done
echo "convoy --help: best of ten $best us"

[ $failures = 0 ] || exit 1
echo "all good"
