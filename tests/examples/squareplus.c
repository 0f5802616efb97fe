/* Squareplus, a rectifier without a corner: y = (x + sqrt(x^2 + b)) / 2.
 *
 * Barron, "Squareplus: A Softplus-Like Algebraic Rectifier", 2021, equation 1. */
#include <math.h>
#include "convoy/layer.h"

typedef struct squareplus_config {
    double b;
} squareplus_config;

static const cvy_param squareplus_params[] = {
    CVY_FLOAT(squareplus_config, b, 4, 1e-6, 1e6, "roundness of the bend; near 0 it is ReLU"),
};

static int squareplus_infer(cvy_infer *in, const void *config)
{
    (void)config;
    in->out = in->in[0];      /* the output has the input's shape */
    in->traits = CVY_READS_X; /* backward looks at the input again */
    return 0;
}

static int squareplus_forward(const cvy_plain *call, const void *config)
{
    const squareplus_config *c = config;
    const int64_t n = cvy_count(call->out);
    for (int64_t i = 0; i < n; i++) {
        const cvy_real x = call->x[0][i];
        call->y[i] = (x + (cvy_real)sqrt(x * x + c->b)) / 2;
    }
    return 0;
}

static int squareplus_backward(const cvy_plain *call,
                               const void *config) /* dy/dx = (1 + x / sqrt(x^2 + b)) / 2 */
{
    const squareplus_config *c = config;
    if (!call->gx[0]) return 0; /* nobody wants this gradient */
    const int64_t n = cvy_count(call->out);
    for (int64_t i = 0; i < n; i++) {
        const cvy_real x = call->x[0][i];
        call->gx[0][i] = call->gy[i] * (1 + x / (cvy_real)sqrt(x * x + c->b)) / 2;
    }
    return 0;
}

static const cvy_layer squareplus_layer = {
    .size = sizeof(cvy_layer),
    .min_in = 1,
    .max_in = 1,
    .infer = squareplus_infer,
    .forward = squareplus_forward,
    .backward = squareplus_backward,
};

CVY_PLUGIN(CVY_LAYER, squareplus, "SquarePlus", "Smooth rectifier: (x + sqrt(x^2 + b)) / 2",
           "Barron 2021, equation 1", squareplus_config, &squareplus_layer, CVY_PARAMS(squareplus_params));
