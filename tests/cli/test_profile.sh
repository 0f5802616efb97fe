#!/usr/bin/env bash
# `convoy profile --trace` and `train.conv_algorithm`: the trace is JSON with what a viewer wants, and the algorithms give nearly the
# same losses and say in the record which they were. Arguments: source folder, build folder.
. "$(dirname "$0")/runs.sh"

cat >net.yaml <<'END'
experiment: net
seed: 3
dataset: {type: shapes, train_limit: 64, test_limit: 16, validation: 16, augment: [normalize]}
model:
  - conv2d: {channels: 16, kernel: 3, padding: 1, bias: false, name: stem}
  - batch_norm
  - relu
  - conv2d: {channels: 16, kernel: 3, padding: 1, bias: false, name: second}
  - local_response_norm # its own code, on dense arrays: conversions around it
  - relu
  - global_avg_pool
  - linear: {units: classes}
train: {epochs: 1, batch_size: 16, log_every: 1, optimizer: {type: sgd, lr: 0.05}}
END


# ---- the trace
expect 0 profile net.yaml --steps 2 --threads 1 --trace trace.json
says err "traced: trace.json"
says out "peak measured:"
[ -s trace.json ] || fail "there is no trace"
says trace.json '"traceEvents":['
for what in '"ph":"X"' '"pid":' '"tid":' '"ts":' '"dur":' '"cat":"loader"' '"cat":"optimizer"' '"cat":"loss"' '"cat":"conversion"' \
    '"cat":"forward"' '"cat":"backward-data"' '"cat":"backward-weights"' '"shape":"16 x 16 x' '"algorithm":"' '"macs":'; do
    says trace.json "$what"
done
steps=$(grep -o '"cat":"step"' trace.json | wc -l)
[ "$steps" = 2 ] || fail "$steps steps were traced, not 2"
complete=$(grep -o '"ph":"X"' trace.json | wc -l)
arguments=$(grep -o '"args":{' trace.json | wc -l)
[ "$arguments" -ge "$complete" ] || fail "$complete events, $arguments of them with args"

# ---- the algorithms
for algorithm in auto direct winograd; do
    expect 0 run net.yaml train.conv_algorithm=$algorithm --threads 1 --results $algorithm -q
    "$convoy" show r1 --json --results $algorithm >$algorithm.json
    tr -d '\0' <$algorithm/r1/journal.1 | grep -ao '"t":"kernels".*' >$algorithm.kernels
done
says winograd.kernels 'winograd c'
never direct.kernels winograd
says direct.kernels ' direct '
cmp -s direct.kernels winograd.kernels && fail "direct and winograd chose the same kernels"
hash() { grep -o '"config_hash":"[0-9a-f]*"' "$1/r1/run.json"; }
[ "$(hash direct)" != "$(hash winograd)" ] || fail "the algorithm is not in the configuration's hash"
losses() { tr -d '\0' <"$1/r1/journal.1" | grep -ao '"scope":"step"[^}]*"train_loss":[0-9.e-]*' | sed 's/.*://'; }
losses direct >direct.losses
losses winograd >winograd.losses
[ "$(wc -l <direct.losses)" -ge 3 ] || fail "no losses of direct"
paste direct.losses winograd.losses | awk '{d = $1 - $2; if (d < 0) d = -d; if (!($1 > 0) || d > 1e-3) bad = 1} END {exit bad}' ||
    fail "direct and winograd are far apart: $(paste direct.losses winograd.losses)"

# ---- what cannot be
expect 2 run net.yaml train.conv_algorithm=winogrd --results none -q
says err 'conv_algorithm'
says err 'winograd'

[ "$failures" = 0 ] && echo "all good"
exit $((failures > 0))
