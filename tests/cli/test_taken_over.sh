#!/usr/bin/env bash
# A run that was trained before a sweep came to the same configuration stands in it as that trial, under the parameters that the
# sweep gave: what compare says does not depend on what was trained first. usage: test_taken_over.sh SOURCE BUILD
. "$1/tests/cli/runs.sh"

cat >base.yaml <<'YAML'
experiment: base
dataset: {type: shapes, train_limit: 64, test_limit: 20, validation: 32}
model:
  - conv2d: {channels: 8, kernel: 3, padding: 1, name: stem}
  - relu
  - global_avg_pool
  - linear: {units: classes}
train: {epochs: 1, batch_size: 32, optimizer: {type: adam, lr: 1e-3}}
YAML
{
    cat base.yaml
    cat <<'YAML'
repeats: 2
sweep:
  method: grid
  parameters:
    train.optimizer.lr: {values: [0.001, 3e-2]}
    model.stem.channels: {values: [4, 8]}
YAML
} >sweep.yaml

told() { # told NAME: what compare says of the sweep, without times, what they decide, and the names of runs
    for by in train.optimizer.lr model.stem.channels; do
        expect 0 compare s1 --by $by --json
        sed -E 's/"r[0-9]+"/"r"/g; s/"seconds[a-z_]*":(\{[^}]*\}|[^,}]*)//g; s/"front":\[[^]]*\]//g' out
    done >"$1"
    expect 0 compare s1 --json
    grep -o '"label":"[^"]*"\|"params":{[^}]*}' out | sort >>"$1"
}
expect 0 sweep sweep.yaml --threads 1 -q
told apart
expect 0 compare s1
says out "channels 8"
rm -rf results

expect 0 run base.yaml --threads 1 -q # written 1e-3 where the sweep says 0.001
expect 0 sweep sweep.yaml --threads 1 -q
[ "$(ls -d results/r* | wc -l)" = 8 ] || fail "trained again: $(ls results)"
told taken
cmp -s apart taken || fail "compare depends on what was trained before: $(diff apart taken | cut -c1-600)"
never out "not set"
expect 0 ls s1
[ "$(grep -c 'channels=' out)" = 8 ] || fail "a run without the sweep's label: $(cat out)"
expect 0 query "SELECT value FROM trial_params WHERE path = 'model.stem.channels'"
says out "8"

# What the run says of itself stays, and a sweep that goes takes its words along.
expect 0 show r1 --json
never out '"model.stem.channels"'
expect 0 rm s1 --yes
expect 0 query "SELECT count(*) FROM trial_params"
says out "0"
finish
