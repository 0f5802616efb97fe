/* Convolutions that normalise what they read: the same as the normalisation first and the convolution behind it, on every
 * instruction set of this machine, forward and for the gradient of the weights. */
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

enum { MOST = 6 };

typedef struct sample_case {
    int64_t n, c, h, w, to, side, stride, padding;
    bool bias, stats, relu;
} sample_case;

static void *fresh(size_t bytes, int fill)
{
    void *p = NULL;
    assert_int_equal(posix_memalign(&p, 64, bytes + 64), 0);
    memset(p, fill, bytes + 64);
    return p;
}

static uint32_t random_state;

static float number(void) /* [-1, 1) */
{
    random_state = random_state * 1664525u + 1013904223u;
    return (float)(random_state >> 8) * 0x1p-23f - 1;
}

/* Random, zeros beyond the channels. */
static float *numbers(const tensor *t)
{
    float *x = fresh(tensor_bytes(t), 0);
    if (t->layout == LAYOUT_PLAIN) {
        for (int64_t i = 0; i < tensor_elements(t); i++) x[i] = number();
        return x;
    }
    const int64_t *d = t->shape.dim;
    for (int64_t n = 0; n < d[0]; n++)
        for (int64_t c = 0; c < d[1]; c++)
            for (int64_t h = 0; h < d[2]; h++)
                for (int64_t w = 0; w < d[3]; w++) x[tensor_offset(t, n, c, h, w)] = number();
    return x;
}

static void run(const kernel *k, const op *o, const machine *m, void *const *in, void *const *out)
{
    kernel_plan plan = {0};
    errors e = {0};
    if (k->prepare) assert_int_equal(k->prepare(o, m, &plan, &e), CVY_OK);
    void *scratch = fresh(plan.scratch, 0xff), *packed = fresh(plan.packed, 0xff);
    if (k->pack) k->pack(o, plan.state, in[1], packed, scratch);
    memset(scratch, 0xff, plan.scratch);
    kernel_args a = {.in = in, .out = out, .scratch = scratch, .packed = packed};
    k->run(o, plan.state, &a);
    if (k->release) k->release(plan.state);
    free(scratch);
    free(packed);
}

static const kernel *of_lanes(op_type t, const machine *m)
{
    for (const kernel *const *all = kernels_of(t, m); *all; all++)
        if (strcmp((*all)->name, "lanes") == 0) return *all;
    return NULL;
}

/* in: x or y and what else the convolution reads; norm: stats, gamma, beta. */
static void compare(const kernel *k, op o, const machine *m, void **in, const void *x, void *const *norm,
                    const tensor *norms, bool relu)
{
    layout lin[MOST] = {0}, lout[MOST] = {0};
    tensor tin[MOST + 3], tout[MOST];
    void *expected[MOST], *got[MOST];
    assert_true(k->offer(&o, m, 0, lin, lout) >= 0);
    for (int i = 0; i < o.n_in; i++) {
        tin[i] = o.in[i];
        assert_int_equal(tin[i].layout, lin[i]);
    }
    for (int i = 0; i < o.n_out; i++) {
        tout[i] = o.out[i];
        tout[i].layout = lout[i];
        expected[i] = fresh(tensor_bytes(&tout[i]), 0xff);
        got[i] = fresh(tensor_bytes(&tout[i]), 0xff);
    }
    o.in = tin;
    o.out = tout;
    run(k, &o, m, in, expected);

    void *with[MOST + 3];
    memcpy(with, in, (size_t)o.n_in * sizeof *in);
    with[0] = (void *)(uintptr_t)x;
    o.attr.through.stats = o.n_in;
    o.attr.through.relu = relu;
    o.attr.through.eps = 1e-5;
    for (int i = 0; i < 3; i++) {
        with[o.n_in + i] = norm[i];
        tin[o.n_in + i] = norms[i];
    }
    o.n_in += 3;
    run(k, &o, m, with, got);
    for (int i = 0; i < o.n_out; i++) {
        const float *a = expected[i], *b = got[i];
        double largest = 1e-20;
        for (int64_t e = 0; e < tensor_elements(&tout[i]); e++) largest = fmax(largest, fabs((double)a[e]));
        for (int64_t e = 0; e < tensor_elements(&tout[i]); e++)
            assert_true(fabs((double)a[e] - (double)b[e]) <=
                        1e-6 * largest); /* false where one is no number */
        free(expected[i]);
        free(got[i]);
    }
}

static void check(const sample_case *c, const machine *m)
{
    const layout blocked = m->block == 16 ? LAYOUT_C16 : LAYOUT_C8;
    const int64_t p = c->padding, h = (c->h + 2 * p - c->side) / c->stride + 1,
                  w = (c->w + 2 * p - c->side) / c->stride + 1;
    tensor x = {{4, {c->n, c->c, c->h, c->w}}, blocked, 4}, y = {{4, {c->n, c->to, h, w}}, blocked, 4};
    const cvy_shape weights = {4, {c->to, c->c, c->side, c->side}}, channels = {1, {c->to}},
                    two = {2, {2, c->to}};
    tensor norms[3] = {tensor_plain(&(cvy_shape){2, {2, c->c}}), tensor_plain(&(cvy_shape){1, {c->c}}),
                       tensor_plain(&(cvy_shape){1, {c->c}})};
    void *norm[3];
    for (int i = 0; i < 3; i++) norm[i] = numbers(&norms[i]);
    for (int64_t i = 0; i < c->c; i++)
        ((float *)norm[0])[c->c + i] = fabsf(((float *)norm[0])[c->c + i]) + 0.1f;
    float *before = numbers(&x), *after = fresh(tensor_bytes(&x), 0xff);

    op bn = {.type = OP_BN_APPLY,
             .n_in = 4,
             .n_out = 1,
             .in = (tensor[]){x, norms[0], norms[1], norms[2]},
             .out = &x};
    bn.attr.bn.eps = 1e-5;
    bn.attr.relu = c->relu;
    run(of_lanes(OP_BN_APPLY, m), &bn, m, (void *[]){before, norm[0], norm[1], norm[2]}, (void *[]){after});

    op o = {.attr.conv = {
                .stride = {c->stride, c->stride}, .dilation = {1, 1}, .padding = {p, p, p, p}, .groups = 1}};
    tensor forward_in[3] = {x, tensor_plain(&weights), tensor_plain(&channels)};
    tensor forward_out[2] = {y, tensor_plain(&two)};
    void *in[3] = {after, numbers(&forward_in[1]), numbers(&forward_in[2])};
    o.type = OP_CONV;
    o.in = forward_in;
    o.out = forward_out;
    o.n_in = c->bias ? 3 : 2;
    o.n_out = c->stats ? 2 : 1;
    int seen = 0;
    layout l[MOST];
    for (const kernel *const *all = kernels_of(OP_CONV, m); *all; all++) {
        if (!(*all)->through || (*all)->offer(&o, m, 0, l, l) < 0) continue;
        compare(*all, o, m, in, before, norm, norms, c->relu);
        seen++;
    }
    assert_true(seen > 0);

    tensor back_in[2] = {x, y}, back_out[2] = {tensor_plain(&weights), tensor_plain(&channels)};
    void *reads[2] = {after, numbers(&y)};
    o.type = OP_CONV_BWD_WEIGHTS;
    o.in = back_in;
    o.out = back_out;
    o.n_in = 2;
    o.n_out = c->bias ? 2 : 1;
    seen = 0;
    for (const kernel *const *all = kernels_of(OP_CONV_BWD_WEIGHTS, m); *all; all++) {
        if (!(*all)->through || (*all)->offer(&o, m, 0, l, l) < 0) continue;
        compare(*all, o, m, reads, before, norm, norms, c->relu);
        seen++;
    }
    assert_true(seen > 0);
    for (int i = 0; i < 3; i++) free(norm[i]);
    for (int i = 1; i < 3; i++) free(in[i]);
    free(before);
    free(after);
    free(reads[1]);
}

static void test_through(void **unused)
{
    (void)unused;
    static const sample_case cases[] = {
        {3, 20, 9, 7, 18, 3, 1, 1, false, true, true},    {2, 16, 12, 12, 33, 3, 1, 1, true, false, false},
        {5, 35, 4, 4, 16, 3, 1, 1, false, true, true},    {4, 24, 8, 8, 48, 1, 1, 0, false, true, true},
        {3, 17, 7, 9, 12, 1, 2, 0, true, true, true},     {2, 40, 10, 11, 30, 3, 2, 1, false, false, true},
        {9, 33, 2, 3, 20, 3, 1, 1, true, true, false},    {1, 8, 33, 31, 7, 5, 1, 2, true, true, true},
        {2, 64, 16, 16, 64, 3, 1, 0, false, false, true},
    };
    const machine here = machine_here();
    for (machine_isa isa = ISA_BASE; isa <= here.isa; isa++)
        for (int threads = 1; threads <= 2; threads++) {
            machine m = here;
            m.isa = isa;
            m.block = isa == ISA_AVX512 ? 16 : 8;
            m.threads = threads;
            if (threads > 1) m.l2_bytes = 16 << 10; /* cuts maps into strips */
            parallel_set_threads(threads);
            for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) check(&cases[i], &m);
        }
    parallel_set_threads(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_through)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
