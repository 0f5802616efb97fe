/* Depthwise 2-D convolution: every input channel has `multiplier` kernels of its own and meets no other channel.
 *
 *   y[n, c m + k, i, j] = b[c m + k] + sum over u,v of w[c m + k, 0, u, v] x[n, c, i s - p + u d, j s - p + v d]
 *
 * Sifre, "Rigid-Motion Scattering for Image Classification", thesis 2014, section 6.2; Howard et al., "MobileNets",
 * 2017, section 3.1. It is conv2d with as many groups as input channels. Weights (C m, 1, Kh, Kw) and bias start
 * uniform on [-1/sqrt(fan_in), 1/sqrt(fan_in)] with fan_in = Kh Kw, PyTorch's default for that. */
#include "conv_nd_plain.h"

static const cvy_param depthwise_conv2d_params[] = {
    CVY_INT(conv_config, multiplier, 1, 1, 4096, "output channels per input channel"),
    CVY_ALSO("depth_multiplier channel_multiplier"),
    CONV_WINDOW(CVY_PARAM_PAIR, 2, "pixels", ": one number or [height, width]"),
    CONV_BIAS,
};

/* The convolution in groups that it is on an input of these channels. */
static conv_config grouped(const conv_config *c, int64_t channels)
{
    conv_config full = *c;
    full.groups = channels;
    full.channels = channels * c->multiplier;
    return full;
}

static int depthwise_infer(cvy_infer *in, const void *config)
{
    const conv_config *c = config;
    int64_t channels;
    if (conv_nd_expect(in, 2)) return 1;
    if (__builtin_mul_overflow(in->in[0].dim[1], c->multiplier, &channels))
        return cvy_fail(in, "multiplier: %" PRId64 " of %" PRId64 " input channels are too large to compute",
                        c->multiplier, in->in[0].dim[1]);
    const conv_config full = grouped(c, in->in[0].dim[1]);
    return conv_nd_infer(in, &full, 2);
}

static conv_nd geometry(const conv_config *c, const cvy_shape *x, const cvy_shape *y)
{
    const conv_config full = grouped(c, x->dim[1]);
    return conv_nd_of(&full, 2, false, x, y);
}

static int depthwise_forward(const cvy_plain *call, const void *config)
{
    const conv_nd g = geometry(config, call->in, call->out);
    return conv_nd_forward(call, &g);
}

static int depthwise_backward(const cvy_plain *call, const void *config)
{
    const conv_nd g = geometry(config, call->in, call->out);
    return conv_nd_backward(call, &g);
}

static cvy_value depthwise_lower(cvy_lower *l, const void *config)
{
    const conv_nd g = geometry(config, l->in, l->out);
    return conv_nd_lower(l, &g);
}

static const cvy_layer depthwise_layer = {
    .size = sizeof(cvy_layer),
    .min_in = 1,
    .max_in = 1,
    .infer = depthwise_infer,
    .forward = depthwise_forward,
    .backward = depthwise_backward,
    .lower = depthwise_lower,
};

CVY_PLUGIN(
    CVY_LAYER, depthwise_conv2d, "DepthwiseConv2D DepthwiseConv2d depthwise DepthwiseConv",
    "2-D convolution of each channel by itself; weights and bias start uniform on +-1/sqrt(kernel area)",
    "Howard et al. 2017, section 3.1", conv_config, &depthwise_layer, CVY_PARAMS(depthwise_conv2d_params));
