/* Computes something else when compiled for double. */
#include "base.h"

static int forward(const cvy_plain *call, const void *config)
{
    base_forward(call, config);
#ifdef CVY_DOUBLE
    call->y[0] += 0.125;
#endif
    return 0;
}

BROKEN_LAYER(twin_differs, base_infer, forward, base_backward, NULL);
