/* Scaled hyperbolic tangent, LeNet-5's squashing function: y = amplitude tanh(scale x).
 *
 * LeCun, Bottou, Bengio & Haffner, "Gradient-Based Learning Applied to Document Recognition", Proceedings of the IEEE
 * 86 (1998), appendix A: with A = 1.7159 and S = 2/3 it takes 1 to 1 and -1 to -1. */
#include <math.h>

#include "convoy/layer.h"

typedef struct scaled_tanh_config {
    double amplitude, scale;
} scaled_tanh_config;

static const cvy_param scaled_tanh_params[] = {
    CVY_FLOAT(scaled_tanh_config, amplitude, 1.7159, 1e-3, 1e3,
              "y stays within +- amplitude; A in the paper"),
    CVY_FLOAT(scaled_tanh_config, scale, 0.6666667, -1e3, 1e3,
              "what x is multiplied by; S in the paper, which is 2/3"),
};

static int scaled_tanh_infer(cvy_infer *in, const void *config)
{
    (void)config;
    in->out = in->in[0];
    in->traits = CVY_READS_Y | CVY_IN_PLACE;
    return 0;
}

static int scaled_tanh_forward(const cvy_plain *call, const void *config)
{
    const scaled_tanh_config *c = config;
    const int64_t count = cvy_count(call->out);
    for (int64_t i = 0; i < count; i++) {
        call->y[i] = (cvy_real)(c->amplitude * tanh(c->scale * (double)call->x[0][i]));
    }
    return 0;
}

static int scaled_tanh_backward(const cvy_plain *call, const void *config)
{
    const scaled_tanh_config *c = config;
    if (!call->gx[0]) return 0; /* not wanted */
    const int64_t count = cvy_count(call->out);
    for (int64_t i = 0; i < count; i++) {
        const double t = (double)call->y[i] / c->amplitude;
        call->gx[0][i] = (cvy_real)((double)call->gy[i] * (c->amplitude * c->scale * (1 - t * t)));
    }
    return 0;
}

static cvy_value scaled_tanh_lower(cvy_lower *l, const void *config)
{
    const scaled_tanh_config *c = config;
    const cvy_value x = cvy_in(0);
    const cvy_activation_attr attr = {.function = CVY_SCALED_TANH, .alpha = c->amplitude, .beta = c->scale};
    return l->op(l, CVY_OP_ACTIVATION, &x, 1, &attr);
}

static const cvy_layer scaled_tanh_layer = {
    .size = sizeof(cvy_layer),
    .min_in = 1,
    .max_in = 1,
    .infer = scaled_tanh_infer,
    .forward = scaled_tanh_forward,
    .backward = scaled_tanh_backward,
    .lower = scaled_tanh_lower,
};

CVY_PLUGIN(CVY_LAYER, scaled_tanh, "ScaledTanh lecun_tanh",
           "Scaled hyperbolic tangent: amplitude tanh(scale x)",
           "LeCun, Bottou, Bengio & Haffner 1998, appendix A", scaled_tanh_config, &scaled_tanh_layer,
           CVY_PARAMS(scaled_tanh_params));
