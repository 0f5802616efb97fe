/* Optimizers: one update of one weight tensor, on dense arrays. */
#ifndef CONVOY_OPTIMIZER_H
#define CONVOY_OPTIMIZER_H

#include "convoy/plugin.h"

#define CVY_MAX_SLOTS 8

/* A slot of this name holds other weights for the same network, such as a moving average: training evaluates
 * both. */
#define CVY_SLOT_AVERAGE "average"

/* The core applies what is asked for per tensor by what it hands over: a learning-rate multiplier is in lr_factor,
 * and a tensor without weight decay is updated with a configuration whose parameter `weight_decay` is 0. */
typedef struct cvy_update {
    const cvy_host *host;
    int64_t n;              /* elements */
    int64_t step;           /* of the optimizer, from 1 */
    double lr_factor;       /* of the schedule; the step's learning rate is config lr times this */
    cvy_real *w;            /* updated in place */
    const cvy_real *g;      /* gradient */
    cvy_real *const *slots; /* state arrays of n elements, zero before the first step; saved in checkpoints */
} cvy_update;

/* A wrapper around another optimizer declares it as a CVY_CHILD of kind CVY_OPTIMIZER and calls its update with a
 * copy of its own cvy_update. It speaks for itself only: the core asks the child what the child needs, and the
 * child's slots follow behind the wrapper's in u->slots (of several children in declared order). */
typedef struct cvy_optimizer {
    uint32_t size;
    int32_t elementwise; /* 1: update may be called on pieces of a tensor, in parallel */
    /* Names of the state arrays this configuration needs, NULL-terminated, static. The configuration's
     * weight_decay does not change them. */
    const char *const *(*slots)(const void *config);
    int (*update)(const cvy_update *u, const void *config);
} cvy_optimizer;

#endif
