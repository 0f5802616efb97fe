/* A trained network measured on a part of its data: the weights of a checkpoint in a network, and what its outputs come
 * to. Knows no folder of a run and changes nothing. */
#ifndef TRAIN_EVALUATION_H
#define TRAIN_EVALUATION_H

#include "train/checkpoint_weights.h"
#include "train/metrics.h"
#include "train/scores.h"
#include "train/setup.h"

struct ensemble;

typedef struct evaluation {
    int64_t samples, classes; /* classes 0: there is no class to be right about, and the loss is all */
    double loss;
    double accuracy, top5;    /* shares; NaN without classes, top5 with less than six */
    double calibration_error; /* of scores_calibration_error() */
    scores scores;
} evaluation; /* a zeroed one is empty */

typedef struct evaluation_options {
    data_part part;   /* training samples are read as evaluation reads, without random augmentation */
    int64_t batch;    /* samples computed at once; 0 as the run's own evaluations */
    const char *hint; /* for weights that do not fit; may be NULL */
    struct ensemble *ensemble; /* to be joined; NULL: none */
} evaluation_options;

/* Loads the weights, all of them and no others, and evaluates; on the run's own data with the run's own bits. Afterwards
 * the setup serves evaluations of the same part only. */
cvy_status evaluation_run(const setup *s, const checkpoint_weights *w, const evaluation_options *o,
                          evaluation *out, errors *e);

/* The figures of sums, beside v->scores, which are there already. */
void evaluation_take(evaluation *v, const metrics *m, int64_t classes);
void evaluation_free(evaluation *v);

/* Copies weights and buffers; reports the first that the checkpoint lacks, has beyond them, or has in another shape. */
cvy_status evaluation_load(state *into, const checkpoint_weights *w, const char *hint, errors *e);

#endif
