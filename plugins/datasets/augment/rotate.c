/* Rotation: turns the image around its middle by a random angle. */
#include "geometry.h"

typedef struct rotate_config {
    cvy_floats degrees;
    int32_t border;
} rotate_config;

static const cvy_param rotate_params[] = {
    CVY_FLOATS(rotate_config, degrees, "[-10, 10]", -360, 360,
               "clockwise, degrees, [smallest, largest]; [10] for [-10, 10]"),
    CVY_ALSO("angle limit factor rotation_range"),
    GEOMETRY_BORDER(rotate_config),
};

static int rotate_infer(const cvy_host *host, const void *config, const cvy_shape *in, cvy_shape *out)
{
    const rotate_config *c = config;
    *out = *in;
    return image_expect(host, in) || image_expect_range(host, "degrees", &c->degrees);
}

static int rotate_apply(cvy_augment_call *call, const void *config)
{
    const rotate_config *c = config;
    const geometry g = geometry_of(call, c->border);
    geometry_affine a = geometry_still;
    a.degrees = image_draw(call->random, &c->degrees, 0, -360);
    geometry_transform(&g, &a);
    return 0;
}

static const cvy_augment rotate_type = {
    .size = sizeof(cvy_augment), .infer = rotate_infer, .apply = rotate_apply};

CVY_PLUGIN(CVY_AUGMENT, rotate, "RandomRotation rotation random_rotate random_rotation turn",
           "the image turned by a random angle, bilinear; training only", "", rotate_config, &rotate_type,
           CVY_PARAMS(rotate_params));
