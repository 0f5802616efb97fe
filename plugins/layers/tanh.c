/* Hyperbolic tangent: y = tanh(x).
 *
 * LeCun, Bottou, Orr & Mueller, "Efficient BackProp", in: Neural Networks: Tricks of the Trade, 1998, section 4.4, on why
 * it suits better than the logistic function. */
#include <math.h>

#include "convoy/layer.h"

static int tanh_infer(cvy_infer *in, const void *config)
{
    (void)config;
    in->out = in->in[0];
    in->traits = CVY_READS_Y | CVY_IN_PLACE;
    return 0;
}

static int tanh_forward(const cvy_plain *call, const void *config)
{
    (void)config;
    const int64_t count = cvy_count(call->out);
    for (int64_t i = 0; i < count; i++) {
        call->y[i] = (cvy_real)tanh((double)call->x[0][i]);
    }
    return 0;
}

static int tanh_backward(const cvy_plain *call, const void *config)
{
    (void)config;
    if (!call->gx[0]) return 0; /* not wanted */
    const int64_t count = cvy_count(call->out);
    for (int64_t i = 0; i < count; i++) {
        const double y = (double)call->y[i];
        call->gx[0][i] = (cvy_real)((double)call->gy[i] * (1 - y * y));
    }
    return 0;
}

static cvy_value tanh_lower(cvy_lower *l, const void *config)
{
    (void)config;
    const cvy_value x = cvy_in(0);
    const cvy_activation_attr attr = {.function = CVY_TANH};
    return l->op(l, CVY_OP_ACTIVATION, &x, 1, &attr);
}

static const cvy_layer tanh_layer = {
    .size = sizeof(cvy_layer),
    .min_in = 1,
    .max_in = 1,
    .infer = tanh_infer,
    .forward = tanh_forward,
    .backward = tanh_backward,
    .lower = tanh_lower,
};

CVY_PLUGIN(CVY_LAYER, tanh, "Tanh TanH", "Hyperbolic tangent",
           "LeCun, Bottou, Orr & Mueller 1998, section 4.4", cvy_no_config, &tanh_layer, CVY_NO_PARAMS);
