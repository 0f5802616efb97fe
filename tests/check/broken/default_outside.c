/* A parameter's default is above its own range. */
#include "base.h"

typedef struct outside_config {
    double scale;
} outside_config;

static const cvy_param outside_params[] = {
    CVY_FLOAT(outside_config, scale, 5, 0, 1, "multiplies"),
};

static const cvy_layer outside_layer = {.size = sizeof(cvy_layer),
                                        .min_in = 1,
                                        .max_in = 1,
                                        .infer = base_infer,
                                        .forward = base_forward,
                                        .backward = base_backward};
CVY_PLUGIN(CVY_LAYER, default_outside, "", "A layer that is broken on purpose", "", outside_config,
           &outside_layer, CVY_PARAMS(outside_params));
