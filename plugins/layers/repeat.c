/* A list of layers several times in a row, called 0, 1, ...; each time has weights of its own. */
#include <inttypes.h>
#include <stdio.h>

#include "convoy/layer.h"

typedef struct repeat_config {
    int64_t times;
    cvy_layers layers;
} repeat_config;

static const cvy_param repeat_params[] = {
    CVY_INT_REQUIRED(repeat_config, times, 1, 10000, "how often"),
    CVY_ALSO("n count num_layers num_blocks depth blocks"),
    CVY_LAYERS(repeat_config, layers, NULL, "the layers, written as those of a model"),
    CVY_ALSO("modules body"),
};

static int32_t repeat_build(cvy_build *b, const void *config)
{
    const repeat_config *c = config;
    int32_t x = 0;
    for (int64_t i = 0; i < c->times && x >= 0; i++) {
        char name[24];
        snprintf(name, sizeof name, "%" PRId64, i);
        x = b->layers(b, name, &c->layers, x);
    }
    return x;
}

static const cvy_layer repeat_layer = {
    .size = sizeof(cvy_layer),
    .min_in = 1,
    .max_in = 1,
    .build = repeat_build,
};

CVY_PLUGIN(CVY_LAYER, repeat, "Repeat stack times", "A list of layers several times in a row", "",
           repeat_config, &repeat_layer, CVY_PARAMS(repeat_params));
