#!/bin/bash
# `convoy plugin eval` as a user meets it: results written, and what is wrong with a case said with shapes, exit code 2 and
# nothing written.
set -u
source=$1 convoy=$2/convoy
refs=$source/tests/check/references
tmp=$(mktemp -d) && trap 'rm -rf "$tmp"' EXIT
cd "$tmp" || exit 1
failures=0
fail() { echo "FAILED: $*"; failures=$((failures + 1)); }

# run CODE ARGS...: all output goes to the file `said`.
run() {
    local code=$1 got=0
    shift
    "$convoy" plugin eval "$@" >said 2>&1 || got=$?
    [ "$got" = "$code" ] || fail "$*: exit code $got, expected $code: $(cat said)"
}
says() { grep -qF -- "$1" said || fail "expected \"$1\", got: $(cat said)"; }
unwritten() { [ -e out.safetensors ] && fail "a result was written for: $(cat said)"; rm -f out.safetensors; }

run 0 layer conv2d --config '{channels: 16, padding: 1}' --in "$refs/conv2d_3x3.in.safetensors" --out out.safetensors
[ -s out.safetensors ] || fail "no result"
for name in out.y gin.x gparam.weight gparam.bias; do grep -qa "\"$name\"" out.safetensors || fail "no $name"; done
cp out.safetensors fast
run 0 layer conv2d --config '{channels: 16, padding: 1}' --in "$refs/conv2d_3x3.in.safetensors" --out out.safetensors \
    --kernels plain
rm -f out.safetensors
run 0 optimizer adam --config '{lr: 0.1}' --in "$refs/adam.in.safetensors" --out out.safetensors
grep -qa '"traj"' out.safetensors || fail "no traj"
rm -f out.safetensors
run 0 loss softmax_cross_entropy --in "$refs/softmax_cross_entropy.in.safetensors" --out out.safetensors
rm -f out.safetensors
run 0 layer dropout --config '{p: 0.3}' --in "$refs/dropout.in.safetensors" --out out.safetensors
says "layers with a given mask were computed by their own code"
rm -f out.safetensors

run 2 layer conv2d --config '{channels: 8, padding: 1}' --in "$refs/conv2d_3x3.in.safetensors" --out out.safetensors
says 'conv2d_3x3.in.safetensors: tensor "param.weight" has shape (16, 3, 3, 3), expected (8, 3, 3, 3)'
says 'tensor "param.bias" has shape (16), expected (8)'
unwritten
run 2 layer conv2d --config '{channels: 16, padding: 1, bias: false}' --in "$refs/conv2d_3x3.in.safetensors" \
    --out out.safetensors
says 'tensor "param.bias" of shape (16) has no place here'
unwritten
run 2 layer conv2d --config '{channels: 32, padding: 1}' --in "$refs/conv2d_blocks.in.safetensors" --out out.safetensors
says 'tensor "param.bias" is missing, expected shape (32)'
unwritten
run 2 layer conv2d --config '{channels: 16}' --in "$refs/conv2d_3x3.in.safetensors" --out out.safetensors
says 'tensor "gout.y" has shape (2, 16, 7, 9), expected (2, 16, 5, 7)'
unwritten
run 2 layer conv2d --config '{chanels: 16}' --in "$refs/conv2d_3x3.in.safetensors" --out out.safetensors
says 'did you mean `channels`?'
unwritten
run 2 layer batch_norm --eval --in "$refs/batch_norm_train.in.safetensors" --out out.safetensors
says "there is no backward pass in evaluation"
unwritten
run 2 layer relu --in "$refs/adam.in.safetensors" --out out.safetensors
says 'tensor "in.x" is missing'
unwritten
run 2 optimizer sgd --in "$refs/relu.in.safetensors" --out out.safetensors
says 'tensor "w0" is missing'
says 'tensor "in.x" of shape (2, 17, 3, 5) has no place here'
unwritten
run 2 layer relu --in nowhere.safetensors --out out.safetensors
says 'nowhere.safetensors'
unwritten
run 2 layer rellu --in "$refs/relu.in.safetensors" --out out.safetensors
says 'relu'
unwritten
run 2 layer relu --in "$refs/relu.in.safetensors"
says '--out FILE is missing'
run 2 layer relu --kernels quick --in "$refs/relu.in.safetensors" --out out.safetensors
says '"quick" is not plain or fast'
unwritten
run 2 layer conv2d --config '[3]' --in "$refs/conv2d_3x3.in.safetensors" --out out.safetensors
says 'expected a map of parameters'
unwritten

[ $failures = 0 ] || exit 1
