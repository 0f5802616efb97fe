/* Stretching: height and width each scaled by a random factor of its own, around the middle. */
#include "geometry.h"

typedef struct stretch_config {
    cvy_floats vertical, horizontal;
    int32_t border;
} stretch_config;

static const cvy_param stretch_params[] = {
    CVY_FLOATS(stretch_config, vertical, "[0.9, 1.1]", 0.001, 20,
               "factor of the height, [smallest, largest]; [0.1] for [0.9, 1.1]"),
    CVY_ALSO("height_factor"),
    CVY_FLOATS(stretch_config, horizontal, "[0.9, 1.1]", 0.001, 20,
               "factor of the width, [smallest, largest]"),
    CVY_ALSO("width_factor"),
    GEOMETRY_BORDER(stretch_config),
};

static int stretch_infer(const cvy_host *host, const void *config, const cvy_shape *in, cvy_shape *out)
{
    const stretch_config *c = config;
    *out = *in;
    return image_expect(host, in) || image_expect_range(host, "vertical", &c->vertical) ||
           image_expect_range(host, "horizontal", &c->horizontal);
}

static int stretch_apply(cvy_augment_call *call, const void *config)
{
    const stretch_config *c = config;
    const geometry g = geometry_of(call, c->border);
    geometry_affine a = geometry_still;
    a.tall = image_draw(call->random, &c->vertical, 1, 0.001);
    a.wide = image_draw(call->random, &c->horizontal, 1, 0.001);
    geometry_transform(&g, &a);
    return 0;
}

static const cvy_augment stretch_type = {
    .size = sizeof(cvy_augment), .infer = stretch_infer, .apply = stretch_apply};

CVY_PLUGIN(CVY_AUGMENT, stretch, "RandomZoom zoom anisotropic_scale squeeze",
           "height and width scaled by random factors, bilinear; training only", "", stretch_config,
           &stretch_type, CVY_PARAMS(stretch_params));
