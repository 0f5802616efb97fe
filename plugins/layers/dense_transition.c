/* What lies between dense blocks: bn, relu, conv 1x1, average pooling 2x2 with stride 2.
 *
 * Huang, Liu, van der Maaten & Weinberger, "Densely Connected Convolutional Networks", CVPR 2017, section 3, pooling
 * layers and compression: of m channels floor(compression * m) are left. */
#include "blocks.h"

typedef struct transition_config {
    double compression, dropout;
    int64_t channels;
    int32_t pool;
    const char *activation;
} transition_config;

enum { POOL_AVG, POOL_MAX, POOL_NONE };
static const char *const pools[] = {"avg", "max", "none", NULL};

static const cvy_param transition_params[] = {
    CVY_FLOAT(transition_config, compression, 0.5, 0.0001, 1,
              "share of the channels that is left, rounded down"),
    CVY_ALSO("theta reduction"),
    CVY_INT(transition_config, channels, 0, 0, 1048576, "channels that are left; 0: by `compression`"),
    CVY_ALSO("filters out_channels"),
    CVY_ENUM(transition_config, pool, avg, pools, "pooling of 2x2 pixels with stride 2"),
    CVY_ALSO("pooling"),
    CVY_FLOAT(transition_config, dropout, 0, 0, 0.999, "probability of dropout behind the convolution"),
    CVY_ALSO("drop_rate dropout_rate p"),
    CVY_STRING(transition_config, activation, "relu", "the layer that activates: relu, gelu, ..."),
    CVY_ALSO("nonlinearity act_layer"),
};

static int32_t transition_build(cvy_build *b, const void *config)
{
    const transition_config *c = config;
    if (block_expect_maps(b)) return BLOCK_FAILED;
    /* 0.29 * 100 is a little below 29 in binary. */
    int64_t channels = c->channels ? c->channels : (int64_t)(c->compression * (double)b->in[0].dim[1] + 1e-6);
    if (channels < 1) {
        cvy_fail(b, "compression: %g leaves none of %" PRId64 " channels; set `channels` or compress less",
                 c->compression, b->in[0].dim[1]);
        return BLOCK_FAILED;
    }
    static const int64_t one[2] = {1, 1};
    const block k = {b, "", 1, c->activation};
    int32_t x = block_norm(&k, "bn", 0);
    x = block_layer(&k, c->activation, c->activation, x, "");
    x = block_conv(&k, "conv", x, channels, 1, one, 1);
    x = block_drop(&k, "dropout", "dropout", c->dropout, x);
    if (c->pool == POOL_NONE) return x;
    return block_layer(&k, "pool", c->pool == POOL_AVG ? "avg_pool2d" : "max_pool2d", x,
                       "kernel: 2, stride: 2");
}

static const cvy_layer transition_layer = {
    .size = sizeof(cvy_layer),
    .min_in = 1,
    .max_in = 1,
    .build = transition_build,
};

CVY_PLUGIN(CVY_LAYER, dense_transition, "Transition TransitionLayer transition_block transition",
           "Between dense blocks: bn, relu, a 1x1 convolution to fewer channels, average pooling",
           "Huang et al. 2017, section 3", transition_config, &transition_layer,
           CVY_PARAMS(transition_params));
