/* A network of a single layer with any number of inputs, for comparing and checking plugins. */
#ifndef GRAPH_NET_ONE_H
#define GRAPH_NET_ONE_H

#include "graph/net.h"

/* Builds it from the layer's (or composite's) type and parameters; `params` may be NULL. Its inputs, of the given
 * batched shapes, are weights: weights[0 .. n_in-1] of the net, filled in the state like any others, their gradients
 * coming out beside the layer's own. Those follow, named below `type`: "conv2d.weight", "residual.block0.bn1.bias".
 * `classes` is what the word means in the parameters; 0: unknown. The plan's batch must be in[0].dim[0], and what it
 * is given as the network's own input is never read. NULL after reporting. */
net *net_one_build(registry *r, const char *type, const node *params, const cvy_shape *in, int n_in,
                   int classes, errors *e);

#endif
