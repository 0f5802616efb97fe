/* Gaussian noise: an independent normal number added to every pixel of every channel. */
#include "image.h"

typedef struct noise_config {
    double std;
    int32_t clip;
} noise_config;

static const cvy_param noise_params[] = {
    CVY_FLOAT(noise_config, std, 0.1, 0, 1e6, "standard deviation, pixels on [0, 1]"),
    CVY_ALSO("sigma stddev"),
    CVY_BOOL(noise_config, clip, true, "cut to [0, 1]; false behind `normalize`"),
};

static int noise_infer(const cvy_host *host, const void *config, const cvy_shape *in, cvy_shape *out)
{
    (void)config;
    *out = *in;
    return image_expect(host, in);
}

static int noise_apply(cvy_augment_call *call, const void *config)
{
    const noise_config *c = config;
    const int64_t n = cvy_count(call->in);
    const float std = (float)c->std;
    float pair[2];
    for (int64_t i = 0; i < n; i++) {
        if (i % 2 == 0) image_normals(call->random, pair);
        call->y[i] = call->x[i] + std * pair[i % 2];
    }
    if (c->clip) image_clamp_all(call->y, n);
    return 0;
}

static const cvy_augment noise_type = {
    .size = sizeof(cvy_augment), .infer = noise_infer, .apply = noise_apply};

CVY_PLUGIN(CVY_AUGMENT, gaussian_noise, "GaussianNoise GaussNoise noise RandomGaussianNoise",
           "independent normal numbers added to the pixels; training only", "", noise_config, &noise_type,
           CVY_PARAMS(noise_params));
