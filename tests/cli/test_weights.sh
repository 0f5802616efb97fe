#!/usr/bin/env bash
# Transfer: a trained base is exported, a network with another head starts from it with the base frozen, is killed, goes on
# without the file, and what was frozen is the base's to the bit. And what `convoy export weights` refuses.
. "$(dirname "$0")/runs.sh"

layers() { # layers CHANNELS HEAD: the base, and a head behind it
    cat <<END
model:
  - conv2d: {channels: $1, kernel: 3, padding: 1, bias: false, name: stem}
  - batch_norm: {name: bn}
  - relu
  - residual: {channels: $1, blocks: 1, name: stage}
  - dropout: {p: 0.1}
  - global_avg_pool
  - linear: {units: classes, name: $2}
END
}
data='dataset: {type: shapes, train_limit: 512, test_limit: 100, validation: 100, augment: [normalize]}'
train='train: {epochs: 4, batch_size: 32, checkpoint_seconds: 0, optimizer: {type: adam, lr: 1e-2, weight_decay: 0.1}}'
{ echo "$data"; layers 8 head; echo "$train"; } >base.yaml
{ echo "$data"; layers 8 top; echo "$train"; echo 'seed: 5'; echo 'init:'; echo '  from: base.safetensors'
  echo '  map: {"top.*": null, "head.*": null}'; echo '  freeze: [stem.*, "bn.*", "stage.*"]'; } >transfer.yaml

# The bytes of a safetensors file's tensors, without its header.
tensors() {
    tail -c +$((9 + $(od -An -tu8 -N8 "$1"))) "$1"
}

# ---- out
expect 0 run base.yaml --results base -q
expect 0 export weights r1 -o base.safetensors --results base
says out base.safetensors
says err "r1, best weights, epoch"
says err "17 tensors, 1,554 numbers"
expect 2 export weights r1 -o base.safetensors --results base
says err "base.safetensors: is there already"
says err "--force overwrites it"
cp base.safetensors before
expect 0 export weights last -o base.safetensors --force --json --results base
says out '"which":"best"'
says out '"tensors":17'
cmp -s before base.safetensors || fail "exported twice, the bytes differ"
never base.safetensors optimizer
expect 0 export weights r1 --which last -o last.safetensors --results base
expect 0 export weights r1 -o renamed.safetensors --map 'stage.block*=layer1.*' --map 'head.*=' --results base
says renamed.safetensors '"layer1.0.conv1.weight"'
never renamed.safetensors head.
ls -A . | grep -q '\.tmp$' && fail "left behind: $(ls -A)"

expect 2 export
says err "export what?"
expect 2 export wieghts r1
says err 'did you mean `weights`?'
expect 2 export weights -o x
says err "which run's weights?"
expect 2 export weights r1 --results base
says err "-o FILE is missing"
expect 2 export weights r7 -o x --results base
expect 2 export weights r1 -o x --which first --results base
says err '"first" is not best, last or average'
expect 2 export weights r1 -o x --map a --results base
says err "expected OURS=THEIRS"
expect 2 export weights r1 -o x --map 'bm.*=y.*' --results base
says err 'no weight or buffer is called "bm.*"'
expect 2 export weights r1 -o . --force --results base
says err "is a folder"
[ ! -e x ] || fail "a refused export left a file"
[ "$(id -u)" = 0 ] || { mkdir sealed && chmod 500 sealed; expect 4 export weights r1 -o sealed/x --results base; }

# ---- in: checked when planned, part of what the run is
expect 0 check transfer.yaml
says out "1,506 parameters"
expect 2 run transfer.yaml init.from=nothing.safetensors --results no
says err "there is no file"
expect 2 run transfer.yaml 'init.map={top.*: null}' --results no
says err 'tensor "head.weight" [10, 8] has no place in the network'
[ ! -e no/r1 ] || fail "a run began without its weights"
sed -e '/map:/d' -e 's/from:.*/&\n  strict: false/' transfer.yaml >loose.yaml
expect 0 check loose.yaml
says err "has nothing for 2 of 17 tensors, which stay as initialised: top.weight, top.bias"
says err "2 of its 17 tensors are not read: head.weight, head.bias"
expect 0 run base.yaml init.from=base.safetensors train.epochs=1 --results no -q
expect 0 model transfer.yaml
says out "1,506 parameters (90 trainable)"

expect 0 run transfer.yaml --results whole -q
expect 0 run transfer.yaml --results whole
says err "r1" # an equal run is not trained again
[ ! -e whole/r2 ] || fail "the same run was trained twice"
grep -q '"weights":{"path":"[^"]*base.safetensors","sha256":"[0-9a-f]\{64\}"}' whole/r1/run.json ||
    fail "run.json does not say where the weights come from"
grep -q '"trainable":90' whole/r1/run.json || fail "run.json does not know how much is trained"

# what was frozen is the base's, and nothing is kept for it
expect 0 export weights r1 -o kept.safetensors --map 'top.*=' --which last --results whole
expect 0 export weights r1 -o wanted.safetensors --map 'head.*=' --results base
[ "$(tensors kept.safetensors | sha256sum)" = "$(tensors wanted.safetensors | sha256sum)" ] || fail "frozen tensors moved"
[ "$(tensors kept.safetensors | wc -c)" -gt 5000 ] || fail "nothing was compared"
grep -aq '"optimizer\.[^."]*\.top\.weight"' whole/r1/checkpoints/last.safetensors || fail "the optimizer kept nothing"
grep -aq '"optimizer\.[^."]*\.\(stem\|bn\|stage\)' whole/r1/checkpoints/last.safetensors &&
    fail "the optimizer kept something of frozen weights"

# ---- killed, and resumed without the file
"$convoy" run transfer.yaml train.epochs=15 --results ref -q --threads 1 >/dev/null 2>&1 || fail "the reference failed"
mkdir killed
"$convoy" run transfer.yaml train.epochs=15 --results killed -q --threads 1 >/dev/null 2>&1 &
supervisor=$!
until [ -e killed/r1/checkpoints/last.safetensors ] || ! kill -0 $supervisor 2>/dev/null; do sleep 0.01; done
trial=$(tr -d '\000' <killed/r1/events 2>/dev/null | grep -ao '"pid":[0-9]*' | tail -1 | cut -d: -f2)
{
    kill -9 $supervisor ${trial:+"$trial"}
    wait $supervisor
} 2>/dev/null
mv base.safetensors elsewhere
expect 0 resume --results killed -q
[ -e killed/r1/journal.2 ] || echo "note: it had finished before it was killed"
same_run ref r1 killed r1

# ---- before the first checkpoint the file is needed, and must be what was planned with
mv elsewhere base.safetensors
expect 0 run transfer.yaml seed=6 train.epochs=1 --results fresh -q
rm -r fresh/r1/checkpoints fresh/r1/journal.1
mv base.safetensors elsewhere
"$convoy" trial fresh/r1 >out 2>err
[ $? = 2 ] || fail "a run without its weights went on"
says err "there is no file"
cp last.safetensors base.safetensors
cmp -s last.safetensors elsewhere || {
    "$convoy" trial fresh/r1 >out 2>err
    [ $? = 2 ] || fail "a run with other weights went on"
    says err "the file of init.from changed since the run was planned"
}
finish
