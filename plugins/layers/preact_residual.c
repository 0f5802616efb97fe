/* A stage of pre-activation residual blocks: y = F(x) + shortcut(x), F being bn, relu, conv 3x3, bn, relu, conv 3x3, or
 * with `bottleneck` the same around 1x1, 3x3, 1x1.
 *
 * He, Zhang, Ren & Sun, "Identity Mappings in Deep Residual Networks", ECCV 2016, equation 5, figure 4(e), and its
 * appendix for the projections, which read what comes out of the first bn and relu. Nothing follows the sum, so the
 * stage is to be followed by the next one or by `batch_norm` and `relu`. With `dropout` between the convolutions it is
 * the block of Zagoruyko & Komodakis, "Wide Residual Networks", BMVC 2016, figure 1(d): WRN-28-10's first stage is
 * {channels: 160, blocks: 4, dropout: 0.3}. */
#include "blocks.h"

typedef struct preact_config {
    int64_t channels, expansion, blocks, stride[2], squeeze_excitation;
    int32_t bottleneck, shortcut, batch_norm;
    const char *activation;
    double dropout, drop_path, drop_path_from;
} preact_config;

static const cvy_param preact_params[] = {
    CVY_INT_REQUIRED(preact_config, channels, 1, 1048576, "channels of the 3x3 convolutions"),
    CVY_ALSO("filters out_channels planes"),
    CVY_INT(preact_config, blocks, 1, 1, 1000, "blocks"),
    CVY_ALSO("num_blocks depth layers n"),
    CVY_PAIR(preact_config, stride, "1", 1, 1023, "stride of the first block"),
    CVY_ALSO("strides"),
    CVY_BOOL(preact_config, bottleneck, false, "convolutions 1x1, 3x3, 1x1 instead of two 3x3"),
    CVY_INT(preact_config, expansion, 4, 1, 1024,
            "with `bottleneck`, the stage's output has this many times the channels"),
    CVY_ENUM(preact_config, shortcut, projection, block_shortcuts, BLOCK_SHORTCUT_HELP),
    CVY_ALSO("downsample"),
    CVY_FLOAT(preact_config, dropout, 0, 0, 0.999, "probability of dropout before the last convolution"),
    CVY_ALSO("dropout_rate drop_rate p"),
    CVY_BOOL(preact_config, batch_norm, true,
             "batch normalization before every activation; the convolutions then have no bias"),
    CVY_ALSO("bn use_bn"),
    CVY_STRING(preact_config, activation, "relu", "the layer that activates: relu, gelu, ..."),
    CVY_ALSO("nonlinearity act_layer"),
    CVY_INT(preact_config, squeeze_excitation, 0, 0, 65536,
            "ratio of a squeeze_excitation behind the last convolution; 0: none"),
    CVY_ALSO("se se_ratio reduction"),
    CVY_FLOAT(preact_config, drop_path, 0, 0, 0.999,
              "probability that a sample skips a block's convolutions in training (stochastic_depth)"),
    CVY_ALSO("stochastic_depth drop_path_rate drop_connect"),
    CVY_FLOAT(
        preact_config, drop_path_from, -1, -1, 0.999,
        "that probability in the first block, from where it grows to drop_path in the last; -1: the same"),
};

/* bn and activation number `i`. */
static int32_t activated(const block *k, int i, int32_t x)
{
    char name[16];
    snprintf(name, sizeof name, "bn%d", i);
    return block_activate(k, i, block_norm(k, name, x));
}

static int32_t preact_build(cvy_build *b, const void *config)
{
    const preact_config *c = config;
    if (block_expect_maps(b)) return BLOCK_FAILED;
    static const int64_t one[2] = {1, 1};
    const int64_t out = c->bottleneck ? c->channels * c->expansion : c->channels; /* bounded by the ranges */
    int32_t x = 0;
    for (int64_t i = 0; i < c->blocks; i++) {
        const block k = block_open(b, "block", i, c->batch_norm, c->activation);
        const int64_t *stride = i == 0 ? c->stride : one;
        const int32_t before = activated(&k, 1, x);
        int32_t f = block_conv(&k, "conv1", before, c->channels, c->bottleneck ? 1 : 3,
                               c->bottleneck ? one : stride, 1);
        f = activated(&k, 2, f);
        if (c->bottleneck) {
            f = block_conv(&k, "conv2", f, c->channels, 3, stride, 1);
            f = activated(&k, 3, f);
        }
        f = block_drop(&k, "dropout", "dropout", c->dropout, f);
        f = block_conv(&k, c->bottleneck ? "conv3" : "conv2", f, out, c->bottleneck ? 1 : 3, one, 1);
        const int32_t past = block_shortcut(&k, c->shortcut, x, before, out, stride);
        x = block_add(&k, f, past, c->squeeze_excitation,
                      block_between(i, c->blocks, c->drop_path_from, c->drop_path));
        if (x < 0) return BLOCK_FAILED;
    }
    return x;
}

static const cvy_layer preact_layer = {
    .size = sizeof(cvy_layer),
    .min_in = 1,
    .max_in = 1,
    .build = preact_build,
};

CVY_PLUGIN(
    CVY_LAYER, preact_residual,
    "PreActBlock PreActBottleneck preact_block preactivation_block wide_basic WideBasicBlock",
    "A stage of residual blocks with bn and relu before each convolution; bn and relu have to follow it",
    "He et al. 2016, Identity Mappings, equation 5", preact_config, &preact_layer, CVY_PARAMS(preact_params));
