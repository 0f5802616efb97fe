/* A stage of bottleneck residual blocks: y = relu(F(x) + shortcut(x)), F being conv 1x1, conv 3x3, conv 1x1, each with
 * bn and the first two with relu; the last has `expansion` times the channels.
 *
 * He, Zhang, Ren & Sun, "Deep Residual Learning for Image Recognition", CVPR 2016, section 4.1, figure 5 (right). The
 * paper strides in the first 1x1 convolution; the 3x3 is what torchvision and most later networks stride in, and the
 * default. `groups` makes it the block of Xie et al., "Aggregated Residual Transformations for Deep Neural Networks",
 * CVPR 2017, figure 3(c): ResNeXt-50 (32x4d) begins with {channels: 128, expansion: 2, groups: 32}. Wide ResNet-50-2
 * doubles the channels at half the expansion. */
#include "blocks.h"

typedef struct bottleneck_config {
    int64_t channels, expansion, blocks, stride[2], groups, squeeze_excitation;
    int32_t stride_on, shortcut, batch_norm;
    const char *activation;
    double drop_path, drop_path_from;
} bottleneck_config;

enum { STRIDE_3X3, STRIDE_1X1 };
static const char *const strided[] = {"3x3", "1x1", NULL};

static const cvy_param bottleneck_params[] = {
    CVY_INT_REQUIRED(bottleneck_config, channels, 1, 1048576, "channels of the 3x3 convolutions"),
    CVY_ALSO("filters planes width"),
    CVY_INT(bottleneck_config, expansion, 4, 1, 1024, "the stage's output has this many times the channels"),
    CVY_INT(bottleneck_config, blocks, 1, 1, 1000, "blocks, of three convolutions each"),
    CVY_ALSO("num_blocks depth layers n"),
    CVY_PAIR(bottleneck_config, stride, "1", 1, 1023, "stride of the first block"),
    CVY_ALSO("strides"),
    CVY_ENUM(bottleneck_config, stride_on, 3x3, strided,
             "the convolution that strides: 3x3 as in torchvision, or the first 1x1 as in the paper"),
    CVY_INT(bottleneck_config, groups, 1, 1, 1048576, "groups of the 3x3 convolution (cardinality)"),
    CVY_ALSO("cardinality num_groups"),
    CVY_ENUM(bottleneck_config, shortcut, projection, block_shortcuts, BLOCK_SHORTCUT_HELP),
    CVY_ALSO("downsample"),
    CVY_BOOL(bottleneck_config, batch_norm, true,
             "batch normalization after every convolution, which then has no bias"),
    CVY_ALSO("bn use_bn"),
    CVY_STRING(bottleneck_config, activation, "relu", "the layer that activates: relu, gelu, ..."),
    CVY_ALSO("nonlinearity act_layer"),
    CVY_INT(bottleneck_config, squeeze_excitation, 0, 0, 65536,
            "ratio of a squeeze_excitation behind the last convolution; 0: none"),
    CVY_ALSO("se se_ratio reduction"),
    CVY_FLOAT(bottleneck_config, drop_path, 0, 0, 0.999,
              "probability that a sample skips a block's convolutions in training (stochastic_depth)"),
    CVY_ALSO("stochastic_depth drop_path_rate drop_connect"),
    CVY_FLOAT(
        bottleneck_config, drop_path_from, -1, -1, 0.999,
        "that probability in the first block, from where it grows to drop_path in the last; -1: the same"),
};

static int32_t bottleneck_build(cvy_build *b, const void *config)
{
    const bottleneck_config *c = config;
    if (block_expect_maps(b)) return BLOCK_FAILED;
    if (c->channels % c->groups) {
        cvy_fail(b, "groups: %" PRId64 " does not divide channels: %" PRId64, c->groups, c->channels);
        return BLOCK_FAILED;
    }
    static const int64_t one[2] = {1, 1};
    const int64_t wide = c->channels * c->expansion; /* both bounded by their ranges */
    int32_t x = 0;
    for (int64_t i = 0; i < c->blocks; i++) {
        const block k = block_open(b, "block", i, c->batch_norm, c->activation);
        const int64_t *stride = i == 0 ? c->stride : one;
        int32_t f = block_conv(&k, "conv1", x, c->channels, 1, c->stride_on == STRIDE_1X1 ? stride : one, 1);
        f = block_norm(&k, "bn1", f);
        f = block_activate(&k, 1, f);
        f = block_conv(&k, "conv2", f, c->channels, 3, c->stride_on == STRIDE_3X3 ? stride : one, c->groups);
        f = block_norm(&k, "bn2", f);
        f = block_activate(&k, 2, f);
        f = block_conv(&k, "conv3", f, wide, 1, one, 1);
        f = block_norm(&k, "bn3", f);

        int32_t past = block_shortcut(&k, c->shortcut, x, x, wide, stride);
        if (past != x && c->shortcut % 3 != SHORTCUT_A) past = block_norm(&k, "shortcut.bn", past);
        x = block_add(&k, f, past, c->squeeze_excitation,
                      block_between(i, c->blocks, c->drop_path_from, c->drop_path));
        x = block_activate(&k, 3, x);
        if (x < 0) return BLOCK_FAILED;
    }
    return x;
}

static const cvy_layer bottleneck_layer = {
    .size = sizeof(cvy_layer),
    .min_in = 1,
    .max_in = 1,
    .build = bottleneck_build,
};

CVY_PLUGIN(CVY_LAYER, bottleneck, "Bottleneck BottleneckBlock bottleneck_block resnext_block ResNeXtBlock",
           "A stage of bottleneck residual blocks: convolutions 1x1, 3x3, 1x1 around a shortcut, each",
           "He et al. 2016, figure 5; Xie et al. 2017", bottleneck_config, &bottleneck_layer,
           CVY_PARAMS(bottleneck_params));
