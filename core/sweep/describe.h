/* A space in words, for people. */
#ifndef SWEEP_DESCRIBE_H
#define SWEEP_DESCRIBE_H

#include "sweep/space.h"

/* "8 trials", "90 trials: 30 configurations x 3 folds", "6 trials: 2 seeds x 3 folds". folds 0 or 1: none. What does not come to the
 * product, because equal trials were left out, is only counted. */
void describe_trials(size_t trials, int64_t seeds, int64_t folds, text *out);
/* "16, 32, 64", "0.0001 to 0.1, log_uniform", "1 to 8, whole numbers; when train.optimizer.type is adam or adamw" */
void describe_parameter(const space *s, size_t i, text *out);
/* "median of the completed configurations before, after 5 of them, from epoch 1 on". Nothing where no rule stops trials. */
void describe_early(const space *s, text *out);

#endif
