/* What the augmentations of this folder share: the shapes they take, ranges to draw from, random numbers. Must not know
 * what any of them does to an image. */
#ifndef AUGMENT_IMAGE_H
#define AUGMENT_IMAGE_H

#include <math.h>
#include <string.h>

#include "convoy/augment.h"

/* Positions within a channel are 32 bits. */
#define IMAGE_PIXELS_MAX (INT64_C(1) << 30)

static inline int image_expect(const cvy_host *host, const cvy_shape *in)
{
    if (in->rank != 3)
        return host->fail(host, "needs images (channels, height, width), found rank %d", (int)in->rank);
    if (in->dim[1] > IMAGE_PIXELS_MAX / in->dim[2])
        return host->fail(host, "images of %lldx%lld pixels are larger than the 2^30 that it can place",
                          (long long)in->dim[1], (long long)in->dim[2]);
    return 0;
}

/* Images whose colours are known: grey ones, or red, green and blue. */
static inline int image_expect_colours(const cvy_host *host, const cvy_shape *in)
{
    if (image_expect(host, in)) return 1;
    if (in->dim[0] != 1 && in->dim[0] != 3)
        return host->fail(host, "needs grey or RGB images, 1 or 3 channels, found %lld",
                          (long long)in->dim[0]);
    return 0;
}

static inline int image_expect_rgb(const cvy_host *host, const cvy_shape *in)
{
    if (image_expect(host, in)) return 1;
    if (in->dim[0] != 3)
        return host->fail(host, "needs RGB images, 3 channels, found %lld", (long long)in->dim[0]);
    return 0;
}

/* ---- ranges ---- */

typedef struct image_range {
    double lo, hi;
} image_range;

static inline int image_expect_range(const cvy_host *host, const char *name, const cvy_floats *list)
{
    if (list->n == 1 && list->v[0] < 0)
        return host->fail(host, "%s: %g is the distance to both sides and cannot be negative", name,
                          list->v[0]);
    if (list->n < 1 || list->n > 2)
        return host->fail(host,
                          "%s: %zu numbers; give [smallest, largest], or one for the distance to both "
                          "sides",
                          name, list->n);
    if (list->n == 2 && list->v[0] > list->v[1])
        return host->fail(host, "%s: [%g, %g] is empty; give the smaller number first", name, list->v[0],
                          list->v[1]);
    return 0;
}

/* Exactly two numbers, where there is no middle to go from. */
static inline int image_expect_two(const cvy_host *host, const char *name, const cvy_floats *list)
{
    if (list->n != 2)
        return host->fail(host, "%s: %zu number%s; give [smallest, largest]", name, list->n,
                          list->n == 1 ? "" : "s");
    return image_expect_range(host, name, list);
}

/* [lo, hi], or one number d for [middle - d, middle + d], which does not go below `least`. */
static inline image_range image_range_of(const cvy_floats *list, double middle, double least)
{
    if (list->n == 2) return (image_range){list->v[0], list->v[1]};
    const double lo = middle - list->v[0];
    return (image_range){lo < least ? least : lo, middle + list->v[0]};
}

/* ---- random numbers ---- */

static inline double image_uniform(cvy_random *random, double lo, double hi)
{
    return lo + (hi - lo) * (double)cvy_unit(random);
}

/* From a list as image_range_of() reads it. */
static inline double image_draw(cvy_random *random, const cvy_floats *list, double middle, double least)
{
    const image_range range = image_range_of(list, middle, least);
    return image_uniform(random, range.lo, range.hi);
}

/* Uniform as a logarithm, both ends above 0: as likely twice as half. */
static inline double image_draw_ratio(cvy_random *random, const cvy_floats *list)
{
    return exp(image_uniform(random, log(list->v[0]), log(list->v[1])));
}

/* Two numbers of the standard normal distribution (Box & Muller 1958). */
static inline void image_normals(cvy_random *random, float pair[2])
{
    const float unit = (float)((random->next(random) >> 8) + 1) * (1.0f / 16777216.0f); /* never 0 */
    const float radius = sqrtf(-2 * logf(unit)), turn = 6.28318531f * cvy_unit(random);
    pair[0] = radius * cosf(turn);
    pair[1] = radius * sinf(turn);
}

/* ---- pixels ---- */

static inline void image_copy(const cvy_augment_call *call)
{
    memcpy(call->y, call->x, sizeof *call->y * (size_t)cvy_count(call->in));
}

static inline float image_clamp(float v)
{
    return v < 0 ? 0 : v > 1 ? 1 : v;
}

static inline void image_clamp_all(float *y, int64_t n)
{
    for (int64_t i = 0; i < n; i++) y[i] = image_clamp(y[i]);
}

#endif
