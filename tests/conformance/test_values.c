/* The corners of the layers' arithmetic: NaN, ties, zeros, cancellation, random masks. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "harness.h"

static void open_on(rig *r, const char *layer, const char *params, cvy_shape in)
{
    rig_open(r, layer, false, params);
    if (!rig_infer(r, 1, &in)) fail_msg("%s: %s", layer, r->error);
    for (int64_t i = 0; i < r->y.count; i++) r->y.grad[i] = 1;
}

static void set(tensor *t, const double *v)
{
    memcpy(t->v, v, (size_t)t->count * sizeof(double));
}

static void test_relu(void **state)
{
    (void)state;
    rig r;
    open_on(&r, "relu", "", cvy_shape2(1, 6));
    set(&r.x[0], (const double[]){-1, -0.0, 0, 2, NAN, INFINITY});
    rig_forward(&r);
    rig_backward(&r);
    const double y[] = {0, 0, 0, 2}, gx[] = {0, 0, 0, 1};
    assert_memory_equal(r.y.v, y, sizeof y); /* -0 becomes 0 */
    assert_memory_equal(r.x[0].grad, gx, sizeof gx);
    assert_true(isnan(r.y.v[4]) && isinf(r.y.v[5]));
    assert_true(r.x[0].grad[4] == 1 && r.x[0].grad[5] == 1);
    rig_close(&r);
}

static void test_max_pool(void **state)
{
    (void)state;
    rig r;
    open_on(&r, "max_pool2d", "kernel: [1, 3]", cvy_shape4(1, 1, 4, 3));
    set(&r.x[0], (const double[]){5, 7, 7, NAN, 9, 1, -INFINITY, -INFINITY, -INFINITY, 1, NAN, NAN});
    rig_forward(&r);
    rig_backward(&r);
    assert_true(r.y.v[0] == 7 && isnan(r.y.v[1]) && r.y.v[2] == -INFINITY && isnan(r.y.v[3]));
    const double gx[] = {0, 1, 0, 1, 0, 0,
                         1, 0, 0, 0, 0, 1}; /* first maximum; of NaN the last, as in PyTorch */
    assert_memory_equal(r.x[0].grad, gx, sizeof gx);
    rig_close(&r);

    /* Padding is never the maximum: negative numbers stay. */
    open_on(&r, "max_pool2d", "kernel: 3, stride: 1, padding: 1", cvy_shape4(1, 1, 1, 1));
    r.x[0].v[0] = -3;
    rig_forward(&r);
    assert_true(r.y.v[0] == -3);
    r.train = false; /* and evaluation works without `saved` */
    r.y.v[0] = 0;
    rig_forward(&r);
    assert_true(r.y.v[0] == -3);
    rig_close(&r);
}

/* A mean of 10,000 with a deviation of 1: E[x^2] - E[x]^2 would leave nothing in float. */
static void test_batch_norm_far_from_zero(void **state)
{
    (void)state;
    rig r;
    open_on(&r, "batch_norm", "momentum: 1", cvy_shape4(8, 1, 16, 16));
    double var = 0;
    for (int64_t i = 0; i < r.x[0].count; i++) r.x[0].v[i] = 10000 + (i % 2 ? 1 : -1);
    var = 2048.0 / 2047;
    rig_forward(&r);
    for (int64_t i = 0; i < r.y.count; i++) assert_true(fabs(r.y.v[i] - (i % 2 ? 1 : -1)) < 1e-3);
    assert_true(fabs(r.buffer[0].v[0] - 10000) < 1e-2);
    assert_true(fabs(r.buffer[1].v[0] - var) < 1e-4);
    rig_close(&r);
}

/* One number per channel has no variance: the output is beta, no gradient comes back, nothing is NaN. */
static void test_batch_norm_of_one(void **state)
{
    (void)state;
    rig r;
    open_on(&r, "batch_norm", "", cvy_shape2(1, 2));
    set(&r.x[0], (const double[]){3, -4});
    set(&r.weight[1], (const double[]){0.5, 0.25});
    rig_forward(&r);
    rig_backward(&r);
    assert_true(r.y.v[0] == 0.5 && r.y.v[1] == 0.25);
    assert_true(r.x[0].grad[0] == 0 && r.x[0].grad[1] == 0);
    assert_true(isfinite(r.buffer[1].v[0]) && isfinite(r.buffer[1].v[1]));
    rig_close(&r);
}

static void test_dropout(void **state)
{
    (void)state;
    rig r;
    open_on(&r, "dropout", "p: 0.25", cvy_shape4(4, 5, 30, 30));
    for (int64_t i = 0; i < r.x[0].count; i++) r.x[0].v[i] = 3;
    rig_forward(&r);
    rig_backward(&r);
    int64_t kept = 0;
    for (int64_t i = 0; i < r.y.count; i++) {
        assert_true(r.y.v[i] == 0 || r.y.v[i] == 4);
        assert_true((r.y.v[i] == 0) == (r.x[0].grad[i] == 0)); /* the same mask */
        kept += r.y.v[i] != 0;
    }
    assert_true(fabs((double)kept / (double)r.y.count - 0.75) < 0.02);
    r.train = false;
    rig_forward(&r);
    for (int64_t i = 0; i < r.y.count; i++) assert_true(r.y.v[i] == 3);
    rig_close(&r);

    open_on(&r, "dropout", "", cvy_shape2(1, 40)); /* NaN shows whatever the mask */
    for (int64_t i = 0; i < r.x[0].count; i++) r.x[0].v[i] = NAN;
    rig_forward(&r);
    for (int64_t i = 0; i < r.y.count; i++) assert_true(isnan(r.y.v[i]));
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_relu),
        cmocka_unit_test(test_max_pool),
        cmocka_unit_test(test_batch_norm_far_from_zero),
        cmocka_unit_test(test_batch_norm_of_one),
        cmocka_unit_test(test_dropout),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
