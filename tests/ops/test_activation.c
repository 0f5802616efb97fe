/* The activations' kernels over the whole range of floats, at every instruction set of this machine: error bounds against
 * the exact functions in double, what is not finite, the same bits wherever an element stands and whoever computes it;
 * attributes and names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/parallel.h"
#include "ops/kernel.h"

#define STRIDE 9973 /* of the floats' bit patterns that are tried; prime */

typedef struct row {
    cvy_activation_attr attr;
    double (*value)(const cvy_activation_attr *a, double x);
    double (*slope)(const cvy_activation_attr *a, double x);
    double ulps;        /* y, to so many units in the last place */
    double lost;        /* or to so much, where a factor is below 2^-126 */
    double slope_bound; /* gx for gy = 1, as a share of 1 + |gx| */
} row;

/* ---- exact, in double ---- */

static double logistic(double x)
{
    return x < 0 ? exp(x) / (1 + exp(x)) : 1 / (1 + exp(-x));
}

static double normal(double x)
{
    return 0.5 * erfc(-x * M_SQRT1_2);
}

static double cubic(double x) /* gelu_tanh is x logistic(cubic(x)) */
{
    return 2 * sqrt(2 / M_PI) * (x + 0.044715 * x * x * x);
}

static double relu_value(const cvy_activation_attr *a, double x)
{
    return x > 0 ? x : a->function == CVY_RELU ? (isnan(x) ? x : 0) : a->alpha * x;
}

static double relu_slope(const cvy_activation_attr *a, double x)
{
    return x > 0 ? 1 : a->function == CVY_RELU ? 0 : a->alpha;
}

static double elu_value(const cvy_activation_attr *a, double x)
{
    return x > 0 ? x : a->alpha * expm1(x);
}

static double elu_slope(const cvy_activation_attr *a, double x)
{
    return x > 0 ? 1 : a->alpha * exp(x);
}

static double gelu_value(const cvy_activation_attr *a, double x)
{
    return x * (a->function == CVY_GELU ? normal(x) : logistic(cubic(x)));
}

static double gelu_slope(const cvy_activation_attr *a, double x)
{
    if (a->function == CVY_GELU) return normal(x) + x * exp(-0.5 * x * x) / sqrt(2 * M_PI);
    const double s = logistic(cubic(x)), t = logistic(-cubic(x));
    return s + x * (s * t) * 2 * sqrt(2 / M_PI) * (1 + 3 * 0.044715 * x * x);
}

static double silu_value(const cvy_activation_attr *a, double x)
{
    (void)a;
    return x * logistic(x);
}

static double silu_slope(const cvy_activation_attr *a, double x)
{
    (void)a;
    return logistic(x) + x * (logistic(x) * logistic(-x));
}

static double sigmoid_value(const cvy_activation_attr *a, double x)
{
    (void)a;
    return logistic(x);
}

static double sigmoid_slope(const cvy_activation_attr *a, double x)
{
    (void)a;
    return logistic(x) * logistic(-x);
}

static double tanh_value(const cvy_activation_attr *a, double x)
{
    /* the product that is asked for is the one in float; what it rounds to far out is another question */
    return a->function == CVY_TANH ? tanh(x) : a->alpha * tanh((double)((float)a->beta * (float)x));
}

static double tanh_slope(const cvy_activation_attr *a, double x)
{
    const double beta = a->function == CVY_TANH ? 1 : a->beta, alpha = a->function == CVY_TANH ? 1 : a->alpha;
    const double e = exp(-2 * fabs(beta * x));
    return alpha * beta * 4 * e / ((1 + e) * (1 + e));
}

/* Constants that float holds. Where a factor of the result is below 2^-126 it has lost digits. */
static const row rows[] = {
    {{CVY_RELU, 0, 0}, relu_value, relu_slope, 0, 0, 0},
    {{CVY_LEAKY_RELU, 0.25, 0}, relu_value, relu_slope, 0, 0, 0},
    {{CVY_LEAKY_RELU, -3, 0}, relu_value, relu_slope, 1, 0, 0},
    {{CVY_ELU, 1, 0}, elu_value, elu_slope, 2, 0, 1e-7},
    {{CVY_ELU, 0.375, 0}, elu_value, elu_slope, 2, 0, 1e-7},
    {{CVY_GELU, 0, 0}, gelu_value, gelu_slope, 10, 0x1p-140, 3e-7},
    {{CVY_GELU_TANH, 0, 0}, gelu_value, gelu_slope, 10, 1e-8, 4e-7},
    {{CVY_SILU, 0, 0}, silu_value, silu_slope, 4, 0x1p-142, 3e-7},
    {{CVY_SIGMOID, 0, 0}, sigmoid_value, sigmoid_slope, 3, 0, 2e-7},
    {{CVY_TANH, 0, 0}, tanh_value, tanh_slope, 3, 0, 3e-7},
    {{CVY_SCALED_TANH, 1.71875, 0.625}, tanh_value, tanh_slope, 4, 0, 6e-7},
};
#define ROWS (sizeof rows / sizeof *rows)

/* ---- the kernels ---- */

static void *fresh(size_t bytes)
{
    void *p = NULL;
    assert_int_equal(posix_memalign(&p, 64, bytes ? bytes : 1), 0);
    return p;
}

static machine machine_of(machine_isa isa, int threads)
{
    machine m = machine_here();
    m.isa = isa;
    m.threads = threads;
    m.block = isa == ISA_AVX512 ? 16 : 8;
    parallel_set_threads(threads);
    return m;
}

static const kernel *lanes(op_type t, const machine *m)
{
    for (const kernel *const *k = kernels_of(t, m); *k; k++)
        if (strcmp((*k)->name, "lanes") == 0) return *k;
    fail_msg("%s has no lane kernel", op_name(t));
    return NULL;
}

/* gy NULL: forward. */
static void compute(const kernel *k, const cvy_activation_attr *attr, int64_t n, const float *x,
                    const float *gy, float *y)
{
    const cvy_shape shape = cvy_shape2(1, n);
    tensor in[2] = {tensor_plain(&shape), tensor_plain(&shape)}, out[1] = {tensor_plain(&shape)};
    op o = {
        .type = gy ? OP_ACTIVATION_BWD : OP_ACTIVATION, .n_in = gy ? 2 : 1, .n_out = 1, .in = in, .out = out};
    o.attr.activation = *attr;
    void *given[2] = {(void *)(uintptr_t)x, (void *)(uintptr_t)gy}, *made[1] = {y};
    kernel_args a = {.in = given, .out = made};
    k->run(&o, NULL, &a);
}

static float float_of(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* Floats of all sizes and signs, and the edges. */
static int64_t all_sizes(float **x)
{
    static const float edges[] = {
        0,           -0.0f,  INFINITY, -INFINITY, NAN,        0x1p-149f,  -0x1p-149f, 0x1p-126f, 3.4e38f,
        -3.4e38f,    88.7f,  -88.7f,   -87.33f,   -87.34f,    -103.9f,    -103.98f,   -104.1f,   0.55f,
        0.54999995f, -14.2f, -16,      16,        -0.346574f, -0.346573f, 1e19f,      -1e19f};
    const int64_t n = (int64_t)(UINT32_MAX / STRIDE) + 1, more = (int64_t)(sizeof edges / sizeof *edges);
    *x = fresh((size_t)(n + more) * sizeof **x);
    for (int64_t i = 0; i < n; i++) (*x)[i] = float_of((uint32_t)i * STRIDE);
    memcpy(*x + n, edges, sizeof edges);
    return n + more;
}

static double ulp_of(double x)
{
    int e;
    frexp(x, &e);
    return ldexp(1, e - 24 < -149 ? -149 : e - 24);
}

static bool near(double got, double expected, double bound)
{
    if (isnan(expected)) return isnan(got);
    if (isinf((float)expected) || isinf(got)) return got == (double)(float)expected;
    return fabs(got - expected) <= bound;
}

static void check_row(const row *r, machine_isa isa, const float *x, int64_t n, float *y, float *gx,
                      const float *ones)
{
    const machine m = machine_of(isa, 2);
    const cvy_activation_attr *a = &r->attr;
    const char *name = op_label(&(op){.type = OP_ACTIVATION, .attr.activation = *a});
    compute(lanes(OP_ACTIVATION, &m), a, n, x, NULL, y);
    compute(lanes(OP_ACTIVATION_BWD, &m), a, n, op_activation_reads_x(a) ? x : y, ones, gx);
    double worst = 0;
    for (int64_t i = 0; i < n; i++) {
        const double at = (double)x[i], value = r->value(a, at), slope = r->slope(a, at);
        const double bound = fmax(r->lost, (r->ulps + 0.5) * ulp_of(value)); /* the exact value is no float */
        if (!near((double)y[i], value, bound))
            fail_msg("%s, %s: f(%.9g) = %.9g, not %.9g", name, machine_isa_name(isa), at, (double)y[i],
                     value);
        if (isfinite((float)value)) worst = fmax(worst, fabs((double)y[i] - value) / ulp_of(value));
        /* from y, a NaN may be told apart no more */
        if (isnan(at)) continue;
        if (!near((double)gx[i], slope, r->slope_bound * (1 + fabs(slope)) + 0x1p-149))
            fail_msg("%s, %s: f'(%.9g) = %.9g, not %.9g", name, machine_isa_name(isa), at, (double)gx[i],
                     slope);
    }
    if (r->lost == 0) print_message("%s, %s: %.2f ulp\n", name, machine_isa_name(isa), worst);
}

static void test_all_sizes(void **unused)
{
    (void)unused;
    float *x;
    const int64_t n = all_sizes(&x);
    float *y = fresh((size_t)n * sizeof *y), *gx = fresh((size_t)n * sizeof *gx);
    float *ones = fresh((size_t)n * sizeof *ones);
    for (int64_t i = 0; i < n; i++) ones[i] = 1;
    const machine here = machine_here();
    for (machine_isa isa = ISA_BASE; isa <= here.isa; isa++)
        for (size_t k = 0; k < ROWS; k++) check_row(&rows[k], isa, x, n, y, gx, ones);
    free(x), free(y), free(gx), free(ones);
    parallel_set_threads(0);
}

/* An element has the same bits at the beginning, in the middle and in the last piece of a vector, and for any number of
 * threads. */
static void test_places(void **unused)
{
    (void)unused;
    enum { N = 3 * 4096 + 77 };
    float *x = fresh(N * sizeof *x), *gy = fresh(N * sizeof *gy);
    float *y = fresh(2 * N * sizeof *y), *gx = y + N, *again = fresh(N * sizeof *again);
    for (int i = 0; i < N; i++) {
        x[i] = (float)(i * 7919 % 20011) / 1000 - 10;
        gy[i] = (float)(i * 104729 % 2003) / 1000 - 1;
    }
    const machine here = machine_here();
    for (machine_isa isa = ISA_BASE; isa <= here.isa; isa++) {
        for (size_t k = 0; k < ROWS; k++) {
            const cvy_activation_attr *a = &rows[k].attr;
            machine m = machine_of(isa, 1);
            const kernel *f = lanes(OP_ACTIVATION, &m), *b = lanes(OP_ACTIVATION_BWD, &m);
            compute(f, a, N, x, NULL, y);
            compute(b, a, N, x, gy, gx);
            for (int threads = 2; threads <= 3; threads++) {
                machine_of(isa, threads);
                compute(f, a, N, x, NULL, again);
                assert_memory_equal(again, y, N * sizeof *y);
                compute(b, a, N, x, gy, again);
                assert_memory_equal(again, gx, N * sizeof *gx);
            }
            for (int at = 0; at < 40; at++) {
                const int n = 1 + at * 13 % 37;
                again[n] = 1234;
                compute(f, a, n, x + at, NULL, again);
                assert_memory_equal(again, y + at, (size_t)n * sizeof *y);
                compute(b, a, n, x + at, gy + at, again);
                assert_memory_equal(again, gx + at, (size_t)n * sizeof *gx);
                assert_true(again[n] == 1234);
            }
        }
    }
    free(x), free(gy), free(y), free(again);
    parallel_set_threads(0);
}

/* Where there is no number to give, reference and lanes say so alike. */
static void test_not_finite(void **unused)
{
    (void)unused;
    const float x[] = {INFINITY, -INFINITY, NAN, 3e38f, -3e38f, 1e20f, -1e20f, 0};
    enum { N = sizeof x / sizeof *x };
    float ones[N], y[2][N];
    for (int i = 0; i < N; i++) ones[i] = 1;
    const machine here = machine_here();
    for (size_t k = 0; k < ROWS; k++) {
        const cvy_activation_attr *a = &rows[k].attr;
        for (int back = 0; back < 2; back++) {
            const op_type t = back ? OP_ACTIVATION_BWD : OP_ACTIVATION;
            compute(kernel_reference(t), a, N, x, back ? ones : NULL, y[0]);
            for (machine_isa isa = ISA_BASE; isa <= here.isa; isa++) {
                const machine m = machine_of(isa, 1);
                compute(lanes(t, &m), a, N, x, back ? ones : NULL, y[1]);
                if (back && !op_activation_reads_x(a) && a->function >= CVY_SIGMOID) continue; /* no such y */
                for (int i = 0; i < N; i++) {
                    assert_int_equal(isnan(y[0][i]), isnan(y[1][i]));
                    if (!isfinite(y[0][i]) && !isnan(y[0][i])) assert_true(y[0][i] == y[1][i]);
                }
            }
        }
    }
    parallel_set_threads(0);
}

/* ---- attributes and names ---- */

static void test_attributes(void **unused)
{
    (void)unused;
    for (size_t k = 0; k < ROWS; k++) assert_null(op_activation_problem(&rows[k].attr));
    const cvy_activation_attr wrong[] = {
        {.function = 0},
        {.function = -1},
        {.function = CVY_ACTIVATION_END},
        {.function = CVY_LEAKY_RELU, .alpha = NAN},
        {.function = CVY_ELU, .alpha = -1},
        {.function = CVY_ELU, .alpha = INFINITY},
        {.function = CVY_SCALED_TANH, .alpha = 0, .beta = 1},
        {.function = CVY_SCALED_TANH, .alpha = 1, .beta = NAN},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_non_null(op_activation_problem(&wrong[i]));
    for (int f = 1; f < CVY_ACTIVATION_END; f++) {
        const cvy_activation_attr a = {.function = f, .alpha = 1, .beta = 1};
        assert_int_equal(op_activation_reads_x(&a), f == CVY_GELU || f == CVY_GELU_TANH || f == CVY_SILU);
        const op o = {.type = OP_ACTIVATION, .attr.activation = a};
        assert_non_null(op_label(&o));
    }
    const cvy_activation_attr turned = {.function = CVY_LEAKY_RELU, .alpha = -0.5};
    assert_true(op_activation_reads_x(&turned)); /* y has the same sign on both sides */
    op o = {.type = OP_ACTIVATION, .attr.activation = {.function = CVY_GELU}};
    assert_string_equal(op_label(&o), "gelu");
    o.type = OP_ACTIVATION_BWD;
    assert_string_equal(op_label(&o), "gelu.bwd");
    o.type = OP_ADD;
    assert_string_equal(op_label(&o), "add");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_sizes),
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_not_finite),
        cmocka_unit_test(test_attributes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
