/* Layers whose own code works in blocks, on shapes that are longer than a block: against a layer that says the same in
 * simpler loops, and against sums written down here. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "harness.h"

static void open_filled(rig *r, const char *layer, const char *params, cvy_shape in)
{
    rig_open(r, layer, false, params);
    if (!rig_infer(r, 1, &in)) fail_msg("%s {%s}: %s", layer, params, r->error);
    rig_fill_all(r);
    rig_forward(r);
    rig_backward(r);
}

static void assert_close(const double *found, const double *expected, int64_t count, const char *what)
{
    for (int64_t i = 0; i < count; i++)
        if (!(fabs(found[i] - expected[i]) <= 1e-3 + 1e-5 * fabs(expected[i])))
            fail_msg("%s: number %d is %.9g, expected %.9g", what, (int)i, found[i], expected[i]);
}

/* The layer computes what the other one does, whose weights come in the same order. */
static void assert_same(const char *layer, const char *params, const char *other, const char *other_params,
                        cvy_shape in)
{
    rig a, b;
    open_filled(&a, layer, params, in);
    open_filled(&b, other, other_params, in);
    assert_int_equal(a.y.count, b.y.count);
    assert_close(a.y.v, b.y.v, a.y.count, params);
    assert_close(a.x[0].grad, b.x[0].grad, a.x[0].count, params);
    for (int i = 0; i < a.n_weights; i++) {
        assert_int_equal(a.weight[i].count, b.weight[i].count);
        assert_close(a.weight[i].grad, b.weight[i].grad, a.weight[i].count, params);
    }
    rig_close(&a);
    rig_close(&b);
}

static void test_masked_conv2d(void **state)
{
    (void)state;
    const char *whole = "mask: custom, taps: [1, 1, 1, 1, 1, 1, 1, 1, 1]";
    const struct {
        const char *params;
        cvy_shape in;
    } cases[] = {
        {"channels: 4, padding: 1", cvy_shape4(3, 2, 150, 150)},
        {"channels: 6, stride: [2, 3], dilation: [3, 2], padding: [4, 0, 1, 2], groups: 2",
         cvy_shape4(5, 4, 23, 31)},
        {"channels: 3, stride: 4, padding: 2, bias: false", cvy_shape4(40, 5, 17, 9)},
        {"channels: 40, padding: 1", cvy_shape4(2, 30, 5, 5)},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char params[256];
        snprintf(params, sizeof params, "%s, %s", cases[i].params, whole);
        assert_same("masked_conv2d", params, "conv2d", cases[i].params, cases[i].in);
    }
}

static void test_table_conv2d(void **state)
{
    (void)state;
    assert_same("table_conv2d", "table: custom, connections: [1, 1, 1, 1, 1, 1], kernel: 5, padding: 2",
                "conv2d", "channels: 2, kernel: 5, padding: 2", cvy_shape4(4, 3, 120, 90));
    assert_same("table_conv2d",
                "table: custom, connections: [1, 1, 1, 1, 1, 1, 1, 1], kernel: [4, 3], stride: 3", "conv2d",
                "channels: 4, kernel: [4, 3], stride: 3", cvy_shape4(70, 2, 20, 31));
}

/* Everything kept is a fully connected layer. */
static void test_drop_connect_whole(void **state)
{
    (void)state;
    const cvy_shape in[] = {cvy_shape2(9, 1100), cvy_shape2(70, 512), cvy_shape2(3, 31)};
    for (size_t i = 0; i < sizeof in / sizeof *in; i++) {
        assert_same("drop_connect", "units: 37, p: 0", "linear", "units: 37", in[i]);
        assert_same("drop_connect", "units: 37, p: 0, per: batch", "linear", "units: 37", in[i]);
    }
}

static double product(const tensor *t)
{
    double sum = 0;
    for (int64_t i = 0; i < t->count; i++) sum += t->v[i] * t->grad[i];
    return sum;
}

/* With whatever mask, outputs are linear in the weights and biases, and without biases in the inputs: gy y is gw w + gb b,
 * and gx x is gw w. */
static void test_drop_connect_masks(void **state)
{
    (void)state;
    const char *const params[] = {"units: 37, p: 0.5", "units: 37, p: 0.25, per: batch",
                                  "units: 70, p: 0.9, mask_bias: false"};
    for (size_t i = 0; i < sizeof params / sizeof *params; i++) {
        rig r;
        open_filled(&r, "drop_connect", params[i], cvy_shape2(13, 1100));
        const double all = product(&r.y), weights = product(&r.weight[0]), biases = product(&r.weight[1]);
        assert_true(fabs(weights) > 1);
        assert_true(fabs(all - weights - biases) < 1e-2);
        assert_true(fabs(product(&r.x[0]) - weights) < 1e-2);
        rig_close(&r);
    }
}

/* Along one axis: whether window i sees element x. */
typedef bool seen(int64_t i, int64_t x);

static bool seen_long(int64_t i, int64_t x)
{
    return x >= 3 * i - 100 && x < 3 * i - 100 + 700;
}

static bool seen_short(int64_t i, int64_t x)
{
    return x >= 2 * i - 1 && x < 2 * i + 2;
}

static bool seen_dilated(int64_t i, int64_t x)
{
    return x == 2 * i - 2 || x == 2 * i + 1 || x == 2 * i + 4;
}

static bool seen_thirds(int64_t i, int64_t x)
{
    return x >= i * 2000 / 3 && x < ((i + 1) * 2000 + 2) / 3;
}

static bool seen_many(int64_t i, int64_t x)
{
    return x >= i * 1300 / 700 && x < ((i + 1) * 1300 + 699) / 700;
}

static void check_pool(const char *layer, const char *params, int64_t length, seen *sees, bool largest)
{
    rig r;
    open_filled(&r, layer, params, (cvy_shape){3, {2, 3, length, 0, 0, 0}});
    const int64_t out = r.y.shape.dim[2];
    for (int64_t at = 0; at < r.y.count; at++) {
        double sum = 0, most = -INFINITY, count = 0;
        for (int64_t x = 0; x < length; x++) {
            if (!sees(at % out, x)) continue;
            const double v = r.x[0].v[at / out * length + x];
            sum += v;
            most = fmax(most, v);
            count++;
        }
        const double expected = largest ? most : sum / count;
        if (!(fabs(r.y.v[at] - expected) < 1e-5))
            fail_msg("%s {%s}: number %d is %.9g, expected %.9g", layer, params, (int)at, r.y.v[at],
                     expected);
    }
    /* means are linear, and a maximum is its element, which takes the gradient */
    assert_true(fabs(product(&r.x[0]) - product(&r.y)) < 1e-2);
    rig_close(&r);
}

static void test_pools(void **state)
{
    (void)state;
    check_pool("avg_pool1d", "kernel: 700, stride: 3, padding: 100, count_padding: false", 3000, seen_long,
               false);
    check_pool("avg_pool1d", "kernel: 3, stride: 2, padding: 1, count_padding: false", 1501, seen_short,
               false);
    check_pool("max_pool1d", "kernel: 3, stride: 2, padding: 1", 1501, seen_short, true);
    check_pool("max_pool1d", "kernel: 3, stride: 2, padding: 2, dilation: 3", 1500, seen_dilated, true);
    check_pool("adaptive_avg_pool", "output: [3]", 2000, seen_thirds, false);
    check_pool("adaptive_avg_pool", "output: [700]", 1300, seen_many, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_masked_conv2d),
        cmocka_unit_test(test_table_conv2d),
        cmocka_unit_test(test_drop_connect_whole),
        cmocka_unit_test(test_drop_connect_masks),
        cmocka_unit_test(test_pools),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
