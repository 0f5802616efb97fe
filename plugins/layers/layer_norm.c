/* Layer normalization over the last `axes` axes of each sample: y = gamma (x - mean) / sqrt(var + eps) + beta.
 *
 * Ba, Kiros & Hinton, "Layer Normalization", 2016, equations 3 and 4. Mean and biased variance are those of the
 * numbers that are normalised together, in training and in evaluation alike; there are no running statistics.
 * Names are PyTorch's: weight is gamma (starts at 1), bias is beta (starts at 0), one of each per normalised
 * number. */
#include <math.h>

#include "convoy/layer.h"
#include "shape_text.h"
#include "sums.h"
#include "wide.h"

typedef struct ln_config {
    int64_t axes;
    double eps;
    int32_t affine, bias;
} ln_config;

static const cvy_param ln_params[] = {
    CVY_INT(ln_config, axes, 0, 0, 5,
            "trailing axes whose numbers are normalised together: 1 of (N, C, H, W) is W, 3 is all of a "
            "sample; 0 "
            "stands for all but the batch"),
    CVY_ALSO("axis normalized_shape begin_norm_axis"),
    CVY_FLOAT(ln_config, eps, 1e-5, 1e-12, 1, "added to the variance"),
    CVY_ALSO("epsilon"),
    CVY_BOOL(ln_config, affine, true, "learns a factor per normalised number, starting at 1"),
    CVY_ALSO("elementwise_affine scale gamma"),
    CVY_BOOL(ln_config, bias, true,
             "with `affine`: learns a summand per normalised number too, starting at 0"),
    CVY_ALSO("center beta use_bias"),
};

static int axes_of(const cvy_shape *x, const ln_config *c)
{
    return c->axes ? (int)c->axes : x->rank - 1;
}

static int ln_infer(cvy_infer *in, const void *config)
{
    const ln_config *c = config;
    const cvy_shape *x = &in->in[0];
    char text[128];
    if (x->rank < 2)
        return cvy_fail(
            in, "expects (N, ...) and got a batch of single numbers; there is nothing to normalise by");
    const int axes = axes_of(x, c);
    if (axes > x->rank - 1)
        return cvy_fail(in, "axes: %d is more than the %d axes behind the batch of %s", axes, x->rank - 1,
                        shape_text(x, text));
    cvy_shape normalised = {.rank = axes};
    for (int i = 0; i < axes; i++) normalised.dim[i] = x->dim[x->rank - axes + i];
    const int64_t count = cvy_count(&normalised), rows = cvy_count(x) / count;
    int64_t sums;
    in->out = *x;
    in->traits = CVY_READS_X;
    if (__builtin_mul_overflow(rows, (int64_t)(2 * sizeof(double)), &in->saved_bytes) ||
        __builtin_mul_overflow(count, (int64_t)(2 * sizeof(double)), &sums) ||
        __builtin_add_overflow(in->saved_bytes, sums, &in->scratch_bytes))
        return cvy_fail(in, "%s is too large to compute", shape_text(x, text));
    if (!c->affine) return 0;
    if (in->weight(in, "weight", &normalised, cvy_constant(1))) return 1;
    return c->bias ? in->weight(in, "bias", &normalised, cvy_constant(0)) : 0;
}

/* A row is what is normalised together. */
typedef struct ln_job {
    const cvy_plain *call;
    double eps;
    int64_t rows, count;          /* of a row's numbers */
    const cvy_real *gamma, *beta; /* NULL without */
    cvy_real *ggamma, *gbeta;     /* NULL when not wanted */
    double *stats;                /* (rows, 2): mean, 1 / sqrt(var + eps) */
    double *sums;                 /* (2, count), backward */
} ln_job;

/* The statistics are kept for backward; where nothing can be kept (a frozen layer computes as in evaluation) they
 * are taken again. */
static ln_job job_of(const cvy_plain *call, const ln_config *c)
{
    const cvy_shape *x = &call->in[0];
    ln_job j = {.call = call, .eps = c->eps, .count = 1};
    for (int i = x->rank - axes_of(x, c); i < x->rank; i++) j.count *= x->dim[i];
    j.rows = cvy_count(x) / j.count;
    j.gamma = c->affine ? call->w[0] : NULL;
    j.beta = c->affine && c->bias ? call->w[1] : NULL;
    j.sums = call->scratch;
    j.stats = call->saved ? call->saved : j.sums + 2 * j.count;
    return j;
}

/* Mean and then variance around it, in two passes: E[x^2] - E[x]^2 would cancel. */
WIDE static void measure_rows(void *ctx, int64_t begin, int64_t end)
{
    const ln_job *j = ctx;
    for (int64_t row = begin; row < end; row++) {
        const cvy_real *x = j->call->x[0] + row * j->count;
        const double mean = sums_of(x, j->count) / (double)j->count;
        const double squares = sums_of_squares(x, mean, j->count);
        j->stats[2 * row] = mean;
        j->stats[2 * row + 1] = 1 / sqrt(squares / (double)j->count + j->eps);
    }
}

WIDE static void forward_rows(void *ctx, int64_t begin, int64_t end)
{
    const ln_job *j = ctx;
    measure_rows(ctx, begin, end);
    for (int64_t row = begin; row < end; row++) {
        const cvy_real *x = j->call->x[0] + row * j->count;
        cvy_real *y = j->call->y + row * j->count;
        const double mean = j->stats[2 * row], inverse = j->stats[2 * row + 1];
        for (int64_t i = 0; i < j->count; i++) {
            double z = ((double)x[i] - mean) * inverse;
            if (j->gamma) z *= (double)j->gamma[i];
            if (j->beta) z += (double)j->beta[i];
            y[i] = (cvy_real)z;
        }
    }
}

/* The sums of g = gy gamma and of g (x - mean). */
static inline void sum_row(const cvy_real *x, const cvy_real *gy, const cvy_real *gamma, double mean,
                           int64_t count, double *sum, double *product)
{
    double s[SUMS_AT_ONCE] = {0}, p[SUMS_AT_ONCE] = {0};
    int64_t i = 0;
    for (; i + SUMS_AT_ONCE <= count; i += SUMS_AT_ONCE)
        for (int k = 0; k < SUMS_AT_ONCE; k++) {
            const double g = (double)gy[i + k] * (gamma ? (double)gamma[i + k] : 1);
            s[k] += g;
            p[k] += g * ((double)x[i + k] - mean);
        }
    for (; i < count; i++) {
        const double g = (double)gy[i] * (gamma ? (double)gamma[i] : 1);
        s[0] += g;
        p[0] += g * ((double)x[i] - mean);
    }
    *sum = sums_together(s);
    *product = sums_together(p);
}

/* With z = (x - mean) / sqrt(var + eps), g = gy gamma and means over the row:
 *   gx = (g - mean(g) - z mean(g z)) / sqrt(var + eps). */
WIDE static void backward_rows(void *ctx, int64_t begin, int64_t end)
{
    const ln_job *j = ctx;
    for (int64_t row = begin; row < end; row++) {
        const cvy_real *x = j->call->x[0] + row * j->count, *gy = j->call->gy + row * j->count;
        cvy_real *gx = j->call->gx[0] + row * j->count;
        const double mean = j->stats[2 * row], inverse = j->stats[2 * row + 1];
        double sum, sum_z;
        sum_row(x, gy, j->gamma, mean, j->count, &sum, &sum_z);
        sum /= (double)j->count;
        sum_z *= inverse / (double)j->count;
        for (int64_t i = 0; i < j->count; i++) {
            const double g = (double)gy[i] * (j->gamma ? (double)j->gamma[i] : 1);
            gx[i] = (cvy_real)(inverse * (g - sum - ((double)x[i] - mean) * inverse * sum_z));
        }
    }
}

/* Numbers i of the weights: ggamma = sum over the rows of gy z, gbeta = sum of gy. */
WIDE static void backward_weights(void *ctx, int64_t begin, int64_t end)
{
    const ln_job *j = ctx;
    double *sum_z = j->sums, *sum = j->sums + j->count;
    for (int64_t i = begin; i < end; i++) sum_z[i] = sum[i] = 0;
    for (int64_t row = 0; row < j->rows; row++) {
        const cvy_real *x = j->call->x[0] + row * j->count, *gy = j->call->gy + row * j->count;
        const double mean = j->stats[2 * row], inverse = j->stats[2 * row + 1];
        for (int64_t i = begin; i < end; i++) {
            sum_z[i] += (double)gy[i] * ((double)x[i] - mean) * inverse;
            sum[i] += (double)gy[i];
        }
    }
    for (int64_t i = begin; i < end; i++) {
        if (j->ggamma) j->ggamma[i] = (cvy_real)sum_z[i];
        if (j->gbeta) j->gbeta[i] = (cvy_real)sum[i];
    }
}

static int ln_forward(const cvy_plain *call, const void *config)
{
    ln_job j = job_of(call, config);
    call->host->parallel_for(call->host, j.rows, 1, forward_rows, &j);
    return 0;
}

static int ln_backward(const cvy_plain *call, const void *config)
{
    ln_job j = job_of(call, config);
    j.ggamma = j.gamma ? call->gw[0] : NULL;
    j.gbeta = j.beta ? call->gw[1] : NULL;
    if (!call->saved) call->host->parallel_for(call->host, j.rows, 1, measure_rows, &j);
    if (call->gx[0]) call->host->parallel_for(call->host, j.rows, 1, backward_rows, &j);
    if (j.ggamma || j.gbeta) call->host->parallel_for(call->host, j.count, 16, backward_weights, &j);
    return 0;
}

static const cvy_layer ln_layer = {
    .size = sizeof(cvy_layer),
    .min_in = 1,
    .max_in = 1,
    .infer = ln_infer,
    .forward = ln_forward,
    .backward = ln_backward,
};

CVY_PLUGIN(
    CVY_LAYER, layer_norm, "LayerNorm LayerNormalization layernorm ln",
    "Layer normalization by mean and variance of each sample's trailing axes; gamma starts at 1, beta at 0",
    "Ba et al. 2016, equations 3 and 4", ln_config, &ln_layer, CVY_PARAMS(ln_params));
