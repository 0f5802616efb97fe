/* A stage of basic residual blocks: y = relu(F(x) + shortcut(x)), F being conv 3x3, bn, relu, conv 3x3, bn.
 *
 * He, Zhang, Ren & Sun, "Deep Residual Learning for Image Recognition", CVPR 2016, equations 1 and 2, figure
 * 5 (left). The shortcut is the identity where the shape stays; where it changes, in the first block, it is a
 * 1x1 convolution with batch normalization (option B) or strided pixels with zero channels (option A). */
#include <inttypes.h>
#include <stdio.h>

#include "convoy/layer.h"

typedef struct residual_config {
    int64_t channels, blocks, stride[2];
    int32_t shortcut;
} residual_config;

enum { PROJECTION, PAD };
static const char *const shortcuts[] = {"projection", "pad", NULL};

static const cvy_param residual_params[] = {
    CVY_INT_REQUIRED(residual_config, channels, 1, 1048576, "channels of every convolution in the stage"),
    CVY_ALSO("filters out_channels planes"),
    CVY_INT(residual_config, blocks, 1, 1, 1000, "blocks, of two convolutions each"),
    CVY_ALSO("num_blocks depth layers n"),
    CVY_PAIR(residual_config, stride, "1", 1, 1023, "stride of the first block"),
    CVY_ALSO("strides"),
    CVY_ENUM(residual_config, shortcut, projection, shortcuts,
             "where the shape changes: projection is a 1x1 convolution (option B), pad adds zero channels "
             "(option A)"),
    CVY_ALSO("downsample"),
};

/* Adds a layer called blockK.NAME to the input x. */
static int32_t attach(cvy_build *b, int64_t k, const char *name, const char *type, int32_t x,
                      const char *params)
{
    char path[64];
    snprintf(path, sizeof path, "block%" PRId64 ".%s", k, name);
    return b->layer(b, path, type, &x, 1, "%s", params);
}

static int32_t convolve(cvy_build *b, int64_t k, const char *name, int32_t x, int64_t channels, int kernel,
                        const int64_t stride[2])
{
    char params[160];
    snprintf(params, sizeof params,
             "channels: %" PRId64 ", kernel: %d, stride: [%" PRId64 ", %" PRId64
             "], padding: %d, bias: false",
             channels, kernel, stride[0], stride[1], kernel / 2);
    return attach(b, k, name, "conv2d", x, params);
}

static int32_t shortcut(cvy_build *b, const residual_config *c, int64_t k, int32_t x, const int64_t stride[2])
{
    const cvy_shape *shape = b->shape(b, x);
    if (!shape) return -1;
    if (shape->dim[1] == c->channels && stride[0] == 1 && stride[1] == 1) return x;
    if (c->shortcut == PROJECTION) {
        x = convolve(b, k, "shortcut.conv", x, c->channels, 1, stride);
        return attach(b, k, "shortcut.bn", "batch_norm", x, "");
    }
    if (shape->dim[1] > c->channels) {
        cvy_fail(b,
                 "shortcut: pad cannot take %" PRId64 " channels down to channels: %" PRId64
                 "; use `shortcut: projection`",
                 shape->dim[1], c->channels);
        return -1;
    }
    char params[120];
    snprintf(params, sizeof params, "channels: %" PRId64 ", stride: [%" PRId64 ", %" PRId64 "]", c->channels,
             stride[0], stride[1]);
    return attach(b, k, "shortcut.pad", "shortcut_pad", x, params);
}

static int32_t residual_build(cvy_build *b, const void *config)
{
    const residual_config *c = config;
    if (b->in[0].rank != 4) {
        cvy_fail(b,
                 "expects maps (N, C, H, W) and got an input of rank %" PRId32
                 "; use it before `flatten` or `global_avg_pool`",
                 b->in[0].rank);
        return -1;
    }
    static const int64_t one[2] = {1, 1};
    int32_t x = 0;
    for (int64_t k = 0; k < c->blocks; k++) {
        const int64_t *stride = k == 0 ? c->stride : one;
        int32_t f = convolve(b, k, "conv1", x, c->channels, 3, stride);
        f = attach(b, k, "bn1", "batch_norm", f, "");
        f = attach(b, k, "relu1", "relu", f, "");
        f = convolve(b, k, "conv2", f, c->channels, 3, one);
        f = attach(b, k, "bn2", "batch_norm", f, "");

        const int32_t terms[2] = {f, shortcut(b, c, k, x, stride)};
        char path[64];
        snprintf(path, sizeof path, "block%" PRId64 ".add", k);
        x = b->layer(b, path, "add", terms, 2, "%s", "");
        x = attach(b, k, "relu2", "relu", x, "");
        if (x < 0) return -1;
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
