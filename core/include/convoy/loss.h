/* Losses: a number to minimise and its gradient, on dense arrays. */
#ifndef CONVOY_LOSS_H
#define CONVOY_LOSS_H

#include "convoy/plugin.h"

typedef struct cvy_loss_call {
    const cvy_host *host;
    const cvy_shape *shape; /* of the network's output, (N, K) */
    const cvy_real *y;      /* the network's output (logits) */
    const int32_t *labels;  /* (N) class indices; NULL for other targets */
    const cvy_real *target; /* of the output's shape, for regression; NULL otherwise */
    double loss;            /* to fill: mean over the batch */
    cvy_real *gy;           /* to fill: d loss / d y; NULL: not wanted */
} cvy_loss_call;

typedef struct cvy_loss {
    uint32_t size;
    /* Whether output shape and class count fit: reports and returns nonzero when not. classes 0: regression.
     */
    int (*check)(const cvy_host *host, const cvy_shape *output, int32_t classes, const void *config);
    int (*evaluate)(cvy_loss_call *call, const void *config);
} cvy_loss;

#endif
