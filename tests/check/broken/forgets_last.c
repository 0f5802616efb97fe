/* Backward does not write the last number of the gradient of the input when it is 0 in exact arithmetic; forward
 * ignores that element. */
#include "base.h"

static int forward(const cvy_plain *call, const void *config)
{
    base_forward(call, config);
    call->y[cvy_count(call->out) - 1] = 0;
    return 0;
}

static int backward(const cvy_plain *call, const void *config)
{
    (void)config;
    int64_t c = channels_of(call), p = pixels_of(call), n = cvy_count(call->out);
    for (int64_t i = 0; call->gx[0] && i < n - 1; i++) call->gx[0][i] = call->w[0][i / p % c] * call->gy[i];
    for (int64_t k = 0; call->gw[0] && k < c; k++) call->gw[0][k] = 0;
    for (int64_t i = 0; call->gw[0] && i < n - 1; i++) call->gw[0][i / p % c] += call->gy[i] * call->x[0][i];
    return 0;
}

BROKEN_LAYER(forgets_last, base_infer, forward, backward, NULL);
