/* A network looked into: the outputs of chosen layers for given samples, and the gradient of an output with regard to them,
 * all as evaluation computes it. Knows no picture and no dataset. */
#ifndef TRAIN_LENS_H
#define TRAIN_LENS_H

#include "graph/plan.h"

typedef struct lens {
    net net; /* the caller's, all of it frozen, with nodes and tensors of its own */
    machine machine;
    plan *plan;
    void *memory;
    size_t bytes;
    int64_t batch;
    size_t n;          /* layers looked at */
    const int *nodes;  /* the caller's */
    float **values;    /* (n) copies of their outputs: the plan's own are gone after backward */
    cvy_shape *shapes; /* (n) batched */
    float *y;          /* copy of the network's output */
    cvy_shape y_shape;
} lens; /* a zeroed one is empty */

/* The only node that reads what this one gives; -1: none does, or several do. */
int lens_reader(const net *n, int unit);

/* For `batch` samples at once. `nodes` (0: the input) and the state outlive the lens. To be closed even after it failed. */
cvy_status lens_open(lens *l, const net *n, state *s, const int *nodes, size_t n_nodes,
                     const cvy_shape *sample, int64_t batch, bool gradients, errors *e);
void lens_close(lens *l);

/* The batch's samples through the network: fills l->values and l->y. x stays valid until lens_back() is through. */
cvy_status lens_look(lens *l, const float *x, errors *e);
/* Behind lens_look(): the gradient of the sum over the batch of output number `unit` (of dimension 1; over all positions
 * where there are any), with regard to each layer. Of samples' own values, since they do not see each other. */
cvy_status lens_back(lens *l, int64_t unit, errors *e);
/* After lens_back(), of the shape l->shapes[k]; NULL: the output does not depend on it. */
const float *lens_gradient(const lens *l, size_t k);

#endif
