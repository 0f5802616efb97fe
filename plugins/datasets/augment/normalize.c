/* Normalisation: each channel less its mean, divided by its standard deviation, or each image by its own two, in
 * training and evaluation alike. */
#include <math.h>

#include "convoy/augment.h"

enum { NORMALIZE_CHANNEL, NORMALIZE_IMAGE };

static const char *const normalize_pers[] = {"channel", "image", NULL};

typedef struct normalize_config {
    cvy_floats mean, std;
    int32_t per;
} normalize_config;

/* Below this a channel is constant: one grey level of 255 in one pixel of 10,000 gives 4e-5. */
#define SMALLEST_STD 1e-6

static const cvy_param normalize_params[] = {
    CVY_FLOATS(normalize_config, mean, "[]", -1e6, 1e6,
               "subtracted, one number per channel, pixels on [0, 1]; empty: that of the training set"),
    CVY_ALSO("means"),
    CVY_FLOATS(normalize_config, std, "[]", 1e-6, 1e6,
               "divided by, one number per channel, pixels on [0, 1]; empty: that of the training set"),
    CVY_ALSO("stds stddev sd"),
    CVY_ENUM(normalize_config, per, channel, normalize_pers,
             "channel: mean and std of each; image: the image's own, over all its channels"),
};

static int normalize_infer(const cvy_host *host, const void *config, const cvy_shape *in, cvy_shape *out)
{
    const normalize_config *c = config;
    const struct {
        const char *name;
        size_t n;
    } lists[] = {{"mean", c->mean.n}, {"std", c->std.n}};
    if (in->rank != 3)
        return host->fail(host, "needs images (channels, height, width), found rank %d", (int)in->rank);
    for (int i = 0; i < 2; i++)
        if (lists[i].n && (int64_t)lists[i].n != in->dim[0])
            return host->fail(host,
                              "%s: %zu number%s for images of %lld channel%s; give one for each, or leave it "
                              "out to use the training set's",
                              lists[i].name, lists[i].n, lists[i].n == 1 ? "" : "s", (long long)in->dim[0],
                              in->dim[0] == 1 ? "" : "s");
    for (int i = 0; i < 2; i++)
        if (lists[i].n && c->per == NORMALIZE_IMAGE)
            return host->fail(host, "%s: given, and per: image takes each image's own; leave one out",
                              lists[i].name);
    *out = *in;
    return 0;
}

static void scale(const float *restrict x, float *restrict y, int64_t n, float mean, float std)
{
    for (int64_t i = 0; i < n; i++) y[i] = (x[i] - mean) / std;
}

/* As TensorFlow's per_image_standardization(): nothing is divided by less than one over the root of the count, so that
 * images of almost one colour are not blown up to noise. */
static void normalize_image(const float *x, float *y, int64_t n)
{
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < n; i++) sum += (double)x[i];
    const double mean = sum / (double)n, least = 1 / sqrt((double)n);
    for (int64_t i = 0; i < n; i++) squares += ((double)x[i] - mean) * ((double)x[i] - mean);
    const double std = sqrt(squares / (double)n);
    scale(x, y, n, (float)mean, (float)(std > least ? std : least));
}

static int normalize_apply(cvy_augment_call *call, const void *config)
{
    const normalize_config *c = config;
    if (c->per == NORMALIZE_IMAGE) {
        normalize_image(call->x, call->y, cvy_count(call->in));
        return 0;
    }
    int64_t channels = call->in->dim[0], n = call->in->dim[1] * call->in->dim[2];
    const cvy_channel_stats *stats = call->stats;
    if ((!c->mean.n || !c->std.n) && (!stats || stats->channels != channels))
        return cvy_fail(call,
                        "the training set's statistics are for %d channels, the images have %lld; give mean "
                        "and std",
                        stats ? (int)stats->channels : 0, (long long)channels);
    for (int64_t k = 0; k < channels; k++) {
        float mean = c->mean.n ? (float)c->mean.v[k] : stats->mean[k];
        float std = c->std.n ? (float)c->std.v[k] : stats->std[k];
        /* A constant channel carries nothing: zeros, rather than rounding errors blown up or NaN. */
        if (!(std >= (float)SMALLEST_STD)) std = 1;
        scale(call->x + k * n, call->y + k * n, n, mean, std);
    }
    return 0;
}

/* With mean and std given, or the image's own, nobody has to look through the training set. */
static uint32_t normalize_traits(const void *config)
{
    const normalize_config *c = config;
    const int given = (c->mean.n && c->std.n) || c->per == NORMALIZE_IMAGE;
    return given ? CVY_AUGMENT_ALWAYS : CVY_AUGMENT_ALWAYS | CVY_AUGMENT_STATS;
}

static const cvy_augment normalize_type = {.size = sizeof(cvy_augment),
                                           .traits = CVY_AUGMENT_ALWAYS | CVY_AUGMENT_STATS,
                                           .infer = normalize_infer,
                                           .apply = normalize_apply,
                                           .traits_of = normalize_traits};

CVY_PLUGIN(CVY_AUGMENT, normalize,
           "Normalize Normalization normalise standardize standardise per_image_standardization",
           "mean 0 and standard deviation 1 per channel over the training set, or per image", "",
           normalize_config, &normalize_type, CVY_PARAMS(normalize_params));
