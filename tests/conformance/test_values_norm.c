/* Normalisation, regularisation and structure by hand: numbers from the formulas, masks, shapes that do not fit. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "harness.h"

static void open_many(rig *r, const char *layer, bool twin, const char *params, int32_t n_in,
                      const cvy_shape *in)
{
    rig_open(r, layer, twin, params);
    if (!rig_infer(r, n_in, in)) fail_msg("%s {%s}: %s", layer, params, r->error);
    for (int64_t i = 0; i < r->y.count; i++) r->y.grad[i] = 1;
}

static void open_on(rig *r, const char *layer, const char *params, cvy_shape in)
{
    open_many(r, layer, false, params, 1, &in);
}

static void set(tensor *t, const double *v)
{
    memcpy(t->v, v, (size_t)t->count * sizeof(double));
}

static void assert_near(const double *found, const double *expected, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        if (!(fabs(found[i] - expected[i]) <= 1e-6 * (1 + fabs(expected[i]))))
            fail_msg("[%d] is %.9g, expected %.9g", (int)i, found[i], expected[i]);
}

static void assert_refused(const char *layer, const char *params, int32_t n_in, const cvy_shape *in,
                           const char *error)
{
    rig r;
    rig_open(&r, layer, false, params);
    if (rig_infer(&r, n_in, in)) fail_msg("%s {%s} accepts its input", layer, params);
    assert_string_equal(r.error, error);
    rig_close(&r);
}

static void assert_lowered(const char *layer, const char *params, bool train, cvy_shape in,
                           const char *expected)
{
    rig r;
    text t = {0};
    open_on(&r, layer, params, in);
    r.train = train;
    rig_lower(&r, &t);
    assert_string_equal(text_str(&t), expected);
    text_free(&t);
    rig_close(&r);
}

/* ---- gradients by central differences, in the double twin ---- */

static double loss(rig *r)
{
    double sum = 0;
    rig_forward(r);
    for (int64_t i = 0; i < r->y.count; i++) sum += r->y.grad[i] * r->y.v[i];
    return sum;
}

static void check_gradient(rig *r, const char *params, tensor *t)
{
    const double h = 1e-5;
    for (int64_t i = 0; i < t->count; i++) {
        const double was = t->v[i];
        t->v[i] = was + h;
        const double right = loss(r);
        t->v[i] = was - h;
        const double expected = (right - loss(r)) / (2 * h);
        t->v[i] = was;
        if (!(fabs(t->grad[i] - expected) <= 1e-6 * (1 + fabs(expected))))
            fail_msg("%s {%s}: a gradient [%d] is %.9g, differences say %.9g", r->d->name, params, (int)i,
                     t->grad[i], expected);
    }
}

static void check_gradients(const char *layer, const char *params, bool train, int32_t n_in,
                            const cvy_shape *in)
{
    rig r;
    open_many(&r, layer, true, params, n_in, in);
    r.train = train;
    rig_fill_all(&r);
    rig_forward(&r);
    rig_backward(&r);
    for (int32_t k = 0; k < r.n_in; k++) check_gradient(&r, params, &r.x[k]);
    for (int32_t k = 0; k < r.n_weights; k++) check_gradient(&r, params, &r.weight[k]);
    rig_close(&r);
}

/* ---- normalisation ---- */

static void test_layer_norm(void **state)
{
    (void)state;
    rig r;
    open_on(&r, "layer_norm", "axes: 1, eps: 0.25", cvy_shape4(1, 1, 2, 3));
    assert_int_equal(r.weight[0].count, 3);
    set(&r.x[0], (const double[]){1, 2, 6, -1, -1, -1}); /* mean 3, variance 14 / 3 */
    set(&r.weight[0], (const double[]){1, 2, 1});
    set(&r.weight[1], (const double[]){0, 0, 0.5});
    rig_forward(&r);
    const double d = sqrt(14.0 / 3 + 0.25), y[] = {-2 / d, -2 / d, 3 / d + 0.5, 0, 0, 0.5};
    assert_near(r.y.v, y, 6);
    rig_close(&r);

    open_on(&r, "layer_norm", "",
            cvy_shape4(2, 1, 16, 16)); /* far from zero: E[x^2] - E[x]^2 would leave nothing */
    assert_int_equal(r.weight[0].count, 256);
    assert_int_equal(r.weight[0].shape.rank, 3);
    for (int64_t i = 0; i < r.x[0].count; i++) r.x[0].v[i] = 10000 + (i % 2 ? 1 : -1);
    for (int64_t i = 0; i < 256; i++) r.y.grad[i] = i % 2 ? 3 : 0;
    rig_forward(&r);
    rig_backward(&r);
    for (int64_t i = 0; i < r.y.count; i++) assert_true(fabs(r.y.v[i] - (i % 2 ? 1 : -1)) < 1e-4);
    for (int64_t i = 0; i < 256; i++) assert_true(fabs(r.x[0].grad[i]) < 1e-4); /* along mean and deviation */
    rig_close(&r);

    const cvy_shape in = cvy_shape4(2, 3, 5, 2);
    check_gradients("layer_norm", "axes: 2, bias: false", true, 1, &in);
    assert_refused("layer_norm", "axes: 4", 1, &in,
                   "axes: 4 is more than the 3 axes behind the batch of (N, 3, 5, 2)");
}

static void test_group_norm(void **state)
{
    (void)state;
    rig r;
    open_on(&r, "group_norm", "groups: 2, eps: 1e-12", cvy_shape2(1, 4));
    set(&r.x[0], (const double[]){1, 3, -10, -4});
    set(&r.weight[0], (const double[]){1, 2, 1, 1});
    set(&r.weight[1], (const double[]){0, 1, 0, 0});
    rig_forward(&r);
    assert_near(r.y.v, (const double[]){-1, 3, -1, 1}, 4);
    rig_close(&r);
    /* One channel to a group is instance normalization: each plane by itself. */
    open_on(&r, "group_norm", "groups: 2, eps: 1e-12, affine: false", cvy_shape4(1, 2, 1, 2));
    assert_int_equal(r.n_weights, 0);
    set(&r.x[0], (const double[]){5, 7, 100, -100});
    rig_forward(&r);
    assert_near(r.y.v, (const double[]){-1, 1, 1, -1}, 4);
    rig_close(&r);
    const cvy_shape in = cvy_shape4(2, 6, 2, 3);
    check_gradients("group_norm", "groups: 3", true, 1, &in);
    assert_refused("group_norm", "groups: 4", 1, &in,
                   "groups: 4 does not divide the 6 channels of (N, 6, 2, 3)");
}

static void test_local_response_norm(void **state)
{
    (void)state;
    rig r;
    const double x[] = {1, 2, 3};
    /* An even window reaches one channel further back than ahead: channels {0}, {0, 1}, {1, 2}. */
    open_on(&r, "local_response_norm", "size: 2, alpha: 1, beta: 1, divide_by_size: false", cvy_shape2(1, 3));
    set(&r.x[0], x);
    rig_forward(&r);
    assert_near(r.y.v, (const double[]){1.0 / 2, 2.0 / 6, 3.0 / 14}, 3);
    rig_close(&r);
    open_on(&r, "local_response_norm", "size: 2, alpha: 1, beta: 1, k: 2", cvy_shape2(1, 3));
    set(&r.x[0], x);
    rig_forward(&r);
    assert_near(r.y.v, (const double[]){1 / 2.5, 2 / 4.5, 3 / 8.5}, 3);
    rig_close(&r);
    /* AlexNet, section 3.3: 100 in five channels is divided by (2 + 1e-4 * 50000)^0.75, three see less. */
    open_on(&r, "local_response_norm", "k: 2, divide_by_size: false", cvy_shape2(1, 5));
    set(&r.x[0], (const double[]){100, 100, 100, 100, 100});
    rig_forward(&r);
    const double three = 100 / pow(5, 0.75), four = 100 / pow(6, 0.75);
    assert_near(r.y.v, (const double[]){three, four, 100 / pow(7, 0.75), four, three}, 5);
    rig_close(&r);
    const cvy_shape in = cvy_shape4(2, 5, 2, 2);
    check_gradients("local_response_norm", "size: 4, alpha: 1, beta: 0.6", true, 1, &in);
    check_gradients("local_response_norm", "size: 3, alpha: 0.5, divide_by_size: false", true, 1, &in);
    check_gradients("local_response_norm", "size: 2, alpha: 0.5", false, 1, &in);
    const cvy_shape wide = cvy_shape4(1, 4, 1, 261); /* more pixels than are summed together */
    check_gradients("local_response_norm", "size: 3, alpha: 0.5", true, 1, &wide);
}

/* Channels {1, 3, 5} and {0, 0, 6} along whatever axes there are: normalised by the biased variance, stored is the
 * unbiased one. */
static void test_batch_norm_ranks(void **state)
{
    (void)state;
    static const cvy_shape shapes[] = {{2, {3, 2}},       {3, {3, 2, 1}},    {3, {1, 2, 3}},
                                       {4, {1, 2, 3, 1}}, {4, {3, 2, 1, 1}}, {5, {1, 2, 1, 3, 1}}};
    static const double lengthwise[] = {1, 3, 5, 0, 0, 6}, batchwise[] = {1, 0, 3, 0, 5, 6};
    for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++)
        for (int affine = 0; affine < 2; affine++) {
            rig r;
            const bool batch = shapes[k].dim[0] == 3;
            open_on(&r, "batch_norm",
                    affine ? "momentum: 0.25, eps: 0.5" : "momentum: 0.25, eps: 0.5, affine: false",
                    shapes[k]);
            set(&r.x[0], batch ? batchwise : lengthwise);
            if (affine) set(&r.weight[0], (const double[]){2, 1}), set(&r.weight[1], (const double[]){0, -1});
            rig_forward(&r);
            const double a = sqrt(8.0 / 3 + 0.5), b = sqrt(8 + 0.5), g = affine ? 2 : 1, s = affine ? -1 : 0;
            const double y[] = {-2 * g / a, 0, 2 * g / a, -2 / b + s, -2 / b + s, 4 / b + s};
            for (int i = 0; i < 6; i++) assert_near(&r.y.v[i], &y[batch ? i % 2 * 3 + i / 2 : i], 1);
            assert_near(r.buffer[0].v, (const double[]){0.25 * 3, 0.25 * 2}, 2);
            assert_near(r.buffer[1].v, (const double[]){0.75 + 0.25 * 4, 0.75 + 0.25 * 12}, 2);
            rig_close(&r);
        }
    assert_lowered("batch_norm", "affine: false", true, cvy_shape2(3, 2), "-> plain\n");
}

/* ---- regularisation ---- */

static void test_spatial_dropout(void **state)
{
    (void)state;
    rig r;
    open_on(&r, "spatial_dropout", "p: 0.25", cvy_shape4(40, 50, 2, 3));
    for (int64_t i = 0; i < r.x[0].count; i++) r.x[0].v[i] = 3;
    rig_forward(&r);
    rig_backward(&r);
    int64_t kept = 0;
    for (int64_t i = 0; i < r.y.count; i++) {
        assert_true(r.y.v[i] == 0 || r.y.v[i] == 4);
        assert_true(r.y.v[i] == r.y.v[i / 6 * 6]); /* a channel as a whole */
        assert_true((r.y.v[i] == 0) == (r.x[0].grad[i] == 0));
        kept += r.y.v[i] != 0;
    }
    assert_true(fabs((double)kept / (double)r.y.count - 0.75) < 0.04);
    r.train = false;
    rig_forward(&r);
    for (int64_t i = 0; i < r.y.count; i++) assert_true(r.y.v[i] == 3);
    rig_close(&r);
    assert_lowered("spatial_dropout", "", true, cvy_shape2(3, 2), "-> plain\n");
    assert_lowered("spatial_dropout", "", false, cvy_shape2(3, 2), "-> x0\n");
}

static void test_stochastic_depth(void **state)
{
    (void)state;
    for (int batch = 0; batch < 2; batch++)
        for (int late = 0; late < 2; late++) {
            rig r;
            char params[80];
            snprintf(params, sizeof params, "p: 0.25, mode: %s, scale: %s", batch ? "batch" : "row",
                     late ? "evaluation" : "training");
            open_on(&r, "stochastic_depth", params, cvy_shape4(300, 1, 2, 2));
            for (int64_t i = 0; i < r.x[0].count; i++) r.x[0].v[i] = 3;
            rig_forward(&r);
            rig_backward(&r);
            int64_t kept = 0;
            for (int64_t i = 0; i < r.y.count; i++) {
                assert_true(r.y.v[i] == 0 || r.y.v[i] == (late ? 3 : 4));
                assert_true(r.y.v[i] == r.y.v[batch ? 0 : i / 4 * 4]);
                assert_true((r.y.v[i] == 0) == (r.x[0].grad[i] == 0));
                kept += r.y.v[i] != 0;
            }
            if (!batch) assert_true(fabs((double)kept / (double)r.y.count - 0.75) < 0.1);
            r.train = false;
            rig_forward(&r);
            for (int64_t i = 0; i < r.y.count; i++) assert_true(r.y.v[i] == (late ? 2.25 : 3));
            rig_close(&r);
        }
    assert_lowered("stochastic_depth", "", false, cvy_shape2(3, 2), "-> x0\n");
    assert_lowered("stochastic_depth", "scale: evaluation", false, cvy_shape2(3, 2), "-> plain\n");
}

/* Weights that are different powers of two: the sum tells which were kept. */
static void test_drop_connect_masks(void **state)
{
    (void)state;
    for (int batch = 0; batch < 2; batch++) {
        rig r;
        int64_t kept = 0, differ = 0;
        open_on(&r, "drop_connect", batch ? "units: 16, p: 0.25, per: batch" : "units: 16, p: 0.25",
                cvy_shape2(16, 9));
        for (int64_t i = 0; i < r.x[0].count; i++) r.x[0].v[i] = 1;
        for (int64_t i = 0; i < r.weight[0].count; i++) r.weight[0].v[i] = (double)(1 << i % 9);
        for (int64_t i = 0; i < 16; i++) r.weight[1].v[i] = 512;
        rig_forward(&r);
        rig_backward(&r);
        for (int n = 0; n < 16; n++)
            for (int o = 0; o < 16; o++) {
                const int bits = (int)r.y.v[16 * n + o];
                assert_true(bits == r.y.v[16 * n + o] && bits >= 0 && bits < 1024); /* nothing is rescaled */
                kept += __builtin_popcount((unsigned)bits);
                differ += bits != (int)r.y.v[o];
            }
        assert_true(fabs((double)kept / 2560 - 0.75) < (batch ? 0.15 : 0.04));
        assert_true(batch ? differ == 0 : differ > 100);
        /* Backward uses the same mask: with gy of 1 for one output alone its weights' gradient is the mask. */
        for (int64_t i = 0; i < r.y.count; i++) r.y.grad[i] = i == 16 * 3 + 5;
        rig_backward(&r);
        for (int f = 0; f < 10; f++) {
            const double bit = (int)r.y.v[16 * 3 + 5] >> f & 1;
            assert_true((f < 9 ? r.weight[0].grad[5 * 9 + f] : r.weight[1].grad[5]) == bit);
            if (f < 9) assert_true(r.x[0].grad[3 * 9 + f] == bit * (1 << f));
        }
        r.train = false; /* the mean */
        rig_forward(&r);
        for (int64_t i = 0; i < r.y.count; i++) assert_true(r.y.v[i] == 0.75 * 1023);
        rig_close(&r);
    }
    rig r;
    open_on(&r, "drop_connect", "units: 2, p: 1, mask_bias: false",
            cvy_shape2(3, 4)); /* all dropped but the bias */
    set(&r.weight[1], (const double[]){0.5, -2});
    rig_forward(&r);
    assert_near(r.y.v, (const double[]){0.5, -2, 0.5, -2, 0.5, -2}, 6);
    rig_close(&r);
}

/* Algorithm 2 of the paper for a unit of mean 0.5 * 1.5 and variance 0.25 * 1.25: what the rectifier passes on is known
 * in closed form. */
static void test_drop_connect_gaussian(void **state)
{
    (void)state;
    rig r;
    open_on(&r, "drop_connect",
            "units: 1, p: 0.5, inference: gaussian, samples: 100001, activation: relu, bias: false",
            cvy_shape2(1, 2));
    r.train = false;
    set(&r.x[0], (const double[]){1, 0.5});
    set(&r.weight[0], (const double[]){1, 1});
    rig_forward(&r);
    const double mean = 0.75, sd = sqrt(0.25 * 1.25), t = mean / sd, pi = 3.14159265358979;
    const double expected = mean * 0.5 * erfc(-t / sqrt(2)) + sd * exp(-t * t / 2) / sqrt(2 * pi);
    assert_true(fabs(r.y.v[0] - expected) < 0.01); /* 5 standard errors */
    rig_close(&r);
    const cvy_shape in = cvy_shape2(3, 5);
    check_gradients("drop_connect", "units: 4, inference: gaussian, samples: 7, activation: tanh", false, 1,
                    &in);
    check_gradients("drop_connect",
                    "units: 2, inference: gaussian, samples: 4, activation: sigmoid, mask_bias: false", false,
                    1, &in);
    check_gradients("drop_connect", "units: 2, p: 0.3, activation: sigmoid", false, 1, &in);
    check_gradients("drop_connect", "units: 3, p: 0.3, activation: tanh, mask_bias: false", true, 1, &in);
}

/* ---- structure ---- */

static void test_multiply(void **state)
{
    (void)state;
    rig r;
    const cvy_shape gate[] = {cvy_shape4(1, 2, 1, 3), cvy_shape2(1, 2)};
    open_many(&r, "multiply", false, "", 2, gate);
    set(&r.x[0], (const double[]){1, 2, 3, 4, 5, 6});
    set(&r.x[1], (const double[]){10, -1});
    rig_forward(&r);
    rig_backward(&r);
    assert_near(r.y.v, (const double[]){10, 20, 30, -4, -5, -6}, 6);
    assert_near(r.x[0].grad, (const double[]){10, 10, 10, -1, -1, -1}, 6);
    assert_near(r.x[1].grad, (const double[]){6, 15}, 2);
    rig_close(&r);

    const cvy_shape outer[] = {cvy_shape4(1, 2, 1, 1),
                               cvy_shape4(1, 1, 1, 3)}; /* neither holds the product */
    open_many(&r, "multiply", false, "", 2, outer);
    set(&r.x[0], (const double[]){2, 3});
    set(&r.x[1], (const double[]){1, 0, -1});
    rig_forward(&r);
    rig_backward(&r);
    assert_near(r.y.v, (const double[]){2, 0, -2, 3, 0, -3}, 6);
    assert_near(r.x[0].grad, (const double[]){0, 0}, 2);
    assert_near(r.x[1].grad, (const double[]){5, 5, 5}, 3);
    rig_close(&r);

    const cvy_shape three[] = {cvy_shape2(2, 3), cvy_shape4(2, 3, 4, 70), cvy_shape4(2, 1, 4, 70)};
    check_gradients("multiply", "", true, 3, three);
    const cvy_shape mixed[] = {{5, {2, 3, 2, 2, 3}}, {5, {2, 1, 2, 1, 3}}, {5, {2, 3, 1, 2, 1}}};
    check_gradients("multiply", "", true, 3, mixed);
    const cvy_shape wrong[] = {cvy_shape4(2, 3, 4, 5), cvy_shape2(2, 4)};
    assert_refused(
        "multiply", "", 2, wrong,
        "input 2 is (N, 4), which does not fit (N, 3, 4, 5); inputs need one shape, or 1 where they are to "
        "be repeated, like (N, C, 1, 1), or to be (N, C)");
}

static void test_scale(void **state)
{
    (void)state;
    rig r;
    open_on(&r, "scale", "init: 0.5", cvy_shape4(1, 2, 1, 2));
    assert_true(r.weight[0].init.a == 0.5 && r.weight[1].init.a == 0);
    set(&r.x[0], (const double[]){1, 2, 3, 4});
    set(&r.weight[0], (const double[]){2, -1});
    set(&r.weight[1], (const double[]){0, 10});
    rig_forward(&r);
    rig_backward(&r);
    assert_near(r.y.v, (const double[]){2, 4, 7, 6}, 4);
    assert_near(r.weight[0].grad, (const double[]){3, 7}, 2);
    assert_near(r.weight[1].grad, (const double[]){2, 2}, 2);
    assert_near(r.x[0].grad, (const double[]){2, 2, -1, -1}, 4);
    rig_close(&r);
    open_on(&r, "scale", "init: -3, learned: false", (cvy_shape){1, {2}});
    assert_int_equal(r.n_weights, 0);
    set(&r.x[0], (const double[]){1, -2});
    rig_forward(&r);
    rig_backward(&r);
    assert_near(r.y.v, (const double[]){-3, 6}, 2);
    assert_near(r.x[0].grad, (const double[]){-3, -3}, 2);
    rig_close(&r);
}

static void test_zero_pad(void **state)
{
    (void)state;
    rig r;
    open_on(&r, "zero_pad", "padding: [0, 1, 1, 0]", cvy_shape4(1, 1, 2, 2)); /* left and bottom */
    set(&r.x[0], (const double[]){1, 2, 3, 4});
    rig_forward(&r);
    assert_near(r.y.v, (const double[]){0, 1, 2, 0, 3, 4, 0, 0, 0}, 9);
    for (int i = 0; i < 9; i++) r.y.grad[i] = i;
    rig_backward(&r);
    assert_near(r.x[0].grad, (const double[]){1, 2, 4, 5}, 4);
    rig_close(&r);
    open_on(&r, "zero_pad", "padding: [2, 1]", (cvy_shape){3, {1, 2, 1}});
    set(&r.x[0], (const double[]){5, 6});
    rig_forward(&r);
    assert_near(r.y.v, (const double[]){0, 0, 5, 0, 0, 0, 6, 0}, 8);
    rig_close(&r);
    open_on(&r, "zero_pad", "padding: [1, 0, 2]", (cvy_shape){5, {2, 3, 4, 5, 6}});
    assert_true(r.y.shape.dim[2] == 6 && r.y.shape.dim[3] == 5 && r.y.shape.dim[4] == 10);
    rig_close(&r);
    const cvy_shape maps = cvy_shape4(1, 1, 2, 2), vectors = cvy_shape2(2, 7);
    assert_refused(
        "zero_pad", "padding: [1, 2, 3]", 1, &maps,
        "padding: expects [all], [vertical, horizontal] or [top, left, bottom, right] for (N, 1, 2, 2), "
        "found a list of 3");
    assert_refused("zero_pad", "padding: [1]", 1, &vectors,
                   "expects (N, C, L), (N, C, H, W) or (N, C, D, H, W) and got (N, 7)");
}

static void test_reshape(void **state)
{
    (void)state;
    const cvy_shape in = cvy_shape4(2, 3, 2, 2);
    assert_lowered("reshape", "shape: [4, -1]", true, in, "v0 = reshape(x0) (2, 4, 3)\n-> v0\n");
    assert_lowered("reshape", "", true, in, "v0 = reshape(x0) (2, 12)\n-> v0\n");
    assert_lowered("identity", "", true, in, "-> x0\n");
    assert_refused("reshape", "shape: [5, -1]", 1, &in,
                   "shape: the dimensions given hold 5 numbers, which do not divide the 12 of a sample of "
                   "(N, 3, 2, 2)");
    assert_refused("reshape", "shape: [3, 5]", 1, &in,
                   "shape: (N, 3, 5) has 15 numbers in a sample, the input (N, 3, 2, 2) has 12");
    assert_refused("reshape", "shape: [-1, -1]", 1, &in, "shape: only one dimension may be -1");
    assert_refused("reshape", "shape: [0, 12]", 1, &in, "shape: a dimension of 0 leaves nothing");
    assert_refused("reshape", "shape: []", 1, &in, "shape: expects 1 to 5 dimensions, found 0");
    assert_refused("reshape", "shape: [1099511627776, 1099511627776, -1]", 1, &in,
                   "shape: the dimensions are too large together");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layer_norm),
        cmocka_unit_test(test_group_norm),
        cmocka_unit_test(test_local_response_norm),
        cmocka_unit_test(test_batch_norm_ranks),
        cmocka_unit_test(test_spatial_dropout),
        cmocka_unit_test(test_stochastic_depth),
        cmocka_unit_test(test_drop_connect_masks),
        cmocka_unit_test(test_drop_connect_gaussian),
        cmocka_unit_test(test_multiply),
        cmocka_unit_test(test_scale),
        cmocka_unit_test(test_zero_pad),
        cmocka_unit_test(test_reshape),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
