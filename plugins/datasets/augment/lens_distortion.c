/* Lens distortion: draws the image together or apart radially, as wide-angle and tele lenses do.
 *
 * A pixel of the result at the distance r from the middle shows the image at r' = r (1 + k1 r^2 + k2 r^4), r being 1 in
 * the corners: the even terms of Brown's model ("Close-Range Camera Calibration", 1971). With k1 above 0 the borders
 * are drawn in and straight lines bulge (barrel); below 0 the corners are drawn out (pincushion). */
#include "geometry.h"

typedef struct lens_config {
    cvy_floats k1, k2;
    int32_t border;
} lens_config;

static const cvy_param lens_params[] = {
    CVY_FLOATS(lens_config, k1, "[-0.2, 0.2]", -1, 1,
               "barrel above 0, pincushion below, [smallest, largest]; [0.2] for [-0.2, 0.2]"),
    CVY_ALSO("distort_limit distortion strength"),
    CVY_FLOATS(lens_config, k2, "[0, 0]", -1, 1, "the same with r^4: the corners more than the middle"),
    GEOMETRY_BORDER(lens_config),
};

static int lens_infer(const cvy_host *host, const void *config, const cvy_shape *in, cvy_shape *out)
{
    const lens_config *c = config;
    *out = *in;
    return image_expect(host, in) || image_expect_range(host, "k1", &c->k1) ||
           image_expect_range(host, "k2", &c->k2);
}

static void lens_warp(const geometry *g, double k1, double k2)
{
    double row[GEOMETRY_STRIP], column[GEOMETRY_STRIP];
    const double middle_y = (double)(g->h - 1) / 2, middle_x = (double)(g->w - 1) / 2;
    /* The corners are those of the corner pixels' squares. */
    const double unit = 4 / ((double)g->h * (double)g->h + (double)g->w * (double)g->w);
    for (int64_t i = 0; i < g->h; i++) {
        const double dy = (double)i - middle_y;
        for (int64_t first = 0; first < g->w; first += GEOMETRY_STRIP) {
            const int64_t n = g->w - first < GEOMETRY_STRIP ? g->w - first : GEOMETRY_STRIP;
            for (int64_t k = 0; k < n; k++) {
                const double dx = (double)(first + k) - middle_x, r2 = (dx * dx + dy * dy) * unit,
                             factor = 1 + r2 * (k1 + k2 * r2);
                column[k] = middle_x + factor * dx;
                row[k] = middle_y + factor * dy;
            }
            geometry_sample(g, row, column, n, i * g->w + first);
        }
    }
}

static int lens_apply(cvy_augment_call *call, const void *config)
{
    const lens_config *c = config;
    const geometry g = geometry_of(call, c->border);
    const double k1 = image_draw(call->random, &c->k1, 0, -1), k2 = image_draw(call->random, &c->k2, 0, -1);
    lens_warp(&g, k1, k2);
    return 0;
}

static const cvy_augment lens_type = {.size = sizeof(cvy_augment), .infer = lens_infer, .apply = lens_apply};

CVY_PLUGIN(CVY_AUGMENT, lens_distortion, "OpticalDistortion barrel pincushion barrel_distortion fisheye",
           "radial distortion, barrel or pincushion, of random strength; training only",
           "Brown 1971, Close-Range Camera Calibration", lens_config, &lens_type, CVY_PARAMS(lens_params));
