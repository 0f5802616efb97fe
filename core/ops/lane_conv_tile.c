/* Owns the innermost loops of the hand-written convolution; must not know rows, padding or samples.
 *
 *            w0   w1       per (tap, input lane): one vector of weights per output block, one value of x broadcast
 *   x[0] ->  a00  a01      per pixel, and one fused multiply-add per accumulator. The accumulators never leave the
 *   x[1] ->  a10  a11      registers; with two blocks each broadcast serves twice, so that loads (P + 2 for 2 P
 *   ...                    multiplications) do not limit. The method is that of Georganas et al., "Anatomy of
 *   x[P] ->  aP0  aP1      High-Performance Deep Learning Convolutions on SIMD Architectures", SC 2018.
 *
 * Every size is a constant of its own function, which is what makes the compiler keep arrays in registers. */
#include "ops/lane_conv_tile.h"

#include <stddef.h>

/* Accumulator j of block b is a[b][j]. */
LANE_INLINE void tile_begin(int blocks, int pixels, const tile *t, lane a[2][16])
{
    lane first = t->bias ? lane_load(t->bias) : (lane){0};
    lane second = t->bias && blocks > 1 ? lane_load(t->bias + LANES) : (lane){0};
#define BEGIN(j) a[0][j] = first, a[1][j] = second
    LANE_EACH(pixels, BEGIN);
}

/* One channel of one tap: pixel j's value is at x + j * step, or at list[j]. */
LANE_INLINE void tile_step(int blocks, int pixels, const float *x, int64_t step, const float *const *list,
                           const float *w, lane a[2][16])
{
    lane w0 = lane_load(w), w1 = blocks > 1 ? lane_load(w + LANES) : w0;
#define STEP(j)                                           \
    lane value = lane_all(list ? *list[j] : x[j * step]); \
    a[0][j] = lane_fma(value, w0, a[0][j]);               \
    if (blocks > 1) a[1][j] = lane_fma(value, w1, a[1][j])
    LANE_EACH(pixels, STEP);
}

/* unit is a constant here: with 1, a plain input, the loop over a block's channels disappears. */
LANE_INLINE void row_body(int blocks, int pixels, int64_t unit, const tile *t, const float *x, float *y)
{
    lane a[2][16];
    tile_begin(blocks, pixels, t, a);
    const float *w_block = t->w;
    for (int64_t c = 0; c < t->blocks;
         c++, x += t->pitch, w_block += unit * t->rows * t->columns * blocks * LANES) {
        int64_t channels = unit == 1 || c + 1 < t->blocks ? unit : t->last;
        for (int64_t u = t->u[0]; u < t->u[1]; u++)
            for (int64_t k = u * t->columns + t->v[0]; k < u * t->columns + t->v[1]; k++) {
                const float *at = x + t->taps[k], *w = w_block + k * channels * blocks * LANES;
                for (int64_t i = 0; i < channels; i++, at++, w += blocks * LANES)
                    tile_step(blocks, pixels, at, unit, NULL, w, a);
            }
    }
    float *y1 = y + t->y_block;
    int64_t y_step = t->y_step;
#define FINISH(j)                        \
    lane_store(y + j * y_step, a[0][j]); \
    if (blocks > 1) lane_store(y1 + j * y_step, a[1][j])
    LANE_EACH(pixels, FINISH);
}

LANE_INLINE void list_body(int blocks, const tile *t, const float *x, const int64_t *from, float *y,
                           const int64_t *to, int64_t n)
{
    lane a[2][16];
    tile_begin(blocks, TILE_LIST, t, a);
    const float *w_block = t->w;
    for (int64_t c = 0; c < t->blocks;
         c++, x += t->pitch, w_block += t->unit * t->rows * t->columns * blocks * LANES) {
        int64_t channels = c + 1 < t->blocks ? t->unit : t->last;
        for (int64_t u = t->u[0]; u < t->u[1]; u++)
            for (int64_t k = u * t->columns + t->v[0]; k < u * t->columns + t->v[1]; k++) {
                const float *at[TILE_LIST], *w = w_block + k * channels * blocks * LANES;
#define AIM(j) at[j] = x + from[j] + t->taps[k]
                LANE_EACH(TILE_LIST, AIM);
                for (int64_t i = 0; i < channels; i++, w += blocks * LANES) {
                    tile_step(blocks, TILE_LIST, NULL, 0, at, w, a);
#define NEXT(j) at[j]++
                    LANE_EACH(TILE_LIST, NEXT);
                }
            }
    }
#define KEEP(j)                                \
    if (j < n) lane_store(y + to[j], a[0][j]); \
    if (j < n && blocks > 1) lane_store(y + t->y_block + to[j], a[1][j])
    LANE_EACH(TILE_LIST, KEEP);
}

/* Tiles of b blocks and p pixels, of a blocked and of a plain input. */
#define ROW(b, p)                                                        \
    static void row_##b##_##p(const tile *t, const float *x, float *y)   \
    {                                                                    \
        row_body(b, p, LANES, t, x, y);                                  \
    }                                                                    \
    static void plain_##b##_##p(const tile *t, const float *x, float *y) \
    {                                                                    \
        row_body(b, p, 1, t, x, y);                                      \
    }
#define LIST(b)                                                                                           \
    static void list_##b(const tile *t, const float *x, const int64_t *from, float *y, const int64_t *to, \
                         int64_t n)                                                                       \
    {                                                                                                     \
        list_body(b, t, x, from, y, to, n);                                                               \
    }

/* clang-format off */
ROW(1, 1) ROW(1, 2) ROW(1, 3) ROW(1, 4) ROW(1, 5) ROW(1, 6) LIST(1)
#if TILE_ONE > 6
ROW(1, 7) ROW(1, 8) ROW(1, 9) ROW(1, 10) ROW(1, 11) ROW(1, 12)
#endif
#if TILE_ONE > 12
ROW(1, 13) ROW(1, 14) ROW(1, 15) ROW(1, 16)
#endif
#if TILE_BLOCKS > 1
ROW(2, 1) ROW(2, 2) ROW(2, 3) ROW(2, 4) ROW(2, 5) ROW(2, 6) LIST(2)
#endif
#if TILE_BLOCKS > 1 && TILE_TWO > 6
ROW(2, 7) ROW(2, 8) ROW(2, 9) ROW(2, 10) ROW(2, 11) ROW(2, 12)
#endif
/* clang-format on */

#define BOTH(b, p)                     \
    {                                  \
        row_##b##_##p, plain_##b##_##p \
    }

                    tile_fn *LANE(tile_row)(int blocks, int pixels, bool plain)
{
    static tile_fn *const one[TILE_ONE + 1][2] = {
        {NULL},
        BOTH(1, 1),
        BOTH(1, 2),
        BOTH(1, 3),
        BOTH(1, 4),
        BOTH(1, 5),
        BOTH(1, 6),
#if TILE_ONE > 6
        BOTH(1, 7),
        BOTH(1, 8),
        BOTH(1, 9),
        BOTH(1, 10),
        BOTH(1, 11),
        BOTH(1, 12),
#endif
#if TILE_ONE > 12
        BOTH(1, 13),
        BOTH(1, 14),
        BOTH(1, 15),
        BOTH(1, 16),
#endif
    };
#if TILE_BLOCKS > 1
    static tile_fn *const two[TILE_TWO + 1][2] = {
        {NULL},
        BOTH(2, 1),
        BOTH(2, 2),
        BOTH(2, 3),
        BOTH(2, 4),
        BOTH(2, 5),
        BOTH(2, 6),
#if TILE_TWO > 6
        BOTH(2, 7),
        BOTH(2, 8),
        BOTH(2, 9),
        BOTH(2, 10),
        BOTH(2, 11),
        BOTH(2, 12),
#endif
    };
    if (blocks > 1) return two[pixels][plain];
#endif
    (void)blocks;
    return one[pixels][plain];
}

tile_list_fn *LANE(tile_list)(int blocks)
{
#if TILE_BLOCKS > 1
    if (blocks > 1) return list_2;
#endif
    (void)blocks;
    return list_1;
}
