/* The plans that steps and evaluations take, one for each shape and number of samples: made when they are first wanted, kept,
 * over one memory, since only one runs at a time. Knows no batch and no loss. */
#ifndef TRAIN_PLANS_H
#define TRAIN_PLANS_H

#include "graph/plan.h"
#include "train/step_log.h"

typedef struct plans {
    const net *net;
    state *state;
    const machine *machine;
    uint64_t seed;
    plan_algorithm algorithm; /* to be set before the first plan is asked for */
    step_log *log;
    struct plans_kept *kept;
    size_t n, cap;
    uint64_t asked; /* how often */
    void *memory;   /* as large as the largest needs */
    size_t bytes;
} plans; /* a zeroed one is empty */

/* What it is given must outlive it. */
void plans_open(plans *p, const net *n, state *s, const machine *m, uint64_t seed, step_log *log);
void plans_close(plans *p);

/* For `samples` samples of a shape. A pinned one lives until plans_close(), any other until so many others have been asked
 * for that it has to make room. What a plan had computed before is lost when a larger one is made. NULL after reporting. */
plan *plans_get(plans *p, const cvy_shape *sample, int64_t samples, bool train, bool pinned, errors *e);

#endif
