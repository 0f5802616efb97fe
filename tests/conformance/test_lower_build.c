/* What the layers say in operators, and what composites are made of. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "harness.h"

#define MAPS(n, c, h, w)     \
    {                        \
        4,                   \
        {                    \
            n, c, h, w, 0, 0 \
        }                    \
    }
#define VECTORS(n, f)        \
    {                        \
        2,                   \
        {                    \
            n, f, 0, 0, 0, 0 \
        }                    \
    }

typedef struct lowering {
    const char *layer, *params;
    bool train;
    int32_t n_in;
    cvy_shape in[3];
    const char *text;
} lowering;

static const lowering lowerings[] = {
    {"conv2d",
     "channels: 4, kernel: [3, 5], stride: [1, 2], padding: [0, 2], dilation: [1, 3], groups: 2",
     true,
     1,
     {MAPS(2, 6, 20, 20)},
     "v0 = conv(x0, w0, w1) stride 1 2 dilation 1 3 padding 0 2 0 2 groups 2 flip 0\n-> v0\n"},
    {"conv2d",
     "channels: 4, bias: false, mode: convolution",
     true,
     1,
     {MAPS(2, 6, 20, 20)},
     "v0 = conv(x0, w0) stride 1 1 dilation 1 1 padding 0 0 0 0 groups 1 flip 1\n-> v0\n"},
    {"linear", "units: 3", true, 1, {VECTORS(2, 5)}, "v0 = linear(x0, w0, w1)\n-> v0\n"},
    {"linear", "units: 3, bias: false", true, 1, {VECTORS(2, 5)}, "v0 = linear(x0, w0)\n-> v0\n"},
    {"relu", "", true, 1, {VECTORS(2, 5)}, "v0 = act(x0) function 1\n-> v0\n"},
    {"max_pool2d",
     "kernel: [2, 3], padding: [0, 1]",
     true,
     1,
     {MAPS(2, 6, 8, 9)},
     "v0 = pool(x0) max kernel 2 3 stride 2 3 padding 0 1 0 1 count_padding 0\n-> v0\n"},
    {"avg_pool2d",
     "kernel: 3, stride: [2, 0], padding: 1",
     true,
     1,
     {MAPS(2, 6, 9, 9)},
     "v0 = pool(x0) avg kernel 3 3 stride 2 3 padding 1 1 1 1 count_padding 1\n-> v0\n"},
    {"avg_pool2d",
     "count_padding: false",
     true,
     1,
     {MAPS(2, 6, 8, 8)},
     "v0 = pool(x0) avg kernel 2 2 stride 2 2 padding 0 0 0 0 count_padding 0\n-> v0\n"},
    {"global_avg_pool", "", true, 1, {MAPS(2, 6, 8, 9)}, "v0 = gap(x0)\n-> v0\n"},
    {"flatten", "", true, 1, {MAPS(2, 6, 2, 3)}, "v0 = reshape(x0) (2, 36)\n-> v0\n"},
    {"batch_norm",
     "",
     true,
     1,
     {MAPS(2, 6, 2, 3)},
     "v0 = bn_stats(x0, b0, b1) eps 1e-05 momentum 0.1\nv1 = bn_apply(x0, v0, w0, w1) eps 1e-05 momentum "
     "0.1\n-> v1\n"},
    {"batch_norm",
     "eps: 1e-3",
     false,
     1,
     {MAPS(2, 6, 2, 3)},
     "v0 = bn_apply(x0, b0, b1, w0, w1) eps 0.001 momentum 0.1\n-> v0\n"},
    {"dropout", "p: 0.3", true, 1, {VECTORS(2, 5)}, "v0 = dropout(x0) p 0.3\n-> v0\n"},
    {"dropout", "p: 0.3", false, 1, {VECTORS(2, 5)}, "-> x0\n"},
    {"add", "", true, 3, {VECTORS(2, 5), VECTORS(2, 5), VECTORS(2, 5)}, "v0 = add(x0, x1, x2)\n-> v0\n"},
    {"concat", "", true, 2, {VECTORS(2, 5), VECTORS(2, 3)}, "v0 = concat(x0, x1)\n-> v0\n"},
    {"shortcut_pad",
     "channels: 9, stride: [1, 2]",
     true,
     1,
     {MAPS(2, 6, 8, 8)},
     "v0 = shortcut_pad(x0) stride 1 2 before 1 after 2\n-> v0\n"},
};

static void test_lower(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof lowerings / sizeof lowerings[0]; i++) {
        const lowering *c = &lowerings[i];
        rig r;
        text t = {0};
        rig_open(&r, c->layer, false, c->params);
        if (!rig_infer(&r, c->n_in, c->in)) fail_msg("%s: %s", c->layer, r.error);
        r.train = c->train;
        rig_lower(&r, &t);
        assert_string_equal(text_str(&t), c->text);
        text_free(&t);
        rig_close(&r);
    }
}

static void check_build(const char *layer, const char *params, cvy_shape in, const char *expected)
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

static void test_residual(void **state)
{
    (void)state;
    check_build("residual", "channels: 16, blocks: 2", cvy_shape4(2, 16, 8, 8),
                "1 = block0.conv1 conv2d(0) {channels: 16, kernel: 3, stride: [1, 1], padding: 1, bias: "
                "false} (2, 16, 8, 8)\n"
                "2 = block0.bn1 batch_norm(1) (2, 16, 8, 8)\n"
                "3 = block0.relu1 relu(2) (2, 16, 8, 8)\n"
                "4 = block0.conv2 conv2d(3) {channels: 16, kernel: 3, stride: [1, 1], padding: 1, bias: "
                "false} (2, 16, 8, 8)\n"
                "5 = block0.bn2 batch_norm(4) (2, 16, 8, 8)\n"
                "6 = block0.add add(5, 0) (2, 16, 8, 8)\n"
                "7 = block0.relu2 relu(6) (2, 16, 8, 8)\n"
                "8 = block1.conv1 conv2d(7) {channels: 16, kernel: 3, stride: [1, 1], padding: 1, bias: "
                "false} (2, 16, 8, 8)\n"
                "9 = block1.bn1 batch_norm(8) (2, 16, 8, 8)\n"
                "10 = block1.relu1 relu(9) (2, 16, 8, 8)\n"
                "11 = block1.conv2 conv2d(10) {channels: 16, kernel: 3, stride: [1, 1], padding: 1, bias: "
                "false} (2, 16, 8, 8)\n"
                "12 = block1.bn2 batch_norm(11) (2, 16, 8, 8)\n"
                "13 = block1.add add(12, 7) (2, 16, 8, 8)\n"
                "14 = block1.relu2 relu(13) (2, 16, 8, 8)\n"
                "-> 14\n");
    check_build("residual", "channels: 32, stride: 2, blocks: 2", cvy_shape4(2, 16, 9, 8),
                "1 = block0.conv1 conv2d(0) {channels: 32, kernel: 3, stride: [2, 2], padding: 1, bias: "
                "false} (2, 32, 5, 4)\n"
                "2 = block0.bn1 batch_norm(1) (2, 32, 5, 4)\n"
                "3 = block0.relu1 relu(2) (2, 32, 5, 4)\n"
                "4 = block0.conv2 conv2d(3) {channels: 32, kernel: 3, stride: [1, 1], padding: 1, bias: "
                "false} (2, 32, 5, 4)\n"
                "5 = block0.bn2 batch_norm(4) (2, 32, 5, 4)\n"
                "6 = block0.shortcut.conv conv2d(0) {channels: 32, kernel: 1, stride: [2, 2], padding: 0, "
                "bias: false} (2, 32, 5, 4)\n"
                "7 = block0.shortcut.bn batch_norm(6) (2, 32, 5, 4)\n"
                "8 = block0.add add(5, 7) (2, 32, 5, 4)\n"
                "9 = block0.relu2 relu(8) (2, 32, 5, 4)\n"
                "10 = block1.conv1 conv2d(9) {channels: 32, kernel: 3, stride: [1, 1], padding: 1, bias: "
                "false} (2, 32, 5, 4)\n"
                "11 = block1.bn1 batch_norm(10) (2, 32, 5, 4)\n"
                "12 = block1.relu1 relu(11) (2, 32, 5, 4)\n"
                "13 = block1.conv2 conv2d(12) {channels: 32, kernel: 3, stride: [1, 1], padding: 1, bias: "
                "false} (2, 32, 5, 4)\n"
                "14 = block1.bn2 batch_norm(13) (2, 32, 5, 4)\n"
                "15 = block1.add add(14, 9) (2, 32, 5, 4)\n"
                "16 = block1.relu2 relu(15) (2, 32, 5, 4)\n"
                "-> 16\n");
    check_build("residual", "channels: 32, stride: 2, shortcut: pad", cvy_shape4(2, 16, 9, 8),
                "1 = block0.conv1 conv2d(0) {channels: 32, kernel: 3, stride: [2, 2], padding: 1, bias: "
                "false} (2, 32, 5, 4)\n"
                "2 = block0.bn1 batch_norm(1) (2, 32, 5, 4)\n"
                "3 = block0.relu1 relu(2) (2, 32, 5, 4)\n"
                "4 = block0.conv2 conv2d(3) {channels: 32, kernel: 3, stride: [1, 1], padding: 1, bias: "
                "false} (2, 32, 5, 4)\n"
                "5 = block0.bn2 batch_norm(4) (2, 32, 5, 4)\n"
                "6 = block0.shortcut.pad shortcut_pad(0) {channels: 32, stride: [2, 2]} (2, 32, 5, 4)\n"
                "7 = block0.add add(5, 6) (2, 32, 5, 4)\n"
                "8 = block0.relu2 relu(7) (2, 32, 5, 4)\n"
                "-> 8\n");
}

static void test_inception(void **state)
{
    (void)state;
    /* inception (3a) of GoogLeNet, Szegedy et al. 2015, table 1 */
    check_build(
        "inception",
        "n1x1: 64, n3x3_reduce: 96, n3x3: 128, n5x5_reduce: 16, n5x5: 32, pool_proj: 32, batch_norm: false",
        cvy_shape4(1, 192, 28, 28),
        "1 = branch1x1.conv conv2d(0) {channels: 64, kernel: 1, padding: 0, bias: true} (1, 64, 28, 28)\n"
        "2 = branch1x1.relu relu(1) (1, 64, 28, 28)\n"
        "3 = branch3x3.reduce.conv conv2d(0) {channels: 96, kernel: 1, padding: 0, bias: true} (1, 96, 28, "
        "28)\n"
        "4 = branch3x3.reduce.relu relu(3) (1, 96, 28, 28)\n"
        "5 = branch3x3.conv conv2d(4) {channels: 128, kernel: 3, padding: 1, bias: true} (1, 128, 28, 28)\n"
        "6 = branch3x3.relu relu(5) (1, 128, 28, 28)\n"
        "7 = branch5x5.reduce.conv conv2d(0) {channels: 16, kernel: 1, padding: 0, bias: true} (1, 16, 28, "
        "28)\n"
        "8 = branch5x5.reduce.relu relu(7) (1, 16, 28, 28)\n"
        "9 = branch5x5.conv conv2d(8) {channels: 32, kernel: 5, padding: 2, bias: true} (1, 32, 28, 28)\n"
        "10 = branch5x5.relu relu(9) (1, 32, 28, 28)\n"
        "11 = branch_pool.pool max_pool2d(0) {kernel: 3, stride: 1, padding: 1} (1, 192, 28, 28)\n"
        "12 = branch_pool.conv conv2d(11) {channels: 32, kernel: 1, padding: 0, bias: true} (1, 32, 28, 28)\n"
        "13 = branch_pool.relu relu(12) (1, 32, 28, 28)\n"
        "14 = concat concat(2, 6, 10, 13) (1, 256, 28, 28)\n"
        "-> 14\n");

    rig r;
    text t = {0};
    const cvy_shape in = cvy_shape4(1, 8, 5, 7);
    rig_open(&r, "inception", false,
             "n1x1: 1, n3x3_reduce: 2, n3x3: 3, n5x5_reduce: 1, n5x5: 2, pool_proj: 4");
    rig_build(&r, 1, &in, &t);
    assert_non_null(strstr(text_str(&t), "2 = branch1x1.bn batch_norm(1) (1, 1, 5, 7)\n"));
    assert_non_null(strstr(text_str(&t), "20 = concat concat(3, 9, 15, 19) (1, 10, 5, 7)\n-> 20\n"));
    text_free(&t);
    rig_close(&r);
}

static void check_refusal(const char *layer, const char *params, cvy_shape in, const char *error)
{
    rig r;
    text t = {0};
    rig_open(&r, layer, false, params);
    rig_build(&r, 1, &in, &t);
    assert_non_null(strstr(text_str(&t), "-> -1\n"));
    assert_string_equal(r.error, error);
    text_free(&t);
    rig_close(&r);
}

static void test_refusals(void **state)
{
    (void)state;
    check_refusal("residual", "channels: 8", cvy_shape2(2, 64),
                  "expects maps (N, C, H, W) and got an input of rank 2; use it before `flatten` or "
                  "`global_avg_pool`");
    check_refusal("residual", "channels: 8, shortcut: pad", cvy_shape4(2, 16, 8, 8),
                  "shortcut: pad cannot take 16 channels down to channels: 8; use `shortcut: projection`");
    check_refusal("inception", "n1x1: 1, n3x3_reduce: 2, n3x3: 3, n5x5_reduce: 1, n5x5: 2, pool_proj: 4",
                  cvy_shape2(2, 64),
                  "expects maps (N, C, H, W) and got an input of rank 2; use it before `flatten` or "
                  "`global_avg_pool`");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lower),
        cmocka_unit_test(test_residual),
        cmocka_unit_test(test_inception),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
