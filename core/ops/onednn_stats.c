/* Owns the merging of per-channel statistics over pieces and shares of a batch; must not know who writes
 * them. */
#include "ops/onednn_stats.h"

#include <string.h>
#include "base/memory.h"
#include "ops/lane_chunk_stats.h"

struct onednn_stats {
    int64_t channels, blocks, block, pixels;
    int shares;
    lane_chunk_stats *measure;
};

static lane_chunk_stats *measure_of(layout l, machine_isa isa)
{
#ifdef LANE_X86
    if (l == LAYOUT_C16) return lane_chunk_stats_avx512;
    if (isa >= ISA_AVX2) return lane_chunk_stats_avx2;
#else
    (void)l, (void)isa;
#endif
    return lane_chunk_stats_base;
}

onednn_stats *onednn_stats_new(layout l, int64_t channels, int64_t pixels, int shares, machine_isa isa)
{
    onednn_stats *t = mem_alloc(sizeof *t);
    t->channels = channels;
    t->block = layout_block(l);
    t->blocks = (channels + t->block - 1) / t->block;
    t->pixels = pixels;
    t->shares = shares;
    t->measure = measure_of(l, isa);
    return t;
}

void onednn_stats_free(onednn_stats *t)
{
    mem_free(t);
}

/* A cache line between the sums of two shares. */
static size_t sum_doubles(const onednn_stats *t)
{
    return (size_t)(2 * t->blocks * t->block + 8);
}

static size_t heads_bytes(const onednn_stats *t)
{
    return (sizeof(onednn_stats_sum) * (size_t)t->shares + 63) / 64 * 64;
}

size_t onednn_stats_scratch(const onednn_stats *t)
{
    return heads_bytes(t) + (size_t)t->shares * sum_doubles(t) * sizeof(double);
}

onednn_stats_sum *onednn_stats_begin(const onednn_stats *t, void *scratch)
{
    onednn_stats_sum *sums = scratch;
    double *at = (double *)(void *)((char *)scratch + heads_bytes(t));
    memset(scratch, 0, onednn_stats_scratch(t));
    for (int s = 0; s < t->shares; s++, at += sum_doubles(t)) {
        sums[s].mean = at;
        sums[s].m2 = at + t->blocks * t->block;
    }
    return sums;
}

/* Chan, Golub, LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances", 1979,
 * eq. 2.1. */
static void merge(double *mean, double *m2, double count, const double *other_mean, const double *other_m2,
                  double other_count, int64_t n)
{
    double share = other_count / (count + other_count);
    for (int64_t c = 0; c < n; c++) {
        double delta = other_mean[c] - mean[c];
        mean[c] += delta * share;
        m2[c] += other_m2[c] + delta * delta * count * share;
    }
}

void onednn_stats_add(const onednn_stats *t, onednn_stats_sum *sum, const float *y, int64_t samples)
{
    double mean[16], m2[16], count = (double)(samples * t->pixels);
    int64_t per_block = t->pixels * t->block;
    for (int64_t b = 0; b < t->blocks; b++) {
        t->measure(y + b * per_block, samples, t->blocks * per_block, t->pixels, mean, m2);
        merge(sum->mean + b * t->block, sum->m2 + b * t->block, sum->count, mean, m2, count, t->block);
    }
    sum->count += count;
}

void onednn_stats_end(const onednn_stats *t, onednn_stats_sum *sums, float *stats)
{
    onednn_stats_sum *all = &sums[0]; /* never empty: share 0 is the first to get samples */
    for (int s = 1; s < t->shares; s++) {
        if (sums[s].count == 0) continue;
        merge(all->mean, all->m2, all->count, sums[s].mean, sums[s].m2, sums[s].count, t->channels);
        all->count += sums[s].count;
    }
    for (int64_t c = 0; c < t->channels; c++) {
        stats[c] = (float)all->mean[c];
        stats[t->channels + c] = (float)(all->m2[c] / all->count);
    }
}
