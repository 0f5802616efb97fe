/* Contrast stretching: each channel of each image linearly so that it reaches from 0 to 1, in evaluation too. */
#include "colour.h"

typedef struct stretching_config {
    double cut;
} stretching_config;

static const cvy_param stretching_params[] = {
    CVY_FLOAT(
        stretching_config, cut, 0, 0, 0.49,
        "share of the darkest and of the brightest pixels that may become 0 and 1, counted in 256 levels"),
    CVY_ALSO("cutoff percentile"),
};

static int stretching_infer(const cvy_host *host, const void *config, const cvy_shape *in, cvy_shape *out)
{
    (void)config;
    *out = *in;
    return image_expect(host, in);
}

static int stretching_apply(cvy_augment_call *call, const void *config)
{
    const stretching_config *c = config;
    const colour_image image = colour_begin(call);
    colour_stretch(&image, c->cut);
    return 0;
}

static const cvy_augment stretching_type = {.size = sizeof(cvy_augment),
                                            .traits = CVY_AUGMENT_ALWAYS,
                                            .infer = stretching_infer,
                                            .apply = stretching_apply};

CVY_PLUGIN(CVY_AUGMENT, contrast_stretch,
           "RandomAutocontrast autocontrast auto_contrast AutoContrast min_max",
           "each channel of an image stretched to [0, 1], in evaluation too; before `normalize`", "",
           stretching_config, &stretching_type, CVY_PARAMS(stretching_params));
