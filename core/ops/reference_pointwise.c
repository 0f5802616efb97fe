/* Owns the element by element operators in plain C; must not know any layout but the plain one. */
#include "ops/reference.h"

#include <math.h>

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

#define GELU_SLOPE 0.79788456080286535588 /* sqrt(2 / pi) */
#define GELU_CUBE  0.044715

static double logistic(double x)
{
    return 1 / (1 + exp(-x));
}

static double activation_value(const cvy_activation_attr *f, double x)
{
    switch (f->function) {
    case CVY_RELU:
        return x < 0 ? 0 : x; /* NaN stays NaN */
    case CVY_LEAKY_RELU:
        return x > 0 ? x : f->alpha * x;
    case CVY_ELU:
        return x > 0 ? x : f->alpha * expm1(x);
    case CVY_GELU:
        return x * 0.5 * erfc(-x * M_SQRT1_2);
    case CVY_GELU_TANH: /* (1 + tanh u) / 2 is the logistic function of 2 u */
        return x * logistic(2 * GELU_SLOPE * (x + GELU_CUBE * x * x * x));
    case CVY_SILU:
        return x * logistic(x);
    case CVY_SIGMOID:
        return logistic(x);
    case CVY_TANH:
        return tanh(x);
    default: /* CVY_SCALED_TANH */
        return f->alpha * tanh(f->beta * x);
    }
}

/* The derivative, from what backward reads: x or y. */
static double activation_slope(const cvy_activation_attr *f, double x)
{
    const double y = x;
    switch (f->function) {
    case CVY_RELU:
        return y > 0;
    case CVY_LEAKY_RELU:
        return x > 0 ? 1 : f->alpha;
    case CVY_ELU:
        return y > 0 ? 1 : y + f->alpha;
    case CVY_GELU:
        return 0.5 * erfc(-x * M_SQRT1_2) + x * exp(-0.5 * x * x) * 0.5 * M_2_SQRTPI * M_SQRT1_2;
    case CVY_GELU_TANH: {
        const double s = logistic(2 * GELU_SLOPE * (x + GELU_CUBE * x * x * x));
        return s + x * (s * (1 - s)) * 2 * GELU_SLOPE * (1 + 3 * GELU_CUBE * x * x);
    }
    case CVY_SILU: {
        const double s = logistic(x);
        return s + x * (s * (1 - s));
    }
    case CVY_SIGMOID:
        return y * (1 - y);
    case CVY_TANH:
        return 1 - y * y;
    default: /* CVY_SCALED_TANH */
        return f->alpha * f->beta - f->beta / f->alpha * y * y;
    }
}

static void activation_part(void *ctx, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const job *b = ctx;
    for (int64_t i = begin; i < end; i++)
        b->y[i] = (float)activation_value(&b->o->attr.activation, (double)b->x[i]);
}

static void activation(const op *o, void *state, const kernel_args *a)
{
    (void)state;
    job b = {.o = o, .x = a->in[0], .y = a->out[0]};
    parallel_for(cvy_count(&o->in[0].shape), GRAIN, activation_part, &b);
}

static void activation_bwd_part(void *ctx, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const job *b = ctx;
    if (b->o->attr.activation.function == CVY_RELU) {
        for (int64_t i = begin; i < end; i++) b->y[i] = b->x[i] > 0 ? b->gy[i] : 0; /* NaN does not pass */
        return;
    }
    for (int64_t i = begin; i < end; i++)
        b->y[i] = (float)((double)b->gy[i] * activation_slope(&b->o->attr.activation, (double)b->x[i]));
}

static void activation_bwd(const op *o, void *state, const kernel_args *a)
{
    (void)state;
    job b = {.o = o, .x = a->in[0], .gy = a->in[1], .y = a->out[0]};
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

static double activation_offer(const op *o, const machine *m, int k, layout *in, layout *out)
{
    const bool simple =
        o->attr.activation.function <= CVY_LEAKY_RELU; /* no call of the C library per element */
    return k > 0 ? -1 : offer_uniform(o, m, LAYOUT_PLAIN, simple ? 1.2 : 30, in, out);
}

static double dropout_offer(const op *o, const machine *m, int k, layout *in, layout *out)
{
    return k > 0 ? -1 : offer_uniform(o, m, LAYOUT_PLAIN, 6, in, out);
}

const kernel reference_activation = {
    .name = "reference", .type = OP_ACTIVATION, .in_place = 0, .offer = activation_offer, .run = activation};
const kernel reference_activation_bwd = {.name = "reference",
                                         .type = OP_ACTIVATION_BWD,
                                         .in_place = 1,
                                         .offer = activation_offer,
                                         .run = activation_bwd};
const kernel reference_add = {.name = "reference", .type = OP_ADD, .in_place = 0, .offer = offer, .run = add};
const kernel reference_dropout = {
    .name = "reference", .type = OP_DROPOUT, .in_place = 0, .offer = dropout_offer, .run = dropout};
