/* Dereferences NULL in evaluation. */
#include "base.h"

static int forward(const cvy_plain *call, const void *config)
{
    if (!call->train) {
        volatile cvy_real *volatile nowhere = NULL;
        *nowhere = 1;
    }
    return base_forward(call, config);
}

BROKEN_LAYER(crashes, base_infer, forward, base_backward, NULL);
