/* The reference kernels against cases worked out by hand, and every backward operator against central
 * differences of its forward one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/parallel.h"
#include "ops/dropout.h"
#include "ops/kernel.h"

#define MOST 6

/* ---- calling
 * ------------------------------------------------------------------------------------------------------- */

/* An operator on plain tensors; operands are added one by one. */
typedef struct call {
    op o;
    tensor in[MOST], out[MOST];
    void *x[MOST], *y[MOST];
} call;

static call call_of(op_type t)
{
    call c = {.o = {.type = t}};
    return c;
}

static void call_in(call *c, cvy_shape s, const void *p)
{
    c->in[c->o.n_in] = tensor_plain(&s);
    c->x[c->o.n_in++] = (void *)(uintptr_t)p;
}

static void call_out(call *c, cvy_shape s, void *p)
{
    c->out[c->o.n_out] = tensor_plain(&s);
    c->y[c->o.n_out++] = p;
}

static void call_run(call *c)
{
    c->o.in = c->in;
    c->o.out = c->out;
    machine m = machine_here();
    const kernel *k = kernel_reference(c->o.type);
    layout in[MOST], out[MOST];
    assert_true(k->offer(&c->o, &m, 0, in, out) >= 0);
    assert_true(k->offer(&c->o, &m, 20, in, out) < 0);
    kernel_plan plan = {0};
    if (k->prepare) assert_int_equal(k->prepare(&c->o, &m, &plan, NULL), CVY_OK);
    void *scratch = malloc(plan.scratch + 1);
    kernel_args a = {.in = c->x, .out = c->y, .scratch = scratch, .step = 7, .first_sample = 2};
    k->run(&c->o, plan.state, &a);
    free(scratch);
}

static void expect(const float *got, const float *expected, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!(fabsf(got[i] - expected[i]) <= 1e-6f * (1 + fabsf(expected[i]))))
            fail_msg("element %zu: %g, expected %g", i, (double)got[i], (double)expected[i]);
}

static uint64_t random_state = 5;

static float value(void) /* [-1, 1) */
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (float)(random_state >> 33) * 0x1p-30f - 1;
}

static void fill(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) x[i] = value();
}

/* ---- by hand
 * ------------------------------------------------------------------------------------------------------- */

static const float nine[9] = {1, 2, 3, 4, 5, 6, 7, 8, 9};

static void conv_by_hand(cvy_conv_attr a, cvy_shape y, const float *expected)
{
    static const float w[4] = {1, 2, 3, 4};
    float got[16];
    call c = call_of(OP_CONV);
    c.o.attr.conv = a;
    call_in(&c, cvy_shape4(1, 1, 3, 3), nine);
    call_in(&c, cvy_shape4(1, 1, 2, 2), w);
    call_out(&c, y, got);
    call_run(&c);
    expect(got, expected, (size_t)cvy_count(&y));
}

static void test_conv(void **unused)
{
    (void)unused;
    cvy_conv_attr a = {.stride = {1, 1}, .dilation = {1, 1}, .groups = 1};
    conv_by_hand(a, cvy_shape4(1, 1, 2, 2), (float[]){37, 47, 67, 77});
    a.flip = 1;
    conv_by_hand(a, cvy_shape4(1, 1, 2, 2), (float[]){23, 33, 53, 63});
    a.flip = 0;
    a.dilation[0] = a.dilation[1] = 2;
    conv_by_hand(a, cvy_shape4(1, 1, 1, 1), (float[]){64});
    a.dilation[0] = a.dilation[1] = 1;
    a.padding[0] = a.padding[1] = 1; /* above and to the left only */
    a.stride[0] = a.stride[1] = 2;
    conv_by_hand(a, cvy_shape4(1, 1, 2, 2), (float[]){4, 18, 36, 77});
}

static void test_conv_groups_bias_stats(void **unused)
{
    (void)unused;
    static const float x[8] = {1, 2, 3, 4, 10, 20, 30, 40}, w[2] = {2, 3}, bias[2] = {1, -1};
    float y[8], stats[4];
    call c = call_of(OP_CONV);
    c.o.attr.conv = (cvy_conv_attr){.stride = {1, 1}, .dilation = {1, 1}, .groups = 2};
    call_in(&c, cvy_shape4(1, 2, 2, 2), x);
    call_in(&c, cvy_shape4(2, 1, 1, 1), w);
    call_in(&c, cvy_shape1(2), bias);
    call_out(&c, cvy_shape4(1, 2, 2, 2), y);
    call_out(&c, cvy_shape2(2, 2), stats);
    call_run(&c);
    expect(y, (float[]){3, 5, 7, 9, 29, 59, 89, 119}, 8);
    expect(stats, (float[]){6, 74, 5, 1125}, 4);
}

static void test_linear(void **unused)
{
    (void)unused;
    static const float x[4] = {1, 2, 3, 4}, w[6] = {1, 0, 0, 1, 1, 1}, bias[3] = {0, 0, 10};
    float y[6];
    call c = call_of(OP_LINEAR);
    call_in(&c, cvy_shape2(2, 2), x);
    call_in(&c, cvy_shape2(3, 2), w);
    call_in(&c, cvy_shape1(3), bias);
    call_out(&c, cvy_shape2(2, 3), y);
    call_run(&c);
    expect(y, (float[]){1, 2, 13, 3, 4, 17}, 6);
}

static void test_bn(void **unused)
{
    (void)unused;
    static const float x[8] = {1, 2, 1000000, 1000001, 3, 4, 1000002, 1000003}; /* (2, 2, 2) */
    float stats[4], y[8];
    call c = call_of(OP_BN_STATS);
    call_in(&c, (cvy_shape){3, {2, 2, 2}}, x);
    call_out(&c, cvy_shape2(2, 2), stats);
    call_run(&c);
    expect(stats, (float[]){2.5f, 1000001.5f, 1.25f, 1.25f}, 4);

    float mean[2] = {0, 10}, var[2] = {1, 2};
    call r = call_of(OP_BN_RUNNING);
    r.o.attr.bn = (cvy_bn_attr){1e-5, 0.1};
    r.o.attr.count = 4;
    call_in(&r, cvy_shape2(2, 2), stats);
    call_in(&r, cvy_shape1(2), mean);
    call_in(&r, cvy_shape1(2), var);
    call_run(&r);
    expect(mean, (float[]){0.25f, 100009.15f}, 2);
    expect(var, (float[]){0.9f + 0.1f * 5 / 3, 1.8f + 0.1f * 5 / 3}, 2);

    call f = call_of(OP_BN_FROZEN);
    call_in(&f, cvy_shape1(2), mean);
    call_in(&f, cvy_shape1(2), var);
    call_out(&f, cvy_shape2(2, 2), stats);
    call_run(&f);
    expect(stats, (float[]){mean[0], mean[1], var[0], var[1]}, 4);

    static const float given[4] = {2, 0, 3, 15}, gamma[2] = {2, 1}, beta[2] = {1, 0},
                       small[4] = {1, 3, -4, 4};
    static const float residual[4] = {0, 0, -1, 2};
    call a = call_of(OP_BN_APPLY);
    a.o.attr.bn = (cvy_bn_attr){1, 0.1}; /* eps 1: deviations 2 and 4 */
    a.o.attr.relu = 1;
    call_in(&a, cvy_shape4(1, 2, 1, 2), small);
    call_in(&a, cvy_shape2(2, 2), given);
    call_in(&a, cvy_shape1(2), gamma);
    call_in(&a, cvy_shape1(2), beta);
    call_in(&a, cvy_shape4(1, 2, 1, 2), residual);
    call_out(&a, cvy_shape4(1, 2, 1, 2), y);
    call_run(&a);
    expect(y, (float[]){0, 2, 0, 3}, 4);
}

static void test_pool(void **unused)
{
    (void)unused;
    static const float x[9] = {5, 5, 1, 5, 0, 2, -1, 3, 3};
    float y[4];
    unsigned char index[4];
    int32_t wide[4];
    for (int element = 1; element <= 4; element += 3) {
        call c = call_of(OP_POOL);
        c.o.attr.pool = (cvy_pool_attr){.function = CVY_POOL_MAX, .kernel = {2, 2}, .stride = {1, 1}};
        call_in(&c, cvy_shape4(1, 1, 3, 3), x);
        call_out(&c, cvy_shape4(1, 1, 2, 2), y);
        call_out(&c, cvy_shape4(1, 1, 2, 2), element == 1 ? (void *)index : (void *)wide);
        c.out[1].element = element;
        call_run(&c);
        expect(y, (float[]){5, 5, 5, 3}, 4);
        for (int i = 0; i < 4; i++) /* the first of equals */
            assert_int_equal(element == 1 ? index[i] : wide[i], ((int[]){0, 0, 0, 2})[i]);
        float gx[9];
        static const float gy[4] = {1, 2, 4, 8};
        call b = call_of(OP_POOL_BWD);
        b.o.attr.pool = c.o.attr.pool;
        call_in(&b, cvy_shape4(1, 1, 2, 2), gy);
        call_in(&b, cvy_shape4(1, 1, 2, 2), element == 1 ? (void *)index : (void *)wide);
        b.in[1].element = element;
        call_out(&b, cvy_shape4(1, 1, 3, 3), gx);
        call_run(&b);
        expect(gx, (float[]){1, 2, 0, 4, 0, 0, 0, 8, 0}, 9);
    }
    for (int counted = 0; counted < 2; counted++) {
        call c = call_of(OP_POOL);
        c.o.attr.pool = (cvy_pool_attr){.function = CVY_POOL_AVG,
                                        .count_padding = counted,
                                        .kernel = {2, 2},
                                        .stride = {2, 2},
                                        .padding = {1, 1, 0, 0}};
        call_in(&c, cvy_shape4(1, 1, 3, 3), x);
        call_out(&c, cvy_shape4(1, 1, 2, 2), y);
        call_run(&c);
        expect(y, counted ? (float[]){1.25f, 1.5f, 1, 2} : (float[]){5, 3, 2, 2}, 4);
    }
    /* The second row of windows covers one row of the map, one of padding and two beyond it. */
    call over = call_of(OP_POOL);
    over.o.attr.pool = (cvy_pool_attr){.function = CVY_POOL_AVG,
                                       .count_padding = 1,
                                       .kernel = {4, 1},
                                       .stride = {3, 1},
                                       .padding = {1, 0, 3, 0},
                                       .beyond = {2, 0}};
    call_in(&over, cvy_shape4(1, 1, 3, 3), x);
    float means[6];
    call_out(&over, cvy_shape4(1, 1, 2, 3), means);
    call_run(&over);
    expect(means, (float[]){2.25f, 2, 1.5f, -0.5f, 1.5f, 1.5f}, 6);
    float nan_map[4] = {1, NAN, 3, 0};
    call c = call_of(OP_POOL);
    c.o.attr.pool = (cvy_pool_attr){.function = CVY_POOL_MAX, .kernel = {2, 2}, .stride = {2, 2}};
    call_in(&c, cvy_shape4(1, 1, 2, 2), nan_map);
    call_out(&c, cvy_shape4(1, 1, 1, 1), y);
    call_run(&c);
    assert_true(isnan(y[0]));
}

static void test_moves(void **unused)
{
    (void)unused;
    static const float a[4] = {1, 2, 3, 4}, b[2] = {5, 6};
    float y[16];
    call c = call_of(OP_CONCAT); /* (1,2,1,2) and (1,1,1,2) */
    call_in(&c, cvy_shape4(1, 2, 1, 2), a);
    call_in(&c, cvy_shape4(1, 1, 1, 2), b);
    call_out(&c, cvy_shape4(1, 3, 1, 2), y);
    call_run(&c);
    expect(y, (float[]){1, 2, 3, 4, 5, 6}, 6);
    call s = call_of(OP_SLICE);
    s.o.attr.slice.first = 1;
    call_in(&s, cvy_shape4(1, 2, 1, 2), a);
    call_out(&s, cvy_shape4(1, 1, 1, 2), y);
    call_run(&s);
    expect(y, (float[]){3, 4}, 2);
    call p = call_of(OP_SHORTCUT_PAD);
    p.o.attr.shortcut = (cvy_shortcut_attr){{2, 2}, 1, 1};
    call_in(&p, cvy_shape4(1, 1, 3, 3), nine);
    call_out(&p, cvy_shape4(1, 3, 2, 2), y);
    call_run(&p);
    expect(y, (float[]){0, 0, 0, 0, 1, 3, 7, 9, 0, 0, 0, 0}, 12);
    call r = call_of(OP_RESHAPE);
    call_in(&r, cvy_shape4(1, 1, 3, 3), nine);
    call_out(&r, cvy_shape2(1, 9), y);
    call_run(&r);
    expect(y, nine, 9);
    call g = call_of(OP_GLOBAL_AVG);
    call_in(&g, cvy_shape4(1, 2, 1, 2), a);
    call_out(&g, cvy_shape2(1, 2), y);
    call_run(&g);
    expect(y, (float[]){1.5f, 3.5f}, 2);
    call t = call_of(OP_ACTIVATION);
    t.o.attr.activation.function = CVY_RELU;
    call_in(&t, cvy_shape2(1, 3), (float[]){-1, 0, 2});
    call_out(&t, cvy_shape2(1, 3), y);
    call_run(&t);
    expect(y, (float[]){0, 0, 2}, 3);
    call d = call_of(OP_ADD);
    for (int i = 0; i < 3; i++) call_in(&d, cvy_shape2(1, 4), a);
    call_out(&d, cvy_shape2(1, 4), y);
    call_run(&d);
    expect(y, (float[]){3, 6, 9, 12}, 4);
}

/* The documented formula, spelt out, for a sample that does not begin the global batch. */
static void test_dropout(void **unused)
{
    (void)unused;
    enum { F = 1001 };
    static float x[2 * F], y[2 * F];
    for (int i = 0; i < 2 * F; i++) x[i] = 1;
    call c = call_of(OP_DROPOUT);
    c.o.attr.dropout.p = 0.3;
    c.o.attr.key = (philox_key){{11, 22}};
    call_in(&c, cvy_shape2(2, F), x);
    call_out(&c, cvy_shape2(2, F), y);
    call_run(&c);
    int kept = 0;
    for (uint32_t n = 0; n < 2; n++)
        for (uint32_t e = 0; e < F; e++) {
            uint32_t r[4];
            philox_block(c.o.attr.key, e / 4, 2 + n, 7, 0, r);
            bool keep = (double)(r[e % 4] >> 8) / 16777216 >= 0.3;
            assert_true(y[n * F + e] == (keep ? (float)(1 / 0.7) : 0));
            kept += keep;
        }
    assert_true(kept > 0.65 * 2 * F && kept < 0.75 * 2 * F);
    dropout_mask none = dropout_open(c.o.attr.key, 0, 1);
    assert_int_equal(none.threshold, 0);
    assert_true(none.scale == 1);
}

/* ---- central differences
 * --------------------------------------------------------------------------------------------- */

/* A forward call, its output weighted by `weight` and summed, as a function of one of its operands. */
typedef struct scalar {
    call *first, *then; /* `then` is run after `first` when there is one */
    const float *y, *weight;
    size_t n;
} scalar;

static double scalar_value(const scalar *s)
{
    call_run(s->first);
    if (s->then) call_run(s->then);
    double sum = 0;
    for (size_t i = 0; i < s->n; i++) sum += (double)s->y[i] * (double)s->weight[i];
    return sum;
}

/* Of an operator linear in x a wide step costs nothing. */
static void check_gradient(const scalar *s, float *x, const float *gradient, size_t n, float step,
                           double bound)
{
    float most = 1e-3F;
    for (size_t i = 0; i < n; i++) most = fmaxf(most, fabsf(gradient[i]));
    for (size_t i = 0; i < n; i++) {
        float was = x[i], up = was + step, down = was - step;
        x[i] = up;
        double above = scalar_value(s);
        x[i] = down;
        double below = scalar_value(s);
        x[i] = was;
        double slope = (above - below) / ((double)up - (double)down);
        if (!(fabs(slope - (double)gradient[i]) <= bound * (double)most))
            fail_msg("element %zu: gradient %g, central difference %g", i, (double)gradient[i], slope);
    }
}

static void conv_gradients(cvy_shape x, cvy_shape w, cvy_shape y, cvy_conv_attr a)
{
    size_t nx = (size_t)cvy_count(&x), nw = (size_t)cvy_count(&w), ny = (size_t)cvy_count(&y),
           nb = (size_t)w.dim[0];
    float *px = malloc(nx * 4), *pw = malloc(nw * 4), *py = malloc(ny * 4), *r = malloc(ny * 4),
          *pb = malloc(nb * 4);
    float *gx = malloc(nx * 4), *gw = malloc(nw * 4), *gb = malloc(nb * 4);
    fill(px, nx);
    fill(pw, nw);
    fill(r, ny);
    fill(pb, nb);
    call f = call_of(OP_CONV), d = call_of(OP_CONV_BWD_DATA), g = call_of(OP_CONV_BWD_WEIGHTS);
    f.o.attr.conv = d.o.attr.conv = g.o.attr.conv = a;
    call_in(&f, x, px);
    call_in(&f, w, pw);
    call_in(&f, cvy_shape1(w.dim[0]), pb);
    call_out(&f, y, py);
    call_in(&d, y, r);
    call_in(&d, w, pw);
    call_out(&d, x, gx);
    call_in(&g, x, px);
    call_in(&g, y, r);
    call_out(&g, w, gw);
    call_out(&g, cvy_shape1(w.dim[0]), gb);
    call_run(&d);
    call_run(&g);
    scalar s = {&f, NULL, py, r, ny};
    check_gradient(&s, px, gx, nx, 0.5f, 1e-5);
    check_gradient(&s, pw, gw, nw, 0.5f, 1e-5);
    check_gradient(&s, pb, gb, nb, 0.5f, 1e-5);
    free(px), free(pw), free(py), free(r), free(pb), free(gx), free(gw), free(gb);
}

static void test_conv_gradients(void **unused)
{
    (void)unused;
    cvy_conv_attr a = {.stride = {1, 1}, .dilation = {1, 1}, .padding = {1, 1, 1, 1}, .groups = 1};
    conv_gradients(cvy_shape4(2, 3, 4, 5), cvy_shape4(2, 3, 3, 3), cvy_shape4(2, 2, 4, 5), a);
    a.flip = 1;
    conv_gradients(cvy_shape4(1, 2, 4, 5), cvy_shape4(2, 2, 3, 3), cvy_shape4(1, 2, 4, 5), a);
    a = (cvy_conv_attr){.stride = {2, 3}, .dilation = {1, 2}, .padding = {0, 2, 1, 0}, .groups = 1};
    conv_gradients(cvy_shape4(2, 2, 5, 7), cvy_shape4(3, 2, 2, 3), cvy_shape4(2, 3, 3, 2), a);
    a = (cvy_conv_attr){.stride = {1, 2}, .dilation = {1, 1}, .padding = {1, 0, 0, 1}, .groups = 2};
    conv_gradients(cvy_shape4(2, 4, 3, 4), cvy_shape4(6, 2, 2, 2), cvy_shape4(2, 6, 3, 2), a);
    a.groups = 4; /* depthwise */
    conv_gradients(cvy_shape4(2, 4, 3, 4), cvy_shape4(4, 1, 2, 2), cvy_shape4(2, 4, 3, 2), a);
}

/* A transposed convolution's gradients are the convolution and, with x and gy in each other's places, the gradient of
 * its weights. */
static void conv_transpose_gradients(cvy_shape x, cvy_shape w, cvy_shape y, cvy_conv_attr a)
{
    size_t nx = (size_t)cvy_count(&x), nw = (size_t)cvy_count(&w), ny = (size_t)cvy_count(&y);
    float *px = malloc(nx * 4), *pw = malloc(nw * 4), *py = malloc(ny * 4), *r = malloc(ny * 4);
    float *gx = malloc(nx * 4), *gw = malloc(nw * 4);
    fill(px, nx);
    fill(pw, nw);
    fill(r, ny);
    call f = call_of(OP_CONV_BWD_DATA), d = call_of(OP_CONV), g = call_of(OP_CONV_BWD_WEIGHTS);
    f.o.attr.conv = d.o.attr.conv = g.o.attr.conv = a;
    call_in(&f, x, px);
    call_in(&f, w, pw);
    call_out(&f, y, py);
    call_in(&d, y, r);
    call_in(&d, w, pw);
    call_out(&d, x, gx);
    call_in(&g, y, r);
    call_in(&g, x, px);
    call_out(&g, w, gw);
    call_run(&d);
    call_run(&g);
    scalar s = {&f, NULL, py, r, ny};
    check_gradient(&s, px, gx, nx, 0.5f, 1e-5);
    check_gradient(&s, pw, gw, nw, 0.5f, 1e-5);
    free(px), free(pw), free(py), free(r), free(gx), free(gw);
}

static void test_conv_transpose_gradients(void **unused)
{
    (void)unused;
    cvy_conv_attr a = {.stride = {2, 2}, .dilation = {1, 1}, .padding = {1, 1, 1, 1}, .groups = 1};
    conv_transpose_gradients(cvy_shape4(2, 3, 3, 2), cvy_shape4(3, 2, 3, 3), cvy_shape4(2, 2, 6, 4), a);
    a.groups = 3;
    conv_transpose_gradients(cvy_shape4(1, 3, 3, 2), cvy_shape4(3, 2, 3, 3), cvy_shape4(1, 6, 5, 3), a);
    /* windows apart from each other, and an edge that none reaches */
    a = (cvy_conv_attr){.stride = {3, 2}, .dilation = {1, 3}, .padding = {0, 2, 0, 1}, .groups = 1};
    conv_transpose_gradients(cvy_shape4(2, 2, 2, 3), cvy_shape4(2, 1, 2, 2), cvy_shape4(2, 1, 7, 7), a);
}

static void test_conv_transpose(void **unused)
{
    (void)unused;
    static const float x[2] = {1, 10}, w[4] = {1, 2, 3, 4};
    float y[18];
    for (int i = 0; i < 18; i++) y[i] = NAN;
    call c = call_of(OP_CONV_BWD_DATA);
    c.o.attr.conv = (cvy_conv_attr){.stride = {1, 3}, .dilation = {1, 1}, .groups = 1};
    c.o.attr.transposed = 1;
    call_in(&c, cvy_shape4(1, 1, 1, 2), x);
    call_in(&c, cvy_shape4(1, 1, 2, 2), w);
    call_out(&c, cvy_shape4(1, 1, 3, 6), y);
    call_run(&c);
    expect(y, (float[]){1, 2, 0, 10, 20, 0, 3, 4, 0, 30, 40, 0, 0, 0, 0, 0, 0, 0}, 18);
    assert_string_equal(op_label(&c.o), "conv_transpose");
    assert_int_equal(op_macs(&c.o), 2 * 4);
    c.o.type = OP_CONV;
    assert_string_equal(op_label(&c.o), "conv_transpose.bwd_data");
    c.o.type = OP_CONV_BWD_WEIGHTS;
    assert_string_equal(op_label(&c.o), "conv_transpose.bwd_weights");
}

static void test_bias(void **unused)
{
    (void)unused;
    static const float x[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, bias[3] = {10, 20, -5};
    float y[12], sums[3];
    call f = call_of(OP_BIAS), b = call_of(OP_BIAS_BWD);
    call_in(&f, cvy_shape4(2, 3, 1, 2), x);
    call_in(&f, cvy_shape1(3), bias);
    call_out(&f, cvy_shape4(2, 3, 1, 2), y);
    call_run(&f);
    expect(y, (float[]){11, 12, 23, 24, 0, 1, 17, 18, 29, 30, 6, 7}, 12);
    call_in(&b, cvy_shape4(2, 3, 1, 2), x);
    call_out(&b, cvy_shape1(3), sums);
    call_run(&b);
    expect(sums, (float[]){1 + 2 + 7 + 8, 3 + 4 + 9 + 10, 5 + 6 + 11 + 12}, 3);
}

static void test_linear_gradients(void **unused)
{
    (void)unused;
    float x[3 * 5], w[4 * 5], y[3 * 4], r[3 * 4], b[4], gx[3 * 5], gw[4 * 5], gb[4];
    fill(x, 15);
    fill(w, 20);
    fill(r, 12);
    fill(b, 4);
    call f = call_of(OP_LINEAR), d = call_of(OP_LINEAR_BWD_DATA), g = call_of(OP_LINEAR_BWD_WEIGHTS);
    call_in(&f, cvy_shape2(3, 5), x);
    call_in(&f, cvy_shape2(4, 5), w);
    call_in(&f, cvy_shape1(4), b);
    call_out(&f, cvy_shape2(3, 4), y);
    call_in(&d, cvy_shape2(3, 4), r);
    call_in(&d, cvy_shape2(4, 5), w);
    call_out(&d, cvy_shape2(3, 5), gx);
    call_in(&g, cvy_shape2(3, 5), x);
    call_in(&g, cvy_shape2(3, 4), r);
    call_out(&g, cvy_shape2(4, 5), gw);
    call_out(&g, cvy_shape1(4), gb);
    call_run(&d);
    call_run(&g);
    scalar s = {&f, NULL, y, r, 12};
    check_gradient(&s, x, gx, 15, 0.5f, 1e-5);
    check_gradient(&s, w, gw, 20, 0.5f, 1e-5);
    check_gradient(&s, b, gb, 4, 0.5f, 1e-5);
}

/* Statistics and normalisation together, with and without relu, residual and the mask taken from y. */
static void test_bn_gradients(void **unused)
{
    (void)unused;
    enum { N = 3, C = 2, P = 4, ALL = N * C * P };
    float x[ALL], y[ALL], r[ALL], residual[ALL], gamma[C] = {0.7f, -1.3f}, beta[C] = {0.2f, 0.1f},
                                                 stats[2 * C];
    float gx[ALL], ggamma[C], gbeta[C], gresidual[ALL];
    cvy_shape map = cvy_shape4(N, C, 2, 2), channels = cvy_shape1(C), both = cvy_shape2(2, C);
    for (int form = 0; form < 4; form++) { /* bare, relu, relu with y, relu with y and residual */
        bool relu = form > 0, added = form == 3;
        random_state = 77;
        fill(r, ALL);
        fill(residual, ALL);
        call s = call_of(OP_BN_STATS), f = call_of(OP_BN_APPLY), b = call_of(OP_BN_BWD);
        f.o.attr.bn = b.o.attr.bn = (cvy_bn_attr){1e-3, 0.1};
        f.o.attr.relu = b.o.attr.relu = relu;
        call_in(&s, map, x);
        call_out(&s, both, stats);
        call_in(&f, map, x);
        call_in(&f, both, stats);
        call_in(&f, channels, gamma);
        call_in(&f, channels, beta);
        if (added) call_in(&f, map, residual);
        call_out(&f, map, y);
        for (bool clear = false; !clear;) { /* values whose kinks lie further off than a step reaches */
            fill(x, ALL);
            f.o.attr.relu = 0;
            call_run(&s);
            call_run(&f);
            f.o.attr.relu = relu;
            clear = true;
            for (int i = 0; i < ALL; i++) clear = clear && fabsf(y[i]) > 0.03f;
        }
        call_run(&f);
        call_in(&b, map, x);
        call_in(&b, map, r);
        call_in(&b, both, stats);
        call_in(&b, channels, gamma);
        call_in(&b, channels, beta);
        if (form >= 2) call_in(&b, map, y);
        call_out(&b, map, gx);
        call_out(&b, channels, ggamma);
        call_out(&b, channels, gbeta);
        if (added) call_out(&b, map, gresidual);
        call_run(&b);
        scalar v = {&s, &f, y, r, ALL};
        check_gradient(&v, x, gx, ALL, 4e-3f, 1e-3);
        check_gradient(&v, gamma, ggamma, C, 4e-3f, 1e-3);
        check_gradient(&v, beta, gbeta, C, 4e-3f, 1e-3);
        if (added) check_gradient(&v, residual, gresidual, ALL, 4e-3f, 1e-3);
    }
}

/* A forward and a backward operator of one operand each. */
static void pair_gradients(op_type forward, op_type backward, op_attr attr, cvy_shape x, cvy_shape y)
{
    size_t nx = (size_t)cvy_count(&x), ny = (size_t)cvy_count(&y);
    float *px = malloc(nx * 4), *py = malloc(ny * 4), *r = malloc(ny * 4), *gx = malloc(nx * 4);
    unsigned char *index = malloc(ny);
    bool max = forward == OP_POOL && attr.pool.function == CVY_POOL_MAX;
    for (size_t i = 0; i < nx; i++)
        px[i] = (float)((i * 7919) % nx) - (float)nx / 2 + 0.5f; /* apart by one, off zero */
    fill(r, ny);
    call f = call_of(forward), b = call_of(backward);
    f.o.attr = b.o.attr = attr;
    call_in(&f, x, px);
    call_out(&f, y, py);
    if (max) {
        call_out(&f, y, index);
        f.out[1].element = 1;
    }
    call_run(&f);
    if (backward == OP_ACTIVATION_BWD) call_in(&b, y, py);
    call_in(&b, y, r);
    if (max) {
        call_in(&b, y, index);
        b.in[1].element = 1;
    }
    call_out(&b, x, gx);
    call_run(&b);
    scalar s = {&f, NULL, py, r, ny};
    check_gradient(&s, px, gx, nx, 0.25f, 1e-4);
    free(px), free(py), free(r), free(gx), free(index);
}

static void test_other_gradients(void **unused)
{
    (void)unused;
    cvy_shape x = cvy_shape4(2, 3, 5, 4);
    op_attr a = {.activation = {.function = CVY_RELU}}; /* those that curve: test_activation.c */
    pair_gradients(OP_ACTIVATION, OP_ACTIVATION_BWD, a, x, x);
    a.activation = (cvy_activation_attr){.function = CVY_LEAKY_RELU, .alpha = 0.5};
    pair_gradients(OP_ACTIVATION, OP_ACTIVATION_BWD, a, x, x);
    pair_gradients(OP_GLOBAL_AVG, OP_GLOBAL_AVG_BWD, a, x, cvy_shape2(2, 3));
    for (int form = 0; form < 3; form++) {
        a.pool = (cvy_pool_attr){.function = form ? CVY_POOL_AVG : CVY_POOL_MAX,
                                 .count_padding = form == 2,
                                 .kernel = {3, 2},
                                 .stride = {2, 1},
                                 .padding = {1, 0, 1, 1}};
        pair_gradients(OP_POOL, OP_POOL_BWD, a, x, cvy_shape4(2, 3, 3, 4));
        a.pool.padding[0] = 0; /* rows 0 to 2 and 3 to 5, of which the last is beyond */
        a.pool.beyond[0] = 1;
        a.pool.stride[0] = 3;
        a.pool.dilation[1] = form ? 1 : 3;
        pair_gradients(OP_POOL, OP_POOL_BWD, a, x, cvy_shape4(2, 3, 2, form ? 4 : 2));
    }
    a.shortcut = (cvy_shortcut_attr){{2, 3}, 1, 2};
    pair_gradients(OP_SHORTCUT_PAD, OP_SHORTCUT_PAD_BWD, a, x, cvy_shape4(2, 6, 3, 2));
    a.dropout.p = 0.5;
    a.key = (philox_key){{3, 4}};
    pair_gradients(OP_DROPOUT, OP_DROPOUT, a, x, x); /* its own gradient */
}

/* ---- names and costs
 * --------------------------------------------------------------------------------------------------- */

static void test_op_numbers(void **unused)
{
    (void)unused;
    call f = call_of(OP_CONV), w = call_of(OP_CONV_BWD_WEIGHTS);
    f.o.in = f.in;
    f.o.out = f.out;
    w.o.in = w.in;
    w.o.out = w.out;
    call_in(&f, cvy_shape4(2, 4, 8, 8), NULL);
    call_in(&f, cvy_shape4(6, 2, 3, 3), NULL);
    call_out(&f, cvy_shape4(2, 6, 8, 8), NULL);
    assert_int_equal(op_macs(&f.o), 2 * 6 * 64 * 2 * 9);
    call_in(&w, f.in[0].shape, NULL);
    call_in(&w, f.out[0].shape, NULL);
    call_out(&w, f.in[1].shape, NULL);
    assert_int_equal(op_macs(&w.o), op_macs(&f.o));
    assert_int_equal(op_bytes(&f.o), 4 * (2 * 4 * 64 + 6 * 2 * 9 + 2 * 6 * 64));
    f.in[0].layout = LAYOUT_C16;
    assert_int_equal(op_bytes(&f.o), 4 * (2 * 16 * 64 + 6 * 2 * 9 + 2 * 6 * 64));
    assert_string_equal(op_name(OP_CONV_BWD_DATA), "conv.bwd_data");
    for (op_type t = OP_CONV; t < OP_TYPES; t++) {
        if (t == 0) continue;
        assert_string_not_equal(op_name(t), "?");
        if (t != OP_PLAIN && t != OP_PLAIN_BWD) assert_non_null(kernel_reference(t));
    }
}

int main(void)
{
    parallel_set_threads(1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conv),
        cmocka_unit_test(test_conv_groups_bias_stats),
        cmocka_unit_test(test_linear),
        cmocka_unit_test(test_bn),
        cmocka_unit_test(test_pool),
        cmocka_unit_test(test_moves),
        cmocka_unit_test(test_dropout),
        cmocka_unit_test(test_conv_gradients),
        cmocka_unit_test(test_conv_transpose_gradients),
        cmocka_unit_test(test_conv_transpose),
        cmocka_unit_test(test_bias),
        cmocka_unit_test(test_linear_gradients),
        cmocka_unit_test(test_bn_gradients),
        cmocka_unit_test(test_other_gradients),
        cmocka_unit_test(test_op_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
