/* Plain code is a leaky rectifier, the lowered form one that does not leak. */
#include "base.h"

static int infer(cvy_infer *in, const void *config)
{
    (void)config;
    in->out = in->in[0];
    in->traits = CVY_READS_X;
    return 0;
}

static int forward(const cvy_plain *call, const void *config)
{
    (void)config;
    for (int64_t i = 0; i < cvy_count(call->out); i++)
        call->y[i] = call->x[0][i] > 0 ? call->x[0][i] : call->x[0][i] / 64;
    return 0;
}

static int backward(const cvy_plain *call, const void *config)
{
    (void)config;
    for (int64_t i = 0; call->gx[0] && i < cvy_count(call->out); i++)
        call->gx[0][i] = call->x[0][i] > 0 ? call->gy[i] : call->gy[i] / 64;
    return 0;
}

static cvy_value lower(cvy_lower *l, const void *config)
{
    (void)config;
    const cvy_value x = cvy_in(0);
    const cvy_activation_attr attr = {.function = CVY_RELU};
    return l->op(l, CVY_OP_ACTIVATION, &x, 1, &attr);
}

BROKEN_LAYER(lower_differs, infer, forward, backward, lower);
