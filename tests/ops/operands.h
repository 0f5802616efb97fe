/* What tests of kernels share: machines of every kind, random numbers that are the same every time, operands in any
 * layout, and a kernel's way from ready to released with nothing written beside. */
#ifndef TESTS_OPERANDS_H
#define TESTS_OPERANDS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/parallel.h"
#include "ops/kernel.h"

#define CANARY 64

static uint64_t random_state;

static inline uint32_t random_next(void)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(random_state >> 33);
}

static inline int64_t between(int64_t low, int64_t high) /* both included */
{
    return low + (int64_t)(random_next() % (uint64_t)(high - low + 1));
}

static inline float value(void) /* [-1, 1) */
{
    return (float)random_next() * 0x1p-30f - 1;
}

static inline void *fresh(size_t bytes)
{
    void *p = NULL;
    assert_int_equal(posix_memalign(&p, 64, bytes ? bytes : 1), 0);
    return p;
}

static inline machine machine_of(machine_isa isa, int threads)
{
    machine m = machine_here();
    m.isa = isa;
    m.threads = threads;
    m.block = isa == ISA_AVX512 ? 16 : 8;
    if (threads > 1) m.l2_bytes = 16 << 10; /* also cuts small maps into strips */
    parallel_set_threads(threads);
    return m;
}

/* A kernel made ready for an op, run with scratch full of NaN. */
static inline void run_kernel(const kernel *k, const op *o, const machine *m, void *const *in,
                              void *const *out)
{
    kernel_plan plan = {0};
    errors e = {0};
    if (k->prepare) assert_int_equal(k->prepare(o, m, &plan, &e), CVY_OK);
    assert_int_equal(errors_count(&e), 0);
    errors_free(&e);
    char *scratch = fresh(plan.scratch + CANARY), *packed = fresh(plan.packed + CANARY);
    memset(scratch, 0xFF, plan.scratch + CANARY);
    memset(packed, 0xFF, plan.packed + CANARY);
    if (k->pack) k->pack(o, plan.state, in[1], packed, scratch);
    memset(scratch, 0xFF, plan.scratch);
    kernel_args a = {.in = in,
                     .out = out,
                     .scratch = scratch,
                     .packed = plan.packed ? packed : NULL,
                     .step = 5000000001u,
                     .first_sample = 3};
    k->run(o, plan.state, &a);
    for (int i = 0; i < CANARY; i++) {
        assert_int_equal((unsigned char)scratch[plan.scratch + (size_t)i], 0xFF);
        assert_int_equal((unsigned char)packed[plan.packed + (size_t)i], 0xFF);
    }
    free(scratch);
    free(packed);
    if (k->release) k->release(plan.state);
}

/* ---- layouts, element by element ---- */

static inline char *laid_out(const tensor *t, const void *plain)
{
    size_t bytes = tensor_bytes(t);
    char *to = fresh(bytes);
    memset(to, 0, bytes);
    if (t->layout == LAYOUT_PLAIN) {
        memcpy(to, plain, bytes);
        return to;
    }
    const int64_t *d = t->shape.dim;
    const char *from = plain;
    for (int64_t n = 0; n < d[0]; n++)
        for (int64_t c = 0; c < d[1]; c++)
            for (int64_t h = 0; h < d[2]; h++)
                for (int64_t w = 0; w < d[3]; w++, from += t->element)
                    memcpy(to + tensor_offset(t, n, c, h, w) * t->element, from, (size_t)t->element);
    return to;
}

static inline float *plain_again(const tensor *t, const void *from)
{
    int64_t n = cvy_count(&t->shape), e = 0;
    float *to = fresh((size_t)n * sizeof *to);
    const int64_t *d = t->shape.dim;
    for (int64_t i = 0; i < n; i++) {
        int64_t at = i;
        if (t->layout != LAYOUT_PLAIN)
            at = tensor_offset(t, i / (d[1] * d[2] * d[3]), i / (d[2] * d[3]) % d[1], i / d[3] % d[2],
                               i % d[3]);
        to[e++] = t->element == 1 ? (float)((const unsigned char *)from)[at] : ((const float *)from)[at];
    }
    return to;
}

static inline void check_padding(const tensor *t, const float *y, const char *what)
{
    if (t->layout == LAYOUT_PLAIN || t->element != sizeof(float)) return;
    int64_t b = layout_block(t->layout), c = t->shape.dim[1], blocks = (c + b - 1) / b;
    int64_t plane = t->shape.dim[2] * t->shape.dim[3];
    for (int64_t n = 0; n < t->shape.dim[0]; n++)
        for (int64_t i = 0; i < plane; i++)
            for (int64_t l = c % b; l < b && c % b; l++)
                if (y[((n * blocks + blocks - 1) * plane + i) * b + l] != 0)
                    fail_msg("%s: lane beyond C", what);
}

/* ---- outputs with canaries ---- */

static inline char *out_new(const tensor *t)
{
    size_t bytes = tensor_bytes(t);
    char *p = fresh(bytes + 2 * CANARY);
    memset(p, 0xFF, bytes + 2 * CANARY); /* as floats: NaN */
    return p + CANARY;
}

static inline void out_check(const tensor *t, const char *p, const char *what)
{
    for (int i = 0; i < CANARY; i++)
        if ((unsigned char)p[i - CANARY] != 0xFF || (unsigned char)p[tensor_bytes(t) + (size_t)i] != 0xFF)
            fail_msg("%s: wrote outside its output", what);
}

static inline void out_free(char *p)
{
    if (p) free(p - CANARY);
}

/* ---- in words ---- */

static inline void describe(const kernel *k, const machine *m, const op *o, char *buf, size_t size)
{
    int n = snprintf(buf, size, "%s %s isa=%s threads=%d", op_name(o->type), k->name,
                     machine_isa_name(m->isa), m->threads);
    for (int i = 0; i < o->n_in + o->n_out && n > 0 && (size_t)n < size; i++) {
        const tensor *t = i < o->n_in ? &o->in[i] : &o->out[i - o->n_in];
        n += snprintf(buf + n, size - (size_t)n, " %s%s(", i < o->n_in ? "" : "-> ", layout_name(t->layout));
        for (int d = 0; d < t->shape.rank && (size_t)n < size; d++)
            n += snprintf(buf + n, size - (size_t)n, "%s%lld", d ? "," : "", (long long)t->shape.dim[d]);
        if ((size_t)n < size) n += snprintf(buf + n, size - (size_t)n, ")");
    }
    if ((o->type == OP_CONV || o->type == OP_CONV_BWD_DATA || o->type == OP_CONV_BWD_WEIGHTS) &&
        (size_t)n < size) {
        const cvy_conv_attr *a = &o->attr.conv;
        snprintf(buf + n, size - (size_t)n, " s %d,%d d %d,%d p %d,%d,%d,%d g %d flip %d", (int)a->stride[0],
                 (int)a->stride[1], (int)a->dilation[0], (int)a->dilation[1], (int)a->padding[0],
                 (int)a->padding[1], (int)a->padding[2], (int)a->padding[3], (int)a->groups, (int)a->flip);
    }
}

#endif
