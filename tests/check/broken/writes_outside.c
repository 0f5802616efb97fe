/* Backward writes one number behind the gradient of the weight. */
#include "base.h"

static int backward(const cvy_plain *call, const void *config)
{
    base_backward(call, config);
    if (call->gw[0]) call->gw[0][channels_of(call)] = 0;
    return 0;
}

BROKEN_LAYER(writes_outside, base_infer, base_forward, backward, NULL);
