/* The gradient of the weight forgets the last sample of larger batches. */
#include "base.h"

static int backward(const cvy_plain *call, const void *config)
{
    (void)config;
    int64_t n = call->out->dim[0];
    base_input_gradient(call, 1);
    base_weight_gradient(call, n > 2 ? n - 1 : n, NULL);
    return 0;
}

BROKEN_LAYER(wrong_weight_gradient, base_infer, base_forward, backward, NULL);
