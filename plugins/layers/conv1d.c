/* 1-D convolution over sequences (N, C, L), as conv2d over maps:
 *
 *   y[n,o,i] = b[o] + sum over c,k of w[o,c,k] x[n, c, i s - p + k d]
 *
 * The time-delay network of Waibel, Hanazawa, Hinton, Shikano & Lang, "Phoneme Recognition Using Time-Delay Neural
 * Networks", IEEE Trans. ASSP 1989, section II. Weights and bias start uniform on [-1/sqrt(fan_in), 1/sqrt(fan_in)],
 * PyTorch's default, fan_in = C/groups K. */
#include "conv_nd_plain.h"

static const cvy_param conv1d_params[] = {
    CONV_CHANNELS, CONV_WINDOW(CVY_PARAM_INT, 1, "steps", ""), CONV_GROUPS, CONV_BIAS, CONV_MODE,
};

static int conv1d_infer(cvy_infer *in, const void *config)
{
    return conv_nd_infer(in, config, 1);
}

static int conv1d_forward(const cvy_plain *call, const void *config)
{
    const conv_nd g = conv_nd_of(config, 1, false, call->in, call->out);
    return conv_nd_forward(call, &g);
}

static int conv1d_backward(const cvy_plain *call, const void *config)
{
    const conv_nd g = conv_nd_of(config, 1, false, call->in, call->out);
    return conv_nd_backward(call, &g);
}

static cvy_value conv1d_lower(cvy_lower *l, const void *config)
{
    const conv_nd g = conv_nd_of(config, 1, false, l->in, l->out);
    return conv_nd_lower(l, &g);
}

static const cvy_layer conv1d_layer = {
    .size = sizeof(cvy_layer),
    .min_in = 1,
    .max_in = 1,
    .infer = conv1d_infer,
    .forward = conv1d_forward,
    .backward = conv1d_backward,
    .lower = conv1d_lower,
};

CVY_PLUGIN(CVY_LAYER, conv1d, "Conv1d Conv1D TemporalConvolution Convolution1D",
           "1-D convolution over sequences; weights and bias start uniform on +-1/sqrt(fan_in)",
           "Waibel et al. 1989, section II", conv_config, &conv1d_layer, CVY_PARAMS(conv1d_params));
