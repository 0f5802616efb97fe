/* Optimizers that need a whole tensor, or another optimizer, step by step against values worked out here. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "config/params.h"
#include "plugin/host.h"
#include "plugin/registry.h"
#include "train/wrapped.h"

enum { N = 4, STEPS = 12 };

typedef struct bench {
    errors e;
    registry *r;
    arena memory;
    cvy_child optimizer;
    host host;
    float w[N], slots[CVY_MAX_SLOTS][N];
    const char *names[CVY_MAX_SLOTS];
    size_t n_slots;
    int64_t step;
} bench;

static const cvy_descriptor *find(void *ctx, uint32_t kind, const char *name, const place *at, errors *e)
{
    return registry_find(ctx, kind, name, at, e);
}

static void bench_open(bench *b, const char *name, const char *config)
{
    memset(b, 0, sizeof *b);
    setenv("CONVOY_PLUGIN_PATH", BINARY_DIR "/plugins", 1);
    b->r = registry_open(NULL, 0, &b->e);
    assert_non_null(b->r);
    const params_env env = {.find = find, .ctx = b->r};
    const node *map = tree_read_text(&b->memory, "config", config, strlen(config), &b->e);
    b->optimizer.plugin = registry_find(b->r, CVY_OPTIMIZER, name, NULL, &b->e);
    assert_non_null(b->optimizer.plugin);
    b->optimizer.config = params_make(&b->memory, b->optimizer.plugin, map, &env, &b->e);
    assert_non_null(b->optimizer.config);
    b->n_slots = wrapped_slots(&b->optimizer, &b->memory, b->names);
    b->host = host_make(&b->e, CVY_ERR_RUN, NULL, 1, NULL);
}

static void bench_close(bench *b)
{
    registry_free(b->r);
    arena_free(&b->memory);
    errors_free(&b->e);
}

static void bench_step(bench *b, const float *g)
{
    float *slots[CVY_MAX_SLOTS];
    for (size_t i = 0; i < CVY_MAX_SLOTS; i++) slots[i] = b->slots[i];
    const cvy_update u = {
        .host = &b->host.face, .n = N, .step = ++b->step, .lr_factor = 1, .w = b->w, .g = g, .slots = slots};
    const cvy_optimizer *type = b->optimizer.plugin->type;
    assert_int_equal(type->update(&u, b->optimizer.config), 0);
}

static float gradient(int64_t step, int i)
{
    return (float)((step * 37 + i * 11) % 64 - 32) / 64;
}

static void near(float got, double expected)
{
    if (!(fabs((double)got - expected) <= 1e-6 * (1 + fabs(expected))))
        fail_msg("%.9g, expected %.9g", (double)got, expected);
}

/* The first step: corrected for the start, both means are the gradient itself and its square, so that the direction is
 * g / (|g| + eps) + decay w. With w = (3, 0, 0, 4), g = (1, 0, 0, -1), eps 1 and no decay it is (1/2, 0, 0, -1/2), of
 * length sqrt(1/2), and the tensor's length is 5. */
static void test_lamb_first(void **unused)
{
    (void)unused;
    const float g[N] = {1, 0, 0, -1};
    bench b;
    bench_open(&b, "lamb", "{lr: 0.1, eps: 1, weight_decay: 0}");
    b.w[0] = 3, b.w[3] = 4;
    bench_step(&b, g);
    near(b.w[0], 3 - 0.1 * 5 / sqrt(0.5) * 0.5);
    near(b.w[1], 0);
    near(b.w[3], 4 + 0.1 * 5 / sqrt(0.5) * 0.5);
    assert_false(wrapped_elementwise(&b.optimizer));
    bench_close(&b);
    /* Decay belongs to the direction: (1/2 + 3/8, 0, 0, -1/2 + 4/8). */
    bench_open(&b, "lamb", "{lr: 0.1, eps: 1, weight_decay: 0.125}");
    b.w[0] = 3, b.w[3] = 4;
    bench_step(&b, g);
    near(b.w[0], 3 - 0.1 * 5);
    near(b.w[3], 4);
    bench_close(&b);
    /* A tensor of zeros moves as Adam moves it. */
    bench_open(&b, "lamb", "{lr: 0.1, eps: 1}");
    bench_step(&b, g);
    near(b.w[0], -0.05);
    near(b.w[3], 0.05);
    bench_close(&b);
}

/* Algorithm 2 of the paper written out. */
static void test_lamb(void **unused)
{
    (void)unused;
    bench b;
    bench_open(&b, "lamb", "{lr: 0.05, beta1: 0.8, beta2: 0.95, eps: 1e-3, weight_decay: 0.1}");
    double w[N], m[N] = {0}, v[N] = {0};
    for (int i = 0; i < N; i++) b.w[i] = (float)(w[i] = i - 1.5);
    for (int step = 1; step <= STEPS; step++) {
        float g[N];
        double r[N], length = 0, whole = 0;
        for (int i = 0; i < N; i++) {
            g[i] = gradient(step, i);
            m[i] = 0.8 * m[i] + 0.2 * (double)g[i];
            v[i] = 0.95 * v[i] + 0.05 * (double)g[i] * (double)g[i];
            r[i] = m[i] / (1 - pow(0.8, step)) / (sqrt(v[i] / (1 - pow(0.95, step))) + 1e-3) + 0.1 * w[i];
            length += r[i] * r[i];
            whole += w[i] * w[i];
        }
        for (int i = 0; i < N; i++) w[i] -= 0.05 * sqrt(whole / length) * r[i];
        bench_step(&b, g);
        for (int i = 0; i < N; i++)
            if (fabs((double)b.w[i] - w[i]) > 1e-5)
                fail_msg("step %d: %g, expected %g", step, (double)b.w[i], w[i]);
    }
    bench_close(&b);
}

/* Two steps of 0.1 each against a gradient of 1, then half the way back: 1, 0.9, 0.9 (not 0.8), 0.8, 0.8. */
static void test_lookahead(void **unused)
{
    (void)unused;
    const float g[N] = {1, 0, 0, 0};
    static const double expected[] = {0.9, 0.9, 0.8, 0.8, 0.7, 0.7};
    bench b;
    bench_open(&b, "lookahead", "{optimizer: {type: sgd, lr: 0.1}, k: 2, alpha: 0.5}");
    b.w[0] = b.w[1] = 1;
    for (int i = 0; i < 6; i++) {
        bench_step(&b, g);
        near(b.w[0], expected[i]);
        near(b.w[1], 1);
    }
    assert_int_equal(b.n_slots, 1);
    bench_close(&b);
}

static void test_ema(void **unused)
{
    (void)unused;
    const float g[N] = {1, 0, 0, 0};
    bench b;
    bench_open(&b, "ema", "{optimizer: {type: sgd, lr: 0.1}, decay: 0.75}");
    b.w[0] = b.w[1] = 1;
    double average = 1;
    for (int i = 1; i <= 5; i++) {
        bench_step(&b, g);
        average = 0.75 * average + 0.25 * (1 - 0.1 * i);
        near(b.w[0], 1 - 0.1 * i);
        near(b.slots[0][0], average);
        near(b.slots[0][1], 1);
    }
    bench_close(&b);
}

/* A wrapper's slots are its own and then its child's, however deep. */
static void test_names(void **unused)
{
    (void)unused;
    bench b;
    bench_open(&b, "ema", "{optimizer: {type: lookahead, optimizer: {type: adam, amsgrad: true}}}");
    static const char *const names[] = {"average", "lookahead.slow", "lookahead.adam.mean",
                                        "lookahead.adam.square", "lookahead.adam.max_square"};
    assert_int_equal(b.n_slots, 5);
    for (int i = 0; i < 5; i++) assert_string_equal(b.names[i], names[i]);
    assert_true(wrapped_elementwise(&b.optimizer));
    bench_close(&b);
    bench_open(&b, "lookahead", "{optimizer: lamb}");
    assert_false(wrapped_elementwise(&b.optimizer));
    bench_close(&b);
}

static void test_without_decay(void **unused)
{
    (void)unused;
    bench b;
    bench_open(&b, "lookahead", "{optimizer: {type: adamw, lr: 0.5, weight_decay: 0.25}}");
    cvy_child bare = {b.optimizer.plugin, wrapped_without_decay(&b.optimizer, &b.memory)};
    double decay = 0, lr = 0;
    assert_true(wrapped_number(&b.optimizer, "weight_decay", &decay));
    assert_true(decay == 0.25);
    assert_true(wrapped_number(&bare, "weight_decay", &decay) && wrapped_number(&bare, "lr", &lr));
    assert_true(decay == 0 && lr == 0.5);
    assert_false(wrapped_number(&bare, "nesterov", &lr));
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lamb_first), cmocka_unit_test(test_lamb),  cmocka_unit_test(test_lookahead),
        cmocka_unit_test(test_ema),        cmocka_unit_test(test_names), cmocka_unit_test(test_without_decay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
