#!/usr/bin/env bash
# Strikes a small run at each of its calls that change a file, one after the other: killed before it; and at every third,
# killed half-way through a write, or the disk full from there on. After each the run goes on to the same end, and a full
# disk says exit code 4.
# Arguments: source folder, build folder.
set -u
source "$(dirname "${BASH_SOURCE[0]}")/common.bash"
strike=$build/tests/train/tools/libstrike.so

cat >"$work/tiny.yaml" <<'YAML'
seed: 3
dataset: {type: shapes, train: 40, test: 10, size: 12, validation: 10}
model: [{conv2d: {channels: 8, kernel: 3}}, batch_norm, relu, global_avg_pool, {linear: {units: classes}}]
train:
  epochs: 2
  batch_size: 15
  optimizer: {type: sgd, lr: 0.05, momentum: 0.9}
  checkpoint_seconds: 0
  log_every: 1
YAML

# trial DIR [VARIABLE=VALUE ...]
trial() {
    local dir=$1
    shift
    env STRIKE_IN="$dir/" "$@" LD_PRELOAD="$strike" ASAN_OPTIONS=verify_asan_link_order=0:detect_leaks=0 \
        "$convoy" trial "$dir" --threads 1 >>"$dir/output.txt" 2>&1
}

make_run "$work/whole" 1 "$work/tiny.yaml" || fail "cannot be planned"
make_run "$work/model" 1 "$work/tiny.yaml"
trial "$work/whole" STRIKE_COUNT="$work/count" || { fail "undisturbed"; cat "$work/whole/output.txt"; }
calls=$(cat "$work/count")
echo "$calls calls"
[ "$calls" -gt 100 ] || fail "only $calls calls were seen"

for how in kill torn full; do
    how_often=$(((sanitized ? 5 : 1) * ($([ $how = kill ] && echo 1 || echo 3))))
    for ((at = 1; at <= calls; at += how_often)); do
        dir=$work/$how.$at
        cp -r "$work/model" "$dir"
        trial "$dir" STRIKE_AT="$at" STRIKE_HOW="$how" 2>/dev/null
        code=$?
        if [ $how = full ]; then
            [ $code = 4 ] || { fail "$how at call $at: exit code $code"; tail -n 3 "$dir/output.txt"; }
        else
            [ $code = 137 ] || fail "$how at call $at: exit code $code"
        fi
        trial "$dir" || { fail "$how at call $at: cannot go on"; tail -n 3 "$dir/output.txt"; }
        same "$how at call $at" "$work/whole" "$dir"
        rm -rf "$dir"
        [ $failures -lt 20 ] || exit 1
    done
done 2>/dev/null
[ $failures = 0 ]
