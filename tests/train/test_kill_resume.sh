#!/usr/bin/env bash
# Kills training at random instants, resumes it until it is finished, and compares what it leaves with an undisturbed run:
# checkpoints to the byte, and every row of metrics. Arguments: source folder, build folder.
set -u
source "$(dirname "${BASH_SOURCE[0]}")/common.bash"
kills_wanted=$((sanitized ? 6 : 20))
RANDOM=${CONVOY_TEST_SEED:-$(date +%N | sed 's/^0*//')}

cat >"$work/small.yaml" <<'YAML'
experiment: small
seed: 3
dataset:
  type: shapes
  train: 600
  test: 300
  size: 12
  validation: 0.5
  augment: [{random_crop: {padding: 2}}, horizontal_flip, normalize]
model:
  - conv2d: {channels: 8, kernel: 3, padding: 1, bias: false}
  - batch_norm
  - relu
  - residual: {channels: 8, blocks: 1}
  - dropout: {p: 0.2}
  - global_avg_pool
  - linear: {units: classes}
train:
  epochs: 20
  batch_size: 16
  optimizer: {type: sgd, lr: 0.05, momentum: 0.9}
  lr_schedule: {type: cosine, warmup_epochs: 1}
  log_every: 3
YAML

now_ms() {
    echo $(($(date +%s%N) / 1000000))
}

# trial DIR THREADS LEAST MOST: one attempt; with MOST > 0 killed after so many milliseconds. Sets code.
trial() {
    "$convoy" trial "$1" --threads "$2" >>"$1/output.txt" 2>&1 &
    local pid=$!
    if [ "$4" -gt 0 ]; then
        local ms=$(($3 + RANDOM % ($4 - $3 + 1)))
        sleep "$((ms / 1000)).$(printf %03d $((ms % 1000)))"
        kill -9 $pid 2>/dev/null
    fi
    wait $pid 2>/dev/null
    code=$?
}

# torture THREADS NAME OVERRIDE...: the undisturbed run, then runs killed again and again until enough kills have met a
# process at work.
torture() {
    local threads=$1 name=$2 kills=0 runs=0 begin whole attempts
    shift 2
    make_run "$work/$name" "$threads" "$work/small.yaml" "$@" || { fail "$name: cannot be planned"; return; }
    begin=$(now_ms)
    trial "$work/$name" "$threads" 0 0
    whole=$(($(now_ms) - begin))
    [ $code = 0 ] || { fail "$name: undisturbed, exit code $code"; cat "$work/$name/output.txt"; return; }
    while [ $kills -lt $kills_wanted ] && [ $runs -lt 60 ]; do
        runs=$((runs + 1))
        local dir=$work/$name.$runs
        make_run "$dir" "$threads" "$work/small.yaml" "$@"
        attempts=0
        code=137
        while [ $code = 137 ]; do
            attempts=$((attempts + 1))
            # The third kill at most: without a checkpoint of its own (default settings) a run would begin for ever.
            if [ $attempts -le 3 ]; then trial "$dir" "$threads" 1 "$whole"; else trial "$dir" "$threads" 0 0; fi
            [ $code = 137 ] && kills=$((kills + 1))
        done
        [ $code = 0 ] || { fail "$name: exit code $code after $attempts attempts"; cat "$dir/output.txt"; }
        same "$name, run $runs of $attempts attempts" "$work/$name" "$dir"
        rm -rf "$dir"
    done
    echo "$name: $kills kills in $runs runs of about $whole ms"
    [ $kills -ge $kills_wanted ] || fail "$name: only $kills kills"
}

torture 1 every-step-1 train.checkpoint_seconds=0
torture 2 every-step-2 train.checkpoint_seconds=0
kills_wanted=$((sanitized ? 3 : 8))
torture 1 default-1
torture 2 default-2
# Everything that waits, averages or gathers: what it has seen is in the checkpoint.
torture 2 waiting train.checkpoint_seconds=0 train.accumulate=3 train.clip_norm=1 \
    "train.optimizer={type: lookahead, k: 4, optimizer: {type: adam, lr: 0.01, amsgrad: true}}" \
    "train.lr_schedule={type: reduce_on_plateau, patience: 1, factor: 0.5}" "train.early_stopping={patience: 7}"
# Batches of four shapes, in an order of their own.
torture 2 sizes train.checkpoint_seconds=0 "dataset.size=[12, 20]" train.epochs=8
[ $failures = 0 ]
