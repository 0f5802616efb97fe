#!/usr/bin/env bash
# Stopping, killing and going on: whatever happens to trial and supervisor, the bits at the end are the undisturbed run's.
. "$(dirname "$0")/runs.sh"
tiny tiny.yaml
sed -i "s/epochs: 3/epochs: 8/" tiny.yaml
seed=${CONVOY_TEST_SEED:-$RANDOM}
RANDOM=$seed
echo "random instants from CONVOY_TEST_SEED=$seed"

# Milliseconds since $1 (of date +%s%N).
since() {
    echo $((($(date +%s%N) - $1) / 1000000))
}

# The process that trains results/$1, from its supervisor's events.
pid_of() {
    cat "$1/events" 2>/dev/null | tr -d '\000' | grep -ao '"pid":[0-9]*' | tail -1 | cut -d: -f2
}

# ---- references, and how long they take
for threads in 1 2; do
    expect 0 run tiny.yaml --threads $threads --results ref$threads -q
    begin=$(date +%s%N)
    expect 0 run tiny.yaml --threads $threads --results ref$threads --again -q
    length[threads]=$(since "$begin")
    same_run ref$threads r1 ref$threads r2
done
echo "undisturbed: ${length[1]} ms on 1 thread, ${length[2]} ms on 2"

# ---- kill -9 at random instants
instants=${CONVOY_TEST_INSTANTS:-20}
finished=0 unstarted=0 cut=0
for threads in 1 2; do
    for i in $(seq "$instants"); do
        kind=$((i % 3)) results=kill$threads-$i
        mkdir $results
        "$convoy" run tiny.yaml --threads $threads --results $results -q >/dev/null 2>&1 &
        supervisor=$!
        instant=$((60 + RANDOM % (length[threads] * 4 / 5))) # planning comes first, and writes nothing
        sleep "$(printf '%d.%03d' $((instant / 1000)) $((instant % 1000)))"
        trial=$(pid_of $results/r1)
        case $kind in
        0) [ -n "$trial" ] && kill -9 "$trial" 2>/dev/null ;;
        1) kill -9 $supervisor 2>/dev/null ;;
        2) kill -9 $supervisor ${trial:+$trial} 2>/dev/null ;;
        esac
        wait $supervisor 2>/dev/null
        if [ ! -e $results/r1/run.json ]; then # nothing was begun
            unstarted=$((unstarted + 1))
            continue
        fi
        expect 0 resume --results $results -q
        expect 0 resume r1 --results $results
        says err "r1 is finished"
        [ -e $results/r1/journal.2 ] && cut=$((cut + 1)) || finished=$((finished + 1))
        same_run ref$threads r1 $results r1
        [ $failures -lt 5 ] || finish
    done
done
echo "$cut cut short, $finished finished before, $unstarted not begun"
[ $cut -ge $((instants / 2)) ] || fail "too few were cut short to say anything"

# ---- Ctrl-C: exit code 75, then on; twice: 130
slow=(train.epochs=40 train.checkpoint_seconds=60)
interrupted() { # interrupted RESULTS SIGNAL...: starts, signals the supervisor, gives back its exit code
    local results=$1
    shift
    # A background job of a script ignores SIGINT, and ignored it stays: env puts it back.
    env --default-signal=INT "$convoy" run tiny.yaml "${slow[@]}" --threads 1 --results "$results" >out 2>err &
    local pid=$!
    for k in $(seq 200); do
        grep -q 'epoch 1/' err && break
        sleep 0.02
    done
    for signal in "$@"; do
        kill -s "$signal" $pid
        sleep 0.02
    done
    wait $pid
}
expect 0 run tiny.yaml "${slow[@]}" --threads 1 --results slow -q
interrupted int INT
[ $? = 75 ] || fail "Ctrl-C: $(cat err)"
says err '`convoy resume r1` goes on'
expect 0 ls --results int
says out stopped
expect 0 resume --results int
says err "r1 (tiny) continues from step"
same_run slow r1 int r1
interrupted term TERM
[ $? = 75 ] || fail "SIGTERM: $(cat err)"
expect 0 run tiny.yaml "${slow[@]}" --threads 1 --results term # the same command goes on
says err "r1 (tiny) continues from step"
same_run slow r1 term r1
expect 0 resume --results term
says err "nothing to resume"
expect 0 resume last --results term
says err "r1 is finished"

# ---- convoy stop
"$convoy" run tiny.yaml "${slow[@]}" --threads 1 --results stop -q >/dev/null 2>&1 &
supervisor=$!
for k in $(seq 200); do
    [ -e stop/r1/checkpoints ] || [ -e stop/r1/journal.1 ] && break
    sleep 0.02
done
expect 0 stop r1 --results stop
says err "r1 has stopped"
wait $supervisor
[ $? = 75 ] || fail "the supervisor of a stopped run"
expect 0 stop r1 --results stop
says err "r1 is not running"
expect 0 resume --results stop -q
same_run slow r1 stop r1

# ---- a run that is being trained is not trained twice
"$convoy" run tiny.yaml "${slow[@]}" --threads 1 --results twice -q >/dev/null 2>&1 &
supervisor=$!
for k in $(seq 200); do
    [ -e twice/r1/journal.1 ] && break
    sleep 0.02
done
expect 2 run tiny.yaml "${slow[@]}" --threads 1 --results twice
says err "r1 is training the same right now"
kill $supervisor
wait $supervisor

# ---- another number of threads is another key
expect 2 resume --results twice --threads 2
says err "r1 cannot go on exactly: threads: 1, now 2"
says err "--inexact"
expect 0 resume --results twice --threads 2 --inexact -q
[ -s twice/r1/checkpoints/best.safetensors ] || fail "--inexact"
expect 2 resume r9 --results twice
says err 'is called "r9"'

# ---- under another plugin nothing goes on, nothing is begun, and put back it does
sed -e 's/- relu/- leaky/' -e '2i plugins: [./leaky.so]' tiny.yaml >own.yaml
expect 0 plugin new layer leaky
cp leaky/leaky.c .
${CC:-cc} -O2 -shared -fPIC -I"$source_dir/core/include" -o leaky.so leaky.c -lm || fail "the plugin does not compile"
hash=$(sha256sum leaky.so)
"$convoy" run own.yaml "${slow[@]}" --threads 1 --results own -q >/dev/null 2>&1 &
supervisor=$!
for k in $(seq 200); do
    [ -e own/r1/journal.1 ] && break
    sleep 0.02
done
kill $supervisor
wait $supervisor
mv leaky.so kept.so
expect 5 resume --results own
says err "leaky.so: r1 cannot go on: the plugin is not there any more"
${CC:-cc} -O0 -g -shared -fPIC -I"$source_dir/core/include" -o leaky.so leaky.c -lm
for inexact in "" --inexact; do
    # shellcheck disable=SC2086
    expect 5 resume --results own $inexact
    says err "leaky.so: r1 cannot go on: the plugin changed since the run was planned"
    says err "sha256 beginning ${hash:0:12}, then \`convoy resume r1\`"
    [ ! -e own/r1/journal.2 ] || fail "a trial was started under another plugin"
    expect 0 ls --results own
    says out stopped
done
mv kept.so leaky.so
expect 0 resume --results own -q
expect 0 ls --results own
says out finished

# ---- sweeps: kill all of it, go on, same bits
{
    sed 's/epochs: 8/epochs: 6/' tiny.yaml
    echo 'sweep: {method: grid, parameters: {train.optimizer.lr: {values: [1e-2, 3e-2, 1e-1]}, seed: {values: [1, 2]}}}'
} >swept.yaml
cp swept.yaml swept.kept
expect 0 sweep swept.yaml --workers 2 --results whole -q
"$convoy" sweep swept.yaml --workers 2 --results cut -q >/dev/null 2>&1 &
supervisor=$!
for k in $(seq 300); do
    [ -e cut/r3/journal.1 ] && break
    sleep 0.02
done
kill -9 $supervisor $(pid_of cut/r2) 2>/dev/null
wait $supervisor 2>/dev/null
rm swept.yaml # a sweep needs its file no more
expect 0 resume --results cut --workers 1
says err "6 trials"
says err "resumed"
for i in 1 2 3 4 5 6; do same_run whole r$i cut r$i; done
expect 0 resume s1 --results cut
says err "nothing trained"

# ---- a sweep that is asked to stop
cp swept.kept swept.yaml
"$convoy" sweep swept.yaml --workers 2 --results asked -q >/dev/null 2>&1 &
supervisor=$!
for k in $(seq 300); do
    [ -e asked/r2/journal.1 ] && break
    sleep 0.02
done
expect 0 stop last --results asked
says err "s1 has stopped"
wait $supervisor
[ $? = 75 ] || fail "the supervisor of a stopped sweep"
[ ! -e asked/r6/run.json ] || fail "the sweep was over before it was stopped"
expect 0 sweep swept.yaml --results asked # the same command goes on with the same sweep
says err "s1: 6 trials"
[ ! -e asked/s2 ] || fail "a second sweep"
for i in 1 2 3 4 5 6; do same_run whole r$i asked r$i; done
finish
