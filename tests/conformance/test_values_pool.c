/* Pooling worked by hand: windows at the edges, ties, divisors, and LeNet-5's subsampling; what is said of shapes that do
 * not fit; what the layers lower to. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "harness.h"

static cvy_shape shape3(int64_t n, int64_t c, int64_t l)
{
    return (cvy_shape){3, {n, c, l, 0, 0, 0}};
}

static cvy_shape shape5(int64_t n, int64_t c, int64_t d, int64_t h, int64_t w)
{
    return (cvy_shape){5, {n, c, d, h, w, 0}};
}

static void open_on(rig *r, const char *layer, const char *params, cvy_shape in)
{
    rig_open(r, layer, false, params);
    if (!rig_infer(r, 1, &in)) fail_msg("%s {%s}: %s", layer, params, r->error);
    for (int64_t i = 0; i < r->x[0].count; i++) r->x[0].v[i] = (double)(i + 1);     /* 1, 2, 3, ... */
    for (int64_t i = 0; i < r->y.count; i++) r->y.grad[i] = ldexp(1, (int)(i % 8)); /* 1, 2, 4, ... */
}

static void expect(const double *v, int64_t count, const double *wanted, int64_t n, const char *what)
{
    if (count != n) fail_msg("%s: %d numbers, expected %d", what, (int)count, (int)n);
    for (int64_t i = 0; i < n; i++)
        if (fabs(v[i] - wanted[i]) > 1e-6)
            fail_msg("%s: number %d is %.7g, expected %.7g", what, (int)i, v[i], wanted[i]);
}

#define NUMBERS(...) \
    (const double[]){__VA_ARGS__}, (int64_t)(sizeof((double[]){__VA_ARGS__}) / sizeof(double))

/* On 1, 2, 3, ...: what comes out, and what comes back of the gradient 1, 2, 4, ... */
static void gives(const char *layer, const char *params, cvy_shape in, const double *y, int64_t n_y,
                  const double *gx, int64_t n_gx)
{
    rig r;
    open_on(&r, layer, params, in);
    rig_forward(&r);
    rig_backward(&r);
    expect(r.y.v, r.y.count, y, n_y, params);
    expect(r.x[0].grad, r.x[0].count, gx, n_gx, params);
    rig_close(&r);
}

static void test_ceil_mode(void **state)
{
    (void)state;
    /* Seven elements, windows of three every two: the last window is complete. */
    gives("max_pool1d", "kernel: 3, stride: 2, ceil_mode: true", shape3(1, 1, 7), NUMBERS(3, 5, 7),
          NUMBERS(0, 0, 1, 0, 2, 0, 4));
    /* Six: a third window hangs over by one. */
    gives("max_pool1d", "kernel: 3, stride: 2, ceil_mode: true", shape3(1, 1, 6), NUMBERS(3, 5, 6),
          NUMBERS(0, 0, 1, 0, 2, 4));
    gives("max_pool1d", "kernel: 3, stride: 2", shape3(1, 1, 6), NUMBERS(3, 5), NUMBERS(0, 0, 1, 0, 2, 0));
    /* A window that would begin in the padding behind is left out: 4 elements with padding, windows at -1, 1, 3. */
    gives("max_pool1d", "kernel: 2, stride: 2, padding: 1, ceil_mode: true", shape3(1, 1, 4),
          NUMBERS(1, 3, 4), NUMBERS(1, 0, 2, 4));
    gives("max_pool1d", "kernel: 2, stride: 2, padding: 1, ceil_mode: true", shape3(1, 1, 5),
          NUMBERS(1, 3, 5), NUMBERS(1, 0, 2, 0, 4));
    /* GoogLeNet's pools: 3x3 every two over 4x4 gives 2x2. */
    gives("max_pool2d", "kernel: 3, stride: 2, ceil_mode: true", cvy_shape4(1, 1, 4, 4),
          NUMBERS(11, 12, 15, 16), NUMBERS(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 4, 8));
    /* A window larger than the input has its place in it. */
    gives("max_pool1d", "kernel: 3, stride: 2, ceil_mode: true", shape3(1, 1, 2), NUMBERS(2), NUMBERS(0, 1));
}

static void test_divisors(void **state)
{
    (void)state;
    gives("avg_pool1d", "kernel: 2, stride: 2, padding: 1", shape3(1, 1, 4), NUMBERS(0.5, 2.5, 2),
          NUMBERS(0.5, 1, 1, 2));
    gives("avg_pool1d", "kernel: 2, stride: 2, padding: 1, count_padding: false", shape3(1, 1, 4),
          NUMBERS(1, 2.5, 4), NUMBERS(1, 1, 1, 4));
    /* What lies beyond the padding never counts: windows of 4 every 3 over 3 elements, the second on 3, padding and two
     * beyond. */
    gives("avg_pool1d", "kernel: 4, stride: 3, padding: 1, ceil_mode: true", shape3(1, 1, 3),
          NUMBERS(1.5, 1.5), NUMBERS(0.25, 0.25, 0.25 + 1));
    gives("avg_pool1d", "kernel: 4, stride: 3, padding: 1, ceil_mode: true, count_padding: false",
          shape3(1, 1, 3), NUMBERS(2, 3), NUMBERS(1 / 3., 1 / 3., 1 / 3. + 2));
    gives("avg_pool2d", "kernel: [1, 4], stride: [1, 3], padding: [0, 1], ceil_mode: true",
          cvy_shape4(1, 1, 1, 3), NUMBERS(1.5, 1.5), NUMBERS(0.25, 0.25, 0.25 + 1));
    gives("avg_pool3d", "kernel: [2, 1, 2]", shape5(1, 1, 2, 2, 2), NUMBERS(3.5, 5.5),
          NUMBERS(0.25, 0.25, 0.5, 0.5, 0.25, 0.25, 0.5, 0.5));
}

static void test_padding(void **state)
{
    (void)state;
    /* same: one row and column, behind. */
    gives("max_pool2d", "kernel: 2, stride: 1, padding: same", cvy_shape4(1, 1, 2, 2), NUMBERS(4, 4, 4, 4),
          NUMBERS(0, 0, 0, 15));
    gives("avg_pool2d", "kernel: 2, stride: 1, padding: same", cvy_shape4(1, 1, 2, 2),
          NUMBERS(2.5, 1.5, 1.75, 1), NUMBERS(0.25, 0.75, 1.25, 3.75));
    /* On each side by itself. */
    gives("max_pool1d", "kernel: 2, stride: 1, padding: [1, 0]", shape3(1, 1, 3), NUMBERS(1, 2, 3),
          NUMBERS(1, 2, 4));
    gives("max_pool3d", "kernel: 2, stride: 2, padding: [1, 0, 0, 0, 0, 0]", shape5(1, 1, 1, 2, 2),
          NUMBERS(4), NUMBERS(0, 0, 0, 1));
    /* Dilation: elements 1 and 3, 2 and 4, ... */
    gives("max_pool1d", "kernel: 2, stride: 1, dilation: 2, padding: 1", shape3(1, 1, 3), NUMBERS(2, 3, 2),
          NUMBERS(0, 1 + 4, 2));
}

static void test_ties_and_nan(void **state)
{
    (void)state;
    static const char *const layers[] = {"max_pool3d", "global_max_pool"};
    for (int i = 0; i < 2; i++) {
        rig r;
        open_on(&r, layers[i], i ? "" : "kernel: 2", shape5(1, 2, 2, 2, 2));
        const double x[16] = {1, 5, 5, 0, 5, 2, 3, 5, 1, NAN, 7, 0, NAN, 8, 9, 1};
        memcpy(r.x[0].v, x, sizeof x);
        rig_forward(&r);
        rig_backward(&r);
        assert_true(r.y.v[0] == 5 && isnan(r.y.v[1]));
        /* the first of equals; of NaN the last */
        expect(r.x[0].grad, 16, NUMBERS(0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0), layers[i]);
        rig_close(&r);
    }
}

static void test_global(void **state)
{
    (void)state;
    gives("global_max_pool", "", shape3(1, 2, 3), NUMBERS(3, 6), NUMBERS(0, 0, 1, 0, 0, 2));
    gives("global_avg_pool", "", shape3(1, 2, 2), NUMBERS(1.5, 3.5), NUMBERS(0.5, 0.5, 1, 1));
    gives("global_avg_pool", "", shape5(1, 1, 1, 2, 2), NUMBERS(2.5), NUMBERS(0.25, 0.25, 0.25, 0.25));
}

static void test_adaptive(void **state)
{
    (void)state;
    /* 5 to 3: elements 0-1, 1-3, 3-4. */
    gives("adaptive_avg_pool", "output: [3]", shape3(1, 1, 5), NUMBERS(1.5, 3, 4.5),
          NUMBERS(0.5, 0.5 + 2 / 3., 2 / 3., 2 / 3. + 2, 2));
    /* 2 to 3, more than there are: 0, 0-1, 1. */
    gives("adaptive_avg_pool", "output: [3]", shape3(1, 1, 2), NUMBERS(1, 1.5, 2), NUMBERS(2, 5));
    gives("adaptive_avg_pool", "", cvy_shape4(1, 1, 2, 2), NUMBERS(2.5), NUMBERS(0.25, 0.25, 0.25, 0.25));
    gives("adaptive_avg_pool", "output: [0, 1]", cvy_shape4(1, 1, 2, 2), NUMBERS(1.5, 3.5),
          NUMBERS(0.5, 0.5, 1, 1));
}

/* LeNet-5's S2 is 6 maps of 14x14 with 12 trainable parameters. */
static void test_subsample(void **state)
{
    (void)state;
    rig r;
    open_on(&r, "subsample", "init: average", cvy_shape4(1, 6, 28, 28));
    assert_true(r.y.shape.dim[1] == 6 && r.y.shape.dim[2] == 14 && r.y.shape.dim[3] == 14);
    assert_true(r.n_weights == 2 && r.weight[0].count + r.weight[1].count == 12);
    assert_true(r.weight[0].init.kind == CVY_INIT_CONSTANT && r.weight[0].init.a == 0.25);
    assert_true(r.weight[1].init.kind == CVY_INIT_CONSTANT && r.weight[1].init.a == 0);
    rig_close(&r);

    open_on(&r, "subsample", "", cvy_shape4(1, 2, 2, 4));
    assert_true(r.weight[0].init.kind == CVY_INIT_UNIFORM && fabs(r.weight[0].init.a - 0.6) < 1e-12);
    assert_true(r.weight[1].init.kind == CVY_INIT_UNIFORM && fabs(r.weight[1].init.a - 0.6) < 1e-12);
    r.weight[0].v[0] = 0.5;
    r.weight[0].v[1] = -1;
    r.weight[1].v[0] = 3;
    r.weight[1].v[1] = 0.25;
    rig_forward(&r);
    rig_backward(&r);
    expect(r.y.v, 4, NUMBERS(10, 14, -45.75, -53.75), "y");
    expect(r.x[0].grad, 16, NUMBERS(0.5, 0.5, 1, 1, 0.5, 0.5, 1, 1, -4, -4, -8, -8, -4, -4, -8, -8), "gx");
    expect(r.weight[0].grad, 2, NUMBERS(14 + 2 * 22, 4 * 46 + 8 * 54), "coefficient");
    expect(r.weight[1].grad, 2, NUMBERS(3, 12), "bias");
    rig_close(&r);
}

/* ---- words ---- */

typedef struct saying {
    const char *layer, *params;
    cvy_shape in;
    const char *error;
} saying;

static void test_refusals(void **state)
{
    (void)state;
    const saying sayings[] = {
        {"max_pool1d", "", cvy_shape4(2, 3, 4, 5),
         "expects sequences (N, C, L) and got (N, 3, 4, 5); pool before `flatten`, `global_avg_pool` or "
         "`linear`"},
        {"avg_pool3d", "", cvy_shape4(2, 3, 4, 5),
         "expects volumes (N, C, D, H, W) and got (N, 3, 4, 5); pool before `flatten`, `global_avg_pool` or "
         "`linear`"},
        {"max_pool3d", "kernel: [2, 3, 2]", shape5(1, 1, 4, 2, 4),
         "kernel: 2x3x2 is larger than the input's 4x2x4 with padding (4x2x4); use a smaller kernel or less "
         "pooling "
         "before"},
        {"max_pool2d", "kernel: 3, dilation: 2", cvy_shape4(1, 1, 4, 5),
         "kernel: 3x3 dilated spans 5x5 and is larger than the input's 4x5 with padding (4x5); use a smaller "
         "kernel "
         "or less pooling before"},
        {"max_pool1d", "kernel: 3, padding: [0, 2]", shape3(1, 1, 9),
         "padding: 2 is more than half of the kernel's 3; such windows would see padding alone"},
        {"max_pool1d", "kernel: 2, dilation: 4, padding: 2", shape3(1, 1, 2),
         "dilation: 4 steps over all 2 elements of the input, so that a window would see padding alone; use "
         "less "
         "dilation or no padding"},
        {"global_max_pool", "", cvy_shape2(2, 64),
         "expects maps (N, C, H, W), sequences or volumes and got (N, 64); there is nothing left to take the "
         "maximum "
         "of"},
        {"adaptive_avg_pool", "output: [2, 2]", shape5(1, 1, 4, 4, 4),
         "output: has 2 numbers, but the input has 3 spatial axes; write one number for all, or 3"},
    };
    for (size_t i = 0; i < sizeof sayings / sizeof *sayings; i++) {
        rig r;
        rig_open(&r, sayings[i].layer, false, sayings[i].params);
        if (rig_infer(&r, 1, &sayings[i].in))
            fail_msg("%s {%s} accepts its input", sayings[i].layer, sayings[i].params);
        assert_string_equal(r.error, sayings[i].error);
        rig_close(&r);
    }
}

static void test_warnings(void **state)
{
    (void)state;
    const saying sayings[] = {
        {"max_pool1d", "kernel: 3", shape3(1, 1, 8), "a stride of 3 drops the last 2 elements of 8\n"},
        {"max_pool1d", "kernel: 3, ceil_mode: true", shape3(1, 1, 8), ""},
        {"max_pool1d", "kernel: 3, padding: same", shape3(1, 1, 8), ""},
        {"avg_pool3d", "", shape5(1, 1, 3, 4, 4), "a stride of 2 drops the last slice of 3\n"},
        {"subsample", "", cvy_shape4(1, 1, 4, 5), "a stride of 2 drops the last column of 5\n"},
    };
    for (size_t i = 0; i < sizeof sayings / sizeof *sayings; i++) {
        rig r;
        rig_open(&r, sayings[i].layer, false, sayings[i].params);
        assert_true(rig_infer(&r, 1, &sayings[i].in));
        assert_string_equal(r.warnings, sayings[i].error);
        rig_close(&r);
    }
}

static void test_lower(void **state)
{
    (void)state;
    const saying sayings[] = {
        {"max_pool2d", "kernel: 3, stride: 2, ceil_mode: true", cvy_shape4(2, 3, 4, 5),
         "v0 = pool(x0) max kernel 3 3 stride 2 2 padding 0 0 1 0 count_padding 0\n-> v0\n"},
        {"max_pool2d", "kernel: 2, stride: 1, padding: same", cvy_shape4(2, 3, 4, 5),
         "v0 = pool(x0) max kernel 2 2 stride 1 1 padding 0 0 1 1 count_padding 0\n-> v0\n"},
        {"avg_pool1d", "kernel: 4, stride: 3, padding: 1, ceil_mode: true", shape3(2, 3, 3),
         "v0 = reshape(x0) (2, 3, 1, 3)\n"
         "v1 = pool(v0) avg kernel 1 4 stride 1 3 padding 0 1 0 3 count_padding 1\n"
         "v2 = reshape(v1) (2, 3, 2)\n-> v2\n"},
        {"global_max_pool", "", cvy_shape4(2, 3, 4, 5),
         "v0 = pool(x0) max kernel 4 5 stride 1 1 padding 0 0 0 0 count_padding 0\n"
         "v1 = reshape(v0) (2, 3)\n-> v1\n"},
        {"global_max_pool", "", shape5(2, 3, 2, 4, 5),
         "v0 = reshape(x0) (2, 3, 1, 40)\n"
         "v1 = pool(v0) max kernel 1 40 stride 1 1 padding 0 0 0 0 count_padding 0\n"
         "v2 = reshape(v1) (2, 3)\n-> v2\n"},
    };
    for (size_t i = 0; i < sizeof sayings / sizeof *sayings; i++) {
        rig r;
        text t = {0};
        rig_open(&r, sayings[i].layer, false, sayings[i].params);
        assert_true(rig_infer(&r, 1, &sayings[i].in));
        rig_lower(&r, &t);
        assert_string_equal(text_str(&t), sayings[i].error);
        text_free(&t);
        rig_close(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ceil_mode),    cmocka_unit_test(test_divisors),
        cmocka_unit_test(test_padding),      cmocka_unit_test(test_global),
        cmocka_unit_test(test_ties_and_nan), cmocka_unit_test(test_adaptive),
        cmocka_unit_test(test_subsample),    cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_warnings),     cmocka_unit_test(test_lower),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
