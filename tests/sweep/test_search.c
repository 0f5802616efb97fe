/* Random and Sobol search, conditions, constraints, zips and configurations: which points there are, and that asking in any order
 * gives the same. */
#include "given.h"

#include "sweep/describe.h"
#include "sweep/expression.h"
#include "sweep/sobol.h"
#include "sweep/space_rules.h"

/* Joe and Kuo's program: the first points of the sequence in the first dimensions. */
static void test_sobol_sequence(void **unused)
{
    (void)unused;
    static const double expected[8][5] = {
        {0, 0, 0, 0, 0},
        {0.5, 0.5, 0.5, 0.5, 0.5},
        {0.75, 0.25, 0.25, 0.25, 0.75},
        {0.25, 0.75, 0.75, 0.75, 0.25},
        {0.375, 0.375, 0.625, 0.875, 0.375},
        {0.875, 0.875, 0.125, 0.375, 0.875},
        {0.625, 0.125, 0.875, 0.625, 0.625},
        {0.125, 0.625, 0.375, 0.125, 0.125},
    };
    for (uint32_t i = 0; i < 8; i++)
        for (size_t d = 0; d < 5; d++) {
            double got = (double)sobol_point(d, i) * 0x1p-32;
            if (got != expected[i][d])
                fail_msg("point %u, dimension %zu: %g, not %g", i, d, got, expected[i][d]);
        }
    /* every dimension has one point in each of 256 equal parts */
    for (size_t d = 0; d < SOBOL_DIMENSIONS; d++) {
        bool seen[256] = {0};
        for (uint32_t i = 0; i < 256; i++) seen[sobol_point(d, i) >> 24] = true;
        for (size_t i = 0; i < 256; i++) assert_true(seen[i]);
    }
}

static const char *const drawn = "  method: %s\n  run_cap: 64\n  parameters:\n"
                                 "    train.rate: {distribution: log_uniform_values, min: 1e-4, max: 1}\n"
                                 "    train.channels: {min: 1, max: 64}\n"
                                 "    train.act: {values: [a, b, c, d]}\n"
                                 "    train.beta: {min: 0.0, max: 1.0, when: {train.act: [a, b]}}\n";

static void test_pure(void **unused)
{
    (void)unused;
    for (int sobol = 0; sobol < 2; sobol++) {
        char *yaml = mem_printf(drawn, sobol ? "sobol" : "random");
        given g = given_sweep(yaml);
        assert_int_equal(g.configs, 64);
        const double *first[64];
        for (size_t i = 0; i < 64; i++) first[i] = given_point(&g, 3, i);
        size_t same = 0;
        for (size_t i = 64; i-- > 0;) {
            const double *again = given_point(&g, 3, i), *other = given_point(&g, 4, i);
            assert_memory_equal(first[i], again, 3 * sizeof(double));
            assert_true(isnan(first[i][3]) == (first[i][2] >= 2));
            assert_true(isnan(again[3]) || again[3] == first[i][3]);
            same += other[0] == first[i][0];
        }
        assert_true(same < 2);
        given_done(&g);
        mem_free(yaml);
    }
}

/* What Sobol is for: 64 points put one in each of 64 parts, and each choice comes equally often. */
static void test_sobol_even(void **unused)
{
    (void)unused;
    char *yaml = mem_printf(drawn, "sobol");
    given g = given_sweep(yaml);
    bool parts[64] = {0}, channels[65] = {0};
    size_t choices[4] = {0};
    for (size_t i = 0; i < 64; i++) {
        const double *x = given_point(&g, 11, i);
        parts[(size_t)(16 * (log10(x[0]) + 4))] = true;
        channels[(size_t)x[1]] = true;
        choices[(size_t)x[2]]++;
    }
    for (size_t i = 0; i < 64; i++) assert_true(parts[i] && channels[i + 1]);
    for (size_t i = 0; i < 4; i++) assert_int_equal(choices[i], 16);
    given_done(&g);
    mem_free(yaml);
}

static void assert_overrides(given *g, const double *point, const char *expected)
{
    size_t n;
    const char **all = space_overrides(&g->s, point, &g->a, &n);
    text t = {0};
    for (size_t i = 0; i < n; i++) text_printf(&t, "%s%s", i ? " " : "", all[i]);
    assert_string_equal(text_str(&t), expected);
    text_free(&t);
}

/* A chain of conditions, one on a parameter that comes later in the file. */
static void test_when_grid(void **unused)
{
    (void)unused;
    given g =
        given_sweep("  method: grid\n  parameters:\n"
                    "    train.optimizer.betas: {values: [[0.9, 0.99], [0.9, 0.999]], when: "
                    "{train.optimizer.type: adam}}\n"
                    "    train.optimizer.type: {values: [sgd, adam]}\n"
                    "    train.optimizer.momentum: {values: [0, 0.9], when: {train.optimizer.type: [sgd]}}\n"
                    "    train.optimizer.nesterov: {value: true, when: {train.optimizer.momentum: 0.90}}\n"
                    "    train.epochs: {values: [1, 2]}\n");
    static const char *const expected[8] = {
        "train.optimizer.type=sgd train.optimizer.momentum=0 train.epochs=1",
        "train.optimizer.type=sgd train.optimizer.momentum=0 train.epochs=2",
        "train.optimizer.type=sgd train.optimizer.momentum=0.9 train.optimizer.nesterov=true train.epochs=1",
        "train.optimizer.type=sgd train.optimizer.momentum=0.9 train.optimizer.nesterov=true train.epochs=2",
        "train.optimizer.betas=[0.9, 0.99] train.optimizer.type=adam train.epochs=1",
        "train.optimizer.betas=[0.9, 0.99] train.optimizer.type=adam train.epochs=2",
        "train.optimizer.betas=[0.9, 0.999] train.optimizer.type=adam train.epochs=1",
        "train.optimizer.betas=[0.9, 0.999] train.optimizer.type=adam train.epochs=2",
    };
    assert_int_equal(g.configs, 8);
    for (size_t i = 0; i < 8; i++) assert_overrides(&g, given_point(&g, 1, i), expected[i]);
    assert_point_label(&g, given_point(&g, 1, 2), "sgd, momentum=0.9, epochs=1");
    assert_point_label(&g, given_point(&g, 1, 7), "betas=[0.9, 0.999], adam, epochs=2");
    given_done(&g);
}

/* A condition on what is inside a swept map, and on an integer that is drawn. */
static void test_when_inner(void **unused)
{
    (void)unused;
    given g =
        given_sweep("  method: random\n  run_cap: 100\n  parameters:\n"
                    "    train.optimizer: {values: [sgd, {type: adam, lr: 1e-3}, {rmsprop: {lr: 0.1}}]}\n"
                    "    train.x: {min: 0.0, max: 1.0, when: {train.optimizer.type: [adam, rmsprop]}}\n"
                    "    train.depth: {min: 1, max: 3}\n"
                    "    train.third: {values: [1, 2], when: {train.depth: 3, train.optimizer.lr: 0.1}}\n");
    size_t third = 0;
    for (size_t i = 0; i < 100; i++) {
        const double *p = given_point(&g, 1, i);
        assert_true(isnan(p[1]) == (p[0] == 0));
        assert_true(isnan(p[3]) == !(p[2] == 3 && p[0] == 2));
        third += isnan(p[3]) ? 0 : 1;
    }
    assert_true(third > 2);
    given_done(&g);
}

static void test_where(void **unused)
{
    (void)unused;
    given g = given_sweep(
        "  method: grid\n  parameters:\n"
        "    model.stem.channels: {values: [16, 64, 256]}\n"
        "    train.batch_size: {values: [16, 64]}\n"
        "    train.optimizer.type: {values: [sgd, adam]}\n"
        "    train.optimizer.momentum: {values: [0, 0.9], when: {train.optimizer.type: sgd}}\n"
        "  where:\n    - model.stem.channels * train.batch_size <= 4096\n"
        "    - train.optimizer.type == 'adam' or not (model.stem.channels > 16) and train.epochs == 2\n"
        "    - train.optimizer.momentum < 0.5\n");
    assert_int_equal(g.configs, 7); /* adam: 5 pairs; sgd: (16, 16), (16, 64) without momentum */
    assert_point_label(&g, given_point(&g, 1, 0), "channels=16, batch_size=16, sgd, momentum=0");
    assert_point_label(&g, given_point(&g, 1, 6), "channels=256, batch_size=16, adam");
    given_done(&g);

    for (int sobol = 0; sobol < 2; sobol++) {
        char *yaml = mem_printf("  method: %s\n  run_cap: 50\n  parameters:\n"
                                "    train.a: {min: 0.0, max: 1.0}\n    train.b: {min: 0.0, max: 1.0}\n"
                                "  where: train.a * 10 + train.b / 2 <= 3 * (1 - -0.1)\n",
                                sobol ? "sobol" : "random");
        g = given_sweep(yaml);
        for (size_t i = 0; i < 50; i++) {
            const double *p = given_point(&g, 5, i);
            assert_true(p[0] * 10 + p[1] / 2 <= 3.3 + 1e-12);
        }
        given_done(&g);
        mem_free(yaml);
    }
}

/* `or` and `and` decide without what is not active where they can; what nobody decides holds. */
static void test_expressions(void **unused)
{
    (void)unused;
    given g = given_sweep("  method: random\n  run_cap: 1\n  parameters:\n"
                          "    train.kind: {values: [a, b]}\n"
                          "    train.x: {min: 1, max: 1000, when: {train.kind: b}}\n"
                          "    train.optimizer: {values: [sgd, {type: adam, lr: 1e-3}]}\n"
                          "    train.flag: {values: [true, false]}\n");
    static const struct {
        const char *text;
        bool holds;
    } cases[] = {
        {"1 + 2 * 3 == 7", true},
        {"(1 + 2) * 3 == 9 and 8 / 4 / 2 == 1", true},
        {"2 - 1 - 1 == 0", true},
        {"-2 < -1", true},
        {"not 1 < 2 or 1e-3 == 0.001", true},
        {"true and not false", true},
        {"train.kind == 'a'", true},
        {"train.kind != \\\"a\\\"", false},
        {"train.x > 5", true},
        {"train.x > 5 and false", false},
        {"false or train.x > 5", true},
        {"not (train.x > 5)", true},
        {"train.x > 5 or train.kind == 'b'", true},
        {"train.optimizer == 'adam'", true},
        {"train.optimizer.type == 'adam' and train.optimizer.lr < 0.01", true},
        {"train.optimizer.lr > 0.01", false},
        {"train.epochs == 2 and train.optimizer.type != 'sgd'", true},
        {"`train.batch_size` == 32", true},
        {"train.flag", true},
        {"not train.flag", false},
        {"1 / 0 > 5", true},
    };
    const double point[] = {0, (double)NAN, 1, 0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        errors e = {0};
        arena a = {0};
        char *quoted = mem_printf("\"%s\"", cases[i].text);
        const node *n = tree_read_text(&a, "where", quoted, strlen(quoted), &e);
        const expression *x = n ? expression_read(n, &g.s, g.x, NULL, NULL, &a, &e) : NULL;
        if (!x) fail_msg("%s", messages(&e));
        if (expression_holds(x, &g.s, point) != cases[i].holds)
            fail_msg("%s: not %s", cases[i].text, cases[i].holds ? "true" : "false");
        arena_free(&a);
        mem_free(quoted);
    }
    given_done(&g);
}

/* Depth and length are bounded, whatever somebody writes. */
static void test_hostile_expressions(void **unused)
{
    (void)unused;
    given g = given_sweep("  method: random\n  run_cap: 1\n  parameters: {train.x: {min: 1, max: 2}}\n");
    static const char *const parts[] = {"(", "-", "not ", "1+", "1<2 and "};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        for (size_t times = 300; times <= 3000; times *= 10) {
            errors e = {0};
            arena a = {0};
            text t = {0};
            text_char(&t, '"');
            for (size_t k = 0; k < times; k++) text_add(&t, parts[i]);
            text_char(&t, '"');
            const node *n = tree_read_text(&a, "where", t.s, t.n, &e);
            assert_non_null(n);
            assert_null(expression_read(n, &g.s, g.x, NULL, NULL, &a, &e));
            assert_true(errors_count(&e) > 0);
            text_free(&t);
            arena_free(&a);
            errors_free(&e);
        }
    given_done(&g);
}

static void test_zip(void **unused)
{
    (void)unused;
    given g = given_sweep("  method: grid\n  parameters:\n"
                          "    train.epochs: {values: [1, 2, 3]}\n"
                          "    train.optimizer.lr: {values: [0.1, 0.01]}\n"
                          "    train.batch_size: {values: [8, 16, 32]}\n"
                          "  zip: [[train.epochs, train.batch_size]]\n");
    assert_int_equal(g.configs, 6);
    assert_overrides(&g, given_point(&g, 1, 0), "train.epochs=1 train.optimizer.lr=0.1 train.batch_size=8");
    assert_overrides(&g, given_point(&g, 1, 1), "train.epochs=1 train.optimizer.lr=0.01 train.batch_size=8");
    assert_overrides(&g, given_point(&g, 1, 5), "train.epochs=3 train.optimizer.lr=0.01 train.batch_size=32");
    given_done(&g);
    g = given_sweep(
        "  method: grid\n  parameters:\n    train.a: {values: [1, 2], when: {train.batch_size: 32}}\n"
        "    train.epochs: {values: [1, 2, 3]}\n    train.batch_size: {values: [8, 16, 32]}\n"
        "  zip: [train.epochs, train.batch_size]\n");
    assert_int_equal(g.configs, 4);
    assert_overrides(&g, given_point(&g, 1, 1), "train.epochs=2 train.batch_size=16");
    assert_overrides(&g, given_point(&g, 1, 3), "train.a=2 train.epochs=3 train.batch_size=32");
    given_done(&g);
    g = given_sweep("  method: random\n  run_cap: 30\n  parameters:\n"
                    "    train.epochs: {values: [1, 2, 3]}\n    train.batch_size: {values: [8, 16, 32]}\n"
                    "    train.a: {values: [1, 2], when: {train.batch_size: 32}}\n"
                    "  zip: [train.epochs, train.batch_size]\n");
    for (size_t i = 0; i < 30; i++) {
        const double *p = given_point(&g, 1, i);
        assert_true(p[0] == p[1] && isnan(p[2]) == (p[1] != 2));
    }
    given_done(&g);
}

static void test_configurations(void **unused)
{
    (void)unused;
    given g = given_sweep("  method: grid\n  configurations:\n    - {name: base}\n"
                          "    - {name: wide, model.stem.channels: 64, lr: 0.05}\n    - {train.optimizer: "
                          "{type: adam, lr: 1e-3}}\n"
                          "  alias: {lr: train.optimizer.lr, batch: train.batch_size}\n"
                          "  parameters:\n    batch: {values: [16, 32]}\n"
                          "    train.x: {values: [1, 2], when: {model.stem.channels: 64}}\n"
                          "  where: [model.stem.channels * batch < 2000]\n");
    assert_int_equal(g.configs, 6);
    assert_overrides(&g, given_point(&g, 1, 0), "train.batch_size=16");
    assert_overrides(&g, given_point(&g, 1, 3),
                     "model.stem.channels=64 train.optimizer.lr=0.05 train.batch_size=16 train.x=2");
    assert_overrides(&g, given_point(&g, 1, 5), "train.optimizer={type: adam, lr: 1e-3} train.batch_size=32");
    assert_point_label(&g, given_point(&g, 1, 0), "base, batch_size=16");
    assert_point_label(&g, given_point(&g, 1, 2), "wide, batch_size=16, x=1");
    assert_point_label(&g, given_point(&g, 1, 5), "configuration 3, batch_size=32");
    given_done(&g);
    g = given_sweep(
        "  method: grid\n  configurations: [{name: a, train.epochs: 1}, {name: b, train.epochs: 2}]\n");
    assert_int_equal(g.configs, 2);
    given_done(&g);
    g = given_sweep("  method: random\n  run_cap: 20\n"
                    "  configurations: [{name: a, train.epochs: 1}, {name: b, train.epochs: 2}]\n"
                    "  parameters: {train.x: {min: 0.0, max: 1.0, when: {configurations: b}}}\n");
    for (size_t i = 0; i < 20; i++) {
        const double *p = given_point(&g, 1, i);
        assert_true(isnan(p[1]) == (p[0] == 0));
    }
    given_done(&g);
}

/* Whole models, optimizers and lists of augmentations are values like others. */
static void test_subtrees(void **unused)
{
    (void)unused;
    given g =
        given_sweep("  method: random\n  run_cap: 40\n  parameters:\n"
                    "    model: {values: [[{linear: {units: classes}}], [{linear: {units: 10}}]]}\n"
                    "    dataset.augment: {values: [[], [horizontal_flip, {random_crop: {padding: 4}}]]}\n"
                    "    train.optimizer: {values: [{type: adam, lr: 1e-3}, sgd]}\n");
    bool seen[8] = {0};
    for (size_t i = 0; i < 40; i++) {
        const double *p = given_point(&g, 1, i);
        seen[(size_t)(p[0] + 2 * p[1] + 4 * p[2])] = true;
        if (p[1] == 1 && p[0] == 0 && p[2] == 1)
            assert_overrides(
                &g, p,
                "model=[{linear: {units: classes}}] dataset.augment=[horizontal_flip, {random_crop: "
                "{padding: 4}}] train.optimizer=sgd");
    }
    for (size_t i = 0; i < 8; i++) assert_true(seen[i]);
    given_done(&g);
}

/* Steps of a range make a grid; a run_cap cuts it, whatever the product is. */
static void test_grid_ranges(void **unused)
{
    (void)unused;
    given g = given_sweep("  method: grid\n  run_cap: 5\n  parameters:\n"
                          "    model.stem.channels: {distribution: q_uniform, min: 16, max: 64, q: 16}\n"
                          "    train.p: {distribution: q_uniform, min: 0, max: 0.3, q: 0.1}\n"
                          "    train.k: {min: 1, max: 1000}\n    train.l: {min: 1, max: 1000}\n"
                          "    train.m: {min: 1, max: 1000}\n    train.n: {min: 1, max: 100000}\n");
    assert_int_equal(g.configs, 5);
    assert_int_equal(g.s.parameters[0].n, 4);
    assert_int_equal(g.s.parameters[1].n, 4);
    assert_string_equal(g.s.parameters[1].values[3]->s, "0.3");
    assert_overrides(&g, given_point(&g, 1, 4),
                     "model.stem.channels=16 train.p=0 train.k=1 train.l=1 train.m=1 train.n=5");
    given_done(&g);
}

/* Raising run_cap goes on where it was; fewer are the first. */
static void test_run_cap_raised(void **unused)
{
    (void)unused;
    given g = given_sweep("  method: sobol\n  run_cap: 3\n  parameters: {train.x: {min: 0.0, max: 1.0}}\n");
    given h = given_sweep("  method: sobol\n  run_cap: 9\n  parameters: {train.x: {min: 0.0, max: 1.0}}\n");
    for (size_t i = 0; i < 3; i++) assert_true(given_point(&g, 2, i)[0] == given_point(&h, 2, i)[0]);
    given_done(&g);
    given_done(&h);
}

static void test_description(void **unused)
{
    (void)unused;
    given g = given_sweep(
        "  method: random\n  run_cap: 9\n  configurations: [{name: a}, {train.epochs: 3}]\n  parameters:\n"
        "    train.optimizer: {values: [sgd, {type: adam, lr: 0.1}], probabilities: [0.25, 0.75]}\n"
        "    train.batch_size: {values: [8, 16]}\n"
        "    train.x: {min: 1, max: 1000000, when: {train.optimizer.type: [adam], train.epochs: 3}}\n"
        "    train.y: {distribution: q_log_uniform_values, min: 8, max: 100, q: 8}\n"
        "    train.z: {distribution: normal, mu: 3}\n"
        "    train.w: {value: 2, when: {configurations: a}}\n"
        "  zip: [train.optimizer, train.batch_size]\n"
        "  early_terminate: {type: asha}\n");
    static const char *const expected[] = {
        "a, {train.epochs: 3}",
        "sgd (25 %), {type: adam, lr: 0.1} (75 %)",
        "8, 16; together with train.optimizer",
        "1 to 1000000, whole numbers; when train.optimizer.type is adam and train.epochs is 3",
        "8 to 100, log_uniform, in steps of 8",
        "normal, mu 3, sigma 1",
        "2; when configurations is a",
    };
    for (size_t i = 0; i < g.s.n; i++) {
        text t = {0};
        describe_parameter(&g.s, i, &t);
        assert_string_equal(text_str(&t), expected[i]);
        text_free(&t);
    }
    text t = {0};
    describe_early(&g.s, &t);
    assert_string_equal(
        text_str(&t),
        "asha: from epoch 1 on, 3 times as far each time, one in 3 of those that came there goes on");
    text_free(&t);
    given_done(&g);
}

/* W&B's own file, with its names. */
static void test_wandb_file(void **unused)
{
    (void)unused;
    given g =
        given_sweep("  method: bayes\n  metric: {name: val_loss, goal: minimize, target: 0.1, impute: best}\n"
                    "  name: a sweep\n  run_cap: 20\n"
                    "  alias: {learning_rate: train.optimizer.lr, optimizer: train.optimizer.type, epochs: "
                    "train.epochs}\n"
                    "  parameters:\n    learning_rate: {distribution: uniform, min: 0, max: 0.1}\n"
                    "    optimizer: {values: [adam, sgd]}\n    epochs: {value: 5}\n"
                    "  early_terminate: {type: hyperband, min_iter: 3}\n");
    assert_true(g.s.has_target && g.s.target == 0.1 && g.s.impute == SPACE_IMPUTE_BEST &&
                !g.s.metric.maximize);
    assert_string_equal(g.s.parameters[0].path, "train.optimizer.lr");
    assert_int_equal(g.s.early.kind, EARLY_HYPERBAND_WANDB);
    assert_true(g.s.early.eta == 3 && g.s.early.min_iter == 3 && !g.s.early.strict);
    assert_int_equal(g.s.parallelism, 4);
    assert_int_equal(g.configs, 20);
    given_done(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sobol_sequence),
        cmocka_unit_test(test_pure),
        cmocka_unit_test(test_sobol_even),
        cmocka_unit_test(test_when_grid),
        cmocka_unit_test(test_when_inner),
        cmocka_unit_test(test_where),
        cmocka_unit_test(test_expressions),
        cmocka_unit_test(test_hostile_expressions),
        cmocka_unit_test(test_zip),
        cmocka_unit_test(test_configurations),
        cmocka_unit_test(test_subtrees),
        cmocka_unit_test(test_grid_ranges),
        cmocka_unit_test(test_run_cap_raised),
        cmocka_unit_test(test_description),
        cmocka_unit_test(test_wandb_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
