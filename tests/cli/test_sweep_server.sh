#!/usr/bin/env bash
# Trials that are born of a trial server: equal to those that are started as programs, whatever happens to the server, to another
# trial or to the plugin files meanwhile.
. "$(dirname "$0")/runs.sh"
cat >many.yaml <<'END'
experiment: many
dataset: {type: shapes, train_limit: 64, test_limit: 16, validation: 16}
model: [conv2d: {channels: 2, kernel: 3}, relu, global_avg_pool, linear: {units: classes}]
train: {epochs: 2, batch_size: 32, optimizer: {type: sgd, lr: 1e-2}, checkpoint_seconds: 60}
sweep: {method: grid, parameters: {seed: {values: [1, 2, 3, 4, 5, 6, 7, 8]}}}
END
sed -i 's/^model: .*/model: [{conv2d: {channels: 2, kernel: 3}}, relu, global_avg_pool, {linear: {units: classes}}]/' many.yaml

server_of() { # server_of SUPERVISOR: its first child that is one; the others are copies of it and look the same
    local child
    for child in $(cat /proc/"$1"/task/*/children 2>/dev/null); do
        tr '\0' ' ' <"/proc/$child/cmdline" 2>/dev/null | grep -q -- 'trial --serve' && echo "$child" && return
    done
}

# ---- the same bits as without a server
expect 0 sweep many.yaml --workers 2 --results born -q
for i in 1 2 8; do
    mkdir -p alone/r$i
    cp born/r$i/run.json born/r$i/spec.yaml alone/r$i/
    expect 0 trial alone/r$i --threads 1
    for file in last best; do
        [ -e born/r$i/checkpoints/$file.safetensors ] || continue
        cmp -s born/r$i/checkpoints/$file.safetensors alone/r$i/checkpoints/$file.safetensors ||
            fail "r$i: $file.safetensors differs from that of a trial that was started by itself"
    done
    [ ! -s born/r$i/output.txt ] || fail "r$i: output: $(cat born/r$i/output.txt)"
done
for i in 1 2 3 4 5 6 7 8; do # its own process
    "$convoy" query "SELECT pid FROM attempts WHERE run = $i" --results born --csv 2>/dev/null | tail -1
done | sort -u | wc -l >pids
[ "$(cat pids)" = 8 ] || fail "$(cat pids) processes for 8 trials"

# ---- trials of different plugins, in a folder whose name has what ends a list
sed 's/^sweep:.*/sweep: {method: grid, parameters: {train.optimizer.type: {values: [sgd, adam, lion, rmsprop]}}}/' many.yaml >mixed.yaml
expect 0 sweep mixed.yaml --workers 1 --results 'a"}]b[' -q
expect 0 query "SELECT count(*) FROM run_summary WHERE state = 'finished'" --results 'a"}]b[' --csv
says out 4

# ---- the server is killed on the way
sed 's/epochs: 2/epochs: 60/; s/\[1, 2, 3, 4, 5, 6, 7, 8\]/[11, 12, 13, 14, 15, 16]/' many.yaml >long.yaml
"$convoy" sweep long.yaml --workers 2 --results killed -q >out 2>err &
sweep=$!
killed=0
for ((i = 0; i < 500; i++)); do
    [ -e killed/r2/journal.1 ] && server=$(server_of $sweep) && [ -n "$server" ] && kill -9 $server && killed=1 && break
    kill -0 $sweep 2>/dev/null || break
    sleep 0.01
done
wait $sweep || fail "without its server the sweep ended with $?: $(cat err)"
[ $killed = 1 ] || fail "there was no server to be killed"
[ "$("$convoy" ls --results killed --json | grep -o '"finished"' | wc -l)" -ge 6 ] || fail "not all are finished: $(cat out)"

# ---- a trial that is killed falls alone
"$convoy" sweep long.yaml --workers 2 --results fallen -q >out 2>err &
sweep=$!
for ((i = 0; i < 500; i++)); do
    pid=$(grep -aoE '"pid":[0-9]+' fallen/r1/events 2>/dev/null | head -1)
    [ -n "$pid" ] && kill -KILL "${pid#*:}" 2>/dev/null && break
    sleep 0.01
done
wait $sweep
[ $? = 3 ] || fail "one of six fell: $(cat err)"
says err "r1 (seed=11) killed: signal 9"
[ "$("$convoy" ls --results fallen --json | grep -o '"state":"finished"' | wc -l)" = 5 ] || fail "the others go on"

# ---- a plugin file that changes on the way: whatever begins behind it is told so, as without a server
"$convoy" sweep long.yaml --workers 1 --results changed -q >out 2>err &
sweep=$!
for ((i = 0; i < 500; i++)); do
    [ -e changed/r2/journal.1 ] && break
    sleep 0.01
done
file=$(ls changed/s1/plugins/*/relu.so)
cp "$file" other.so && printf x >>other.so && mv other.so "$file"
wait $sweep
[ $? = 3 ] || fail "a changed plugin: $(cat err)"
says err "the plugin changed since the run was planned"
[ -e changed/r1/checkpoints/best.safetensors ] || fail "what was trained before stays"
finish
