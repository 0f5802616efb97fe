/* Vertical flip: mirrors the image top to bottom with a given probability. */
#include "image.h"

typedef struct vertical_config {
    double p;
} vertical_config;

static const cvy_param vertical_params[] = {
    CVY_FLOAT(vertical_config, p, 0.5, 0, 1, "probability"),
    CVY_ALSO("probability prob"),
};

static int vertical_infer(const cvy_host *host, const void *config, const cvy_shape *in, cvy_shape *out)
{
    (void)config;
    *out = *in;
    return image_expect(host, in);
}

static int vertical_apply(cvy_augment_call *call, const void *config)
{
    const vertical_config *c = config;
    if ((double)cvy_unit(call->random) >= c->p) {
        image_copy(call);
        return 0;
    }
    const int64_t h = call->in->dim[1], w = call->in->dim[2];
    for (int64_t k = 0; k < call->in->dim[0]; k++)
        for (int64_t i = 0; i < h; i++)
            memcpy(call->y + (k * h + i) * w, call->x + (k * h + h - 1 - i) * w, sizeof *call->y * (size_t)w);
    return 0;
}

static const cvy_augment vertical_type = {
    .size = sizeof(cvy_augment), .infer = vertical_infer, .apply = vertical_apply};

CVY_PLUGIN(CVY_AUGMENT, vertical_flip, "RandomVerticalFlip vflip flip_vertical upside_down",
           "top and bottom exchanged with probability p; training only", "", vertical_config, &vertical_type,
           CVY_PARAMS(vertical_params));
