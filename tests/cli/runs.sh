# Shared by the tests that train: sourced with SOURCE and BUILD as arguments. Works in a folder of its own.
set -u
source_dir=$1
convoy=$2/convoy
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export XDG_DATA_HOME=$dir XDG_CACHE_HOME=$dir/cache TERM=xterm
unset CONVOY_PLUGIN_PATH CONVOY_RESULTS NO_COLOR
cd "$dir" || exit 1
[ -x "$convoy" ] || { echo "there is no $convoy"; exit 1; }
failures=0

fail() {
    echo "FAILED: $*"
    failures=$((failures + 1))
}

# expect CODE ARGUMENT...: runs convoy, keeps its streams in out and err.
expect() {
    local code=$1
    shift
    "$convoy" "$@" >out 2>err </dev/null
    local got=$?
    [ "$got" = "$code" ] || fail "convoy $*: exit code $got, expected $code: $(head -c 800 out err)"
}

says() { # says FILE TEXT
    grep -qF -- "$2" "$1" || fail "no \"$2\" in $1: $(head -c 800 "$1")"
}

never() { # never FILE TEXT
    grep -qF -- "$2" "$1" && fail "\"$2\" in $1: $(head -c 800 "$1")"
}

# tiny FILE: an experiment that trains in a moment and has everything that a checkpoint must hold.
tiny() {
    cat >"$1" <<'END'
experiment: tiny
seed: 7
dataset: {type: shapes, train_limit: 512, test_limit: 100, validation: 100, augment: [horizontal_flip, normalize]}
model:
  - conv2d: {channels: 8, kernel: 3, padding: 1, bias: false, name: stem}
  - batch_norm
  - relu
  - max_pool2d: {kernel: 2, stride: 2}
  - dropout: {p: 0.2}
  - global_avg_pool
  - linear: {units: classes}
train:
  epochs: 3
  batch_size: 32
  optimizer: {type: adam, lr: 1e-2}
  lr_schedule: {type: cosine, warmup_epochs: 1}
  checkpoint_seconds: 0
END
}

# What a run measured, without what is measured in seconds.
metrics_of() { # metrics_of RESULTS RUN
    "$convoy" show "$2" --json --results "$1" | sed -n 's/.*"curves":\(.*\),"measured":.*/\1/p'
}

# same_run RESULTS RUN RESULTS RUN: equal to the last bit.
same_run() {
    local file
    for file in last best; do
        cmp -s "$1/$2/checkpoints/$file.safetensors" "$3/$4/checkpoints/$file.safetensors" ||
            fail "$1/$2 and $3/$4 differ in $file.safetensors"
    done
    [ -n "$(metrics_of "$1" "$2")" ] || fail "$1/$2 has no metrics"
    [ "$(metrics_of "$1" "$2")" = "$(metrics_of "$3" "$4")" ] || fail "$1/$2 and $3/$4 differ in their metrics"
}

finish() {
    [ $failures = 0 ] || exit 1
    echo "all good"
    exit 0
}
