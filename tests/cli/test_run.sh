#!/usr/bin/env bash
# `convoy run`: trains, knows what was trained, says what is wrong before anything is written.
. "$(dirname "$0")/runs.sh"
tiny tiny.yaml

# ---- once, and never again unless asked
expect 0 run tiny.yaml --threads 1
says err "r1 (tiny) starts"
says err "r1 epoch 1/3: train_loss"
says err "images/s"
says err '`convoy plot r1` draws the curves'
says out "val_accuracy"
says out "test_accuracy"
[ "$(grep -c '^r1 epoch' err)" = 3 ] || fail "a line per epoch: $(cat err)"
[ -s results/r1/checkpoints/best.safetensors ] || fail "no checkpoint"
expect 0 run tiny.yaml --threads 1
says err "same as r1 (finished): nothing trained; use --again"
says out "test_accuracy"
expect 0 run tiny.yaml experiment=other --threads 1 # the name is no part of what a run is
says err "same as r1"
expect 0 run tiny.yaml --again --threads 1
same_run results r1 results r2
expect 0 run tiny.yaml --threads 1 -q --json seed=8
grep -q '"run":"r3".*"state":"finished","known":false' out || fail "json: $(cat out)"
[ ! -s err ] || fail "talk under -q: $(cat err)"
expect 0 ls
says out "r3"
expect 0 run tiny.yaml --threads 1 --name "a name: with \"quotes\"" --set train.epochs=1
grep -q '"experiment":"a name: with \\"quotes\\""' results/r4/run.json || fail "--name: $(cat results/r4/run.json)"
grep -q '"overrides":\["train.epochs=1","experiment=' results/r4/run.json || fail "overrides: $(cat results/r4/run.json)"

# ---- several seeds
expect 0 run tiny.yaml repeats=3 train.epochs=1
says out "mean ± sd"
says err "1 of 3 seeds are finished already: r4"
expect 0 run tiny.yaml repeats=3 train.epochs=1
says err "nothing trained"

# ---- elsewhere
expect 0 run tiny.yaml train.epochs=1 --results deep/er --threads 1
[ -s deep/er/r1/run.json ] || fail "--results"
CONVOY_RESULTS=env expect 0 run tiny.yaml train.epochs=1 --threads 1
[ -s env/r1/run.json ] || fail "CONVOY_RESULTS"

# ---- what is wrong is said before anything is written
export CONVOY_RESULTS=none
sed 's/channels: 8/chanels: 8/; s/epochs: 3/epochs: three/' tiny.yaml >typo.yaml
expect 2 run typo.yaml
says err 'typo.yaml:5:14: layer "stem" (conv2d): unknown parameter "chanels"'
says err '  hint: did you mean `channels`?'
says err '    |              ^'
says err 'typo.yaml:13:11:'
expect 2 run tiny.yaml train.epoch=3
says err '--set train.epoch=3'
expect 2 run tiny.yaml 'model=[maxout, {linear: {units: classes}}]'
says err 'no layer plugin named "maxout"'
expect 2 run
says err "which experiment file?"
expect 2 run tiny.yaml other.yaml
says err 'unexpected "other.yaml"'
expect 2 run nowhere.yaml
says err "nowhere.yaml: cannot read: No such file or directory"
expect 2 run tiny.yaml --threads 0x
{
    cat tiny.yaml
    echo 'sweep: {method: grid, parameters: {train.epochs: {values: [1, 2]}, seed: {values: [1, 2, 3]}}}'
} >swept.yaml
expect 2 run swept.yaml
says err "swept.yaml: describes 6 trials"
says err 'use `convoy sweep swept.yaml`, or `convoy run --base swept.yaml`'
[ ! -e none ] || fail "a results folder was made for nothing"
expect 0 run --base swept.yaml train.epochs=1 --threads 1
unset CONVOY_RESULTS

# ---- plugins that misbehave
cat >bad.c <<'END'
#include "convoy/layer.h"
#include <math.h>
#include <stdlib.h>
#include <unistd.h>
typedef struct config { int32_t when; } config;
static const char *const whens[] = {"never", "infer", "loop", "train", "nan", "exit", NULL};
static const cvy_param params[] = {CVY_ENUM(config, when, never, whens, "when it misbehaves")};
static int infer(cvy_infer *in, const void *c)
{
    if (((const config *)c)->when == 1) *(volatile int *)8 = 1;
    while (((const config *)c)->when == 2) sleep(1);
    in->out = in->in[0];
    return 0;
}
static int forward(const cvy_plain *p, const void *c)
{
    if (((const config *)c)->when == 3) *(volatile int *)8 = 1;
    if (((const config *)c)->when == 5) exit(0);
    for (int64_t i = 0; i < cvy_count(&p->in[0]); i++)
        p->y[i] = ((const config *)c)->when == 4 ? (cvy_real)NAN : p->x[0][i];
    return 0;
}
static int backward(const cvy_plain *p, const void *c)
{
    (void)c;
    for (int64_t i = 0; p->gx[0] && i < cvy_count(&p->in[0]); i++) p->gx[0][i] = p->gy[i];
    return 0;
}
static const cvy_layer type = {sizeof type, 1, 1, infer, forward, backward, NULL, NULL};
CVY_PLUGIN(CVY_LAYER, bad, "", "misbehaves", "", config, &type, CVY_PARAMS(params));
END
if cc -w -shared -fPIC -I"$source_dir/core/include" -o bad.so bad.c 2>cc.err; then
    misbehave() { # misbehave CODE WHEN
        expect "$1" run tiny.yaml --plugin ./bad.so --results "bad-$2" --threads 1 train.epochs=1 \
            "model=[{bad: {when: $2}}, flatten, {linear: {units: classes}}]"
    }
    misbehave 0 never
    misbehave 5 infer
    if grep -q "CONVOY_SANITIZE:BOOL=ON" "$2/CMakeCache.txt"; then
        says err "planning ended early"
    else
        says err "plugin crashed while planning: signal 11 (segmentation fault)"
    fi
    [ ! -e bad-infer ] || fail "written for nothing"
    CONVOY_PLAN_SECONDS=1 misbehave 5 loop
    says err "planning took more than 1 s and was stopped"
    misbehave 1 train
    if [ -s bad-train/r1/output.txt ]; then # a sanitizer has said something
        says err "see bad-train/r1/output.txt"
    else
        says err "convoy plugin check --sanitize NAME.c"
    fi
    { cat tiny.yaml; echo "sweep: {method: grid, parameters: {train.optimizer.lr: {values: [0.1, 0.2]}}}"; } >crashing.yaml
    expect 3 sweep crashing.yaml --plugin ./bad.so --results bad-sweep train.epochs=1 \
        "model=[{bad: {when: train}}, flatten, {linear: {units: classes}}]"
    never err "draws the curves"
    misbehave 1 nan
    says err "r1 failed:"
    misbehave 1 exit
    says err "did a plugin call exit()?"
else
    fail "the misbehaving plugin does not compile: $(head -5 cc.err)"
fi
finish
