/* The operations that AutoAugment and RandAugment choose from, each by a strength on [0, 1]. Owns what a strength means,
 * as in table 6 of Cubuk et al. 2019 and in torchvision; must not know how operations are chosen. */
#ifndef AUGMENT_POLICY_H
#define AUGMENT_POLICY_H

#include <stdlib.h>

#include "colour.h"
#include "geometry.h"

typedef enum policy_operation {
    POLICY_IDENTITY,
    POLICY_SHEAR_X,
    POLICY_SHEAR_Y,
    POLICY_TRANSLATE_X,
    POLICY_TRANSLATE_Y,
    POLICY_ROTATE,
    POLICY_BRIGHTNESS,
    POLICY_COLOR,
    POLICY_CONTRAST,
    POLICY_SHARPNESS,
    POLICY_POSTERIZE,
    POLICY_SOLARIZE,
    POLICY_AUTO_CONTRAST,
    POLICY_EQUALIZE,
    POLICY_RAND_COUNT, /* RandAugment's end here */
    POLICY_INVERT = POLICY_RAND_COUNT
} policy_operation;

typedef struct policy {
    colour_image image;
    int64_t h, w;
    float *other; /* as large as the image */
    size_t bytes;
    double fill; /* around what is moved */
} policy;

/* The image in y and another array beside it; nonzero after reporting. */
static inline int policy_open(policy *p, const cvy_augment_call *call, double fill)
{
    const size_t bytes = sizeof(float) * (size_t)cvy_count(call->in);
    *p = (policy){.h = call->in->dim[1], .w = call->in->dim[2], .bytes = bytes, .fill = fill};
    p->other = malloc(bytes);
    if (!p->other) return cvy_fail(call, "not enough memory for an image of %zu bytes", bytes);
    p->image = colour_begin(call);
    return 0;
}

static inline void policy_close(policy *p)
{
    free(p->other);
}

static inline void policy_warp(policy *p, const geometry_map *m)
{
    memcpy(p->other, p->image.y, p->bytes);
    const geometry g = {.x = p->other,
                        .y = p->image.y,
                        .channels = p->image.channels,
                        .h = p->h,
                        .w = p->w,
                        .border = GEOMETRY_ZERO,
                        .fill = (float)p->fill};
    geometry_warp(&g, m);
}

/* Sheared around the upper left corner, as PIL does it. */
static inline void policy_shear(policy *p, double right, double down)
{
    const geometry_map m = {1, right, 0.5 * right, down, 1, 0.5 * down};
    policy_warp(p, &m);
}

static inline void policy_move(policy *p, double right, double down)
{
    const geometry_map m = {1, 0, -trunc(right), 0, 1, -trunc(down)};
    policy_warp(p, &m);
}

static inline void policy_rotate(policy *p, double degrees)
{
    geometry_affine a = geometry_still;
    a.degrees = degrees;
    const geometry_map m = geometry_inverse(&a, p->h, p->w);
    policy_warp(p, &m);
}

/* `strength` on [0, 1]; `sign` 1 or -1 is the direction of those that have two. */
static inline void policy_apply(policy *p, policy_operation operation, double strength, double sign)
{
    const double both = sign * strength, farthest = 150.0 / 331.0; /* pixels of the paper's ImageNet images */
    switch (operation) {
    case POLICY_IDENTITY:
        break;
    case POLICY_SHEAR_X:
        policy_shear(p, 0.3 * both, 0);
        break;
    case POLICY_SHEAR_Y:
        policy_shear(p, 0, 0.3 * both);
        break;
    case POLICY_TRANSLATE_X:
        policy_move(p, farthest * (double)p->w * both, 0);
        break;
    case POLICY_TRANSLATE_Y:
        policy_move(p, 0, farthest * (double)p->h * both);
        break;
    case POLICY_ROTATE:
        policy_rotate(p, 30 * both);
        break;
    case POLICY_BRIGHTNESS:
        colour_brightness(&p->image, 1 + 0.9 * both);
        break;
    case POLICY_COLOR:
        colour_saturation(&p->image, 1 + 0.9 * both);
        break;
    case POLICY_CONTRAST:
        colour_contrast(&p->image, 1 + 0.9 * both);
        break;
    case POLICY_SHARPNESS:
        memcpy(p->other, p->image.y, p->bytes);
        colour_sharpness(&p->image, p->other, p->h, p->w, 1 + 0.9 * both);
        break;
    case POLICY_POSTERIZE:
        colour_posterize(&p->image, 8 - (int)rint(4 * strength));
        break;
    case POLICY_SOLARIZE:
        colour_solarize(&p->image, 1 - strength);
        break;
    case POLICY_AUTO_CONTRAST:
        colour_stretch(&p->image, 0);
        break;
    case POLICY_EQUALIZE:
        colour_equalize(&p->image);
        break;
    case POLICY_INVERT:
        colour_invert(&p->image);
        break;
    }
}

static inline double policy_sign(cvy_random *random)
{
    return cvy_below(random, 2) ? 1 : -1;
}

#endif
