/* Layers. A layer computes in one of three ways:
 *   composite:             `build` makes it of other layers; it has no arithmetic of its own;
 *   primitive:             `forward` and `backward` on dense NCHW arrays of cvy_real, in readable C;
 *   primitive, lowered too: `lower` says the same in the core's operators, where the speed is.
 * A layer of one's own needs `infer`, `forward` and `backward`; it works anywhere in any network, the core
 * converting layouts around it. The file plugins/layers/relu.c is the shortest complete example. */
#ifndef CONVOY_LAYER_H
#define CONVOY_LAYER_H

#include "convoy/ops.h"
#include "convoy/plugin.h"

/* ---- infer: shapes, weights, needs ---- */

typedef enum cvy_init_kind {
    CVY_INIT_CONSTANT = 1, /* a: the value */
    CVY_INIT_UNIFORM,      /* on [-a, a] */
    CVY_INIT_NORMAL        /* mean 0, standard deviation a */
} cvy_init_kind;

typedef struct cvy_init {
    uint32_t kind; /* cvy_init_kind */
    double a;
} cvy_init;

/* What backward reads and what it promises; combined in cvy_infer.traits. */
#define CVY_READS_X  0x1u /* backward reads the inputs */
#define CVY_READS_Y  0x2u /* backward reads the output */
#define CVY_IN_PLACE 0x4u /* y may be the array of x[0], and gx[0] that of gy */
#define CVY_ACCUMULATES \
    0x8u /* backward adds into gx and gw (the core zeroes them first) instead of overwriting */
#define CVY_NO_BACKWARD 0x10u /* has no gradient with regard to its inputs */

typedef struct cvy_infer {
    const cvy_host *host;
    void *core;
    int32_t n_in;
    const cvy_shape *in; /* n_in batched shapes */
    /* to be filled */
    cvy_shape out; /* out.dim[0] must be the batch */
    uint32_t traits;
    int64_t macs; /* multiply-accumulates of convolutions and linear maps for one sample, without bias */
    int64_t saved_bytes;   /* kept from forward to backward for the batch; 0 in evaluation */
    int64_t scratch_bytes; /* available during a call */
    /* Declares the next weight (0, 1, ...): trained, named PATH.name. Nonzero after reporting a failure. */
    int (*weight)(struct cvy_infer *in, const char *name, const cvy_shape *shape, cvy_init init);
    /* Declares the next buffer: kept and saved, not trained (running statistics), starting at `value`. */
    int (*buffer)(struct cvy_infer *in, const char *name, const cvy_shape *shape, double value);
    /* A warning with the layer's place: "a stride of 2 drops the last column of 15". */
    void (*warn)(struct cvy_infer *in, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
} cvy_infer;

static inline cvy_init cvy_constant(double value)
{
    cvy_init i = {CVY_INIT_CONSTANT, value};
    return i;
}

/* ---- plain: the reference, dense NCHW ---- */

typedef struct cvy_plain {
    const cvy_host *host;
    void *core;
    int32_t train; /* 1 in training, 0 in evaluation. A layer whose buffers the user froze computes with 0 in
                      training too; then backward may follow, and `saved` is there for both. */
    int32_t n_in;
    const cvy_shape *in;
    const cvy_shape *out;
    const cvy_real *const *x; /* inputs; in backward valid only under CVY_READS_X */
    cvy_real *y;              /* output; in backward valid only under CVY_READS_Y */
    const cvy_real *const *w; /* weights in the order declared */
    cvy_real *const *buffers; /* in the order declared; forward may update them in training */
    void *saved;              /* saved_bytes, 64-byte aligned, kept from forward to backward */
    void *scratch;            /* scratch_bytes, 64-byte aligned, undefined on entry */
    /* backward only. Gradients are overwritten unless the traits say CVY_ACCUMULATES. */
    const cvy_real *gy;
    cvy_real *const *gx; /* per input; NULL: not wanted */
    cvy_real *const *gw; /* per weight; NULL: not wanted */
    /* `count` uniform numbers on [0, 1) for elements first, first+1, ... of sample `n`: a function of (seed,
     * layer, step, n, element), so forward and backward of one step draw the same. */
    void (*uniform)(const struct cvy_plain *call, int64_t n, int64_t first, int64_t count, float *out);
} cvy_plain;

/* ---- lower: the same in operators ---- */

typedef int32_t cvy_value; /* handle; negative: failed, and operators on it fail quietly */

/* What lower() returns, instead of calling op(), where the operators cannot say what is configured: forward() and
 * backward() are called after all. */
#define CVY_PLAIN ((cvy_value)INT32_MIN)

typedef struct cvy_lower {
    const cvy_host *host;
    void *core;
    int32_t train;
    int32_t n_in;
    const cvy_shape *in;
    const cvy_shape *out;
    cvy_value (*op)(struct cvy_lower *l, cvy_op op, const cvy_value *in, int32_t n, const void *attr);
} cvy_lower;

static inline cvy_value cvy_in(int32_t i) /* the layer's input i */
{
    return i;
}

static inline cvy_value cvy_weight(int32_t i) /* its weight i, in the order declared */
{
    return 0x10000 + i;
}

static inline cvy_value cvy_buffer(int32_t i) /* its buffer i */
{
    return 0x20000 + i;
}

/* ---- build: a layer made of layers ---- */

typedef struct cvy_build {
    const cvy_host *host;
    void *core;
    int32_t n_in;
    const cvy_shape *in; /* nodes 0 .. n_in-1 are the inputs */
    /* Adds a layer called `name` below this one (dots make levels) of plugin `type` and returns its node, or
     * -1 after reporting a failure; a negative input gives -1 quietly. The text is the layer's parameters as
     * YAML without braces: "channels: 16, kernel: 3, padding: 1, bias: false"; NULL for none. */
    int32_t (*layer)(struct cvy_build *b, const char *name, const char *type, const int32_t *in, int32_t n,
                     const char *fmt, ...) __attribute__((format(printf, 6, 7)));
    const cvy_shape *(*shape)(struct cvy_build *b, int32_t node); /* valid until the next call; NULL for -1 */
    /* Adds a list of layers that the user wrote (a CVY_LAYERS parameter) below `name`, as a network of its own whose
     * `input` is node `in`: its layers' names and `inputs` are theirs alone. Returns the node of its last layer, `in`
     * for an empty list, or -1 after reporting. An empty name puts the layers directly below this one. */
    int32_t (*layers)(struct cvy_build *b, const char *name, const cvy_layers *list, int32_t in);
    /* Makes a node an output of the network beside its last layer: in training the experiment's loss is taken of it
     * too and added `weight` times; evaluation leaves it out. Nonzero after reporting. */
    int (*head)(struct cvy_build *b, int32_t node, double weight);
} cvy_build;

/* ---- the type ---- */

typedef struct cvy_layer {
    uint32_t size;          /* sizeof(cvy_layer) */
    int32_t min_in, max_in; /* number of inputs accepted; max -1: any */
    /* All return 0, or what cvy_fail() returned. */
    int (*infer)(cvy_infer *in, const void *config); /* primitives; pure */
    int (*forward)(const cvy_plain *call, const void *config);
    int (*backward)(const cvy_plain *call, const void *config);
    cvy_value (*lower)(cvy_lower *l, const void *config); /* optional; returns the output value */
    int32_t (*build)(cvy_build *b, const void *config);   /* composites; returns the output node */
} cvy_layer;

#endif
