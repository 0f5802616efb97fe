/* What a classifier's answers come to: who is taken for whom, precision and recall of the classes, calibration. Knows
 * scores and labels, and neither networks nor where samples come from. */
#ifndef TRAIN_SCORES_H
#define TRAIN_SCORES_H

#include <stdbool.h>
#include <stdint.h>
#include "base/error.h"

enum { SCORES_BINS = 15 };

typedef struct scores_bin {
    int64_t n, right;
    double confidence; /* sum */
} scores_bin;

typedef struct scores {
    int64_t classes, samples;
    int64_t *confusion;           /* (K, K): samples of the row's class that were taken for the column's */
    int64_t *support;             /* (K): samples of the class, those without an answer included */
    scores_bin bins[SCORES_BINS]; /* of equal width over the confidences 0 to 1; a border belongs below */
} scores;                         /* a zeroed one is empty, of no classes */

cvy_status scores_init(scores *s, int64_t classes, errors *e);
void scores_free(scores *s);
/* A sample: the class it is taken for, with which confidence, and its own. Taken for -1: for none. */
void scores_add(scores *s, int64_t taken, double confidence, int32_t label);

/* NaN: a quotient of nothing. F1 is 2 / (1 / precision + 1 / recall), 0 where nothing was right. */
typedef struct scores_class {
    int64_t support;
    double precision, recall, f1;
} scores_class;

scores_class scores_of(const scores *s, int64_t class);
/* Expected calibration error: |share right - mean confidence| of the bins, weighted by their samples (Guo, Pleiss, Sun
 * and Weinberger 2017, On Calibration of Modern Neural Networks, equation 3). NaN of no samples. */
double scores_calibration_error(const scores *s);

/* The class of the highest of k scores, among equal ones the first, as metrics_add() counts; -1 when one is no number.
 */
int64_t scores_taken(const float *y, int64_t k);
/* exp(y) over its sum. */
void scores_softmax(const float *y, int64_t k, double *p);
/* Whether all of the n rows are probabilities that sum to 1, so that they are to be taken as they are. */
bool scores_are_probabilities(const float *y, int64_t n, int64_t k);

#endif
