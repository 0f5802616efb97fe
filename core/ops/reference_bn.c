/* Owns batch normalisation in plain C (Ioffe and Szegedy 2015, algorithm 1 and the gradients of its section
 * 3); must not know any layout but the plain one.
 *
 * Variances are summed around the mean in a second pass, in double, never as E[x^2] - E[x]^2: that form loses
 * all its digits when the mean is large beside the deviation. */
#include "ops/reference.h"

#include <math.h>
#include "base/parallel.h"

typedef struct job {
    reference_view v;
    double eps;
    bool relu, fixed;
    const float *x, *stats, *gamma, *beta, *residual, *y_in, *gy;
    float *y, *out_stats, *gx, *ggamma, *gbeta, *gresidual;
} job;

/* ---- statistics ---- */

static void stats_part(void *ctx, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const job *b = ctx;
    reference_view v = b->v;
    double count = (double)(v.n * v.plane);
    for (int64_t c = begin; c < end; c++) {
        double sum = 0, squares = 0;
        for (int64_t n = 0; n < v.n; n++) {
            const float *x = b->x + (n * v.c + c) * v.plane;
            for (int64_t i = 0; i < v.plane; i++) sum += (double)x[i];
        }
        double mean = sum / count;
        for (int64_t n = 0; n < v.n; n++) {
            const float *x = b->x + (n * v.c + c) * v.plane;
            for (int64_t i = 0; i < v.plane; i++) {
                double d = (double)x[i] - mean;
                squares += d * d;
            }
        }
        b->out_stats[c] = (float)mean;
        b->out_stats[v.c + c] = (float)(squares / count);
    }
}

void reference_stats(reference_view v, const float *x, float *stats)
{
    job b = {.v = v, .x = x, .out_stats = stats};
    parallel_for(v.c, 1, stats_part, &b);
}

static void stats_run(const op *o, void *state, const kernel_args *a)
{
    (void)state;
    reference_stats(reference_view_of(&o->in[0]), a->in[0], a->out[0]);
}

static void frozen_run(const op *o, void *state, const kernel_args *a)
{
    (void)state;
    int64_t c = o->in[0].shape.dim[0];
    const float *mean = a->in[0], *var = a->in[1];
    float *stats = a->out[0];
    for (int64_t i = 0; i < c; i++) {
        stats[i] = mean[i];
        stats[c + i] = var[i];
    }
}

static void running_run(const op *o, void *state, const kernel_args *a)
{
    (void)state;
    int64_t c = o->in[1].shape.dim[0];
    const float *stats = a->in[0];
    float *mean = a->in[1], *var = a->in[2];
    double m = o->attr.bn.momentum, count = (double)o->attr.count;
    double unbiased = count > 1 ? count / (count - 1) : 1;
    for (int64_t i = 0; i < c; i++) {
        mean[i] = (float)((1 - m) * (double)mean[i] + m * (double)stats[i]);
        var[i] = (float)((1 - m) * (double)var[i] + m * (double)stats[c + i] * unbiased);
    }
}

/* ---- apply ---- */

static float inverse_deviation(const job *b, int64_t c)
{
    return (float)(1 / sqrt((double)b->stats[b->v.c + c] + b->eps));
}

static void apply_part(void *ctx, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const job *b = ctx;
    for (int64_t p = begin; p < end; p++) { /* p = n * C + c */
        int64_t c = p % b->v.c;
        float mean = b->stats[c], scale = b->gamma[c] * inverse_deviation(b, c), beta = b->beta[c];
        const float *x = b->x + p * b->v.plane, *residual = b->residual ? b->residual + p * b->v.plane : NULL;
        float *y = b->y + p * b->v.plane;
        for (int64_t i = 0; i < b->v.plane; i++) {
            float t = (x[i] - mean) * scale + beta;
            if (residual) t += residual[i];
            y[i] = b->relu && t < 0 ? 0 : t; /* NaN stays NaN */
        }
    }
}

static void apply_run(const op *o, void *state, const kernel_args *a)
{
    (void)state;
    job b = {.v = reference_view_of(&o->in[0]),
             .eps = o->attr.bn.eps,
             .relu = o->attr.relu != 0,
             .x = a->in[0],
             .stats = a->in[1],
             .gamma = a->in[2],
             .beta = a->in[3],
             .residual = o->n_in > 4 ? a->in[4] : NULL,
             .y = a->out[0]};
    parallel_for(b.v.n * b.v.c, 1, apply_part, &b);
}

/* ---- backward ---- */

static bool passes(const job *b, int64_t at, float mean, float scale, float beta)
{
    if (!b->relu) return true;
    return (b->y_in ? b->y_in[at] : (b->x[at] - mean) * scale + beta) > 0;
}

static void backward_part(void *ctx, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const job *b = ctx;
    reference_view v = b->v;
    double count = (double)(v.n * v.plane);
    for (int64_t c = begin; c < end; c++) {
        float mean = b->stats[c], inverse = inverse_deviation(b, c), scale = b->gamma[c] * inverse,
              beta = b->beta[c];
        double sum = 0, product = 0; /* of g, of g (x - mean) */
        for (int64_t n = 0; n < v.n; n++)
            for (int64_t i = 0, at = (n * v.c + c) * v.plane; i < v.plane; i++, at++) {
                double g = passes(b, at, mean, scale, beta) ? (double)b->gy[at] : 0;
                sum += g;
                product += g * ((double)b->x[at] - (double)mean);
            }
        if (b->gbeta) b->gbeta[c] = (float)sum;
        if (b->ggamma) b->ggamma[c] = (float)(product * (double)inverse);
        float shift = b->fixed ? 0 : (float)(sum / count),
              slope = b->fixed ? 0 : (float)(product * (double)inverse * (double)inverse / count);
        for (int64_t n = 0; n < v.n; n++)
            for (int64_t i = 0, at = (n * v.c + c) * v.plane; i < v.plane; i++, at++) {
                float g = passes(b, at, mean, scale, beta) ? b->gy[at] : 0;
                if (b->gresidual) b->gresidual[at] = g;
                if (b->gx) b->gx[at] = scale * ((g - shift) - (b->x[at] - mean) * slope);
            }
    }
}

static void backward_run(const op *o, void *state, const kernel_args *a)
{
    (void)state;
    job b = {.v = reference_view_of(&o->in[0]),
             .eps = o->attr.bn.eps,
             .relu = o->attr.relu != 0,
             .fixed = o->attr.fixed != 0,
             .x = a->in[0],
             .gy = a->in[1],
             .stats = a->in[2],
             .gamma = a->in[3],
             .beta = a->in[4],
             .y_in = o->n_in > 5 ? a->in[5] : NULL,
             .gx = a->out[0],
             .ggamma = a->out[1],
             .gbeta = a->out[2],
             .gresidual = o->n_out > 3 ? a->out[3] : NULL};
    parallel_for(b.v.c, 1, backward_part, &b);
}

/* ---- the kernels ---- */

static double offer(const op *o, const machine *m, int k, layout *in, layout *out)
{
    return k > 0 ? -1 : offer_uniform(o, m, LAYOUT_PLAIN, 3, in, out);
}

const kernel reference_bn_stats = {
    .name = "reference", .type = OP_BN_STATS, .in_place = -1, .offer = offer, .run = stats_run};
const kernel reference_bn_frozen = {
    .name = "reference", .type = OP_BN_FROZEN, .in_place = -1, .offer = offer, .run = frozen_run};
const kernel reference_bn_running = {
    .name = "reference", .type = OP_BN_RUNNING, .in_place = -1, .offer = offer, .run = running_run};
const kernel reference_bn_apply = {
    .name = "reference", .type = OP_BN_APPLY, .in_place = 0, .offer = offer, .run = apply_run};
const kernel reference_bn_bwd = {
    .name = "reference", .type = OP_BN_BWD, .in_place = 1, .offer = offer, .run = backward_run};
