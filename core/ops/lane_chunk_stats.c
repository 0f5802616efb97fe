/* Owns the statistics of a channel block that is still in the cache; must not know who wrote it. Compiled
 * once per instruction set. */
#include "device/lanes.h"
#include "ops/lane_chunk_stats.h"

enum {
    CHAINS = 8,
    FLUSH = 256
}; /* independent sums to hide the latency; pixels before they go on in double */

/* Adds the sum of v - centre and of its square over a run of pixels to `first` and `second`. */
static void add_run(const float *v, int64_t pixels, lane centre, double *first, double *second)
{
    lane a[CHAINS] = {{0}}, b[CHAINS] = {{0}};
    int64_t i = 0;
    for (; i + CHAINS <= pixels; i += CHAINS)
        for (int k = 0; k < CHAINS; k++) {
            lane d = lane_load(v + (i + k) * LANES) - centre;
            a[k] += d;
            b[k] += d * d;
        }
    for (; i < pixels; i++) {
        lane d = lane_load(v + i * LANES) - centre;
        a[0] += d;
        b[0] += d * d;
    }
    for (int half = CHAINS / 2; half > 0; half /= 2)
        for (int k = 0; k < half; k++) {
            a[k] += a[k + half];
            b[k] += b[k + half];
        }
    for (int l = 0; l < LANES; l++) {
        first[l] += (double)a[0][l];
        second[l] += (double)b[0][l];
    }
}

/* One pass around a centre c that is the mean of a sixteenth of the values. As those are among the values,
 * the deviations from c are at most 17 times as large (in the mean square) as those from the true mean,
 * whatever the data: M2 = sum (v - c)^2 - (sum (v - c))^2 / n loses little more than four bits, and a second
 * pass is saved. */
void LANE(lane_chunk_stats)(const float *block, int64_t samples, int64_t stride, int64_t pixels, double *mean,
                            double *m2)
{
    int64_t part = (pixels + 15) / 16;
    lane centre = {0};
    for (int64_t n = 0; n < samples; n++)
        for (int64_t i = 0; i < part; i++) centre += lane_load(block + n * stride + i * LANES);
    centre /= (float)(samples * part);

    double first[LANES] = {0}, second[LANES] = {0}, count = (double)(samples * pixels);
    for (int64_t n = 0; n < samples; n++)
        for (int64_t i = 0; i < pixels; i += FLUSH)
            add_run(block + n * stride + i * LANES, pixels - i < FLUSH ? pixels - i : FLUSH, centre, first,
                    second);
    for (int l = 0; l < LANES; l++) {
        double spread = second[l] - first[l] * first[l] / count;
        mean[l] = (double)centre[l] + first[l] / count;
        m2[l] = spread < 0 ? 0 : spread; /* not-a-number stays */
    }
}
