#!/usr/bin/env bash
# `convoy data fetch` by HTTP: whole files, files resumed, servers that know no ranges, change the file, break off, lie, hang,
# refuse; folders and file:// instead. Arguments: source folder, build folder.
set -u
# shellcheck source=tests/fetch/common.bash
. "$1/tests/fetch/common.bash"
has_library libcurl || { echo "this build has no libcurl"; exit 77; }
start_server
head -c 3000000 /dev/urandom >served/blob
size=3000000
recipe "$url/plain/" blob none blob
fetch="fetch toy --recipe toy.yaml --retries 0"

arrived() { # arrived WHAT: and forget it
    cmp -s served/blob "$place/toy/blob" || fail "line ${BASH_LINENO[0]}: $1: not what was sent: $(cat err)"
    [ ! -e "$place/.fetching" ] || fail "line ${BASH_LINENO[0]}: $1: left over: $(find "$place/.fetching")"
    rm -rf "$place/toy"
}

# ---- as it should be
expect 0 $fetch
says out "$place/toy"
says err "fetching $url/plain/blob"
says "$place/toy/fetched.json" "$(sha256sum served/blob | cut -d ' ' -f 1)"
expect 0 $fetch
says err "toy is here already"
[ "$(wc -l <log)" = 1 ] || fail "fetched what was there: $(cat log)"
expect 0 $fetch --force --json
says out '{"fetched":[{"name":"toy","path":"'
[ "$(wc -l <log)" = 2 ] || fail "--force does not fetch"
arrived plain
expect 0 $fetch --keep -q
[ ! -s err ] || fail "--quiet talks: $(cat err)"
cmp -s served/blob "$place/toy/archives/blob" || fail "--keep keeps nothing"
expect 0 fetch toy --recipe toy.yaml --force --from "$place/toy/archives"
arrived "from what was kept"
expect 0 $fetch --to "$dir/else where"
cmp -s served/blob "else where/toy/blob" || fail "--to"
recipe "$url/moved/" blob none blob
expect 0 $fetch
arrived redirected

# ---- broken off, and resumed: by this command's own attempts, and by another command
recipe "$url/cut/1000000/" blob none blob
: >log
expect 0 $fetch
[ "$(cut -d ' ' -f 2 log | tr '\n' ' ')" = "-1 1000000 2000000 " ] || fail "ranges asked for: $(cat log)"
says err "blob: went on at byte 2000000"
arrived cut
: >log
recipe "$url/once/" blob none blob
expect 0 $fetch # no ranges there: all over again
[ "$(wc -l <log)" = 2 ] || fail "requests: $(cat log)"
arrived "cut without ranges"

part=$place/.fetching/toy/blob.part
started() { # started VALIDATOR: the first 1,234,567 bytes came by an earlier command
    mkdir -p "$(dirname "$part")"
    head -c 1234567 served/blob >"$part"
    printf '{"url":"%s","validator":"%s","total":%d}' "$2" "$1" $size >"$part.json"
}
recipe "$url/plain/" blob none blob
: >log
started '\"v1\"' "$url/plain/blob"
expect 0 $fetch
says err "blob: went on at byte 1234567"
says log '/plain/blob 1234567 "v1"'
arrived resumed
started 'Sat, 01 Jan 2000 00:00:00 GMT' "$url/date/blob"
recipe "$url/date/" blob none blob
expect 0 $fetch
says err "blob: went on at byte 1234567"
arrived "resumed by its date"
recipe "$url/plain/" blob none blob
started '\"old\"' "$url/plain/blob" # the server has another file by now
expect 0 $fetch
grep -q "went on" err && fail "it went on with another file's part"
arrived "changed meanwhile"
recipe "$url/norange/" blob none blob
started '\"v1\"' "$url/norange/blob"
expect 0 $fetch
arrived "without ranges"
recipe "$url/plain/" blob none blob
started '\"v1\"' "$url/plain/blob"
printf x | dd of="$part" bs=1 seek=77 conv=notrunc 2>/dev/null # one byte of the part is another
expect 0 $fetch
says err "blob: what was resumed has a wrong checksum; fetching all of it"
arrived "a damaged part"
started '\"v1\"' "http://127.0.0.1:1/blob" # of another place
: >log
expect 0 $fetch
says log '/plain/blob -1 '
arrived "another server's part"
started '\"v1\"' "$url/plain/blob"
echo garbage >"$part.json"
expect 0 $fetch
arrived "nothing known of the part"
recipe "$url/lies/" blob none blob
started '\"v1\"' "$url/lies/blob"
expect 4 $fetch
says err "the server gives another part of the file than was asked for"
nothing_there
rm -rf "$place/.fetching"

# ---- what cannot be fetched
recipe "$url/wrong/" blob none blob
expect 2 $fetch
says err "$url/wrong/blob: wrong checksum: SHA-256 is "
says err ", expected $(sha256sum served/blob | cut -d ' ' -f 1)"
[ ! -e "$part" ] || fail "a part with a wrong checksum is kept"
nothing_there
recipe "$url/status/404/" blob none blob
expect 4 $fetch
says err "the server answers 404 (not found)"
says err "--from URL|DIR"
recipe "$url/status/503/" blob none blob
: >log
expect 4 $fetch
says err "the server answers 503 (not available)"
[ "$(wc -l <log)" = 1 ] || fail "--retries 0 tries again"
recipe "$url/status/500/" blob none blob
: >log
expect 4 fetch toy --recipe toy.yaml --retries 1
[ "$(wc -l <log)" = 2 ] || fail "--retries 1: $(cat log)"
says err "trying again"
recipe "$url/more/" blob none blob
expect 2 $fetch
says err "the server sends more than the expected 3000000 bytes"
rm -rf "$place/.fetching"
recipe "$url/hang/" blob none blob
expect 4 $fetch --timeout 1
says err "cannot be fetched: "
recipe "http://127.0.0.1:1/" blob none blob
expect 4 $fetch
says err "cannot be fetched: "
says err "onnect"
recipe "http://nowhere.invalid/" blob none blob
expect 4 $fetch
says err "nowhere.invalid"
says err "--from DIR"
[ ! -e "$place/.fetching" ] || fail "nothing arrived, and it stays: $(find "$place")"
nothing_there
export http_proxy=http://127.0.0.1:1
recipe "$url/plain/" blob none blob
expect 4 $fetch
unset http_proxy

# A mirror that fails is followed by the next.
recipe "$url/status/404/" blob none blob
sed -i "s|mirrors: \[|mirrors: [\"$url/wrong/\", \"http://127.0.0.1:1/\", \"$url/plain/\", |" toy.yaml
expect 0 $fetch
arrived "the third mirror"

# ---- folders
recipe "$url/status/404/" blob none blob
expect 0 $fetch --from served
arrived "from a folder"
mkdir "with space"
cp served/blob "with space"
expect 0 $fetch --from "file://$dir/with%20space"
arrived "from a file URL"
expect 2 $fetch --from nowhere
says err "nowhere/blob: cannot be opened: No such file or directory"
echo less >"with space/blob"
expect 2 $fetch --from "with space"
says err "has 5 bytes, expected 3000000"
{ echo '<!DOCTYPE html><p>Please log in'; cat served/blob; } | head -c $size >"with space/blob"
expect 2 $fetch --from "with space"
says err "it is a web page"
nothing_there

# ---- what is in the way
mkdir -p "$place/toy"
echo mine >"$place/toy/mine"
expect 2 $fetch --from served
says err "is in the way: it holds what is no part of the dataset, $place/toy/mine"
expect 2 $fetch --from served --force
[ "$(cat "$place/toy/mine")" = mine ] || fail "somebody's file is gone"
rm -r "$place/toy"
mkdir other
ln -s "$dir/other" "$place/toy"
expect 2 $fetch --from served --force
says err "is in the way: it is no folder but a link"
rm "$place/toy"

# ---- stopped: by Ctrl-C, by full storage; and the same command goes on
recipe "$url/hang/" blob none blob
: >log
"$convoy" data $fetch >out 2>err </dev/null &
pid=$!
for ((i = 0; i < 200; i++)); do
    grep -q /hang/ log && break
    read -r -t 0.05 <> <(:) || :
done
kill -TERM $pid
wait $pid
got=$?
[ $got = 75 ] || fail "stopped: exit code $got: $(cat err)"
says err "toy: stopped; the same command goes on from here"
nothing_there
recipe "$url/plain/" blob none blob
(
    ulimit -f 1000
    trap '' XFSZ
    "$convoy" data $fetch >out 2>err </dev/null
)
got=$?
[ $got = 4 ] || fail "no room: exit code $got"
says err "blob.part: cannot be written: File too large"
says err "make room"
kept=$(stat -c %s "$part" 2>/dev/null)
[ "${kept:-0}" -gt 100000 ] || fail "what had arrived before the storage was full is gone"
expect 0 $fetch
says err "blob: went on at byte $kept"
arrived "after storage was full"

# ---- words
expect 2 fetch
says err "which dataset?"
expect 2 fetch cifr10
says err 'did you mean `cifar10`?'
expect 2 fetch shapes
says err 'there is nothing to fetch for the dataset "shapes"'
says err "shapes.recipe.yaml beside the plugin"
expect 2 fetch tou --recipe toy.yaml
says err 'did you mean `toy`?'
expect 2 fetsh
says err 'did you mean `fetch`?'

echo "$failures failures"
[ $failures = 0 ]
