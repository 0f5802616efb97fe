/* Owns the element by element operators in plain C; must not know any layout but the plain one. */
#include "ops/reference.h"

#include "base/parallel.h"
#include "ops/dropout.h"

#define GRAIN 4096 /* elements: below, a second thread costs more than it saves */

typedef struct job {
    const op *o;
    const kernel_args *a;
    const float *x, *gy;
    float *y;
    int64_t sample; /* elements of one */
    dropout_mask mask;
} job;

/* ---- activation ---- */

static void activation_part(void *ctx, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const job *b = ctx;
    for (int64_t i = begin; i < end; i++) b->y[i] = b->x[i] < 0 ? 0 : b->x[i]; /* NaN stays NaN */
}

static void activation(const op *o, void *state, const kernel_args *a)
{
    (void)state;
    job b = {.x = a->in[0], .y = a->out[0]};
    parallel_for(cvy_count(&o->in[0].shape), GRAIN, activation_part, &b);
}

static void activation_bwd_part(void *ctx, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const job *b = ctx;
    for (int64_t i = begin; i < end; i++) b->y[i] = b->x[i] > 0 ? b->gy[i] : 0;
}

static void activation_bwd(const op *o, void *state, const kernel_args *a)
{
    (void)state;
    job b = {.x = a->in[0], .gy = a->in[1], .y = a->out[0]};
    parallel_for(cvy_count(&o->in[0].shape), GRAIN, activation_bwd_part, &b);
}

/* ---- sum
 * ---------------------------------------------------------------------------------------------------------
 */

static void add_part(void *ctx, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const job *b = ctx;
    for (int64_t i = begin; i < end; i++) { /* summed before it is stored: y may be an operand's memory */
        float sum = ((const float *)b->a->in[0])[i];
        for (int k = 1; k < b->o->n_in; k++) sum += ((const float *)b->a->in[k])[i];
        b->y[i] = sum;
    }
}

static void add(const op *o, void *state, const kernel_args *a)
{
    (void)state;
    job b = {.o = o, .a = a, .y = a->out[0]};
    parallel_for(cvy_count(&o->in[0].shape), GRAIN, add_part, &b);
}

/* ---- dropout ---- */

static void dropout_part(void *ctx, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const job *b = ctx;
    int64_t quads = (b->sample + 3) / 4;
    for (int64_t at = begin; at < end; at++) { /* at = n * quads + quad */
        int64_t n = at / quads, quad = at % quads;
        float factor[4];
        dropout_factors(&b->mask, (uint32_t)(b->a->first_sample + n), (uint32_t)quad, factor);
        for (int64_t i = 0; i < 4 && quad * 4 + i < b->sample; i++) {
            int64_t e = n * b->sample + quad * 4 + i;
            b->y[e] = b->x[e] * factor[i];
        }
    }
}

static void dropout(const op *o, void *state, const kernel_args *a)
{
    (void)state;
    job b = {.a = a,
             .x = a->in[0],
             .y = a->out[0],
             .sample = cvy_sample_count(&o->in[0].shape),
             .mask = dropout_open(o->attr.key, o->attr.dropout.p, a->step)};
    parallel_for(o->in[0].shape.dim[0] * ((b.sample + 3) / 4), GRAIN / 4, dropout_part, &b);
}

/* ---- the kernels ---- */

static double offer(const op *o, const machine *m, int k, layout *in, layout *out)
{
    return k > 0 ? -1 : offer_uniform(o, m, LAYOUT_PLAIN, 1.2, in, out);
}

static double dropout_offer(const op *o, const machine *m, int k, layout *in, layout *out)
{
    return k > 0 ? -1 : offer_uniform(o, m, LAYOUT_PLAIN, 6, in, out);
}

const kernel reference_activation = {
    .name = "reference", .type = OP_ACTIVATION, .in_place = 0, .offer = offer, .run = activation};
const kernel reference_activation_bwd = {
    .name = "reference", .type = OP_ACTIVATION_BWD, .in_place = 1, .offer = offer, .run = activation_bwd};
const kernel reference_add = {.name = "reference", .type = OP_ADD, .in_place = 0, .offer = offer, .run = add};
const kernel reference_dropout = {
    .name = "reference", .type = OP_DROPOUT, .in_place = 0, .offer = dropout_offer, .run = dropout};
