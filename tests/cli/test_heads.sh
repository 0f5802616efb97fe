#!/usr/bin/env bash
# Auxiliary heads in training: their loss flows back by its weight, is logged beside train_loss, and evaluation knows nothing
# of them. Killed and resumed with the same bits.
. "$(dirname "$0")/runs.sh"
tiny bare.yaml
with_head() { # with_head WEIGHT: the tiny experiment with a head behind its stem
    sed "s/^  - max_pool2d/  - auxiliary_head: {weight: $1, name: aux, layers: [global_avg_pool, linear: {units: classes, name: fc}]}\n&/" bare.yaml
}
with_head 0 | sed 's/^experiment: tiny/experiment: silent/' >silent.yaml
with_head 0.5 | sed 's/^experiment: tiny/experiment: headed/' >headed.yaml
# Names by position would move the dropout's random numbers.
for file in bare silent headed; do
    sed -i 's/- dropout: {p: 0.2}/- dropout: {p: 0.2, name: drop}/; s/- linear: {units: classes}$/- linear: {units: classes, name: top}/; s/- batch_norm$/- batch_norm: {name: bn}/' $file.yaml
    expect 0 run $file.yaml --threads 1 -q
done
curves() {
    "$convoy" show "$1" --json | sed -n 's/.*"curves":\(.*\),"step_curves".*/\1/p'
}
[ -n "$(curves r1)" ] || fail "no curves"
[ "$(curves r1)" = "$(curves r2)" ] || fail "a head that weighs nothing changes the run"
[ "$(curves r1)" != "$(curves r3)" ] || fail "a head changes nothing"
expect 0 show r3 --json
says out '"auxiliary_loss"'
expect 0 show r1 --json
never out '"auxiliary_loss"'
expect 0 export weights r3 -o headed.safetensors
grep -qaF 'aux.fc.weight' headed.safetensors || fail "the head's weights are not in the file"

# ---- a head whose loss cannot be taken
sed 's/units: classes, name: fc/units: 7, name: fc/' headed.yaml >wrong.yaml
expect 2 run wrong.yaml
says err 'loss (softmax_cross_entropy)'
says err 'wrong.yaml:'

# ---- killed in the middle
"$convoy" run headed.yaml train.epochs=8 --threads 1 --results whole -q >out || fail "the undisturbed run"
"$convoy" run headed.yaml train.epochs=8 --threads 1 --results cut -q >/dev/null 2>&1 &
supervisor=$!
for k in $(seq 300); do
    [ -e cut/r1/checkpoints/last.safetensors ] && break
    sleep 0.02
done
kill -9 $supervisor $(tr -d '\000' <cut/r1/events | grep -ao '"pid":[0-9]*' | tail -1 | cut -d: -f2) 2>/dev/null
wait $supervisor 2>/dev/null
"$convoy" resume --results cut -q >out || fail "resume"
same_run whole r1 cut r1
finish
