#!/usr/bin/env bash
# `convoy predict` and `convoy features`: a trained run asked about picture files when its dataset has gone; outputs of its
# layers in a file; support vector machines on them; averaged weights chosen, tested, exported.
. "$(dirname "$0")/runs.sh"
pictures=$source_dir/tests/cli/pictures

# floats FILE SKIP COUNT: numbers of a safetensors file's data.
floats() {
    local header
    header=$(od -An -t u8 -N 8 "$1" | tr -d ' ')
    od -An -v -t f4 -w4 -j $((8 + header + 4 * $2)) -N $((4 * $3)) "$1" | tr -d ' '
}
ints() {
    local header
    header=$(od -An -t u8 -N 8 "$1" | tr -d ' ')
    od -An -v -t d4 -w4 -j $((8 + header + 4 * $2)) -N $((4 * $3)) "$1" | tr -d ' '
}

# ---- any dataset: layers, parts, machines
cat >shapes.yaml <<'END'
experiment: shapes
seed: 3
dataset: {type: shapes, seed: 5, train_limit: 96, validation: 32, test: 40, augment: [horizontal_flip, normalize]}
model:
  - conv2d: {channels: 4, kernel: 3, stride: 2, name: stem}
  - relu
  - residual: {channels: 4, blocks: 1, name: stage}
  - global_avg_pool: {name: pool}
  - linear: {units: 6, name: fc}
  - relu
  - linear: {units: classes, name: head}
train:
  epochs: 3
  batch_size: 32
  select: best_average
  optimizer: {type: ema, decay: 0.8, optimizer: {type: adam, lr: 1e-2}}
END
expect 0 run shapes.yaml --threads 1 -q
expect 0 run shapes.yaml --threads 1 -q train.select=last
expect 0 features r1 --layer head -o head.safetensors --json
says out '"shape":[40,10]'
says out '"layer":"head"'
[ "$(ints head.safetensors 400 40 | sort -n | uniq -c | wc -l)" = 10 ] || fail "labels: $(ints head.safetensors 400 40)"
head -c 1000 head.safetensors | grep -q '"class_names":"\[\\"circle' || fail "class names: $(head -c 400 head.safetensors)"
expect 0 features r1 -o end.safetensors # the network's own outputs
cmp -s <(floats head.safetensors 0 400) <(floats end.safetensors 0 400) || fail "the last layer is not the output"
expect 0 features r1 --layer stage -o stage.safetensors --part train --json # of a block its last layer
says out '"shape":[96,4,15,15]'
expect 0 features r1 --layer fc -o fc7.safetensors --batch 7
expect 0 features r1 --layer fc -o fc40.safetensors --batch 40
paste <(floats fc7.safetensors 0 240) <(floats fc40.safetensors 0 240) |
    awk 'NF != 2 || $1 - $2 > 1e-5 || $2 - $1 > 1e-5 { exit 1 } END { exit NR != 240 }' || fail "features depend on the batch"
expect 2 features r1 --layer fc -o fc7.safetensors
says err "is there already"
says err "--overwrite"
expect 0 features r1 --layer fc -o fc7.safetensors --overwrite --which last
cmp -s fc7.safetensors fc40.safetensors && fail "--which changed nothing"
expect 2 features r1 --layer fcc -o x.safetensors
says err 'the network has no layer "fcc"'
says err 'did you mean "fc"?'
expect 2 features r1 --layer fc
says err "-o FILE is missing"
expect 2 features shapes -o x.safetensors
says err '"shapes" is 2 runs'
expect 2 features r1 --layer fc -o nowhere/x.safetensors
expect 2 features r1 --layer fc -o x.safetensors --part tst
expect 2 features r1 --layer fc -o x.safetensors --C 1
says err "--C is for --svm"
[ -z "$(ls -A | grep -E 'tmp$|^x\.')" ] || fail "left behind: $(ls -A)"

if "$convoy" doctor | grep -q '^ok *LIBLINEAR'; then
    expect 0 features r1 --layer pool --svm --C 0.1 --json
    cp out first
    says out '"features":4'
    says out '"train_samples":96'
    grep -qE '"accuracy":0\.[0-9]+,' out || fail "accuracy: $(cat out)"
    expect 0 features r1 --layer pool --svm --C 0.1 --json
    cmp -s out first || fail "a machine is not the same twice"
    expect 0 features r1 --layer pool --svm --C cv --folds 3 --scale unit
    says out "test_accuracy"
    says err "right in cross-validation"
    expect 2 features r1 --layer pool --svm --C big
    expect 2 features r1 --layer pool --svm --scale big
    expect 2 features r1 --layer pool --svm --folds 1
else
    expect 2 features r1 --layer pool --svm
    says err "apt-get install liblinear-dev"
fi

# ---- averaged weights: the best epoch's are tested, those of the last are there too
logged() { # logged RUN METRIC
    "$convoy" show "$1" --json | grep -o "\"$2\":\[{[^]]*" | grep -o '"value":[^}]*' | tail -1 | cut -d: -f2
}
measured() { # measured ARGUMENT...: the loss
    "$convoy" eval "$@" --json 2>/dev/null | grep -o '"loss":[^,]*' | head -1 | cut -d: -f2
}
[ "$(measured r1)" = "$(logged r1 test_loss)" ] || fail "best_average: $(measured r1), $(logged r1 test_loss)"
[ "$(measured r1 --which average)" = "$(logged r1 test_average_loss)" ] || fail "average: $(measured r1 --which average)"
[ "$(measured r1 --which last)" = "$(logged r2 test_loss)" ] || fail "last: $(measured r1 --which last)"
"$convoy" show r1 | grep -q '^best *val_average_accuracy' || fail "what is best: $("$convoy" show r1 | head -12)"
best=$(logged r1 best_epoch)
[ "$(measured r1 --part validation)" = "$("$convoy" show r1 --json | grep -o '"val_average_loss":\[{[^]]*' |
    grep -o '"value":[^}]*' | sed -n "${best}p" | cut -d: -f2)" ] || fail "the best epoch's average: epoch $best"
expect 0 export weights r1 --which average -o average.safetensors
expect 0 export weights r1 --which last -o last.safetensors
cmp -s average.safetensors last.safetensors && fail "the average is the last"
expect 2 export weights r1 --which mean -o x.safetensors
says err '"mean" is not best, last or average'
expect 2 run shapes.yaml train.optimizer=adam -q
says err "the optimizer adam keeps none"
sed 's/epochs: 3/epochs: 60/; s/select:/checkpoint_seconds: 0\n  select:/' shapes.yaml >long.yaml
expect 0 run long.yaml --threads 1 -q --name whole
"$convoy" run long.yaml --threads 1 -q --name torn --again >/dev/null 2>&1 &
worker=$!
for i in $(seq 200); do
    "$convoy" eval torn >/dev/null 2>&1 </dev/null && break
    kill -0 $worker 2>/dev/null || break
done
"$convoy" stop torn >/dev/null 2>&1 # which is too late where it was quick
wait $worker
"$convoy" resume torn -q >/dev/null 2>&1
named() {
    "$convoy" show "$1" --json | grep -o '"name":"r[0-9]*"' | head -1 | cut -d'"' -f4
}
same_run results "$(named whole)" results "$(named torn)"

# ---- what cannot be asked
expect 2 predict
expect 2 predict r1
says err "which files?"
expect 2 predict r9 x.png
says err 'no run "r9"'
expect 2 predict r1,r2 x.png
says err '"r1,r2" is 2 runs'
expect 2 predict r1 x.png --which first
expect 2 predict r1 x.png --csv --json
expect 2 predict r1 nowhere.png
says err "nowhere.png"
cat >numbers.csv <<'END'
a,b,y
1,2,0.5
2,1,1.5
3,5,2.5
4,4,3.5
5,3,4.5
6,1,5.5
7,2,6.5
8,8,7.5
END
cat >csv.yaml <<'END'
dataset: {type: csv, path: numbers.csv, target_column: y, target_kind: float, validation: 0}
model: [{linear: {units: 1}}]
loss: mean_squared_error
train: {epochs: 1, batch_size: 4}
END
if "$convoy" run csv.yaml --threads 1 -q >out 2>err; then
    expect 2 predict last x.png
    says err "the samples of csv are no pictures: (2)"
else
    fail "csv: $(cat err)"
fi

# ---- pictures, when the dataset is gone
if "$convoy" features r1 --layer fc -o one.safetensors "$pictures/red1.png" >out 2>err; then
    mkdir -p data/red data/blue
    for k in 1 2 3 4 5; do
        cp "$pictures/red1.png" data/red/a$k.png
        cp "$pictures/red2.png" data/red/b$k.png
        cp "$pictures/blue1.png" data/blue/a$k.png
        cp "$pictures/blue2.png" data/blue/b$k.png
    done
    cat >folder.yaml <<'END'
dataset: {type: image_folder, path: data, resize: [8, 8], test_fraction: 0.2, validation: 4, augment: [normalize]}
model: [{conv2d: {channels: 3, kernel: 3, name: stem}}, relu, global_avg_pool, {linear: {units: classes, name: fc}}]
train: {epochs: 20, batch_size: 4, optimizer: {type: adam, lr: 0.05}}
END
    expect 0 run folder.yaml --threads 1 -q --name colours
    expect 0 run folder.yaml --threads 1 -q --name other seed=2
    expect 0 features colours --layer fc -o part.safetensors --part train
    expect 0 features colours --layer fc -o files.safetensors data
    mv data gone
    # A file of the dataset is what it was there, to the last bit.
    own=$(floats part.safetensors 0 2 | tr '\n' ' ')
    floats files.safetensors 0 40 | paste -d' ' - - | grep -qx "${own% }" || fail "imported: $own, $(floats files.safetensors 0 40)"
    head -c 600 files.safetensors | grep -q 'data/blue/a1.png' || fail "names: $(head -c 300 files.safetensors)"
    expect 0 predict colours "$pictures/red3.png" "$pictures/blue3.png"
    grep -qE '/red3.png: red [0-9.]+ %, blue [0-9.]+ %$' out || fail "red: $(cat out)"
    grep -qE '/blue3.png: blue [0-9.]+ %, red [0-9.]+ %$' out || fail "blue: $(cat out)"
    says err "(colours): best weights" || :
    cp out both
    printf '%s\n\n%s\n' "$pictures/red3.png" "$pictures/blue3.png" >list
    "$convoy" predict colours - -q <list >out 2>err || fail "names on standard input: $(cat err)"
    cmp -s out both || fail "names on standard input: $(cat out)"
    expect 0 predict colours gone -q --top-k 1 --csv --batch 3 --threads 2
    [ "$(grep -c ',1,' out)" = 20 ] || fail "a folder: $(cat out)"
    [ "$(head -1 out)" = "file,rank,class,name,probability" ] || fail "the head: $(head -1 out)"
    grep -q '^gone/red/b5.png,1,1,red,0\.' out || fail "a row: $(tail -1 out)"
    # The damaged one is told, the others go on.
    mkdir mixed
    cp "$pictures/red1.png" mixed/a.png
    head -c 150 "$pictures/red1.png" >mixed/b.png
    cp "$pictures/blue1.png" mixed/c.png
    echo text >mixed/d.jpg
    expect 2 predict colours mixed --json
    says out '{"file":"mixed/a.png","classes":[{"class":1,"name":"red","probability":'
    says out '{"file":"mixed/c.png","classes":[{"class":0,"name":"blue","probability":'
    never out "mixed/b.png"
    grep -qE 'mixed/b.png: byte [0-9]+: ' err || fail "damage: $(cat err)"
    says err "mixed/d.jpg"
    expect 2 features colours --layer stem -o mixed.safetensors mixed --json
    says out '"shape":[2,3,6,6]'
    # Several: the mean of what each says.
    expect 0 predict colours,other mixed/a.png --ensemble --json
    both=$(grep -o '"probability":[^}]*' out | head -1 | cut -d: -f2)
    expect 0 predict colours mixed/a.png --json
    one=$(grep -o '"probability":[^}]*' out | head -1 | cut -d: -f2)
    expect 0 predict other mixed/a.png --json
    two=$(grep -o '"probability":[^}]*' out | head -1 | cut -d: -f2)
    awk "BEGIN { d = $both - ($one + $two) / 2; exit !(d < 1e-9 && d > -1e-9) }" || fail "ensemble: $one, $two, $both"
    expect 0 predict colours mixed/a.png --ensemble --json
    [ "$(grep -o '"probability":[^}]*' out | head -1 | cut -d: -f2)" = "$one" ] || fail "an ensemble of one"
    expect 2 predict colours,r1 mixed/a.png --ensemble
    says err "answers with other classes"
    # A regression answers with its numbers.
    printf '%s\n' a,b,c,d,y 0,0,0,1,0.5 1,0,0,0,1.5 0,1,0,0,2.5 0,0,1,0,3.5 >grid.csv
    cat >grid.yaml <<'END'
dataset: {type: csv, path: grid.csv, target_column: y, target_kind: float, shape: [1, 2, 2], test_fraction: 0, validation: 0}
model: [flatten, {linear: {units: 1}}]
loss: mean_squared_error
train: {epochs: 1, batch_size: 4}
END
    expect 0 run grid.yaml --threads 1 -q --name grid
    expect 0 predict grid mixed/a.png mixed/c.png --csv
    [ "$(head -1 out)" = "file,value0" ] || fail "numbers: $(cat out)"
    [ "$(grep -cE '^mixed/[ac].png,-?[0-9.e-]+$' out)" = 2 ] || fail "numbers: $(cat out)"
    expect 0 predict grid mixed/a.png --json
    grep -qE '\{"file":"mixed/a.png","values":\[-?[0-9.e-]+\]\}' out || fail "numbers: $(cat out)"
    if "$convoy" predict colours "$pictures/photo.jpg" >out 2>err; then
        grep -q 'photo.jpg: red ' out || fail "JPEG: $(cat out)"
    else
        says err "libjpeg-turbo"
    fi
    # A journal that says nothing of the dataset, as of a run made before: then the dataset is needed.
    mkdir old && cp -r results/. old
    for journal in old/*/journal.*; do LC_ALL=C sed -i 's/"t":"dataset"/"t":"nothing"/' "$journal"; done
    expect 2 predict colours mixed/a.png --results old
    says err "the run's folder does not say what its samples are like"
    mv gone data
else
    says err "this build of Convoy has no libpng"
fi
finish
