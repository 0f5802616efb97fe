/* Parametric rectified linear unit: y = x for x > 0, else a x, with a learned slope a, one for all channels or one each.
 *
 * He, Zhang, Ren & Sun, "Delving Deep into Rectifiers: Surpassing Human-Level Performance on ImageNet Classification",
 * ICCV 2015, equation 1. Slopes start at `init`. The paper trains them without weight decay, which would pull them
 * towards relu. */
#include <inttypes.h>

#include "convoy/layer.h"
#include "sums.h"
#include "wide.h"

typedef struct prelu_config {
    int32_t per_channel;
    double init;
} prelu_config;

static const cvy_param prelu_params[] = {
    CVY_BOOL(prelu_config, per_channel, false, "a slope for each channel; else one for all"),
    CVY_ALSO("num_parameters channel_wise"),
    CVY_FLOAT(prelu_config, init, 0.25, -1e6, 1e6, "slope at the start"),
    CVY_ALSO("alpha_initializer slope"),
};

static int prelu_infer(cvy_infer *in, const void *config)
{
    const prelu_config *c = config;
    const cvy_shape *x = &in->in[0]; // (N, C, ...)
    if (x->rank < 2) return cvy_fail(in, "expects (N, C, ...) and got a batch of single numbers");
    const cvy_shape slopes = cvy_shape1(c->per_channel ? x->dim[1] : 1);
    in->out = *x;
    in->traits = CVY_READS_X | CVY_IN_PLACE;
    if (__builtin_mul_overflow(x->dim[1], (int64_t)sizeof(double), &in->scratch_bytes))
        return cvy_fail(in, "%" PRId64 " channels are too many", x->dim[1]);
    return in->weight(in, "weight", &slopes, cvy_constant(c->init));
}

enum { SOME = 256 }; /* numbers at a time */

typedef struct prelu_job {
    const cvy_plain *call;
    int64_t batch, channels, pixels; /* N, C, the rest */
    int64_t step;                    /* from a channel's slope to the next one's: 0 or 1 */
    double *sums;                    /* (C), of the slopes' gradients */
} prelu_job;

static prelu_job job_of(const cvy_plain *call, const prelu_config *c)
{
    const int64_t channels = call->in[0].dim[1];
    const prelu_job j = {.call = call,
                         .batch = call->in[0].dim[0],
                         .channels = channels,
                         .pixels = cvy_sample_count(&call->in[0]) / channels,
                         .step = c->per_channel ? 1 : 0,
                         .sums = call->scratch};
    return j;
}

WIDE static void forward_channels(void *ctx, int64_t begin, int64_t end)
{
    const prelu_job *j = ctx;
    const cvy_plain *call = j->call;
    for (int64_t n = 0; n < j->batch; n++) {
        for (int64_t c = begin; c < end; c++) {
            const cvy_real a = call->w[0][c * j->step];
            const int64_t at = (n * j->channels + c) * j->pixels;
            const cvy_real *x = call->x[0] + at;
            cvy_real *y = call->y + at;
            for (int64_t i = 0; i < j->pixels; i++) y[i] = x[i] * (x[i] > 0 ? 1 : a);
        }
    }
}

/* The sum of x gy where x is not above 0. Chosen first and multiplied then: together they would be a branch that nobody can
 * foretell. */
WIDE static double below_sum(const cvy_real *x, const cvy_real *gy, int64_t n)
{
    cvy_real below[SOME];
    double sum = 0;
    for (int64_t first = 0; first < n; first += SOME) {
        const int64_t some = n - first < SOME ? n - first : SOME;
        for (int64_t i = 0; i < some; i++) below[i] = x[first + i] > 0 ? 0 : x[first + i];
        sum += sums_of_products(gy + first, below, 0, some);
    }
    return sum;
}

/* A channel is summed by one thread in the order of the samples, so the sums do not depend on the thread count. */
WIDE static void backward_channels(void *ctx, int64_t begin, int64_t end)
{
    const prelu_job *j = ctx;
    const cvy_plain *call = j->call;
    for (int64_t c = begin; c < end; c++) j->sums[c] = 0;
    for (int64_t n = 0; n < j->batch; n++) {
        for (int64_t c = begin; c < end; c++) {
            const cvy_real a = call->w[0][c * j->step];
            const int64_t at = (n * j->channels + c) * j->pixels;
            const cvy_real *x = call->x[0] + at, *gy = call->gy + at;
            cvy_real *gx = call->gx[0] ? call->gx[0] + at : NULL;
            j->sums[c] += below_sum(x, gy, j->pixels); /* before gx, which may be gy's own array */
            if (!gx) continue;
            for (int64_t i = 0; i < j->pixels; i++) gx[i] = gy[i] * (x[i] > 0 ? 1 : a);
        }
    }
}

/* Channels worth a thread's while. */
static int64_t grain(const prelu_job *j)
{
    const int64_t each = j->batch * j->pixels;
    return each >= 4096 ? 1 : 4096 / (each > 0 ? each : 1);
}

static int prelu_forward(const cvy_plain *call, const void *config)
{
    prelu_job j = job_of(call, config);
    call->host->parallel_for(call->host, j.channels, grain(&j), forward_channels, &j);
    return 0;
}

static int prelu_backward(const cvy_plain *call, const void *config)
{
    const prelu_config *c = config;
    prelu_job j = job_of(call, config);
    call->host->parallel_for(call->host, j.channels, grain(&j), backward_channels, &j);
    if (!call->gw[0]) return 0;
    double all = 0;
    for (int64_t k = 0; k < j.channels; k++) {
        if (c->per_channel) call->gw[0][k] = (cvy_real)j.sums[k];
        all += j.sums[k];
    }
    if (!c->per_channel) call->gw[0][0] = (cvy_real)all;
    return 0;
}

static const cvy_layer prelu_layer = {
    .size = sizeof(cvy_layer),
    .min_in = 1,
    .max_in = 1,
    .infer = prelu_infer,
    .forward = prelu_forward,
    .backward = prelu_backward,
};

CVY_PLUGIN(CVY_LAYER, prelu, "PReLU PRelu",
           "Rectified linear unit with a learned slope for negative numbers, at first 0.25",
           "He, Zhang, Ren & Sun 2015, equation 1", prelu_config, &prelu_layer, CVY_PARAMS(prelu_params));
