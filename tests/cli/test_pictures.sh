#!/usr/bin/env bash
# A folder of pictures by the command line: trained on, checked, known again, damaged. Arguments: source folder, build folder.
set -u
build=$(realpath "$2")
convoy=$build/convoy
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export XDG_DATA_HOME=$dir/data XDG_CACHE_HOME=$dir/cache TERM=dumb OMP_NUM_THREADS=1
unset CONVOY_PLUGIN_PATH CONVOY_RESULTS
cd "$dir" || exit 1
failures=0

fail() {
    echo "FAILED: $*"
    failures=$((failures + 1))
}

expect() { # expect CODE COMMAND...
    local code=$1
    shift
    "$@" >out 2>err </dev/null
    local got=$?
    [ $got = "$code" ] || fail "$*: exit code $got, expected $code: $(cat out err)"
}

says() { # says FILE PATTERN
    grep -qE -- "$2" "$1" || fail "no line like \"$2\": $(cat out err)"
}

"$build/tests/cli/tools/make_pictures" pictures
case $? in
0) ;;
77) echo "this build has no libpng"; exit 0 ;;
*) fail "no pictures"; exit 1 ;;
esac
cat >pictures.yaml <<'END'
experiment: pictures
dataset: {type: image_folder, path: pictures, resize: [8, 8], validation: 4}
model: [flatten, linear: {units: classes}]
loss: softmax_cross_entropy
train: {epochs: 2, batch_size: 6, optimizer: {type: sgd, lr: 0.1}}
END
expect 0 "$convoy" run pictures.yaml
says out '^test_accuracy +100'
[ "$(find cache/convoy/image_folder -name '*.pixels' | wc -l)" = 2 ] || fail "no cache: $(find cache)"
expect 0 "$convoy" run pictures.yaml
says err 'r1'
[ ! -d results/r2 ] || fail "the same pictures were trained on again"
# Another picture of the same name is another dataset.
cp pictures/train/dark/1.png pictures/train/dark/2.png
expect 0 "$convoy" run pictures.yaml -q
[ -d results/r2 ] || fail "a changed picture was not seen"
expect 0 "$convoy" plugin check "$build/plugins/datasets/image_folder.so" --config '{path: pictures}'
says out '^open +ok .*40 \+ 8 samples \(3, 16, 16\), 2 classes'

echo '<html>' >pictures/train/light/3.png
expect 2 "$convoy" check pictures.yaml
says err 'pictures/train/light/3.png: byte 0: dataset \(image_folder\): an HTML page'
sed -i 's/resize:/on_corrupt: skip, resize:/' pictures.yaml
expect 0 "$convoy" check pictures.yaml
says err '1 of the 40 pictures of .*/pictures/train are left out, since they cannot be decoded: light/3.png'
[ "$failures" = 0 ]
