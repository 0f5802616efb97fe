/* A correct layer, y = weight[c] x, whose parts the plugins beside it replace by broken ones. */
#ifndef BROKEN_BASE_H
#define BROKEN_BASE_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "convoy/layer.h"

#define MAYBE __attribute__((unused)) static

MAYBE int64_t channels_of(const cvy_plain *call)
{
    return call->out->dim[1];
}

MAYBE int64_t pixels_of(const cvy_plain *call)
{
    return cvy_sample_count(call->out) / call->out->dim[1];
}

MAYBE int base_infer(cvy_infer *in, const void *config)
{
    (void)config;
    if (in->in[0].rank < 2) return cvy_fail(in, "expects channels");
    cvy_shape weight = cvy_shape1(in->in[0].dim[1]);
    in->out = in->in[0];
    in->traits = CVY_READS_X;
    return in->weight(in, "weight", &weight, cvy_constant(1));
}

MAYBE int base_forward(const cvy_plain *call, const void *config)
{
    (void)config;
    int64_t c = channels_of(call), p = pixels_of(call);
    for (int64_t i = 0; i < cvy_count(call->out); i++) call->y[i] = call->w[0][i / p % c] * call->x[0][i];
    return 0;
}

/* gx = factor weight gy */
MAYBE void base_input_gradient(const cvy_plain *call, double factor)
{
    int64_t c = channels_of(call), p = pixels_of(call);
    for (int64_t i = 0; call->gx[0] && i < cvy_count(call->out); i++)
        call->gx[0][i] = (cvy_real)factor * call->w[0][i / p % c] * call->gy[i];
}

/* gw = sum of gy x over the first `samples` samples; x NULL: the call's */
MAYBE void base_weight_gradient(const cvy_plain *call, int64_t samples, const cvy_real *x)
{
    int64_t c = channels_of(call), p = pixels_of(call);
    if (!call->gw[0]) return;
    if (!x) x = call->x[0];
    for (int64_t k = 0; k < c; k++) {
        double sum = 0;
        for (int64_t n = 0; n < samples; n++)
            for (int64_t i = (n * c + k) * p; i < (n * c + k + 1) * p; i++)
                sum += (double)call->gy[i] * (double)x[i];
        call->gw[0][k] = (cvy_real)sum;
    }
}

MAYBE int base_backward(const cvy_plain *call, const void *config)
{
    (void)config;
    base_input_gradient(call, 1);
    base_weight_gradient(call, call->out->dim[0], NULL);
    return 0;
}

/* Exports a layer without parameters. */
#define BROKEN_LAYER(name, infer_, forward_, backward_, lower_)                                            \
    static const cvy_layer broken_layer = {.size = sizeof(cvy_layer),                                      \
                                           .min_in = 1,                                                    \
                                           .max_in = 1,                                                    \
                                           .infer = infer_,                                                \
                                           .forward = forward_,                                            \
                                           .backward = backward_,                                          \
                                           .lower = lower_};                                               \
    CVY_PLUGIN(CVY_LAYER, name, "", "A layer that is broken on purpose", "", cvy_no_config, &broken_layer, \
               CVY_NO_PARAMS)

#endif
