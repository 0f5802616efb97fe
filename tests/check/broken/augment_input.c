/* Darkens its input on the way. */
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
    float *x = (float *)(uintptr_t)call->x, factor = cvy_unit(call->random);
    for (int64_t i = 0; i < cvy_count(call->in); i++) call->y[i] = x[i] *= factor;
    return 0;
}

static const cvy_augment type = {.size = sizeof(cvy_augment), .infer = infer, .apply = apply};
CVY_PLUGIN(CVY_AUGMENT, augment_input, "", "An augmentation that is broken on purpose", "", cvy_no_config,
           &type, CVY_NO_PARAMS);
