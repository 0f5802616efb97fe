#!/usr/bin/env bash
# Networks that are compared with their own input: no accuracy is logged, shown or drawn, and losses decide instead.
. "$(dirname "$0")/runs.sh"
cat >auto.yaml <<'END'
experiment: auto
seed: 3
dataset:
  {type: shapes, size: 12, grey: true, train_limit: 256, test_limit: 60, validation: 60, augment: [horizontal_flip, normalize], target: input}
model:
  - conv2d: {channels: 6, kernel: 3, padding: 1, name: encode}
  - batch_norm
  - relu
  - conv2d: {channels: 1, kernel: 3, padding: 1, name: decode}
loss: mean_squared_error
train:
  epochs: 3
  batch_size: 40
  optimizer: {type: adam, lr: 1e-2}
  log_every: 1
  checkpoint_seconds: 0
END

loss_of() { # loss_of METRIC: of the run in out
    grep -o "\"$1\":[0-9.e+-]*" out | head -1 | cut -d: -f2
}

below() { # below NUMBER NUMBER
    awk -v a="$1" -v b="$2" 'BEGIN { exit !(a != "" && b != "" && a + 0 < b + 0) }'
}

# ---- a run: learns, and speaks of losses alone
expect 0 run auto.yaml --threads 1
says err "r1 epoch 3/3: train_loss"
says err "val_loss"
never err accuracy
says out test_loss
never out accuracy
expect 0 run auto.yaml --threads 1 --json
says out '"metric":{"name":"val_loss","goal":"minimize"}'
says results/r1/run.json '"metric":{"name":"val_loss","goal":"minimize"}'
says results/r1/run.json '"accuracy":false'
never out accuracy
last=$(loss_of val_loss)
below "$last" 0.5 || fail "val_loss $last: nothing was learned" # of normalised pixels 1 is what all zeros cost
expect 0 show r1
says out "val_loss"
never out accuracy
expect 0 ls
says out r1
expect 0 compare r1
says out "VAL LOSS"
never out "ACC %"

# ---- what is selected is the epoch of the least validation loss
expect 0 run auto.yaml train.epochs=4 train.lr_schedule=constant train.optimizer.lr=0.3 --threads 1 --json
"$convoy" query "SELECT epoch FROM curves WHERE run = 'r2' AND metric = 'val_loss' ORDER BY value, epoch LIMIT 1" >least 2>err
"$convoy" query "SELECT CAST(value AS INTEGER) FROM run_metrics WHERE run = 'r2' AND metric = 'best_epoch'" >best 2>>err
[ "$(grep -o '[0-9]*' least | tail -1)" = "$(grep -o '[0-9]*' best | tail -1)" ] ||
    fail "best_epoch $(cat best), least val_loss at $(cat least): $(cat err)"

# ---- the chart has the loss alone
if command -v gnuplot >/dev/null; then
    expect 0 plot r1 r2 -o chart
    [ -s chart.png ] || fail "no chart.png"
    says chart.svg "mean_squared_error"
    never chart.svg accuracy
fi

# ---- killed and resumed: the same bits
pid_of() {
    cat "$1/events" 2>/dev/null | tr -d '\000' | grep -ao '"pid":[0-9]*' | tail -1 | cut -d: -f2
}
expect 0 run auto.yaml train.epochs=40 --threads 1 --results whole -q
"$convoy" run auto.yaml train.epochs=40 --threads 1 --results cut -q >/dev/null 2>&1 &
supervisor=$!
for k in $(seq 500); do # until there is something to go on from
    [ -e cut/r1/checkpoints/last.safetensors ] && break
    sleep 0.02
done
trial=$(pid_of cut/r1)
kill -9 $supervisor ${trial:+$trial} 2>/dev/null
wait $supervisor 2>/dev/null
expect 0 resume --results cut -q
[ -e cut/r1/journal.2 ] || fail "it was not cut short"
same_run whole r1 cut r1

# ---- losses of every kind on a class's one-hot vector; accuracy is there again
for loss in mean_squared_error mean_absolute_error binary_cross_entropy_with_logits multi_class_hinge \
    '{type: softmax_cross_entropy, label_smoothing: 0.1, class_weights: [1, 1, 1, 1, 1, 2, 2, 2, 2, 2]}'; do
    expect 0 run auto.yaml dataset.target=label train.epochs=1 "loss=$loss" \
        'model=[flatten, {linear: {units: classes}}]' --threads 1 --results labels --json
    says out '"val_accuracy":'
    says out '"metric":{"name":"val_accuracy","goal":"maximize"}'
done

# ---- a sum is shown per sample: an image's 144 squares here, 144 times their mean
for reduction in mean sum; do
    expect 0 run auto.yaml train.epochs=1 train.optimizer='{type: sgd, lr: 1e-30}' \
        "loss={type: mean_squared_error, reduction: $reduction}" --threads 1 --results "$reduction" --json
    for metric in train_loss val_loss test_loss; do
        loss_of $metric >$reduction.$metric
    done
done
for metric in train_loss val_loss test_loss; do
    awk -v m="$(cat mean.$metric)" -v s="$(cat sum.$metric)" \
        'BEGIN { r = s / m / 144; exit !(r > 0.99999 && r < 1.00001) }' ||
        fail "$metric: sum $(cat sum.$metric), mean $(cat mean.$metric)"
done

# ---- a mean of weighted samples is the same, however the epoch is cut into batches
for size in 40 196; do
    expect 0 run auto.yaml dataset.target=label train.epochs=1 train.optimizer='{type: sgd, lr: 1e-30}' \
        'model=[flatten, {linear: {units: classes}}]' dataset.augment=[] train.batch_size=$size \
        'loss={type: softmax_cross_entropy, class_weights: [1, 1, 1, 1, 1, 1, 1, 1, 0, 100]}' --threads 1 \
        --results cut$size --json
    loss_of train_loss >cut.$size
done
awk -v a="$(cat cut.40)" -v b="$(cat cut.196)" 'BEGIN { r = a / b; exit !(r > 0.99999 && r < 1.00001) }' ||
    fail "weighted train_loss $(cat cut.40) and $(cat cut.196)"

# ---- sweeps are judged by the loss too
{
    cat auto.yaml
    echo 'sweep: {method: grid, parameters: {train.optimizer.lr: {values: [1e-2, 1e-4]}}}'
} >swept.yaml
expect 0 sweep swept.yaml train.epochs=1 --results sweeps
says out "val_loss"
says out "test_loss"
never out accuracy
never err accuracy
sed -n 2p out | grep -q 'lr=0.01' || fail "the best is not first: $(cat out)"
expect 0 ls --results sweeps
says out "val_loss"
sed -i 's/method: grid,/method: grid, metric: {name: val_accuracy, goal: maximize},/' swept.yaml
expect 2 sweep swept.yaml --results none
says err "swept.yaml:17:38:"
says err "val_accuracy is not logged where the output is not compared with classes"

# ---- what does not fit is refused before training, by run, check and model
sed 's/decode}/decode, stride: 2}/' auto.yaml >shape.yaml
for command in run check model; do
    expect 2 $command shape.yaml --results none
    says err 'shape.yaml:9:5: layer "decode" (conv2d)'
    says err "the network gives (1, 6, 6) for each sample, and is compared with its input (1, 12, 12)"
done
expect 2 run auto.yaml loss=softmax_cross_entropy --results none
says err "loss (softmax_cross_entropy): compares with a class, and dataset.target is \`input\`"
expect 2 run auto.yaml dataset.target=label --results none
says err "expected 2: (batch, classes)"
expect 2 run auto.yaml dataset.target=pixels --results none
says err "pixels"
expect 2 run auto.yaml dataset.target=label 'loss={type: softmax_cross_entropy, class_weights: [1, 2]}' \
    'model=[flatten, {linear: {units: classes}}]' --results none
says err "class_weights has 2 numbers for 10 classes"
expect 2 run auto.yaml loss=MSELoss --results none
says err "mean_squared_error"
[ ! -e none ] || fail "a results folder was made for nothing"

# ---- a target that the loss cannot take is told at its first step
expect 1 run auto.yaml loss=binary_cross_entropy --threads 1 --results bad
says err "loss (binary_cross_entropy): sample"
says err "expected"
finish
