/* Checks every oneDNN kernel against the reference kernels, the padded lanes, the statistics taken in the
 * convolution's output stage, and that the same call gives the same bits. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/memory.h"
#include "base/parallel.h"
#include "device/buffer.h"
#include "ops/kernel.h"

/* ---- tools ---- */

static const kernel *onednn_of(op_type t, const machine *m)
{
    for (const kernel *const *k = kernels_of(t, m); *k; k++)
        if (strcmp((*k)->name, "onednn") == 0) return *k;
    return NULL;
}

static bool present(void)
{
    machine m = machine_here();
    return onednn_of(OP_CONV, &m) != NULL;
}

static float next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return (float)(*state >> 8) / 8388608.0F - 1;
}

typedef struct value {
    tensor t;
    size_t bytes;
    float *data;
} value;

static value value_new(const tensor *t)
{
    value v = {.t = *t, .bytes = tensor_bytes(t)};
    v.data = buffer_new(v.bytes, NULL);
    assert_non_null(v.data);
    return v;
}

static void value_free(value *v)
{
    buffer_free(v->data, v->bytes);
}

static void value_random(value *v, uint32_t seed)
{
    for (int64_t i = 0; i < tensor_elements(&v->t); i++) v->data[i] = next_random(&seed);
}

/* The same tensor in another layout; whatever the new one pads is zero. */
static value value_in(const value *plain, layout l)
{
    tensor t = plain->t;
    t.layout = l;
    value v = value_new(&t);
    if (l == LAYOUT_PLAIN) {
        memcpy(v.data, plain->data, plain->bytes);
        return v;
    }
    const int64_t *d = t.shape.dim;
    for (int64_t n = 0; n < d[0]; n++)
        for (int64_t c = 0; c < d[1]; c++)
            for (int64_t h = 0; h < d[2]; h++)
                for (int64_t w = 0; w < d[3]; w++)
                    v.data[tensor_offset(&t, n, c, h, w)] = plain->data[tensor_offset(&plain->t, n, c, h, w)];
    return v;
}

static void assert_lanes_zero(const value *v)
{
    int block = layout_block(v->t.layout);
    const int64_t *d = v->t.shape.dim;
    if (block == 1 || d[1] % block == 0) return;
    for (int64_t n = 0; n < d[0]; n++)
        for (int64_t h = 0; h < d[2]; h++)
            for (int64_t w = 0; w < d[3]; w++) {
                const float *last = v->data + tensor_offset(&v->t, n, d[1] - 1, h, w);
                for (int64_t c = d[1]; c % block; c++) assert_true(last[c - d[1] + 1] == 0);
            }
}

/* Largest difference between a plain tensor and one in any layout, as a share of the largest magnitude. */
static double difference(const value *plain, const value *v)
{
    double worst = 0, top = 1e-6;
    int64_t count = cvy_count(&plain->t.shape);
    const int64_t *d = plain->t.shape.dim;
    for (int64_t i = 0; i < count; i++) {
        int64_t at = i;
        if (v->t.layout != LAYOUT_PLAIN) {
            int64_t w = i % d[3], h = i / d[3] % d[2], c = i / d[3] / d[2] % d[1], n = i / d[3] / d[2] / d[1];
            at = tensor_offset(&v->t, n, c, h, w);
        }
        double a = (double)plain->data[i], b = (double)v->data[at];
        if (!isfinite(b)) return INFINITY;
        if (fabs(a - b) > worst) worst = fabs(a - b);
        if (fabs(a) > top) top = fabs(a);
    }
    return worst / top;
}

enum { MOST = 4 };

static void run_kernel(const kernel *k, const op *o, const machine *m, value *in, value *out)
{
    errors e = {0};
    kernel_plan plan = {0};
    if (k->prepare) assert_int_equal(k->prepare(o, m, &plan, &e), CVY_OK);
    void *scratch = plan.scratch ? buffer_new(plan.scratch, &e) : NULL;
    if (scratch) memset(scratch, 0xff, plan.scratch);
    void *ins[MOST] = {0}, *outs[MOST] = {0};
    for (int i = 0; i < o->n_in; i++) ins[i] = in[i].data;
    for (int i = 0; i < o->n_out; i++) outs[i] = out[i].data;
    void *packed = plan.packed ? buffer_new(plan.packed, &e) : NULL;
    if (packed) memset(packed, 0xff, plan.packed);
    if (k->pack) k->pack(o, plan.state, in[1].data, packed, scratch);
    if (scratch) memset(scratch, 0xff, plan.scratch);
    kernel_args a = {.in = ins, .out = outs, .scratch = scratch, .packed = packed};
    k->run(o, plan.state, &a);
    /* Again, into memory full of something else: the same bits. */
    for (int i = 0; i < o->n_out; i++) {
        float *before = mem_copy(out[i].data, out[i].bytes);
        memset(out[i].data, 0xff, out[i].bytes);
        k->run(o, plan.state, &a);
        assert_memory_equal(before, out[i].data, out[i].bytes);
        mem_free(before);
    }
    /* Outputs that nobody wants. */
    if (o->n_out == 2)
        for (int i = 0; i < 2; i++) {
            if (o->type == OP_CONV && i == 0) continue;
            outs[i] = NULL;
            k->run(o, plan.state, &a);
            outs[i] = out[i].data;
        }
    buffer_free(scratch, plan.scratch);
    buffer_free(packed, plan.packed);
    if (k->release) k->release(plan.state);
    errors_free(&e);
}

/* Every combination of layouts that oneDNN's kernel offers against the reference; returns how many there
 * were. */
static int compare(op *o, const machine *m, double tolerance)
{
    const kernel *fast = onednn_of(o->type, m), *slow = kernel_reference(o->type);
    value in[MOST], expected[MOST];
    int combinations = 0;
    for (int i = 0; i < o->n_in; i++) {
        o->in[i].layout = LAYOUT_PLAIN;
        in[i] = value_new(&o->in[i]);
        value_random(&in[i], (uint32_t)(17 + i));
    }
    for (int i = 0; i < o->n_out; i++) {
        o->out[i].layout = LAYOUT_PLAIN;
        expected[i] = value_new(&o->out[i]);
    }
    run_kernel(slow, o, m, in, expected);
    layout lin[MOST], lout[MOST];
    for (double cost; (cost = fast->offer(o, m, combinations, lin, lout)) >= 0; combinations++) {
        value fin[MOST], fout[MOST];
        for (int i = 0; i < o->n_in; i++) {
            fin[i] = value_in(&in[i], lin[i]);
            o->in[i].layout = lin[i];
        }
        for (int i = 0; i < o->n_out; i++) {
            o->out[i].layout = lout[i];
            fout[i] = value_new(&o->out[i]);
            memset(fout[i].data, 0xff, fout[i].bytes);
        }
        run_kernel(fast, o, m, fin, fout);
        for (int i = 0; i < o->n_out; i++) {
            double d = difference(&expected[i], &fout[i]);
            if (!(d <= tolerance))
                print_message("%s %s: output %d differs by %g\n", op_name(o->type), layout_name(lout[i]), i,
                              d);
            assert_true(d <= tolerance);
            assert_lanes_zero(&fout[i]);
            value_free(&fout[i]);
        }
        for (int i = 0; i < o->n_in; i++) value_free(&fin[i]);
    }
    for (int i = 0; i < o->n_in; i++) value_free(&in[i]);
    for (int i = 0; i < o->n_out; i++) value_free(&expected[i]);
    return combinations;
}

/* ---- convolutions ---- */

typedef struct shape {
    int64_t n, c, h, w, o, kh, kw, s[2], d[2], p[4], groups;
    int flip;
} shape;

static const shape shapes[] = {
    {4, 16, 8, 8, 16, 3, 3, {1, 1}, {1, 1}, {1, 1, 1, 1}, 1, 0},
    {7, 32, 9, 7, 48, 3, 3, {1, 1}, {1, 1}, {1, 1, 1, 1}, 1, 1},
    {5, 3, 12, 12, 16, 3, 3, {1, 1}, {1, 1}, {1, 1, 1, 1}, 1, 0},
    {5, 3, 15, 11, 20, 5, 5, {2, 2}, {1, 1}, {2, 2, 2, 2}, 1, 1},
    {3, 1, 10, 10, 6, 5, 5, {1, 1}, {1, 1}, {0, 0, 0, 0}, 1, 0},
    {3, 10, 6, 6, 17, 3, 3, {1, 1}, {1, 1}, {1, 1, 1, 1}, 1, 0},
    {3, 17, 7, 5, 3, 3, 3, {2, 1}, {1, 1}, {1, 1, 1, 1}, 1, 0},
    {2, 17, 5, 5, 1, 1, 1, {1, 1}, {1, 1}, {0, 0, 0, 0}, 1, 0},
    {3, 16, 8, 8, 32, 1, 1, {2, 2}, {1, 1}, {0, 0, 0, 0}, 1, 0},
    {3, 64, 1, 1, 32, 1, 1, {1, 1}, {1, 1}, {0, 0, 0, 0}, 1, 0},
    {1, 32, 1, 1, 10, 3, 3, {1, 1}, {1, 1}, {1, 1, 1, 1}, 1, 1},
    {3, 16, 12, 10, 16, 3, 3, {1, 1}, {2, 3}, {2, 3, 2, 3}, 1, 0},
    {3, 16, 9, 10, 16, 2, 4, {1, 1}, {1, 1}, {0, 1, 1, 2}, 1, 1},
    {3, 16, 9, 10, 16, 3, 3, {2, 2}, {1, 1}, {0, 0, 1, 1}, 1, 0},
    {3, 32, 6, 6, 32, 3, 3, {1, 1}, {1, 1}, {1, 1, 1, 1}, 2, 1},
    {3, 12, 6, 6, 8, 3, 3, {1, 1}, {1, 1}, {1, 1, 1, 1}, 4, 1},
    {3, 32, 8, 8, 32, 3, 3, {1, 1}, {1, 1}, {1, 1, 1, 1}, 32, 1},
    {3, 10, 8, 8, 10, 3, 3, {2, 2}, {1, 1}, {1, 1, 1, 1}, 10, 0},
    {2, 16, 6, 6, 32, 3, 3, {1, 1}, {1, 1}, {1, 1, 1, 1}, 16, 0},
    /* those that onednn_conv computes by the other pass or a sample at a time */
    {5, 32, 4, 4, 64, 3, 3, {1, 1}, {1, 1}, {1, 1, 1, 1}, 1, 1},
    {3, 17, 5, 6, 20, 3, 5, {1, 1}, {1, 1}, {0, 1, 2, 3}, 1, 0},
    {5, 16, 4, 32, 24, 3, 3, {1, 1}, {1, 1}, {1, 1, 1, 1}, 1, 0},
    {3, 16, 3, 40, 32, 3, 3, {1, 1}, {1, 2}, {1, 2, 0, 1}, 1, 0},
    {3, 20, 4, 37, 16, 2, 3, {1, 1}, {1, 1}, {0, 2, 1, 1}, 1, 1},
};

enum { SHAPES = sizeof shapes / sizeof *shapes };

static int64_t out_side(const shape *s, int i)
{
    int64_t size = i ? s->w : s->h, k = i ? s->kw : s->kh;
    return (size + s->p[i] + s->p[i + 2] - (k - 1) * s->d[i] - 1) / s->s[i] + 1;
}

typedef struct conv {
    op o;
    tensor in[3], out[2];
} conv;

static void conv_of(conv *c, op_type t, const shape *s, bool bias, bool stats)
{
    memset(c, 0, sizeof *c);
    cvy_shape xs = cvy_shape4(s->n, s->c, s->h, s->w), ws = cvy_shape4(s->o, s->c / s->groups, s->kh, s->kw);
    cvy_shape ys = cvy_shape4(s->n, s->o, out_side(s, 0), out_side(s, 1)), bs = cvy_shape1(s->o);
    cvy_shape ss = cvy_shape2(2, s->o);
    tensor x = tensor_plain(&xs), w = tensor_plain(&ws), y = tensor_plain(&ys), b = tensor_plain(&bs);
    tensor st = tensor_plain(&ss);
    c->o = (op){.type = t, .n_in = 2, .n_out = 1, .in = c->in, .out = c->out};
    c->in[0] = t == OP_CONV_BWD_DATA ? y : x;
    c->in[1] = t == OP_CONV_BWD_WEIGHTS ? y : w;
    c->out[0] = t == OP_CONV ? y : t == OP_CONV_BWD_DATA ? x : w;
    if (bias && t == OP_CONV) c->in[c->o.n_in++] = b;
    if (bias && t == OP_CONV_BWD_WEIGHTS) c->out[c->o.n_out++] = b;
    if (stats) c->out[c->o.n_out++] = st;
    memcpy(c->o.attr.conv.stride, s->s, sizeof s->s);
    memcpy(c->o.attr.conv.dilation, s->d, sizeof s->d);
    memcpy(c->o.attr.conv.padding, s->p, sizeof s->p);
    c->o.attr.conv.groups = s->groups;
    c->o.attr.conv.flip = s->flip;
}

static void convolutions(op_type t)
{
    if (!present()) skip();
    int offered[SHAPES] = {0};
    for (int threads = 1; threads <= 3; threads++) {
        parallel_set_threads(threads);
        machine m = machine_here();
        for (int i = 0; i < SHAPES; i++)
            for (int bias = 0; bias <= (t != OP_CONV_BWD_DATA); bias++) {
                conv c;
                conv_of(&c, t, &shapes[i], bias, false);
                int n = compare(&c.o, &m, 1e-5);
                if (n == 0) print_message("%s: nothing offered for shape %d\n", op_name(t), i);
                offered[i] += n;
            }
    }
    parallel_set_threads(0);
    int all = 0;
    for (int i = 0; i < SHAPES; i++) all += offered[i];
    if (!all) { /* Debian's oneDNN for Arm: built without the Arm Compute Library */
        print_message("skipped: for this machine oneDNN has no %s but its reference, which is never used\n",
                      op_name(t));
        skip();
    }
    assert_true(offered[0] > 0 && offered[1] > 0 && offered[2] > 0);
}

static void test_forward(void **state)
{
    (void)state;
    convolutions(OP_CONV);
}

static void test_data(void **state)
{
    (void)state;
    convolutions(OP_CONV_BWD_DATA);
}

static void test_weights(void **state)
{
    (void)state;
    convolutions(OP_CONV_BWD_WEIGHTS);
}

/* ---- statistics in the output stage ---- */

static void assert_stats(const value *y, const value *stats)
{
    const int64_t *d = y->t.shape.dim;
    int64_t channels = d[1], count = d[0] * d[2] * d[3];
    for (int64_t c = 0; c < channels; c++) {
        double sum = 0, m2 = 0;
        for (int pass = 0; pass < 2; pass++)
            for (int64_t n = 0; n < d[0]; n++)
                for (int64_t h = 0; h < d[2]; h++)
                    for (int64_t w = 0; w < d[3]; w++) {
                        double v = (double)y->data[tensor_offset(&y->t, n, c, h, w)],
                               mean = sum / (double)count;
                        if (pass == 0) sum += v;
                        if (pass == 1) m2 += (v - mean) * (v - mean);
                    }
        double mean = sum / (double)count, var = m2 / (double)count;
        /* The tensor itself is float, and so are the results. */
        double close = 1e-6 * (fabs(mean) + sqrt(var)), spread = 2e-5 * var + 1e-12;
        assert_true(fabs((double)stats->data[c] - mean) <= close);
        assert_true(fabs((double)stats->data[channels + c] - var) <= spread);
    }
}

static void check_stats(const shape *s, float weight, float bias, int threads)
{
    parallel_set_threads(threads);
    machine m = machine_here();
    const kernel *k = onednn_of(OP_CONV, &m);
    conv c;
    conv_of(&c, OP_CONV, s, true, true);
    layout lin[3], lout[2];
    for (int n = 0; k->offer(&c.o, &m, n, lin, lout) >= 0; n++) {
        value in[3], out[2];
        assert_int_not_equal(lout[0], LAYOUT_PLAIN);
        for (int i = 0; i < 3; i++) {
            tensor plain = tensor_plain(&c.in[i].shape);
            value v = value_new(&plain);
            value_random(&v, (uint32_t)(5 + i));
            for (int64_t at = 0; i == 1 && at < tensor_elements(&plain); at++) v.data[at] *= weight;
            for (int64_t at = 0; i == 2 && at < tensor_elements(&plain); at++) v.data[at] = bias + (float)at;
            c.in[i].layout = lin[i];
            in[i] = value_in(&v, lin[i]);
            value_free(&v);
        }
        for (int i = 0; i < 2; i++) {
            c.out[i].layout = lout[i];
            out[i] = value_new(&c.out[i]);
        }
        run_kernel(k, &c.o, &m, in, out);
        assert_stats(&out[0], &out[1]);
        assert_lanes_zero(&out[0]);
        for (int i = 0; i < 3; i++) value_free(&in[i]);
        for (int i = 0; i < 2; i++) value_free(&out[i]);
    }
    parallel_set_threads(0);
}

static void test_stats(void **state)
{
    (void)state;
    if (!present()) skip();
    for (int threads = 1; threads <= 2; threads++)
        for (int i = 0; i < SHAPES; i++) check_stats(&shapes[i], 1, 0, threads);
}

/* One small piece after another of a large batch, and deviations that vanish beside the mean. */
static void test_stats_far_from_zero(void **state)
{
    (void)state;
    if (!present()) skip();
    static const shape many = {133, 16, 32, 32, 20, 3, 3, {1, 1}, {1, 1}, {1, 1, 1, 1}, 1, 0};
    static const shape few = {37, 8, 2, 2, 16, 1, 1, {1, 1}, {1, 1}, {0, 0, 0, 0}, 1, 0};
    for (int threads = 1; threads <= 2; threads++) {
        check_stats(&many, 0.1F, 0, threads);
        check_stats(&many, 0.1F, 1e4F, threads);
        check_stats(&few, 0.5F, 1e4F, threads);
        check_stats(&few, 0, 3, threads); /* constant channels */
    }
}

/* ---- linear layers ---- */

static void test_linear(void **state)
{
    (void)state;
    if (!present()) skip();
    /* Small products are not worth compiling for, and not offered; the last is one. */
    static const int64_t sizes[][3] = {{64, 65, 67},  {1, 1024, 257}, {33, 300, 40}, {7, 317, 130},
                                       {5, 3001, 20}, {513, 512, 1},  {33, 64, 10}};
    enum { SMALL = sizeof sizes / sizeof *sizes - 1 };
    for (int threads = 1; threads <= 3; threads++)
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
            for (int bias = 0; bias < 2; bias++) {
                parallel_set_threads(threads);
                machine m = machine_here();
                cvy_shape xs = cvy_shape2(sizes[i][0], sizes[i][1]),
                          ws = cvy_shape2(sizes[i][2], sizes[i][1]);
                cvy_shape ys = cvy_shape2(sizes[i][0], sizes[i][2]), bs = cvy_shape1(sizes[i][2]);
                tensor x = tensor_plain(&xs), w = tensor_plain(&ws), y = tensor_plain(&ys),
                       b = tensor_plain(&bs);
                op forward = {OP_LINEAR, 2 + bias, 1, (tensor[]){x, w, b}, (tensor[]){y}, {.relu = 0}};
                op data = {OP_LINEAR_BWD_DATA, 2, 1, (tensor[]){y, w}, (tensor[]){x}, {.relu = 0}};
                op weights = {OP_LINEAR_BWD_WEIGHTS, 2,          1 + bias, (tensor[]){x, y},
                              (tensor[]){w, b},      {.relu = 0}};
                assert_int_equal(compare(&forward, &m, 1e-5), i != SMALL);
                assert_int_equal(compare(&data, &m, 1e-5), i != SMALL);
                assert_int_equal(compare(&weights, &m, 1e-5), i != SMALL);
            }
    parallel_set_threads(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forward), cmocka_unit_test(test_data),
        cmocka_unit_test(test_weights), cmocka_unit_test(test_linear),
        cmocka_unit_test(test_stats),   cmocka_unit_test(test_stats_far_from_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
