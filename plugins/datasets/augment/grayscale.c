/* Grey images: the luma of RGB ones as one channel, or the same in several; always, or at random in training. */
#include "colour.h"

typedef struct grayscale_config {
    int64_t channels;
    double p;
} grayscale_config;

static const cvy_param grayscale_params[] = {
    CVY_INT(grayscale_config, channels, 1, 1, 3, "of the result, 1 or 3, all equal"),
    CVY_ALSO("num_output_channels output_channels"),
    CVY_FLOAT(grayscale_config, p, 1, 0, 1,
              "probability in training; 1: always, in evaluation too; below 1: never in evaluation"),
    CVY_ALSO("probability prob"),
};

static int grayscale_infer(const cvy_host *host, const void *config, const cvy_shape *in, cvy_shape *out)
{
    const grayscale_config *c = config;
    if (image_expect_colours(host, in)) return 1;
    if (c->channels == 2) return host->fail(host, "channels: 2; give 1 or 3");
    if (c->p < 1 && c->channels != in->dim[0])
        return host->fail(
            host,
            "p: %g would leave some images with %lld channels and some with %lld; give channels: "
            "%lld, or p: 1",
            c->p, (long long)in->dim[0], (long long)c->channels, (long long)in->dim[0]);
    *out = *in;
    out->dim[0] = c->channels;
    return 0;
}

static int grayscale_apply(cvy_augment_call *call, const void *config)
{
    const grayscale_config *c = config;
    const int64_t n = call->in->dim[1] * call->in->dim[2];
    if (c->p < 1 && (!call->train || (double)cvy_unit(call->random) >= c->p)) {
        image_copy(call);
        return 0;
    }
    const float *r = call->x, *g = r + n, *b = g + n;
    if (call->in->dim[0] == 3)
        for (int64_t i = 0; i < n; i++) call->y[i] = colour_luma(r[i], g[i], b[i]);
    else
        memcpy(call->y, call->x, sizeof *call->y * (size_t)n);
    for (int64_t k = 1; k < c->channels; k++) memcpy(call->y + k * n, call->y, sizeof *call->y * (size_t)n);
    return 0;
}

static const cvy_augment grayscale_type = {.size = sizeof(cvy_augment),
                                           .traits = CVY_AUGMENT_ALWAYS,
                                           .infer = grayscale_infer,
                                           .apply = grayscale_apply};

CVY_PLUGIN(CVY_AUGMENT, grayscale, "Grayscale RandomGrayscale greyscale gray grey to_gray ToGray",
           "the luma 0.2989 R + 0.587 G + 0.114 B; before `normalize`", "ITU-R BT.601", grayscale_config,
           &grayscale_type, CVY_PARAMS(grayscale_params));
