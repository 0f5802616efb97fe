#!/usr/bin/env bash
# What `convoy data fetch` makes of archives: good ones come out whole, hostile and damaged ones not at all; the list of
# files that stays, and what `convoy data verify` finds by it. Arguments: source folder, build folder.
set -u
# shellcheck source=tests/fetch/common.bash
. "$1/tests/fetch/common.bash"
has_library libarchive || { echo "this build has no libarchive"; exit 77; }
"$tools/pack" probe.tar; [ $? != 77 ] || exit 77
mkdir served
head -c 200000 /dev/urandom >a
head -c 70000 /dev/zero >b
: >empty

pack() { # pack ARCHIVE MEMBER...
    "$tools/pack" "served/$1" "${@:2}" || fail "pack $*"
}

fetch() { # fetch CODE
    expect "$1" fetch toy --recipe toy.yaml --from served --retries 0
}

# ---- good ones, in every form
for form in tar tar.gz tar.xz zip; do
    pack good.$form dir:data/ file:data/a=a file:./data/deep/er/b=b file:empty=empty "file:data/ä ö=b"
    recipe http://unused/ good.$form archive data/a data/deep/er/b empty
    fetch 0
    cmp -s a "$place/toy/data/a" && cmp -s b "$place/toy/data/deep/er/b" && [ -f "$place/toy/empty" ] &&
        cmp -s b "$place/toy/data/ä ö" || fail "$form: $(find "$place")"
    [ "$(stat -c %a "$place/toy/data/a")" = "$(printf '%o' $((0666 & ~0$(umask) & 0644)))" ] || fail "$form: modes are believed"
    [ "$(grep -o '"sha256"' "$place/toy/fetched.json" | wc -l)" = 5 ] || fail "$form: $(cat "$place/toy/fetched.json")"
    rm -rf "$place"
done
gzip -c a >served/a.gz
recipe http://unused/ a.gz gzip a
fetch 0
cmp -s a "$place/toy/a" || fail "gzip"
rm -rf "$place"
unset LC_ALL LANG

# ---- such as nobody should send
refuses() { # refuses TEXT MEMBER...
    local said=$1
    shift
    pack evil.tar.gz file:data/a=a "$@" file:data/b=b
    recipe http://unused/ evil.tar.gz archive data/a
    fetch 2
    says err "$said"
    nothing_there
    [ ! -e "$dir/escaped" ] && [ ! -e "$place/escaped" ] && [ ! -e "$place/.fetching/escaped" ] &&
        [ ! -e "$place/.fetching/toy/escaped" ] || fail "$*: it came out: $(find . -name escaped)"
}
refuses 'member "../escaped" has a name that leads elsewhere' file:../escaped=a
refuses 'member "data/../../escaped" has a name that leads elsewhere' file:data/../../escaped=a
refuses "member \"$dir/escaped\" has an absolute name" "file:$dir/escaped=a"
refuses 'member "data/link" is a symbolic link' "link:data/link=$dir"
refuses 'member "data/link" is a symbolic link' "link:data/link=$dir" file:data/link/escaped=a
refuses 'member "hard" is a hard link' hard:hard=data/a
refuses 'member "hard" is a hard link' hard:hard=/etc/hostname
refuses 'member "null" is a device, a pipe or a socket' device:null
refuses 'member "pipe" is a device, a pipe or a socket' fifo:pipe
refuses 'member "data/a" is there twice' file:data/a=b
refuses 'member "data/a/b" is below another member that is a file' file:data/a/b=b
refuses 'member "zeros" goes beyond what may come out' zeros:zeros=5000000
refuses 'member "x\x1B[31m" has a name that leads elsewhere or cannot be' $'file:x\x1b[31m=a'
refuses 'member "a\..\b" has a name that leads elsewhere or cannot be' 'file:a\..\b=a'
refuses 'member "../escaped/" has a name that leads elsewhere' dir:../escaped
pack evil.zip file:../escaped=a
recipe http://unused/ evil.zip archive data/a
fetch 2
says err 'member "../escaped" has a name that leads elsewhere'
nothing_there

# ---- damaged: with a checksum that fits, as if published so
pack whole.tar.gz file:data/a=a file:data/b=b
for bytes in 0 10 1000 100000; do
    head -c $bytes served/whole.tar.gz >served/torn.tar.gz
    recipe http://unused/ torn.tar.gz archive data/a data/b
    fetch 2
    says err torn.tar.gz
    nothing_there
done
head -c 50000 /dev/urandom >served/noise.tar.gz
recipe http://unused/ noise.tar.gz archive data/a
fetch 2
says err "cannot be unpacked"
nothing_there
gzip -c a | head -c 1000 >served/torn.gz
recipe http://unused/ torn.gz gzip torn
fetch 2
says err "cannot be unpacked"
head -c 5000000 /dev/zero | gzip -c >served/bomb.gz
recipe http://unused/ bomb.gz gzip bomb
fetch 2
says err 'member "bomb" goes beyond what may come out'
recipe http://unused/ whole.tar.gz archive data/a data/c
fetch 2
says err "data/c: is not there"
nothing_there
recipe http://unused/ whole.tar.gz archive data/a
sed -i 's|{path: data/a}|{path: data/a, bytes: 17}|' toy.yaml
fetch 2
says err "data/a: byte 17: the file should end here: expected 17 bytes, found 200000"
nothing_there
rm -rf "$place"

# ---- storage that is full while unpacking: the archive stays, and the next time it is not fetched again
pack large.tar.gz file:data/a=a zeros:data/zeros=3000000
recipe http://unused/ large.tar.gz archive data/a
(
    ulimit -f 1000
    trap '' XFSZ
    "$convoy" data fetch toy --recipe toy.yaml --from served >out 2>err </dev/null
)
got=$?
[ $got = 4 ] || fail "no room: exit code $got: $(cat err)"
says err "cannot be written: File too large"
[ ! -e "$place/toy" ] || fail "half a dataset"
mv served/large.tar.gz served/gone
fetch 0
[ "$(stat -c %s "$place/toy/data/zeros")" = 3000000 ] || fail "after storage was full"

# ---- two at once: the second is told
rm -rf "$place"
mkdir -p "$place/.fetching"
mv served/gone served/large.tar.gz
(
    flock 8
    "$convoy" data fetch toy --recipe toy.yaml --from served >out 2>err </dev/null 8>&-
    echo $? >code
) 8>"$place/.fetching/toy.lock"
[ "$(cat code)" = 2 ] || fail "two at once: exit code $(cat code): $(cat err)"
says err "another process is fetching it"

# ---- a real dataset's shape: MNIST's files, verified, damaged, found
be() { printf "\\$(printf %o $(($1 >> 24 & 255)))\\$(printf %o $(($1 >> 16 & 255)))\\$(printf %o $(($1 >> 8 & 255)))\\$(printf %o $(($1 & 255)))"; }
images() { be 2051; be "$1"; be 28; be 28; head -c $((784 * $1)) /dev/zero; }
labels() { be 2049; be "$1"; for ((i = 0; i < $1; i++)); do printf "\\$(printf %o $((i % 10)))"; done; }
images 30 | gzip >served/train-images-idx3-ubyte.gz
labels 30 | gzip >served/train-labels-idx1-ubyte.gz
images 10 | gzip >served/t10k-images-idx3-ubyte.gz
labels 10 | gzip >served/t10k-labels-idx1-ubyte.gz
{
    printf 'mnist:\n  mirrors: ["http://unused/"]\n  archives:\n'
    for file in train-images-idx3 train-labels-idx1 t10k-images-idx3 t10k-labels-idx1; do
        printf '    - {file: %s-ubyte.gz, sha256: %s, unpack: gzip}\n' $file \
            "$(sha256sum served/$file-ubyte.gz | cut -d ' ' -f 1)"
    done
    printf '  files:\n'
    for file in train-images-idx3 train-labels-idx1 t10k-images-idx3 t10k-labels-idx1; do
        printf '    - {path: %s-ubyte}\n' $file
    done
} >mnist.yaml
expect 0 fetch mnist --recipe mnist.yaml --from served
expect 0 info mnist
says out "30 train, 10 test"
says out "1x28x28"
expect 0 verify mnist --recipe mnist.yaml
says out "mnist: 4 files, "
says out "40 samples read"
printf '\12' | dd of="$place/mnist/train-labels-idx1-ubyte" bs=1 seek=20 conv=notrunc 2>/dev/null
expect 2 verify mnist --recipe mnist.yaml
says err "train-labels-idx1-ubyte: other bytes than expected: SHA-256 is "
says err "train-labels-idx1-ubyte: byte 20: dataset (mnist): label 12 is 10, expected 0 to 9"
truncate -s 1000 "$place/mnist/t10k-images-idx3-ubyte"
expect 2 verify mnist --recipe mnist.yaml
says err "t10k-images-idx3-ubyte: byte 1000: the file ends here: expected 7856 bytes, found 1000"
expect 0 fetch mnist --recipe mnist.yaml --from served --force
expect 0 verify mnist --recipe mnist.yaml --json
says out '"good":true,"files":4,"files_by_checksum":4,'
# a recipe beside a plugin's file goes before the built-in one
mkdir own
cp "$build/plugins/datasets/mnist.so" own/copy.so
cp mnist.yaml own/copy.recipe.yaml
rm -r "$place/mnist"
CONVOY_PLUGIN_PATH=$dir/own expect 0 fetch mnist --from served
[ -s "$place/mnist/fetched.json" ] || fail "the recipe beside a plugin is not seen"
expect 2 fetch mnist --from served --force # those are not the official files
says err "has $(stat -c %s served/train-images-idx3-ubyte.gz) bytes, expected 9912422"
# put there by hand, packed and without a list
expect 0 fetch mnist --recipe mnist.yaml --from served --to "$dir/hand"
rm "$dir/hand/mnist/"*
cp served/*ubyte.gz hand/mnist
if "$convoy" data info mnist dataset.path="$dir/hand/mnist" >/dev/null 2>&1; then # with zlib
    expect 0 verify mnist --recipe mnist.yaml --to hand
    says out "4 files"
    gzip -c a >hand/mnist/t10k-labels-idx1-ubyte.gz
    expect 2 verify mnist --recipe mnist.yaml --to hand
    says err "t10k-labels-idx1-ubyte.gz: other bytes than expected"
fi
# the built-in recipe knows that these are not the official files
expect 2 verify mnist --to hand
expect 2 verify cifar10
says err "convoy data fetch cifar10"

echo "$failures failures"
[ $failures = 0 ]
