/* Group normalization: the channels of each sample in `groups` of neighbours, each normalised by its own mean and
 * variance over channels and pixels, y = gamma (x - mean) / sqrt(var + eps) + beta.
 *
 * Wu & He, "Group Normalization", ECCV 2018, equations 1, 2 and 7. The variance is the biased one; training and
 * evaluation compute the same. With as many groups as channels this is instance normalization (Ulyanov, Vedaldi &
 * Lempitsky, "Instance Normalization: The Missing Ingredient for Fast Stylization", 2016), with one group layer
 * normalization with gamma and beta per channel. Names are PyTorch's: weight is gamma (C), starting at 1, bias is
 * beta (C), starting at 0. */
#include <math.h>

#include "convoy/layer.h"
#include "shape_text.h"
#include "sums.h"
#include "wide.h"

typedef struct gn_config {
    int64_t groups;
    double eps;
    int32_t affine;
} gn_config;

static const cvy_param gn_params[] = {
    CVY_INT_REQUIRED(gn_config, groups, 1, 1048576,
                     "groups of neighbouring channels, 32 in the paper; as many as channels makes instance "
                     "normalization; must divide the channels"),
    CVY_ALSO("num_groups G group"),
    CVY_FLOAT(gn_config, eps, 1e-5, 1e-12, 1, "added to the variance"),
    CVY_ALSO("epsilon"),
    CVY_BOOL(gn_config, affine, true,
             "learns a factor (starting at 1) and a summand (starting at 0) per channel"),
    CVY_ALSO("scale center"),
};

static int gn_infer(cvy_infer *in, const void *config)
{
    const gn_config *c = config;
    const cvy_shape *x = &in->in[0]; // (N, C, ...)
    char text[128];
    if (x->rank < 2) return cvy_fail(in, "expects (N, C, ...) and got a batch of single numbers");
    if (x->dim[1] % c->groups)
        return cvy_fail(in, "groups: %" PRId64 " does not divide the %" PRId64 " channels of %s", c->groups,
                        x->dim[1], shape_text(x, text));
    const cvy_shape channels = cvy_shape1(x->dim[1]);
    in->out = *x;
    in->traits = CVY_READS_X;
    if (__builtin_mul_overflow(x->dim[0] * c->groups, (int64_t)(2 * sizeof(double)), &in->saved_bytes) ||
        __builtin_mul_overflow(x->dim[0] * x->dim[1], (int64_t)(2 * sizeof(double)), &in->scratch_bytes) ||
        __builtin_add_overflow(in->scratch_bytes, in->saved_bytes, &in->scratch_bytes))
        return cvy_fail(in, "%s is too large to compute", shape_text(x, text));
    if (!c->affine) return 0;
    if (in->weight(in, "weight", &channels, cvy_constant(1))) return 1;
    return in->weight(in, "bias", &channels, cvy_constant(0));
}

typedef struct gn_job {
    const cvy_plain *call;
    double eps;
    int64_t batch, channels, pixels, groups;
    int64_t width;                /* channels of a group */
    const cvy_real *gamma, *beta; /* NULL without */
    double *stats;                /* (N, groups, 2): mean, 1 / sqrt(var + eps) */
    double *sums;                 /* (N, C, 2), backward: of gy, of gy z */
} gn_job;

/* The statistics are kept for backward; where nothing can be kept (a frozen layer computes as in evaluation) they
 * are taken again. */
static gn_job job_of(const cvy_plain *call, const gn_config *c)
{
    const int64_t batch = call->in[0].dim[0], channels = call->in[0].dim[1];
    gn_job j = {.call = call,
                .eps = c->eps,
                .batch = batch,
                .channels = channels,
                .pixels = cvy_sample_count(&call->in[0]) / channels,
                .groups = c->groups,
                .width = channels / c->groups,
                .gamma = c->affine ? call->w[0] : NULL,
                .beta = c->affine ? call->w[1] : NULL,
                .sums = call->scratch};
    j.stats = call->saved ? call->saved : j.sums + 2 * batch * channels;
    return j;
}

/* Groups of samples lie together. Mean and then variance around it, in two passes: E[x^2] - E[x]^2 would cancel. */
WIDE static void measure_groups(void *ctx, int64_t begin, int64_t end)
{
    const gn_job *j = ctx;
    const int64_t count = j->width * j->pixels;
    for (int64_t at = begin; at < end; at++) {
        const cvy_real *x = j->call->x[0] + at * count;
        const double mean = sums_of(x, count) / (double)count, squares = sums_of_squares(x, mean, count);
        j->stats[2 * at] = mean;
        j->stats[2 * at + 1] = 1 / sqrt(squares / (double)count + j->eps);
    }
}

WIDE static void forward_groups(void *ctx, int64_t begin, int64_t end)
{
    const gn_job *j = ctx;
    measure_groups(ctx, begin, end);
    for (int64_t plane = begin * j->width; plane < end * j->width; plane++) { // (N, C)
        const int64_t at = plane / j->width, c = plane % j->channels;
        const cvy_real *x = j->call->x[0] + plane * j->pixels;
        cvy_real *y = j->call->y + plane * j->pixels;
        const double mean = j->stats[2 * at];
        const double scale = j->stats[2 * at + 1] * (j->gamma ? (double)j->gamma[c] : 1);
        const double shift = j->beta ? (double)j->beta[c] : 0;
        for (int64_t i = 0; i < j->pixels; i++) y[i] = (cvy_real)(((double)x[i] - mean) * scale + shift);
    }
}

/* With z = (x - mean) / sqrt(var + eps), the planes' sums of gy and gy z. */
WIDE static void sum_planes(void *ctx, int64_t begin, int64_t end)
{
    const gn_job *j = ctx;
    for (int64_t plane = begin * j->width; plane < end * j->width; plane++) { // (N, C)
        const int64_t at = plane / j->width;
        const cvy_real *x = j->call->x[0] + plane * j->pixels, *gy = j->call->gy + plane * j->pixels;
        j->sums[2 * plane] = sums_of(gy, j->pixels);
        j->sums[2 * plane + 1] = sums_of_products(gy, x, j->stats[2 * at], j->pixels) * j->stats[2 * at + 1];
    }
}

/* With g = gy gamma and means over the group:
 *   gx = (g - mean(g) - z mean(g z)) / sqrt(var + eps). */
WIDE static void backward_groups(void *ctx, int64_t begin, int64_t end)
{
    const gn_job *j = ctx;
    const double count = (double)(j->width * j->pixels);
    sum_planes(ctx, begin, end);
    for (int64_t at = begin; at < end; at++) {
        const double mean = j->stats[2 * at], inverse = j->stats[2 * at + 1];
        double sum = 0, sum_z = 0;
        for (int64_t plane = at * j->width; plane < (at + 1) * j->width; plane++) {
            const double gamma = j->gamma ? (double)j->gamma[plane % j->channels] : 1;
            sum += j->sums[2 * plane] * gamma / count;
            sum_z += j->sums[2 * plane + 1] * gamma / count;
        }
        for (int64_t plane = at * j->width; plane < (at + 1) * j->width; plane++) {
            const cvy_real *x = j->call->x[0] + plane * j->pixels, *gy = j->call->gy + plane * j->pixels;
            cvy_real *gx = j->call->gx[0] + plane * j->pixels;
            const double gamma = j->gamma ? (double)j->gamma[plane % j->channels] : 1;
            for (int64_t i = 0; i < j->pixels; i++) {
                const double z = ((double)x[i] - mean) * inverse;
                gx[i] = (cvy_real)(inverse * ((double)gy[i] * gamma - sum - z * sum_z));
            }
        }
    }
}

/* Channels c: ggamma = sum over batch and pixels of gy z, gbeta = sum of gy. */
static void backward_channels(void *ctx, int64_t begin, int64_t end)
{
    const gn_job *j = ctx;
    for (int64_t c = begin; c < end; c++) {
        double sum = 0, sum_z = 0;
        for (int64_t n = 0; n < j->batch; n++) {
            sum += j->sums[2 * (n * j->channels + c)];
            sum_z += j->sums[2 * (n * j->channels + c) + 1];
        }
        if (j->call->gw[0]) j->call->gw[0][c] = (cvy_real)sum_z;
        if (j->call->gw[1]) j->call->gw[1][c] = (cvy_real)sum;
    }
}

static int gn_forward(const cvy_plain *call, const void *config)
{
    gn_job j = job_of(call, config);
    call->host->parallel_for(call->host, j.batch * j.groups, 1, forward_groups, &j);
    return 0;
}

static int gn_backward(const cvy_plain *call, const void *config)
{
    gn_job j = job_of(call, config);
    if (!call->saved) call->host->parallel_for(call->host, j.batch * j.groups, 1, measure_groups, &j);
    call->host->parallel_for(call->host, j.batch * j.groups, 1, call->gx[0] ? backward_groups : sum_planes,
                             &j);
    if (j.gamma) call->host->parallel_for(call->host, j.channels, 1, backward_channels, &j);
    return 0;
}

static const cvy_layer gn_layer = {
    .size = sizeof(cvy_layer),
    .min_in = 1,
    .max_in = 1,
    .infer = gn_infer,
    .forward = gn_forward,
    .backward = gn_backward,
};

CVY_PLUGIN(
    CVY_LAYER, group_norm,
    "GroupNorm GroupNormalization groupnorm gn InstanceNorm1d InstanceNorm2d InstanceNorm3d "
    "InstanceNormalization instance_norm",
    "Group normalization of each sample's channels in groups (as many as channels: instance normalization); "
    "gamma starts at 1, beta at 0",
    "Wu & He 2018, equations 1, 2 and 7", gn_config, &gn_layer, CVY_PARAMS(gn_params));
