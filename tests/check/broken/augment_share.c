/* Mixes two samples and tells more than the whole of the first. */
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
    for (int64_t i = 0; i < cvy_count(call->in); i++)
        call->y[i] = call->partner ? (call->x[i] + call->partner[i]) / 2 : call->x[i];
    if (call->partner) call->share = 1.5f;
    return 0;
}

static const cvy_augment type = {
    .size = sizeof(cvy_augment), .traits = CVY_AUGMENT_MIX, .infer = infer, .apply = apply};
CVY_PLUGIN(CVY_AUGMENT, augment_share, "", "An augmentation that is broken on purpose", "", cvy_no_config,
           &type, CVY_NO_PARAMS);
