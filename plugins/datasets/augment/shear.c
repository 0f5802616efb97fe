/* Shearing: leans the image to the side, or up and down, by a random angle. */
#include "geometry.h"

typedef struct shear_config {
    cvy_floats horizontal, vertical;
    int32_t border;
} shear_config;

static const cvy_param shear_params[] = {
    CVY_FLOATS(shear_config, horizontal, "[-10, 10]", -80, 80,
               "how far vertical edges lean, degrees, [smallest, largest]; [10] for [-10, 10]"),
    CVY_ALSO("degrees x_factor shear shear_range x"),
    CVY_FLOATS(shear_config, vertical, "[0, 0]", -80, 80,
               "how far horizontal edges lean, degrees, [smallest, largest]"),
    CVY_ALSO("y_factor y"),
    GEOMETRY_BORDER(shear_config),
};

static int shear_infer(const cvy_host *host, const void *config, const cvy_shape *in, cvy_shape *out)
{
    const shear_config *c = config;
    *out = *in;
    return image_expect(host, in) || image_expect_range(host, "horizontal", &c->horizontal) ||
           image_expect_range(host, "vertical", &c->vertical);
}

static int shear_apply(cvy_augment_call *call, const void *config)
{
    const shear_config *c = config;
    const geometry g = geometry_of(call, c->border);
    geometry_affine a = geometry_still;
    a.shear_right = image_draw(call->random, &c->horizontal, 0, -80);
    a.shear_down = image_draw(call->random, &c->vertical, 0, -80);
    geometry_transform(&g, &a);
    return 0;
}

static const cvy_augment shear_type = {
    .size = sizeof(cvy_augment), .infer = shear_infer, .apply = shear_apply};

CVY_PLUGIN(CVY_AUGMENT, shear, "RandomShear random_shear skew slant",
           "the image leaning by a random angle, bilinear; training only", "", shear_config, &shear_type,
           CVY_PARAMS(shear_params));
