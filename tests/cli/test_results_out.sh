#!/usr/bin/env bash
# What a sweep came to and how it leaves: compare by a parameter, importance, best as a file that runs, queries, exports. Names of
# users go through all of it unharmed.
. "$(dirname "$0")/runs.sh"
cat >s.yaml <<'END'
experiment: "it's \"odd\" <b>&amp; `touch canary` '); DROP TABLE runs;--"
dataset: {type: shapes, train: 96, test: 50, augment: [normalize]}
model:
  - conv2d: {channels: 4, kernel: 3, stride: 4, name: stem}
  - relu
  - global_avg_pool
  - linear: {units: classes}
train: {epochs: 1, batch_size: 32, optimizer: {type: adam, lr: 1e-2}}
repeats: 2
sweep:
  method: grid
  parameters:
    model.stem.channels: {values: [2, 4, 6]}
    train.optimizer: {values: [{type: sgd, lr: 0.1}, {type: adam, lr: 0.01}]}
END
expect 0 sweep s.yaml -q

# ---- compare
expect 0 compare s1 --by model.stem.channels
says out "CHANNELS"
says out "undecided: needs 7 repeats" # three comparisons after Holm: 3 * 2 / 2^7 < 0.05
says err "2 seeds, each the mean over 2 settings of train.optimizer"
expect 0 compare s1 --by train.optimizer --json
says out '"unit":"2 seeds, each the mean over 3 settings of model.stem.channels"'
says out '"decidable":false'
says out '"test":"sign-flip"'
expect 0 compare s1 --by train.optimizer.type --test wilcoxon --alpha 0.6
says err "Wilcoxon"
expect 0 compare s1 --importance
says out "model.stem.channels"
says out "train.optimizer.type"
never out "train.optimizer.lr" # it goes with the type
expect 2 compare s1 --by train.optimiser
says err "did you mean"
expect 2 compare s1 --metric val_acuracy
says err "did you mean val_accuracy?"
expect 2 compare s1 --alpha 2
expect 2 compare r1 r2 --importance
says err "too few"

# ---- best
expect 0 best s1
says out "val_accuracy"
expect 0 best s1 --yaml
says out "# The best of s1 by val_accuracy"
cp out winner.yaml
expect 0 run winner.yaml -q
expect 0 query "SELECT count(*) AS n FROM run_summary" --json
says out '[{"n":12}]' # it was trained already

# ---- query
expect 0 query "SELECT count(*) AS n FROM run_summary WHERE sweep = ?" s1 --json
says out '[{"n":12}]'
expect 0 query "SELECT experiment FROM run_summary LIMIT 1" --csv
says out "\"it's \"\"odd\"\" <b>&amp; \`touch canary\` '); DROP TABLE runs;--\""
expect 0 query --views
says out "run_summary"
echo "SELECT name FROM run_summary ORDER BY name LIMIT 1" >q.sql
expect 0 query -f q.sql
says out "r1"
for statement in "DELETE FROM runs" "ATTACH 'x.db' AS x" "PRAGMA journal_mode = WAL" "SELECT 1; SELECT 2" "" "SELECT ?" \
    "SELECT load_extension('x')" "CREATE TABLE t (a)" "SELECT nonsense FROM run_summary"; do
    expect 2 query "$statement"
done
says err "no such column: nonsense"
[ ! -e x.db ] || fail "a query made a file"

# ---- export
expect 0 export csv s1 -o runs.csv
[ "$(wc -l <runs.csv)" = 13 ] || fail "not 12 runs: $(wc -l <runs.csv)"
says runs.csv "param:train.optimizer.lr"
expect 2 export csv s1 -o runs.csv
says err "--force"
expect 0 export csv s1 --curves
says out "r1,\"channels=2, sgd lr=0.1\",epoch,val_loss,"
expect 0 export jsonl s1
[ "$(wc -l <out)" = 12 ] || fail "not 12 lines"
says out '"params":{'
expect 0 export sql s1 -o all.sql
sqlite3 copy.db <all.sql || fail "the SQL does not load"
[ "$(sqlite3 copy.db "SELECT count(*) FROM run_summary WHERE experiment LIKE '%DROP TABLE%'")" = 12 ] || fail "rows are lost"
expect 0 export tensorboard s1 -o board
[ "$(find board -name '*tfevents*' | wc -l)" = 13 ] || fail "not 12 runs and their table"
expect 2 export tensorboard s1 -o board
expect 2 export nothing s1
says err "unknown"
[ ! -e canary ] || fail "something ran that was a name"
finish
