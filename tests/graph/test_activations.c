/* Activations between convolutions: the fast plan against plain code, no conversion of layout because of them, no input
 * kept that backward does not need. */
#include <math.h>
#include "networks.h"

static const char *const lowered[] = {
    "relu",
    "leaky_relu: {slope: 0.2}",
    "leaky_relu: {slope: -0.5}",
    "elu: {alpha: 0.7}",
    "gelu",
    "gelu: {approximate: tanh}",
    "silu",
    "sigmoid",
    "tanh",
    "scaled_tanh",
};
#define LOWERED (sizeof lowered / sizeof *lowered)

enum {
    BATCH = 3,
    CHANNELS = 19,
    SIDE = 9,
    CLASSES = 10
}; /* 19 channels leave lanes empty in every block size */

static network between_convolutions(const char *layer)
{
    char yaml[512];
    snprintf(yaml, sizeof yaml,
             "- conv2d: {channels: %d, kernel: 3, padding: 1}\n- %s\n"
             "- conv2d: {channels: %d, kernel: 3, padding: 1}\n- %s\n- global_avg_pool\n- linear: {units: "
             "classes}\n",
             CHANNELS, layer, CHANNELS, layer);
    network n = network_of(yaml, 3, SIDE, SIDE, CLASSES);
    network_print(&n);
    assert_non_null(n.net);
    return n;
}

static double largest_difference(const float *a, const float *b, int64_t n)
{
    double worst = 0;
    for (int64_t i = 0; i < n; i++)
        worst =
            fmax(worst, isfinite(a[i]) ? fabs((double)a[i] - (double)b[i]) / (1 + fabs((double)b[i])) : 1e9);
    return worst;
}

static void step(network *n, bound *b, const float *x, const float *gy, float *y)
{
    memset(b->memory, 0xff, b->bytes); /* NaN everywhere: nothing may be read before it is written */
    assert_int_equal(plan_forward(b->plan, x, 1, 0, &n->e), CVY_OK);
    memcpy(y, plan_output(b->plan, NULL), BATCH * CLASSES * sizeof *y);
    memcpy(plan_output_gradient(b->plan), gy, BATCH * CLASSES * sizeof *gy);
    assert_int_equal(plan_backward(b->plan, &n->e), CVY_OK);
}

static void test_fast_is_plain(void **unused)
{
    (void)unused;
    const machine here = machine_here();
    float *x = noise(BATCH * 3 * SIDE * SIDE, 1), *gy = noise(BATCH * CLASSES, 2);
    for (size_t i = 0; i < LOWERED; i++) {
        network n = between_convolutions(lowered[i]);
        for (machine_isa isa = ISA_BASE; isa <= here.isa; isa++) {
            machine m = here;
            m.isa = isa;
            m.block = isa == ISA_AVX512 ? 16 : 8;
            state *fast = state_new(n.net, 3, true, &n.e), *plain = state_new(n.net, 3, true, &n.e);
            bound f = bound_of(&n, fast, &m, (plan_options){.batch = BATCH, .train = true});
            bound p = bound_of(&n, plain, &m, (plan_options){.batch = BATCH, .train = true, .plain = true});
            float yf[BATCH * CLASSES], yp[BATCH * CLASSES];
            step(&n, &f, x, gy, yf);
            step(&n, &p, x, gy, yp);
            assert_true(largest_difference(yf, yp, BATCH * CLASSES) < 1e-5);
            for (size_t k = 0; k < n.net->n_weights; k++) {
                const net_tensor *t = &n.net->weights[k];
                const double d =
                    largest_difference(fast->gradients + t->offset, plain->gradients + t->offset, t->count);
                if (!(d < 1e-4)) fail_msg("%s: gradient of %s off by %g", lowered[i], t->name, d);
            }
            bound_free(&f), bound_free(&p);
            state_free(fast), state_free(plain);
        }
        network_free(&n);
    }
    mem_free(x), mem_free(gy);
}

static size_t steps_named(const plan *p, const char *op)
{
    size_t n = 0;
    for (size_t i = 0; i < plan_steps(p); i++) {
        const plan_step_info s = plan_step(p, i);
        n += strcmp(s.op, op) == 0 && strcmp(s.kernel, "lanes") == 0;
    }
    return n;
}

/* No conversions but those of the network's own ends: as with relu, or one where the first convolution wants its input in
 * another layout. And as much memory as with relu unless backward needs x: then two maps more. */
static void test_layouts_and_memory(void **unused)
{
    (void)unused;
    static const char *const names[LOWERED] = {"relu", "leaky_relu", "leaky_relu", "elu",
                                               "gelu", "gelu_tanh",  "silu",       "sigmoid",
                                               "tanh", "scaled_tanh"};
    const machine m = machine_here();
    size_t conversions = 0, bytes = 0;
    for (size_t i = 0; i < LOWERED; i++) {
        network n = between_convolutions(lowered[i]);
        state *s = state_new(n.net, 3, true, &n.e);
        bound b = bound_of(&n, s, &m, (plan_options){.batch = BATCH, .train = true});
        const size_t here = plan_conversions(b.plan, false) + plan_conversions(b.plan, true);
        char backward[32];
        snprintf(backward, sizeof backward, "%s.bwd", names[i]);
        assert_int_equal(steps_named(b.plan, names[i]), 2);
        assert_int_equal(steps_named(b.plan, backward), 2);
        if (i == 0) conversions = here, bytes = b.bytes;
        assert_true(here <= (conversions > 1 ? conversions : 1));
        const bool from_x = strncmp(names[i], "gelu", 4) == 0 || strcmp(names[i], "silu") == 0 || i == 2;
        if (from_x)
            assert_true(b.bytes > bytes || here < conversions);
        else if (here == conversions)
            assert_int_equal(b.bytes, bytes);
        bound_free(&b);
        state_free(s);
        network_free(&n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fast_is_plain),
        cmocka_unit_test(test_layouts_and_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
