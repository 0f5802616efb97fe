/* Hue: turns every colour around the colour circle by one random angle. */
#include "colour.h"

typedef struct hue_config {
    cvy_floats shift;
} hue_config;

static const cvy_param hue_params[] = {
    CVY_FLOATS(hue_config, shift, "[-0.1, 0.1]", -0.5, 0.5,
               "in turns, red to green being 1/3, [smallest, largest]; [0.1] for [-0.1, 0.1]"),
    CVY_ALSO("hue factor hue_factor hue_shift_limit"),
};

static int hue_infer(const cvy_host *host, const void *config, const cvy_shape *in, cvy_shape *out)
{
    const hue_config *c = config;
    *out = *in;
    return image_expect_rgb(host, in) || image_expect_range(host, "shift", &c->shift);
}

static int hue_apply(cvy_augment_call *call, const void *config)
{
    const hue_config *c = config;
    const colour_image image = colour_begin(call);
    colour_hue(&image, image_draw(call->random, &c->shift, 0, -0.5));
    return 0;
}

static const cvy_augment hue_type = {.size = sizeof(cvy_augment), .infer = hue_infer, .apply = hue_apply};

CVY_PLUGIN(CVY_AUGMENT, hue, "RandomHue adjust_hue random_hue",
           "the hue turned by a random angle, in HSV; before `normalize`, training only",
           "Smith 1978, Color Gamut Transform Pairs", hue_config, &hue_type, CVY_PARAMS(hue_params));
