/* 2-D convolution over maps, in groups, with stride, zero padding and dilation:
 *
 *   y[n,o,i,j] = b[o] + sum over c,u,v of w[o,c,u,v] x[n, c, i s - p + u d, j s - p + v d]
 *
 * LeCun, Bottou, Bengio & Haffner, "Gradient-Based Learning Applied to Document Recognition", Proc. IEEE
 * 1998, section II; groups as in Krizhevsky et al. 2012, dilation as in Yu & Koltun 2016. Like every
 * framework this computes the cross-correlation; `mode: convolution` turns the kernel by 180 degrees. Weights
 * and bias start uniform on [-1/sqrt(fan_in), 1/sqrt(fan_in)], PyTorch's default, fan_in = C/groups Kh Kw. */
#include "conv_nd_plain.h"

static const cvy_param conv2d_params[] = {
    CONV_CHANNELS, CONV_WINDOW(CVY_PARAM_PAIR, 2, "pixels", ": one number or [height, width]"),
    CONV_GROUPS,   CONV_BIAS,
    CONV_MODE,
};

static int conv2d_infer(cvy_infer *in, const void *config)
{
    return conv_nd_infer(in, config, 2);
}

static int conv2d_forward(const cvy_plain *call, const void *config)
{
    const conv_nd g = conv_nd_of(config, 2, false, call->in, call->out);
    return conv_nd_forward(call, &g);
}

static int conv2d_backward(const cvy_plain *call, const void *config)
{
    const conv_nd g = conv_nd_of(config, 2, false, call->in, call->out);
    return conv_nd_backward(call, &g);
}

static cvy_value conv2d_lower(cvy_lower *l, const void *config)
{
    const conv_nd g = conv_nd_of(config, 2, false, l->in, l->out);
    return conv_nd_lower(l, &g);
}

static const cvy_layer conv2d_layer = {
    .size = sizeof(cvy_layer),
    .min_in = 1,
    .max_in = 1,
    .infer = conv2d_infer,
    .forward = conv2d_forward,
    .backward = conv2d_backward,
    .lower = conv2d_lower,
};

CVY_PLUGIN(CVY_LAYER, conv2d, "Conv2d Conv2D conv convolution Convolution Convolution2D convolutional",
           "2-D convolution; weights and bias start uniform on +-1/sqrt(fan_in)",
           "LeCun et al. 1998, section II", conv_config, &conv2d_layer, CVY_PARAMS(conv2d_params));
