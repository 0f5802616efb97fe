/* Products in order, their overrides and their labels. */
#include "fake.h"

#include "sweep/label.h"
#include "sweep/search.h"

typedef struct given {
    arena a;
    experiment *x;
    space s;
    size_t configs;
} given;

static given read_sweep(const char *parameters)
{
    given g = {0};
    errors e = {0};
    char *dir = fake_folder(), *path = path_join(dir, "x.yaml");
    text t = {0};
    text_printf(&t,
                "model:\n  - conv2d: {channels: 8, name: stem}\n  - conv2d: {channels: 8, name: body}\n"
                "train: {epochs: 2, optimizer: {type: sgd, lr: 0.1}}\n"
                "sweep:\n  method: grid\n  parameters:\n%s",
                parameters);
    assert_int_equal(file_replace(path, t.s, t.n, &e), CVY_OK);
    g.x = experiment_read(path, NULL, 0, NULL, &e);
    if (!g.x) fail_msg("%s", messages(&e));
    if (space_read(g.x, NULL, 0, &g.a, &g.s, &e) != CVY_OK) fail_msg("%s", messages(&e));
    assert_int_equal(search_count(&g.s, 1, NULL, &g.configs, &e), CVY_OK);
    text_free(&t);
    mem_free(path);
    errors_free(&e);
    return g;
}

static void done(given *g)
{
    experiment_free(g->x);
    arena_free(&g->a);
    fake_cleanup();
}

/* A grid looks at neither seed nor results. */
static const double *point_of(given *g, size_t config)
{
    errors e = {0};
    double *point = arena_array(&g->a, g->s.n + 1, sizeof *point);
    if (!search_propose(&g->s, 1, NULL, 0, config, point, &e)) fail_msg("%s", messages(&e));
    return point;
}

static void assert_label(given *g, size_t config, const char *label)
{
    text t = {0};
    label_of(&g->s, point_of(g, config), &t);
    assert_string_equal(text_str(&t), label);
    text_free(&t);
}

static void test_order(void **unused)
{
    (void)unused;
    given g = read_sweep("    train.epochs: {values: [1, 2]}\n"
                         "    train.optimizer.lr: {value: 0.5}\n"
                         "    model.stem.channels: {values: [4, 8, 16]}\n");
    assert_int_equal(g.configs, 6);
    static const char *const expected[6][3] = {
        {"train.epochs=1", "train.optimizer.lr=0.5", "model.stem.channels=4"},
        {"train.epochs=1", "train.optimizer.lr=0.5", "model.stem.channels=8"},
        {"train.epochs=1", "train.optimizer.lr=0.5", "model.stem.channels=16"},
        {"train.epochs=2", "train.optimizer.lr=0.5", "model.stem.channels=4"},
        {"train.epochs=2", "train.optimizer.lr=0.5", "model.stem.channels=8"},
        {"train.epochs=2", "train.optimizer.lr=0.5", "model.stem.channels=16"},
    };
    for (size_t i = 0; i < 6; i++) {
        size_t n;
        const double *point = point_of(&g, i);
        const char **overrides = space_overrides(&g.s, point, &g.a, &n);
        assert_int_equal(n, g.s.n);
        for (size_t k = 0; k < 3; k++) assert_string_equal(overrides[k], expected[i][k]);
    }
    assert_string_equal(g.s.metric.name, "val_accuracy");
    assert_true(g.s.metric.maximize);
    done(&g);
}

/* What a configuration is set to must be what its override says after it was read back. */
static void test_overrides_read_back(void **unused)
{
    (void)unused;
    given g =
        read_sweep("    train.optimizer: {values: [{type: adam, lr: 1e-3}, sgd, {rmsprop: {lr: 0.01}}]}\n"
                   "    dataset: {values: [\"shapes\", {type: shapes, name: 'a: b, \"c\"'}]}\n");
    for (size_t i = 0; i < g.configs; i++) {
        errors e = {0};
        size_t n;
        const double *point = point_of(&g, i);
        const char **overrides = space_overrides(&g.s, point, &g.a, &n);
        assert_int_equal(n, g.s.n);
        experiment *x = experiment_read(g.x->file, overrides, g.s.n, NULL, &e);
        if (!x) fail_msg("%s", messages(&e));
        experiment *y = experiment_copy(g.x);
        for (size_t k = 0; k < g.s.n; k++)
            assert_int_equal(experiment_set(y, g.s.parameters[k].path,
                                            g.s.parameters[k].values[(size_t)point[k]], NULL, &e),
                             CVY_OK);
        assert_int_equal(experiment_resolve(y, &e), CVY_OK);
        assert_true(node_equal(x->root, y->root));
        experiment_free(x);
        experiment_free(y);
        errors_free(&e);
    }
    done(&g);
}

static void test_labels(void **unused)
{
    (void)unused;
    given g = read_sweep(
        "    train.optimizer: {values: [{type: adagrad, lr: 1e-2}, {type: adam, lr: 1e-3}, adamw]}\n"
        "    model.stem.channels: {values: [16, 32]}\n"
        "    train.epochs: {value: 3}\n");
    assert_int_equal(g.configs, 6);
    assert_label(&g, 0, "adagrad lr=0.01, channels=16");
    assert_label(&g, 3, "adam lr=0.001, channels=32");
    assert_label(&g, 4, "adamw, channels=16");
    done(&g);

    g = read_sweep("    train.optimizer: {values: [{type: sgd, lr: 1e-2, momentum: 0.9}, {type: sgd, lr: "
                   "1e-1, momentum: 0.9}]}\n"
                   "    model.stem.channels: {values: [16, 32]}\n"
                   "    model.body.channels: {values: [16, 32]}\n");
    assert_label(&g, 0, "lr=0.01, stem.channels=16, body.channels=16");
    assert_label(&g, 7, "lr=0.1, stem.channels=32, body.channels=32");
    done(&g);

    g = read_sweep("    model: {values: [[{linear: {units: classes}}], [{linear: {units: 10}}]]}\n"
                   "    train.optimizer.type: {values: [sgd, adam]}\n"
                   "    train.optimizer.betas: {values: [[0.9, 0.99], [0.5, 0.99]]}\n");
    assert_label(&g, 0, "model 1, sgd, betas=[0.9, 0.99]");
    assert_label(&g, 7, "model 2, adam, betas=[0.5, 0.99]");
    done(&g);

    g = read_sweep("    train.epochs: {value: 3}\n");
    assert_int_equal(g.configs, 1);
    assert_label(&g, 0, "");
    done(&g);
}

static void test_nested(void **unused)
{
    (void)unused;
    given g = read_sweep(
        "    train:\n      parameters:\n        epochs: {values: [1, 2]}\n"
        "        optimizer: {parameters: {lr: {values: [1e-1, 1e-2], distribution: categorical}}}\n");
    assert_int_equal(g.s.n, 2);
    assert_string_equal(g.s.parameters[0].path, "train.epochs");
    assert_string_equal(g.s.parameters[1].path, "train.optimizer.lr");
    done(&g);
}

static void test_limit(void **unused)
{
    (void)unused;
    errors e = {0};
    size_t configs;
    space_parameter p[8];
    space s = {.method = "grid", .parameters = p, .n = 5};
    for (size_t i = 0; i < 8; i++) p[i] = (space_parameter){.path = "x", .n = 10};
    assert_int_equal(search_count(&s, 1, NULL, &configs, &e), CVY_OK);
    assert_int_equal(configs, 100000);
    assert_int_equal(search_count(&s, 2, NULL, &configs, &e), CVY_ERR_CONFIG);
    p[0].n = p[1].n = p[2].n = p[3].n = SIZE_MAX / 2;
    assert_int_equal(search_count(&s, 1, NULL, &configs, &e), CVY_ERR_CONFIG);
    errors_free(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),  cmocka_unit_test(test_overrides_read_back),
        cmocka_unit_test(test_labels), cmocka_unit_test(test_nested),
        cmocka_unit_test(test_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
