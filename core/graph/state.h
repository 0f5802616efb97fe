/* The numbers of a network: weights, their gradients, buffers. Dense plain arrays, owned here, named by
 * net_tensor. */
#ifndef GRAPH_STATE_H
#define GRAPH_STATE_H

#include "graph/net.h"

typedef struct state {
    const net *net;
    float *weights, *gradients, *buffers; /* at net_tensor.offset; 64-byte aligned tensors */
    uint64_t version; /* raised by whoever changes weights: kernels repack on a new version */
} state;

/* Initialised from the seed: each tensor a function of (seed, its name) alone. `training` false: no
 * gradients. */
state *state_new(const net *n, uint64_t seed, bool training, errors *e);
void state_free(state *s);

#endif
