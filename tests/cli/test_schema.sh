#!/usr/bin/env bash
# `convoy schema`: every key and every plugin is in it; where python3-jsonschema is installed, every experiment validates
# and mistakes do not. Arguments: source folder, build folder.
set -u
source_dir=$(realpath "$1")
convoy=$(realpath "$2")/convoy
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export XDG_DATA_HOME=$dir XDG_CACHE_HOME=$dir TERM=dumb
unset CONVOY_PLUGIN_PATH CONVOY_RESULTS
cd "$dir" || exit 1
failures=0

fail() {
    echo "FAILED: $*"
    failures=$((failures + 1))
}

has() {
    grep -qF -- "$1" schema.json || fail "the schema has no $1"
}

"$convoy" schema >schema.json || fail "convoy schema: exit code $?"
has '"$schema":"https://json-schema.org/draft/2020-12/schema"'
for key in experiment seed plugins dataset model loss train repeats sweep; do has "\"$key\":{"; done
"$convoy" plugin ls | awk 'NR > 1 { print $1 "." $2 }' >plugins
[ "$(wc -l <plugins)" -ge 20 ] || fail "hardly any plugins"
while read -r plugin; do
    has "\"$plugin\":{"
    has "\"$plugin.typed\":{"
done <plugins
for schedule in constant step cosine; do has "\"schedule.$schedule\":{"; done
has '"kernel":{"description":"' # a parameter of one of them, described

# A plugin of one's own joins.
"$convoy" plugin new layer bend >/dev/null && cc -shared -fPIC -I"$source_dir/core/include" -o bend.so bend/bend.c -lm
"$convoy" schema --plugin ./bend.so >own.json || fail "convoy schema --plugin: exit code $?"
grep -qF '"layer.bend":{' own.json || fail "a plugin named by --plugin is not in the schema"

if ! python3 -c 'import jsonschema, yaml; jsonschema.Draft202012Validator' 2>/dev/null; then
    echo "python3-jsonschema and python3-yaml are not installed: the files are not validated"
    [ $failures = 0 ]
    exit
fi

cat >wrong.txt <<'END'
model: [conv2d: {channels: 0, kernel: 3}]
model: [conv2d: {channels: 8, kernel: [3, 3, 3]}]
model: [conv2d: {filters: 8}]
model: [conv2d]
model: [relux]
model: [{type: conv2d, channels: many}]
model: [relu: {name: 7 up}]
model: [{relu: , batch_norm: }]
experiment: no-model
{model: [relu], trian: {epochs: 1}}
{model: [relu], train: {epochs: 0}}
{model: [relu], train: {optimizer: {type: adam, lr: -1}}}
{model: [relu], train: {optimizer: {type: relu}}}
{model: [relu], train: {lr_schedule: cosin}}
{model: [relu], dataset: {type: shapes, augment: [flip]}}
{model: [relu], dataset: {type: shapes, grey: 1}}
{model: [relu], repeats: 0}
{model: [relu], sweep: {method: grid}}
{model: [relu], sweep: {method: grid, parameters: {seed: {values: []}}}}
{model: [relu], sweep: {method: grid, parameters: {seed: 1}}}
{model: [relu], sweep: {method: gird, parameters: {seed: {values: [1]}}}}
{model: [relu], sweep: {method: random, run_cap: 0, parameters: {seed: {values: [1]}}}}
{model: [relu], sweep: {method: random, run_cap: 3, parameters: {train.x: {distribution: log, min: 1, max: 2}}}}
{model: [relu], sweep: {method: random, run_cap: 3, parameters: {train.x: {min: 1, max: 2, q: 0}}}}
{model: [relu], sweep: {method: tpe, run_cap: 3, early_terminate: {type: hyper}, parameters: {seed: {values: [1]}}}}
END
cat >right.txt <<'END'
model: mini_vgg
model: {type: mini_vgg, width: 3}
model: [relu, batch_norm: , {type: conv2d, channels: 8, name: stem}, linear: {units: classes}, add: {inputs: [stem, input]}]
{model: [conv2d: {channels: 8, kernel: [1, 5]}], seed: 0, plugins: , sweep: }
{model: [relu], dataset: {shapes: {size: 28, validation: 500, augment: [{type: random_crop, padding: 2}, normalize]}}}
{model: [relu], train: {batch_size: all, optimizer: {adam: {lr: 0.001}}, lr_schedule: {type: cosine, warmup_epochs: 1}}}
{model: [relu], dataset: shapes, loss: softmax_cross_entropy, train: {optimizer: sgd}}
{model: [relu], sweep: {method: grid, metric: {name: val_loss, goal: minimize}, parameters: {train: {parameters: {epochs: {value: 2}}}, model.0: {values: [relu, {type: dropout}]}}}}
{model: [relu], sweep: {method: bayes, run_cap: 9, parallelism: 2, program: train.py, tpe: {startup: 5}, alias: {lr: train.optimizer.lr}, metric: {name: val_loss, target: 0.1, impute: best}, parameters: {lr: {distribution: log_uniform_values, min: 1e-4, max: 1}, train.epochs: {min: 1, max: 3, when: {lr: 1}}}, where: [lr > 0], early_terminate: {type: hyperband, max_iter: 27, s: 2}}}
{model: [relu], sweep: {method: grid, configurations: [{name: a, train.epochs: 2}], zip: [[a, b]]}}
END
python3 - "$source_dir" <<'END' || fail "the schema does not tell right from wrong"
import glob, json, re, sys, yaml, jsonschema

class Loader(yaml.SafeLoader):  # YAML 1.2's numbers, as editors and Convoy read them
    pass

Loader.add_implicit_resolver('tag:yaml.org,2002:float', re.compile(r'^[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?$'), list('-+.0123456789'))
schema = json.load(open('schema.json'))
jsonschema.Draft202012Validator.check_schema(schema)
validator = jsonschema.Draft202012Validator(schema)
bad = 0
files = glob.glob(sys.argv[1] + '/experiments/*.yaml')
assert files
documents = [(f, open(f).read(), True) for f in files]
for name, right in (('right.txt', True), ('wrong.txt', False)):
    documents += [(line.strip(), line, right) for line in open(name)]
for what, text, right in documents:
    document = yaml.load(text, Loader)
    if right and isinstance(document, dict) and document.get('plugins'):
        continue  # those are not in this schema
    problems = list(validator.iter_errors(document))
    if right == bool(problems):
        bad += 1
        print('FAILED:', what, [p.message[:200] for p in problems] or 'is accepted')
sys.exit(bad > 0)
END

[ $failures = 0 ]
