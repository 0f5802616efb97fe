/* Batch normalisation with or without ReLU of a blocked tensor while it is read: what lane_bn.c writes out, and the
 * convolutions do on the way where nobody else reads it. The same bits either way. */
#ifndef OPS_LANE_NORM_H
#define OPS_LANE_NORM_H

#include <math.h>
#include "ops/kernel.h"
#include "ops/lane_view.h"

typedef struct lane_bn_constants {
    lane mean, inverse, scale, beta; /* inverse deviation; gamma * inverse; all zero beyond C */
} lane_bn_constants;

static inline lane_bn_constants lane_bn_constants_of(const lane_view *v, int64_t block, double eps,
                                                     const float *stats, const float *gamma,
                                                     const float *beta)
{
    int64_t first = block * LANES, lanes = lane_view_lanes(v, block);
    lane_bn_constants k = {.mean = lane_load_first(stats + first, lanes),
                           .beta = lane_load_first(beta + first, lanes)};
    lane g = lane_load_first(gamma + first, lanes);
    for (int64_t l = 0; l < lanes; l++)
        k.inverse[l] = (float)(1 / sqrt((double)stats[v->c + first + l] + eps));
    k.scale = g * k.inverse;
    return k;
}

/* What a convolution reads its operand 0 through. */
typedef struct lane_norm {
    const float *table; /* [block][mean, scale, beta][lane]; NULL: as it is */
    bool relu;
} lane_norm;

enum { LANE_NORM_FLOATS = 3 * LANES }; /* of a block */

/* Bytes of the table, a multiple of 64; 0 where o reads its operand as it is. */
static inline size_t lane_norm_bytes(const op *o, const lane_view *x)
{
    size_t bytes = o->attr.through.stats ? (size_t)(x->blocks * LANE_NORM_FLOATS) * sizeof(float) : 0;
    return (bytes + 63) / 64 * 64;
}

/* Makes the table from the operands behind o's own. */
static inline lane_norm lane_norm_of(const op *o, const kernel_args *a, const lane_view *x, void *table)
{
    const int at = o->attr.through.stats;
    if (!at) return (lane_norm){NULL, false};
    float *to = table;
    for (int64_t block = 0; block < x->blocks; block++, to += LANE_NORM_FLOATS) {
        lane_bn_constants k =
            lane_bn_constants_of(x, block, o->attr.through.eps, a->in[at], a->in[at + 1], a->in[at + 2]);
        lane_store(to, k.mean);
        lane_store(to + LANES, k.scale);
        lane_store(to + 2 * LANES, k.beta);
    }
    return (lane_norm){table, o->attr.through.relu != 0};
}

static inline const float *lane_norm_block(const lane_norm *n, int64_t block)
{
    return n->table ? n->table + block * LANE_NORM_FLOATS : NULL;
}

#endif
