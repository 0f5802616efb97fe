/* Warping: every pixel of the result is read from somewhere in the image by bilinear interpolation. Owns the
 * interpolation, the borders and the affine map; must not know who draws the map.
 *
 * Pixels are squares with their centres at whole numbers, so that the image reaches from -1/2 to its width - 1/2: the
 * convention of PyTorch's grid_sample(align_corners=False), whose results these are. */
#ifndef AUGMENT_GEOMETRY_H
#define AUGMENT_GEOMETRY_H

#include "image.h"

typedef enum geometry_border {
    GEOMETRY_ZERO,    /* nothing, or `fill`, is around the image */
    GEOMETRY_EDGE,    /* its outermost pixels go on */
    GEOMETRY_REFLECT, /* it is mirrored at its edges, the outermost pixel standing twice: b a | a b c | c b */
    GEOMETRY_WRAP     /* it begins again: b c | a b c | a b */
} geometry_border;

static const char *const geometry_borders[] = {"zero", "edge", "reflect", "wrap", NULL};

#define GEOMETRY_BORDER(T)                                                                                 \
    CVY_ENUM(T, border, zero, geometry_borders, "what lies beyond the edges; reflect: b a | a b c | c b"), \
        CVY_ALSO("padding_mode fill_mode mode")

typedef struct geometry {
    const float *x;
    float *y;
    int64_t channels, h, w; /* of both */
    int32_t border;         /* geometry_border */
    float fill;             /* around the image under GEOMETRY_ZERO */
} geometry;

static inline geometry geometry_of(const cvy_augment_call *call, int32_t border)
{
    return (geometry){call->x, call->y, call->in->dim[0], call->in->dim[1], call->in->dim[2], border, 0};
}

/* ---- interpolation ---- */

enum { GEOMETRY_STRIP = 128 }; /* pixels in one go: what they need stays in the nearest cache */

/* Along one axis, the two pixels around each position and what they weigh. */
typedef struct geometry_taps {
    int32_t lo[GEOMETRY_STRIP], hi[GEOMETRY_STRIP];
    float weigh_lo[GEOMETRY_STRIP], weigh_hi[GEOMETRY_STRIP];
} geometry_taps;

/* floor() that compiles to a few instructions; |v| below 2^31. */
static inline int32_t geometry_floor(double v)
{
    const int32_t i = (int32_t)v;
    return i - ((double)i > v);
}

static inline int32_t geometry_inside(int32_t i, int32_t size)
{
    return i < 0 ? 0 : i >= size ? size - 1 : i;
}

static inline void geometry_zero(const double *at, int64_t n, int32_t size, geometry_taps *t)
{
    for (int64_t k = 0; k < n; k++) {
        /* However far out, it is out. */
        const double v = at[k] < -2 ? -2 : at[k] > size + 1 ? size + 1 : at[k];
        const int32_t i = geometry_floor(v);
        const float part = (float)(v - i);
        t->lo[k] = geometry_inside(i, size);
        t->hi[k] = geometry_inside(i + 1, size);
        t->weigh_lo[k] = i >= 0 && i < size ? 1 - part : 0;
        t->weigh_hi[k] = i >= -1 && i < size - 1 ? part : 0;
    }
}

static inline void geometry_edge(const double *at, int64_t n, int32_t size, geometry_taps *t)
{
    for (int64_t k = 0; k < n; k++) {
        const double v = at[k] < 0 ? 0 : at[k] > size - 1 ? size - 1 : at[k];
        const int32_t i = geometry_floor(v);
        const float part = (float)(v - i);
        t->lo[k] = i;
        t->hi[k] = geometry_inside(i + 1, size);
        t->weigh_lo[k] = 1 - part;
        t->weigh_hi[k] = part;
    }
}

static inline void geometry_reflect(double *at, int64_t n, int32_t size, geometry_taps *t)
{
    const double period = 2.0 * size;
    for (int64_t k = 0; k < n; k++) {
        double v = at[k] + 0.5;
        v -= period * floor(v / period);
        at[k] = (v < size ? v : period - v) - 0.5;
    }
    geometry_edge(at, n, size, t);
}

static inline void geometry_wrap(const double *at, int64_t n, int32_t size, geometry_taps *t)
{
    for (int64_t k = 0; k < n; k++) {
        const double v = at[k] - (double)size * floor(at[k] / size);
        const int32_t i = geometry_floor(v);
        const float part = (float)(v - i);
        t->lo[k] = i < 0      ? size - 1
                   : i < size ? i
                              : 0; /* rounding may leave just a little too much, or less */
        t->hi[k] = t->lo[k] + 1 < size ? t->lo[k] + 1 : 0;
        t->weigh_lo[k] = 1 - part;
        t->weigh_hi[k] = part;
    }
}

static inline void geometry_taps_of(const geometry *g, double *at, int64_t n, int64_t size, geometry_taps *t)
{
    switch ((geometry_border)g->border) {
    case GEOMETRY_ZERO:
        geometry_zero(at, n, (int32_t)size, t);
        break;
    case GEOMETRY_EDGE:
        geometry_edge(at, n, (int32_t)size, t);
        break;
    case GEOMETRY_REFLECT:
        geometry_reflect(at, n, (int32_t)size, t);
        break;
    case GEOMETRY_WRAP:
        geometry_wrap(at, n, (int32_t)size, t);
        break;
    }
}

/* Pixels first ... first + n - 1 of each channel of the result, n up to GEOMETRY_STRIP, from the places (row[k],
 * column[k]) of the image. Uses up `row` and `column`. */
static inline void geometry_sample(const geometry *g, double *row, double *column, int64_t n, int64_t first)
{
    geometry_taps v, u;
    geometry_taps_of(g, row, n, g->h, &v);
    geometry_taps_of(g, column, n, g->w, &u);
    for (int64_t k = 0; k < n; k++) v.lo[k] *= (int32_t)g->w, v.hi[k] *= (int32_t)g->w;
    for (int64_t c = 0; c < g->channels; c++) {
        const float *restrict x = g->x + c * g->h * g->w;
        float *restrict y = g->y + c * g->h * g->w + first;
        for (int64_t k = 0; k < n; k++) {
            const float above = u.weigh_lo[k] * x[v.lo[k] + u.lo[k]] + u.weigh_hi[k] * x[v.lo[k] + u.hi[k]];
            const float below = u.weigh_lo[k] * x[v.hi[k] + u.lo[k]] + u.weigh_hi[k] * x[v.hi[k] + u.hi[k]];
            y[k] = v.weigh_lo[k] * above + v.weigh_hi[k] * below;
        }
        if (g->border != GEOMETRY_ZERO || !(g->fill < 0 || g->fill > 0)) continue;
        for (int64_t k = 0; k < n; k++)
            y[k] += g->fill * (1 - (v.weigh_lo[k] + v.weigh_hi[k]) * (u.weigh_lo[k] + u.weigh_hi[k]));
    }
}

/* ---- affine maps ---- */

/* From a pixel of the result to its place in the image: column = xx j + xy i + x0, row = yx j + yy i + y0. */
typedef struct geometry_map {
    double xx, xy, x0, yx, yy, y0;
} geometry_map;

/* What is done to the image, in this order: scaled, sheared horizontally, then vertically, turned, moved. */
typedef struct geometry_affine {
    double degrees;                 /* clockwise */
    double down, right;             /* pixels */
    double tall, wide;              /* factors */
    double shear_down, shear_right; /* degrees: how far the vertical edges, or the horizontal ones, lean */
} geometry_affine;

static const geometry_affine geometry_still = {0, 0, 0, 1, 1, 0, 0};

/* The inverse of M = T R(degrees) Y(shear_down) X(shear_right) S around the middle of an image of h x w pixels, as
 * torchvision's functional.affine() has it; its one scale is two here. */
static inline geometry_map geometry_inverse(const geometry_affine *a, int64_t h, int64_t w)
{
    const double radian = acos(-1.0) / 180;
    const double turn = a->degrees * radian, lean = tan(a->shear_right * radian),
                 drop = tan(a->shear_down * radian);
    /* R Y X, whose determinant is 1 */
    const double xx = cos(turn) + sin(turn) * drop, xy = -xx * lean - sin(turn);
    const double yx = sin(turn) - cos(turn) * drop, yy = -yx * lean + cos(turn);
    geometry_map m = {yy / a->wide, -xy / a->wide, 0, -yx / a->tall, xx / a->tall, 0};
    const double middle_x = (double)(w - 1) / 2, middle_y = (double)(h - 1) / 2;
    m.x0 = middle_x - m.xx * (middle_x + a->right) - m.xy * (middle_y + a->down);
    m.y0 = middle_y - m.yx * (middle_x + a->right) - m.yy * (middle_y + a->down);
    return m;
}

static inline void geometry_warp(const geometry *g, const geometry_map *m)
{
    double row[GEOMETRY_STRIP], column[GEOMETRY_STRIP];
    const int64_t pixels = g->h * g->w;
    /* Strips go over the ends of rows, so that they are full on small images too. */
    int64_t i = 0, j = 0;
    for (int64_t first = 0; first < pixels; first += GEOMETRY_STRIP) {
        const int64_t n = pixels - first < GEOMETRY_STRIP ? pixels - first : GEOMETRY_STRIP;
        for (int64_t k = 0; k < n;) {
            const int64_t some = g->w - j < n - k ? g->w - j : n - k;
            const double x0 = m->x0 + m->xy * (double)i, y0 = m->y0 + m->yy * (double)i;
            for (int64_t s = 0; s < some; s++) {
                column[k + s] = x0 + m->xx * (double)(j + s);
                row[k + s] = y0 + m->yx * (double)(j + s);
            }
            k += some;
            j += some;
            if (j == g->w) j = 0, i++;
        }
        geometry_sample(g, row, column, n, first);
    }
}

static inline void geometry_transform(const geometry *g, const geometry_affine *a)
{
    const geometry_map m = geometry_inverse(a, g->h, g->w);
    geometry_warp(g, &m);
}

#endif
