/* Brightness: every pixel times a random factor. */
#include "colour.h"

typedef struct brightness_config {
    cvy_floats factor;
} brightness_config;

static const cvy_param brightness_params[] = {
    CVY_FLOATS(brightness_config, factor, "[0.6, 1.4]", 0, 100,
               "[smallest, largest]; [0.4] for [0.6, 1.4]; 0: black, 1: as it is"),
    CVY_ALSO("brightness limit brightness_limit brightness_factor"),
};

static int brightness_infer(const cvy_host *host, const void *config, const cvy_shape *in, cvy_shape *out)
{
    const brightness_config *c = config;
    *out = *in;
    return image_expect_colours(host, in) || image_expect_range(host, "factor", &c->factor);
}

static int brightness_apply(cvy_augment_call *call, const void *config)
{
    const brightness_config *c = config;
    const colour_image image = colour_begin(call);
    colour_brightness(&image, image_draw(call->random, &c->factor, 1, 0));
    return 0;
}

static const cvy_augment brightness_type = {
    .size = sizeof(cvy_augment), .infer = brightness_infer, .apply = brightness_apply};

CVY_PLUGIN(CVY_AUGMENT, brightness, "RandomBrightness adjust_brightness random_brightness",
           "pixels times a random factor, cut to [0, 1]; before `normalize`, training only", "",
           brightness_config, &brightness_type, CVY_PARAMS(brightness_params));
