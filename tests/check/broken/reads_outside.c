/* Reads one number behind the weights and does not use it: only a sanitizer sees that. */
#include "base.h"

static int forward(const cvy_plain *call, const void *config)
{
    volatile cvy_real seen = call->w[0][channels_of(call)];
    (void)seen;
    return base_forward(call, config);
}

BROKEN_LAYER(reads_outside, base_infer, forward, base_backward, NULL);
