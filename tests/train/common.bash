# What the scripts beside share: run folders made and trained, and two of them compared. Sourced with the arguments source
# folder, build folder.
build=$2
convoy=$build/convoy
folder=$build/tests/train/tools/run_folder
work=$(mktemp -d /tmp/convoy-train-XXXXXX)
trap 'rm -rf "$work"' EXIT
export CONVOY_PLUGIN_PATH=$build/plugins XDG_CACHE_HOME=$work/cache XDG_DATA_HOME=$work/data
export OMP_WAIT_POLICY=passive # tests run beside each other
unset CONVOY_ISA OMP_NUM_THREADS
grep -q __asan_init "$build/libconvoy.so" && sanitized=1 || sanitized=0 # ten times slower: fewer of everything
failures=0

fail() {
    echo "FAILED: $*"
    failures=$((failures + 1))
}

# make DIR THREADS FILE OVERRIDE...
make_run() {
    local dir=$1 threads=$2 file=$3 list=
    shift 3
    for override in "$@"; do list="$list${list:+,}\"$override\""; done
    echo "[{\"overrides\":[$list]}]" | "$convoy" planner "$file" --threads "$threads" | "$folder" make "$dir"
}

# same WHAT A B: checkpoints to the byte, rows and end.
same() {
    local file
    for file in last best; do
        cmp -s "$2/checkpoints/$file.safetensors" "$3/checkpoints/$file.safetensors" || fail "$1: $file.safetensors differs"
    done
    diff <("$folder" rows "$2") <("$folder" rows "$3") >"$work/diff" || { fail "$1: rows differ"; head -n 5 "$work/diff"; }
    [ -z "$(find "$3/checkpoints" -name '.*' -type f)" ] || fail "$1: left behind: $(ls -A "$3/checkpoints")"
}
