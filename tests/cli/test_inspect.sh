#!/usr/bin/env bash
# `convoy inspect`: the table, pictures of filters, maps and what answers come from, histograms over training; what it refuses.
. "$(dirname "$0")/runs.sh"
pictures=$source_dir/tests/cli/pictures

# side FILE WIDTH HEIGHT: of a PNG picture.
side() {
    local got
    [ "$(head -c 8 "$1" | tail -c 7 | head -c 3)" = PNG ] || { fail "$1 is no PNG file"; return; }
    got=$(od -An -t u1 -j 16 -N 8 "$1" | awk '{ print $3 * 256 + $4, $7 * 256 + $8 }')
    [ "$got" = "$2 $3" ] || fail "$1 is $got, expected $2 $3"
}

cat >shapes.yaml <<'YAML'
experiment: shapes
seed: 3
dataset: {type: shapes, seed: 5, train_limit: 96, validation: 32, test: 40, augment: [horizontal_flip, normalize]}
model:
  - conv2d: {channels: 4, kernel: 3, stride: 2, name: stem}
  - relu
  - residual: {channels: 4, blocks: 1, name: stage}
  - conv2d: {channels: 6, kernel: 1, name: point}
  - global_avg_pool: {name: pool}
  - linear: {units: classes, name: head}
train: {epochs: 3, batch_size: 32, histograms: 1, inspect: true, optimizer: {type: adam, lr: 1e-2}}
YAML
expect 0 run shapes.yaml --threads 1 -q
expect 0 run shapes.yaml --threads 1 -q train.histograms=0 train.inspect=false

# ---- the table
expect 0 inspect r1
says out "stage.block0.conv1.weight"
says out "0 of 4"
never out "stem.bias"
says err "32 samples"
expect 0 inspect r1 --json
cp out table.json
says out '"name":"stem.bias"'
says out '"samples":32'
"$convoy" query "select value from run_metrics where metric = 'filters_cosine' and run = 'r1'" --json >cosine 2>/dev/null
stored=$(grep -o '0\.[0-9]*' cosine | head -1)
grep -o '"filters_cosine":0\.[0-9]*' table.json | grep -q "${stored:0:12}" ||
    fail "filters_cosine: $(cat cosine), and in the table $(grep -o '"filters_cosine":[^,]*' table.json)"
expect 0 query "select count(*) from run_metrics where metric like 'dead_units%' or metric like 'filters_cosine%'"
says out 9
expect 0 inspect r1 --samples 0
never err "samples"
expect 0 inspect r2 -n 5 --part test --which last
says err "5 samples"

# ---- pictures
if "$convoy" doctor | grep -q '^ok *PNG '; then
    expect 0 inspect r1 filters -o stem.png
    says out stem.png
    side stem.png 300 165
    expect 0 inspect r1 filters --layer stage -o stage.png
    side stage.png 300 183
    expect 0 inspect r1 filters --layer point
    says out results/r1/inspect-filters-point.png
    side results/r1/inspect-filters-point.png 300 101
    expect 0 inspect r1 maps --image "$pictures/red1.png" -o maps.png --threads 1
    [ -s maps.png ] || fail "no maps.png"
    expect 0 inspect r1 maps --sample 2 --layer stem --layer stage -o maps.png
    for what in saliency occlusion gradcam; do
        expect 0 inspect r1 $what --sample 3 -o $what.png
        side $what.png 708 "$(od -An -t u1 -j 22 -N 2 $what.png | awk '{ print $1 * 256 + $2 }')"
        says err "test sample 3"
    done
    expect 0 inspect r1 saliency --image "$pictures/photo.jpg" --class 4 --smooth 5 -o smooth.png --json
    says out '"class":4'
    says out '"map":[['
    cp out first
    expect 0 inspect r1 saliency --image "$pictures/photo.jpg" --class 4 --smooth 5 -o smooth.png --json
    cmp -s out first || fail "noise is not the same twice"
    expect 0 inspect r1 gradcam --sample 0 --part validation --layer stem --class circle -o cam.png --json
    says out '"layer":"stem"'
    says out '"class_name":"circle"'
    rm -rf results/r1/inspect-* nowhere
    expect 2 inspect r1 filters -o nowhere/x.png
    expect 2 inspect r1 gradcam --image missing.png -o x.png
    says err "missing.png"
    expect 2 inspect r1 gradcam --image shapes.yaml -o x.png
    expect 0 export tensorboard r1 -o board
    grep -qa 'weights/stem.weight' board/r1*/events* || fail "no histogram in the event file"
    grep -qa 'gradient/head.bias' board/r1*/events* || fail "no histogram of a gradient in the event file"
    grep -qa 'filters/first_layer' board/r1*/events* || fail "no filters in the event file"
    [ ! -e board/.filters.png ] || fail "left behind: board/.filters.png"
fi

# ---- histograms
expect 0 query "select count(*) from histograms where run = 'r1' and tensor = 'stem.weight'"
says out 6
expect 0 query "select count(*) from histograms where run = 'r2'"
says out 0
if "$convoy" doctor | grep -q '^ok *gnuplot'; then
    expect 0 inspect r1 histograms --tensor point.weight -o histograms.svg
    grep -q '<svg' histograms.svg || fail "no SVG"
    expect 0 inspect r1 histograms --json -o h.png
    says out '"tensor":"stem.weight"'
fi
expect 2 inspect r2 histograms
says err "no histograms were logged"
says err "train.histograms=1"
expect 2 inspect r1 histograms --tensor stm.weight
says err 'did you mean "stem.weight"?'

# ---- what is refused
expect 2 inspect
expect 2 inspect r1 filtres
says err 'did you mean "filters"?'
expect 2 inspect r1 filters --layer stm -o x.png
says err 'did you mean "stem"?'
expect 2 inspect r1 filters --layer head -o x.png
says err 'the first that has them is "stem"'
expect 2 inspect r1 gradcam --layer head --sample 1 -o x.png
says err "gives no maps"
expect 2 inspect r1 gradcam -o x.png
says err "of which picture?"
expect 2 inspect r1 gradcam --sample 40 -o x.png
says err "there are 40 test samples"
expect 2 inspect r1 gradcam --sample 1 --class cicle -o x.png
says err 'did you mean "circle"?'
expect 2 inspect r1 saliency --sample 1 --layer stem
says err "--layer is for filters, maps and gradcam"
for what in "saliency --patch 3:--patch is for occlusion" "saliency --limit 3:--limit is for filters and maps" \
    "saliency --samples 3:--samples is for the table" "occlusion --smooth 3:--smooth is for saliency" \
    "gradcam --stride 3:--stride is for occlusion" "maps --tensor stem.weight:--tensor is for histograms"; do
    expect 2 inspect r1 ${what%%:*} --sample 1 -o x.png
    says err "${what##*:}"
done
expect 2 inspect r1 --limit 3
says err "--limit is for filters and maps"
expect 2 inspect r1 filters --part test
says err "--part is for the table, maps, saliency, occlusion and gradcam"
expect 2 inspect r1 histograms --which last
says err "--which is for the table, filters"
expect 2 inspect r1 maps --image "$pictures/red1.png" --part test -o x.png
says err "--part is of the dataset's samples"
expect 2 inspect shapes
says err '"shapes" is 2 runs'
expect 2 inspect r1 filters train.epochs=2
says err "what can be set lies below"

# ---- networks without pictures
cat >table.yaml <<'YAML'
experiment: sequences
dataset: {type: shapes, train_limit: 64, validation: 16, test: 16}
model:
  - flatten
  - linear: {units: 8, name: hidden}
  - relu
  - linear: {units: classes}
train: {epochs: 1, batch_size: 32}
YAML
expect 0 run table.yaml --threads 1 -q
expect 0 inspect r3
says out "of 8"
expect 2 inspect r3 filters -o x.png
says err "no convolution"
expect 2 inspect r3 gradcam --sample 1 -o x.png
says err "no convolution"
expect 2 inspect r3 maps --sample 1 -o x.png
says err "no layer with maps"
[ ! -e x.png ] || fail "x.png was written"

# ---- how many maps: as suits, or as many as --limit says
if "$convoy" doctor | grep -q '^ok *PNG '; then
    expect 0 run shapes.yaml --threads 1 -q model.point.channels=20 train.epochs=1 train.histograms=0
    measure() { # measure ARGUMENT...: width and height of the maps
        expect 0 inspect r4 maps --sample 0 -o maps.png "$@" >&2
        od -An -t u1 -j 16 -N 8 maps.png | awk '{ print $3 * 256 + $4, $7 * 256 + $8 }'
    }
    read -r usual high < <(measure)
    read -r most same < <(measure --limit 20)
    read -r least low < <(measure --limit 1)
    [ "$usual" -lt "$most" ] || fail "--limit 20 is no wider: $usual and $most"
    [ "$least" -lt "$usual" ] || fail "--limit 1 is no narrower: $least and $usual"
    [ "$same" -le "$high" ] && [ "$low" -lt "$high" ] || fail "--limit 1 has as many rows: $low, $high and $same"
fi
finish
