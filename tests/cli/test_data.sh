#!/usr/bin/env bash
# `convoy data ls`, `info`, `verify` and `preview` on datasets that need no download, and on ones that are not there. How
# things are fetched is in tests/fetch. Arguments: source folder, build folder.
set -u
convoy=$(realpath "$2")/convoy
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export XDG_DATA_HOME=$dir/data XDG_CACHE_HOME=$dir/cache TERM=dumb
unset CONVOY_PLUGIN_PATH CONVOY_RESULTS
cd "$dir" || exit 1
failures=0

fail() {
    echo "FAILED: $*"
    failures=$((failures + 1))
}

expect() { # expect CODE ARGUMENT...
    local code=$1
    shift
    "$convoy" data "$@" >out 2>err </dev/null
    local got=$?
    [ $got = "$code" ] || fail "line ${BASH_LINENO[0]}: data $*: exit code $got, expected $code: $(cat out err)"
}

says() { # says WHERE REGEX
    grep -qE -- "$2" "$1" || fail "line ${BASH_LINENO[0]}: no \"$2\" in $1: $(cat "$1")"
}

# ---- ls
expect 0 ls
says out '^cifar10 +170 MB +not here$'
says out '^fashion_mnist +31 MB +not here$'
says out '^shapes +- +-$'
mkdir -p data/convoy/mnist/raw
echo 123 >data/convoy/mnist/x
expect 0 ls
says out "^mnist +12 MB +not whole +4 B +$dir/data/convoy/mnist$"
expect 0 ls --json
says out '"name":"cifar10","fetchable":true,"download_bytes":170052171,"state":"not here","path":null,'
expect 0 ls --to elsewhere
says out '^mnist +12 MB +not here$'
expect 2 ls mnist
rm -r data/convoy/mnist

# ---- info
expect 0 info cifar10
says out 'not here; `convoy data fetch cifar10` fetches it'
says out 'https://www.cs.toronto.edu/~kriz/cifar.html'
says out "$dir/data/convoy/cifar10"
expect 0 info shapes dataset.train=200 dataset.test=100 dataset.size=16
says out '^samples +200 train, 100 test$'
says out '^shape +3x16x16, bytes as \[0, 1\]$'
says out '^mean and std +0\.[0-9]{4} \+- 0\.[0-9]{4}, '
says out '^ +0 +circle +20 +10$'
says out '^ +9 +checker +20 +10$'
expect 0 info shapes dataset.train=200 dataset.test=100 --json
says out '"samples":\{"train":200,"validation":0,"test":100\},"shape":\[3,32,32\]'
says out '"classes":\[\{"name":"circle","train":20,"validation":0,"test":10\}'
expect 0 info waves dataset.train=80 dataset.test=8
says out '^shape +1x128, floats$'
cat >small.yaml <<'END'
dataset:
  type: shapes
  train: 200
  test: 50
  validation: 50
  augment:
    - random_crop: {padding: 4}
    - horizontal_flip
    - normalize
model:
  - flatten
  - linear: {units: classes}
END
expect 0 info small.yaml
says out '^samples +150 train, 50 validation, 50 test$'
says out '^input +3x32x32 after 3 steps of augmentation$'
says out '^ +0 +circle +15 +5 +5$'
expect 2 info small.yaml dataset.augment='[normalise]'
says err 'normalize'
expect 2 info cifr10
says err 'did you mean `cifar10`'
expect 2 info
says err 'which dataset\?'
expect 2 info shapes train.epochs=3
says err 'only dataset.* and seed are meant here'
expect 2 info nowhere.yaml
printf 'a,b,y\n1,2,0\n3,4,1\n5,6,0\n2,1,1\n' >t.csv
"$convoy" plugin info csv >csv.out
key=$(sed -n 's/^  \([a-z_]*path\) .*/\1/p' csv.out | head -n 1)
"$convoy" data info csv dataset."${key:-path}"=t.csv >out 2>err </dev/null || says err 'csv'

# ---- verify
expect 0 verify shapes dataset.train=50 dataset.test=20
says out '^shapes: 70 samples read'
expect 2 verify cifar100
says err "data/convoy/cifar100: is not there"
says err 'convoy data fetch cifar100'
expect 0 verify small.yaml --json
says out '"good":true,"files":0,"files_by_checksum":0,"bytes":0,"samples":250'

# ---- what the words are
expect 2
says err 'ls, info, fetch, verify or preview\?'
expect 2 previw shapes
says err 'did you mean `preview`'
expect 2 preview shapes -o sheet.jpg
says err 'FILE.png'
expect 2 preview shapes --part exam
expect 2 preview shapes --each --steps

# ---- preview
if ! "$convoy" data preview shapes dataset.train=30 dataset.test=10 -q >out 2>err </dev/null; then
    grep -q 'apt-get install libpng-dev' err || fail "preview: $(cat err)"
    echo "no libpng: the sheets are not drawn"
    [ $failures = 0 ]
    exit
fi
number() { od -An -tu1 -j "$2" -N 4 "$1" | awk '{ print (($1 * 256 + $2) * 256 + $3) * 256 + $4 }'; }
drawn() { # drawn FILE WIDTH HEIGHT
    [ "$(head -c 8 "$1" | od -An -tx1 | tr -d ' ')" = 89504e470d0a1a0a ] || fail "$1 is no PNG file"
    [ "$(number "$1" 16) $(number "$1" 20)" = "$2 $3" ] ||
        fail "line ${BASH_LINENO[0]}: $1 is $(number "$1" 16) x $(number "$1" 20), expected $2 x $3"
}
# 32 pixels are shown at four times their size, with 6 between; in front a name of n letters takes 12 n - 2 and 8, around
# all are 12, and above words of 18 with 8 below.
drawn preview.png $((12 + 34 + 8 + 8 * 134 - 6 + 12)) $((12 + 18 + 8 + 1 * 134 - 6 + 12)) # nothing is done to them
expect 0 preview small.yaml -o a.png --cols 3 --rows 2 --epoch 5
drawn a.png $((12 + 82 + 8 + 3 * 134 - 6 + 12)) $((12 + 18 + 8 + 3 * 134 - 6 + 12))
says err '^drawn: a.png$'
says out '^ +0 +raw +as the dataset gives them$'
says out '^ +2 +epoch 6 +as training sees them in epoch 6; normalising undone$'
says out '^ +0 +[0-9]+ +circle$'
expect 0 preview small.yaml -o b.png --cols 3 --rows 2 --epoch 5 --json
cmp -s a.png b.png || fail "the same sheet is another one"
says out '"rows":\[\{"name":"raw","what":"as the dataset gives them"\},'
says out '"columns":\[\{"name":"circle","sample":[0-9]+\},'
expect 0 preview small.yaml -o c.png --cols 3 --rows 2 --epoch 6
cmp -s a.png c.png && fail "epochs look alike"
expect 0 preview small.yaml -o d.png --cols 2 --steps
drawn d.png $((12 + 178 + 8 + 2 * 134 - 6 + 12)) $((12 + 18 + 8 + 4 * 134 - 6 + 12))
says out '^ +3 +normalize +after dataset.augment.2 \(normalize\), in epoch 0; normalising undone$'
expect 0 preview small.yaml -o d.png --cols 2 --steps --step horizontal_flip
drawn d.png $((12 + 178 + 8 + 2 * 134 - 6 + 12)) $((12 + 18 + 8 + 3 * 134 - 6 + 12))
expect 2 preview small.yaml -o d.png --step horizontal_flp
says err 'did you mean `horizontal_flip`'
expect 0 preview small.yaml -o e.png --part test --cols 2 --sample 7
drawn e.png $((12 + 58 + 8 + 2 * 134 - 6 + 12)) $((12 + 18 + 8 + 2 * 134 - 6 + 12)) # nothing random: once is enough
says out '^ +0 +7 +'
expect 2 preview small.yaml --sample 5000
says err 'there are 150, counted from 0'
expect 0 preview shapes dataset.train=10 dataset.test=10 -o f.png --cols 20 # no more than there are
drawn f.png $((12 + 34 + 8 + 10 * 134 - 6 + 12)) $((12 + 18 + 8 + 1 * 134 - 6 + 12))
expect 2 preview small.yaml --cols 100
expect 0 preview shapes -o g.png --each --cols 2 dataset.train=40 dataset.test=10 dataset.size=12
for step in horizontal_flip random_crop normalize mixup zca_whitening; do says out "^ +[0-9]+ +$step +"; done
grep 'left out' err | grep -v ':' && fail "left out without saying why"
# mixed samples say of which classes they are
expect 0 preview shapes -o h.png dataset.train=40 dataset.test=10 dataset.augment='[{mixup: {alpha: 100}}]' --cols 2 --rows 1
drawn h.png $((12 + 82 + 8 + 2 * 134 - 6 + 12)) $((12 + 18 + 8 + 2 * 134 + 13 - 6 + 12))
expect 2 preview waves dataset.train=40 dataset.test=8
says err 'the samples are no images .* but sequences \(1x128\)'
expect 2 preview small.yaml -o nowhere/a.png

echo "$failures failures"
[ $failures = 0 ]
