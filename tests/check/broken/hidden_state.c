/* Forward keeps the input for backward in a global instead of declaring that backward reads it. */
#include "base.h"

static _Thread_local cvy_real kept[8192];

static int infer(cvy_infer *in, const void *config)
{
    int failed = base_infer(in, config);
    in->traits = 0;
    return failed;
}

static int forward(const cvy_plain *call, const void *config)
{
    int64_t n = cvy_count(call->out);
    memcpy(kept, call->x[0], (size_t)(n < 8192 ? n : 8192) * sizeof *kept);
    return base_forward(call, config);
}

static int backward(const cvy_plain *call, const void *config)
{
    (void)config;
    base_input_gradient(call, 1);
    base_weight_gradient(call, call->out->dim[0], kept);
    return 0;
}

BROKEN_LAYER(hidden_state, infer, forward, backward, NULL);
