/* Convolutions each of which sees all feature maps before it: layer l takes the block's input and what layers 0 .. l-1
 * made, and adds `growth` channels: bn, relu, conv 3x3, or with `bottleneck` bn, relu, conv 1x1 to width * growth
 * channels, bn, relu, conv 3x3.
 *
 * Huang, Liu, van der Maaten & Weinberger, "Densely Connected Convolutional Networks", CVPR 2017, equation 2, section 3
 * (DenseNet, DenseNet-B). Every layer appends its channels to those before instead of joining all anew: the network is
 * the same, each addition of gradients has two terms instead of one per later layer, and what a layer made need not be
 * kept beside the concatenation that holds it. */
#include "blocks.h"

typedef struct dense_config {
    int64_t layers, growth, width;
    int32_t bottleneck;
    const char *activation;
    double dropout;
} dense_config;

static const cvy_param dense_params[] = {
    CVY_INT_REQUIRED(dense_config, layers, 1, 1000, "layers, each adding `growth` channels"),
    CVY_ALSO("num_layers n blocks depth"),
    CVY_INT_REQUIRED(dense_config, growth, 1, 65536, "channels that each layer adds, k in the paper"),
    CVY_ALSO("growth_rate k channels"),
    CVY_BOOL(dense_config, bottleneck, true, "a 1x1 convolution before each 3x3 (DenseNet-B)"),
    CVY_INT(dense_config, width, 4, 1, 1024, "the 1x1 convolution has width * growth channels"),
    CVY_ALSO("bn_size"),
    CVY_FLOAT(dense_config, dropout, 0, 0, 0.999, "probability of dropout behind each layer's convolutions"),
    CVY_ALSO("drop_rate dropout_rate p"),
    CVY_STRING(dense_config, activation, "relu", "the layer that activates: relu, gelu, ..."),
    CVY_ALSO("nonlinearity act_layer"),
};

static int32_t dense_build(cvy_build *b, const void *config)
{
    const dense_config *c = config;
    if (block_expect_maps(b)) return BLOCK_FAILED;
    static const int64_t one[2] = {1, 1};
    int32_t x = 0;
    for (int64_t i = 0; i < c->layers; i++) {
        const block k = block_open(b, "layer", i, 1, c->activation);
        int32_t f = block_norm(&k, "bn1", x);
        f = block_activate(&k, 1, f);
        if (c->bottleneck) {
            f = block_conv(&k, "conv1", f, c->width * c->growth, 1, one, 1); /* bounded by the ranges */
            f = block_drop(&k, "dropout1", "dropout", c->dropout, f);
            f = block_norm(&k, "bn2", f);
            f = block_activate(&k, 2, f);
        }
        f = block_conv(&k, c->bottleneck ? "conv2" : "conv1", f, c->growth, 3, one, 1);
        f = block_drop(&k, c->bottleneck ? "dropout2" : "dropout1", "dropout", c->dropout, f);
        const int32_t both[2] = {x, f};
        x = block_join(&k, "concat", "concat", both, 2, "");
        if (x < 0) return BLOCK_FAILED;
    }
    return x;
}

static const cvy_layer dense_layer = {
    .size = sizeof(cvy_layer),
    .min_in = 1,
    .max_in = 1,
    .build = dense_build,
};

CVY_PLUGIN(CVY_LAYER, dense_block, "DenseBlock denseblock dense_layers DenseLayer",
           "Convolutions each of which sees all feature maps before it", "Huang et al. 2017, equation 2",
           dense_config, &dense_layer, CVY_PARAMS(dense_params));
