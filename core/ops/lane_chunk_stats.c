/* Owns the statistics of a channel block that is still in the cache, for whoever wrote it; must not know who that
 * was. Compiled once per instruction set. */
#include "device/lanes.h"
#include "ops/lane_chunk_stats.h"
#include "ops/lane_moments.h"

void LANE(lane_chunk_stats)(const float *block, int64_t samples, int64_t stride, int64_t pixels, double *mean,
                            double *m2)
{
    moments m = {0};
    moments_add(&m, block, samples, stride, pixels);
    memcpy(mean, m.mean, sizeof m.mean);
    memcpy(m2, m.squares, sizeof m.squares);
}
