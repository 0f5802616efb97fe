/* The charts of one evaluation of a classifier: who is taken for whom, and whether its confidence can be trusted. Filled from counts;
 * must not know where they come from. */
#ifndef REPORT_CHART_SCORES_H
#define REPORT_CHART_SCORES_H

#include <stdint.h>
#include "base/memory.h"
#include "report/figure.h"

/* counts is (K, K): samples of the row's class that were taken for the column's. names: of classes, or NULL. about: whose and of what
 * samples, for the caption. A cell is the share of its row. More classes than fit: those with the most mistakes. */
enum { CHART_CONFUSION_MOST = 30 };
void chart_confusion(const int64_t *counts, int64_t classes, const char *const *names, const char *title,
                     const char *about, arena *a, figure *out);

typedef struct chart_bin { /* of equal width over the confidences 0 to 1 */
    int64_t n, right;
    double confidence; /* sum */
} chart_bin;

/* A reliability diagram: the share right in each bin with its 95 % interval (Wilson's) against the mean confidence (Guo et al. 2017,
 * On Calibration of Modern Neural Networks), and how many samples there are in each. error: of calibration, or nan. */
void chart_calibration(const chart_bin *bins, size_t n, double error, const char *title, const char *about,
                       arena *a, figure *out);

#endif
