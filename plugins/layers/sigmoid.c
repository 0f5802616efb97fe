/* The logistic function: y = 1 / (1 + e^-x).
 *
 * Rumelhart, Hinton & Williams, "Learning representations by back-propagating errors", Nature 323 (1986), equation 2. */
#include <math.h>

#include "convoy/layer.h"

static int sigmoid_infer(cvy_infer *in, const void *config)
{
    (void)config;
    in->out = in->in[0];
    in->traits = CVY_READS_Y | CVY_IN_PLACE;
    return 0;
}

static int sigmoid_forward(const cvy_plain *call, const void *config)
{
    (void)config;
    const int64_t count = cvy_count(call->out);
    for (int64_t i = 0; i < count; i++) {
        call->y[i] = (cvy_real)(1 / (1 + exp(-(double)call->x[0][i])));
    }
    return 0;
}

static int sigmoid_backward(const cvy_plain *call, const void *config)
{
    (void)config;
    if (!call->gx[0]) return 0; /* not wanted */
    const int64_t count = cvy_count(call->out);
    for (int64_t i = 0; i < count; i++) {
        const double y = (double)call->y[i];
        call->gx[0][i] = (cvy_real)((double)call->gy[i] * (y * (1 - y)));
    }
    return 0;
}

static cvy_value sigmoid_lower(cvy_lower *l, const void *config)
{
    (void)config;
    const cvy_value x = cvy_in(0);
    const cvy_activation_attr attr = {.function = CVY_SIGMOID};
    return l->op(l, CVY_OP_ACTIVATION, &x, 1, &attr);
}

static const cvy_layer sigmoid_layer = {
    .size = sizeof(cvy_layer),
    .min_in = 1,
    .max_in = 1,
    .infer = sigmoid_infer,
    .forward = sigmoid_forward,
    .backward = sigmoid_backward,
    .lower = sigmoid_lower,
};

CVY_PLUGIN(CVY_LAYER, sigmoid, "Sigmoid logistic Logistic", "Logistic function: 1 / (1 + exp(-x))",
           "Rumelhart, Hinton & Williams 1986, equation 2", cvy_no_config, &sigmoid_layer, CVY_NO_PARAMS);
