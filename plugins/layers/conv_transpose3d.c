/* 3-D transposed convolution, which makes volumes larger: conv_transpose2d with a depth.
 *
 *   y[n,o,:,:,:] = b[o] + sum over c,z,i,j,a,u,v of w[c,o,a,u,v] x[n,c,z,i,j] at (z s - p + a d, i s - p + u d, j s -
 *                  p + v d)
 *
 * Zeiler, Krishnan, Taylor & Fergus, "Deconvolutional Networks", CVPR 2010; over volumes in Cicek et al., "3D U-Net",
 * MICCAI 2016. Weights (C, O/groups, Kd, Kh, Kw) and bias start uniform on [-1/sqrt(fan_in), 1/sqrt(fan_in)] with
 * fan_in = O/groups Kd Kh Kw, PyTorch's default. */
#include "conv_nd_plain.h"

static const cvy_param conv_transpose3d_params[] = {
    CONV_CHANNELS,
    CONV_TRANSPOSED_WINDOW(CVY_PARAM_TRIPLE, 3, "voxels", ": one number or [depth, height, width]"),
    CONV_GROUPS,
    CONV_BIAS,
};

static int conv_transpose3d_infer(cvy_infer *in, const void *config)
{
    return conv_nd_transposed_infer(in, config, 3);
}

static int conv_transpose3d_forward(const cvy_plain *call, const void *config)
{
    const conv_nd g = conv_nd_of(config, 3, true, call->in, call->out);
    return conv_nd_forward(call, &g);
}

static int conv_transpose3d_backward(const cvy_plain *call, const void *config)
{
    const conv_nd g = conv_nd_of(config, 3, true, call->in, call->out);
    return conv_nd_backward(call, &g);
}

static cvy_value conv_transpose3d_lower(cvy_lower *l, const void *config)
{
    const conv_nd g = conv_nd_of(config, 3, true, l->in, l->out);
    return conv_nd_transposed_lower(l, &g);
}

static const cvy_layer conv_transpose3d_layer = {
    .size = sizeof(cvy_layer),
    .min_in = 1,
    .max_in = 1,
    .infer = conv_transpose3d_infer,
    .forward = conv_transpose3d_forward,
    .backward = conv_transpose3d_backward,
    .lower = conv_transpose3d_lower,
};

CVY_PLUGIN(
    CVY_LAYER, conv_transpose3d,
    "ConvTranspose3d Conv3DTranspose Conv3dTranspose deconv3d VolumetricFullConvolution",
    "3-D transposed convolution, for larger volumes; weights and bias start uniform on +-1/sqrt(fan_in)",
    "Zeiler et al. 2010; Cicek et al. 2016", conv_config, &conv_transpose3d_layer,
    CVY_PARAMS(conv_transpose3d_params));
