#!/usr/bin/env bash
# What is said about names that lead nowhere, settings that miss their path, and files that are not there.
# Arguments: source folder, build folder.
. "$(dirname "$0")/runs.sh" "$(realpath "$1")" "$(realpath "$2")"
tiny tiny.yaml

# ---- settings
expect 2 run tiny.yaml lr=0.1
says err "train.optimizer.lr"
expect 2 run tiny.yaml epoch=1
says err "did you mean \`train.epochs\`?"
expect 2 run tiny.yaml --epochs 1
says err "train.epochs=VALUE"
expect 2 run tiny.yaml train.device=cuda
says err "Convoy computes on the CPU"
expect 2 run tiny.yaml dataset.validation=1.0
says err "a share below 1, or a whole number of samples"
expect 0 check tiny.yaml train.epochs=2
says out "2 epochs"
expect 2 check tiny.yaml train.epoch=2
says err "did you mean \`epochs\`?"
expect 2 run tiny.yaml model=resnet20
says err "did you mean \`cifar_resnet20\`?"
[ "$(grep -c 'no model "resnet20"' err)" = 1 ] || fail "told twice: $(cat err)"

# ---- files
expect 2 run tiny
says err "did you mean \`tiny.yaml\`?"
expect 2 check ./tinny.yaml
says err "did you mean \`./tiny.yaml\`?"

# ---- names that could never be found again
for name in last r1 s12; do
    expect 2 run tiny.yaml --name $name
    says err "\"$name\" could never be found"
done
[ ! -e results ] || fail "written for nothing"
expect 0 run tiny.yaml -q train.epochs=1 dataset.validation=9 experiment=last
says err "no command will find the experiment by its name"
says err "9 samples are held out: too few"
expect 0 run tiny.yaml -q train.epochs=1 dataset.validation=9 --name other
says err "already trained as r1, of experiment \"last\": the name \"other\" is not given"
expect 0 run tiny.yaml -q train.epochs=1 dataset.validation=9 --name other --again
never err "is not given"

# ---- a limit of file size is an error like a full disk, not an end without a word
(
    ulimit -f 8 # KiB
    "$convoy" run tiny.yaml -q --results small model=mini_vgg >out 2>err </dev/null
    echo $? >code
)
[ "$(cat code)" = 4 ] || fail "exit code $(cat code) under a limit of file size: $(head -c 800 err)"
says err "File too large"
finish
