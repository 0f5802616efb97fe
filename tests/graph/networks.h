/* Networks for the graph's tests: built from YAML text, with the plugins of the build tree. */
#ifndef TESTS_GRAPH_NETWORKS_H
#define TESTS_GRAPH_NETWORKS_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/parallel.h"
#include "base/philox.h"
#include "device/buffer.h"
#include "graph/net.h"
#include "graph/plan.h"

typedef struct network {
    arena memory;
    errors e;
    registry *registry;
    net *net;
} network;

/* With net NULL when the text is refused; the messages are in e then. */
static inline network network_with(const char *yaml, int c, int h, int w, int classes,
                                   const char *plugin_path)
{
    network n = {0};
    setenv("CONVOY_PLUGIN_PATH", plugin_path, 1);
    n.registry = registry_open(NULL, 0, &n.e);
    assert_non_null(n.registry);
    const struct node *layers = tree_read_text(&n.memory, "model", yaml, strlen(yaml), &n.e);
    cvy_shape sample = {3, {c, h, w}};
    if (layers) n.net = net_build(layers, &sample, classes, n.registry, &n.e);
    return n;
}

static inline network network_of(const char *yaml, int c, int h, int w, int classes)
{
    return network_with(yaml, c, h, w, classes, BINARY_DIR "/plugins");
}

static inline void network_print(const network *n)
{
    text t = {0};
    errors_text(&n->e, false, &t);
    if (t.n) print_message("%s", text_str(&t));
    text_free(&t);
}

static inline void network_free(network *n)
{
    net_free(n->net);
    registry_free(n->registry);
    errors_free(&n->e);
    arena_free(&n->memory);
}

/* A plan with memory of its own. */
typedef struct bound {
    plan *plan;
    void *memory;
    size_t bytes;
} bound;

static inline bound bound_of(network *n, state *s, const machine *m, plan_options o)
{
    bound b = {.plan = plan_new(n->net, s, m, &o, &n->e)};
    if (!b.plan) network_print(n);
    assert_non_null(b.plan);
    b.bytes = plan_bytes(b.plan);
    b.memory = buffer_new(b.bytes + 64, &n->e);
    assert_non_null(b.memory);
    plan_bind(b.plan, b.memory);
    return b;
}

static inline void bound_free(bound *b)
{
    plan_free(b->plan);
    buffer_free(b->memory, b->bytes + 64);
}

static inline float *noise(size_t n, uint32_t seed)
{
    float *x = mem_array(n, sizeof *x);
    philox_stream s = philox_open(philox_key_of(seed, "test", "noise"), 0, 0);
    for (size_t i = 0; i < n; i++) x[i] = (float)philox_normal(&s);
    return x;
}

#endif
