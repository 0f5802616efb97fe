/* A layer or composite run by the graph room as in a network of its own: by the fast kernels or by plain code. */
#ifndef CHECK_NETBED_H
#define CHECK_NETBED_H

#include "check/layer_cases.h"
#include "graph/net_one.h"
#include "graph/plan.h"

typedef struct netbed {
    net *net;
    state *state;
    plan *plan;
    void *memory;
    size_t bytes;
    float *y, *gy;
    int64_t count; /* of y */
    bool train;
} netbed;

/* False after telling. Close it either way. */
bool netbed_open(netbed *b, specimen *s, const layer_case *c, bool plain, bool train, verdict *v);
void netbed_close(netbed *b);
void netbed_draw(netbed *b, const layer_case *c, uint32_t id);
bool netbed_forward(netbed *b, verdict *v);
/* Forward, and backward in training: gradients in the state. */
bool netbed_step(netbed *b, verdict *v);
/* Compares y, buffers and, in training, all gradients, as testbed_same() does. */
bool netbed_same(const netbed *found, const netbed *expected, double tolerance, verdict *v, const char *what);
/* "weight" of "conv2d.weight", "x" for the input. */
const char *netbed_name(const netbed *b, size_t weight);

#endif
