/* Sigmoid linear unit, also called swish: y = x / (1 + e^-x).
 *
 * Elfwing, Uchibe & Doya, "Sigmoid-Weighted Linear Units for Neural Network Function Approximation in Reinforcement
 * Learning", Neural Networks 107 (2018), equations 8 and 9; Ramachandran, Zoph & Le, "Searching for Activation
 * Functions", 2017, with beta = 1. */
#include <math.h>

#include "convoy/layer.h"

static int silu_infer(cvy_infer *in, const void *config)
{
    (void)config;
    in->out = in->in[0];
    in->traits = CVY_READS_X | CVY_IN_PLACE;
    return 0;
}

static double logistic(double x)
{
    return 1 / (1 + exp(-x));
}

static int silu_forward(const cvy_plain *call, const void *config)
{
    (void)config;
    const int64_t count = cvy_count(call->out);
    for (int64_t i = 0; i < count; i++) {
        const double x = (double)call->x[0][i];
        call->y[i] = (cvy_real)(x * logistic(x));
    }
    return 0;
}

static int silu_backward(const cvy_plain *call, const void *config)
{
    (void)config;
    if (!call->gx[0]) return 0; /* not wanted */
    const int64_t count = cvy_count(call->out);
    for (int64_t i = 0; i < count; i++) {
        const double x = (double)call->x[0][i], s = logistic(x);
        call->gx[0][i] = (cvy_real)((double)call->gy[i] * (s + x * (s * (1 - s))));
    }
    return 0;
}

static cvy_value silu_lower(cvy_lower *l, const void *config)
{
    (void)config;
    const cvy_value x = cvy_in(0);
    const cvy_activation_attr attr = {.function = CVY_SILU};
    return l->op(l, CVY_OP_ACTIVATION, &x, 1, &attr);
}

static const cvy_layer silu_layer = {
    .size = sizeof(cvy_layer),
    .min_in = 1,
    .max_in = 1,
    .infer = silu_infer,
    .forward = silu_forward,
    .backward = silu_backward,
    .lower = silu_lower,
};

CVY_PLUGIN(CVY_LAYER, silu, "SiLU Silu swish Swish", "Sigmoid linear unit: x / (1 + exp(-x))",
           "Elfwing, Uchibe & Doya 2018, equation 8", cvy_no_config, &silu_layer, CVY_NO_PARAMS);
