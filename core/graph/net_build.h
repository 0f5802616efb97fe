/* Shared by the two halves of net building: wiring of items (wiring.c) and adding of layers (net.c). Private.
 */
#ifndef GRAPH_NET_BUILD_H
#define GRAPH_NET_BUILD_H

#include "config/params.h"
#include "graph/net.h"
#include "plugin/host.h"

typedef struct node node_t; /* a YAML node, beside net_node */

typedef struct builder {
    net *net;
    registry *registry;
    params_env env;
    errors *e;
    int depth; /* of composites */
    int lists; /* added so far */
} builder;

int net_add_input(net *n, const char *path, const cvy_shape *batched);
/* Adds a layer that computes itself, its configuration filled; its node, or -1 after reporting. */
int net_add_primitive(builder *b, const char *path, const cvy_descriptor *d, const void *config,
                      const int *in, int n_in, const place *at);
/* Adds a layer, or the layers that a composite is made of; the node of its output, or -1 after reporting. */
int net_add_layer(builder *b, const char *path, const char *type, const node_t *params, const int *in,
                  int n_in, const place *at);

/* Adds a list of layers as it stands under `model:`, their paths below `path` ("" for the network's own), from node
 * `input`. The node of the last layer, or -1 after reporting; `input` for an empty list. */
int net_add_list(builder *b, const char *path, const node_t *layers, int input);

#endif
