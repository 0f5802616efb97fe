#!/usr/bin/env bash
# Images of different sizes from the command line: planned, trained, evaluated alone and together, brought to one size, refused
# where the network takes one alone.
. "$(dirname "$0")/runs.sh"
tiny sizes.yaml
sed -i 's/type: shapes,/type: shapes, seed: 5, size: [12, 28],/; s/epochs: 3/epochs: 2/; s/test_limit: 100/test: 100/' sizes.yaml
expect 0 run sizes.yaml repeats=2 --threads 2 -q

# field FILE NAME: the first value of that name in a line of JSON.
field() {
    grep -o "\"$2\":[^,}]*" "$1" | head -1 | cut -d: -f2-
}

for run in r1 r2; do
    "$convoy" show $run --json >shown 2>err || fail "show $run: $(cat err)"
    expect 0 eval $run --json
    logged=$(grep -o '"test_loss":\[{[^]]*' shown | grep -o '"value":[^}]*' | cut -d: -f2)
    [ -n "$logged" ] || fail "$run logged no test_loss"
    [ "$(field out loss)" = "$logged" ] || fail "$run: $(field out loss), logged $logged"
    grep -q '"samples":100,' out || fail "samples: $(cat out)"
done

# Another number of samples at once is another way to round.
expect 0 eval r1 --batch 3 --json
awk -v a="$(field out loss)" -v b="$logged" 'BEGIN { exit !(a > 0 && b > 0) }' || fail "--batch 3: $(cat out)"

# Networks of other seeds answer on the same samples, whatever order they came in.
expect 0 eval r1 r2 --ensemble --json
grep -q '"ensemble":{' out || fail "no ensemble: $(cat out)"
expect 0 eval r1 --input-size 20 --json
expect 0 eval r1 --part train --json
grep -q '"samples":512,' out || fail "training samples: $(cat out)"

# Brought to one size there are as many batches as ever; left as they are, some are smaller.
planned() { # planned SED TEXT: the experiment, edited
    sed "$1" sizes.yaml >other.yaml
    expect 0 check other.yaml
    says out "$2"
}
planned "" " 18 batches of 32 per epoch"
planned "s/augment: .*\]/augment: [{resize: {size: [16, 16]}}]/" " 16 batches of 32 per epoch"
planned "s/augment: .*\]/augment: [{resize: {size: 16, smooth: true}}, {center_crop: {size: 16}}]/" " 16 batches of 32 per"
never err "warning"
# Most batches small: said, and no more.
planned "s/28\]/76]/" "ok"
says err "the samples have 81 sizes, and a batch holds samples of one"

sed 's/global_avg_pool/flatten/' sizes.yaml >flat.yaml
expect 2 run flat.yaml
says err 'samples of 3x28x20 beside samples of 3x28x28: layer "6" (linear)'
says err "is made for one size of input"
says err "global_avg_pool in front of the layer"
expect 2 run sizes.yaml "dataset.augment=[{center_crop: {size: 20}}]"
says err "samples of 3x12x12: dataset.augment.0 (center_crop)"
finish
