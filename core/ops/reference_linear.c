/* Owns the fully connected product in plain C, forward and backward; must not know any layout but the plain
 * one.
 *
 * y (N,O) = x (N,F) w(O,F)^T + bias; gx = gy w; gw = gy^T x. Every loop runs along rows of w, which lie
 * dense. */
#include "ops/reference.h"

#include <string.h>
#include "base/parallel.h"

typedef struct job {
    int64_t n, f, o;
    const float *x, *w, *bias, *gy;
    float *y, *gx, *gw, *gbias;
} job;

static void forward_part(void *ctx, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const job *b = ctx;
    for (int64_t n = begin; n < end; n++)
        for (int64_t o = 0; o < b->o; o++)
            b->y[n * b->o + o] =
                reference_dot(b->x + n * b->f, b->w + o * b->f, b->f) + (b->bias ? b->bias[o] : 0);
}

static void forward(const op *o, void *state, const kernel_args *a)
{
    (void)state;
    const int64_t *w = o->in[1].shape.dim;
    job b = {.n = o->in[0].shape.dim[0],
             .f = w[1],
             .o = w[0],
             .x = a->in[0],
             .w = a->in[1],
             .bias = o->n_in > 2 ? a->in[2] : NULL,
             .y = a->out[0]};
    parallel_for(b.n, 1, forward_part, &b);
}

static void data_part(void *ctx, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const job *b = ctx;
    for (int64_t n = begin; n < end; n++) {
        float *gx = b->gx + n * b->f;
        memset(gx, 0, (size_t)b->f * sizeof *gx);
        for (int64_t o = 0; o < b->o; o++) {
            const float *w = b->w + o * b->f;
            float g = b->gy[n * b->o + o];
            for (int64_t f = 0; f < b->f; f++) gx[f] += g * w[f];
        }
    }
}

static void data(const op *o, void *state, const kernel_args *a)
{
    (void)state;
    const int64_t *w = o->in[1].shape.dim;
    job b = {
        .n = o->in[0].shape.dim[0], .f = w[1], .o = w[0], .gy = a->in[0], .w = a->in[1], .gx = a->out[0]};
    parallel_for(b.n, 1, data_part, &b);
}

static void weights_part(void *ctx, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const job *b = ctx;
    for (int64_t o = begin; o < end; o++) {
        double sum = 0;
        for (int64_t n = 0; n < b->n; n++) sum += (double)b->gy[n * b->o + o];
        if (b->gbias) b->gbias[o] = (float)sum;
        if (!b->gw) continue;
        float *gw = b->gw + o * b->f;
        memset(gw, 0, (size_t)b->f * sizeof *gw);
        for (int64_t n = 0; n < b->n; n++) {
            const float *x = b->x + n * b->f;
            float g = b->gy[n * b->o + o];
            for (int64_t f = 0; f < b->f; f++) gw[f] += g * x[f];
        }
    }
}

static void weights(const op *o, void *state, const kernel_args *a)
{
    (void)state;
    job b = {.n = o->in[0].shape.dim[0],
             .f = o->in[0].shape.dim[1],
             .o = o->in[1].shape.dim[1],
             .x = a->in[0],
             .gy = a->in[1],
             .gw = a->out[0],
             .gbias = o->n_out > 1 ? a->out[1] : NULL};
    parallel_for(b.o, 1, weights_part, &b);
}

static double offer(const op *o, const machine *m, int k, layout *in, layout *out)
{
    if (k > 0) return -1;
    offer_uniform(o, m, LAYOUT_PLAIN, 1, in, out);
    machine base = *m;
    base.isa = ISA_BASE; /* what this file is compiled for */
    return cost_macs(&base, (double)op_macs(o), 0.4);
}

const kernel reference_linear = {
    .name = "reference", .type = OP_LINEAR, .in_place = -1, .offer = offer, .run = forward};
const kernel reference_linear_bwd_data = {
    .name = "reference", .type = OP_LINEAR_BWD_DATA, .in_place = -1, .offer = offer, .run = data};
const kernel reference_linear_bwd_weights = {
    .name = "reference", .type = OP_LINEAR_BWD_WEIGHTS, .in_place = -1, .offer = offer, .run = weights};
