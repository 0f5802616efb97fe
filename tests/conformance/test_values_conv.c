/* Convolutions worked by hand: a textbook's example, padding at the edges, transposed ones as the adjoint of plain ones,
 * masks, connection tables, the order of weights; what is said of shapes that do not fit; what the layers lower to. */
#include <inttypes.h>
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
}

static void set(tensor *t, const double *v, int64_t n)
{
    assert_int_equal(t->count, n);
    memcpy(t->v, v, (size_t)n * sizeof(double));
}

static void expect(const double *v, int64_t count, const double *wanted, int64_t n, const char *what)
{
    if (count != n) fail_msg("%s: %d numbers, expected %d", what, (int)count, (int)n);
    for (int64_t i = 0; i < n; i++)
        if (!(fabs(v[i] - wanted[i]) <= 1e-6))
            fail_msg("%s: number %d is %.7g, expected %.7g", what, (int)i, v[i], wanted[i]);
}

#define NUMBERS(...) \
    (const double[]){__VA_ARGS__}, (int64_t)(sizeof((double[]){__VA_ARGS__}) / sizeof(double))

/* On given inputs and weights, without bias: what comes out. */
static void gives(const char *layer, const char *params, cvy_shape in, const double *x, int64_t n_x,
                  const double *w, int64_t n_w, const double *y, int64_t n_y)
{
    rig r;
    open_on(&r, layer, params, in);
    set(&r.x[0], x, n_x);
    set(&r.weight[0], w, n_w);
    rig_forward(&r);
    expect(r.y.v, r.y.count, y, n_y, params);
    rig_close(&r);
}

/* ---- values ---- */

/* A worked example of a course: one filter over three channels, the kernel turned as in mathematics. */
static void test_textbook(void **state)
{
    (void)state;
    rig r;
    open_on(&r, "conv2d", "channels: 1, kernel: 3, padding: 1, mode: convolution", cvy_shape4(1, 3, 5, 5));
    set(&r.x[0], NUMBERS(6, 3, 4, 6, 2, 7, 4, 4, 6, 1, 2, 6, 2, 2, 7, 4, 3, 7, 7, 2, 5, 4, 1, 7, 3, //
                         5, 5, 1, 7, 3, 4, 0, 3, 1, 5, 4, 3, 0, 0, 2, 2, 6, 1, 7, 3, 3, 7, 6, 5, 5, //
                         6, 5, 2, 3, 6, 3, 7, 0, 2, 4, 2, 6, 4, 0, 6, 1, 3, 0, 3, 5, 1, 1, 0, 1, 4));
    set(&r.weight[0], NUMBERS(-1, 1, 1, 1, 1, 2, 0, -2, 1,    //
                              -1, 1, -1, -1, 1, 2, -1, -1, 1, //
                              -1, -1, 1, 1, -2, 2, 2, -1, 2));
    set(&r.weight[1], NUMBERS(1));
    rig_forward(&r);
    assert_int_equal(r.y.count, 25);
    expect(r.y.v, 5, NUMBERS(0, 34, 39, 23, 35), "first row");
    rig_close(&r);
}

static void test_padding(void **state)
{
    (void)state;
    const double x[] = {1, 2, 3, 4}, w[] = {1, 10, 100};
    /* Each place reads itself, its neighbour times 10, the next times 100. */
    gives("conv1d", "channels: 1, bias: false", shape3(1, 1, 4), x, 4, w, 3, NUMBERS(321, 432));
    gives("conv1d", "channels: 1, bias: false, padding: valid", shape3(1, 1, 4), x, 4, w, 3,
          NUMBERS(321, 432));
    gives("conv1d", "channels: 1, bias: false, padding: same", shape3(1, 1, 4), x, 4, w, 3,
          NUMBERS(210, 321, 432, 43));
    gives("conv1d", "channels: 1, bias: false, padding: [2, 0]", shape3(1, 1, 4), x, 4, w, 3,
          NUMBERS(100, 210, 321, 432));
    gives("conv1d", "channels: 1, bias: false, padding: [0, 1]", shape3(1, 1, 4), x, 4, w, 3,
          NUMBERS(321, 432, 43));
    /* An odd number of zeros: the one too many goes behind. */
    gives("conv1d", "channels: 1, bias: false, padding: same, stride: 2", shape3(1, 1, 4), x, 4, w, 3,
          NUMBERS(321, 43));
    gives("conv1d", "channels: 1, bias: false, padding: same, dilation: 2", shape3(1, 1, 4), x, 4, w, 3,
          NUMBERS(310, 420, 31, 42));
    gives("conv1d", "channels: 1, bias: false, padding: 1, mode: convolution", shape3(1, 1, 4), x, 4, w, 3,
          NUMBERS(12, 123, 234, 340));
    gives("conv2d", "channels: 1, kernel: [2, 1], bias: false, padding: [1, 0, 0, 2]", cvy_shape4(1, 1, 2, 2),
          x, 4, NUMBERS(1, 10), NUMBERS(10, 20, 0, 0, 31, 42, 0, 0));
    gives("conv3d", "channels: 1, kernel: [2, 1, 1], bias: false, padding: [0, 0, 0, 1, 0, 0]",
          shape5(1, 1, 2, 1, 2), x, 4, NUMBERS(1, 10), NUMBERS(31, 42, 3, 4));
}

/* Rows longer than what is computed at once. */
static void test_long_rows(void **state)
{
    (void)state;
    enum { LENGTH = 1300 };
    rig r;
    open_on(&r, "conv1d", "channels: 1, kernel: 2, bias: false", shape3(1, 1, LENGTH));
    for (int i = 0; i < LENGTH; i++) r.x[0].v[i] = i;
    for (int i = 0; i < LENGTH - 1; i++) r.y.grad[i] = i;
    set(&r.weight[0], NUMBERS(1, 2));
    rig_forward(&r);
    rig_backward(&r);
    for (int i = 0; i < LENGTH - 1; i++) assert_true(r.y.v[i] == 3 * i + 2);
    for (int i = 0; i < LENGTH; i++)
        assert_true(r.x[0].grad[i] == (i < LENGTH - 1 ? i : 0) + 2 * (i ? i - 1 : 0));
    rig_close(&r);
}

static void test_transposed(void **state)
{
    (void)state;
    const double x[] = {1, 2, 3}, w[] = {1, 10, 100};
    const cvy_shape in = cvy_shape4(1, 1, 1, 3);
    gives("conv_transpose2d", "channels: 1, kernel: [1, 3], bias: false", in, x, 3, w, 3,
          NUMBERS(1, 12, 123, 230, 300));
    gives("conv_transpose2d", "channels: 1, kernel: [1, 3], stride: [1, 2], bias: false", in, x, 3, w, 3,
          NUMBERS(1, 10, 102, 20, 203, 30, 300));
    gives("conv_transpose2d", "channels: 1, kernel: [1, 3], stride: [1, 2], padding: [0, 1], bias: false", in,
          x, 3, w, 3, NUMBERS(10, 102, 20, 203, 30));
    gives("conv_transpose2d",
          "channels: 1, kernel: [1, 3], stride: [1, 2], padding: [0, 1], output_padding: [0, 1], bias: false",
          in, x, 3, w, 3, NUMBERS(10, 102, 20, 203, 30, 300));
    gives("conv_transpose2d", "channels: 1, kernel: [1, 3], stride: [1, 2], padding: same, bias: false", in,
          x, 3, w, 3, NUMBERS(1, 10, 102, 20, 203, 30));
    gives("conv_transpose2d", "channels: 1, kernel: 1, stride: [1, 3], padding: same, bias: false", in, x, 3,
          NUMBERS(5), NUMBERS(5, 0, 0, 10, 0, 0, 15, 0, 0));
    gives("conv_transpose3d", "channels: 1, kernel: [2, 1, 1], dilation: [2, 1, 1], bias: false",
          shape5(1, 1, 1, 1, 3), x, 3, NUMBERS(1, 10), NUMBERS(1, 2, 3, 0, 0, 0, 10, 20, 30));
}

/* A transposed convolution is what a convolution of the same weights does to its gradient. */
static void check_adjoint(const char *forth, const char *back, const char *f_params, const char *b_params,
                          cvy_shape in)
{
    rig f, b;
    open_on(&f, forth, f_params, in);
    rig_fill_all(&f);
    rig_forward(&f);
    rig_backward(&f);
    open_on(&b, back, b_params, f.y.shape);
    for (int d = 0; d < CVY_MAX_RANK; d++) {
        assert_int_equal(b.y.shape.dim[d], f.x[0].shape.dim[d]);
        assert_int_equal(b.weight[0].shape.dim[d], f.weight[0].shape.dim[d]);
    }
    set(&b.x[0], f.y.grad, f.y.count);
    set(&b.weight[0], f.weight[0].v, f.weight[0].count);
    memcpy(b.y.grad, f.x[0].v, (size_t)f.x[0].count * sizeof(double));
    rig_forward(&b);
    rig_backward(&b);
    expect(b.y.v, b.y.count, f.x[0].grad, f.x[0].count, b_params);
    expect(b.x[0].grad, b.x[0].count, f.y.v, f.y.count, b_params);
    expect(b.weight[0].grad, b.weight[0].count, f.weight[0].grad, f.weight[0].count, b_params);
    rig_close(&f);
    rig_close(&b);
}

static void test_adjoint(void **state)
{
    (void)state;
    check_adjoint(
        "conv2d", "conv_transpose2d",
        "channels: 4, kernel: [3, 2], stride: [2, 3], padding: [1, 0, 0, 1], groups: 2, bias: false",
        "channels: 6, kernel: [3, 2], stride: [2, 3], padding: [1, 0, 0, 1], groups: 2, bias: false",
        cvy_shape4(2, 6, 8, 7));
    check_adjoint("conv2d", "conv_transpose2d",
                  "channels: 4, kernel: 3, stride: 2, padding: same, bias: false",
                  "channels: 3, kernel: 3, stride: 2, padding: same, bias: false", cvy_shape4(2, 3, 6, 8));
    check_adjoint(
        "conv3d", "conv_transpose3d",
        "channels: 2, kernel: [2, 3, 1], stride: [1, 2, 2], padding: [0, 1, 0], dilation: [2, 1, 1], bias: "
        "false",
        "channels: 3, kernel: [2, 3, 1], stride: [1, 2, 2], padding: [0, 1, 0], dilation: [2, 1, 1], "
        "output_padding: [0, 1, 0], bias: false",
        shape5(2, 3, 4, 6, 5));
}

/* The weights of a linear layer behind `flatten` are those of a convolution as large as the map. */
static void test_linear_order(void **state)
{
    (void)state;
    rig conv, linear;
    open_on(&conv, "conv2d", "channels: 5, kernel: [3, 4]", cvy_shape4(2, 6, 3, 4));
    open_on(&linear, "linear", "units: 5", cvy_shape2(2, 72));
    rig_fill_all(&conv);
    set(&linear.x[0], conv.x[0].v, conv.x[0].count);
    for (int k = 0; k < 2; k++) set(&linear.weight[k], conv.weight[k].v, conv.weight[k].count);
    rig_forward(&conv);
    rig_forward(&linear);
    for (int64_t i = 0; i < 10; i++) assert_true(fabs(conv.y.v[i] - linear.y.v[i]) < 1e-4);
    rig_close(&conv);
    rig_close(&linear);
}

static void test_depthwise(void **state)
{
    (void)state;
    gives("depthwise_conv2d", "multiplier: 2, kernel: 1, bias: false", cvy_shape4(1, 2, 1, 2),
          NUMBERS(1, 2, 30, 40), NUMBERS(1, 2, 3, 4), NUMBERS(1, 2, 2, 4, 90, 120, 120, 160));
}

/* ---- masks ---- */

/* Which taps have a gradient, row by row; the others must have no influence even as NaN. */
static void check_mask(const char *params, const char *taps)
{
    rig r;
    char found[128] = "";
    open_on(&r, "masked_conv2d", params, cvy_shape4(1, 1, 9, 9));
    rig_fill_all(&r);
    for (int64_t i = 0; i < r.x[0].count; i++) r.x[0].v[i] = 1;
    for (int64_t i = 0; i < r.y.count; i++) r.y.grad[i] = 1;
    rig_backward(&r);
    const int64_t width = r.weight[0].shape.dim[3];
    int64_t live = 0;
    for (int64_t k = 0; k < r.weight[0].count; k++) {
        const bool counts = r.weight[0].grad[k] != 0;
        if (k && k % width == 0) strcat(found, "/");
        strcat(found, counts ? "1" : "0");
        live += counts;
        if (!counts) r.weight[0].v[k] = NAN;
    }
    assert_string_equal(found, taps);
    assert_true(fabs(r.weight[0].init.a - 1 / sqrt((double)live)) < 1e-12);
    assert_int_equal(r.macs, live * r.y.count);
    rig_forward(&r);
    rig_backward(&r);
    for (int64_t i = 0; i < r.y.count; i++) assert_true(isfinite(r.y.v[i]));
    for (int64_t i = 0; i < r.x[0].count; i++) assert_true(isfinite(r.x[0].grad[i]));
    rig_close(&r);
}

static void test_masks(void **state)
{
    (void)state;
    check_mask("channels: 1, mask: cross", "010/111/010");
    check_mask("channels: 1, mask: cross, kernel: [1, 3]", "111");
    check_mask("channels: 1, mask: star, kernel: 5", "10101/01110/11111/01110/10101");
    check_mask("channels: 1, mask: diamond, kernel: 5", "00100/01110/11111/01110/00100");
    check_mask("channels: 1, mask: diamond, kernel: [3, 5]", "00100/11111/00100");
    check_mask("channels: 1, mask: circle, kernel: 5", "01110/11111/11111/11111/01110");
    check_mask("channels: 1, mask: circle, kernel: 7",
               "0011100/0111110/1111111/1111111/1111111/0111110/0011100");
    check_mask("channels: 1, mask: frame, kernel: 4", "1111/1001/1001/1111");
    check_mask("channels: 1, mask: checkerboard", "101/010/101");
    check_mask("channels: 1, mask: causal_a", "111/100/000");
    check_mask("channels: 1, mask: causal_b, kernel: 5, padding: 2", "11111/11111/11100/00000/00000");
    check_mask("channels: 1, mask: custom, kernel: [2, 3], taps: [1, 0, 1, 0, 1, 0]", "101/010");
}

/* ---- tables ---- */

static void test_lenet5(void **state)
{
    (void)state;
    rig r;
    open_on(&r, "table_conv2d", "table: lenet5_c3, kernel: 5", cvy_shape4(1, 6, 14, 14));
    assert_int_equal(r.y.shape.dim[1], 16);
    assert_int_equal(r.y.shape.dim[2], 10);
    assert_int_equal(r.weight[0].shape.dim[0], 60);
    assert_int_equal(r.weight[0].count + r.weight[1].count, 1516); /* the paper's number */
    assert_int_equal(r.macs, 1500 * 100);
    rig_close(&r);

    /* With weights of 1 an output map sums its input maps, here 1, 10, 100, ... */
    open_on(&r, "table_conv2d", "table: lenet5_c3, kernel: 1, bias: false", cvy_shape4(1, 6, 1, 1));
    set(&r.x[0], NUMBERS(1, 10, 100, 1000, 10000, 100000));
    for (int64_t k = 0; k < 60; k++) r.weight[0].v[k] = 1;
    rig_forward(&r);
    expect(r.y.v, 16,
           NUMBERS(111, 1110, 11100, 111000, 110001, 100011, 1111, 11110, 111100, 111001, 110011, 100111,
                   11011, 110110, 101101, 111111),
           "table I");
    rig_close(&r);
}

/* Kernels lie in the order of output map, then input map. */
static void test_table_order(void **state)
{
    (void)state;
    rig r;
    open_on(&r, "table_conv2d",
            "table: custom, connections: [0, 1, 1, 1, 0, 0, 1, 1, 1], kernel: 1, bias: false",
            cvy_shape4(1, 3, 1, 1));
    set(&r.x[0], NUMBERS(1, 10, 100));
    set(&r.weight[0], NUMBERS(1, 2, 3, 4, 5, 6));
    r.y.grad[0] = 1, r.y.grad[1] = 2, r.y.grad[2] = 3;
    rig_forward(&r);
    rig_backward(&r);
    expect(r.y.v, 3, NUMBERS(210, 3, 654), "y");
    expect(r.x[0].grad, 3, NUMBERS(6 + 12, 1 + 15, 2 + 18), "gx");
    expect(r.weight[0].grad, 6, NUMBERS(10, 100, 2, 3, 30, 300), "gw");
    rig_close(&r);

    open_on(&r, "table_conv2d", "table: custom, connections: [1, 0, 1, 0], bias: false",
            cvy_shape4(1, 2, 3, 3));
    assert_string_equal(r.warnings, "input map 1 is read by no output map\n");
    rig_close(&r);
}

/* ---- what is declared, and refused ---- */

static void test_initial_values(void **state)
{
    (void)state;
    static const struct {
        const char *layer, *params;
        cvy_shape in;
        int64_t shape[5];
        double fan_in;
        int64_t macs;
    } cases[] = {
        {"conv1d", "channels: 6, kernel: 5, groups: 2", {3, {3, 4, 9}}, {6, 2, 5}, 10, 6 * 2 * 5 * 5},
        {"conv3d", "channels: 6, kernel: [1, 2, 3]", {5, {3, 4, 5, 5, 5}}, {6, 4, 1, 2, 3}, 24, 6 * 24 * 60},
        {"depthwise_conv2d",
         "multiplier: 3, kernel: [2, 5]",
         {4, {3, 4, 6, 6}},
         {12, 1, 2, 5},
         10,
         12 * 10 * 10},
        /* PyTorch: fan_in of (C, O/groups, kernel) is O/groups times the kernel */
        {"conv_transpose2d",
         "channels: 6, groups: 2, stride: 2",
         {4, {3, 4, 5, 5}},
         {4, 3, 3, 3},
         27,
         4 * 27 * 25},
        {"conv_transpose3d",
         "channels: 2, kernel: [1, 2, 3]",
         {5, {3, 4, 5, 5, 5}},
         {4, 2, 1, 2, 3},
         12,
         4 * 12 * 125},
        {"masked_conv2d", "channels: 6, mask: cross", {4, {3, 4, 5, 5}}, {6, 4, 3, 3}, 20, 6 * 20 * 9},
        {"table_conv2d", "table: lenet5_c3", {4, {3, 6, 5, 5}}, {60, 3, 3}, 3.75 * 9, 540 * 9},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        rig r;
        open_on(&r, cases[i].layer, cases[i].params, cases[i].in);
        for (int d = 0; d < 5; d++) assert_int_equal(r.weight[0].shape.dim[d], cases[i].shape[d]);
        for (int k = 0; k < 2; k++) {
            assert_int_equal(r.weight[k].init.kind, CVY_INIT_UNIFORM);
            assert_true(fabs(r.weight[k].init.a - 1 / sqrt(cases[i].fan_in)) < 1e-12);
        }
        assert_int_equal(r.macs, cases[i].macs);
        assert_int_equal(r.traits, CVY_READS_X);
        rig_close(&r);
    }
}

static void refuses(const char *layer, const char *params, cvy_shape in, const char *error)
{
    rig r;
    rig_open(&r, layer, false, params);
    if (rig_infer(&r, 1, &in)) fail_msg("%s {%s} accepts its input", layer, params);
    assert_string_equal(r.error, error);
    rig_close(&r);
}

static void test_refusals(void **state)
{
    (void)state;
    const cvy_shape maps = cvy_shape4(2, 6, 8, 8);
    refuses("conv1d", "channels: 8", cvy_shape2(2, 64),
            "expects sequences (N, C, L) and got (N, 64); convolve before `flatten`, `global_avg_pool` or "
            "`linear`");
    refuses("conv1d", "channels: 8", maps,
            "expects sequences (N, C, L) and got (N, 6, 8, 8); use the layer for 2 spatial axes");
    refuses("conv3d", "channels: 8", shape3(2, 6, 8),
            "expects volumes (N, C, D, H, W) and got (N, 6, 8); use the layer for 1 spatial axis");
    refuses("conv1d", "channels: 8, kernel: 5, padding: [1, 0]", shape3(2, 6, 3),
            "kernel: 5 spans 5 steps, more than the input's 3 (4 with padding); use a smaller kernel, more "
            "padding, "
            "or less downsampling before");
    refuses(
        "conv3d", "channels: 8, dilation: 3", shape5(2, 6, 7, 6, 7),
        "kernel: 3x3x3 dilated spans 7x7x7 voxels, more than the input's 7x6x7 (7x6x7 with padding); use a "
        "smaller kernel, more padding, or less downsampling before");
    refuses("depthwise_conv2d", "kernel: 9", maps,
            "kernel: 9x9 spans 9x9 pixels, more than the input's 8x8 (8x8 with padding); use a smaller "
            "kernel, more "
            "padding, or less downsampling before");
    refuses("depthwise_conv2d", "multiplier: 4096", cvy_shape4(1, INT64_C(1) << 60, 1, 1),
            "multiplier: 4096 of 1152921504606846976 input channels are too large to compute");

    refuses("conv_transpose2d", "channels: 8, groups: 4", maps, "groups: 4 does not divide 6 input channels");
    refuses("conv_transpose2d", "channels: 8, groups: 3", maps, "groups: 3 does not divide channels: 8");
    refuses("conv_transpose2d", "channels: 8, padding: 5", cvy_shape4(1, 6, 1, 1),
            "padding: 5 and 5 take away all 3 pixels of the output; use less padding");
    refuses("conv_transpose2d", "channels: 8, stride: 2, output_padding: [0, 2]", maps,
            "output_padding: 2 must be smaller than the stride of 2 or the dilation of 1; what lies beyond "
            "is out of "
            "every kernel's reach");
    refuses("conv_transpose2d", "channels: 8, stride: 2, output_padding: 1, padding: same", maps,
            "output_padding: 1 does not go with `padding: same`, which makes the output input times stride");
    refuses("conv_transpose2d", "channels: 1, stride: 1023", cvy_shape4(1, 1, INT64_C(1) << 55, 1),
            "stride: 1023 makes the output too large to compute");
    refuses("conv_transpose3d", "channels: 1048576, stride: 1023", shape5(1, 1, 1 << 20, 1 << 20, 1),
            "channels: 1048576 of 1072692228x1072692228x3 voxels are too large to compute");

    refuses("masked_conv2d", "channels: 8, mask: cross, kernel: [3, 4]", maps,
            "mask: cross has a middle, a kernel of 3x4 has none; use odd sizes");
    refuses("masked_conv2d", "channels: 8, mask: causal_a, kernel: 1", maps,
            "mask: causal_a leaves no tap of a kernel of 1x1");
    refuses("masked_conv2d", "channels: 8, mask: custom, kernel: [1, 2], taps: [0, 0]", maps,
            "mask: custom leaves no tap of a kernel of 1x2");
    refuses("masked_conv2d", "channels: 8, mask: custom, taps: [1, 0]", maps,
            "taps: 2 numbers for a kernel of 3x3; `mask: custom` needs 9");
    refuses("masked_conv2d", "channels: 8, mask: star, taps: [1, 0]", maps,
            "taps: go with `mask: custom`, not with `mask: star`; remove one of them");

    refuses("table_conv2d", "table: lenet5_c3", cvy_shape4(1, 5, 8, 8),
            "table: lenet5_c3 connects 6 input maps, not 5; use `table: custom`");
    refuses("table_conv2d", "table: lenet5_c3, connections: [1]", maps,
            "connections: go with `table: custom`, not with `table: lenet5_c3`; remove one of them");
    refuses("table_conv2d", "table: custom, connections: [1, 0, 1, 1]", maps,
            "connections: 4 numbers are not whole rows of 6, the input maps; write a row of zeros and ones "
            "per output "
            "map");
    refuses("table_conv2d", "table: custom, connections: [1, 0, 0, 0]", cvy_shape4(1, 2, 8, 8),
            "connections: output map 1 reads no input map; its row needs a 1");
}

static int any_weight(cvy_infer *in, const char *name, const cvy_shape *shape, cvy_init init)
{
    int64_t count = 1;
    (void)in, (void)name, (void)init;
    for (int d = 0; d < shape->rank; d++) assert_false(__builtin_mul_overflow(count, shape->dim[d], &count));
    return 0;
}

__attribute__((format(printf, 2, 3))) static void any_warning(cvy_infer *in, const char *fmt, ...)
{
    (void)in, (void)fmt;
}

/* Huge parameters on huge shapes either fit or are refused; nothing overflows (the sanitizers watch). */
static void test_huge(void **state)
{
    (void)state;
    static const char *const layers[][2] = {
        {"conv1d", "channels: 1048576, kernel: 1023, padding: 1023, dilation: 1023"},
        {"conv1d", "channels: 1048576, kernel: 1023, padding: same, dilation: 1023, stride: 1023"},
        {"conv3d", "channels: 1048576, kernel: 1023, padding: 1023, dilation: 1023"},
        {"conv3d", "channels: 1048576, groups: 1048576, padding: same, stride: 1023"},
        {"depthwise_conv2d", "multiplier: 4096, kernel: 1023, padding: 1023"},
        {"conv_transpose2d",
         "channels: 1048576, kernel: 1023, dilation: 1023, stride: 1023, output_padding: 1022"},
        {"conv_transpose2d", "channels: 1048576, padding: same, stride: 1023"},
        {"conv_transpose2d", "channels: 1, kernel: 1, padding: 1023"},
        {"conv_transpose3d",
         "channels: 1048576, kernel: 1023, dilation: 1023, stride: 1023, output_padding: 1022"},
        {"masked_conv2d", "channels: 1048576, mask: circle, kernel: 1023, padding: 1023"},
        {"table_conv2d", "table: custom, connections: [1, 1, 1], kernel: 1023, padding: 1023"},
    };
    static const int64_t huge = INT64_C(1) << 40, many = 1048576;
    for (size_t i = 0; i < sizeof layers / sizeof layers[0]; i++)
        for (int k = 0; k < 12; k++) {
            const int rank = 3 + k / 4;
            const int64_t sides[4][3] = {{huge, 1, 1}, {1, 1, 1}, {huge / 8, 2, 4}, {1024, 1024, 1024}};
            cvy_shape shape = {rank, {k % 4 == 3 ? many : 1, k % 4 % 2 ? many : 1}};
            for (int d = 2; d < rank; d++) shape.dim[d] = sides[k % 4][d - 2];
            if (k % 4 == 3 && rank == 5) shape.dim[0] = 1024;
            rig r;
            rig_open(&r, layers[i][0], false, layers[i][1]);
            cvy_infer in = {.host = &r.host,
                            .core = &r,
                            .n_in = 1,
                            .in = &shape,
                            .weight = any_weight,
                            .warn = any_warning};
            if (r.layer->infer(&in, r.config) == 0) {
                int64_t count = 1;
                for (int d = 0; d < in.out.rank; d++) {
                    assert_true(in.out.dim[d] >= 1);
                    assert_false(__builtin_mul_overflow(count, in.out.dim[d], &count));
                }
                assert_true(in.macs >= 0 && in.scratch_bytes >= 0);
            } else {
                assert_true(r.error[0]);
            }
            rig_close(&r);
        }
}

/* ---- lower and build ---- */

static void lowers(const char *layer, const char *params, cvy_shape in, const char *expected)
{
    rig r;
    text t = {0};
    open_on(&r, layer, params, in);
    rig_lower(&r, &t);
    assert_string_equal(text_str(&t), expected);
    text_free(&t);
    rig_close(&r);
}

static void test_lower(void **state)
{
    (void)state;
    lowers("conv2d", "channels: 4, padding: [0, 1, 2, 3]", cvy_shape4(2, 6, 9, 8),
           "v0 = conv(x0, w0, w1) stride 1 1 dilation 1 1 padding 0 1 2 3 groups 1 flip 0\n-> v0\n");
    lowers("conv2d", "channels: 4, kernel: [3, 2], padding: same, stride: 2", cvy_shape4(2, 6, 8, 9),
           "v0 = conv(x0, w0, w1) stride 2 2 dilation 1 1 padding 0 0 1 1 groups 1 flip 0\n-> v0\n");
    lowers("depthwise_conv2d", "multiplier: 2, bias: false", cvy_shape4(2, 6, 9, 8),
           "v0 = conv(x0, w0) stride 1 1 dilation 1 1 padding 0 0 0 0 groups 6 flip 0\n-> v0\n");
    lowers("conv1d", "channels: 4, kernel: 5, stride: 2, dilation: 3, padding: [1, 4], mode: convolution",
           shape3(2, 6, 20),
           "v0 = reshape(x0) (2, 6, 1, 20)\n"
           "v1 = conv(v0, w0, w1) stride 1 2 dilation 1 3 padding 0 1 0 4 groups 1 flip 1\n"
           "v2 = reshape(v1) (2, 4, 7)\n-> v2\n");
    lowers("conv_transpose2d",
           "channels: 4, groups: 2, stride: [2, 3], padding: [0, 1, 2, 3], output_padding: 1",
           cvy_shape4(2, 6, 9, 8),
           "v0 = conv_transpose(x0, w0) stride 2 3 dilation 1 1 padding 0 1 2 3 groups 2 flip 0 size 18 21\n"
           "v1 = bias(v0, w1)\n-> v1\n");
    lowers("conv_transpose2d", "channels: 4, kernel: 2, dilation: 2, stride: 2, padding: same, bias: false",
           cvy_shape4(2, 6, 9, 8),
           "v0 = conv_transpose(x0, w0) stride 2 2 dilation 2 2 padding 0 0 1 1 groups 1 flip 0 size 18 16\n"
           "-> v0\n");
}

static void builds(const char *layer, const char *params, cvy_shape in, const char *expected)
{
    rig r;
    text t = {0};
    rig_open(&r, layer, false, params);
    rig_build(&r, 1, &in, &t);
    assert_string_equal(r.error, "");
    assert_string_equal(text_str(&t), expected);
    text_free(&t);
    rig_close(&r);
}

static void test_build(void **state)
{
    (void)state;
    builds("separable_conv2d", "channels: 4, kernel: [3, 5], stride: 2, padding: [1, 2]",
           cvy_shape4(2, 6, 9, 8),
           "1 = depthwise depthwise_conv2d(0) {multiplier: 1, kernel: [3, 5], stride: [2, 2], padding: [1, "
           "2, 1, 2], "
           "dilation: [1, 1], bias: false} (2, 6, 5, 4)\n"
           "2 = pointwise conv2d(1) {channels: 4, kernel: 1, bias: true} (2, 4, 5, 4)\n-> 2\n");
    builds("separable_conv1d", "channels: 4, multiplier: 2, padding: same, bias: false", shape3(2, 6, 9),
           "1 = depthwise conv1d(0) {channels: 12, groups: 6, kernel: 3, stride: 1, padding: same, dilation: "
           "1, bias: "
           "false} (2, 12, 9)\n"
           "2 = pointwise conv1d(1) {channels: 4, kernel: 1, bias: false} (2, 4, 9)\n-> 2\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_textbook),       cmocka_unit_test(test_padding),
        cmocka_unit_test(test_long_rows),      cmocka_unit_test(test_transposed),
        cmocka_unit_test(test_adjoint),        cmocka_unit_test(test_linear_order),
        cmocka_unit_test(test_depthwise),      cmocka_unit_test(test_masks),
        cmocka_unit_test(test_lenet5),         cmocka_unit_test(test_table_order),
        cmocka_unit_test(test_initial_values), cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_huge),           cmocka_unit_test(test_lower),
        cmocka_unit_test(test_build),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
