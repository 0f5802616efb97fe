/* Mean and squared deviations of blocked tensors: one way to sum, shared by bn_stats and by convolutions that
 * count while their output is still in the cache.
 *
 * A chunk of about 256 pixels is read twice, the second time from the first-level cache: its mean, then the squares
 * around it, with the correction for the mean's own rounding ("corrected two-pass", Chan, Golub and LeVeque 1983,
 * eq. 1.7). Chunks merge pairwise in double (their eq. 2.1):
 *
 *   delta = mean_b - mean_a;  mean = mean_a + delta n_b / n;  M2 = M2_a + M2_b + delta^2 n_a n_b / n */
#ifndef OPS_LANE_MOMENTS_H
#define OPS_LANE_MOMENTS_H

#include "device/lanes.h"

#define MOMENTS_CHUNK 256 /* pixels */

typedef struct moments {
    double count, mean[LANES], squares[LANES];
} moments;

static inline void moments_merge(moments *a, const moments *b)
{
    double n = a->count + b->count;
    if (b->count == 0) return;
    double share = b->count / n, weight = a->count * share;
    for (int l = 0; l < LANES; l++) {
        double delta = b->mean[l] - a->mean[l];
        a->mean[l] += delta * share;
        a->squares[l] += b->squares[l] + delta * delta * weight;
    }
    a->count = n;
}

/* Adds `planes` runs of n pixels, `stride` floats apart, as one chunk. */
static inline void moments_add_chunk(moments *m, const float *x, int64_t planes, int64_t stride, int64_t n)
{
    lane s[4] = {{0}};
    for (int64_t p = 0; p < planes; p++) {
        const float *at = x + p * stride;
        int64_t i = 0;
        for (; i + 4 <= n; i += 4)
            for (int j = 0; j < 4; j++) s[j] += lane_load(at + (i + j) * LANES);
        for (; i < n; i++) s[0] += lane_load(at + i * LANES);
    }
    lane mean = ((s[0] + s[1]) + (s[2] + s[3])) / lane_all((float)(planes * n));
    lane d[4] = {{0}}, q[4] = {{0}};
    for (int64_t p = 0; p < planes; p++) {
        const float *at = x + p * stride;
        int64_t i = 0;
        for (; i + 4 <= n; i += 4)
            for (int j = 0; j < 4; j++) {
                lane t = lane_load(at + (i + j) * LANES) - mean;
                d[j] += t;
                q[j] = lane_fma(t, t, q[j]);
            }
        for (; i < n; i++) {
            lane t = lane_load(at + i * LANES) - mean;
            d[0] += t;
            q[0] = lane_fma(t, t, q[0]);
        }
    }
    lane rest = (d[0] + d[1]) + (d[2] + d[3]), squares = (q[0] + q[1]) + (q[2] + q[3]);
    moments chunk;
    chunk.count = (double)(planes * n);
    for (int l = 0; l < LANES; l++) {
        chunk.mean[l] = (double)mean[l] + (double)rest[l] / chunk.count;
        double left = (double)squares[l] - (double)rest[l] * (double)rest[l] / chunk.count;
        chunk.squares[l] = left > 0 || left != left ? left : 0;
    }
    moments_merge(m, &chunk);
}

/* Adds `planes` planes of n pixels, `stride` floats apart, in chunks. */
static inline void moments_add(moments *m, const float *x, int64_t planes, int64_t stride, int64_t n)
{
    if (planes > 1 && n < MOMENTS_CHUNK) {
        int64_t each = MOMENTS_CHUNK / n;
        for (int64_t p = 0; p < planes; p += each)
            moments_add_chunk(m, x + p * stride, planes - p < each ? planes - p : each, stride, n);
        return;
    }
    for (int64_t p = 0; p < planes; p++)
        for (int64_t i = 0; i < n; i += MOMENTS_CHUNK)
            moments_add_chunk(m, x + p * stride + i * LANES, 1, 0,
                              n - i < MOMENTS_CHUNK ? n - i : MOMENTS_CHUNK);
}

/* Writes block b's first `lanes` channels into stats (2, c). */
static inline void moments_write(const moments *m, float *stats, int64_t c, int64_t first, int64_t lanes)
{
    for (int64_t l = 0; l < lanes; l++) {
        stats[first + l] = (float)m->mean[l];
        stats[c + first + l] = (float)(m->squares[l] / m->count);
    }
}

#endif
