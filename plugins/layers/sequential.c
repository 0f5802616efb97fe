/* A list of layers as one: what a `layers` list needs a name, an `inputs` or a place of its own for.
 *
 * The list is a network of its own: names in it are its alone, `input` is what the whole takes, its last layer's output
 * is the whole's. Other layers of the list may branch off and join by `inputs`. */
#include "convoy/layer.h"

typedef struct sequential_config {
    cvy_layers layers;
} sequential_config;

static const cvy_param sequential_params[] = {
    CVY_LAYERS(sequential_config, layers, NULL, "the layers, written as those of a model"),
    CVY_ALSO("modules body blocks"),
};

static int32_t sequential_build(cvy_build *b, const void *config)
{
    const sequential_config *c = config;
    return b->layers(b, "", &c->layers, 0);
}

static const cvy_layer sequential_layer = {
    .size = sizeof(cvy_layer),
    .min_in = 1,
    .max_in = 1,
    .build = sequential_build,
};

CVY_PLUGIN(CVY_LAYER, sequential, "Sequential block group stage", "A list of layers as one layer", "",
           sequential_config, &sequential_layer, CVY_PARAMS(sequential_params));
