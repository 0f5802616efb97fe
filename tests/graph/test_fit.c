/* What each operator asks of its operands: the shape it makes of good ones, and what is said of others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "graph/fit.h"

typedef struct fit_case {
    cvy_op type;
    int n;
    cvy_shape in[5];
    unsigned state; /* a bit for each operand */
    const void *attr;
    cvy_shape y;
    const char *why; /* NULL: it fits */
} fit_case;

#define S(...)                                              \
    {                                                       \
        sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t), \
        {                                                   \
            __VA_ARGS__                                     \
        }                                                   \
    }

static const cvy_conv_attr plain = {{1, 1}, {1, 1}, {0}, 1, 0},
                           strided = {{2, 1}, {1, 2}, {1, 0, 1, 1}, 2, 0},
                           still = {{1, 0}, {1, 1}, {0}, 1, 0},
                           cropped = {{1, 1}, {1, 1}, {0, 0, -1, 0}, 1, 0};
static const cvy_conv3d_attr volume = {{1, 1, 2}, {1, 1, 1}, {0}, 1, 0};
static const cvy_conv_transpose_attr back = {{{2, 2}, {1, 1}, {0}, 1, 0}, {7, 8}},
                                     far = {{{1, 1}, {1, 1}, {0}, 1, 0}, {5, 6}};
static const cvy_bn_attr bn = {1e-5, 0.1};
static const cvy_pool_attr pool = {.function = CVY_POOL_MAX, .kernel = {2, 3}, .stride = {2, 1}},
                           large = {.function = CVY_POOL_AVG, .kernel = {2, 9}, .stride = {2, 1}},
                           stuck = {.function = CVY_POOL_AVG, .kernel = {2, 2}, .stride = {0, 1}};
static const cvy_activation_attr relu = {CVY_RELU, 0, 0}, unknown = {99, 0, 0};
static const cvy_dropout_attr half = {0.5}, all = {1};
static const cvy_reshape_attr row = {S(2, 60)}, other = {S(2, 61)}, none = {S(2, 0)};
static const cvy_shortcut_attr pad = {{2, 2}, 1, 2}, cut = {{2, 2}, -1, 2};

static const fit_case cases[] = {
    {CVY_OP_CONV, 2, {S(2, 3, 5, 6), S(4, 3, 3, 3)}, 2, &plain, S(2, 4, 3, 4), NULL},
    {CVY_OP_CONV, 3, {S(2, 6, 5, 6), S(4, 3, 3, 2), S(4)}, 6, &strided, S(2, 4, 3, 5), NULL},
    {CVY_OP_CONV,
     2,
     {S(2, 3, 5, 6), S(3, 67, 1, 1)},
     2,
     &plain,
     S(0),
     "its weight has 67 input channels, and the input 3 in 1 group"},
    {CVY_OP_CONV,
     2,
     {S(2, 3, 5, 6), S(4, 3, 3, 3)},
     2,
     &strided,
     S(0),
     "its weight has 3 input channels, and the input 3 in 2 groups"},
    {CVY_OP_CONV, 2, {S(2, 3, 5, 6), S(4, 3, 3, 3)}, 2, &still, S(0), "the stride is 0"},
    {CVY_OP_CONV, 2, {S(2, 3, 5, 6), S(4, 3, 3, 3)}, 2, &cropped, S(0), "the padding is -1"},
    {CVY_OP_CONV,
     2,
     {S(2, 3, 5, 6), S(4, 3, 7, 3)},
     2,
     &plain,
     S(0),
     "a kernel that spans 7 does not fit in 5"},
    {CVY_OP_CONV,
     2,
     {S(2, 3, 5, 6), S(4, 3, 3)},
     2,
     &plain,
     S(0),
     "operand 1 has 3 dimensions, and 4 are wanted"},
    {CVY_OP_CONV,
     3,
     {S(2, 3, 5, 6), S(4, 3, 3, 3), S(3)},
     6,
     &plain,
     S(0),
     "operand 2 has 3 elements, and 4 are wanted"},
    {CVY_OP_CONV,
     2,
     {S(2, 3, 5, 6), S(4, 3, 3, 3)},
     0,
     &plain,
     S(0),
     "operand 1 has to be a weight or a buffer"},
    {CVY_OP_CONV,
     2,
     {S(2, 3, 5, 6), S(4, 3, 3, 3)},
     3,
     &plain,
     S(0),
     "operand 0 may be no weight and no buffer"},
    {CVY_OP_CONV,
     2,
     {S(2, 3, 5, 6), S(4, 3, 3, 3)},
     2,
     NULL,
     S(0),
     "it wants attributes, and there are none"},
    {CVY_OP_CONV, 1, {S(2, 3, 5, 6)}, 0, &plain, S(0), "1 operand, and 2 or 3 wanted"},
    {CVY_OP_CONV3D, 2, {S(2, 3, 5, 6, 7), S(4, 3, 1, 2, 3)}, 2, &volume, S(2, 4, 5, 5, 3), NULL},
    {CVY_OP_CONV3D,
     2,
     {S(2, 3, 5, 6, 7), S(4, 2, 1, 2, 3)},
     2,
     &volume,
     S(0),
     "its weight has 2 input channels"},
    {CVY_OP_CONV3D,
     2,
     {S(2, 3, 5, 6), S(4, 3, 1, 2, 3)},
     2,
     &volume,
     S(0),
     "operand 0 has 4 dimensions, and 5 are wanted"},
    {CVY_OP_CONV_TRANSPOSE, 2, {S(2, 3, 3, 3), S(3, 4, 3, 3)}, 2, &back, S(2, 4, 7, 8), NULL},
    {CVY_OP_CONV_TRANSPOSE,
     2,
     {S(2, 3, 9, 9), S(3, 4, 3, 3)},
     2,
     &far,
     S(0),
     "a convolution makes 3 of the output's 5, and the input is 9"},
    {CVY_OP_LINEAR, 3, {S(2, 5), S(4, 5), S(4)}, 6, NULL, S(2, 4), NULL},
    {CVY_OP_LINEAR, 2, {S(2, 5), S(4, 6)}, 2, NULL, S(0), "its weight is of 6 features, and the input has 5"},
    {CVY_OP_LINEAR, 2, {S(2, 5, 1), S(4, 5)}, 2, NULL, S(0), "operand 0 has 3 dimensions, and 2 are wanted"},
    {CVY_OP_BN_STATS, 3, {S(2, 3, 5, 6), S(3), S(3)}, 6, &bn, S(2, 3), NULL},
    {CVY_OP_BN_STATS, 1, {S(2, 3, 5, 6)}, 0, &bn, S(0), "1 operand, and 3 wanted"},
    {CVY_OP_BN_STATS,
     3,
     {S(2, 3, 5, 6), S(3), S(4)},
     6,
     &bn,
     S(0),
     "operand 2 has 4 elements, and 3 are wanted"},
    {CVY_OP_BN_APPLY, 4, {S(2, 3, 5, 6), S(2, 3), S(3), S(3)}, 12, &bn, S(2, 3, 5, 6), NULL},
    {CVY_OP_BN_APPLY, 5, {S(2, 3, 5, 6), S(3), S(3), S(3), S(3)}, 30, &bn, S(2, 3, 5, 6), NULL},
    {CVY_OP_BN_APPLY,
     5,
     {S(2, 3, 5, 6), S(3), S(3), S(3), S(3)},
     28,
     &bn,
     S(0),
     "operand 1 has to be a weight or a buffer"},
    {CVY_OP_BN_APPLY,
     4,
     {S(2, 3, 5, 6), S(3), S(3), S(3)},
     12,
     &bn,
     S(0),
     "operand 1 has 3 elements, and 6 are wanted"},
    {CVY_OP_ACTIVATION, 1, {S(2, 3)}, 0, &relu, S(2, 3), NULL},
    {CVY_OP_ACTIVATION, 1, {S(2, 3)}, 0, &unknown, S(0), "function 99: "},
    {CVY_OP_ACTIVATION, 1, {S(3, 3, 3, 3)}, 1, &relu, S(0), "operand 0 may be no weight and no buffer"},
    {CVY_OP_POOL, 1, {S(2, 3, 5, 6)}, 0, &pool, S(2, 3, 2, 4), NULL},
    {CVY_OP_POOL, 1, {S(2, 3, 5, 6)}, 0, &large, S(0), "a kernel that spans 9 does not fit in 6"},
    {CVY_OP_POOL, 1, {S(2, 3, 5, 6)}, 0, &stuck, S(0), "the stride is 0"},
    {CVY_OP_GLOBAL_AVG, 1, {S(2, 3, 5)}, 0, NULL, S(2, 3), NULL},
    {CVY_OP_GLOBAL_AVG, 1, {S(2, 3)}, 0, NULL, S(0), "operand 0 has 2 dimensions, and 3 are wanted"},
    {CVY_OP_ADD, 3, {S(2, 3, 5), S(2, 3, 5), S(2, 3, 5)}, 0, NULL, S(2, 3, 5), NULL},
    {CVY_OP_ADD, 2, {S(2, 3, 5), S(2, 3, 6)}, 0, NULL, S(0), "operand 1 has another shape than operand 0"},
    {CVY_OP_ADD, 2, {S(2, 3, 5), S(2, 3)}, 0, NULL, S(0), "operand 1 has another shape than operand 0"},
    {CVY_OP_CONCAT, 2, {S(2, 3, 5), S(2, 4, 5)}, 0, NULL, S(2, 7, 5), NULL},
    {CVY_OP_CONCAT, 2, {S(2, 3, 5), S(2, 4, 6)}, 0, NULL, S(0), "operand 1 has another shape than operand 0"},
    {CVY_OP_CONCAT, 0, {S(2, 3, 5)}, 0, NULL, S(0), "0 operands, and at least 1 wanted"},
    {CVY_OP_DROPOUT, 1, {S(2, 3)}, 0, &half, S(2, 3), NULL},
    {CVY_OP_DROPOUT, 1, {S(2, 3)}, 0, &all, S(0), "p is 1, and from 0 to below 1 is wanted"},
    {CVY_OP_RESHAPE, 1, {S(2, 3, 4, 5)}, 0, &row, S(2, 60), NULL},
    {CVY_OP_RESHAPE,
     1,
     {S(2, 3, 4, 5)},
     0,
     &other,
     S(0),
     "its new shape has 122 elements, and the input 120"},
    {CVY_OP_RESHAPE, 1, {S(2, 3, 4, 5)}, 0, &none, S(0), "the new shape is 0"},
    {CVY_OP_SHORTCUT_PAD, 1, {S(2, 3, 5, 6)}, 0, &pad, S(2, 6, 3, 3), NULL},
    {CVY_OP_SHORTCUT_PAD, 1, {S(2, 3, 5, 6)}, 0, &cut, S(0), "the number of channels is -1"},
    {CVY_OP_BIAS, 2, {S(2, 3, 5), S(3)}, 2, NULL, S(2, 3, 5), NULL},
    {CVY_OP_BIAS, 2, {S(2, 3, 5), S(5)}, 2, NULL, S(0), "operand 1 has 5 elements, and 3 are wanted"},
};

static void test_cases(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const fit_case *c = &cases[i];
        fit_operand in[5];
        text why = {0};
        cvy_shape y = {0};
        for (int k = 0; k < 5; k++) in[k] = (fit_operand){&c->in[k], c->state >> k & 1};
        const bool fits = fit_operator(c->type, in, c->n, c->attr, &y, &why);
        if (c->why && (fits || !strstr(text_str(&why), c->why)))
            fail_msg("case %zu, %s: \"%s\" and not \"%s\"", i, fit_name(c->type), text_str(&why), c->why);
        if (!c->why && !fits) fail_msg("case %zu, %s: %s", i, fit_name(c->type), text_str(&why));
        if (!c->why) assert_int_equal(y.rank, c->y.rank);
        for (int32_t d = 0; !c->why && d < y.rank; d++)
            if (y.dim[d] != c->y.dim[d]) fail_msg("case %zu, %s: dimension %d", i, fit_name(c->type), (int)d);
        text_free(&why);
    }
}

static void test_names(void **unused)
{
    (void)unused;
    for (int type = 1; type < CVY_OP_PUBLIC_END; type++) assert_non_null(fit_name((cvy_op)type));
    assert_null(fit_name((cvy_op)0));
    assert_null(fit_name(CVY_OP_PUBLIC_END));
    assert_null(fit_name((cvy_op)-3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests_name("fit", tests, NULL, NULL);
}
