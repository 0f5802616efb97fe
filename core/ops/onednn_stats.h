/* Batch-norm statistics in a convolution's output stage: per-channel mean and variance of the pieces of a
 * batch, taken as each is written and merged exactly. Must not know who writes them. */
#ifndef OPS_ONEDNN_STATS_H
#define OPS_ONEDNN_STATS_H

#include "device/layout.h"
#include "device/machine.h"

typedef struct onednn_stats onednn_stats;

/* What one share has seen so far. */
typedef struct onednn_stats_sum {
    double count;
    double *mean, *m2; /* [channels, padded]; m2: sum of squared deviations from the mean */
} onednn_stats_sum;

/* Of tensors in the blocked layout l, `pixels` per channel and sample. */
onednn_stats *onednn_stats_new(layout l, int64_t channels, int64_t pixels, int shares, machine_isa isa);
void onednn_stats_free(onednn_stats *t);
size_t onednn_stats_scratch(const onednn_stats *t);

/* Empty sums, one per share, laid out in `scratch`. */
onednn_stats_sum *onednn_stats_begin(const onednn_stats *t, void *scratch);
/* Takes in `samples` samples. */
void onednn_stats_add(const onednn_stats *t, onednn_stats_sum *sum, const float *y, int64_t samples);
/* Merges the shares in their order: stats (2, channels), mean and biased variance. */
void onednn_stats_end(const onednn_stats *t, onednn_stats_sum *sums, float *stats);

#endif
