/* The learning-rate range test (Smith, "Cyclical Learning Rates for Training Neural Networks", WACV 2017, section 3.3): the rate
 * grows exponentially from step to step, and the loss tells between which rates a run can learn. The keys of
 * `train.lr_range:`, the test itself, and what its curve says. Knows no chart. */
#ifndef TRAIN_LR_RANGE_H
#define TRAIN_LR_RANGE_H

#include "journal/journal.h"
#include "train/stepper.h"

/* The rate of step 0, 1, ... */
double lr_range_rate(const lr_range_settings *s, int64_t step);
/* A curve of n losses without its noise, into `out`: means over neighbours, weighted by a Gaussian, so that nothing moves to
 * the side. Losses far above those of the beginning count as less: the explosion at the end is not to spread. */
void lr_range_smooth(const double *loss, size_t n, double *out);

/* Indices into a smoothed curve. */
typedef struct lr_range_found {
    bool falls;      /* it does, somewhere: else nothing else is said */
    size_t least;    /* where it is lowest */
    size_t steepest; /* in front of that: where it falls fastest, over the logarithm of the rate */
} lr_range_found;

lr_range_found lr_range_read(const double *smooth, size_t n);

/* Trains from the present weights, until the loss is four times what it was at its least, or there are no more steps. Logs lr
 * and train_loss of each step; at the end smoothed_loss of each, and of the run lr_steepest, lr_minimum and lr_minimum_tenth.
 * *step is the number of steps made. CVY_STOPPED when `stop` said so: the test then begins anew. */
cvy_status lr_range_run(stepper *w, journal *j, bool (*stop)(void *ctx), void *ctx, int64_t *step, errors *e);

#endif
