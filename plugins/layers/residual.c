/* A stage of basic residual blocks: y = relu(F(x) + shortcut(x)), F being conv 3x3, bn, relu, conv 3x3, bn.
 *
 * He, Zhang, Ren & Sun, "Deep Residual Learning for Image Recognition", CVPR 2016, equations 1 and 2, figure
 * 5 (left); the shortcut's options A, B and C are those of section 4.1. On demand F ends with
 * squeeze-and-excitation (Hu et al. 2018, figure 3) and is left out at random in training (Huang et al., "Deep
 * Networks with Stochastic Depth", ECCV 2016, equation 5). */
#include "blocks.h"

typedef struct residual_config {
    int64_t channels, blocks, stride[2], squeeze_excitation;
    int32_t shortcut, batch_norm;
    const char *activation;
    double drop_path, drop_path_from;
} residual_config;

static const cvy_param residual_params[] = {
    CVY_INT_REQUIRED(residual_config, channels, 1, 1048576, "channels of every convolution in the stage"),
    CVY_ALSO("filters out_channels planes"),
    CVY_INT(residual_config, blocks, 1, 1, 1000, "blocks, of two convolutions each"),
    CVY_ALSO("num_blocks depth layers n"),
    CVY_PAIR(residual_config, stride, "1", 1, 1023, "stride of the first block"),
    CVY_ALSO("strides"),
    CVY_ENUM(residual_config, shortcut, projection, block_shortcuts, BLOCK_SHORTCUT_HELP),
    CVY_ALSO("downsample"),
    CVY_BOOL(residual_config, batch_norm, true,
             "batch normalization after every convolution, which then has no bias"),
    CVY_ALSO("bn use_bn"),
    CVY_STRING(residual_config, activation, "relu", "the layer that activates: relu, gelu, ..."),
    CVY_ALSO("nonlinearity act_layer"),
    CVY_INT(residual_config, squeeze_excitation, 0, 0, 65536,
            "ratio of a squeeze_excitation behind the last convolution; 0: none"),
    CVY_ALSO("se se_ratio reduction"),
    CVY_FLOAT(residual_config, drop_path, 0, 0, 0.999,
              "probability that a sample skips a block's convolutions in training (stochastic_depth)"),
    CVY_ALSO("stochastic_depth drop_path_rate drop_connect"),
    CVY_FLOAT(
        residual_config, drop_path_from, -1, -1, 0.999,
        "that probability in the first block, from where it grows to drop_path in the last; -1: the same"),
};

static int32_t residual_build(cvy_build *b, const void *config)
{
    const residual_config *c = config;
    if (block_expect_maps(b)) return BLOCK_FAILED;
    static const int64_t one[2] = {1, 1};
    int32_t x = 0;
    for (int64_t i = 0; i < c->blocks; i++) {
        const block k = block_open(b, "block", i, c->batch_norm, c->activation);
        const int64_t *stride = i == 0 ? c->stride : one;
        int32_t f = block_conv(&k, "conv1", x, c->channels, 3, stride, 1);
        f = block_norm(&k, "bn1", f);
        f = block_activate(&k, 1, f);
        f = block_conv(&k, "conv2", f, c->channels, 3, one, 1);
        f = block_norm(&k, "bn2", f);

        int32_t past = block_shortcut(&k, c->shortcut, x, x, c->channels, stride);
        if (past != x && c->shortcut % 3 != SHORTCUT_A) past = block_norm(&k, "shortcut.bn", past);
        x = block_add(&k, f, past, c->squeeze_excitation,
                      block_between(i, c->blocks, c->drop_path_from, c->drop_path));
        x = block_activate(&k, 2, x);
        if (x < 0) return BLOCK_FAILED;
    }
    return x;
}

static const cvy_layer residual_layer = {
    .size = sizeof(cvy_layer),
    .min_in = 1,
    .max_in = 1,
    .build = residual_build,
};

CVY_PLUGIN(CVY_LAYER, residual, "BasicBlock basic_block resnet_block residual_block ResidualBlock",
           "A stage of basic residual blocks: two 3x3 convolutions around a shortcut, each",
           "He et al. 2016, equations 1 and 2, figure 5", residual_config, &residual_layer,
           CVY_PARAMS(residual_params));
