/* Leaky rectified linear unit: y = x for x > 0, else slope x.
 *
 * Maas, Hannun & Ng, "Rectifier Nonlinearities Improve Neural Network Acoustic Models", ICML 2013 workshop, section 2.
 * The gradient at 0 is the slope, as in PyTorch. */
#include "convoy/layer.h"

typedef struct leaky_relu_config {
    double slope;
} leaky_relu_config;

static const cvy_param leaky_relu_params[] = {
    CVY_FLOAT(leaky_relu_config, slope, 0.01, -1e6, 1e6, "slope for negative numbers; 0 makes it relu"),
    CVY_ALSO("negative_slope alpha leak"),
};

static int leaky_relu_infer(cvy_infer *in, const void *config)
{
    const leaky_relu_config *c = config;
    in->out = in->in[0];
    /* y has the sign of x unless the slope turns it round. */
    in->traits = (c->slope < 0 ? CVY_READS_X : CVY_READS_Y) | CVY_IN_PLACE;
    return 0;
}

static int leaky_relu_forward(const cvy_plain *call, const void *config)
{
    const leaky_relu_config *c = config;
    const int64_t count = cvy_count(call->out);
    for (int64_t i = 0; i < count; i++) {
        const cvy_real x = call->x[0][i];
        call->y[i] = x > 0 ? x : (cvy_real)(c->slope * (double)x);
    }
    return 0;
}

static int leaky_relu_backward(const cvy_plain *call, const void *config)
{
    const leaky_relu_config *c = config;
    if (!call->gx[0]) return 0; /* not wanted */
    const int64_t count = cvy_count(call->out);
    for (int64_t i = 0; i < count; i++) {
        const cvy_real side = c->slope < 0 ? call->x[0][i] : call->y[i], gy = call->gy[i];
        call->gx[0][i] = side > 0 ? gy : (cvy_real)(c->slope * (double)gy);
    }
    return 0;
}

static cvy_value leaky_relu_lower(cvy_lower *l, const void *config)
{
    const leaky_relu_config *c = config;
    const cvy_value x = cvy_in(0);
    const cvy_activation_attr attr = {.function = CVY_LEAKY_RELU, .alpha = c->slope};
    return l->op(l, CVY_OP_ACTIVATION, &x, 1, &attr);
}

static const cvy_layer leaky_relu_layer = {
    .size = sizeof(cvy_layer),
    .min_in = 1,
    .max_in = 1,
    .infer = leaky_relu_infer,
    .forward = leaky_relu_forward,
    .backward = leaky_relu_backward,
    .lower = leaky_relu_lower,
};

CVY_PLUGIN(CVY_LAYER, leaky_relu, "LeakyReLU LeakyRelu lrelu",
           "Rectified linear unit with a slope for negative numbers: x > 0 ? x : slope x",
           "Maas, Hannun & Ng 2013, section 2", leaky_relu_config, &leaky_relu_layer,
           CVY_PARAMS(leaky_relu_params));
