/* The Inception module without dimension reduction: convolutions 1x1, 3x3 and 5x5 of the input and a 3x3 max pooling of
 * it, joined along the channels, of which there are n1x1 + n3x3 + n5x5 + the input's.
 *
 * Szegedy et al., "Going Deeper with Convolutions", CVPR 2015, figure 2(a), there to show what the reductions of
 * `inception` save. */
#include "blocks.h"

typedef struct naive_config {
    int64_t n1x1, n3x3, n5x5;
    int32_t batch_norm;
} naive_config;

static const cvy_param naive_params[] = {
    CVY_INT_REQUIRED(naive_config, n1x1, 1, 1048576, "channels of the 1x1 branch"),
    CVY_ALSO("ch1x1 num_1x1 filters_1x1"),
    CVY_INT_REQUIRED(naive_config, n3x3, 1, 1048576, "channels of the 3x3 branch"),
    CVY_ALSO("ch3x3 num_3x3 filters_3x3"),
    CVY_INT_REQUIRED(naive_config, n5x5, 1, 1048576, "channels of the 5x5 branch"),
    CVY_ALSO("ch5x5 num_5x5 filters_5x5"),
    CVY_BOOL(naive_config, batch_norm, true,
             "batch normalization after every convolution, which then has no bias"),
    CVY_ALSO("bn use_bn"),
};

/* conv [, bn], relu below `name`. */
static int32_t branch(cvy_build *b, const naive_config *c, const char *name, int64_t channels, int kernel)
{
    char path[64];
    int32_t x = 0;
    snprintf(path, sizeof path, "%s.conv", name);
    x = b->layer(b, path, "conv2d", &x, 1, "channels: %" PRId64 ", kernel: %d, padding: %d, bias: %s",
                 channels, kernel, kernel / 2, c->batch_norm ? "false" : "true");
    if (c->batch_norm) {
        snprintf(path, sizeof path, "%s.bn", name);
        x = b->layer(b, path, "batch_norm", &x, 1, "%s", "");
    }
    snprintf(path, sizeof path, "%s.relu", name);
    return b->layer(b, path, "relu", &x, 1, "%s", "");
}

static int32_t naive_build(cvy_build *b, const void *config)
{
    const naive_config *c = config;
    if (block_expect_maps(b)) return BLOCK_FAILED;
    const int32_t x = 0;
    int32_t branches[4];
    branches[0] = branch(b, c, "branch1x1", c->n1x1, 1);
    branches[1] = branch(b, c, "branch3x3", c->n3x3, 3);
    branches[2] = branch(b, c, "branch5x5", c->n5x5, 5);
    branches[3] =
        b->layer(b, "branch_pool.pool", "max_pool2d", &x, 1, "%s", "kernel: 3, stride: 1, padding: 1");
    return b->layer(b, "concat", "concat", branches, 4, "%s", "");
}

static const cvy_layer naive_layer = {
    .size = sizeof(cvy_layer),
    .min_in = 1,
    .max_in = 1,
    .build = naive_build,
};

CVY_PLUGIN(CVY_LAYER, inception_naive, "InceptionNaive naive_inception",
           "Inception module without dimension reduction: 1x1, 3x3, 5x5 and pooling branches joined",
           "Szegedy et al. 2015, figure 2(a)", naive_config, &naive_layer, CVY_PARAMS(naive_params));
