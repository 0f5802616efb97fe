/* The Inception module with dimension reduction: four branches of different kernel sizes, joined along the
 * channels.
 *
 * Szegedy et al., "Going Deeper with Convolutions", CVPR 2015, figure 2(b), table 1 for the names and
 * numbers: 1x1 | 1x1 reduce, 3x3 | 1x1 reduce, 5x5 | 3x3 max pool, 1x1 projection every convolution followed
 * by relu. The paper trained without batch normalization; it is on here as in the networks that came after
 * (Ioffe & Szegedy 2015), `batch_norm: false` is the paper's module. */
#include <inttypes.h>
#include <stdio.h>

#include "convoy/layer.h"

typedef struct inception_config {
    int64_t n1x1, n3x3_reduce, n3x3, n5x5_reduce, n5x5, pool_proj;
    int32_t batch_norm;
} inception_config;

static const cvy_param inception_params[] = {
    CVY_INT_REQUIRED(inception_config, n1x1, 1, 1048576, "channels of the 1x1 branch"),
    CVY_ALSO("ch1x1 num_1x1 filters_1x1"),
    CVY_INT_REQUIRED(inception_config, n3x3_reduce, 1, 1048576,
                     "channels of the 1x1 convolution before the 3x3"),
    CVY_ALSO("ch3x3red n3x3red num_3x3_reduce filters_3x3_reduce"),
    CVY_INT_REQUIRED(inception_config, n3x3, 1, 1048576, "channels of the 3x3 branch"),
    CVY_ALSO("ch3x3 num_3x3 filters_3x3"),
    CVY_INT_REQUIRED(inception_config, n5x5_reduce, 1, 1048576,
                     "channels of the 1x1 convolution before the 5x5"),
    CVY_ALSO("ch5x5red n5x5red num_5x5_reduce filters_5x5_reduce"),
    CVY_INT_REQUIRED(inception_config, n5x5, 1, 1048576, "channels of the 5x5 branch"),
    CVY_ALSO("ch5x5 num_5x5 filters_5x5"),
    CVY_INT_REQUIRED(inception_config, pool_proj, 1, 1048576,
                     "channels of the pooling branch, after its projection"),
    CVY_ALSO("pool_planes proj_pool filters_pool_proj"),
    CVY_BOOL(inception_config, batch_norm, true,
             "batch normalization after every convolution, which then has no bias"),
    CVY_ALSO("bn use_bn"),
};

/* conv [, bn], relu below `branch`. */
static int32_t convolve(cvy_build *b, const inception_config *c, const char *branch, int32_t x,
                        int64_t channels, int kernel)
{
    char path[64];
    snprintf(path, sizeof path, "%s.conv", branch);
    x = b->layer(b, path, "conv2d", &x, 1, "channels: %" PRId64 ", kernel: %d, padding: %d, bias: %s",
                 channels, kernel, kernel / 2, c->batch_norm ? "false" : "true");
    if (c->batch_norm) {
        snprintf(path, sizeof path, "%s.bn", branch);
        x = b->layer(b, path, "batch_norm", &x, 1, "%s", "");
    }
    snprintf(path, sizeof path, "%s.relu", branch);
    return b->layer(b, path, "relu", &x, 1, "%s", "");
}

static int32_t inception_build(cvy_build *b, const void *config)
{
    const inception_config *c = config;
    if (b->in[0].rank != 4) {
        cvy_fail(b,
                 "expects maps (N, C, H, W) and got an input of rank %" PRId32
                 "; use it before `flatten` or `global_avg_pool`",
                 b->in[0].rank);
        return -1;
    }
    const int32_t x = 0;
    int32_t branch[4];
    branch[0] = convolve(b, c, "branch1x1", x, c->n1x1, 1);
    branch[1] = convolve(b, c, "branch3x3.reduce", x, c->n3x3_reduce, 1);
    branch[1] = convolve(b, c, "branch3x3", branch[1], c->n3x3, 3);
    branch[2] = convolve(b, c, "branch5x5.reduce", x, c->n5x5_reduce, 1);
    branch[2] = convolve(b, c, "branch5x5", branch[2], c->n5x5, 5);
    branch[3] = b->layer(b, "branch_pool.pool", "max_pool2d", &x, 1, "kernel: 3, stride: 1, padding: 1");
    branch[3] = convolve(b, c, "branch_pool", branch[3], c->pool_proj, 1);
    return b->layer(b, "concat", "concat", branch, 4, "%s", "");
}

static const cvy_layer inception_layer = {
    .size = sizeof(cvy_layer),
    .min_in = 1,
    .max_in = 1,
    .build = inception_build,
};

CVY_PLUGIN(CVY_LAYER, inception, "Inception inception_module InceptionModule googlenet_block",
           "Inception module with dimension reduction: 1x1, 3x3, 5x5 and pooling branches joined",
           "Szegedy et al. 2015, figure 2(b)", inception_config, &inception_layer,
           CVY_PARAMS(inception_params));
