/* An experiment's network at work: one training step on a batch, one evaluation of a part of the data. Knows neither
 * journal nor checkpoint, and which step comes when is its callers' business. */
#ifndef TRAIN_STEPPER_H
#define TRAIN_STEPPER_H

#include "graph/plan.h"
#include "train/loader.h"
#include "train/metrics.h"
#include "train/optimize.h"
#include "train/plans.h"
#include "train/schedule.h"
#include "train/setup.h"
#include "train/step_log.h"

/* Looks at what an evaluation gives for a batch: y is (b->n, ...) of `shape`, alive during the call. */
typedef cvy_status stepper_see(void *ctx, const float *y, const cvy_shape *shape, const batch *b, errors *e);

typedef struct stepper {
    const setup *s;
    machine machine;
    state *state;
    optimizer optimizer;
    plans plans;
    plan *full, *evaluation;  /* the largest ones, for as long as the stepper lives */
    int64_t evaluation_batch; /* samples at most */
    loader *loader;
    float *accumulated; /* gradients of the batches of one update so far, as a sum; NULL: not wanted yet */
    bool sums;          /* what the loss minimises is a sum over the batch; known once those are wanted */
    struct {
        int64_t samples, batches;
        double scale;       /* what the sum of gradients is to be divided by */
        double sum, weight; /* of the loss */
    } gathered;             /* what is in there */
    step_log log;           /* of what plugins logged in the last step, if that was asked for */
    stepper_see *see;       /* set by whoever wants to look on; NULL: nobody does */
    void *see_ctx;
} stepper;

/* The position of a step, all from 0. */
typedef struct step_at {
    int64_t step, epoch;            /* updates done before it; the epoch it belongs to, for messages */
    bool logged;                    /* gather what plugins log */
    bool more;                      /* the update is of this batch and the next: only its gradient is taken */
    const schedule_state *schedule; /* NULL: as at the start */
    /* Above 0: the learning rate, whatever the schedule says; then what is not finite is told by an r->loss that is not, with
     * no update and no error. */
    double rate;
} step_at;

typedef struct step_result {
    double loss, lr; /* mean over the batch, before the update; the rate of the update */
} step_result;

/* Weights as the experiment's seed makes them. To be closed even after it failed. */
cvy_status stepper_open(stepper *w, const setup *s, errors *e);
/* The same for evaluations alone: no gradients, no optimizer, no memory for training. `samples`: how many are computed at once,
 * 0 as in training, which gives the same bits. */
cvy_status stepper_open_evaluation(stepper *w, const setup *s, int64_t samples, errors *e);
void stepper_close(stepper *w);

/* Forward, loss, backward, update. The batch is added to *sums. Batches of one update, all but the last with `more`, give
 * the update of one batch that holds all of them (batch normalisation sees them apart); *r is filled by the last. */
cvy_status stepper_step(stepper *w, const batch *b, const step_at *at, metrics *sums, step_result *r,
                        errors *e);

/* That the weights and buffers, after `at->step` updates, are finite; reports the first that is not. */
cvy_status stepper_check_finite(const stepper *w, const step_at *at, errors *e);

/* The present weights on a whole part that is not the training part; ends what the loader was at. `at` is for messages.
 * CVY_STOPPED when `stop` (may be NULL) said so before the end: then *m says nothing. */
cvy_status stepper_evaluate(stepper *w, data_part part, const step_at *at, bool (*stop)(void *ctx), void *ctx,
                            metrics *m, errors *e);

/* An evaluation's forward pass on a batch that the loader gave of a part. The plan that has the outputs, NULL after
 * reporting. */
plan *stepper_forward(stepper *w, data_part part, const batch *b, errors *e);

/* The experiment's loss of any outputs y of `shape` (b->n, ...), as a sum and what that is to be divided by. */
cvy_status stepper_loss_of(const setup *s, const float *y, const cvy_shape *shape, const batch *b,
                           double *sum, double *weight, errors *e);

#endif
