/* Declares that it works in place, and reads its neighbour after writing over it. */
#include "base.h"

static int infer(cvy_infer *in, const void *config)
{
    (void)config;
    in->out = in->in[0];
    in->traits = CVY_IN_PLACE;
    return 0;
}

/* y[i] = x[i] + x[i - 1] */
static int forward(const cvy_plain *call, const void *config)
{
    (void)config;
    for (int64_t i = 0; i < cvy_count(call->out); i++)
        call->y[i] = call->x[0][i] + (i ? call->x[0][i - 1] : 0);
    return 0;
}

static int backward(const cvy_plain *call, const void *config)
{
    (void)config;
    int64_t n = cvy_count(call->out);
    for (int64_t i = 0; call->gx[0] && i < n; i++)
        call->gx[0][i] = call->gy[i] + (i + 1 < n ? call->gy[i + 1] : 0);
    return 0;
}

BROKEN_LAYER(not_in_place, infer, forward, backward, NULL);
