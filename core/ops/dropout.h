/* The one formula of dropout's mask, whatever the layout and whoever applies it (Srivastava et al. 2014; kept
 * values are scaled up in training, so evaluation does nothing).
 *
 * Element e (NCHW order) of sample n of the global batch at step t draws u = r / 2^24 from
 * r = philox_block(key, e / 4, n, lo32(t), hi32(t))[e % 4] >> 8 and is kept when u >= p, then scaled by 1 /
 * (1 - p). */
#ifndef OPS_DROPOUT_H
#define OPS_DROPOUT_H

#include <stdint.h>
#include "base/philox.h"

typedef struct dropout_mask {
    philox_key key;
    uint32_t step_lo, step_hi;
    uint32_t threshold; /* u >= p is r >= threshold, exactly */
    float scale;
} dropout_mask;

static inline dropout_mask dropout_open(philox_key key, double p, uint64_t step)
{
    double edge = p * 16777216.0; /* a power of two: exact */
    uint32_t whole = (uint32_t)edge;
    return (dropout_mask){
        .key = key,
        .step_lo = (uint32_t)step,
        .step_hi = (uint32_t)(step >> 32),
        .threshold = whole + ((double)whole < edge),
        .scale = (float)(1 / (1 - p)),
    };
}

/* What elements 4 * quad ... 4 * quad + 3 are multiplied by: 0 or scale. */
static inline void dropout_factors(const dropout_mask *m, uint32_t sample, uint32_t quad, float factor[4])
{
    uint32_t r[4];
    philox_block(m->key, quad, sample, m->step_lo, m->step_hi, r);
    for (int i = 0; i < 4; i++) factor[i] = (r[i] >> 8) >= m->threshold ? m->scale : 0;
}

/* The numbers u themselves, of elements first, first + 1, ...: what a layer's own code gets to draw its mask from. */
static inline void dropout_uniform(philox_key key, uint64_t step, int64_t sample, int64_t first,
                                   int64_t count, float *out)
{
    enum { BLOCKS = 64 };
    uint32_t r[4 * BLOCKS];
    for (int64_t i = 0; i < count;) {
        const int64_t skip = (first + i) % 4, left = skip + count - i,
                      blocks = left < 4 * BLOCKS ? left / 4 + (left % 4 != 0) : BLOCKS;
        philox_blocks(key, (uint32_t)((first + i) / 4), blocks, (uint32_t)sample, (uint32_t)step,
                      (uint32_t)(step >> 32), r);
        for (int64_t k = skip; k < 4 * blocks && i < count; k++, i++)
            out[i] = (float)(int32_t)(r[k] >> 8) * (1.0f / 16777216.0f);
    }
}

#endif
