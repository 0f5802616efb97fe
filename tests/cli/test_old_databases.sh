#!/usr/bin/env bash
# What the commands make of databases that earlier versions wrote (tests/report/old), alone and beside their run folders.
. "$(dirname "$0")/runs.sh"
old=$source_dir/tests/report/old
for version in 1 2 3 4 5; do
    rm -rf results && mkdir results && cp "$old/v$version.db" results/convoy.db
    chmod u+w results/convoy.db
    [ $version != 1 ] || { cp -r "$old"/v1/* results/ && chmod -R u+w results; }
    expect 0 ls -a
    says out "33.33"
    [ $version = 5 ] || says err "written by an older Convoy (schema $version): brought up to date"
    expect 0 show r1
    never err "older Convoy" # once
    says out "val_accuracy 33.33 % after epoch 1"
    expect 0 show r3 -v
    says out "the loss is not a number"
    expect 0 show s1
    expect 0 compare s1
    says out "lr 0.2"
    expect 0 best s1
    says out "lr 0.1"
    expect 0 query "SELECT count(*) AS n FROM curves" --json
    says out '[{"n":'
    expect 0 plot s1 --format svg -o p
    expect 0 plot s1 --kind final --format svg -o p
    expect 0 report s1 -o report.html
    says report.html "is not a number"
    for format in csv jsonl sql; do expect 0 export $format s1 -o "all$version.$format"; done
    expect 0 export tensorboard s1 -o "board$version"
    expect 0 db rebuild
    expect 0 ls -a
    if [ $version = 1 ]; then says out "r1"; else never out "r1"; fi # from the folders alone
done
# a run that is trained now stands beside those of the older version
rm -rf results && mkdir results && cp -r "$old"/v1/* results/ && cp "$old/v1.db" results/convoy.db && chmod -R u+w results
tiny t.yaml
expect 0 run t.yaml train.epochs=1
expect 0 ls -a
says out "r4"
says out "r1"
finish
