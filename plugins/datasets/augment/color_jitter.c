/* Colour jitter: brightness, contrast, saturation and hue, each by a random factor, in random order; torchvision's
 * ColorJitter. On grey images saturation and hue do nothing. */
#include "colour.h"

typedef struct jitter_config {
    cvy_floats brightness, contrast, saturation, hue;
} jitter_config;

static const cvy_param jitter_params[] = {
    CVY_FLOATS(jitter_config, brightness, "[0.6, 1.4]", 0, 100,
               "factor, [smallest, largest]; [0.4] for [0.6, 1.4]; [0]: none"),
    CVY_FLOATS(jitter_config, contrast, "[0.6, 1.4]", 0, 100, "factor, [smallest, largest]"),
    CVY_FLOATS(jitter_config, saturation, "[0.6, 1.4]", 0, 100, "factor, [smallest, largest]"),
    CVY_FLOATS(jitter_config, hue, "[-0.1, 0.1]", -0.5, 0.5,
               "shift in turns, [smallest, largest]; [0.1] for [-0.1, 0.1]"),
};

static int jitter_infer(const cvy_host *host, const void *config, const cvy_shape *in, cvy_shape *out)
{
    const jitter_config *c = config;
    *out = *in;
    return image_expect_colours(host, in) || image_expect_range(host, "brightness", &c->brightness) ||
           image_expect_range(host, "contrast", &c->contrast) ||
           image_expect_range(host, "saturation", &c->saturation) || image_expect_range(host, "hue", &c->hue);
}

static int jitter_apply(cvy_augment_call *call, const void *config)
{
    const jitter_config *c = config;
    const colour_image image = colour_begin(call);
    const double brightness = image_draw(call->random, &c->brightness, 1, 0),
                 contrast = image_draw(call->random, &c->contrast, 1, 0),
                 saturation = image_draw(call->random, &c->saturation, 1, 0),
                 hue = image_draw(call->random, &c->hue, 0, -0.5);
    int order[4] = {0, 1, 2, 3};
    for (uint32_t k = 0; k < 4; k++) {
        const uint32_t pick = k + cvy_below(call->random, 4 - k);
        const int next = order[pick];
        order[pick] = order[k];
        if (next == 0) colour_brightness(&image, brightness);
        if (next == 1) colour_contrast(&image, contrast);
        if (next == 2) colour_saturation(&image, saturation);
        if (next == 3) colour_hue(&image, hue);
    }
    return 0;
}

static const cvy_augment jitter_type = {
    .size = sizeof(cvy_augment), .infer = jitter_infer, .apply = jitter_apply};

CVY_PLUGIN(CVY_AUGMENT, color_jitter, "ColorJitter colour_jitter RandomColorJitter jitter",
           "random brightness, contrast, saturation and hue; before `normalize`, training only", "",
           jitter_config, &jitter_type, CVY_PARAMS(jitter_params));
