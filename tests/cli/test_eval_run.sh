#!/usr/bin/env bash
# `convoy eval`: trained runs measured: the run's own figures to the last digit, other parts, sizes and datasets, ensembles,
# and what is refused. Nothing in a run's folder moves.
. "$(dirname "$0")/runs.sh"
tiny tiny.yaml
sed -i 's/type: shapes,/type: shapes, seed: 5,/; s/test_limit: 100/test: 100/' tiny.yaml
expect 0 run tiny.yaml repeats=2 --threads 1 -q
expect 0 run tiny.yaml seed=20 --threads 2 -q

# field FILE NAME: the first value of that name in a line of JSON.
field() {
    grep -o "\"$2\":[^,}]*" "$1" | head -1 | cut -d: -f2-
}

# state_of DIR: names, times and contents of a folder.
state_of() {
    find "$1" -printf '%p %s %T@ %m\n' | sort
    find "$1" -type f -exec cat {} + | cksum
}

# ---- the run's own figures
before=$(state_of results/r1)
for run in r1 r2 r3; do
    "$convoy" show $run --json >shown 2>err || fail "show $run: $(cat err)"
    expect 0 eval $run --json
    for name in loss accuracy top5_accuracy; do
        logged=$(grep -o "\"test_$name\":\[{[^]]*" shown | grep -o '"value":[^}]*' | cut -d: -f2)
        [ -n "$logged" ] || fail "$run logged no test_$name"
        [ "$(field out $name)" = "$logged" ] || fail "$run test_$name: $(field out $name), logged $logged"
    done
    expect 0 eval $run --which last --part validation --json
    logged=$(grep -o '"val_loss":\[{[^]]*' shown | grep -o '"value":[^}]*' | tail -1 | cut -d: -f2)
    [ "$(field out loss)" = "$logged" ] || fail "$run val_loss: $(field out loss), logged $logged"
done
[ "$(state_of results/r1)" = "$before" ] || fail "eval changed the folder of r1"

expect 0 eval r1
says err "r1 (tiny): best weights, epoch"
says out "test_loss"
says out "test_accuracy"
says out "test_top5_accuracy"
says out "calibration error"
says out "PRECISION %"
says out "Samples of a class (row) taken for a class (column):"
grep -qE '^samples +100$' out || fail "samples: $(cat out)"
expect 0 eval r1 --json
grep -qE '"classes":\[\{"name":"[a-z]+","precision":' out || fail "class names: $(cat out)"
grep -qE '"confusion":\[\[[0-9]+(,[0-9]+){9}\],' out || fail "confusion: $(cat out)"
grep -q '"groups":\[\]' out && fail "a run alone is a group too"
expect 0 eval r1 --part train
says out "train_accuracy"
grep -qE '^samples +512$' out || fail "training samples: $(cat out)"

# ---- a checkpoint without the optimizer's state is enough, and one of a run at work
cp -r results slim
rm -f slim/r1/checkpoints/last.safetensors
expect 0 eval r1 --json
cp out whole
expect 0 eval r1 --json --results slim
cmp -s out whole || fail "the best weights alone: $(cat out)"
expect 2 eval r1 --results slim --which last
says err "the run has no checkpoint yet"
rm -f slim/r1/checkpoints/best.safetensors
expect 2 eval r1 --results slim
says err "the run has no checkpoint yet"

# ---- several
expect 0 eval tiny
says out "TEST ACC %"
says out "mean ± sd of 3"
[ "$(grep -c '^r[123] ' out)" = 3 ] || fail "rows: $(cat out)"
expect 0 eval r2 r1 --json
grep -qE '"runs":\[\{"run":"r2",.*\{"run":"r1",' out || fail "order: $(cat out)"
grep -qE '"groups":\[\{"configuration":"[^"]*","runs":\["r2","r1"\],"loss":\{"n":2,' out || fail "groups: $(cat out)"
rm -rf slim/r1/checkpoints
expect 2 eval r1 r2 --results slim # what is there is told all the same
says err "r1: the run has no checkpoint yet"
grep -q '^r2 ' out || fail "r2: $(cat out)"

# ---- together
expect 0 eval r1 --ensemble --json
one=$(grep -o '"runs":\[{.*}\],"groups"' out | grep -o '"samples":.*' | sed 's/}\],"groups"$//')
all=$(grep -o '"ensemble":{.*' out | grep -o '"samples":.*' | sed 's/}}$//')
[ -n "$one" ] || fail "ensemble of one: $(cat out)"
[ "${all#"$one"}" != "$all" ] || fail "an ensemble of one is the run: $one against $all"
expect 0 eval r1 r2 r3 --ensemble
says out "ensemble of 3"
says out "The ensemble, class by class:"
expect 0 eval r1 r2 r3 --ensemble --json
[ "$(grep -o '"confusion"' out | wc -l)" = 1 ] || fail "details of the ensemble alone: $(cat out)"

# ---- what was measured is in the database, also when it is made again; of an ensemble one row for each figure
figures() {
    sqlite3 results/convoy.db "SELECT runs, members, part, weights, dataset, overrides, samples, metric, value FROM
        evaluations WHERE part = 'test' AND overrides = '[]' ORDER BY runs, weights, metric"
}
if command -v sqlite3 >/dev/null; then
    figures >kept
    [ "$(grep -c '^r1 r2 r3|3|test|best|shapes|' kept)" = 4 ] || fail "the ensemble in the database: $(cat kept)"
    [ "$(grep -c '^r1|1|test|best|' kept)" = 4 ] || fail "r1 in the database: $(cat kept)"
    expect 0 db rebuild
    figures >again
    cmp -s kept again || fail "rebuilt: $(diff kept again)"
    expect 0 eval r3 r2 r1 --ensemble # the same together, in another order
    figures | sed 's/^r3 r2 r1/r1 r2 r3/' | sort >again
    [ "$(grep -c '^r1 r2 r3|' again)" = 4 ] || fail "an ensemble twice: $(cat again)"
    sqlite3 results/convoy.db 'UPDATE schema_version SET version = 1; DROP VIEW evaluations'
    expect 0 ls
    says err "written by an older Convoy (schema 1): brought up to date"
    [ "$(figures | wc -l)" = "$(wc -l <kept)" ] || fail "after an older Convoy: $(figures)"
fi
chmod a-w results/evaluations 2>/dev/null
[ -w results/evaluations ] || { # not for root
    expect 0 eval r1
    says err "the figures are not kept in the database"
}
chmod u+w results/evaluations
expect 2 eval r1 r2 --ensemble --part validation # drawn from each run's seed
says err "r2: "
says err "its samples are others than those of the runs before it"
says err "dataset.seed=1"

# ---- other data
expect 0 eval r1 dataset.test_limit=37 --json
[ "$(field out samples)" = 37 ] || fail "test_limit: $(cat out)"
expect 0 eval r1 --set dataset.test_limit=37 --json
[ "$(field out samples)" = 37 ] || fail "--set: $(cat out)"
expect 0 eval r1 dataset.seed=6 --json
grep -q '"accuracy":' out || fail "another seed: $(cat out)"
expect 0 eval r1 'dataset.augment=[normalize, {center_crop: {size: 28}}]' --json # a plugin that the run had not
expect 2 eval r1 train.epochs=4
says err "train.epochs=4: the network and how it was trained are the run's"
says err "below \`dataset.\`"
expect 2 eval r1 dataset.test_limt=4
says err "test_limit"
expect 0 eval r1 dataset.validation=50 --part validation
says err "may have been trained on some of those"

# What is normalized stays as in training: other training samples move no test figure.
expect 0 eval r1 --json
cp out whole
expect 0 eval r1 dataset.train_limit=64 --json
[ "$(field out loss)" = "$(field whole loss)" ] || fail "statistics: $(field out loss), not $(field whole loss)"

# ---- other sizes
expect 0 eval r1 --input-size 48 --json
grep -q '"input_size":\[48,48\]' out || fail "input_size: $(cat out)"
[ "$(field out loss)" != "$(field whole loss)" ] || fail "--input-size 48 changed nothing"
expect 0 eval r1 --input-size 24x40
expect 0 eval r1 --input-size 32 --json # as they are
[ "$(field out loss)" = "$(field whole loss)" ] || fail "--input-size 32: $(field out loss)"
expect 0 run tiny.yaml --threads 1 -q train.epochs=1 \
    'model=[{conv2d: {channels: 4, kernel: 3, stride: 4}}, flatten, {linear: {units: classes, name: head}}]'
expect 2 eval r4 --input-size 48
says err 'layer "head" (linear): "head.weight" has shape [10, 256] in the checkpoint'
says err 'for input (N, 3, 48, 48) wants [10, 576]'
says err "global_avg_pool"
expect 0 run tiny.yaml --threads 2 -q train.epochs=1 dataset.train_limit=16 dataset.validation=8 dataset.test=8 \
    model="$source_dir/experiments/architectures/cifar_fcn.yaml"
expect 0 eval r5 --input-size 48
says out "test_accuracy"

# ---- outputs that are no classes
cat >auto.yaml <<'END'
dataset: {type: shapes, train_limit: 64, test_limit: 32, target: input}
model: [{conv2d: {channels: 3, kernel: 3, padding: 1}}]
loss: mean_squared_error
train: {epochs: 1}
END
expect 0 run auto.yaml --threads 1 -q
expect 0 eval last
says out "test_loss"
never out "accuracy"
never out "PRECISION"
expect 2 eval last r1 --ensemble
says err "no scores of classes"

# ---- a sweep
{
    cat tiny.yaml
    echo 'sweep: {method: grid, parameters: {train.optimizer.lr: {values: [0.01, 0.001]}}}'
} >swept.yaml
expect 0 sweep swept.yaml train.epochs=1 --workers 1 --threads 1 -q
expect 0 eval s1 --ensemble
says out "lr 0.001"
says out "ensemble of 2"

# ---- plugins that come with Convoy, built anew since: told, and taken where they still make the run's network
expect 0 eval r1 --json
cp out whole
cp -r results rebuilt
LC_ALL=C sed -i -E 's/("name":"relu","path":"[^"]*","sha256":")[0-9a-f]{8}/\100000000/' rebuilt/r1/run.json
expect 0 eval r1 --json --results rebuilt
cmp -s out whole || fail "with a plugin built anew: $(cat out)"
says err "1 has been built anew since the run was planned (relu)"

# ---- plugins that changed or went
cat >twofold.c <<'END'
#include "convoy/layer.h"
static int infer(cvy_infer *in, const void *c) { (void)c; in->out = in->in[0]; return 0; }
static int forward(const cvy_plain *p, const void *c)
{
    (void)c;
    for (int64_t i = 0; i < cvy_count(&p->in[0]); i++) p->y[i] = FACTOR * p->x[0][i];
    return 0;
}
static int backward(const cvy_plain *p, const void *c)
{
    (void)c;
    for (int64_t i = 0; p->gx[0] && i < cvy_count(&p->in[0]); i++) p->gx[0][i] = FACTOR * p->gy[i];
    return 0;
}
static const cvy_layer type = {sizeof type, 1, 1, infer, forward, backward, NULL, NULL};
CVY_PLUGIN(CVY_LAYER, twofold, "", "times a factor", "", cvy_no_config, &type, CVY_NO_PARAMS);
END
twofold() { # twofold FACTOR
    cc -w -shared -fPIC -DFACTOR="$1" -I"$source_dir/core/include" -o built.so twofold.c 2>cc.err && mv built.so twofold.so
}
if twofold 2; then
    expect 0 run tiny.yaml --plugin ./twofold.so --threads 1 -q train.epochs=1 --name own \
        'model=[twofold, {conv2d: {channels: 4, kernel: 3}}, relu, global_avg_pool, {linear: {units: classes}}]'
    expect 0 eval own --json
    cp out whole
    cp twofold.so kept.so
    twofold 3
    expect 5 eval own
    says err "layer twofold: the plugin has changed since the run was planned"
    says err "--force"
    expect 0 eval own --force --json
    says err "warning: "
    [ "$(field out loss)" != "$(field whole loss)" ] || fail "--force took the old plugin"
    expect 0 eval own --plugin ./kept.so --json # the same file elsewhere
    cmp -s out whole || fail "the same plugin elsewhere: $(cat out)"
    rm twofold.so
    expect 5 eval own
    says err "layer twofold: the plugin is not there any more"
    expect 5 eval own --force
    says err "--plugin FILE"
else
    fail "cannot compile: $(cat cc.err)"
fi

# ---- while another run trains, and before there is anything
sed 's/epochs: 3/epochs: 500/' tiny.yaml >long.yaml
"$convoy" run long.yaml --threads 1 -q --name long >/dev/null 2>&1 &
worker=$!
seen=0
for i in $(seq 400); do
    "$convoy" eval long >out 2>err </dev/null && seen=1 && break
    grep -qE 'no run|has no (checkpoint|best epoch) yet' err || { fail "eval of a run at work: $(cat err)"; break; }
    kill -0 $worker 2>/dev/null || break
    sleep 0.05
done
[ $seen = 1 ] && says out "test_accuracy"
expect 0 eval r1 --json
expect 0 stop long # a process in the background of a script takes no Ctrl-C
wait $worker
expect 0 eval long

# ---- what is wrong
expect 2 eval
says err "which runs or sweeps?"
expect 2 eval r99
says err 'no run "r99"'
expect 2 eval tny
says err "did you mean tiny?"
expect 2 eval r1 --part tst
says err '"tst" is not test, validation or train'
expect 2 eval r1 --which first
says err '"first" is not best, last or average'
expect 2 eval r1 --which average
says err "has no averaged weights: the run's optimizer keeps none"
expect 2 eval r1 --input-size big
says err '"big" is no size in pixels'
expect 2 eval r1 --input-size 0
expect 0 run tiny.yaml --threads 1 -q dataset.validation=0 train.epochs=1 --name bare
expect 2 eval bare --part validation
says err "no samples were held out for validation: dataset.validation is 0"
expect 2 eval r1 dataset.type=cifar10 dataset.path=nowhere
says err "nowhere"
finish
