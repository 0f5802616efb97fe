/* Backward takes x from y / weight without declaring that it reads y. */
#include "base.h"

static int infer(cvy_infer *in, const void *config)
{
    int failed = base_infer(in, config);
    in->traits = 0;
    return failed;
}

static int backward(const cvy_plain *call, const void *config)
{
    (void)config;
    int64_t c = channels_of(call), p = pixels_of(call);
    base_input_gradient(call, 1);
    for (int64_t k = 0; call->gw[0] && k < c; k++) call->gw[0][k] = 0;
    for (int64_t i = 0; call->gw[0] && i < cvy_count(call->out); i++)
        call->gw[0][i / p % c] += call->gy[i] * call->y[i] / call->w[0][i / p % c];
    return 0;
}

BROKEN_LAYER(reads_undeclared_y, infer, base_forward, backward, NULL);
