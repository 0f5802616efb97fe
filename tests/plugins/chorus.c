/* Chorus: a layer that passes its input on and logs from all threads at once, numbers whose sum depends on their order if it is
 * rounded. */
#include "convoy/layer.h"

static int chorus_infer(cvy_infer *in, const void *config)
{
    (void)config;
    in->out = in->in[0];
    return 0;
}

static void chorus_samples(void *ctx, int64_t begin, int64_t end)
{
    const cvy_plain *c = ctx;
    static const double values[] = {1e16, 1, -1e16, 0.1};
    const int64_t each = cvy_count(c->out) / c->out->dim[0];
    char name[] = "voice_a";
    for (int64_t i = begin; i < end; i++) {
        for (int64_t k = i * each; k < (i + 1) * each; k++) c->y[k] = c->x[0][k];
        name[sizeof name - 2] = (char)('a' + i % 26);
        cvy_log(c, "chorus", values[i % 4]);
        cvy_log(c, name, (double)i);
    }
}

static int chorus_forward(const cvy_plain *c, const void *config)
{
    (void)config;
    c->host->parallel_for(c->host, c->out->dim[0], 1, chorus_samples, (void *)(uintptr_t)c);
    return 0;
}

static int chorus_backward(const cvy_plain *c, const void *config)
{
    (void)config;
    const int64_t n = cvy_count(c->out);
    for (int64_t i = 0; c->gx[0] && i < n; i++) c->gx[0][i] = c->gy[i];
    return 0;
}

static const cvy_layer chorus_layer = {.size = sizeof(cvy_layer),
                                       .min_in = 1,
                                       .max_in = 1,
                                       .infer = chorus_infer,
                                       .forward = chorus_forward,
                                       .backward = chorus_backward};

CVY_PLUGIN(CVY_LAYER, chorus, "", "passes its input on and logs from all threads", "", cvy_no_config,
           &chorus_layer, CVY_NO_PARAMS);
