/* Saturation: blends the image with its grey version, or away from it, by a random factor. */
#include "colour.h"

typedef struct saturation_config {
    cvy_floats factor;
} saturation_config;

static const cvy_param saturation_params[] = {
    CVY_FLOATS(saturation_config, factor, "[0.6, 1.4]", 0, 100,
               "[smallest, largest]; [0.4] for [0.6, 1.4]; 0: grey, 1: as it is"),
    CVY_ALSO("saturation limit saturation_factor"),
};

static int saturation_infer(const cvy_host *host, const void *config, const cvy_shape *in, cvy_shape *out)
{
    const saturation_config *c = config;
    *out = *in;
    return image_expect_rgb(host, in) || image_expect_range(host, "factor", &c->factor);
}

static int saturation_apply(cvy_augment_call *call, const void *config)
{
    const saturation_config *c = config;
    const colour_image image = colour_begin(call);
    colour_saturation(&image, image_draw(call->random, &c->factor, 1, 0));
    return 0;
}

static const cvy_augment saturation_type = {
    .size = sizeof(cvy_augment), .infer = saturation_infer, .apply = saturation_apply};

CVY_PLUGIN(CVY_AUGMENT, saturation, "RandomSaturation adjust_saturation random_saturation color",
           "towards or away from the grey image, cut to [0, 1]; before `normalize`, training only", "",
           saturation_config, &saturation_type, CVY_PARAMS(saturation_params));
