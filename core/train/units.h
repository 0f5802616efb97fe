/* What a trained network's layers have come to: how alike their filters are, and which of their units never fire. Knows
 * of a run only its journal. */
#ifndef TRAIN_UNITS_H
#define TRAIN_UNITS_H

#include "journal/record.h"
#include "train/stepper.h"

/* A layer with kernels: a weight of at least two dimensions, a filter for each unit of its output. */
typedef struct units_layer {
    int node;     /* in the net */
    int weight;   /* its kernels, in net.weights */
    int response; /* the node whose numbers tell whether a unit fires: the last activation behind the layer before the maps change;
                     -1: none follows */
    int64_t units;
    double cosine; /* mean |cosine| between filters; NaN until units_compare(), or with less than two */
    int64_t dead;  /* units whose response was one and the same number everywhere; -1: not counted */
} units_layer;

/* mem_alloc'ed, in the order of the net. */
units_layer *units_layers(const net *n, size_t *n_layers);
void units_compare(units_layer *layers, size_t n, const state *s);
/* Counts dead units over the first `samples` samples of a part, as evaluation sees them; *seen: how many there were. Ends
 * whatever the loader was at. */
cvy_status units_count_dead(units_layer *layers, size_t n, stepper *w, data_part part, int64_t samples,
                            int64_t *seen, errors *e);

/* Over all layers: the share of dead units among those counted, and the mean of the cosines. NaN of none. */
double units_dead_share(const units_layer *layers, size_t n);
double units_mean_cosine(const units_layer *layers, size_t n);

/* Writes both, per layer and over all, of the weights that are in place, as metrics of the run after that many steps and epochs:
 * dead units as the first validation samples show them, those of the test where there are none. */
cvy_status units_record(stepper *w, journal *j, int64_t step, int64_t epoch, errors *e);

#endif
