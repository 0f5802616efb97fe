/* A stage of convolution pairs without shortcuts: conv 3x3, bn, relu, conv 3x3, bn, relu, as often as `blocks` says.
 *
 * The plain networks of He, Zhang, Ren & Sun, "Deep Residual Learning for Image Recognition", CVPR 2016, sections 3.3
 * and 4.2, beside which they put theirs: a `residual` stage with its shortcuts removed. */
#include "blocks.h"

typedef struct pair_config {
    int64_t channels, blocks, stride[2];
    int32_t batch_norm;
    const char *activation;
} pair_config;

static const cvy_param pair_params[] = {
    CVY_INT_REQUIRED(pair_config, channels, 1, 1048576, "channels of every convolution in the stage"),
    CVY_ALSO("filters out_channels planes"),
    CVY_INT(pair_config, blocks, 1, 1, 1000, "pairs of convolutions"),
    CVY_ALSO("num_blocks depth layers n"),
    CVY_PAIR(pair_config, stride, "1", 1, 1023, "stride of the first convolution"),
    CVY_ALSO("strides"),
    CVY_BOOL(pair_config, batch_norm, true,
             "batch normalization after every convolution, which then has no bias"),
    CVY_ALSO("bn use_bn"),
    CVY_STRING(pair_config, activation, "relu", "the layer that activates: relu, gelu, ..."),
    CVY_ALSO("nonlinearity act_layer"),
};

static int32_t pair_build(cvy_build *b, const void *config)
{
    const pair_config *c = config;
    if (block_expect_maps(b)) return BLOCK_FAILED;
    static const int64_t one[2] = {1, 1};
    int32_t x = 0;
    for (int64_t i = 0; i < c->blocks; i++) {
        const block k = block_open(b, "block", i, c->batch_norm, c->activation);
        x = block_conv(&k, "conv1", x, c->channels, 3, i == 0 ? c->stride : one, 1);
        x = block_norm(&k, "bn1", x);
        x = block_activate(&k, 1, x);
        x = block_conv(&k, "conv2", x, c->channels, 3, one, 1);
        x = block_norm(&k, "bn2", x);
        x = block_activate(&k, 2, x);
        if (x < 0) return BLOCK_FAILED;
    }
    return x;
}

static const cvy_layer pair_layer = {
    .size = sizeof(cvy_layer),
    .min_in = 1,
    .max_in = 1,
    .build = pair_build,
};

CVY_PLUGIN(CVY_LAYER, plain_pair, "plain_block PlainBlock conv_pair double_conv DoubleConv",
           "A stage of pairs of 3x3 convolutions without shortcuts", "He et al. 2016, section 3.3",
           pair_config, &pair_layer, CVY_PARAMS(pair_params));
