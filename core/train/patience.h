/* How long a metric has not become better: what early stopping and the plateau schedule wait by. Plain numbers, for a
 * checkpoint to hold; all zeros at the start. Knows no metric. */
#ifndef TRAIN_PATIENCE_H
#define TRAIN_PATIENCE_H

#include <stdbool.h>
#include <stdint.h>
#include "config/params.h"

typedef struct patience {
    double best;
    int64_t seen, waited; /* values seen; of these, since the best */
} patience;

/* The metrics that may be watched, choices of a parameter. */
enum { WATCH_VAL_LOSS, WATCH_VAL_ACCURACY, WATCH_TRAIN_LOSS, WATCH_TRAIN_ACCURACY };
extern const char *const patience_metrics[]; /* their names, NULL-terminated */
bool patience_maximizes(int32_t metric);

/* Takes note of an epoch's value, which counts as better when it is so by more than `margin`. What is not a number is never
 * better. */
void patience_see(patience *p, double value, bool maximize, double margin);
/* |best| * share, the margin that is relative to the best so far; 0 before there is one. */
double patience_share(const patience *p, double share);

/* Keys of `early_stopping:`. */
typedef struct stopping_settings {
    int32_t metric; /* WATCH_* */
    int64_t patience;
    double min_delta;
} stopping_settings;

params_table patience_of_stopping(stopping_settings *s);

#endif
