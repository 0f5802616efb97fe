/* A network as layers: the model's items with composites expanded into primitives, shapes inferred, weights
 * named. Independent of batch size, layouts and kernels; those belong to a plan (graph/plan.h). */
#ifndef GRAPH_NET_H
#define GRAPH_NET_H

#include "config/tree.h"
#include "convoy/layer.h"
#include "plugin/registry.h"

/* A primitive layer in place, or (index 0) the network's input. */
typedef struct net_node {
    const char *path;             /* "stage1.block0.conv1"; "input" for node 0 */
    const cvy_descriptor *plugin; /* NULL for node 0 */
    const cvy_layer *layer;
    const void *config;
    place at; /* of the item in the model that it came from */
    int n_in;
    int *in;       /* nodes */
    cvy_shape out; /* for a batch of 1 */
    uint32_t traits;
    int64_t macs;                /* per sample */
    int first_weight, n_weights; /* in net.weights */
    int first_buffer, n_buffers; /* in net.buffers */
    bool evaluates; /* as in evaluation, also in training: its buffers are frozen; see freeze.h */
} net_node;

/* A weight or buffer: a dense array in the state, at `offset` floats. */
typedef struct net_tensor {
    const char *name; /* "stage1.block0.conv1.weight" */
    cvy_shape shape;
    cvy_init init;
    int64_t count, offset;
    bool frozen; /* not trained, not moved: stays bit for bit */
} net_tensor;

/* A node whose loss is added to the network's own in training. */
typedef struct net_head {
    int node;
    double weight;
} net_head;

typedef struct net {
    arena memory;
    net_node *nodes;
    size_t n_nodes, cap_nodes;
    net_tensor *weights, *buffers;
    size_t n_weights, cap_weights, n_buffers, cap_buffers;
    int64_t weight_floats, buffer_floats; /* of the state's arrays, alignment included */
    int output;                           /* node */
    net_head *heads;                      /* auxiliary ones */
    size_t n_heads, cap_heads;
    int classes;
    int64_t parameters, macs; /* totals: elements of weights; MACs per sample */
} net;

/* Builds from a list of items. `sample` is (C, H, W) or another rank without batch. Reports every layer that
 * does not fit, with its place and what its inputs give. NULL then. */
net *net_build(const node *layers, const cvy_shape *sample, int classes, registry *r, errors *e);
void net_free(net *n);

/* Re-infers every node for a batch: shapes[n_nodes], saved[n_nodes], scratch[n_nodes] (any may be NULL). `sample`: of what
 * shape the samples are, NULL as in net_build(). Of another size, they are refused by layers whose weights would be others.
 */
cvy_status net_infer(const net *n, const cvy_shape *sample, int64_t batch, cvy_shape *shapes, int64_t *saved,
                     int64_t *scratch, errors *e);

/* "(N, 16, 32, 32)" */
void net_shape_text(const cvy_shape *s, text *out);

#endif
