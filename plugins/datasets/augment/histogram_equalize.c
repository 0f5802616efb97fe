/* Histogram equalisation: each channel of each image through its own cumulative histogram, in evaluation too. */
#include "colour.h"

static int equalize_infer(const cvy_host *host, const void *config, const cvy_shape *in, cvy_shape *out)
{
    (void)config;
    *out = *in;
    return image_expect(host, in);
}

static int equalize_apply(cvy_augment_call *call, const void *config)
{
    (void)config;
    const colour_image image = colour_begin(call);
    colour_equalize(&image);
    return 0;
}

static const cvy_augment equalize_type = {.size = sizeof(cvy_augment),
                                          .traits = CVY_AUGMENT_ALWAYS,
                                          .infer = equalize_infer,
                                          .apply = equalize_apply};

CVY_PLUGIN(CVY_AUGMENT, histogram_equalize,
           "RandomEqualize equalize equalise Equalize histogram_equalization equalize_histogram",
           "each channel's histogram of 256 levels made flat, in evaluation too; before `normalize`", "",
           cvy_no_config, &equalize_type, CVY_NO_PARAMS);
