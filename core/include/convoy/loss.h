/* Losses: a number to minimise and its gradient, on dense arrays. */
#ifndef CONVOY_LOSS_H
#define CONVOY_LOSS_H

#include "convoy/plugin.h"

typedef struct cvy_loss_call {
    const cvy_host *host;
    const cvy_shape *shape; /* of the network's output, (N, ...) */
    const cvy_real *y;      /* the network's output (logits, or whatever the loss takes) */
    const int32_t *labels;  /* (N) class indices, one for each sample; NULL for other targets */
    const cvy_real *target; /* of the output's shape: what each number should be; NULL under labels */
    double loss;            /* to fill: what is minimised, as a rule the mean over the batch */
    cvy_real *gy;           /* to fill: d loss / d y; NULL: not wanted */
    /* What an epoch's average is made of: `sum` over all its batches divided by `weight` over all its batches. To
     * be filled by a loss that is no mean over the samples (a sum, or a mean in which samples have weights);
     * handed over as NaN and N, and left like that they are N * loss and N. */
    double sum, weight;
} cvy_loss_call;

typedef enum cvy_loss_trait {
    CVY_LOSS_CLASSES =
        1, /* its target is a class, or the shares of the classes: no image is compared with it */
    CVY_LOSS_PROBABILITIES = 2 /* output and target lie on [0, 1]; it refuses others */
} cvy_loss_trait;

typedef struct cvy_loss {
    uint32_t size;
    /* Whether output shape and class count fit: reports and returns nonzero when not. classes 0: the target has
     * the output's shape. */
    int (*check)(const cvy_host *host, const cvy_shape *output, int32_t classes, const void *config);
    int (*evaluate)(cvy_loss_call *call, const void *config);
    uint32_t traits; /* cvy_loss_trait, or-ed */
} cvy_loss;

#endif
