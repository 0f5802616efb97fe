/* Translation: moves the image by a random share of its height and width. */
#include "geometry.h"

typedef struct translate_config {
    cvy_floats vertical, horizontal;
    int32_t whole, border;
} translate_config;

static const cvy_param translate_params[] = {
    CVY_FLOATS(translate_config, vertical, "[-0.125, 0.125]", -1, 1,
               "downwards as a share of the height, [smallest, largest]; [0.1] for [-0.1, 0.1]"),
    CVY_ALSO("height_factor height_shift_range y"),
    CVY_FLOATS(translate_config, horizontal, "[-0.125, 0.125]", -1, 1,
               "to the right as a share of the width, [smallest, largest]"),
    CVY_ALSO("width_factor width_shift_range x"),
    CVY_BOOL(translate_config, whole, true, "by whole pixels, so that nothing is blurred"),
    GEOMETRY_BORDER(translate_config),
};

static int translate_infer(const cvy_host *host, const void *config, const cvy_shape *in, cvy_shape *out)
{
    const translate_config *c = config;
    *out = *in;
    return image_expect(host, in) || image_expect_range(host, "vertical", &c->vertical) ||
           image_expect_range(host, "horizontal", &c->horizontal);
}

static int translate_apply(cvy_augment_call *call, const void *config)
{
    const translate_config *c = config;
    const geometry g = geometry_of(call, c->border);
    geometry_affine a = geometry_still;
    a.down = image_draw(call->random, &c->vertical, 0, -1) * (double)g.h;
    a.right = image_draw(call->random, &c->horizontal, 0, -1) * (double)g.w;
    if (c->whole) a.down = rint(a.down), a.right = rint(a.right);
    geometry_transform(&g, &a);
    return 0;
}

static const cvy_augment translate_type = {
    .size = sizeof(cvy_augment), .infer = translate_infer, .apply = translate_apply};

CVY_PLUGIN(CVY_AUGMENT, translate, "RandomTranslation translation shift RandomShift move",
           "the image moved by a random distance; training only", "", translate_config, &translate_type,
           CVY_PARAMS(translate_params));
