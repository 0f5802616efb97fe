/* Experiments: defaults, model files, overrides, resolving again, writing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "base/file.h"
#include "config/experiment.h"
#include "fakes.h"

#define DATA SOURCE_DIR "/tests/config/data"
static const char *const architectures[] = {DATA "/nowhere", DATA "/architectures", NULL};

static experiment *read_with(const char *file, const char *const *overrides, errors *e)
{
    size_t n = 0;
    while (overrides && overrides[n]) n++;
    char *path = path_join(DATA, file);
    experiment *x = experiment_read(path, overrides, n, architectures, e);
    mem_free(path);
    return x;
}

#define OVERRIDES(...) ((const char *const[]){__VA_ARGS__, NULL})

static experiment *read_good(const char *file, const char *const *overrides)
{
    errors e = {0};
    experiment *x = read_with(file, overrides, &e);
    if (!x) fail_msg("%s", messages(&e));
    errors_free(&e);
    return x;
}

static void assert_bad(const char *file, const char *const *overrides, const char *wanted)
{
    errors e = {0};
    experiment *x = read_with(file, overrides, &e);
    char *got = messages(&e);
    if (x) fail_msg("read, though \"%s\" was expected", wanted);
    if (!strstr(got, wanted)) fail_msg("expected \"%s\" in\n%s", wanted, got);
    mem_free(got);
    errors_free(&e);
}

/* The value at a path in flow style; "(none)" when there is none. */
static void assert_at(const experiment *x, const char *path, const char *flow)
{
    const node *n = experiment_get(x, path);
    text t = {0};
    if (n)
        tree_write_flow(n, &t);
    else
        text_add(&t, "(none)");
    if (strcmp(text_str(&t), flow) != 0) fail_msg("%s: expected %s, found %s", path, flow, text_str(&t));
    text_free(&t);
}

static void test_read(void **state)
{
    (void)state;
    experiment *x = read_good("optimizers.yaml", NULL);
    assert_string_equal(x->name, "cifar10-optimizers");
    assert_true(x->seed == 7 && x->repeats == 3);
    assert_null(x->model_name);
    assert_null(x->model_input);
    assert_int_equal(experiment_layers(x)->n, 6);
    assert_at(x, "train.optimizer.lr", "1e-3");
    assert_at(x, "model.stem.channels", "32");
    assert_at(x, "model.stem.type", "conv2d");
    assert_at(x, "model.0.channels", "32");
    assert_at(x, "model.res.type", "residual");
    assert_at(x, "model.batch_norm.type", "batch_norm");
    assert_at(x, "model.1", "batch_norm");
    assert_at(x, "dataset.augment.random_crop.padding", "4");
    assert_at(x, "dataset.augment.1.type", "horizontal_flip");
    assert_at(x, "loss", "{type: softmax_cross_entropy}");
    assert_at(x, "model.9.channels", "(none)");
    assert_at(x, "train.epochs.x", "(none)");
    assert_at(x, "train..x", "(none)");
    assert_at(x, "", "(none)");
    experiment_free(x);
    experiment_free(NULL);
}

static void test_defaults(void **state)
{
    (void)state;
    experiment *x = read_good("short.yaml", NULL);
    assert_string_equal(x->name, "short");
    assert_true(x->seed == 1 && x->repeats == 1);
    assert_at(x, "dataset", "{type: shapes}");
    assert_at(x, "loss", "{type: softmax_cross_entropy}");
    assert_at(x, "train", "{optimizer: {type: sgd}}");
    experiment_free(x);
}

static void test_model_file(void **state)
{
    (void)state;
    experiment *x = read_good("tiny_resnet.yaml", NULL); /* not taken for its own model */
    assert_string_equal(x->model_name, "tiny_resnet");
    assert_int_equal(x->model_input->n, 3);
    assert_at(x, "model.depth", "3");
    assert_at(x, "model.0.channels", "16");
    assert_at(x, "model.depth_one", "{residual: {blocks: 3, label: b3w16, name: depth_one}}");
    assert_at(x, "model.2", "relu");
    assert_at(x, "model.head.units", "classes");
    experiment_free(x);
    x = read_good("short.yaml", OVERRIDES("model=tiny_resnet", "model.depth=9", "model.act=tanh"));
    assert_at(x, "model.depth_one.blocks", "9");
    assert_at(x, "model.depth_one.label", "b9w16");
    assert_at(x, "model.2", "tanh");
    experiment_free(x);
    x = read_good("short.yaml", OVERRIDES("model={type: ./architectures/tiny_resnet.yaml, width: 4}"));
    assert_string_equal(x->model_name, "tiny_resnet");
    assert_at(x, "model.stem.channels", "4");
    experiment_free(x);
    x = read_good("short.yaml", OVERRIDES("model.width=4", "model.type=tiny_resnet", "model.stem.kernel=5"));
    assert_at(x, "model.stem", "{conv2d: {channels: 4, kernel: 5, name: stem}}");
    experiment_free(x);
    x = read_good("short.yaml", OVERRIDES("model=aliased", "model.0.channels=9"));
    assert_at(x, "model.0.channels", "9");
    assert_at(x, "model.1.channels", "8");
    experiment_free(x);
}

/* `- model: NAME` stands for the layers of that file, with its own parameters. */
static void test_model_inside(void **state)
{
    (void)state;
    experiment *x = read_good("short.yaml", OVERRIDES("model=two_trunks"));
    assert_true(x->model_classes == 100 && !x->model_alone);
    assert_at(x, "model.trunk.type", "sequential");
    assert_at(x, "model.trunk.layers.stem.channels", "12"); /* from the outer model's parameter */
    assert_at(x, "model.trunk.stem.channels", "12");        /* layers are found without the word */
    assert_at(x, "model.trunk.depth_one.blocks", "3");
    assert_at(x, "model.1.stem.channels", "16");
    assert_at(x, "model.again.deep.depth_one.blocks", "1");
    assert_at(x, "model.again.deep.inputs", "[input]");
    experiment_free(x);
    x = read_good("short.yaml", OVERRIDES("model=two_trunks", "model.trunk.stem.channels=5", "model.width=6",
                                          "model.again.times=3", "model.1.stem.kernel=1"));
    assert_at(x, "model.trunk.stem.channels", "5");
    assert_at(x, "model.1.stem", "{conv2d: {channels: 16, kernel: 1, name: stem}}");
    assert_at(x, "model.again.times", "3");
    experiment_free(x);
    x = read_good("short.yaml", OVERRIDES("model=two_trunks", "model.width=6"));
    assert_at(x, "model.trunk.stem.channels", "6");
    experiment_free(x);
    x = read_good("short.yaml", OVERRIDES("model=[{model: tiny_resnet}, {linear: {units: classes}}]"));
    assert_at(x, "model.0.stem.channels", "16");
    experiment_free(x);
    assert_bad("short.yaml", OVERRIDES("model=two_trunks", "model.trunk.steam.channels=5"),
               "`model.trunk` has no `steam`\n  hint: did you mean `stem`?");
}

static void test_of_model(void **state)
{
    (void)state;
    errors e = {0};
    experiment *x = experiment_of_model("tiny_resnet", OVERRIDES("model.depth=5"), 1, architectures, &e);
    assert_non_null(x);
    assert_string_equal(x->name, "tiny_resnet");
    assert_at(x, "dataset", "{type: shapes}");
    assert_at(x, "model.depth_one.blocks", "5");
    assert_string_equal(x->model_input->items[1]->s, "32");
    experiment_free(x);
    x = experiment_of_model(DATA "/architectures/tiny_resnet.yaml", NULL, 0, NULL, &e);
    assert_non_null(x);
    assert_string_equal(x->model_name, "tiny_resnet");
    experiment_free(x);
    x = experiment_of_model(DATA "/optimizers.yaml", NULL, 0, NULL, &e);
    assert_non_null(x);
    assert_string_equal(x->name, "cifar10-optimizers");
    experiment_free(x);
    assert_int_equal(errors_count(&e), 0);
    assert_null(experiment_of_model("tiny_resnt", NULL, 0, architectures, &e));
    char *got = messages(&e);
    assert_non_null(strstr(got, "no model \"tiny_resnt\": there is no tiny_resnt.yaml in "));
    assert_non_null(strstr(got, "hint: did you mean `tiny_resnet`?"));
    mem_free(got);
    errors_free(&e);
}

static void test_overrides(void **state)
{
    (void)state;
    experiment *x = read_good("optimizers.yaml",
                              OVERRIDES("train.epochs=2", "train.optimizer=sgd", "model.stem.channels = 64",
                                        "dataset.augment.random_crop.padding=2", "dataset.augment.1.p=0.25",
                                        "model.1.momentum=0.9", "train.new={a: [1, 2]}"));
    assert_at(x, "train.epochs", "2");
    assert_at(x, "train.optimizer", "{type: sgd}");
    assert_at(x, "model.stem.channels", "64");
    assert_at(x, "model.stem.kernel", "3");
    assert_at(x, "dataset.augment", "[{random_crop: {padding: 2}}, {horizontal_flip: {p: 0.25}}, normalize]");
    assert_at(x, "model.batch_norm", "{batch_norm: {momentum: 0.9}}");
    assert_at(x, "train.new", "{a: [1, 2]}");
    experiment_free(x);
    x = read_good("optimizers.yaml",
                  OVERRIDES("dataset.augment=[]", "seed=9", "experiment=other", "plugins="));
    assert_at(x, "dataset.augment", "[]");
    assert_at(x, "plugins", "(none)");
    assert_true(x->seed == 9);
    assert_string_equal(x->name, "other");
    experiment_free(x);
    x = read_good("short.yaml",
                  OVERRIDES("train.optimizer.lr=0.1", "dataset.count=100", "model.relu.slope=1"));
    assert_at(x, "train.optimizer", "{type: sgd, lr: 0.1}");
    assert_at(x, "dataset", "{type: shapes, count: 100}");
    assert_at(x, "model.0", "{relu: {slope: 1}}");
    experiment_free(x);
}

/* Setting a type drops what the file gave for the old one, whatever the order of the arguments. */
static void test_types_reset_siblings(void **state)
{
    (void)state;
    const char *const orders[][4] = {
        {"train.optimizer.type=sgd", "train.optimizer.momentum=0.9", "train.optimizer.nesterov=true", NULL},
        {"train.optimizer.momentum=0.9", "train.optimizer.nesterov=true", "train.optimizer.type=sgd", NULL},
        {"train.optimizer.momentum=0.9", "train.optimizer=sgd", "train.optimizer.nesterov=true", NULL},
        {"train.optimizer={sgd: {momentum: 0.9}}", "train.optimizer.nesterov=true", NULL, NULL},
    };
    for (size_t i = 0; i < 4; i++) {
        experiment *x = read_good("optimizers.yaml", orders[i]);
        assert_at(x, "train.optimizer", "{type: sgd, momentum: 0.9, nesterov: true}");
        experiment_free(x);
    }
    /* layers keep the names by which others refer to them */
    experiment *x =
        read_good("optimizers.yaml", OVERRIDES("model.stem.type=batch_norm", "model.res={channels: 8}"));
    assert_at(x, "model.stem", "{batch_norm: {name: stem}}");
    assert_at(x, "model.res.channels", "8");
    assert_at(x, "model.res.blocks", "(none)");
    assert_at(x, "model.res.inputs", "[stem]");
    experiment_free(x);
    x = read_good("optimizers.yaml", OVERRIDES("dataset.type=shapes"));
    assert_at(x, "dataset", "{type: shapes}");
    experiment_free(x);
}

static void test_bad_overrides(void **state)
{
    (void)state;
    assert_bad("optimizers.yaml", OVERRIDES("epochs"), "--set epochs: expected path=value");
    assert_bad("optimizers.yaml", OVERRIDES("=3"), "--set =3: expected path=value");
    assert_bad("optimizers.yaml", OVERRIDES("a..b=3"), "`a..b` is not a path");
    assert_bad("optimizers.yaml", OVERRIDES("train.optimzer.lr=3"),
               "`train` has no `optimzer`\n  hint: did you mean "
               "`optimizer`?");
    assert_bad("optimizers.yaml", OVERRIDES("optimizer.lr=3"),
               "the file has no `optimizer`\n  hint: did you mean "
               "`train.optimizer`?");
    assert_bad("optimizers.yaml", OVERRIDES("epochs=3"),
               "unknown key \"epochs\"\n  hint: this is `train.epochs` here");
    assert_bad("optimizers.yaml", OVERRIDES("model.stm.channels=3"), "hint: did you mean `stem`?");
    assert_bad("optimizers.yaml", OVERRIDES("model.17.channels=3"), "17");
    assert_bad("optimizers.yaml", OVERRIDES("train.epochs.x=3"),
               "`train.epochs` is a value, there is no `x` in it");
    assert_bad("optimizers.yaml", OVERRIDES("dataset.augment.crop.p=3"), "`dataset.augment` has no `crop`");
    assert_bad("optimizers.yaml", OVERRIDES("dataset.augment.3.p=3"),
               "`dataset.augment` has 3 items, no position 3");
    assert_bad("optimizers.yaml", OVERRIDES("seed=-1"), "--set seed=-1: seed: -1 is below 0");
    assert_bad("optimizers.yaml", OVERRIDES("seed=[1"), "--set seed=[1: this list is not closed");
    assert_bad("optimizers.yaml", OVERRIDES("model=nope"), "--set model=nope: model: no model \"nope\"");
    assert_bad("optimizers.yaml", OVERRIDES("model={type: tiny_resnet, dept: 3}"),
               "unknown parameter \"dept\" of the model `tiny_resnet`\n  hint: did you mean `depth`?");
    assert_bad("tiny_resnet.yaml", OVERRIDES("model.dept=3"), "hint: did you mean `depth`?");
    assert_bad("tiny_resnet.yaml", OVERRIDES("model.depth=[3]"),
               "model: depth: expected one value, found a list");
    assert_bad("tiny_resnet.yaml", OVERRIDES("model.stem.channels=${widht}"),
               "unknown parameter \"widht\" in ${widht}");
    assert_bad("optimizers.yaml", OVERRIDES("model.stem.channels=${width}"),
               "only model files have parameters");
    assert_bad("short.yaml", OVERRIDES("train.lr_schedule.warmup=3"),
               "set it as a whole, as in train.lr_schedule={type: NAME, warmup: ...}");
    /* all of them at once */
    assert_bad("optimizers.yaml", OVERRIDES("a..b=1", "seed=-1"), "seed: -1 is below 0");
    assert_bad("optimizers.yaml", OVERRIDES("a..b=1", "seed=-1"), "not a path");
}

static void set_text(experiment *x, const char *path, const char *value)
{
    arena a = {0};
    errors e = {0};
    node *n = tree_read_text(&a, "sweep", value, strlen(value), &e);
    assert_non_null(n);
    if (experiment_set(x, path, n, NULL, &e) != CVY_OK) fail_msg("%s", messages(&e));
    errors_free(&e);
    arena_free(&a); /* nothing of it may be needed any more */
}

/* What a sweep does: a copy per trial, settings, resolve. */
static void test_sweep(void **state)
{
    (void)state;
    experiment *base = read_good("tiny_resnet.yaml", OVERRIDES("train.optimizer={type: adam, lr: 1}"));
    experiment *x = experiment_copy(base);
    experiment *y = experiment_copy(base);
    experiment_free(base);
    errors e = {0};
    set_text(x, "train.optimizer.momentum", "0.5");
    set_text(x, "train.optimizer", "{type: sgd, lr: 2}");
    set_text(x, "model.depth", "7");
    set_text(x, "model.stem.channels", "${depth}");
    assert_int_equal(experiment_resolve(x, &e), CVY_OK);
    assert_at(x, "train.optimizer", "{type: sgd, lr: 2, momentum: 0.5}");
    assert_at(x, "model.depth_one.blocks", "7");
    assert_at(x, "model.stem.channels", "7");
    set_text(x, "model.depth", "8");
    assert_int_equal(experiment_resolve(x, &e), CVY_OK);
    assert_at(x, "model.depth_one.label", "b8w16");
    assert_at(x, "model.stem.channels", "8");
    assert_at(y, "train.optimizer", "{type: adam, lr: 1}");
    assert_at(y, "model.depth_one.blocks", "3");
    set_text(y, "model", "aliased");
    set_text(y, "model.1.kernel", "1");
    assert_int_equal(experiment_resolve(y, &e), CVY_OK);
    assert_string_equal(y->model_name, "aliased");
    assert_at(y, "model.1.kernel", "1");
    assert_at(y, "model.0.kernel", "3");
    /* a failed resolve leaves the last good tree */
    set_text(y, "seed", "x");
    assert_int_equal(experiment_resolve(y, &e), CVY_ERR_CONFIG);
    assert_at(y, "model.1.kernel", "1");
    errors_free(&e);
    experiment_free(x);
    experiment_free(y);
}

static void assert_reads_back(const char *file, const char *const *overrides)
{
    experiment *x = read_good(file, overrides);
    text t = {0};
    errors e = {0};
    experiment_write(x, &t);
    static const char path[] = BINARY_DIR "/config-reads-back.yaml";
    assert_int_equal(file_replace(path, t.s, t.n, &e), CVY_OK);
    experiment *y = experiment_read(path, NULL, 0, NULL, &e);
    if (!y) fail_msg("%s\n%s", text_str(&t), messages(&e));
    node_remove(x->root, "sweep");
    node_remove(x->root, "repeats");
    node_remove(x->root, "plugins"); /* absolute in the copy */
    node_remove(y->root, "plugins");
    assert_true(node_equal(x->root, y->root));
    assert_string_equal(x->name, y->name);
    assert_true((x->model_name == NULL) == (y->model_name == NULL));
    assert_true(node_equal(x->model_input, y->model_input));
    assert_true(x->seed == y->seed && y->repeats == 1);
    text again = {0};
    experiment_write(y, &again);
    text_free(&again);
    text_free(&t);
    experiment_free(x);
    experiment_free(y);
    errors_free(&e);
    file_remove_tree(path, NULL);
}

static void test_write(void **state)
{
    (void)state;
    assert_reads_back("optimizers.yaml", NULL);
    assert_reads_back("tiny_resnet.yaml", OVERRIDES("model.depth=4", "seed=9223372036854775807"));
    assert_reads_back("short.yaml", OVERRIDES("experiment=\"12\"", "model.0.text=\"a: b\\n\\u2028\""));
    experiment *x = read_good("optimizers.yaml", NULL);
    text t = {0};
    experiment_write(x, &t);
    assert_non_null(strstr(text_str(&t), "\nplugins: [" DATA "/maxout.so, /abs/other.so]\n"));
    assert_null(strstr(text_str(&t), "sweep"));
    text_free(&t);
    experiment_free(x);
}

static void add_leaf(void *ctx, const char *path, const char *value)
{
    text_printf(ctx, "%s=%s\n", path, value);
}

static void test_leaves(void **state)
{
    (void)state;
    text t = {0};
    experiment *x = read_good("optimizers.yaml", NULL);
    experiment_leaves(x, add_leaf, &t);
    assert_string_equal(text_str(&t),
                        "experiment=cifar10-optimizers\n"
                        "seed=7\n"
                        "plugins=[./maxout.so, /abs/other.so]\n"
                        "dataset.type=cifar10\n"
                        "dataset.validation=5000\n"
                        "dataset.augment=[{random_crop: {padding: 4}}, horizontal_flip, normalize]\n"
                        "model=custom\n"
                        "loss.type=softmax_cross_entropy\n"
                        "train.epochs=30\n"
                        "train.batch_size=128\n"
                        "train.optimizer.type=adam\n"
                        "train.optimizer.lr=1e-3\n"
                        "train.lr_schedule.type=cosine\n"
                        "train.lr_schedule.warmup_epochs=1\n");
    text_free(&t);
    experiment_free(x);
    x = read_good("tiny_resnet.yaml", NULL);
    experiment_leaves(x, add_leaf, &t);
    assert_non_null(strstr(text_str(&t), "\nmodel=tiny_resnet\nmodel.depth=3\nmodel.width=16\n"));
    text_free(&t);
    experiment_free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_model_file),
        cmocka_unit_test(test_model_inside),
        cmocka_unit_test(test_of_model),
        cmocka_unit_test(test_overrides),
        cmocka_unit_test(test_types_reset_siblings),
        cmocka_unit_test(test_bad_overrides),
        cmocka_unit_test(test_sweep),
        cmocka_unit_test(test_write),
        cmocka_unit_test(test_leaves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
