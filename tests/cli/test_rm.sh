#!/usr/bin/env bash
# What stays of finished runs, taking runs and sweeps away, and metrics that nobody will log.
# usage: test_rm.sh SOURCE BUILD
. "$1/tests/cli/runs.sh"

cat >two.yaml <<'END'
experiment: two
dataset: {type: shapes, train_limit: 64, test_limit: 20, validation: 20}
model: [global_avg_pool, linear: {units: classes}]
train: {epochs: 1, batch_size: 32, optimizer: {type: adam, lr: 1e-2}}
sweep:
  method: grid
  metric: {name: val_loss, goal: minimize}
  parameters: {train.optimizer.lr: {values: [0.1, 0.01]}}
END

tensors() { # tensors FILE: the names in its header
    tr -d '\0' <"$1" | head -c 4000 | grep -ao '"[a-z_0-9.]*":{"dtype"' | sed 's/":.*//; s/"//'
}

# A sweep's runs drop the optimizer's state, a single one has it; the weights are there in all.
expect 0 sweep two.yaml -q
for run in r1 r2; do
    tensors results/$run/checkpoints/last.safetensors >names
    grep -q weight names || fail "no weights in $run"
    grep -q optimizer names && fail "$run kept the optimizer's state"
done
expect 0 run --base two.yaml -q --set train.epochs=2
tensors results/r3/checkpoints/last.safetensors >names
grep -q '^optimizer\.' names || fail "the single run lost the optimizer's state"
expect 0 run --base two.yaml -q --set train.epochs=2 --set train.keep=weights # is the same run: trained once
[ ! -e results/r4 ] || fail "trained again for what is kept"
expect 0 run --base two.yaml -q --set train.epochs=3 --set train.keep=best
[ "$(ls results/r4/checkpoints)" = best.safetensors ] || fail "r4 kept $(ls results/r4/checkpoints)"
grep -q '"best' results/r4/journal.1 && says results/r4/journal.1 best.safetensors
never results/r4/journal.1 last.safetensors
expect 0 eval r4 --json
expect 0 resume r1 # finished: nothing to do, whatever was dropped
expect 2 run --base two.yaml --set train.keep=wieghts
says err 'did you mean `weights`?'

# A second sweep that has a run of the first: this one stays when the first goes.
sed 's/0.1, 0.01/0.01, 0.001/' two.yaml >next.yaml
expect 0 sweep next.yaml -q
expect 2 rm s1
says err "would remove s1, r1: 1 sweep, 1 run; --yes"
[ -d results/s1 ] || fail "removed without being allowed to"
expect 0 rm s1 --dry-run
says err "1 run that other sweeps count as theirs stays"
[ -d results/r1 ] || fail "a dry run removed r1"
expect 0 rm s1 --yes --json
says out '"removed":true,"sweeps":["s1"],"runs":["r1"],"kept":["r2"]'
[ -d results/s1 ] || [ -d results/r1 ] || [ ! -d results/r2 ] && fail "after rm: $(ls results)"
expect 0 ls --json
never out '"r1"'
says out '"r2"'
expect 0 rm r3 r4 --yes
expect 0 query "SELECT count(*) FROM run_summary WHERE name IN ('r3', 'r4')" --csv
says out 0
expect 2 rm r3 --yes
says err 'no run "r3"'
expect 2 rm
expect 2 rm s2 --results nowhere --yes
says err "no such folder of results"
ls -A results | grep -q removing && fail "leftovers: $(ls -A results)"

# One that is being trained is left alone, and so is all else that was named.
expect 0 db rebuild
exec 9>results/r2/lock && flock 9
expect 2 rm s2 --yes
says err "r2 is running: nothing is removed"
[ -d results/s2 ] || fail "removed beside a running run"
exec 9>&-

# A metric that no trial logs is found before anything is trained.
for metric in val_acuracy auc val_average_loss "val_loss val_accuracy"; do
    sed "s/name: val_loss/name: $metric/" two.yaml >wrong.yaml
    expect 2 sweep wrong.yaml --results wrong
    says err "wrong.yaml:7:18: sweep: metric: $metric is logged by no trial"
done
sed "s/name: val_loss, goal: minimize/name: val_acuracy/" two.yaml >wrong.yaml
expect 2 sweep wrong.yaml --results wrong
says err 'did you mean `val_accuracy`?'
sed 's/{name: val_loss, goal: minimize}/{name: val_average_loss}/
     s/train.optimizer.lr: {values: \[0.1, 0.01\]}/train.optimizer: {values: [{type: sgd}, {type: ema, optimizer: {type: sgd}}]}/' two.yaml >some.yaml
expect 0 sweep some.yaml --dry-run --results wrong
says err "1 of 2 trials do not log val_average_loss"
[ -e wrong/r1 ] && fail "trained by a metric that nobody logs"
finish
