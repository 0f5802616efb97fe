/* my_plugin, a layer made of layers: convolution, batch normalization, ReLU.
 *
 * It trains as it stands. Since its parts know their gradients and their fast kernels, it needs neither.
 *
 *   build:  @CC@
 *   look:   convoy plugin info my_plugin --plugin ./my_plugin.so
 *   train:  convoy run my_plugin.yaml
 *
 * Nothing of Convoy is linked: all that a layer may call comes with each call. convoy/layer.h has the rest.
 */
#include <inttypes.h>

#include "convoy/layer.h"

/* ---- parameters: what the experiment file may set, as in `my_plugin: {channels: 32, stride: 2}` ---- */

typedef struct my_plugin_config {
    int64_t channels, kernel, stride;
} my_plugin_config;

static const cvy_param my_plugin_params[] = {
    /* struct, field, [default,] least, most, help */
    CVY_INT_REQUIRED(my_plugin_config, channels, 1, 1048576, "channels of the convolution"),
    CVY_ALSO("filters out_channels"), /* what others call it: for suggestions only */
    CVY_INT(my_plugin_config, kernel, 3, 1, 101, "side of the kernel, pixels; odd"),
    CVY_ALSO("kernel_size"),
    CVY_INT(my_plugin_config, stride, 1, 1, 101, "stride of the convolution"),
    CVY_ALSO("strides"),
};

/* ---- build: nodes are numbers, the input is 0; -1 is a failed one, and what is made of it fails quietly
 * ---- */

static int32_t my_plugin_build(cvy_build *b, const void *config)
{
    const my_plugin_config *c = config;
    if (c->kernel % 2 == 0) {
        cvy_fail(b, "kernel: %" PRId64 " is even; an odd one keeps the size at stride 1", c->kernel);
        return -1;
    }
    int32_t x = 0;
    /* name below this layer, plugin, inputs and their number, parameters as in the experiment file */
    x = b->layer(b, "conv", "conv2d", &x, 1,
                 "channels: %" PRId64 ", kernel: %" PRId64 ", stride: %" PRId64 ", padding: %" PRId64
                 ", bias: false",
                 c->channels, c->kernel, c->stride, c->kernel / 2);
    x = b->layer(b, "bn", "batch_norm", &x, 1, "%s", "");
    return b->layer(b, "relu", "relu", &x, 1, "%s", "");
}

static const cvy_layer my_plugin_layer = {
    .size = sizeof(cvy_layer),
    .min_in = 1, /* inputs accepted */
    .max_in = 1,
    .build = my_plugin_build,
};

/* kind, name, names elsewhere, one line for `convoy plugin info`, paper */
CVY_PLUGIN(CVY_LAYER, my_plugin, "", "Convolution, batch normalization and ReLU", "", my_plugin_config,
           &my_plugin_layer, CVY_PARAMS(my_plugin_params));
