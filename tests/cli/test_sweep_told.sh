#!/usr/bin/env bash
# What a sweep tells of runs that another one trained, of what was not needed, and of what it cannot go on with.
# usage: test_sweep_told.sh SOURCE BUILD
. "$1/tests/cli/runs.sh"

cat >first.yaml <<'YAML'
experiment: told
seed: 7
dataset: {type: shapes, train_limit: 64, test_limit: 20, validation: 32}
model: [conv2d: {channels: 4, kernel: 3, padding: 1}, relu, global_avg_pool, linear: {units: classes}]
train: {epochs: 4, batch_size: 4, optimizer: {type: adam, lr: 1e-2}, checkpoint_seconds: 60}
sweep:
  method: random
  run_cap: 6
  metric: {name: val_loss, goal: minimize}
  parameters:
    train.optimizer.lr: {distribution: log_uniform_values, min: 1e-4, max: 3}
YAML
expect 0 sweep first.yaml -q

# ---- stopped early though trained to the end by another sweep: what counts ends where it was stopped
sed 's/^  metric:/  early_terminate: {type: halving, min_iter: 1, eta: 2}\n&/' first.yaml >halved.yaml
expect 0 sweep halved.yaml --dry-run
expect 0 sweep halved.yaml --json
[ "$(ls -d results/r* | wc -l)" = 6 ] || fail "trained again: $(ls results)"
sed -n 's/^\(r[0-9]*\) .*: stopped early after epoch \([0-9]*\) of 4.*/\1 \2/p' err >stopped
[ "$(wc -l <stopped)" -ge 4 ] || fail "halving stopped too few: $(cat err)"
while read -r run until; do
    best=$(grep -oE "\"run\":\"$run\",[^{}]*\"best\":\{[^}]*" out | sed 's/.*"epoch"://')
    [ "${best:-99}" -le "$until" ] || fail "$run counts until epoch $until, its best is of epoch $best"
done <stopped
counts() { # counts: no "5/4" among the lines of progress
    sed -n 's/^r[0-9]* \([0-9]*\)\/\([0-9]*\) .*/\1 \2/p' err >counted
    [ -s counted ] || fail "no progress was told: $(cat err)"
    while read -r n all; do
        [ "$n" -le "$all" ] || fail "progress says $n/$all"
    done <counted
}
counts
never err "estimated were" # nothing was trained

# ---- the estimate is compared with what it was made for: the one trial that is new
sed 's/run_cap: 6/run_cap: 7/' first.yaml >more.yaml
expect 0 sweep more.yaml --dry-run
says err "7 trials, 1 to train"
expect 0 sweep more.yaml
counts
took=$(sed -n 's/^the trials took \([0-9.]*\) s together, estimated were .*/\1/p' err)
own=$(tr -d '\0' <results/r7/events | grep -ao '"seconds":[0-9.e-]*' | cut -d: -f2)
awk -v took="$took" -v own="$own" 'BEGIN { exit !(took != "" && own != "" && took - own < 0.1 && own - took < 0.1) }' ||
    fail "r7 took $own s, all that was trained $took s: $(cat err)"

# ---- none of its runs is left, and it cannot go on exactly: one message, nothing is tried
rm -r results/r*
expect 2 resume s1 --threads 2
says err "s1 cannot go on exactly: threads: 1, now 2"
[ "$(grep -vc '^ *hint:' err)" = 1 ] || fail "more than one message: $(cat err)"
ls results | grep -q '^r[0-9]' && fail "runs were begun: $(ls results)"

# ---- ended by a failure, no target was reached
sed 's/method: random/method: tpe/; s/run_cap: 6/&\n  parallelism: 1/; s/goal: minimize/&, target: 1e-9/; s/epochs: 4/epochs: 1/
     s/type: adam/type: sgd/; s/min: 1e-4, max: 3/min: 5e5, max: 1e6/
     s/, relu, global_avg_pool/, relu, flatten, linear: {units: 8}, linear: {units: 8}/' first.yaml >target.yaml
"$convoy" sweep target.yaml --workers 1 --fail-fast --results target >out 2>err </dev/null && fail "nothing failed: $(cat err)"
says err "failed"
never err "target was reached"
never out "target was reached"
tr -d '\0' <target/s1/events >events
says events '"t":"exit"'
never events '"kind":"target"'

# ---- runs that two sweeps share with a third stay, and are told of once
sed 's/method: random/method: grid/; /run_cap/d; s/epochs: 4/epochs: 1/; s/batch_size: 4/batch_size: 32/
     s/lr: {distribution.*/lr: {values: [0.1, 0.01]}/' first.yaml >one.yaml
sed 's/0.1, 0.01/&, 0.001/' one.yaml >two.yaml
sed 's/0.1, 0.01/&, 0.003/' one.yaml >three.yaml
for sweep in one two three; do expect 0 sweep $sweep.yaml --results shared -q; done
expect 0 rm s1 s2 --dry-run --json --results shared
says out '"sweeps":["s1","s2"],"runs":["r3"],"kept":["r1","r2"]}'
says err "2 runs that other sweeps count as theirs stay"

# ---- looking on from a terminal with nothing to read: a board now and then, not thousands
if script -qec true /dev/null </dev/null >/dev/null 2>&1 && command -v flock >/dev/null; then
    exec 9>shared/s1/lock && flock 9
    script -qec "timeout 1 '$convoy' watch s1 --results shared </dev/null" /dev/null </dev/null >boards 2>&1 9>&-
    exec 9>&-
    n=$(grep -ac "s1 told" boards)
    [ "$n" -ge 1 ] && [ "$n" -lt 100 ] || fail "$n boards in a second: $(head -c 400 boards)"
fi
finish
