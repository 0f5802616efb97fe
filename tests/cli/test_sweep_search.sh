#!/usr/bin/env bash
# Sweeps that choose as they go: the same trials with the same bits whatever the number of workers, and however often all of it is
# killed.
. "$(dirname "$0")/runs.sh"
seed=${CONVOY_TEST_SEED:-$RANDOM}
RANDOM=$seed
echo "random instants from CONVOY_TEST_SEED=$seed"
swept() { # swept FILE EARLY [REPEATS]: a search with early termination; halving needs all of its trials at once
    local method=tpe
    case $2 in *halving*) method=random ;; esac
    cat >"$1" <<END
experiment: searched
seed: 7
repeats: ${3:-1}
dataset: {type: shapes, train_limit: 96, test_limit: 32, validation: 64}
model:
  - conv2d: {channels: 4, kernel: 3, padding: 1, name: stem}
  - relu
  - global_avg_pool
  - linear: {units: classes}
train: {epochs: 4, batch_size: 32, optimizer: {type: adam, lr: 1e-2}, checkpoint_seconds: 60}
sweep:
  method: $method
  run_cap: 10
  parallelism: 4
  metric: {name: val_loss, goal: minimize}
  early_terminate: $2
  parameters:
    train.optimizer.lr: {distribution: log_uniform_values, min: 1e-4, max: 10}
    model.stem.channels: {values: [2, 4, 8]}
END
}

# What a sweep came to: every trial with its state, epochs and best value.
came_to() { # came_to RESULTS SWEEP FILE
    "$convoy" resume "$2" --results "$1" --json -q 2>/dev/null | tr '{' '\n' |
        sed -n 's/"run":"[^"]*",/&/; s/^"run":\("[^"]*"\|null\),"experiment":"[^"]*",\(.*\),"seconds".*/\2/p' | sed 's/"known":[a-z]*,//; s/"steps_done":[0-9]*//'
}

# Which run is a trial's, told by its number and repeat.
run_of() { # run_of RESULTS KEY
    basename "$(dirname "$(grep -lF "$2" "$1"/r*/run.json | head -1)")"
}

same_sweep() { # same_sweep RESULTS RESULTS: equal trials, equal ends, equal bits
    came_to "$1" s1 >one.txt
    came_to "$2" s1 >two.txt
    [ -s one.txt ] || fail "$1 says nothing"
    cmp -s one.txt two.txt || fail "$1 and $2 came to something else: $(diff one.txt two.txt | head -5)"
    local dir label other
    for dir in "$1"/r*; do
        label=$(grep -oE '"trial":[0-9]+,"repeat":[0-9]+,' "$dir/run.json")
        other=$(run_of "$2" "$label")
        [ "$other" != . ] || { fail "$2 has no run of $label"; continue; }
        cmp -s "$dir/checkpoints/last.safetensors" "$2/$other/checkpoints/last.safetensors" ||
            fail "$dir and $2/$other ($label) differ"
        [ "$(metrics_of "$1" "$(basename "$dir")")" = "$(metrics_of "$2" "$other")" ] || fail "$label: metrics differ"
    done
}

# ---- workers change nothing
for rule in "{type: halving, min_iter: 1, eta: 2}" "{type: median, startup: 2, warmup: 0}" "{type: hyperband, min_iter: 1, eta: 2, strict: true}"; do
    swept searched.yaml "$rule"
    rm -rf one two four
    expect 0 sweep searched.yaml --workers 1 --results one
    says err "s1: 10 trials"
    says out "stopped early"
    expect 0 sweep searched.yaml --workers 4 --results four -q --no-pin
    same_sweep one four
done
expect 0 sweep searched.yaml --workers 2 --results two -q
same_sweep one two
says_event() { # says_event RESULTS TEXT: in the sweep's journal
    grep -aqF "$2" "$1/s1/events" || fail "no \"$2\" in the events of $1/s1"
}
says_event one '"t":"proposed"'
says_event one '"kind":"stopped early"'
expect 0 ls --results one
says out "10/10"
expect 0 ls --results one --json
cp out before.json
expect 0 db rebuild --results one
expect 0 ls --results one --json
cmp -s out before.json || fail "rebuilt, the database is another"

# ---- the same again trains nothing; a raised run_cap trains only what is new
runs() { ls -d "$1"/r* | wc -l; }
n=$(runs one)
expect 0 sweep searched.yaml --results one
[ "$(runs one)" = "$n" ] || fail "trained again"
sed 's/run_cap: 10/run_cap: 12/' searched.yaml >more.yaml
attempts=$(ls one/r*/journal.* | wc -l)
expect 0 sweep more.yaml --results one
says err "s2: 12 trials"
[ "$(runs one)" = $((n + 2)) ] || fail "run_cap raised by 2: $n runs, now $(runs one)"
[ "$(ls one/r*/journal.* | wc -l)" -le $((attempts + 6)) ] || fail "more than the new ones was trained"
expect 0 sweep more.yaml --results fresh -q
came_to one s2 >one.txt
came_to fresh s1 >two.txt
cmp -s one.txt two.txt || fail "from scratch it is another sweep: $(diff one.txt two.txt | head -5)"

# ---- killed at many moments, without its file, it comes to the same
swept searched.yaml "{type: hyperband, min_iter: 1, eta: 2, strict: true}" 2
begin=$(date +%s%N)
expect 0 sweep searched.yaml --workers 2 --results whole -q
length=$((($(date +%s%N) - begin) / 1000000))
cp searched.yaml kept.yaml
for i in $(seq "${CONVOY_TEST_INSTANTS:-2}"); do
    results=killed$i
    cp kept.yaml searched.yaml
    "$convoy" sweep searched.yaml --workers 2 --results $results -q >/dev/null 2>&1 &
    supervisor=$!
    for k in $(seq 200); do [ -e $results/s1/sweep.json ] && break; sleep 0.02; done
    rm searched.yaml
    for again in 1 2 3; do
        instant=$((50 + RANDOM % (length / 3)))
        sleep "$(printf '%d.%03d' $((instant / 1000)) $((instant % 1000)))"
        trials=$(for e in $results/r*/events; do tr -d '\000' <"$e" 2>/dev/null | grep -ao '"pid":[0-9]*' | tail -1 | cut -d: -f2; done)
        case $(((i + again) % 3)) in
        0) kill -9 $supervisor 2>/dev/null ;;
        1) kill -9 $supervisor $trials 2>/dev/null ;;
        2) kill -TERM $supervisor 2>/dev/null ;;
        esac
        wait $supervisor 2>/dev/null
        "$convoy" resume s1 --results $results --workers $again -q >/dev/null 2>&1 &
        supervisor=$!
    done
    wait $supervisor
    expect 0 resume s1 --results $results -q
    same_sweep whole $results
done

# ---- looking on
expect 0 watch s1 --once --results whole
says out "s1 searched: 20 of 20 done"
says out "best  val_loss"
expect 0 watch --json --results whole
says out '"name":"s1"'
expect 0 watch s1 --results whole # nothing runs: it says so and leaves
says out "nobody works on it"

# ---- a target ends it, with the same trials for any number of workers
swept target.yaml "{type: median, startup: 2, warmup: 1}"
sed -i 's/goal: minimize}/goal: minimize, target: 100}/' target.yaml
for workers in 1 3; do
    expect 0 sweep target.yaml --workers $workers --results target$workers
    says err "the target was reached"
done
[ "$(runs target1)" = "$(runs target3)" ] || fail "target: $(runs target1) runs and $(runs target3)"
[ "$(runs target1)" -lt 10 ] || fail "the target ended nothing"

# ---- two sweeps at once share a database
swept searched.yaml "{type: hyperband, min_iter: 1, eta: 2}"
sed 's/seed: 7/seed: 8/' searched.yaml >other.yaml
"$convoy" sweep searched.yaml --workers 1 --results both >/dev/null 2>both.err &
supervisor=$!
expect 0 sweep other.yaml --workers 1 --results both -q
wait $supervisor || fail "one of two sweeps: $(tail -3 both.err)"
never both.err "locked"
expect 0 ls --results both
[ "$(grep -c '10/10' out)" = 2 ] || fail "two sweeps at once: $(cat out)"

# ---- limits: the cause is told and recorded
expect 3 sweep searched.yaml --results limits --timeout 1 --retries 1 train.epochs=1000000 dataset.train_limit=1000 --fail-fast
says err "took more than 1 s (--timeout)"
says_event limits "took more than 1 s (--timeout)"
expect 2 sweep searched.yaml --memory-limit much
says err '"much" is no size'

# ---- before it begins
expect 0 sweep searched.yaml --dry-run --results nowhere
says err "10 trials, 4 to train, 6 to be chosen when results are there"
says err "of disk"
says err "no difference can become significant; repeats: "
[ ! -e nowhere ] || fail "a dry run wrote something"
expect 0 sweep searched.yaml --results held -q --workers 2
says_event held "estimated were"
finish
