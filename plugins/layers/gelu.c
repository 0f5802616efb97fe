/* Gaussian error linear unit: y = x Phi(x), Phi being the standard normal distribution's; or its approximation by tanh,
 * y = x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))), with which many networks were trained.
 *
 * Hendrycks & Gimpel, "Gaussian Error Linear Units (GELUs)", 2016, section 2. */
#include <math.h>

#include "convoy/layer.h"

typedef struct gelu_config {
    int32_t approximate;
} gelu_config;

enum { APPROXIMATE_NONE, APPROXIMATE_TANH };
static const char *const approximations[] = {"none", "tanh", NULL};

static const cvy_param gelu_params[] = {
    CVY_ENUM(gelu_config, approximate, none, approximations,
             "`none`: the exact function; `tanh`: the approximation"),
    CVY_ALSO("approximation"),
};

static int gelu_infer(cvy_infer *in, const void *config)
{
    (void)config;
    in->out = in->in[0];
    in->traits = CVY_READS_X | CVY_IN_PLACE;
    return 0;
}

static const double slope = 0.79788456080286535588; /* sqrt(2 / pi) */
static const double cube = 0.044715;

/* Phi(x) and its derivative. (1 + tanh u) / 2 is 1 / (1 + e^-2u), which keeps small results exact. */
static double mass(const gelu_config *c, double x)
{
    if (c->approximate == APPROXIMATE_TANH) return 1 / (1 + exp(-2 * slope * (x + cube * x * x * x)));
    return 0.5 * erfc(-x * 0.70710678118654752440);
}

static double density(const gelu_config *c, double x)
{
    if (c->approximate != APPROXIMATE_TANH) return 0.5 * slope * exp(-0.5 * x * x);
    const double m = mass(c, x);
    return m * (1 - m) * 2 * slope * (1 + 3 * cube * x * x);
}

static int gelu_forward(const cvy_plain *call, const void *config)
{
    const gelu_config *c = config;
    const int64_t count = cvy_count(call->out);
    for (int64_t i = 0; i < count; i++) {
        const double x = (double)call->x[0][i];
        call->y[i] = (cvy_real)(x * mass(c, x));
    }
    return 0;
}

static int gelu_backward(const cvy_plain *call, const void *config)
{
    const gelu_config *c = config;
    if (!call->gx[0]) return 0; /* not wanted */
    const int64_t count = cvy_count(call->out);
    for (int64_t i = 0; i < count; i++) {
        const double x = (double)call->x[0][i];
        call->gx[0][i] = (cvy_real)((double)call->gy[i] * (mass(c, x) + x * density(c, x)));
    }
    return 0;
}

static cvy_value gelu_lower(cvy_lower *l, const void *config)
{
    const gelu_config *c = config;
    const cvy_value x = cvy_in(0);
    const cvy_activation_attr attr = {.function =
                                          c->approximate == APPROXIMATE_TANH ? CVY_GELU_TANH : CVY_GELU};
    return l->op(l, CVY_OP_ACTIVATION, &x, 1, &attr);
}

static const cvy_layer gelu_layer = {
    .size = sizeof(cvy_layer),
    .min_in = 1,
    .max_in = 1,
    .infer = gelu_infer,
    .forward = gelu_forward,
    .backward = gelu_backward,
    .lower = gelu_lower,
};

CVY_PLUGIN(CVY_LAYER, gelu, "GELU Gelu", "Gaussian error linear unit: x Phi(x)",
           "Hendrycks & Gimpel 2016, section 2", gelu_config, &gelu_layer, CVY_PARAMS(gelu_params));
