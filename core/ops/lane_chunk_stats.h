/* Mean and spread of one channel block of a few samples, taken while they are still in the cache. One
 * function per instruction set; must not know who wrote the samples. */
#ifndef OPS_LANE_CHUNK_STATS_H
#define OPS_LANE_CHUNK_STATS_H

#include <stdint.h>

/* For each lane of a block: the mean, and the sum of squared deviations from it, over `samples` runs of
 * `pixels` vectors that begin `stride` floats apart. base and avx2 take blocks of 8 channels, avx512 of 16.
 */
typedef void lane_chunk_stats(const float *block, int64_t samples, int64_t stride, int64_t pixels,
                              double *mean, double *m2);
lane_chunk_stats lane_chunk_stats_base, lane_chunk_stats_avx2, lane_chunk_stats_avx512;

#endif
