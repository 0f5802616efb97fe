/* 2-D transposed convolution, which makes maps larger: what a convolution's backward pass does to its input.
 *
 *   y[n,o,:,:] = b[o] + sum over c,i,j,u,v of w[c,o,u,v] x[n,c,i,j] at place (i s - p + u d, j s - p + v d)
 *
 * Zeiler, Krishnan, Taylor & Fergus, "Deconvolutional Networks", CVPR 2010; Long, Shelhamer & Darrell, "Fully
 * Convolutional Networks for Semantic Segmentation", CVPR 2015, section 3.3. An axis of n pixels becomes (n - 1) s -
 * padding on both sides + d (k - 1) + output_padding + 1, as in PyTorch; with `padding: same` it becomes n s, as in
 * Keras. Weights (C, O/groups, Kh, Kw) and bias start uniform on [-1/sqrt(fan_in), 1/sqrt(fan_in)] with fan_in =
 * O/groups Kh Kw, PyTorch's default. */
#include "conv_nd_plain.h"

static const cvy_param conv_transpose2d_params[] = {
    CONV_CHANNELS,
    CONV_TRANSPOSED_WINDOW(CVY_PARAM_PAIR, 2, "pixels", ": one number or [height, width]"),
    CONV_GROUPS,
    CONV_BIAS,
};

static int conv_transpose2d_infer(cvy_infer *in, const void *config)
{
    return conv_nd_transposed_infer(in, config, 2);
}

static int conv_transpose2d_forward(const cvy_plain *call, const void *config)
{
    const conv_nd g = conv_nd_of(config, 2, true, call->in, call->out);
    return conv_nd_forward(call, &g);
}

static int conv_transpose2d_backward(const cvy_plain *call, const void *config)
{
    const conv_nd g = conv_nd_of(config, 2, true, call->in, call->out);
    return conv_nd_backward(call, &g);
}

static cvy_value conv_transpose2d_lower(cvy_lower *l, const void *config)
{
    const conv_nd g = conv_nd_of(config, 2, true, l->in, l->out);
    return conv_nd_transposed_lower(l, &g);
}

static const cvy_layer conv_transpose2d_layer = {
    .size = sizeof(cvy_layer),
    .min_in = 1,
    .max_in = 1,
    .infer = conv_transpose2d_infer,
    .forward = conv_transpose2d_forward,
    .backward = conv_transpose2d_backward,
    .lower = conv_transpose2d_lower,
};

CVY_PLUGIN(
    CVY_LAYER, conv_transpose2d,
    "ConvTranspose2d Conv2DTranspose Conv2dTranspose Deconvolution deconv deconv2d SpatialFullConvolution",
    "2-D transposed convolution, for larger maps; weights and bias start uniform on +-1/sqrt(fan_in)",
    "Zeiler et al. 2010; Long et al. 2015, section 3.3", conv_config, &conv_transpose2d_layer,
    CVY_PARAMS(conv_transpose2d_params));
