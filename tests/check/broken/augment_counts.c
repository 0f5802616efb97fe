/* Draws from a counter of its own instead of the stream it is given. */
#include "convoy/augment.h"

static int infer(const cvy_host *host, const void *config, const cvy_shape *in, cvy_shape *out)
{
    (void)host, (void)config;
    *out = *in;
    return 0;
}

static int apply(cvy_augment_call *call, const void *config)
{
    (void)config;
    static unsigned calls;
    float factor = (float)(++calls % 7) / 7;
    for (int64_t i = 0; i < cvy_count(call->in); i++) call->y[i] = call->x[i] * factor;
    return 0;
}

static const cvy_augment type = {.size = sizeof(cvy_augment), .infer = infer, .apply = apply};
CVY_PLUGIN(CVY_AUGMENT, augment_counts, "", "An augmentation that is broken on purpose", "", cvy_no_config,
           &type, CVY_NO_PARAMS);
