/* The identity: gives its input on. It names a place in a network, or fills one where a layer may be left out; the
 * lowered network does not have it. */
#include <string.h>

#include "convoy/layer.h"

static int identity_infer(cvy_infer *in, const void *config)
{
    (void)config;
    in->out = in->in[0];
    in->traits = CVY_IN_PLACE;
    return 0;
}

static void copy(cvy_real *to, const cvy_real *from, int64_t count)
{
    if (to && to != from) memcpy(to, from, (size_t)count * sizeof(cvy_real));
}

static int identity_forward(const cvy_plain *call, const void *config)
{
    (void)config;
    copy(call->y, call->x[0], cvy_count(call->out));
    return 0;
}

static int identity_backward(const cvy_plain *call, const void *config)
{
    (void)config;
    copy(call->gx[0], call->gy, cvy_count(call->out));
    return 0;
}

static cvy_value identity_lower(cvy_lower *l, const void *config)
{
    (void)l, (void)config;
    return cvy_in(0);
}

static const cvy_layer identity_layer = {
    .size = sizeof(cvy_layer),
    .min_in = 1,
    .max_in = 1,
    .infer = identity_infer,
    .forward = identity_forward,
    .backward = identity_backward,
    .lower = identity_lower,
};

CVY_PLUGIN(CVY_LAYER, identity, "Identity linear_activation noop no_op pass",
           "Gives its input on, at no cost", "", cvy_no_config, &identity_layer, CVY_NO_PARAMS);
