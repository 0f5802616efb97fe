/* Sums behind loss and accuracy over many batches. Knows neither batches' origin nor what becomes of the sums. */
#ifndef TRAIN_METRICS_H
#define TRAIN_METRICS_H

#include <stdint.h>
#include "base/text.h"

typedef struct metrics {
    double loss, weight; /* sums; their quotient is the average loss */
    int64_t samples, top1, top5;
} metrics;

/* Adds a batch: logits (n, k), labels (n; NULL: nothing to be right about), and its loss as a sum and what that is to be
 * divided by. A sample is right for top-j when fewer than j logits are
 * greater than its own class's; equal ones of lower index and NaN count as greater, so a network that gives NaN, or the
 * same for every class, is not right by it. A label that is no class is never right (a plugin's loss may want other
 * outputs than one logit per class). */
void metrics_add(metrics *m, const float *logits, const int32_t *labels, int64_t n, int64_t k, double loss,
                 double weight);
double metrics_loss(const metrics *m); /* the average; 0 of nothing */

/* Exact text for checkpoints, and back. */
void metrics_write(const metrics *m, text *out);
bool metrics_read(metrics *m, const char *s);

#endif
