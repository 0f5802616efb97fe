#!/usr/bin/env bash
# `convoy model`, `convoy profile` and `convoy check`: what they print, and how they fail.
# Arguments: source folder, build folder.
set -u
source_dir=$(realpath "$1")
convoy=$(realpath "$2")/convoy
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export XDG_DATA_HOME=$dir XDG_CACHE_HOME=$dir TERM=dumb
unset CONVOY_PLUGIN_PATH CONVOY_RESULTS
cd "$source_dir" || exit 1
failures=0
out=$dir/out err=$dir/err

fail() {
    echo "FAILED: $*"
    failures=$((failures + 1))
}

# expect CODE ARGUMENT...: runs convoy, keeps its streams in $out and $err.
expect() {
    local code=$1
    shift
    "$convoy" "$@" >"$out" 2>"$err" </dev/null
    local got=$?
    [ "$got" = "$code" ] || fail "convoy $*: exit code $got, expected $code: $(head -c 500 "$out" "$err")"
}

says() { # says FILE TEXT
    grep -qF -- "$2" "$1" || fail "no \"$2\" in $1: $(head -c 700 "$1")"
}

# value EXPECTED EXPRESSION: of SQL over j, the JSON on standard output
value() {
    local got
    got=$(sqlite3 :memory: "SELECT $2 FROM (SELECT CAST(readfile('$out') AS TEXT) AS j)" 2>&1)
    [ "$got" = "$1" ] || fail "$2 is $got, expected $1"
}

json() { # json EXPECTED PATH
    value "$1" "json_extract(j, '$2')"
}

# ---- model
expect 0 model cifar_resnet20
says "$out" "LAYER"
says "$out" "70 layers, 269,722 parameters (all trainable), 40,551,040 MACs per sample"
grep -qE '^stage2\.block0\.conv1 +conv2d +\(N, 32, 16, 16\) +4,608 +1,179,648$' "$out" || fail "no row of stage2.block0.conv1"
[ ! -s "$err" ] || fail "model talks: $(cat "$err")"
grep -qE '^training on batches of 128 takes [0-9.]+ MiB of memory: weights 1.0 MiB, gradients 1.0 MiB, ' "$out" ||
    fail "no word of memory"
expect 0 model cifar_resnet20 --json
value 1 "json_extract(j, '\$.memory_bytes.training') > json_extract(j, '\$.memory_bytes.training_plan')"
json 269722 '$.parameters.total'
json 269722 '$.parameters.trainable'
json 40551040 '$.macs'
value 70 "json_array_length(j, '\$.layers')"
json stem '$.layers[0].name'
json conv2d '$.layers[0].type'
json '[16,32,32]' '$.layers[0].shape'
json 432 '$.layers[0].parameters'
json 442368 '$.layers[0].macs'
json '[10]' '$.layers[#-1].shape'
expect 0 model cifar_inception --json
json 1052426 '$.parameters.total'
expect 0 model experiments/architectures/cifar_resnet20.yaml model.stem.channels=16 --batch 32 --json
json 32 '$.batch'
json 269722 '$.parameters.total'
expect 0 model experiments/cifar10.yaml train.batch_size=16 --json
json 16 '$.batch'
json cifar_resnet20 '$.model'

# One conversion in, and none else: the product's own promise about the architectures it comes with.
expect 0 model cifar_resnet20 --layouts
says "$out" "KERNEL"
says "$out" "conv.bwd_weights"
grep -qE '^[0-9]+ steps; \* conversions of layout: [01] forward, 0 backward' "$out" || grep -q reference "$out" ||
    fail "conversions: $(grep conversions "$out")"
expect 0 model cifar_resnet20 --layouts --json
json stem '$.steps[#-1].layer'
json backward '$.steps[#-1].pass'

# ---- the network drawn: one box per layer that shapes, branches inside their frames, heads beside
expect 0 model googlenet_aux --batch 1 --graph "$dir/net.dot"
says "$err" "drawn: $dir/net.dot"
says "$dir/net.dot" 'label="googlenet_aux: 13,378,280 parameters'
says "$dir/net.dot" 'label="inception5b";'
says "$dir/net.dot" 'label="head, weight 0.3"'
[ "$(grep -c '{' "$dir/net.dot")" = "$(grep -c '^}' "$dir/net.dot")" ] || fail "frames do not close"
grep -q '^n[0-9]* \[label="conv1\\nconv2d  channels 64, kernel 7, stride 2, padding 3\\lrelu\\l(N, 64, 112, 112)"' "$dir/net.dot" ||
    fail "conv1 and its relu share no box"
expect 2 model cifar_resnet20 --graph "$dir/net.jpg"
says "$err" "name it FILE.svg, FILE.png, FILE.pdf or FILE.dot"
PATH=$dir expect 2 model cifar_resnet20 --graph "$dir/net.svg"
says "$err" "needs Graphviz, which is not installed"
[ ! -e "$dir/net.svg" ] || fail "half a picture"
if command -v dot >/dev/null; then
    expect 0 model cifar_resnet20 --graph "$dir/net.svg"
    says "$dir/net.svg" "</svg>"
fi
expect 2 model cifar_resnet20 --graph "$dir/absent/net.dot"

cat >"$dir/odd.yaml" <<'END'
input: [3, 15, 15]
layers:
  - max_pool2d: {kernel: 2, stride: 2, name: pool}
  - global_avg_pool
  - linear: {units: classes}
END
expect 0 model "$dir/odd.yaml"
says "$err" 'odd.yaml:3:5: warning: layer "pool" (max_pool2d)'
expect 2 model "$dir/odd.yaml" model.pool.kernel=0
says "$err" 'layer "pool" (max_pool2d): kernel: 0 is below 1'
expect 2 model
expect 2 model a b
says "$err" 'unexpected "b"'
expect 2 model cifar_resnet2
says "$err" 'did you mean `cifar_resnet20`?'
expect 2 model "$dir/absent.yaml"
expect 2 model cifar_resnet20 --batch 0x
sed 's/max_pool2d/max_pool2/' "$dir/odd.yaml" >"$dir/unknown.yaml"
expect 2 model "$dir/unknown.yaml"
says "$err" 'unknown.yaml:3:5:'
says "$err" 'did you mean `max_pool2d`?'
says "$err" "searched: $dir/convoy/plugins"
expect 2 model cifar_resnet20 --plugin "$dir/absent.so"

# ---- profile
expect 0 profile "$dir/odd.yaml" --batch 4 --steps 2 --threads 1 --order network
says "$out" "images/s forward and backward (batch 4, 1 thread, mean of 2 steps)"
awk '/^forward /{f = 1} /^backward /{b = 1} /^pack /{p = 1} END {exit !(f && b && p)}' "$out" || fail "no totals per pass"
expect 0 profile "$dir/odd.yaml" --batch 4 --steps 2 --json
json 4 '$.batch'
value 1 "json_extract(j, '\$.images_per_second') > 0"
value 1 "json_extract(j, '\$.peak_gflops') > 0"
value 1 "(SELECT count(*) > 0 FROM json_each(j, '\$.rows') WHERE value ->> 'pass' = 'backward-weights' AND value ->> 'algorithm' <> '')"
expect 2 profile "$dir/odd.yaml" --order size
expect 2 profile "$dir/odd.yaml" --steps 0

# ---- check
cat >"$dir/good.yaml" <<'END'
dataset: {type: shapes, train: 100, validation: 20}
model:
  - conv2d: {channels: 4, kernel: 3, name: stem}
  - global_avg_pool
  - linear: {units: classes}
train: {epochs: 2, batch_size: 32, optimizer: {type: sgd, lr: 0.1}}
repeats: 3
sweep:
  method: grid
  metric: {name: val_accuracy, goal: maximize}
  parameters:
    model.stem.channels: {values: [4, 8]}
END
sed 's/stem, */stem, /; s/channels: 4,/channels: 0,/; /^sweep/,$d' "$dir/good.yaml" >"$dir/bad.yaml"
expect 0 check "$dir/good.yaml"
says "$out" "good.yaml: ok: 3 layers,"
says "$out" "3 batches of 32 per epoch, 2 epochs; 6 trials: 2 configurations x 3 seeds"
expect 2 check "$dir/bad.yaml" "$dir/good.yaml"
says "$err" "bad.yaml:3:24: layer \"stem\" (conv2d): channels: 0 is below 1"
says "$out" "good.yaml: ok"
expect 2 check "$dir/bad.yaml" "$dir/good.yaml" --json
json 0 '$.files[0].ok'
json 2 '$.files[0].status'
json 1 '$.files[1].ok'
json 2 '$.files[1].configurations'
expect 2 check
expect 2 check "$dir/absent.yaml"

# Plugins that crash, leave, or fill memory while they are planned.
cat >"$dir/rude.c" <<'END'
#include <stdlib.h>
#include <unistd.h>
#include "convoy/layer.h"
static int infer(cvy_infer *in, const void *config)
{
    (void)in, (void)config;
    const char *how = getenv("RUDE");
    if (how && *how == 'e') _exit(0);
    if (how && *how == 'o') abort();
    volatile int *nowhere = (volatile int *)(uintptr_t)8;
    return *nowhere;
}
static int nothing(const cvy_plain *call, const void *config)
{
    (void)call, (void)config;
    return 0;
}
static const cvy_layer layer = {
    .size = sizeof(cvy_layer), .min_in = 1, .max_in = 1, .infer = infer, .forward = nothing, .backward = nothing};
CVY_PLUGIN(CVY_LAYER, rude, "", "does not come back", "", cvy_no_config, &layer, CVY_NO_PARAMS);
END
if "${CC:-cc}" -shared -fPIC -I"$source_dir/core/include" -o "$dir/rude.so" "$dir/rude.c"; then
    printf 'plugins: [rude.so]\nmodel: [rude, global_avg_pool, {linear: {units: classes}}]\n' >"$dir/rude.yaml"
    for how in segv exit over; do
        RUDE=$how expect 5 check "$dir/rude.yaml" "$dir/good.yaml"
        says "$err" "rude.yaml: planning it"
        says "$err" "it names these plugins: $dir/rude.so"
        says "$out" "good.yaml: ok"
    done
else
    fail "the rude plugin does not compile"
fi

[ "$failures" = 0 ] && echo "all good"
[ "$failures" = 0 ]
