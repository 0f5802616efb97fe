/* Rectified linear unit, the shortest complete layer: y = max(x, 0).
 *
 * Nair & Hinton, "Rectified Linear Units Improve Restricted Boltzmann Machines", ICML 2010. The gradient at 0
 * is 0, and NaN passes through, as in PyTorch. */
#include "convoy/layer.h"

static int relu_infer(cvy_infer *in, const void *config)
{
    (void)config;
    in->out = in->in[0];
    in->traits = CVY_READS_Y | CVY_IN_PLACE; /* y > 0 says all that backward asks */
    return 0;
}

static int relu_forward(const cvy_plain *call, const void *config)
{
    (void)config;
    const int64_t count = cvy_count(call->out);
    for (int64_t i = 0; i < count; i++) {
        const cvy_real x = call->x[0][i];
        call->y[i] = x <= 0 ? 0 : x; /* not x > 0 ? x : 0, which would turn NaN into 0 */
    }
    return 0;
}

static int relu_backward(const cvy_plain *call, const void *config)
{
    (void)config;
    if (!call->gx[0]) return 0; /* not wanted */
    const int64_t count = cvy_count(call->out);
    for (int64_t i = 0; i < count; i++) call->gx[0][i] = call->y[i] <= 0 ? 0 : call->gy[i];
    return 0;
}

static cvy_value relu_lower(cvy_lower *l, const void *config)
{
    (void)config;
    const cvy_value x = cvy_in(0);
    const cvy_activation_attr attr = {.function = CVY_RELU};
    return l->op(l, CVY_OP_ACTIVATION, &x, 1, &attr);
}

static const cvy_layer relu_layer = {
    .size = sizeof(cvy_layer),
    .min_in = 1,
    .max_in = 1,
    .infer = relu_infer,
    .forward = relu_forward,
    .backward = relu_backward,
    .lower = relu_lower,
};

CVY_PLUGIN(CVY_LAYER, relu, "ReLU Relu rectifier Activation", "Rectified linear unit: max(x, 0)",
           "Nair & Hinton 2010", cvy_no_config, &relu_layer, CVY_NO_PARAMS);
