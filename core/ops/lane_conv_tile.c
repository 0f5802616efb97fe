/* Owns the innermost loops of the hand-written convolution; must not know rows, padding or samples.
 *
 *            w0   w1        per (tap, input lane): one vector of weights per output block, one value of x
 * broadcast x[0] ->  a00  a01       per pixel, and one fused multiply-add per accumulator. The accumulators
 * never leave the x[1] ->  a10  a11       registers; with two blocks each broadcast serves twice, so that
 * loads (P + 2 for 2 P
 *   ...                     multiplications) do not limit. The method is that of Georganas et al., "Anatomy
 * of x[P] ->  aP0  aP1       High-Performance Deep Learning Convolutions on SIMD Architectures", SC 2018.
 *
 * Every size is a constant of its own function, which is what makes the compiler keep arrays in registers. */
#include "ops/lane_conv_tile.h"

#include <stddef.h>

#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 32")
#endif

LANE_INLINE void tile_begin(int blocks, int pixels, const tile *t, lane a[2][16])
{
    UNROLL for (int b = 0; b < blocks; b++)
    {
        lane start = t->bias ? lane_load(t->bias + b * LANES) : (lane){0};
        UNROLL for (int j = 0; j < pixels; j++) a[b][j] = start;
    }
}

/* One input lane of one tap. */
LANE_INLINE void tile_step(int blocks, int pixels, const float *const *x, int64_t step, const float *w,
                           lane a[2][16])
{
    lane w0 = lane_load(w), w1 = blocks > 1 ? lane_load(w + LANES) : w0;
    UNROLL for (int j = 0; j < pixels; j++)
    {
        lane v = lane_all(step ? x[0][j * step] : *x[j]);
        a[0][j] = lane_fma(v, w0, a[0][j]);
        if (blocks > 1) a[1][j] = lane_fma(v, w1, a[1][j]);
    }
}

LANE_INLINE void row_body(int blocks, int pixels, const tile *t, const float *x, float *y)
{
    lane a[2][16];
    tile_begin(blocks, pixels, t, a);
    const float *w = t->w;
    for (int64_t c = 0; c < t->blocks; c++, x += t->pitch) {
        int64_t channels = c + 1 < t->blocks ? LANES : t->last;
        for (int64_t k = 0; k < t->n_taps; k++) {
            const float *at = x + t->taps[k];
            for (int64_t i = 0; i < channels; i++, at++, w += blocks * LANES)
                tile_step(blocks, pixels, &at, LANES, w, a);
        }
    }
    UNROLL for (int b = 0; b < blocks; b++)
    {
        UNROLL for (int j = 0; j < pixels; j++) lane_store(y + b * t->y_block + j * t->y_step, a[b][j]);
    }
}

LANE_INLINE void list_body(int blocks, const tile *t, const float *x, const int64_t *from, float *y,
                           const int64_t *to, int64_t n)
{
    lane a[2][16];
    tile_begin(blocks, TILE_LIST, t, a);
    const float *w = t->w;
    for (int64_t c = 0; c < t->blocks; c++, x += t->pitch) {
        int64_t channels = c + 1 < t->blocks ? LANES : t->last;
        for (int64_t k = 0; k < t->n_taps; k++) {
            const float *at[TILE_LIST];
            UNROLL for (int j = 0; j < TILE_LIST; j++) at[j] = x + from[j] + t->taps[k];
            for (int64_t i = 0; i < channels; i++, w += blocks * LANES) {
                tile_step(blocks, TILE_LIST, at, 0, w, a);
                UNROLL for (int j = 0; j < TILE_LIST; j++) at[j]++;
            }
        }
    }
    UNROLL for (int j = 0; j < TILE_LIST; j++)
    {
        if (j >= n) break;
        lane_store(y + to[j], a[0][j]);
        if (blocks > 1) lane_store(y + t->y_block + to[j], a[1][j]);
    }
}

#define ROW(b, p)                                                      \
    static void row_##b##_##p(const tile *t, const float *x, float *y) \
    {                                                                  \
        row_body(b, p, t, x, y);                                       \
    }
#define LIST(b)                                                                                           \
    static void list_##b(const tile *t, const float *x, const int64_t *from, float *y, const int64_t *to, \
                         int64_t n)                                                                       \
    {                                                                                                     \
        list_body(b, t, x, from, y, to, n);                                                               \
    }

ROW(1, 1)
ROW(1, 2)
ROW(1, 3) ROW(1, 4) ROW(1, 5) ROW(1, 6) LIST(1)
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

                    tile_fn *LANE(tile_row)(int blocks, int pixels)
{
    static tile_fn *const one[TILE_ONE + 1] = {
        NULL,
        row_1_1,
        row_1_2,
        row_1_3,
        row_1_4,
        row_1_5,
        row_1_6,
#if TILE_ONE > 6
        row_1_7,
        row_1_8,
        row_1_9,
        row_1_10,
        row_1_11,
        row_1_12,
#endif
#if TILE_ONE > 12
        row_1_13,
        row_1_14,
        row_1_15,
        row_1_16,
#endif
    };
#if TILE_BLOCKS > 1
    static tile_fn *const two[TILE_TWO + 1] = {
        NULL,
        row_2_1,
        row_2_2,
        row_2_3,
        row_2_4,
        row_2_5,
        row_2_6,
#if TILE_TWO > 6
        row_2_7,
        row_2_8,
        row_2_9,
        row_2_10,
        row_2_11,
        row_2_12,
#endif
    };
    if (blocks > 1) return two[pixels];
#endif
    (void)blocks;
    return one[pixels];
}

tile_list_fn *LANE(tile_list)(int blocks)
{
#if TILE_BLOCKS > 1
    if (blocks > 1) return list_2;
#endif
    (void)blocks;
    return list_1;
}
