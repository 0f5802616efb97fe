#!/usr/bin/env bash
# `convoy plot`: what a kind of chart has no use for is refused, and the terminal gets letters alone.
. "$(dirname "$0")/runs.sh"

# ---- refused before anything is read: there are no runs here
refuses() { # refuses TEXT ARGUMENT...
    local said=$1
    shift
    expect 2 plot "$@"
    says err "$said"
    [ ! -s out ] || fail "convoy plot $*: wrote $(head -c 200 out)"
}
refuses "--kind cost has no use for --facet, which is for curves" s1 --kind cost --facet train.lr
refuses "--kind cost has no use for --smooth" s1 --kind cost --smooth 0.5
refuses "--kind cost has no use for --band, which is for curves, against" s1 --kind cost --band sd
refuses "--kind cost has no use for --log-x" s1 --kind cost --log-x
refuses "--kind final has no use for --x, which is for curves" s1 --kind final --x time
refuses "--kind curves has no use for --x PATH, which is for against" s1 --kind curves --x train.lr
refuses "--kind against has no use for --facet" s1 --x train.lr --facet train.epochs
refuses "--kind parallel has no use for --by" s1 --kind parallel --by train.lr
refuses "--kind importance has no use for --by" s1 --kind importance --by train.lr
refuses "--kind history has no use for --most" s1 --kind history --most 5
refuses "--kind speed has no use for --metric" s1 --kind speed --metric val_loss
refuses "--kind lr-range has no use for --log-y" s1 --kind lr-range --log-y
refuses "--most" --sql "SELECT 1, 2" --most 3
refuses "--format is one of png, svg, pdf, term, sixel" s1 --format ''
refuses "--format is one of png, svg, pdf, term, sixel" s1 --format png,
refuses "--output is for files" s1 --format term -o x
refuses "--width is for files" s1 --format term --width 3.5
refuses 'did you mean `cost`?' s1 --kind cots --facet train.lr

# ---- drawn
if "$convoy" doctor | grep -q '^ok *gnuplot'; then
    cat >moment.yaml <<'YAML'
experiment: moment
dataset: {type: shapes, train_limit: 64, validation: 16, test: 16}
model: [flatten, linear: {units: classes}]
train: {epochs: 2, batch_size: 32}
YAML
    expect 0 run moment.yaml --threads 1 -q
    expect 0 plot r1 --format term
    says out "cross-entropy loss"
    says out "accuracy (%)"
    ! grep -q "$(printf '\f')" out || fail "a form feed in $(od -c out | head -3)"
    expect 0 plot r1 --x time --smooth 0.5 --band none --log-y --most 1 --format svg -o p
    expect 2 plot --sql "SELECT run, value FROM curves" --log-x --format svg -o p
    says err "which have no logarithm"
    expect 2 plot r1 --kind rungs
    says err "none of the 1 configurations was stopped early"
    expect 2 plot r1 -o absent/p
    says err "there is no folder absent"
    expect 2 report r1 -o absent/p.html
    says err "there is no folder absent"
    for what in csv weights; do
        expect 2 export $what r1 -o absent/p
        says err "there is no folder absent"
    done
    rm -r results/r1
    expect 2 eval r1
    says err "the run's folder is not there any more"
fi
finish
