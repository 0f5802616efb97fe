/* What whitening needs of linear algebra: products of tall matrices, inverses and inverse square roots of symmetric positive
 * ones, all in double, spread over the host's threads. Each number is summed in one order whatever the thread count, and
 * without fused operations, so that every machine gets the same bits. Must not know images. */
#ifndef AUGMENT_WHITENING_H
#define AUGMENT_WHITENING_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "convoy/augment.h"

#if defined(__x86_64__) && defined(__GNUC__)
#define WHITENING_AVX2       __attribute__((target("avx2")))
#define WHITENING_HAS_AVX2() __builtin_cpu_supports("avx2")
#else
#define WHITENING_AVX2
#define WHITENING_HAS_AVX2() 0
#endif
#define WHITENING_INLINE static inline __attribute__((always_inline))

/* A row of four numbers that the compiler keeps in vectors as wide as there are. */
typedef double whitening_4 __attribute__((vector_size(32)));
typedef float whitening_8 __attribute__((vector_size(32)));

enum {
    TILE = 96,   /* rows and columns of what is computed in one go */
    DEEP = 128,  /* terms summed in registers */
    MICRO_I = 6, /* rows and columns in registers */
    MICRO_J = 8
};

/* ---- C = C + factor A B', lower half ---- */

/* rows x depth of a into strips of `micro` rows, the rows of one column beside each other; zeros below the last. */
WHITENING_INLINE void whitening_pack(const double *a, int64_t stride, int64_t rows, int64_t depth,
                                     int64_t micro, double *packed)
{
    for (int64_t i = 0; i < rows; i += micro)
        for (int64_t k = 0; k < depth; k++)
            for (int64_t r = 0; r < micro; r++) *packed++ = i + r < rows ? a[(i + r) * stride + k] : 0;
}

WHITENING_INLINE void whitening_micro(const double *a, const double *b, int64_t depth,
                                      double sum[MICRO_I][MICRO_J])
{
    whitening_4 s[MICRO_I][2];
    memset(s, 0, sizeof s);
    for (int64_t k = 0; k < depth; k++, a += MICRO_I, b += MICRO_J) {
        whitening_4 b0, b1;
        memcpy(&b0, b, sizeof b0);
        memcpy(&b1, b + 4, sizeof b1);
        for (int i = 0; i < MICRO_I; i++) {
            const whitening_4 all = {a[i], a[i], a[i], a[i]};
            s[i][0] += all * b0;
            s[i][1] += all * b1;
        }
    }
    memcpy(sum, s, sizeof s);
}

typedef struct whitening_product {
    int64_t n, depth;
    const double *a, *b; /* (n, depth), rows a_stride and b_stride apart */
    int64_t a_stride, b_stride;
    double factor;
    double *c; /* (n, n), its lower half */
} whitening_product;

WHITENING_INLINE void whitening_tile(const whitening_product *p, int64_t i0, int64_t j0)
{
    const int64_t rows = p->n - i0 < TILE ? p->n - i0 : TILE, columns = p->n - j0 < TILE ? p->n - j0 : TILE;
    double a[TILE * DEEP], b[TILE * DEEP], sum[MICRO_I][MICRO_J];
    for (int64_t k0 = 0; k0 < p->depth; k0 += DEEP) {
        const int64_t depth = p->depth - k0 < DEEP ? p->depth - k0 : DEEP;
        whitening_pack(p->a + i0 * p->a_stride + k0, p->a_stride, rows, depth, MICRO_I, a);
        whitening_pack(p->b + j0 * p->b_stride + k0, p->b_stride, columns, depth, MICRO_J, b);
        for (int64_t j = 0; j < columns; j += MICRO_J)
            for (int64_t i = 0; i < rows; i += MICRO_I) {
                whitening_micro(a + i * depth, b + j * depth, depth, sum);
                for (int64_t r = 0; r < MICRO_I && i + r < rows; r++)
                    for (int64_t s = 0; s < MICRO_J && j + s < columns; s++)
                        p->c[(i0 + i + r) * p->n + j0 + j + s] += p->factor * sum[r][s];
            }
    }
}

/* Tile number t of the lower half, row by row. */
WHITENING_INLINE void whitening_tiles(const whitening_product *p, int64_t begin, int64_t end)
{
    int64_t row = 0, first = 0;
    for (int64_t t = begin; t < end; t++) {
        while (first + row + 1 <= t) first += ++row;
        whitening_tile(p, row * TILE, (t - first) * TILE);
    }
}

WHITENING_AVX2 static void whitening_tiles_avx2(void *ctx, int64_t begin, int64_t end)
{
    whitening_tiles(ctx, begin, end);
}

static void whitening_tiles_base(void *ctx, int64_t begin, int64_t end)
{
    whitening_tiles(ctx, begin, end);
}

static void whitening_multiply(const cvy_host *host, whitening_product *p)
{
    const int64_t rows = (p->n + TILE - 1) / TILE;
    host->parallel_for(host, rows * (rows + 1) / 2, 1,
                       WHITENING_HAS_AVX2() ? whitening_tiles_avx2 : whitening_tiles_base, p);
}

/* The upper half as the lower one. */
static void whitening_mirror(double *c, int64_t n)
{
    for (int64_t i0 = 0; i0 < n; i0 += 32)
        for (int64_t j0 = 0; j0 <= i0; j0 += 32)
            for (int64_t i = i0; i < n && i < i0 + 32; i++)
                for (int64_t j = j0; j < i && j < j0 + 32; j++) c[j * n + i] = c[i * n + j];
}

/* ---- the inverse ---- */

/* A small block in place, by Gauss and Jordan; the pivots of a positive matrix are positive. 0, or 1 when one is not. */
static int whitening_invert_block(double *d, int64_t b)
{
    for (int64_t k = 0; k < b; k++) {
        const double pivot = d[k * b + k];
        if (!(pivot > 0) || !isfinite(pivot)) return 1;
        d[k * b + k] = 1;
        for (int64_t j = 0; j < b; j++) d[k * b + j] /= pivot;
        for (int64_t i = 0; i < b; i++) {
            if (i == k) continue;
            const double factor = d[i * b + k];
            d[i * b + k] = 0;
            for (int64_t j = 0; j < b; j++) d[i * b + j] -= factor * d[k * b + j];
        }
    }
    return 0;
}

typedef struct whitening_panel {
    const double *u, *block; /* (n, b), (b, b) */
    double *t;               /* u times block */
    int64_t b;
} whitening_panel;

static void whitening_panel_rows(void *ctx, int64_t begin, int64_t end)
{
    const whitening_panel *p = ctx;
    for (int64_t i = begin; i < end; i++) {
        double *t = p->t + i * p->b;
        memset(t, 0, sizeof *t * (size_t)p->b);
        for (int64_t k = 0; k < p->b; k++) {
            const double u = p->u[i * p->b + k];
            for (int64_t j = 0; j < p->b; j++) t[j] += u * p->block[k * p->b + j];
        }
    }
}

/* m becomes its inverse, by sweeping one block of pivots after the other (Goodnight 1979, A Tutorial on the SWEEP Operator):
 * with the block P, m_ij - m_iP m_PP^-1 m_Pj everywhere else, m_iP m_PP^-1 beside it, -m_PP^-1 in it. `panels` has room for
 * (2 n + TILE) TILE. 0, or 1 when m is not positive. */
static int whitening_invert(const cvy_host *host, double *m, int64_t n, double *panels)
{
    double *u = panels, *t = u + n * TILE, *block = t + n * TILE;
    for (int64_t p = 0; p < n; p += TILE) {
        const int64_t b = n - p < TILE ? n - p : TILE;
        for (int64_t i = 0; i < n; i++)
            for (int64_t k = 0; k < b; k++) u[i * b + k] = i >= p + k ? m[i * n + p + k] : m[(p + k) * n + i];
        memcpy(block, u + p * b, sizeof *block * (size_t)(b * b));
        if (whitening_invert_block(block, b)) return 1;
        memset(u + p * b, 0, sizeof *u * (size_t)(b * b));
        whitening_panel panel = {u, block, t, b};
        host->parallel_for(host, n, 16, whitening_panel_rows, &panel);
        whitening_product update = {n, b, u, t, b, b, -1, m};
        whitening_multiply(host, &update);
        for (int64_t i = 0; i < n; i++)
            for (int64_t k = 0; k < b; k++) {
                if (i >= p && i < p + b)
                    m[i * n + p + k] = -block[(i - p) * b + k];
                else if (i >= p)
                    m[i * n + p + k] = t[i * b + k];
                else
                    m[(p + k) * n + i] = t[i * b + k];
            }
    }
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j <= i; j++) m[i * n + j] = -m[i * n + j];
    whitening_mirror(m, n);
    return 0;
}

/* ---- the inverse square root ---- */

/* y = m^(-1/2) for a symmetric m whose eigenvalues are in [lo, hi], lo above 0. The product form of the scaled Denman-Beavers
 * iteration (Higham 2008, Functions of Matrices, equation 6.29): with s = mu^2,
 *     m <- (I + (s m + (s m)^-1) / 2) / 2,     y <- mu y (I + (s m)^-1) / 2,
 * y from I on; m goes to I. The scale that centres [lo, hi] around 1 makes of r = sqrt(hi / lo) a range [1, (2 + r + 1/r) / 4],
 * so that the number of steps is known beforehand: eight where hi / lo is 1e8. m is used up; `work` has room for
 * 2 n^2 + (2 n + TILE) TILE. */
static int whitening_inverse_root(const cvy_host *host, double *m, double *y, int64_t n, double lo, double hi,
                                  double *work)
{
    double *inverse = work, *next = work + n * n, *panels = next + n * n;
    for (int step = 0; step < 60; step++) {
        const double s = 1 / sqrt(lo * hi), mu = sqrt(s), r = sqrt(hi / lo);
        memcpy(inverse, m, sizeof *m * (size_t)(n * n));
        if (whitening_invert(host, inverse, n, panels)) return 1;
        /* next = y (I + inverse / s) mu / 2, symmetric, since all are functions of one matrix */
        if (step == 0) {
            for (int64_t i = 0; i < n * n; i++) y[i] = mu / 2 / s * inverse[i];
            for (int64_t i = 0; i < n; i++) y[i * n + i] += mu / 2;
        } else {
            for (int64_t i = 0; i < n * n; i++) next[i] = mu / 2 * y[i];
            whitening_product p = {n, n, y, inverse, n, n, mu / 2 / s, next};
            whitening_multiply(host, &p);
            whitening_mirror(next, n);
            memcpy(y, next, sizeof *y * (size_t)(n * n));
        }
        if (r - 1 < 1e-7) return 0; /* the step after it is exact to rounding */
        for (int64_t i = 0; i < n * n; i++) m[i] = (s * m[i] + inverse[i] / s) / 4;
        for (int64_t i = 0; i < n; i++) m[i * n + i] += 0.5;
        lo = 1;
        hi = (2 + r + 1 / r) / 4;
    }
    return 0;
}

/* ---- many vectors times one matrix ---- */

enum { OUT = 16, GROUP = 6, TERMS = 256 };

/* Outputs first ... first + OUT - 1 of up to GROUP vectors, x (depth, GROUP). w: those outputs' columns, (depth, OUT). */
WHITENING_INLINE void whitening_apply_group(const float *w, const float *x, int64_t depth, int vectors,
                                            double sum[GROUP][OUT])
{
    memset(sum, 0, sizeof(double) * GROUP * OUT);
    for (int64_t k0 = 0; k0 < depth; k0 += TERMS) {
        const int64_t some = depth - k0 < TERMS ? depth - k0 : TERMS;
        whitening_8 s[GROUP][2];
        memset(s, 0, sizeof s);
        for (int64_t k = k0; k < k0 + some; k++) {
            whitening_8 w0, w1;
            memcpy(&w0, w + k * OUT, sizeof w0);
            memcpy(&w1, w + k * OUT + 8, sizeof w1);
            for (int v = 0; v < vectors; v++) {
                const float one = x[k * GROUP + v];
                const whitening_8 all = {one, one, one, one, one, one, one, one};
                s[v][0] += all * w0;
                s[v][1] += all * w1;
            }
        }
        for (int v = 0; v < vectors; v++)
            for (int i = 0; i < 8; i++) sum[v][i] += (double)s[v][0][i], sum[v][8 + i] += (double)s[v][1][i];
    }
}

typedef struct whitening_apply {
    int64_t n, strips, groups; /* strips of OUT outputs, groups of GROUP vectors */
    const float *w;            /* (strips, n, OUT) */
    const float *x;            /* (groups, n, GROUP) */
    float *y;                  /* (vectors, n) */
    int64_t vectors;
} whitening_apply;

WHITENING_INLINE void whitening_apply_strips(const whitening_apply *a, int64_t begin, int64_t end)
{
    double sum[GROUP][OUT];
    for (int64_t s = begin; s < end; s++)
        for (int64_t g = 0; g < a->groups; g++) {
            const float *w = a->w + s * a->n * OUT, *x = a->x + g * a->n * GROUP;
            const int64_t left = a->vectors - g * GROUP, out = a->n - s * OUT;
            if (left == 1)
                whitening_apply_group(w, x, a->n, 1, sum);
            else
                whitening_apply_group(w, x, a->n, GROUP, sum);
            for (int64_t v = 0; v < GROUP && v < left; v++)
                for (int64_t i = 0; i < OUT && i < out; i++)
                    a->y[(g * GROUP + v) * a->n + s * OUT + i] = (float)sum[v][i];
        }
}

WHITENING_AVX2 static void whitening_apply_avx2(void *ctx, int64_t begin, int64_t end)
{
    whitening_apply_strips(ctx, begin, end);
}

static void whitening_apply_base(void *ctx, int64_t begin, int64_t end)
{
    whitening_apply_strips(ctx, begin, end);
}

#endif
