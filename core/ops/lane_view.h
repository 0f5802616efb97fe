/* A blocked tensor as the lane kernels walk it: planes of H*W pixels, one per (sample, channel block).
 *
 *   [N][ceil(C/b)][H][W][b], b = LANES:
 *
 *   sample 0                                                    sample 1
 *   | block 0: plane                    | block 1: plane      | | block 0 ...
 *   | pixel 0,0   | pixel 0,1   | ...   |
 *   | c0 ... cb-1 | c0 ... cb-1 |         one vector is one pixel of one block; zeros beyond C */
#ifndef OPS_LANE_VIEW_H
#define OPS_LANE_VIEW_H

#include "device/lanes.h"
#include "device/layout.h"

typedef struct lane_view {
    int64_t n, c, h, w;
    int64_t blocks;        /* of channels */
    int64_t pixels;        /* h * w */
    int64_t plane, sample; /* floats of one */
} lane_view;

static inline lane_view lane_view_of(const tensor *t)
{
    const int64_t *d = t->shape.dim;
    lane_view v = {.n = d[0], .c = d[1], .h = d[2], .w = d[3], .blocks = (d[1] + LANES - 1) / LANES};
    v.pixels = v.h * v.w;
    v.plane = v.pixels * LANES;
    v.sample = v.blocks * v.plane;
    return v;
}

/* Channels that block b really has; the lanes beyond hold zeros. */
static inline int64_t lane_view_lanes(const lane_view *v, int64_t b)
{
    return v->c - b * LANES < LANES ? v->c - b * LANES : LANES;
}

#endif
