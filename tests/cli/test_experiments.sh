#!/usr/bin/env bash
# Every experiment and architecture that comes with Convoy is planned completely, on stand-ins for the datasets that must
# be downloaded. Arguments: source folder, build folder.
set -u
source_dir=$(realpath "$1")
convoy=$(realpath "$2")/convoy
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export XDG_DATA_HOME=$dir XDG_CACHE_HOME=$dir TERM=dumb
unset CONVOY_PLUGIN_PATH CONVOY_RESULTS
cd "$source_dir" || exit 1
failures=0

# Six files of the right size, all holes: 60,000 black airplanes.
mkdir -p "$dir/convoy/cifar10"
for name in data_batch_1 data_batch_2 data_batch_3 data_batch_4 data_batch_5 test_batch; do
    truncate -s 30730000 "$dir/convoy/cifar10/$name.bin"
done

check() { # check WHERE FILE...
    local place=$1 file
    shift
    for file in "$@"; do
        "$convoy" check "$file" >"$dir/out" 2>"$dir/err" </dev/null
        local code=$?
        cat "$dir/out"
        if [ $code != 0 ] || [ -s "$dir/err" ] || ! grep -qF "$file: ok" "$dir/out"; then
            echo "FAILED: $file, from $place: exit code $code: $(head -c 2000 "$dir/err")"
            failures=$((failures + 1))
        fi
    done
}

check "the source folder" experiments/*.yaml experiments/architectures/*.yaml
cd "$dir" || exit 1
# From elsewhere: architectures must be found beside the experiment's folder or by the executable.
if [ "$(realpath "$2/..")" = "$source_dir" ]; then
    check elsewhere "$source_dir"/experiments/*.yaml
fi
[ "$failures" = 0 ]
