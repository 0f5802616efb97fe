#!/usr/bin/env bash
# Storage that is full: exit code 4, and no journal is lost.
. "$(dirname "$0")/runs.sh"
tiny tiny.yaml
expect 0 run tiny.yaml --threads 1 --results ref -q

# ---- no file may grow beyond so many bytes: the checkpoint, the journal, the database. SIGXFSZ is ignored, as on a full
# disk, where a write fails and no signal comes.
for blocks in 8 16 24; do
    results=limit$blocks
    (
        trap '' XFSZ
        ulimit -f $blocks
        exec "$convoy" run tiny.yaml --threads 1 --results $results >out 2>err
    )
    code=$?
    [ $code = 4 ] || { [ $code = 0 ] && [ -s $results/r1/checkpoints/best.safetensors ]; } ||
        fail "files of $blocks KiB: exit code $code: $(head -c 800 err)"
    [ $code = 4 ] && [ ! -s err ] && fail "no reason was given"
    if [ -e $results/r1/run.json ]; then
        expect 0 resume r1 --results $results -q
        same_run ref r1 $results r1
    fi
done

# ---- a folder that cannot be made
expect 4 run tiny.yaml --threads 1 --results /proc/nowhere
says err "/proc/nowhere"

# ---- a database that cannot be written costs no training
mkdir -p nodb/convoy.db
expect 0 run tiny.yaml --threads 1 --results nodb
says err "training goes on"
[ -s nodb/r1/checkpoints/best.safetensors ] || fail "no checkpoint"

# ---- a small disk, where one can be had
if mkdir small && mount -t tmpfs -o size=24k none small 2>/dev/null; then
    expect 4 run tiny.yaml --threads 1 --results small/results
    mount -o remount,size=10m none small
    if [ -e small/results/r1/run.json ]; then
        expect 0 resume r1 --results small/results -q
        same_run ref r1 small/results r1
    fi
    umount small
else
    echo "no tmpfs may be mounted here: left out"
fi
finish
