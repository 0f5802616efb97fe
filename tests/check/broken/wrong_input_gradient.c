/* The gradient of the input is one percent too large. */
#include "base.h"

static int backward(const cvy_plain *call, const void *config)
{
    (void)config;
    base_input_gradient(call, 1.01);
    base_weight_gradient(call, call->out->dim[0], NULL);
    return 0;
}

BROKEN_LAYER(wrong_input_gradient, base_infer, base_forward, backward, NULL);
