/* A layer for the test of binary compatibility: y = scale[c] * x, the scale learned. abi1_scale.so beside this file was
 * built from it, once, with the headers of plugin ABI 1 on x86-64:
 *
 *   cc -O2 -shared -fPIC -s -Wl,-z,noseparate-code -Wl,--build-id=none -Icore/include -o abi1_scale.so abi1_scale.c
 *
 * It is not built again: that today's Convoy trains with yesterday's plugin is what is tested. */
#include "convoy/layer.h"

typedef struct scale_config {
    double start;
    int64_t pair[2];
    int32_t mode, on;
    const char *note;
    cvy_floats weights;
} scale_config;

static const char *const modes[] = {"each", "same", NULL};

/* One parameter of every simple kind: their layout is part of the ABI. */
static const cvy_param scale_params[] = {
    CVY_FLOAT(scale_config, start, 1, -10, 10, "what the scales start at"),
    CVY_ALSO("init gamma"),
    CVY_PAIR(scale_config, pair, "[1, 2]", 1, 9, "must come as it was given"),
    CVY_ENUM(scale_config, mode, each, modes, "must be each"),
    CVY_BOOL(scale_config, on, true, "must be true"),
    CVY_STRING(scale_config, note, "null", "must be kept"),
    CVY_FLOATS(scale_config, weights, "[0.5, 0.25]", 0, 1, "must come as they were given"),
};

static int same(const char *a, const char *b)
{
    while (*a && *a == *b) a++, b++;
    return *a == *b;
}

static int scale_infer(cvy_infer *in, const void *config)
{
    const scale_config *c = config;
    if (c->pair[0] != 3 || c->pair[1] != 4 || c->mode != 0 || c->on != 1 || !c->note ||
        !same(c->note, "kept") || c->weights.n != 2 || c->weights.v[0] != 0.5 || c->weights.v[1] != 0.75)
        return cvy_fail(in, "the parameters did not come as they were given");
    const cvy_shape channels = cvy_shape1(in->in[0].dim[1]);
    in->out = in->in[0];
    in->traits = CVY_READS_X;
    in->saved_bytes = 64;
    in->scratch_bytes = 64;
    if (in->weight(in, "scale", &channels, cvy_constant(c->start))) return 1;
    return in->buffer(in, "seen", &channels, 0);
}

static int scale_forward(const cvy_plain *call, const void *config)
{
    (void)config;
    const int64_t channels = call->in[0].dim[1], pixels = cvy_sample_count(&call->in[0]) / channels;
    for (int64_t n = 0; n < call->in[0].dim[0]; n++)
        for (int64_t c = 0; c < channels; c++) {
            const int64_t at = (n * channels + c) * pixels;
            for (int64_t i = at; i < at + pixels; i++) call->y[i] = call->w[0][c] * call->x[0][i];
        }
    if (call->train) {
        for (int64_t c = 0; c < channels; c++) call->buffers[0][c] += 1;
        *(int64_t *)call->saved = 4711;
        cvy_log(call, "scale", (double)call->w[0][0]);
    }
    return 0;
}

static int scale_backward(const cvy_plain *call, const void *config)
{
    (void)config;
    if (call->train && *(const int64_t *)call->saved != 4711)
        return cvy_fail(call, "what forward saved did not reach backward");
    const int64_t channels = call->in[0].dim[1], pixels = cvy_sample_count(&call->in[0]) / channels;
    for (int64_t c = 0; c < channels; c++) {
        double sum = 0;
        for (int64_t n = 0; n < call->in[0].dim[0]; n++) {
            const int64_t at = (n * channels + c) * pixels;
            for (int64_t i = at; i < at + pixels; i++) {
                sum += (double)(call->gy[i] * call->x[0][i]);
                if (call->gx[0]) call->gx[0][i] = call->gy[i] * call->w[0][c];
            }
        }
        if (call->gw[0]) call->gw[0][c] = (cvy_real)sum;
    }
    return 0;
}

static const cvy_layer scale_layer = {
    .size = sizeof(cvy_layer),
    .min_in = 1,
    .max_in = 1,
    .infer = scale_infer,
    .forward = scale_forward,
    .backward = scale_backward,
};

CVY_PLUGIN(CVY_LAYER, abi1_scale, "Scale", "A learned scale for each channel, built against ABI 1", "",
           scale_config, &scale_layer, CVY_PARAMS(scale_params));
