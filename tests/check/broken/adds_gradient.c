/* Backward adds into the gradient of the input without declaring CVY_ACCUMULATES. */
#include "base.h"

static int backward(const cvy_plain *call, const void *config)
{
    (void)config;
    int64_t c = channels_of(call), p = pixels_of(call);
    for (int64_t i = 0; call->gx[0] && i < cvy_count(call->out); i++)
        call->gx[0][i] += call->w[0][i / p % c] * call->gy[i];
    base_weight_gradient(call, call->out->dim[0], NULL);
    return 0;
}

BROKEN_LAYER(adds_gradient, base_infer, base_forward, backward, NULL);
