/* Depthwise separable 1-D convolution: each channel is convolved by itself, then a convolution of kernel 1 mixes the
 * channels.
 *
 * Chollet, "Xception: Deep Learning with Depthwise Separable Convolutions", CVPR 2017, section 1.2; over sequences in
 * Kaiser, Gomez & Chollet, "Depthwise Separable Convolutions for Neural Machine Translation", ICLR 2018. The bias is
 * the pointwise convolution's, as in Keras. */
#include "conv_nd.h"

static const cvy_param separable_conv1d_params[] = {
    CONV_CHANNELS,
    CONV_WINDOW(CVY_PARAM_INT, 1, "steps", ""),
    CVY_INT(conv_config, multiplier, 1, 1, 4096, "channels between the two, per input channel"),
    CVY_ALSO("depth_multiplier channel_multiplier"),
    CONV_BIAS,
};

static int32_t separable_build(cvy_build *b, const void *config)
{
    const conv_config *c = config;
    if (b->in[0].rank != 3) {
        cvy_fail(b,
                 "expects sequences (N, C, L) and got an input of rank %" PRId32 "; use it before `flatten`",
                 b->in[0].rank);
        return -1;
    }
    const int64_t groups = b->in[0].dim[1];
    int64_t channels;
    if (__builtin_mul_overflow(groups, c->multiplier, &channels) || channels > 1048576) {
        cvy_fail(b, "multiplier: %" PRId64 " of %" PRId64 " input channels are too large to compute",
                 c->multiplier, groups);
        return -1;
    }
    conv_text padding;
    int32_t x = 0;
    x = b->layer(b, "depthwise", "conv1d", &x, 1,
                 "channels: %" PRId64 ", groups: %" PRId64 ", kernel: %" PRId64 ", stride: %" PRId64
                 ", padding: %s, dilation: %" PRId64 ", bias: false",
                 channels, groups, c->kernel[0], c->stride[0], conv_nd_padding(&c->padding, 1, padding),
                 c->dilation[0]);
    return b->layer(b, "pointwise", "conv1d", &x, 1, "channels: %" PRId64 ", kernel: 1, bias: %s",
                    c->channels, c->bias ? "true" : "false");
}

static const cvy_layer separable_layer = {
    .size = sizeof(cvy_layer),
    .min_in = 1,
    .max_in = 1,
    .build = separable_build,
};

CVY_PLUGIN(CVY_LAYER, separable_conv1d, "SeparableConv1D SeparableConvolution1D SeparableConv1d",
           "Depthwise separable 1-D convolution: each channel by itself, then a convolution of kernel 1 over "
           "all; both start "
           "uniform on +-1/sqrt(fan_in)",
           "Chollet 2017, section 1.2", conv_config, &separable_layer, CVY_PARAMS(separable_conv1d_params));
