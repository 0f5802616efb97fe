#!/usr/bin/env bash
# Cross-validation, the learning-rate range test and initialisers from the command line: what is trained, what is known already,
# how it is told. Arguments: source folder, build folder.
source "$(dirname "${BASH_SOURCE[0]}")/runs.sh"

cat >small.yaml <<'END'
experiment: small
seed: 3
dataset: {type: shapes, train: 120, test: 30, size: 12}
model:
  - conv2d: {channels: 4, kernel: 3, name: stem}
  - batch_norm
  - relu
  - global_avg_pool
  - linear: {units: classes, name: fc}
train: {epochs: 1, batch_size: 30, optimizer: {type: sgd, lr: 0.1}}
END

# A run for each fold.
{ cat small.yaml; echo 'folds: 3'; } >folds.yaml
expect 0 run folds.yaml
says err "fold 2: finished"
says out "FOLD"
says out "mean ± sd"
for k in 1 2 3; do
    grep -q "^folds: 3$" results/r$k/spec.yaml || fail "r$k does not say that there are 3 folds"
done
[ "$(cat results/r[123]/spec.yaml | grep '^fold: ' | sort | tr -d '\n')" = "fold: 1fold: 2fold: 3" ] || fail "not each fold once"
expect 0 run folds.yaml
says err "finished): nothing trained"
expect 0 compare r1 r2 r3
says out "3 folds"
expect 0 compare r1 r2 r3 --json
says out '"n":3'
expect 0 ls
says out "fold 3"
expect 0 check folds.yaml
says out "3 folds"

# One of them alone is the same run as before; a third seed is not.
expect 0 run folds.yaml fold=2
says err "(finished): nothing trained"
expect 0 run folds.yaml fold=2 seed=9
[ -d results/r4 ] || fail "another seed is another run"

# With repeats, each seed has its own folds; in a sweep, each configuration.
expect 0 run folds.yaml repeats=2 folds=2 --results twice
[ "$(ls twice | grep -c '^r')" = 4 ] || fail "not two folds of two seeds"
says err "seed=4, fold 1"
{ cat folds.yaml; echo 'sweep: {method: grid, parameters: {init.weights: {values: [he_normal, orthogonal]}}}'; } >sweep.yaml
expect 0 sweep sweep.yaml --results swept
[ "$(ls swept | grep -c '^r')" = 6 ] || fail "not three folds of two configurations"
says out "he_normal"
never out "fold 1"
expect 0 compare s1 --results swept
says out "(3 folds)"
says out "orthogonal"

# Rules vary by their place, and keep the names they are for.
cat >rules.yaml <<'END'
experiment: rules
dataset: {type: shapes, train: 60, test: 30, size: 12}
model: [{conv2d: {channels: 4, kernel: 3, name: stem}}, relu, global_avg_pool, {linear: {units: classes, name: fc}}]
init:
  rules: [{type: he_normal, match: "stem.*ight"}]
train: {epochs: 1, batch_size: 30}
sweep:
  method: grid
  parameters:
    init.rules.0.type: {values: [xavier_normal, lecun_uniform]}
END
expect 0 sweep rules.yaml --results ruled
for k in 1 2; do
    grep -q 'stem.\*ight' ruled/r$k/spec.yaml || fail "r$k lost its rule's names"
done
cat ruled/r1/spec.yaml ruled/r2/spec.yaml | grep -q xavier_normal || fail "no xavier_normal"
cat ruled/r1/spec.yaml ruled/r2/spec.yaml | grep -q lecun_uniform || fail "no lecun_uniform"
hashes=$(cat ruled/r*/run.json | grep -o '"config_hash":"[0-9a-f]*"' | sort -u | wc -l)
[ "$hashes" = 2 ] || fail "the two are not told apart by config_hash"

# The range test is a run like any other, with a chart.
expect 0 run small.yaml --find-lr --steps 40 --results range
says out "learning rate"
if command -v gnuplot >/dev/null; then
    [ -s range/r1/lr_range.png ] && [ -s range/r1/lr_range.svg ] || fail "no chart of the range test"
fi
expect 0 ls --results range
says out "learning-rate range test"
expect 0 run small.yaml --find-lr --steps 40 --results range --json
says err "same as r1"
says out '"run":"r1"'
says out '"minimum_tenth":'
expect 0 run small.yaml --results range
[ -d range/r2/checkpoints ] || fail "the training itself is another run"
expect 0 run folds.yaml --find-lr --results range # of one run, not of three
[ -d range/r3 ] && ! [ -d range/r4 ] || fail "a range test of each fold"
expect 2 run small.yaml --find-lr --from fast
says err '"fast" is no learning rate'
expect 2 run small.yaml --steps 5
says err "belong to --find-lr"
expect 2 run small.yaml --find-lr --from 1 --to 0.1
says err "is not below"

# A run that explodes says where, and ends with 1.
expect 1 run small.yaml 'init.rules=[{type: normal, std: 1e30, match: "stem.weight"}, {type: constant, value: 1e30, match: "1.weight"}]' \
    'model.1={type: scale, init: 1}' --results blown
says err "first not finite is the output of layer"
[ -z "$(ls blown/r1/checkpoints)" ] || fail "a checkpoint of it"

[ "$failures" = 0 ] && echo "all is well"
exit $((failures > 0))
