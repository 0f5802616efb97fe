/* Local response normalization across neighbouring channels: y_c = x_c / (k + a sum of x_j^2)^beta, the sum over the
 * `size` channels j around c that exist.
 *
 * Krizhevsky, Sutskever & Hinton, "ImageNet Classification with Deep Convolutional Neural Networks", NeurIPS 2012,
 * section 3.3, which has a = alpha, k = 2, size (n there) 5, alpha 1e-4, beta 0.75. PyTorch, Caffe and ONNX take
 * a = alpha / size and k = 1: so does this layer by default. AlexNet as published is
 * {k: 2, divide_by_size: false}. The window begins floor(size / 2) channels before c, as in PyTorch, so that one of
 * even size reaches one channel further back than ahead. Channels beyond the first and last count as zeros, and the
 * divisor stays `size` there. */
#include <math.h>

#include "convoy/layer.h"
#include "shape_text.h"
#include "wide.h"

typedef struct lrn_config {
    int64_t size;
    double alpha, beta, k;
    int32_t divide_by_size;
} lrn_config;

static const cvy_param lrn_params[] = {
    CVY_INT(lrn_config, size, 5, 1, 1048576, "channels of a window (n in the paper)"),
    CVY_ALSO("n local_size depth_radius"),
    CVY_FLOAT(lrn_config, alpha, 1e-4, 0, 1e6,
              "weight of the squares, shared by the window by `divide_by_size`"),
    CVY_FLOAT(lrn_config, beta, 0.75, 0, 100, "exponent"),
    CVY_FLOAT(lrn_config, k, 1, 1e-5, 1e6, "summand; 2 in the paper"),
    CVY_ALSO("bias knorm"),
    CVY_BOOL(lrn_config, divide_by_size, true,
             "divides alpha by `size`, as PyTorch and Caffe do; false: as in the paper"),
};

#define SOME 256 /* pixels at a time */

static int lrn_infer(cvy_infer *in, const void *config)
{
    (void)config;
    const cvy_shape *x = &in->in[0]; // (N, C, ...)
    char text[128];
    if (x->rank < 2) return cvy_fail(in, "expects (N, C, ...) and got a batch of single numbers");
    in->out = *x;
    in->traits = CVY_READS_X;
    if (__builtin_mul_overflow(cvy_count(x), (int64_t)sizeof(cvy_real), &in->saved_bytes) ||
        __builtin_mul_overflow(in->saved_bytes, (int64_t)2, &in->scratch_bytes))
        return cvy_fail(in, "%s is too large to compute", shape_text(x, text));
    return 0;
}

typedef struct lrn_job {
    const cvy_plain *call;
    const lrn_config *c;
    int64_t batch, channels, pixels;
    double a;         /* what a square is multiplied by */
    cvy_real *bases;  /* (N, C, pixels): k + a sum of x^2 */
    cvy_real *ratios; /* the same, backward: gy x base^(-beta - 1) */
} lrn_job;

/* The bases are kept for backward; where nothing can be kept (a frozen layer computes as in evaluation) they are
 * summed again. */
static lrn_job job_of(const cvy_plain *call, const lrn_config *c)
{
    const int64_t batch = call->in[0].dim[0], channels = call->in[0].dim[1];
    lrn_job j = {.call = call,
                 .c = c,
                 .batch = batch,
                 .channels = channels,
                 .pixels = cvy_sample_count(&call->in[0]) / channels,
                 .a = c->divide_by_size ? c->alpha / (double)c->size : c->alpha,
                 .ratios = call->scratch};
    j.bases = call->saved ? call->saved : j.ratios + batch * channels * j.pixels;
    return j;
}

#ifdef CVY_DOUBLE
#define lrn_sqrt sqrt
#define lrn_pow  pow
#else
#define lrn_sqrt sqrtf
#define lrn_pow  powf
#endif

/* n times base^-beta; by square roots for the exponent that everybody uses. */
static inline void shrink(const cvy_real *base, double beta, int64_t n, cvy_real *factor)
{
    if (beta != 0.75) {
        for (int64_t i = 0; i < n; i++) factor[i] = lrn_pow(base[i], (cvy_real)-beta);
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        const cvy_real root = lrn_sqrt(base[i]);
        factor[i] = 1 / (root * lrn_sqrt(root));
    }
}

/* Pixels [at, at + n) of the channels from first to last that exist: the sum of `from` or of its squares. */
static inline void sum_window(const lrn_job *j, const cvy_real *from, int64_t first, int64_t last, int64_t at,
                              int64_t n, int squares, double *sum)
{
    if (first < 0) first = 0;
    if (last > j->channels - 1) last = j->channels - 1;
    for (int64_t i = 0; i < n; i++) sum[i] = 0;
    for (int64_t c = first; c <= last; c++) {
        const cvy_real *v = from + c * j->pixels + at;
        if (squares)
            for (int64_t i = 0; i < n; i++) sum[i] += (double)v[i] * (double)v[i];
        else
            for (int64_t i = 0; i < n; i++) sum[i] += (double)v[i];
    }
}

static int64_t some(const lrn_job *j, int64_t at)
{
    return j->pixels - at < SOME ? j->pixels - at : SOME;
}

/* Pixels [at, at + n) of a plane (n, c): their bases. */
static inline void sum_bases(const lrn_job *j, int64_t plane, int64_t at, int64_t n)
{
    const int64_t back = j->c->size / 2, ahead = (j->c->size - 1) / 2, c = plane % j->channels;
    cvy_real *base = j->bases + plane * j->pixels + at;
    double sum[SOME];
    sum_window(j, j->call->x[0] + (plane - c) * j->pixels, c - back, c + ahead, at, n, 1, sum);
    for (int64_t i = 0; i < n; i++) base[i] = (cvy_real)(j->c->k + j->a * sum[i]);
}

/* Planes (n, c). */
WIDE static void forward_planes(void *ctx, int64_t begin, int64_t end)
{
    const lrn_job *j = ctx;
    cvy_real factor[SOME];
    for (int64_t plane = begin; plane < end; plane++)
        for (int64_t at = 0; at < j->pixels; at += SOME) {
            const int64_t first = plane * j->pixels + at, n = some(j, at);
            const cvy_real *x = j->call->x[0] + first;
            cvy_real *y = j->call->y + first;
            sum_bases(j, plane, at, n);
            shrink(j->bases + first, j->c->beta, n, factor);
            for (int64_t i = 0; i < n; i++) y[i] = x[i] * factor[i];
        }
}

/* gx_c = gy_c base_c^-beta - 2 a beta x_c sum of the ratios of the channels whose window holds c: its first term, and
 * the ratios. */
WIDE static void ratio_planes(void *ctx, int64_t begin, int64_t end)
{
    const lrn_job *j = ctx;
    cvy_real factor[SOME];
    for (int64_t plane = begin; plane < end; plane++)
        for (int64_t at = 0; at < j->pixels; at += SOME) {
            const int64_t first = plane * j->pixels + at, n = some(j, at);
            const cvy_real *x = j->call->x[0] + first, *gy = j->call->gy + first, *base = j->bases + first;
            cvy_real *gx = j->call->gx[0] + first, *ratio = j->ratios + first;
            if (!j->call->saved) sum_bases(j, plane, at, n);
            shrink(base, j->c->beta, n, factor);
            for (int64_t i = 0; i < n; i++) {
                gx[i] = gy[i] * factor[i];
                ratio[i] = gx[i] * (x[i] / base[i]);
            }
        }
}

/* Its second term. */
WIDE static void backward_planes(void *ctx, int64_t begin, int64_t end)
{
    const lrn_job *j = ctx;
    const int64_t back = (j->c->size - 1) / 2, ahead = j->c->size / 2; /* the mirrored window */
    const double factor = 2 * j->a * j->c->beta;
    double sum[SOME];
    for (int64_t plane = begin; plane < end; plane++)
        for (int64_t at = 0; at < j->pixels; at += SOME) {
            const int64_t c = plane % j->channels, first = plane * j->pixels + at, n = some(j, at);
            const cvy_real *x = j->call->x[0] + first;
            cvy_real *gx = j->call->gx[0] + first;
            sum_window(j, j->ratios + (plane - c) * j->pixels, c - back, c + ahead, at, n, 0, sum);
            for (int64_t i = 0; i < n; i++)
                gx[i] = (cvy_real)((double)gx[i] - factor * (double)x[i] * sum[i]);
        }
}

static int lrn_forward(const cvy_plain *call, const void *config)
{
    lrn_job j = job_of(call, config);
    call->host->parallel_for(call->host, j.batch * j.channels, 1, forward_planes, &j);
    return 0;
}

static int lrn_backward(const cvy_plain *call, const void *config)
{
    if (!call->gx[0]) return 0;
    lrn_job j = job_of(call, config);
    const int64_t planes = j.batch * j.channels;
    call->host->parallel_for(call->host, planes, 1, ratio_planes, &j);
    call->host->parallel_for(call->host, planes, 1, backward_planes, &j);
    return 0;
}

static const cvy_layer lrn_layer = {
    .size = sizeof(cvy_layer),
    .min_in = 1,
    .max_in = 1,
    .infer = lrn_infer,
    .forward = lrn_forward,
    .backward = lrn_backward,
};

CVY_PLUGIN(
    CVY_LAYER, local_response_norm, "LocalResponseNorm LRN lrn local_response_normalization norm",
    "Divides by a power of the squares of neighbouring channels; AlexNet: {k: 2, divide_by_size: false}",
    "Krizhevsky et al. 2012, section 3.3", lrn_config, &lrn_layer, CVY_PARAMS(lrn_params));
