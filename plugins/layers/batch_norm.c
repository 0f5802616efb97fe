/* Batch normalization, per channel over batch and pixels: y = gamma (x - mean) / sqrt(var + eps) + beta.
 *
 * Ioffe & Szegedy, "Batch Normalization: Accelerating Deep Network Training by Reducing Internal Covariate
 * Shift", ICML 2015, algorithm 1. Training normalises by the batch's mean and biased variance and moves the
 * running statistics, running = (1 - momentum) running + momentum batch, the variance there being unbiased;
 * evaluation uses the running ones. Names and conventions are PyTorch's: weight is gamma (starts at 1), bias
 * is beta (starts at 0). */
#include <inttypes.h>
#include <math.h>

#include "convoy/layer.h"

typedef struct bn_config {
    double eps, momentum;
    int32_t affine;
} bn_config;

static const cvy_param bn_params[] = {
    CVY_FLOAT(bn_config, eps, 1e-5, 1e-12, 1, "added to the variance"),
    CVY_ALSO("epsilon variance_epsilon"),
    CVY_FLOAT(bn_config, momentum, 0.1, 0, 1,
              "share of the batch in the running statistics (Keras' momentum is 1 - this)"),
    CVY_ALSO("decay"),
    CVY_BOOL(bn_config, affine, true, "learns gamma (starting at 1) and beta (starting at 0) per channel"),
    CVY_ALSO("scale center"),
};

static int bn_infer(cvy_infer *in, const void *config)
{
    const bn_config *c = config;
    const cvy_shape *x = &in->in[0]; // (N, C, ...)
    if (x->rank < 2) return cvy_fail(in, "expects (N, C, ...) and got a batch of single numbers");
    const cvy_shape channels = cvy_shape1(x->dim[1]);
    in->out = *x;
    in->traits = CVY_READS_X;
    if (__builtin_mul_overflow(x->dim[1], (int64_t)(2 * sizeof(double)), &in->saved_bytes))
        return cvy_fail(in, "%" PRId64 " channels are too many", x->dim[1]);
    if (c->affine && in->weight(in, "weight", &channels, cvy_constant(1))) return 1;
    if (c->affine && in->weight(in, "bias", &channels, cvy_constant(0))) return 1;
    if (in->buffer(in, "running_mean", &channels, 0)) return 1;
    return in->buffer(in, "running_var", &channels, 1);
}

/* ---- plain ---- */

typedef struct bn_job {
    const cvy_plain *call;
    const bn_config *c;
    int64_t batch, channels, pixels; /* N, C, the rest */
} bn_job;

static bn_job job_of(const cvy_plain *call, const bn_config *c)
{
    const int64_t batch = call->in[0].dim[0], channels = call->in[0].dim[1];
    const bn_job j = {call, c, batch, channels, cvy_sample_count(&call->in[0]) / channels};
    return j;
}

/* Mean of channel c, then its biased variance around that mean: two passes, since E[x^2] - E[x]^2 cancels. */
static void statistics(const bn_job *j, int64_t c, double *mean, double *var)
{
    const double count = (double)(j->batch * j->pixels);
    double sum = 0, squares = 0;
    for (int64_t n = 0; n < j->batch; n++) {
        const cvy_real *x = j->call->x[0] + (n * j->channels + c) * j->pixels;
        for (int64_t i = 0; i < j->pixels; i++) sum += (double)x[i];
    }
    *mean = sum / count;
    for (int64_t n = 0; n < j->batch; n++) {
        const cvy_real *x = j->call->x[0] + (n * j->channels + c) * j->pixels;
        for (int64_t i = 0; i < j->pixels; i++) squares += ((double)x[i] - *mean) * ((double)x[i] - *mean);
    }
    *var = squares / count;
}

static cvy_real moved(cvy_real running, double batch, double momentum)
{
    return (cvy_real)((1 - momentum) * (double)running + momentum * batch);
}

/* saved: (2, C), the batch's mean and 1 / sqrt(var + eps). */
static void forward_channels(void *ctx, int64_t begin, int64_t end)
{
    const bn_job *j = ctx;
    cvy_real *const *running = j->call->buffers; /* mean, variance */
    for (int64_t c = begin; c < end; c++) {
        double mean = (double)running[0][c], var = (double)running[1][c];
        if (j->call->train) {
            const double count = (double)(j->batch * j->pixels);
            statistics(j, c, &mean, &var);
            running[0][c] = moved(running[0][c], mean, j->c->momentum);
            running[1][c] = moved(running[1][c], count > 1 ? var * count / (count - 1) : var, j->c->momentum);
        }
        const double inverse = 1 / sqrt(var + j->c->eps);
        if (j->call->train) {
            double *saved = j->call->saved;
            saved[c] = mean;
            saved[j->channels + c] = inverse;
        }
        const double gamma = j->c->affine ? (double)j->call->w[0][c] : 1;
        const double beta = j->c->affine ? (double)j->call->w[1][c] : 0;
        for (int64_t n = 0; n < j->batch; n++) {
            const int64_t at = (n * j->channels + c) * j->pixels;
            for (int64_t i = at; i < at + j->pixels; i++)
                j->call->y[i] = (cvy_real)(gamma * ((double)j->call->x[0][i] - mean) * inverse + beta);
        }
    }
}

/* With z = (x - mean) / sqrt(var + eps), m numbers per channel and sums over them:
 *   gbeta = sum gy, ggamma = sum gy z, gx = gamma / sqrt(var + eps) (gy - gbeta / m - z ggamma / m),
 * the last two terms coming from the batch's mean and variance, hence not in evaluation. */
static void backward_channels(void *ctx, int64_t begin, int64_t end)
{
    const bn_job *j = ctx;
    const cvy_real *x = j->call->x[0], *gy = j->call->gy;
    const double *saved = j->call->saved;
    for (int64_t c = begin; c < end; c++) {
        const int train = j->call->train;
        const double mean = train ? saved[c] : (double)j->call->buffers[0][c];
        const double inverse =
            train ? saved[j->channels + c] : 1 / sqrt((double)j->call->buffers[1][c] + j->c->eps);
        double gbeta = 0, ggamma = 0;
        for (int64_t n = 0; n < j->batch; n++) {
            const int64_t at = (n * j->channels + c) * j->pixels;
            for (int64_t i = at; i < at + j->pixels; i++) {
                gbeta += (double)gy[i];
                ggamma += (double)gy[i] * ((double)x[i] - mean) * inverse;
            }
        }
        if (j->c->affine && j->call->gw[0]) j->call->gw[0][c] = (cvy_real)ggamma;
        if (j->c->affine && j->call->gw[1]) j->call->gw[1][c] = (cvy_real)gbeta;
        if (!j->call->gx[0]) continue;
        const double scale = j->c->affine ? (double)j->call->w[0][c] * inverse : inverse;
        const double share = train ? 1 / (double)(j->batch * j->pixels) : 0;
        for (int64_t n = 0; n < j->batch; n++) {
            const int64_t at = (n * j->channels + c) * j->pixels;
            for (int64_t i = at; i < at + j->pixels; i++) {
                const double z = ((double)x[i] - mean) * inverse;
                j->call->gx[0][i] = (cvy_real)(scale * ((double)gy[i] - share * (gbeta + z * ggamma)));
            }
        }
    }
}

static int bn_forward(const cvy_plain *call, const void *config)
{
    bn_job j = job_of(call, config);
    call->host->parallel_for(call->host, j.channels, 1, forward_channels, &j);
    return 0;
}

static int bn_backward(const cvy_plain *call, const void *config)
{
    bn_job j = job_of(call, config);
    call->host->parallel_for(call->host, j.channels, 1, backward_channels, &j);
    return 0;
}

/* ---- lower ---- */

static cvy_value bn_lower(cvy_lower *l, const void *config)
{
    const bn_config *c = config;
    if (!c->affine) return CVY_PLAIN; /* the operator has gamma and beta */
    const cvy_bn_attr attr = {.eps = c->eps, .momentum = c->momentum};
    const cvy_value x = cvy_in(0), gamma = cvy_weight(0), beta = cvy_weight(1);
    const cvy_value running_mean = cvy_buffer(0), running_var = cvy_buffer(1);
    if (!l->train) {
        const cvy_value operands[] = {x, running_mean, running_var, gamma, beta};
        return l->op(l, CVY_OP_BN_APPLY, operands, 5, &attr);
    }
    const cvy_value measured[] = {x, running_mean, running_var};
    const cvy_value stats = l->op(l, CVY_OP_BN_STATS, measured, 3, &attr);
    const cvy_value operands[] = {x, stats, gamma, beta};
    return l->op(l, CVY_OP_BN_APPLY, operands, 4, &attr);
}

static const cvy_layer bn_layer = {
    .size = sizeof(cvy_layer),
    .min_in = 1,
    .max_in = 1,
    .infer = bn_infer,
    .forward = bn_forward,
    .backward = bn_backward,
    .lower = bn_lower,
};

CVY_PLUGIN(CVY_LAYER, batch_norm, "BatchNorm2d BatchNorm1d BatchNormalization BatchNorm batchnorm bn",
           "Batch normalization per channel; gamma starts at 1, beta at 0",
           "Ioffe & Szegedy 2015, algorithm 1", bn_config, &bn_layer, CVY_PARAMS(bn_params));
