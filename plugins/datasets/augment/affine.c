/* Affine map: scale, shear, rotation and translation drawn at random and applied as one warp, so that the image is
 * interpolated once. What torchvision's RandomAffine does, with a stretch besides. */
#include "geometry.h"

typedef struct affine_config {
    cvy_floats degrees, vertical, horizontal, scale, stretch, shear, shear_vertical;
    int32_t border;
} affine_config;

static const cvy_param affine_params[] = {
    CVY_FLOATS(affine_config, degrees, "[-10, 10]", -360, 360,
               "rotation clockwise, degrees, [smallest, largest]; [10] for [-10, 10]"),
    CVY_ALSO("rotate angle rotation"),
    CVY_FLOATS(affine_config, vertical, "[-0.1, 0.1]", -1, 1,
               "translation downwards as a share of the height, [smallest, largest]"),
    CVY_ALSO("translate y"),
    CVY_FLOATS(affine_config, horizontal, "[-0.1, 0.1]", -1, 1,
               "translation to the right as a share of the width, [smallest, largest]"),
    CVY_ALSO("x"),
    CVY_FLOATS(affine_config, scale, "[0.9, 1.1]", 0.001, 20,
               "factor of the size, [smallest, largest]; [0.1] for [0.9, 1.1]"),
    CVY_ALSO("zoom"),
    CVY_FLOATS(affine_config, stretch, "[1, 1]", 0.1, 10,
               "factor of the width over that of the height, [smallest, largest], uniform as a logarithm"),
    CVY_ALSO("aspect ratio"),
    CVY_FLOATS(affine_config, shear, "[0, 0]", -80, 80,
               "how far vertical edges lean, degrees, [smallest, largest]"),
    CVY_FLOATS(affine_config, shear_vertical, "[0, 0]", -80, 80,
               "how far horizontal edges lean, degrees, [smallest, largest]"),
    GEOMETRY_BORDER(affine_config),
};

static int affine_infer(const cvy_host *host, const void *config, const cvy_shape *in, cvy_shape *out)
{
    const affine_config *c = config;
    *out = *in;
    return image_expect(host, in) || image_expect_range(host, "degrees", &c->degrees) ||
           image_expect_range(host, "vertical", &c->vertical) ||
           image_expect_range(host, "horizontal", &c->horizontal) ||
           image_expect_range(host, "scale", &c->scale) || image_expect_two(host, "stretch", &c->stretch) ||
           image_expect_range(host, "shear", &c->shear) ||
           image_expect_range(host, "shear_vertical", &c->shear_vertical);
}

static int affine_apply(cvy_augment_call *call, const void *config)
{
    const affine_config *c = config;
    const geometry g = geometry_of(call, c->border);
    geometry_affine a = geometry_still;
    a.degrees = image_draw(call->random, &c->degrees, 0, -360);
    a.down = image_draw(call->random, &c->vertical, 0, -1) * (double)g.h;
    a.right = image_draw(call->random, &c->horizontal, 0, -1) * (double)g.w;
    const double scale = image_draw(call->random, &c->scale, 1, 0.001),
                 ratio = image_draw_ratio(call->random, &c->stretch);
    a.wide = scale * sqrt(ratio);
    a.tall = scale / sqrt(ratio);
    a.shear_right = image_draw(call->random, &c->shear, 0, -80);
    a.shear_down = image_draw(call->random, &c->shear_vertical, 0, -80);
    geometry_transform(&g, &a);
    return 0;
}

static const cvy_augment affine_type = {
    .size = sizeof(cvy_augment), .infer = affine_infer, .apply = affine_apply};

CVY_PLUGIN(CVY_AUGMENT, affine, "RandomAffine random_affine ShiftScaleRotate",
           "random scale, stretch, shear, rotation and translation in one warp, bilinear; training only", "",
           affine_config, &affine_type, CVY_PARAMS(affine_params));
