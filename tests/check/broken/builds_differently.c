/* A composite that is made of something else every other time. */
#include "convoy/layer.h"

static int32_t build(cvy_build *b, const void *config)
{
    (void)config;
    static int calls;
    int32_t x = 0;
    x = b->layer(b, "first", "relu", &x, 1, "%s", "");
    return calls++ % 2 ? b->layer(b, "second", "relu", &x, 1, "%s", "") : x;
}

static const cvy_layer composite = {.size = sizeof(cvy_layer), .min_in = 1, .max_in = 1, .build = build};
CVY_PLUGIN(CVY_LAYER, builds_differently, "", "A layer that is broken on purpose", "", cvy_no_config,
           &composite, CVY_NO_PARAMS);
