/* The innermost part of the hand-written convolution: a strip of output pixels times one or two output
 * channel blocks, held in registers from the first multiplication to the last. */
#ifndef OPS_LANE_CONV_TILE_H
#define OPS_LANE_CONV_TILE_H

#include <stdbool.h>
#include <stdint.h>
#include "device/lanes.h"

/* Registers: accumulators + weights + one broadcast value. 32 in AVX-512, 16 in AVX2; SSE needs two for a
 * lane. */
#if LANE_LEVEL == LANE_avx512
#define TILE_BLOCKS 2  /* output channel blocks at most */
#define TILE_ONE    16 /* pixels of a tile of one block */
#define TILE_TWO    12 /* pixels of a tile of two */
#define TILE_LIST   8  /* pixels of a tile whose pixels lie anywhere */
#elif LANE_LEVEL == LANE_avx2
#define TILE_BLOCKS 2
#define TILE_ONE    12
#define TILE_TWO    6
#define TILE_LIST   6
#else
#define TILE_BLOCKS 1
#define TILE_ONE    6
#define TILE_TWO    6
#define TILE_LIST   6
#endif

typedef struct tile {
    const float *w;        /* [input block][tap][channel of the block][output block][output lane] */
    const float *bias;     /* [output block][output lane]; NULL: zeros */
    const int64_t *taps;   /* [u][v]: floats from a pixel's place to each of its taps */
    int64_t u[2], v[2];    /* the taps [u[0], u[1]) x [v[0], v[1]) that do not fall on padding */
    int64_t rows, columns; /* of the whole grid of taps */
    int64_t unit;          /* channels of an input block: LANES, or 1 when the input is plain */
    int64_t blocks, last;  /* input blocks, and channels in the last of them */
    int64_t pitch;         /* floats from one input block to the next */
    int64_t y_step;        /* floats from one output pixel to the next */
    int64_t y_block;       /* floats from one output block to the next */
} tile;

/* Pixel j of the tile reads around x + j * unit and is written to y + j * y_step. */
typedef void tile_fn(const tile *t, const float *x, float *y);
/* Pixel j reads around x + from[j] and is written to y + to[j], for j < n <= TILE_LIST; all of from[] must be
 * valid. */
typedef void tile_list_fn(const tile *t, const float *x, const int64_t *from, float *y, const int64_t *to,
                          int64_t n);

/* blocks 1..TILE_BLOCKS, pixels 1..TILE_ONE or TILE_TWO */
tile_fn *LANE(tile_row)(int blocks, int pixels, bool plain);
tile_list_fn *LANE(tile_list)(int blocks);

#endif
