/* What the layers declare, and what they say when a shape does not fit. */
#include <inttypes.h>
#include <math.h>
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
#define HUGE_SIDE (INT64_C(1) << 40)

typedef struct refusal {
    const char *layer, *params;
    int32_t n_in;
    cvy_shape in[3];
    const char *error;
} refusal;

static const refusal refusals[] = {
    {"conv2d",
     "channels: 8",
     1,
     {VECTORS(2, 64)},
     "expects maps (N, C, H, W) and got (N, 64); convolve before `flatten`, `global_avg_pool` or `linear`"},
    {"conv2d",
     "channels: 9, groups: 3",
     1,
     {MAPS(2, 16, 8, 8)},
     "groups: 3 does not divide 16 input channels"},
    {"conv2d", "channels: 10, groups: 4", 1, {MAPS(2, 16, 8, 8)}, "groups: 4 does not divide channels: 10"},
    {"conv2d",
     "channels: 8, kernel: [7, 5], padding: 1",
     1,
     {MAPS(2, 3, 4, 8)},
     "kernel: 7x5 spans 7x5 pixels, more than the input's 4x8 (6x10 with padding); use a smaller kernel, "
     "more "
     "padding, or less downsampling before"},
    {"conv2d",
     "channels: 8, dilation: 4",
     1,
     {MAPS(2, 3, 8, 8)},
     "kernel: 3x3 dilated spans 9x9 pixels, more than the input's 8x8 (8x8 with padding); use a smaller "
     "kernel, "
     "more padding, or less downsampling before"},
    {"conv2d",
     "channels: 1048576, kernel: 1023, padding: 1023",
     1,
     {MAPS(2, 1048576, 1000000, 1000000)},
     "channels: 1048576 of 1001024x1001024 pixels are too large to compute"},
    {"linear",
     "units: 10",
     1,
     {MAPS(2, 16, 8, 8)},
     "expects vectors (N, F) and got (N, 16, 8, 8); put `flatten` or `global_avg_pool` before it"},
    {"linear",
     "units: 16777216",
     1,
     {VECTORS(2, HUGE_SIDE)},
     "units: 16777216 of 1099511627776 features are too large to compute"},
    {"max_pool2d",
     "",
     1,
     {VECTORS(2, 64)},
     "expects maps (N, C, H, W) and got (N, 64); pool before `flatten`, `global_avg_pool` or `linear`"},
    {"max_pool2d",
     "kernel: 3",
     1,
     {MAPS(2, 3, 2, 5)},
     "kernel: 3x3 is larger than the input's 2x5 with padding (2x5); use a smaller kernel or less pooling "
     "before"},
    {"max_pool2d",
     "kernel: 3, padding: [1, 2]",
     1,
     {MAPS(2, 3, 9, 9)},
     "padding: 2 is more than half of the kernel's 3; such windows would see padding alone"},
    {"max_pool2d", "", 1, {MAPS(1, 1, HUGE_SIDE, 8)}, "maps of 1099511627776x8 pixels are too large to pool"},
    {"avg_pool2d",
     "kernel: 2, padding: 2",
     1,
     {MAPS(2, 3, 9, 9)},
     "padding: 2 is more than half of the kernel's 2; such windows would see padding alone"},
    {"avg_pool2d",
     "kernel: [2, 9], padding: [0, 1]",
     1,
     {MAPS(2, 3, 4, 4)},
     "kernel: 2x9 is larger than the input's 4x4 with padding (4x6); use a smaller kernel or less pooling "
     "before"},
    {"global_avg_pool",
     "",
     1,
     {VECTORS(2, 64)},
     "expects maps (N, C, H, W) and got (N, 64); there is nothing left to average"},
    {"shortcut_pad",
     "channels: 8",
     1,
     {VECTORS(2, 64)},
     "expects maps (N, C, H, W) and got (N, 64); use it before `flatten` or `global_avg_pool`"},
    {"shortcut_pad",
     "channels: 8",
     1,
     {MAPS(2, 16, 4, 4)},
     "channels: 8 is below the input's 16; padding only adds channels, a 1x1 conv2d can remove them"},
    {"add",
     "",
     2,
     {MAPS(2, 16, 8, 8), MAPS(2, 32, 4, 4)},
     "input 1 is (N, 16, 8, 8) but input 2 is (N, 32, 4, 4); all inputs need one shape (a 1x1 conv2d or "
     "shortcut_pad changes channels and size)"},
    {"add",
     "",
     3,
     {VECTORS(2, 5), VECTORS(2, 5), MAPS(2, 5, 1, 1)},
     "input 1 is (N, 5) but input 3 is (N, 5, 1, 1); all inputs need one shape (a 1x1 conv2d or shortcut_pad "
     "changes channels and size)"},
    {"concat",
     "",
     2,
     {MAPS(2, 16, 8, 8), MAPS(2, 32, 7, 8)},
     "input 1 is (N, 16, 8, 8) but input 2 is (N, 32, 7, 8); inputs may differ in channels alone, so bring "
     "them "
     "to one height and width"},
};

static void test_refusals(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        const refusal *c = &refusals[i];
        rig r;
        rig_open(&r, c->layer, false, c->params);
        if (rig_infer(&r, c->n_in, c->in)) fail_msg("%s {%s} accepts its input", c->layer, c->params);
        assert_string_equal(r.error, c->error);
        rig_close(&r);
    }
}

typedef struct caution {
    const char *layer, *params;
    cvy_shape in;
    const char *warnings;
} caution;

static const caution cautions[] = {
    {"conv2d", "channels: 1, kernel: 3, stride: 2", MAPS(1, 1, 15, 16),
     "a stride of 2 drops the last column of 16\n"},
    {"conv2d", "channels: 1, kernel: 3, stride: 2, padding: 1", MAPS(1, 1, 32, 15),
     ""}, /* drops padding alone */
    {"conv2d", "channels: 1, kernel: 4, stride: 4", MAPS(1, 1, 11, 8),
     "a stride of 4 drops the last 3 rows of 11\n"},
    {"conv2d", "channels: 1, kernel: 1, stride: 2", MAPS(1, 1, 8, 8), ""}, /* means to */
    {"max_pool2d", "", MAPS(1, 1, 7, 9),
     "a stride of 2 drops the last row of 7\na stride of 2 drops the last column of 9\n"},
    {"max_pool2d", "kernel: 3, stride: 2, padding: 1", MAPS(1, 1, 32, 32), ""},
    {"avg_pool2d", "kernel: 3", MAPS(1, 1, 8, 6), "a stride of 3 drops the last 2 rows of 8\n"},
};

static void test_warnings(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cautions / sizeof cautions[0]; i++) {
        rig r;
        rig_open(&r, cautions[i].layer, false, cautions[i].params);
        assert_true(rig_infer(&r, 1, &cautions[i].in));
        assert_string_equal(r.warnings, cautions[i].warnings);
        rig_close(&r);
    }
}

/* Everything declared, as a line: out, macs, weights with initialisers, buffers. */
static void describe(const rig *r, text *out)
{
    const tensor *const lists[] = {r->weight, r->buffer};
    const int32_t counts[] = {r->n_weights, r->n_buffers};
    text_add(out, "out");
    for (int d = 0; d < r->y.shape.rank; d++) text_printf(out, " %" PRId64, r->y.shape.dim[d]);
    if (r->macs) text_printf(out, "; macs %" PRId64, r->macs);
    for (int list = 0; list < 2; list++)
        for (int32_t k = 0; k < counts[list]; k++) {
            const tensor *t = &lists[list][k];
            static const char *const kinds[] = {"?", "constant", "uniform", "normal"};
            text_printf(out, "; %s", t->name);
            for (int d = 0; d < t->shape.rank; d++) text_printf(out, " %" PRId64, t->shape.dim[d]);
            text_printf(out, " %s %.6g", kinds[t->init.kind], t->init.a);
        }
}

typedef struct declaration {
    const char *layer, *params;
    int32_t n_in;
    cvy_shape in[3];
    const char *text;
    uint32_t traits;
} declaration;

static const declaration declarations[] = {
    {"conv2d",
     "channels: 8",
     1,
     {MAPS(5, 6, 10, 9)},
     "out 5 8 8 7; macs 24192; weight 8 6 3 3 uniform 0.136083; bias 8 uniform 0.136083",
     CVY_READS_X},
    {"conv2d",
     "channels: 8, kernel: [1, 5], stride: [2, 1], padding: [0, 2], groups: 2, bias: false",
     1,
     {MAPS(5, 6, 9, 9)},
     "out 5 8 5 9; macs 5400; weight 8 3 1 5 uniform 0.258199",
     CVY_READS_X},
    {"linear",
     "units: classes",
     1,
     {VECTORS(5, 64)},
     "out 5 10; macs 640; weight 10 64 uniform 0.125; bias 10 uniform 0.125",
     CVY_READS_X},
    {"batch_norm",
     "",
     1,
     {MAPS(5, 6, 9, 9)},
     "out 5 6 9 9; weight 6 constant 1; bias 6 constant 0; running_mean 6 constant 0; running_var 6 constant "
     "1",
     CVY_READS_X},
    {"relu", "", 1, {VECTORS(5, 6)}, "out 5 6", CVY_READS_Y | CVY_IN_PLACE},
    {"max_pool2d", "", 1, {MAPS(5, 6, 8, 4)}, "out 5 6 4 2", 0},
    {"avg_pool2d", "kernel: 3, stride: 2, padding: 1", 1, {MAPS(5, 6, 9, 9)}, "out 5 6 5 5", 0},
    {"global_avg_pool", "", 1, {MAPS(5, 6, 9, 9)}, "out 5 6", 0},
    {"flatten", "", 1, {MAPS(5, 6, 2, 3)}, "out 5 36", CVY_IN_PLACE},
    {"dropout", "", 1, {MAPS(5, 6, 2, 3)}, "out 5 6 2 3", CVY_IN_PLACE},
    {"add", "", 2, {MAPS(5, 6, 2, 3), MAPS(5, 6, 2, 3)}, "out 5 6 2 3", CVY_IN_PLACE},
    {"concat", "", 3, {MAPS(5, 6, 2, 3), MAPS(5, 1, 2, 3), MAPS(5, 2, 2, 3)}, "out 5 9 2 3", 0},
    {"shortcut_pad", "channels: 9, stride: 2", 1, {MAPS(5, 6, 7, 8)}, "out 5 9 4 4", 0},
};

static void test_declarations(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof declarations / sizeof declarations[0]; i++) {
        const declaration *c = &declarations[i];
        rig r;
        text t = {0};
        rig_open(&r, c->layer, false, c->params);
        for (int again = 0; again < 2; again++) { /* infer is pure */
            if (!rig_infer(&r, c->n_in, c->in)) fail_msg("%s: %s", c->layer, r.error);
            text_free(&t);
            describe(&r, &t);
            assert_string_equal(text_str(&t), c->text);
            assert_int_equal(r.traits, c->traits);
        }
        text_free(&t);
        rig_close(&r);
    }
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
        {"conv2d", "channels: 1048576, kernel: 1023, padding: 1023, dilation: 1023"},
        {"conv2d", "channels: 1048576, kernel: 1, padding: 1023, stride: 1023"},
        {"conv2d", "channels: 1048576, groups: 1048576, kernel: 1023, padding: 1023"},
        {"max_pool2d", "kernel: 1023, padding: 511, stride: 1"},
        {"avg_pool2d", "kernel: 1023, padding: 511, stride: 1"},
        {"shortcut_pad", "channels: 1048576, stride: 1023"},
    };
    static const cvy_shape shapes[] = {
        MAPS(1, 1, HUGE_SIDE, 1),
        MAPS(1, 1048576, 1, 1),
        MAPS(65536, 1, HUGE_SIDE / 8, 8),
        MAPS(1048576, 1048576, 1024, 1024),
    };
    for (size_t i = 0; i < sizeof layers / sizeof layers[0]; i++)
        for (size_t k = 0; k < sizeof shapes / sizeof shapes[0]; k++) {
            rig r;
            rig_open(&r, layers[i][0], false, layers[i][1]);
            cvy_infer in = {.host = &r.host,
                            .core = &r,
                            .n_in = 1,
                            .in = &shapes[k],
                            .weight = any_weight,
                            .warn = any_warning};
            if (r.layer->infer(&in, r.config) == 0) {
                int64_t count = 1;
                for (int d = 0; d < in.out.rank; d++)
                    assert_false(__builtin_mul_overflow(count, in.out.dim[d], &count));
                assert_true(in.macs >= 0 && in.saved_bytes >= 0);
            } else {
                assert_true(r.error[0]);
            }
            rig_close(&r);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_warnings),
        cmocka_unit_test(test_declarations),
        cmocka_unit_test(test_huge),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
