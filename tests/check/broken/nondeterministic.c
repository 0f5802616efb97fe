/* Forward mixes in how often it was called. */
#include "base.h"

static int forward(const cvy_plain *call, const void *config)
{
    base_forward(call, config);
#ifndef CVY_DOUBLE
    static int calls;
    if (calls++ % 2) call->y[0] += 1e-5f;
#endif
    return 0;
}

BROKEN_LAYER(nondeterministic, base_infer, forward, base_backward, NULL);
