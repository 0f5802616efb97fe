/* Mean of every channel over all its pixels, (N, C, ...) -> (N, C): y[n,c] = mean over i,j of x[n,c,i,j]. Of sequences
 * and volumes likewise.
 *
 * Lin, Chen & Yan, "Network In Network", ICLR 2014, section 3.2. */
#include <inttypes.h>

#include "convoy/layer.h"

static int gap_infer(cvy_infer *in, const void *config)
{
    (void)config;
    const cvy_shape *x = &in->in[0];
    if (x->rank < 3)
        return cvy_fail(
            in, "expects maps (N, C, H, W) and got (N, %" PRId64 "); there is nothing left to average",
            x->dim[1]);
    in->out = cvy_shape2(x->dim[0], x->dim[1]);
    return 0;
}

/* Channels (n, c): y = mean of all its elements. */
static void forward_part(void *ctx, int64_t begin, int64_t end)
{
    const cvy_plain *call = ctx;
    const int64_t elements = cvy_count(&call->in[0]) / cvy_count(call->out);
    for (int64_t channel = begin; channel < end; channel++) {
        const cvy_real *x = call->x[0] + channel * elements;
        double sum = 0;
        for (int64_t i = 0; i < elements; i++) sum += (double)x[i];
        call->y[channel] = (cvy_real)(sum / (double)elements);
    }
}

/* Channels (n, c): gy is shared evenly. */
static void backward_part(void *ctx, int64_t begin, int64_t end)
{
    const cvy_plain *call = ctx;
    const int64_t elements = cvy_count(&call->in[0]) / cvy_count(call->out);
    for (int64_t channel = begin; channel < end; channel++) {
        const cvy_real share = call->gy[channel] / (cvy_real)elements;
        for (int64_t i = 0; i < elements; i++) call->gx[0][channel * elements + i] = share;
    }
}

static int gap_forward(const cvy_plain *call, const void *config)
{
    (void)config;
    call->host->parallel_for(call->host, cvy_count(call->out), 1, forward_part, (void *)call);
    return 0;
}

static int gap_backward(const cvy_plain *call, const void *config)
{
    (void)config;
    if (call->gx[0])
        call->host->parallel_for(call->host, cvy_count(call->out), 1, backward_part, (void *)call);
    return 0;
}

static cvy_value gap_lower(cvy_lower *l, const void *config)
{
    (void)config;
    const cvy_value x = cvy_in(0);
    return l->op(l, CVY_OP_GLOBAL_AVG, &x, 1, NULL);
}

static const cvy_layer gap_layer = {
    .size = sizeof(cvy_layer),
    .min_in = 1,
    .max_in = 1,
    .infer = gap_infer,
    .forward = gap_forward,
    .backward = gap_backward,
    .lower = gap_lower,
};

CVY_PLUGIN(
    CVY_LAYER, global_avg_pool,
    "GlobalAveragePooling1D GlobalAveragePooling2D GlobalAveragePooling3D GlobalAvgPool GlobalAveragePool "
    "global_average_pool gap",
    "Mean over all pixels of a channel: (N, C, ...) -> (N, C)", "Lin et al. 2014, section 3.2", cvy_no_config,
    &gap_layer, CVY_NO_PARAMS);
