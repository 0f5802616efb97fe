/* What the losses share that compare the output with a target number by number: targets made of labels, fixed blocks for
 * the threads, reduction. The including file defines element_loss(), and nothing of it is known here.
 *
 * Where the dataset gives class labels, the target is the label's one-hot vector: 1 for its class, 0 for all others. */
#ifndef LOSSES_ELEMENTWISE_H
#define LOSSES_ELEMENTWISE_H

#include <math.h>
#include "convoy/loss.h"

enum { REDUCE_MEAN, REDUCE_SUM };
static const char *const element_reductions[] = {"mean", "sum", NULL};

#define ELEMENT_REDUCTION(T)                                                                              \
    CVY_ENUM(T, reduction, mean, element_reductions,                                                      \
             "mean over all numbers of the output and the batch, or their sum, which makes the learning " \
             "rate depend on the batch size; metrics then show the sum per sample")

/* The loss of one output y against its target t, and the slope d loss / d y. `channel` is the place on the output's
 * second axis. */
static inline double element_loss(double y, double t, int64_t channel, const void *config, double *slope);
/* Reports what element_loss() cannot take; 0: it can. */
static inline int element_refused(double y, double t);

/* Partial sums over a number of blocks that no thread count moves, so that it shows nowhere. */
enum { ELEMENT_BLOCKS = 64 };

typedef struct element_job {
    const cvy_loss_call *call;
    const void *config;
    int64_t rows, channels, inner; /* the output as (N * channels) rows of `inner` numbers */
    double scale;                  /* of the gradient */
    double sum[ELEMENT_BLOCKS];
    int64_t refused[ELEMENT_BLOCKS]; /* the first element that is, or -1 */
} element_job;

static inline double element_target(const cvy_loss_call *call, int64_t row, int64_t channels, int64_t at)
{
    if (call->target) return (double)call->target[at];
    return call->labels[row / channels] == row % channels ? 1 : 0;
}

static void element_block(element_job *j, int64_t block)
{
    const cvy_loss_call *call = j->call;
    const int64_t begin = j->rows * block / ELEMENT_BLOCKS, end = j->rows * (block + 1) / ELEMENT_BLOCKS;
    double sum = 0;
    j->refused[block] = -1;
    for (int64_t row = begin; row < end; row++) {
        for (int64_t at = row * j->inner; at < (row + 1) * j->inner; at++) {
            double slope, y = (double)call->y[at], t = element_target(call, row, j->channels, at);
            if (element_refused(y, t) && j->refused[block] < 0) j->refused[block] = at;
            sum += element_loss(y, t, row % j->channels, j->config, &slope);
            if (call->gy) call->gy[at] = (cvy_real)(slope * j->scale);
        }
    }
    j->sum[block] = sum;
}

static void element_blocks(void *ctx, int64_t begin, int64_t end)
{
    for (int64_t block = begin; block < end; block++) element_block(ctx, block);
}

static int element_check(const cvy_host *host, const cvy_shape *output, int32_t classes)
{
    if (classes < 1) return 0; /* a target of the output's own shape */
    if (output->rank != 2)
        return host->fail(
            host,
            "the network's output has rank %d, expected 2: (batch, classes), to be compared with the "
            "label's one-hot vector; `dataset: {target: input}` compares it with the input",
            (int)output->rank);
    if (output->dim[1] != classes)
        return host->fail(
            host,
            "the network gives %lld numbers for %d classes, and is compared with the label's one-hot "
            "vector; let the last layer be `linear: {units: classes}`",
            (long long)output->dim[1], (int)classes);
    return 0;
}

static int element_labels(const cvy_loss_call *call, int64_t channels)
{
    if (call->target) return 0;
    if (!call->labels)
        return cvy_fail(call, "this loss needs class labels or a target of the output's shape");
    for (int64_t i = 0; i < call->shape->dim[0]; i++)
        if (call->labels[i] < 0 || call->labels[i] >= channels)
            return cvy_fail(call, "sample %lld of the batch has label %d, expected 0 to %lld", (long long)i,
                            (int)call->labels[i], (long long)channels - 1);
    return 0;
}

/* Leaves the first refused element in *refused, or -1. */
static int element_evaluate(cvy_loss_call *call, const void *config, int32_t reduction, int64_t *refused)
{
    const int64_t count = cvy_count(call->shape), batch = call->shape->dim[0];
    element_job j = {.call = call, .config = config};
    j.channels = call->shape->rank > 1 ? call->shape->dim[1] : 1;
    j.rows = batch * j.channels;
    j.inner = j.rows ? count / j.rows : 0;
    j.scale = reduction == REDUCE_SUM ? 1 : 1 / (double)count;
    *refused = -1;
    if (element_labels(call, j.channels)) return 1;
    call->host->parallel_for(call->host, ELEMENT_BLOCKS, 1, element_blocks, &j);
    double sum = 0;
    for (int i = 0; i < ELEMENT_BLOCKS; i++) {
        sum += j.sum[i];
        if (*refused < 0) *refused = j.refused[i];
    }
    call->loss = sum * j.scale;
    if (reduction == REDUCE_SUM) call->sum = sum, call->weight = (double)batch;
    return 0;
}

#endif
