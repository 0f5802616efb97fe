/* Exponential linear unit: y = x for x > 0, else alpha (e^x - 1).
 *
 * Clevert, Unterthiner & Hochreiter, "Fast and Accurate Deep Network Learning by Exponential Linear Units (ELUs)", ICLR
 * 2016, equation 15. */
#include <math.h>

#include "convoy/layer.h"

typedef struct elu_config {
    double alpha;
} elu_config;

static const cvy_param elu_params[] = {
    CVY_FLOAT(elu_config, alpha, 1, 0, 1e6, "y tends to -alpha for x far below 0"),
};

static int elu_infer(cvy_infer *in, const void *config)
{
    (void)config;
    in->out = in->in[0];
    in->traits = CVY_READS_Y | CVY_IN_PLACE;
    return 0;
}

static int elu_forward(const cvy_plain *call, const void *config)
{
    const elu_config *c = config;
    const int64_t count = cvy_count(call->out);
    for (int64_t i = 0; i < count; i++) {
        const cvy_real x = call->x[0][i];
        call->y[i] = x > 0 ? x : (cvy_real)(c->alpha * expm1((double)x));
    }
    return 0;
}

static int elu_backward(const cvy_plain *call, const void *config)
{
    const elu_config *c = config;
    if (!call->gx[0]) return 0; /* not wanted */
    const int64_t count = cvy_count(call->out);
    for (int64_t i = 0; i < count; i++) {
        const double y = (double)call->y[i], gy = (double)call->gy[i]; /* y + alpha is alpha e^x */
        call->gx[0][i] = (cvy_real)(y > 0 ? gy : gy * (y + c->alpha));
    }
    return 0;
}

static cvy_value elu_lower(cvy_lower *l, const void *config)
{
    const elu_config *c = config;
    const cvy_value x = cvy_in(0);
    const cvy_activation_attr attr = {.function = CVY_ELU, .alpha = c->alpha};
    return l->op(l, CVY_OP_ACTIVATION, &x, 1, &attr);
}

static const cvy_layer elu_layer = {
    .size = sizeof(cvy_layer),
    .min_in = 1,
    .max_in = 1,
    .infer = elu_infer,
    .forward = elu_forward,
    .backward = elu_backward,
    .lower = elu_lower,
};

CVY_PLUGIN(CVY_LAYER, elu, "ELU Elu", "Exponential linear unit: x > 0 ? x : alpha (exp(x) - 1)",
           "Clevert, Unterthiner & Hochreiter 2016, equation 15", elu_config, &elu_layer,
           CVY_PARAMS(elu_params));
