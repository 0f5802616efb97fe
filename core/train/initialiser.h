/* Initialisers: how a weight tensor's first numbers are drawn. Plugins of kind CVY_INITIALISER, all of them built in. Knows a
 * tensor's shape and fans, and neither its network nor who asks. */
#ifndef TRAIN_INITIALISER_H
#define TRAIN_INITIALISER_H

#include "plugin/registry.h"

/* What is to be filled. A tensor without a fan (the scale of a normalisation, a bias) has fan_in 0. */
typedef struct initialiser_tensor {
    const char *name;
    cvy_shape shape;
    int64_t count;
    double fan_in, fan_out;
} initialiser_tensor;

/* Makes the initialisers known. */
void initialiser_register(registry *r);
/* Whether it divides by a fan; how many dimensions it needs. */
bool initialiser_scales(const cvy_child *i);
int initialiser_least_rank(const cvy_child *i);
/* What its parameters alone make impossible, or CVY_OK. */
cvy_status initialiser_check(const cvy_child *i, const place *at, errors *e);
/* Fills v, a function of (seed, the tensor's name). The tensor must have what the initialiser needs. */
cvy_status initialiser_fill(const cvy_child *i, const initialiser_tensor *t, uint64_t seed, float *v,
                            errors *e);

#endif
