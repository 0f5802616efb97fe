#!/usr/bin/env bash
# `convoy doctor`: all is well in a build tree; what is missing, refused or unwritable is named, with what to do.
# Arguments: source folder, build folder.
set -u
convoy=$(realpath "$2")/convoy
dir=$(mktemp -d)
trap 'chmod -R u+w "$dir"; rm -rf "$dir"' EXIT
export XDG_DATA_HOME=$dir/data XDG_CACHE_HOME=$dir/cache TERM=dumb
unset CONVOY_PLUGIN_PATH CONVOY_RESULTS CONVOY_ISA
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
    [ $got = "$code" ] || fail "convoy $*: exit code $got, expected $code: $(cat out err)"
    [ ! -s err ] || fail "convoy $* talks: $(cat err)"
}

says() {
    grep -qE -- "$1" out || fail "no line like \"$1\": $(cat out)"
}

expect 0 doctor
for what in version executable library headers "plugin folder" plugins architectures oneDNN cpu "instruction set" threads \
    JPEG PNG \
    results "free space" database; do
    says "^(ok|warning) +$what  "
done
grep -q 'N/A' out && fail "a version that says nothing: $(cat out)"
grep -q '^missing' out && fail "something is missing: $(cat out)"
if command -v gnuplot >/dev/null; then says '^ok +gnuplot +version [0-9]'; fi
[ -z "$(find . -mindepth 1 -not -name out -not -name err)" ] || fail "it leaves files behind: $(ls -A)"
expect 0 doctor --json
says '^\{"ok":true,"checks":\[\{"what":"version","verdict":"ok",'

# ---- a plugin file that is none, and no gnuplot
mkdir plugins
echo hello >plugins/text.so
CONVOY_PLUGIN_PATH=$dir/plugins PATH=/nonexistent expect 0 doctor
says '^warning +plugin refused +.*/plugins/text.so: not a plugin: a text file'
says '^warning +gnuplot +'
says 'apt-get install gnuplot-nox'
CONVOY_ISA=base expect 0 doctor
says '^(warning|ok) +instruction set +base'

# ---- storage
touch file
expect 4 doctor --results file
says '^missing +results +file cannot be written: Not a directory'
says 'choose another folder'
if [ "$(id -u)" != 0 ]; then
    mkdir shut
    chmod a-w shut
    expect 4 doctor --results shut/results
    says '^missing +results +shut/results cannot be written: Permission denied'
fi
mkdir -p broken/r1
head -c 100000 /dev/urandom >broken/convoy.db
"$convoy" doctor --results broken >out 2>err
says '^(missing|warning) +database '
"$convoy" doctor --results broken --json | grep -q '"todo":' || fail "JSON lacks what to do"
"$convoy" doctor now >out 2>err && fail "doctor takes no operands"

# ---- an executable without its plugins
if [ -e "$(dirname "$convoy")/libconvoy.so.0" ] && ! grep -q "CONVOY_SANITIZE:BOOL=ON" "$(dirname "$convoy")/CMakeCache.txt"; then
    mkdir -p alone
    cp -L "$convoy" "$(dirname "$convoy")/libconvoy.so.0" alone/
    LD_LIBRARY_PATH=$dir/alone alone/convoy doctor >out 2>err
    [ $? = 5 ] || fail "without plugins the exit code should be 5: $(cat out err)"
    says '^missing +plugins +0 of kind layer'
    says '^warning +headers '
    says "^ok +library +$dir/alone/libconvoy"
fi

[ $failures = 0 ]
