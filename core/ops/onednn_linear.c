/* Owns the matrix products of linear layers by oneDNN's sgemm, one share of the result per compute thread;
 * must not know convolutions. All operands are plain and row-major. */
#include "ops/onednn.h"

#include <oneapi/dnnl/dnnl.h>
#include <string.h>
#include "base/parallel.h"
#include "ops/onednn_compat.h"

typedef struct product {
    int64_t samples, features, units;
    const float *in[3]; /* as in the op */
    float *out, *gbias;
} product;

static product product_of(const op *o, const kernel_args *a)
{
    product p = {.out = a->out[0]};
    for (int i = 0; i < o->n_in && i < 3; i++) p.in[i] = a->in[i];
    const tensor *x = o->type == OP_LINEAR_BWD_DATA ? &o->out[0] : &o->in[0];
    const tensor *w = o->type == OP_LINEAR_BWD_WEIGHTS ? &o->out[0] : &o->in[1];
    p.samples = x->shape.dim[0];
    p.features = w->shape.dim[1];
    p.units = w->shape.dim[0];
    return p;
}

static double efficiency(const op *o)
{
    return o->type == OP_LINEAR_BWD_WEIGHTS ? 0.6 : 0.7;
}

/* The first product of a process has oneDNN compile its variants, some 20 ms. Products that the lanes do in microseconds are not
 * worth that: short trials would spend most of their life on it. */
#define LEAST_MACS (1 << 18)

static double offer(const op *o, const machine *m, int k, layout *in, layout *out)
{
    if (k > 0 || op_macs(o) < LEAST_MACS) return -1;
    for (int i = 0; i < o->n_in; i++) in[i] = LAYOUT_PLAIN;
    for (int i = 0; i < o->n_out; i++) out[i] = LAYOUT_PLAIN;
    double compute = cost_macs(m, (double)op_macs(o), efficiency(o)),
           memory = cost_bytes(m, (double)op_bytes(o));
    return compute > memory ? compute : memory;
}

static cvy_status prepare(const op *o, const machine *m, kernel_plan *plan, errors *e)
{
    (void)o, (void)e;
    onednn_compat_limit(m->isa);
    plan->state = NULL;
    plan->scratch = 0;
    return CVY_OK;
}

/* C (m, n) = A B + beta C; the letters say which of A and B are transposed. */
static void multiply(char ta, char tb, int64_t m, int64_t n, int64_t k, const float *a, int64_t lda,
                     const float *b, int64_t ldb, float beta, float *c, int64_t ldc)
{
    if (dnnl_sgemm(ta, tb, m, n, k, 1.0F, a, lda, b, ldb, beta, c, ldc) == dnnl_success) return;
    memset(c, 0xff, sizeof *c); /* out of memory: not-a-number stops the run at the next loss */
}

/* y (N, O) = x (N, F) w (O, F)^T + bias, rows [begin, end). */
static void forward_rows(void *ctx, int64_t begin, int64_t end, int thread)
{
    const product *p = ctx;
    int64_t f = p->features, o = p->units;
    const float *bias = p->in[2];
    int begun = parallel_alone_begin();
    (void)thread;
    for (int64_t n = begin; bias && n < end; n++) memcpy(p->out + n * o, bias, (size_t)o * sizeof *bias);
    multiply('N', 'T', end - begin, o, f, p->in[0] + begin * f, f, p->in[1], f, bias ? 1.0F : 0.0F,
             p->out + begin * o, o);
    parallel_alone_end(begun);
}

static void run_forward(const op *o, void *state, const kernel_args *a)
{
    product p = product_of(o, a);
    (void)state;
    parallel_for(p.samples, 1, forward_rows, &p);
}

/* gx (N, F) = gy (N, O) w (O, F), rows [begin, end). */
static void data_rows(void *ctx, int64_t begin, int64_t end, int thread)
{
    const product *p = ctx;
    int64_t f = p->features, o = p->units;
    int begun = parallel_alone_begin();
    (void)thread;
    multiply('N', 'N', end - begin, f, o, p->in[0] + begin * o, o, p->in[1], f, 0.0F, p->out + begin * f, f);
    parallel_alone_end(begun);
}

static void run_data(const op *o, void *state, const kernel_args *a)
{
    product p = product_of(o, a);
    (void)state;
    parallel_for(p.samples, 1, data_rows, &p);
}

/* gw (O, F) = gy (N, O)^T x (N, F), rows [begin, end). */
static void weight_rows(void *ctx, int64_t begin, int64_t end, int thread)
{
    const product *p = ctx;
    int64_t f = p->features, o = p->units;
    int begun = parallel_alone_begin();
    (void)thread;
    multiply('T', 'N', end - begin, f, p->samples, p->in[1] + begin, o, p->in[0], f, 0.0F, p->out + begin * f,
             f);
    parallel_alone_end(begun);
}

/* The same, columns [begin, end): a classifier has few units and many features. */
static void weight_columns(void *ctx, int64_t begin, int64_t end, int thread)
{
    const product *p = ctx;
    int64_t f = p->features, o = p->units;
    int begun = parallel_alone_begin();
    (void)thread;
    multiply('T', 'N', o, end - begin, p->samples, p->in[1], o, p->in[0] + begin, f, 0.0F, p->out + begin, f);
    parallel_alone_end(begun);
}

static void bias_units(void *ctx, int64_t begin, int64_t end, int thread)
{
    enum { CHUNK = 64 };
    const product *p = ctx;
    (void)thread;
    for (int64_t at = begin; at < end; at += CHUNK) {
        int64_t n = end - at < CHUNK ? end - at : CHUNK;
        double sum[CHUNK] = {0};
        for (int64_t row = 0; row < p->samples; row++)
            for (int64_t i = 0; i < n; i++) sum[i] += (double)p->in[1][row * p->units + at + i];
        for (int64_t i = 0; i < n; i++) p->gbias[at + i] = (float)sum[i];
    }
}

static void run_weights(const op *o, void *state, const kernel_args *a)
{
    enum { GRAIN = 16 }; /* one vector: a cache line of the result has one writer */
    product p = product_of(o, a);
    (void)state;
    if (p.out && p.units >= p.features) parallel_for(p.units, GRAIN, weight_rows, &p);
    if (p.out && p.units < p.features) parallel_for(p.features, GRAIN, weight_columns, &p);
    if (o->n_out < 2 || !a->out[1]) return;
    p.gbias = a->out[1];
    parallel_for(p.units, 512, bias_units, &p);
}

const kernel onednn_linear_forward = {
    .name = "onednn",
    .type = OP_LINEAR,
    .in_place = -1,
    .offer = offer,
    .prepare = prepare,
    .run = run_forward,
};

const kernel onednn_linear_data = {
    .name = "onednn",
    .type = OP_LINEAR_BWD_DATA,
    .in_place = -1,
    .offer = offer,
    .prepare = prepare,
    .run = run_data,
};

const kernel onednn_linear_weights = {
    .name = "onednn",
    .type = OP_LINEAR_BWD_WEIGHTS,
    .in_place = -1,
    .offer = offer,
    .prepare = prepare,
    .run = run_weights,
};
