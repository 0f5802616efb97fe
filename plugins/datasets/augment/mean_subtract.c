/* Mean subtraction: each channel less its mean over the training set, or each image less its own, in evaluation too. */
#include "image.h"

enum { SUBTRACT_CHANNEL, SUBTRACT_IMAGE };

static const char *const subtract_pers[] = {"channel", "image", NULL};

typedef struct subtract_config {
    cvy_floats mean;
    int32_t per;
} subtract_config;

static const cvy_param subtract_params[] = {
    CVY_FLOATS(subtract_config, mean, "[]", -1e6, 1e6,
               "one number per channel, pixels on [0, 1]; empty: that of the training set"),
    CVY_ALSO("means"),
    CVY_ENUM(subtract_config, per, channel, subtract_pers,
             "channel: the training set's mean of each; image: the image's own, over all channels"),
};

static int subtract_infer(const cvy_host *host, const void *config, const cvy_shape *in, cvy_shape *out)
{
    const subtract_config *c = config;
    if (image_expect(host, in)) return 1;
    if (c->per == SUBTRACT_IMAGE && c->mean.n)
        return host->fail(host, "mean: given, and per: image takes each image's own; leave one out");
    if (c->mean.n && (int64_t)c->mean.n != in->dim[0])
        return host->fail(
            host,
            "mean: %zu number%s for images of %lld channel%s; give one for each, or leave it out "
            "to use the training set's",
            c->mean.n, c->mean.n == 1 ? "" : "s", (long long)in->dim[0], in->dim[0] == 1 ? "" : "s");
    *out = *in;
    return 0;
}

static void subtract(const float *restrict x, float *restrict y, int64_t n, float mean)
{
    for (int64_t i = 0; i < n; i++) y[i] = x[i] - mean;
}

static int subtract_apply(cvy_augment_call *call, const void *config)
{
    const subtract_config *c = config;
    const int64_t channels = call->in->dim[0], n = call->in->dim[1] * call->in->dim[2];
    if (c->per == SUBTRACT_IMAGE) {
        double sum = 0;
        for (int64_t i = 0; i < channels * n; i++) sum += (double)call->x[i];
        subtract(call->x, call->y, channels * n, (float)(sum / (double)(channels * n)));
        return 0;
    }
    const cvy_channel_stats *stats = call->stats;
    if (!c->mean.n && (!stats || stats->channels != channels))
        return cvy_fail(call,
                        "the training set's statistics are for %d channels, the images have %lld; give mean",
                        stats ? (int)stats->channels : 0, (long long)channels);
    for (int64_t k = 0; k < channels; k++)
        subtract(call->x + k * n, call->y + k * n, n, c->mean.n ? (float)c->mean.v[k] : stats->mean[k]);
    return 0;
}

static uint32_t subtract_traits(const void *config)
{
    const subtract_config *c = config;
    const int given = c->mean.n || c->per == SUBTRACT_IMAGE;
    return given ? CVY_AUGMENT_ALWAYS : CVY_AUGMENT_ALWAYS | CVY_AUGMENT_STATS;
}

static const cvy_augment subtract_type = {.size = sizeof(cvy_augment),
                                          .traits = CVY_AUGMENT_ALWAYS | CVY_AUGMENT_STATS,
                                          .infer = subtract_infer,
                                          .apply = subtract_apply,
                                          .traits_of = subtract_traits};

CVY_PLUGIN(CVY_AUGMENT, mean_subtract, "subtract_mean MeanSubtract center zero_center zero_mean",
           "mean 0 per channel over the training set, or per image", "", subtract_config, &subtract_type,
           CVY_PARAMS(subtract_params));
