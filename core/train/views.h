/* The mean of what a network says of several augmented copies of the same samples. */
#ifndef TRAIN_VIEWS_H
#define TRAIN_VIEWS_H

#include "train/setup.h"

typedef struct views_mean {
    double *sum;        /* (samples, each) */
    double *p;          /* (each) */
    int64_t each;       /* numbers of a sample's output */
    bool probabilities; /* averaged is softmax(y), else y */
} views_mean;           /* a zeroed one is empty */

/* Whether the loss sees of the scores of classes their softmax alone, so that probabilities are what is to be averaged. */
bool views_are_probabilities(const setup *s);

cvy_status views_open(views_mean *c, int64_t samples, int64_t each, bool probabilities, errors *e);
void views_close(views_mean *c);
/* Copy number `copy` of n samples; number 0 begins anew. */
void views_add(views_mean *c, const float *y, int64_t n, int64_t copy);
/* The mean of the copies, as the network would have given it: of probabilities the logarithm. */
void views_take(const views_mean *c, int64_t n, int64_t copies, float *y);

#endif
