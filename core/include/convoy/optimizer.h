/* Optimizers: one update of one weight tensor, on dense arrays. */
#ifndef CONVOY_OPTIMIZER_H
#define CONVOY_OPTIMIZER_H

#include "convoy/plugin.h"

#define CVY_MAX_SLOTS 8

typedef struct cvy_update {
    const cvy_host *host;
    int64_t n;              /* elements */
    int64_t step;           /* of the optimizer, from 1 */
    double lr_factor;       /* of the schedule; the step's learning rate is config lr times this */
    cvy_real *w;            /* updated in place */
    const cvy_real *g;      /* gradient */
    cvy_real *const *slots; /* state arrays of n elements, zero before the first step; saved in checkpoints */
} cvy_update;

typedef struct cvy_optimizer {
    uint32_t size;
    int32_t elementwise; /* 1: update may be called on pieces of a tensor, in parallel */
    /* Names of the state arrays this configuration needs, NULL-terminated, static. */
    const char *const *(*slots)(const void *config);
    int (*update)(const cvy_update *u, const void *config);
} cvy_optimizer;

#endif
