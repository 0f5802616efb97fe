/* A minimal host for one layer plugin: loads its shared object, fills its config, calls it and watches the
 * contract.
 *
 * Tensors are kept as double whatever the plugin's number type; every call gets fresh arrays of the plugin's
 * own type, outputs and workspace filled with NaN, all with guards behind them. Inputs that the traits do not
 * grant to backward are NaN there. Failures of the contract fail the running cmocka test. */
#ifndef CONFORMANCE_HARNESS_H
#define CONFORMANCE_HARNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/memory.h"
#include "base/text.h"
#include "convoy/layer.h"

#define RIG_MAX 4 /* inputs, weights, buffers */

typedef struct tensor {
    cvy_shape shape;
    int64_t count;
    double *v;
    double *grad;    /* inputs and weights */
    bool not_wanted; /* its gradient: the plugin gets NULL */
    char name[32];   /* weights and buffers */
    cvy_init init;   /* weights; constant for buffers */
} tensor;

typedef struct rig {
    const cvy_descriptor *d;
    const cvy_layer *layer;
    const void *config;
    cvy_host host;
    bool train;    /* set by the test; true at first */
    bool in_place; /* set by the test: y is x[0], gx[0] is gy */
    int32_t n_in, n_weights, n_buffers;
    tensor x[RIG_MAX], weight[RIG_MAX], buffer[RIG_MAX], y; /* y.grad is gy, set by the test */
    uint32_t traits;
    int64_t macs, saved_bytes, scratch_bytes;
    void *saved;
    arena memory;
    char error[1024];    /* what cvy_fail() was told */
    char warnings[1024]; /* lines */
} rig;

/* The layer's descriptor, or that of its double twin. */
const cvy_descriptor *rig_descriptor(const char *layer, bool twin);
/* `params` as in an experiment file, without the braces: "channels: 4, kernel: 3". */
void rig_open(rig *r, const char *layer, bool twin, const char *params);
/* Infers and allocates; false with r->error set when the plugin refuses. */
bool rig_infer(rig *r, int32_t n_in, const cvy_shape *in);
void rig_forward(rig *r);
void rig_backward(rig *r);
void rig_close(rig *r);

/* Fills with numbers on [-2, 2] that are multiples of 1/64 (exact in float) and a function of (id, i) alone;
 * make_references.py draws the same. */
void rig_fill(double *v, int64_t count, uint32_t id);
/* Inputs get ids 0.., weights 10.., gy 50. */
void rig_fill_all(rig *r);

/* The operators that lower() emits, one a line, then the value it returns, `plain` when its own code is to run:
 *   v0 = conv(x0, w0, w1) stride 1 1 dilation 1 1 padding 0 0 0 0 groups 1 flip 0
 *   -> v0 */
void rig_lower(rig *r, text *out);
/* The layers that build() makes, one a line, then the node it returns:
 *   1 = block0.conv1 conv2d(0) {channels: 16, kernel: 3} (2, 16, 8, 8)
 *   -> 1
 * A negative node is a failure, told in r->error. */
void rig_build(rig *r, int32_t n_in, const cvy_shape *in, text *out);
/* The filled config of a plugin, living in the arena. */
const void *rig_config(arena *a, const cvy_descriptor *d, const char *params);

#endif
