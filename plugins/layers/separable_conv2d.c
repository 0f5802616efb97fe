/* Depthwise separable 2-D convolution: each channel is convolved by itself, then a 1x1 convolution mixes the channels.
 *
 * Chollet, "Xception: Deep Learning with Depthwise Separable Convolutions", CVPR 2017, section 1.2, in this order and
 * with nothing between; Howard et al., "MobileNets", 2017, section 3.1, put batch normalization and relu there, which
 * can be written as depthwise_conv2d and conv2d. The bias is the pointwise convolution's, as in Keras. */
#include "conv_nd.h"

static const cvy_param separable_conv2d_params[] = {
    CONV_CHANNELS,
    CONV_WINDOW(CVY_PARAM_PAIR, 2, "pixels", ": one number or [height, width]"),
    CVY_INT(conv_config, multiplier, 1, 1, 4096, "channels between the two, per input channel"),
    CVY_ALSO("depth_multiplier channel_multiplier"),
    CONV_BIAS,
};

static int32_t separable_build(cvy_build *b, const void *config)
{
    const conv_config *c = config;
    conv_text padding;
    int32_t x = 0;
    x = b->layer(b, "depthwise", "depthwise_conv2d", &x, 1,
                 "multiplier: %" PRId64 ", kernel: [%" PRId64 ", %" PRId64 "], stride: [%" PRId64 ", %" PRId64
                 "], padding: %s, dilation: [%" PRId64 ", %" PRId64 "], bias: false",
                 c->multiplier, c->kernel[0], c->kernel[1], c->stride[0], c->stride[1],
                 conv_nd_padding(&c->padding, 2, padding), c->dilation[0], c->dilation[1]);
    return b->layer(b, "pointwise", "conv2d", &x, 1, "channels: %" PRId64 ", kernel: 1, bias: %s",
                    c->channels, c->bias ? "true" : "false");
}

static const cvy_layer separable_layer = {
    .size = sizeof(cvy_layer),
    .min_in = 1,
    .max_in = 1,
    .build = separable_build,
};

CVY_PLUGIN(CVY_LAYER, separable_conv2d,
           "SeparableConv2D SeparableConvolution2D SeparableConv2d DepthwiseSeparableConv",
           "Depthwise separable 2-D convolution: each channel by itself, then a 1x1 convolution over all; "
           "both start uniform on "
           "+-1/sqrt(fan_in)",
           "Chollet 2017, section 1.2", conv_config, &separable_layer, CVY_PARAMS(separable_conv2d_params));
