/* Waits for ever when the gradient of the input is not wanted. */
#include "base.h"

static int backward(const cvy_plain *call, const void *config)
{
    volatile int waiting = !call->gx[0];
    while (waiting) {
    }
    return base_backward(call, config);
}

BROKEN_LAYER(hangs, base_infer, base_forward, backward, NULL);
