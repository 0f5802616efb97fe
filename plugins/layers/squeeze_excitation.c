/* Channels weighed by what all pixels say together: y[n,c] = x[n,c] * sigmoid(W2 relu(W1 z + b1) + b2)[c], z being the
 * mean of every channel, W1 leading to 1/ratio of the channels.
 *
 * Hu, Shen & Sun, "Squeeze-and-Excitation Networks", CVPR 2018, equations 2 to 4. */
#include "blocks.h"

typedef struct squeeze_config {
    int64_t ratio, channels;
    const char *activation, *gate;
} squeeze_config;

static const cvy_param squeeze_params[] = {
    CVY_INT(squeeze_config, ratio, 16, 1, 65536,
            "the hidden layer has 1/ratio of the input's channels, rounded down, and at least one"),
    CVY_ALSO("reduction reduction_ratio r se_ratio"),
    CVY_INT(squeeze_config, channels, 0, 0, 1048576, "channels of the hidden layer; 0: by `ratio`"),
    CVY_ALSO("squeeze_channels rd_channels units"),
    CVY_STRING(squeeze_config, activation, "relu", "the layer that activates the hidden channels"),
    CVY_ALSO("nonlinearity act_layer"),
    CVY_STRING(squeeze_config, gate, "sigmoid",
               "the layer that makes the weights: sigmoid, hard_sigmoid, ..."),
    CVY_ALSO("gate_layer scale_activation"),
};

static int32_t squeeze_build(cvy_build *b, const void *config)
{
    const squeeze_config *c = config;
    if (block_expect_maps(b)) return BLOCK_FAILED;
    const int64_t channels = b->in[0].dim[1];
    int64_t hidden = c->channels ? c->channels : channels / c->ratio;
    if (hidden < 1) hidden = 1;
    const block k = {b, "", 0, c->activation};
    char params[40];
    int32_t z = block_layer(&k, "pool", "global_avg_pool", 0, "");
    snprintf(params, sizeof params, "units: %" PRId64, hidden);
    z = block_layer(&k, "reduce", "linear", z, params);
    z = block_layer(&k, c->activation, c->activation, z, "");
    snprintf(params, sizeof params, "units: %" PRId64, channels);
    z = block_layer(&k, "expand", "linear", z, params);
    z = block_layer(&k, "gate", c->gate, z, "");
    const int32_t factors[2] = {0, z};
    return block_join(&k, "scale", "multiply", factors, 2, "");
}

static const cvy_layer squeeze_layer = {
    .size = sizeof(cvy_layer),
    .min_in = 1,
    .max_in = 1,
    .build = squeeze_build,
};

CVY_PLUGIN(CVY_LAYER, squeeze_excitation,
           "SqueezeExcitation SqueezeExcite squeeze_excite SEBlock SELayer SEModule se_block se",
           "Weighs the channels by a small network over their means", "Hu et al. 2018, equations 2 to 4",
           squeeze_config, &squeeze_layer, CVY_PARAMS(squeeze_params));
