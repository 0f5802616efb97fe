/* Several networks answering together: the mean of their probabilities for each sample, and what that comes to
 * (Lakshminarayanan, Pritzel and Blundell 2017, Simple and Scalable Predictive Uncertainty Estimation using Deep
 * Ensembles). Knows no network. One network alone is its own ensemble, which is the callers' business. */
#ifndef TRAIN_ENSEMBLE_H
#define TRAIN_ENSEMBLE_H

#include "train/evaluation.h"
#include "train/loader.h"

typedef struct ensemble {
    int64_t samples, classes;
    size_t members;
    char identity[65]; /* of the samples */
    char *loss_type;   /* with its parameters */
    int32_t *labels;   /* (N) */
    double *sum;       /* (N, K): of the members' probabilities */
    bool no_loss; /* the members' losses are not alike, or see more of the outputs than their probabilities */
    bool probabilities;  /* the last member's outputs are these themselves, and not logits */
    double loss, weight; /* sums: the loss of the present member, taken of the probabilities */
} ensemble;              /* a zeroed one has no members yet */

void ensemble_free(ensemble *g);

/* A member: begin, add all its batches, end. Refused are other samples or classes than those of the members before. */
cvy_status ensemble_begin(ensemble *g, const setup *s, data_part part, errors *e);
/* p (b->n, K): what the member gives the classes; `probabilities`: these are its outputs, not made of logits. */
cvy_status ensemble_add(ensemble *g, const setup *s, const double *p, bool probabilities, const batch *b,
                        errors *e);
/* `loss`: of the member's own outputs. */
void ensemble_end(ensemble *g, double loss);

/* The figures of the members together. The loss is that of the last member's experiment `s`, NaN where it cannot be
 * taken of probabilities. */
cvy_status ensemble_evaluate(const ensemble *g, const setup *s, evaluation *out, errors *e);

#endif
