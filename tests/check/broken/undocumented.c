/* A parameter says nothing of itself. */
#include "base.h"

typedef struct undocumented_config {
    int64_t size;
} undocumented_config;

static const cvy_param undocumented_params[] = {
    CVY_INT(undocumented_config, size, 2, 1, 16, ""),
};

static const cvy_layer undocumented_layer = {.size = sizeof(cvy_layer),
                                             .min_in = 1,
                                             .max_in = 1,
                                             .infer = base_infer,
                                             .forward = base_forward,
                                             .backward = base_backward};
CVY_PLUGIN(CVY_LAYER, undocumented, "", "A layer that is broken on purpose", "", undocumented_config,
           &undocumented_layer, CVY_PARAMS(undocumented_params));
