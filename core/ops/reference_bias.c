/* Owns the bias of a channel and its gradient in plain C; must not know any layout but the plain one. */
#include "base/parallel.h"
#include "ops/reference.h"

typedef struct job {
    reference_view v;
    const float *x, *bias;
    float *y; /* in sums: one number per channel */
} job;

static void add_part(void *ctx, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const job *b = ctx;
    for (int64_t at = begin; at < end; at++) { /* at = n * C + c */
        const float bias = b->bias[at % b->v.c];
        for (int64_t i = at * b->v.plane; i < (at + 1) * b->v.plane; i++) b->y[i] = b->x[i] + bias;
    }
}

static void add(const op *o, void *state, const kernel_args *a)
{
    (void)state;
    job b = {.v = reference_view_of(&o->in[0]), .x = a->in[0], .bias = a->in[1], .y = a->out[0]};
    parallel_for(b.v.n * b.v.c, 1 + 4096 / b.v.plane, add_part, &b);
}

static void sum_part(void *ctx, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const job *b = ctx;
    for (int64_t c = begin; c < end; c++) {
        double sum = 0;
        for (int64_t n = 0; n < b->v.n; n++) {
            const float *x = b->x + (n * b->v.c + c) * b->v.plane;
            for (int64_t i = 0; i < b->v.plane; i++) sum += (double)x[i];
        }
        b->y[c] = (float)sum;
    }
}

void reference_channel_sums(reference_view v, const float *x, float *sums)
{
    job b = {.v = v, .x = x, .y = sums};
    parallel_for(v.c, 1, sum_part, &b);
}

static void backward(const op *o, void *state, const kernel_args *a)
{
    (void)state;
    reference_channel_sums(reference_view_of(&o->in[0]), a->in[0], a->out[0]);
}

static double offer(const op *o, const machine *m, int k, layout *in, layout *out)
{
    return k > 0 ? -1 : offer_uniform(o, m, LAYOUT_PLAIN, 1.2, in, out);
}

static double backward_offer(const op *o, const machine *m, int k, layout *in, layout *out)
{
    return k > 0 ? -1
                 : offer_uniform(o, m, LAYOUT_PLAIN, 4, in, out); /* an addition waits for the one before */
}

const kernel reference_bias = {
    .name = "reference", .type = OP_BIAS, .in_place = 0, .offer = offer, .run = add};
const kernel reference_bias_bwd = {
    .name = "reference", .type = OP_BIAS_BWD, .in_place = -1, .offer = backward_offer, .run = backward};
