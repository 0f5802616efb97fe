/* A trained network that answers: samples in, outputs of its last layer or of any other out, as evaluation computes them.
 * No loss, no gradients. */
#ifndef TRAIN_FORWARD_H
#define TRAIN_FORWARD_H

#include "train/checkpoint_weights.h"
#include "train/stepper.h"

typedef struct forward {
    const setup *s;
    stepper steps;
    int64_t batch;
    float *x;    /* (batch, sample...) */
    size_t room; /* floats in there */
} forward;

/* The node of a layer, by its path or that of a composite, whose last layer is meant; -1 after reporting a name that is none,
 * with the nearest. */
int forward_layer(const net *n, const char *path, errors *e);
/* Lets the network end at a layer, by its path or that of a composite, whose last layer is meant; what only later layers
 * need is computed no more. Before forward_open(). Reports names that are none, with the nearest. */
cvy_status forward_cut(setup *s, const char *path, errors *e);

/* Weights loaded and everything ready for `batch` samples at once. To be closed even after it failed. `hint`: for weights
 * that do not fit; may be NULL. */
cvy_status forward_open(forward *f, const setup *s, const checkpoint_weights *w, int64_t samples,
                        const char *hint, errors *e);
void forward_close(forward *f);

/* Room in f->x for n samples of a shape that is not the usual. */
cvy_status forward_make_room(forward *f, const cvy_shape *sample, int64_t n, errors *e);
/* The first n samples in f->x, of the shape `sample`: *y is (n, ...) of *shape, valid until the next call. */
cvy_status forward_run(forward *f, const cvy_shape *sample, int64_t n, const float **y, cvy_shape *shape,
                       errors *e);
/* All samples of a part, each batch shown to `see`: in order, and where they have several shapes, shape by shape. */
cvy_status forward_part(forward *f, data_part part, stepper_see *see, void *ctx, errors *e);

#endif
