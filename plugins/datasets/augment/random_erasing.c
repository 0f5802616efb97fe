/* Random erasing: a rectangle of random size, shape and place is filled with noise or a colour.
 *
 * Zhong et al. 2020, algorithm 1, with the ratio uniform as a logarithm and at most ten tries, as torchvision's
 * RandomErasing has it; where the tries all fail the image stays. */
#include "image.h"

enum { ERASING_UNIFORM, ERASING_NORMAL, ERASING_CONSTANT };

static const char *const erasing_fills[] = {"uniform", "normal", "constant", NULL};

typedef struct erasing_config {
    double p;
    cvy_floats scale, ratio;
    int32_t fill;
    double value;
} erasing_config;

static const cvy_param erasing_params[] = {
    CVY_FLOAT(erasing_config, p, 0.5, 0, 1, "probability"),
    CVY_ALSO("probability prob"),
    CVY_FLOATS(erasing_config, scale, "[0.02, 0.4]", 0, 1,
               "the rectangle's share of the image's area, [smallest, largest]"),
    CVY_ALSO("area sl sh"),
    CVY_FLOATS(erasing_config, ratio, "[0.3, 3.3333333333333333]", 0.01, 100,
               "the rectangle's height over its width, [smallest, largest]"),
    CVY_ALSO("aspect_ratio r1"),
    CVY_ENUM(
        erasing_config, fill, uniform, erasing_fills,
        "uniform on [0, 1], the paper's; normal: standard normal, behind `normalize`; constant: `value`"),
    CVY_ALSO("mode"),
    CVY_FLOAT(erasing_config, value, 0, -1e6, 1e6, "of the pixels, with fill: constant"),
};

static int erasing_infer(const cvy_host *host, const void *config, const cvy_shape *in, cvy_shape *out)
{
    const erasing_config *c = config;
    *out = *in;
    return image_expect(host, in) || image_expect_two(host, "scale", &c->scale) ||
           image_expect_two(host, "ratio", &c->ratio);
}

static void erasing_row(cvy_random *random, const erasing_config *c, float *y, int64_t n)
{
    float pair[2];
    for (int64_t i = 0; i < n; i++) {
        if (c->fill == ERASING_NORMAL && i % 2 == 0) image_normals(random, pair);
        y[i] = c->fill == ERASING_CONSTANT  ? (float)c->value
               : c->fill == ERASING_UNIFORM ? cvy_unit(random)
                                            : pair[i % 2];
    }
}

static int erasing_apply(cvy_augment_call *call, const void *config)
{
    const erasing_config *c = config;
    const int64_t h = call->in->dim[1], w = call->in->dim[2];
    cvy_random *random = call->random;
    image_copy(call);
    if ((double)cvy_unit(random) >= c->p) return 0;
    for (int tries = 0; tries < 10; tries++) {
        const double area = (double)h * (double)w * image_draw(random, &c->scale, 0, 0);
        const double ratio = image_draw_ratio(random, &c->ratio);
        const int64_t tall = (int64_t)rint(sqrt(area * ratio)), wide = (int64_t)rint(sqrt(area / ratio));
        if (tall >= h || wide >= w) continue;
        const int64_t top = (int64_t)cvy_below(random, (uint32_t)(h - tall) + 1),
                      left = (int64_t)cvy_below(random, (uint32_t)(w - wide) + 1);
        for (int64_t k = 0; k < call->in->dim[0]; k++)
            for (int64_t i = top; i < top + tall; i++)
                erasing_row(random, c, call->y + (k * h + i) * w + left, wide);
        break;
    }
    return 0;
}

static const cvy_augment erasing_type = {
    .size = sizeof(cvy_augment), .infer = erasing_infer, .apply = erasing_apply};

CVY_PLUGIN(CVY_AUGMENT, random_erasing, "RandomErasing erasing random_erase",
           "a random rectangle filled with noise or a colour, with probability p; training only",
           "Zhong et al. 2020, Random Erasing Data Augmentation, algorithm 1", erasing_config, &erasing_type,
           CVY_PARAMS(erasing_params));
