/* 3-D convolution over volumes or pieces of film (N, C, D, H, W), as conv2d over maps:
 *
 *   y[n,o,z,i,j] = b[o] + sum over c,a,u,v of w[o,c,a,u,v] x[n, c, z s - p + a d, i s - p + u d, j s - p + v d]
 *
 * Ji, Xu, Yang & Yu, "3D Convolutional Neural Networks for Human Action Recognition", IEEE Trans. PAMI 2013, section
 * 2.1, equation 2. Weights and bias start uniform on [-1/sqrt(fan_in), 1/sqrt(fan_in)], PyTorch's default, fan_in =
 * C/groups Kd Kh Kw. */
#include "conv_nd_plain.h"

static const cvy_param conv3d_params[] = {
    CONV_CHANNELS, CONV_WINDOW(CVY_PARAM_TRIPLE, 3, "voxels", ": one number or [depth, height, width]"),
    CONV_GROUPS,   CONV_BIAS,
    CONV_MODE,
};

static int conv3d_infer(cvy_infer *in, const void *config)
{
    return conv_nd_infer(in, config, 3);
}

static int conv3d_forward(const cvy_plain *call, const void *config)
{
    const conv_nd g = conv_nd_of(config, 3, false, call->in, call->out);
    return conv_nd_forward(call, &g);
}

static int conv3d_backward(const cvy_plain *call, const void *config)
{
    const conv_nd g = conv_nd_of(config, 3, false, call->in, call->out);
    return conv_nd_backward(call, &g);
}

static cvy_value conv3d_lower(cvy_lower *l, const void *config)
{
    const conv_nd g = conv_nd_of(config, 3, false, l->in, l->out);
    return conv_nd_lower(l, &g);
}

static const cvy_layer conv3d_layer = {
    .size = sizeof(cvy_layer),
    .min_in = 1,
    .max_in = 1,
    .infer = conv3d_infer,
    .forward = conv3d_forward,
    .backward = conv3d_backward,
    .lower = conv3d_lower,
};

CVY_PLUGIN(CVY_LAYER, conv3d, "Conv3d Conv3D VolumetricConvolution Convolution3D",
           "3-D convolution over volumes; weights and bias start uniform on +-1/sqrt(fan_in)",
           "Ji et al. 2013, section 2.1", conv_config, &conv3d_layer, CVY_PARAMS(conv3d_params));
