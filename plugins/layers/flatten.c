/* Flattening of each sample to a vector, (N, C, H, W) -> (N, C H W), in NCHW order. It moves no numbers
 * about. */
#include <string.h>

#include "convoy/layer.h"

static int flatten_infer(cvy_infer *in, const void *config)
{
    (void)config;
    in->out = cvy_shape2(in->in[0].dim[0], cvy_sample_count(&in->in[0]));
    in->traits = CVY_IN_PLACE;
    return 0;
}

static void copy(cvy_real *to, const cvy_real *from, int64_t count)
{
    if (to && to != from) memcpy(to, from, (size_t)count * sizeof(cvy_real));
}

static int flatten_forward(const cvy_plain *call, const void *config)
{
    (void)config;
    copy(call->y, call->x[0], cvy_count(call->out));
    return 0;
}

static int flatten_backward(const cvy_plain *call, const void *config)
{
    (void)config;
    copy(call->gx[0], call->gy, cvy_count(call->out));
    return 0;
}

static cvy_value flatten_lower(cvy_lower *l, const void *config)
{
    (void)config;
    const cvy_value x = cvy_in(0);
    const cvy_reshape_attr attr = {.shape = *l->out};
    return l->op(l, CVY_OP_RESHAPE, &x, 1, &attr);
}

static const cvy_layer flatten_layer = {
    .size = sizeof(cvy_layer),
    .min_in = 1,
    .max_in = 1,
    .infer = flatten_infer,
    .forward = flatten_forward,
    .backward = flatten_backward,
    .lower = flatten_lower,
};

CVY_PLUGIN(CVY_LAYER, flatten, "Flatten", "Maps to vectors: (N, C, H, W) -> (N, C H W)", "", cvy_no_config,
           &flatten_layer, CVY_NO_PARAMS);
