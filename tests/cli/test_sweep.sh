#!/usr/bin/env bash
# `convoy sweep`: every trial once, whatever the number of workers; failures stay where they are.
. "$(dirname "$0")/runs.sh"
tiny tiny.yaml
{
    sed 's/epochs: 3/epochs: 2/; s/checkpoint_seconds: 0/checkpoint_seconds: 60/' tiny.yaml
    cat <<'END'
repeats: 2
sweep:
  method: grid
  metric: {name: val_accuracy, goal: maximize}
  parameters:
    train.optimizer: {values: [{type: sgd, lr: 1e-1}, {type: adam, lr: 1e-2}]}
    model.stem.channels: {values: [4, 8]}
END
} >swept.yaml

# ---- the dry run
expect 0 sweep swept.yaml --dry-run
says out "adam lr=0.01, channels=8"
says err "8 trials: 4 configurations x 2 seeds, 8 to train, 1 thread each"
[ ! -e results ] || fail "a dry run wrote something"

# ---- one worker or two
expect 0 sweep swept.yaml --workers 1 --results one
says err "s1: 8 trials"
says out "sgd lr=0.1, channels=4"
says out "2 finished"
[ "$(grep -c ± out)" = 4 ] || fail "a line per configuration: $(cat out)"
expect 0 sweep swept.yaml --workers 2 --results two
member() { # member RESULTS NUMBER KEY: of run.json
    grep -oE "\"$3\":(\"[^\"]*\"|\{[^}]*\}|[^,]*)" "$1/r$2/run.json" | head -1
}
for i in 1 2 3 4 5 6 7 8; do
    same_run one r$i two r$i
    for key in label trial repeat seed config_hash params; do
        [ "$(member one $i $key)" = "$(member two $i $key)" ] || fail "r$i: $key differs"
    done
done
grep -q '"label":"adam lr=0.01, channels=8".*"sweep":"s1","trial":3,"repeat":1' one/r8/run.json ||
    fail "run.json: $(cat one/r8/run.json)"
grep -q '"model.stem.channels":"8"' one/r8/run.json || fail "swept values belong to the parameters"
expect 0 compare s1 --results one
says out "channels"

grep -q '"path":"[^"]*/one/s1/plugins/[0-9a-f]*/conv2d.so"' one/r8/run.json || fail "a sweep has its own plugin files"

# ---- what is known is not trained again
expect 0 sweep swept.yaml --results one
says err "s1: 8 trials: 4 configurations x 2 seeds, 8 finished: nothing trained"
expect 0 run --base swept.yaml model.stem.channels=4 train.optimizer='{type: sgd, lr: 0.1}' repeats=1 seed=8 --results one --threads 1
says err "same as r2 (finished)"
expect 0 run --base swept.yaml model.stem.channels=4 repeats=1 --results mixed --threads 1
expect 0 sweep swept.yaml --results mixed --json -q
grep -q '"sweep":"s1","exit_code":0' out || fail "json: $(head -c 300 out)"
[ "$(grep -o '"known":true' out | wc -l)" = 1 ] || fail "one was known: $(cat out)"
expect 0 compare s1 --results mixed
[ "$(ls -d mixed/r* | wc -l)" = 8 ] || fail "8 runs: $(ls mixed)"
expect 0 sweep swept.yaml --results mixed --again -q
[ "$(ls -d mixed/r* | wc -l)" = 16 ] || fail "--again: 16 runs: $(ls mixed)"

# ---- errors, before anything starts
expect 2 sweep tiny.yaml
says err "tiny.yaml: describes a single run: it has no \`sweep:\`"
sed 's/values: \[4, 8\]/values: [4, -8, four]/; s/model.stem.ch/model.stm.ch/' swept.yaml >path.yaml
expect 2 sweep path.yaml --results bad
says err 'path.yaml:24:5: sweep: the model has no parameter, layer name or position `stm`'
sed 's/values: \[4, 8\]/values: [4, -8, four]/' swept.yaml >values.yaml
expect 2 sweep values.yaml --results bad
says err 'values.yaml:24:39: 4 of 12 trials: layer "stem" (conv2d): channels: -8 is below 1'
says err 'values.yaml:24:43: 4 of 12 trials: layer "stem" (conv2d): channels: expected an integer, found the string "four"'
[ ! -e bad ] || fail "a results folder was made for nothing"
expect 0 sweep values.yaml --skip --results skipped
says out "refused"
[ "$(ls -d skipped/r* | wc -l)" = 4 ] || fail "--skip: $(ls skipped)"
expect 2 sweep swept.yaml model.stem.channels=3
says err "\`model.stem.channels\` is swept here and set to one value on the command line"

# ---- a trial that fails, fails alone
sed '/batch_norm/d; s/{type: sgd, lr: 1e-1}/{type: sgd, lr: 1e6}/' swept.yaml >diverge.yaml
expect 3 sweep diverge.yaml --results diverge
says err "r1 (sgd lr=1000000, channels=4) failed: step"
never err '\x0A'
says err "see diverge/r1/output.txt"
says out "2 failed"
says out "2 finished"
grep -q '"trials":8' diverge/s1/sweep.json || fail "sweep.json"
expect 0 ls --results diverge
says out "4/8"
finish
