/* Contrast: blends the image with the mean of its grey version, or away from it, by a random factor. */
#include "colour.h"

typedef struct contrast_config {
    cvy_floats factor;
} contrast_config;

static const cvy_param contrast_params[] = {
    CVY_FLOATS(contrast_config, factor, "[0.6, 1.4]", 0, 100,
               "[smallest, largest]; [0.4] for [0.6, 1.4]; 0: one grey, 1: as it is"),
    CVY_ALSO("contrast limit contrast_limit contrast_factor"),
};

static int contrast_infer(const cvy_host *host, const void *config, const cvy_shape *in, cvy_shape *out)
{
    const contrast_config *c = config;
    *out = *in;
    return image_expect_colours(host, in) || image_expect_range(host, "factor", &c->factor);
}

static int contrast_apply(cvy_augment_call *call, const void *config)
{
    const contrast_config *c = config;
    const colour_image image = colour_begin(call);
    colour_contrast(&image, image_draw(call->random, &c->factor, 1, 0));
    return 0;
}

static const cvy_augment contrast_type = {
    .size = sizeof(cvy_augment), .infer = contrast_infer, .apply = contrast_apply};

CVY_PLUGIN(CVY_AUGMENT, contrast, "RandomContrast adjust_contrast random_contrast",
           "towards or away from the image's mean grey, cut to [0, 1]; before `normalize`, training only", "",
           contrast_config, &contrast_type, CVY_PARAMS(contrast_params));
