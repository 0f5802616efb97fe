/* Counts its calls in a buffer, in evaluation too. */
#include "base.h"

static int infer(cvy_infer *in, const void *config)
{
    cvy_shape one = cvy_shape1(1);
    return base_infer(in, config) || in->buffer(in, "calls", &one, 0);
}

static int forward(const cvy_plain *call, const void *config)
{
    call->buffers[0][0] += 1;
    return base_forward(call, config);
}

BROKEN_LAYER(moves_in_evaluation, infer, forward, base_backward, NULL);
