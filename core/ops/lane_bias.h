/* Sums of channels on the blocked layout: what the gradient of a bias is, whichever operator added it. */
#ifndef OPS_LANE_BIAS_H
#define OPS_LANE_BIAS_H

#include "ops/lane_view.h"

/* Bytes of `partial` below. */
static inline size_t lane_bias_bytes(const lane_view *v)
{
    return (size_t)(v->n * v->blocks * LANES) * sizeof(double);
}

/* The sum of every channel of x into sums (C), the same for any number of threads. */
void LANE(lane_bias_sums)(const lane_view *v, const float *x, double *partial, float *sums);

#endif
