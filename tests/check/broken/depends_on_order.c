/* The gradient of the weight is summed up in the order in which shares of a parallel loop happen to run. */
#include "base.h"

static void share(void *ctx, int64_t begin, int64_t end)
{
    const cvy_plain *call = ctx;
    int64_t c = channels_of(call), p = pixels_of(call);
    for (int64_t i = begin; i < end; i++) call->gw[0][i / p % c] += call->gy[i] * call->x[0][i];
}

static int backward(const cvy_plain *call, const void *config)
{
    (void)config;
    base_input_gradient(call, 1);
    if (!call->gw[0]) return 0;
    for (int64_t k = 0; k < channels_of(call); k++) call->gw[0][k] = 0;
    call->host->parallel_for(call->host, cvy_count(call->out), 1, share, (void *)(uintptr_t)call);
    return 0;
}

BROKEN_LAYER(depends_on_order, base_infer, base_forward, backward, NULL);
