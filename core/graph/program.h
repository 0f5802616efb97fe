/* The graph of operators inside a plan, as the passes of this room see it. Private to graph/.
 *
 * In the order in which plan.c calls them:
 *   lower.c     turns layers into forward steps; fit.c says whether what a layer's `lower` asks for is an operator at all, and
 *               plain.c is the kernel of those that call a layer's own code
 *   fuse.c      merges neighbours
 *   autodiff.c  appends the backward steps
 *   layout.c    chooses a kernel and layouts for each step and inserts conversions
 *   absorb.c    has convolutions do the batch normalisation that they alone read
 *   plan.c      has the kernels make ready
 *   memory.c    places the values
 * plan.c then runs the steps; plan_show.c says what was decided. */
#ifndef GRAPH_PROGRAM_H
#define GRAPH_PROGRAM_H

#include "graph/net.h"
#include "graph/plan.h"
#include "graph/state.h"
#include "ops/kernel.h"
#include "plugin/host.h"

typedef enum value_kind {
    VALUE_ACTIVATION, /* lives in the plan's memory */
    VALUE_INPUT,      /* the batch, the caller's */
    VALUE_WEIGHT,     /* state.weights + offset */
    VALUE_GRADIENT,   /* state.gradients + offset */
    VALUE_BUFFER      /* state.buffers + offset */
} value_kind;

typedef struct value {
    value_kind kind;
    tensor t;        /* layout is set by layout.c */
    int64_t offset;  /* floats into the state's array; bytes into the plan's memory once placed */
    bool frozen;     /* weights: their gradient is not wanted */
    int first, last; /* lifetime in steps, for activations */
    int root;        /* the value whose memory this one shares, itself otherwise */
    void *data;      /* set by plan_bind and, for the input, per run */
} value;

#define NO_VALUE (-1)

typedef struct instruction {
    op o;          /* operands o.in, o.out are filled from the values when kernels are chosen */
    int *in, *out; /* values; NO_VALUE for an output not wanted */
    int n_in, n_out;
    int unit; /* net node it came from */
    bool backward, dead;
    const kernel *kernel;
    kernel_plan made;
    bool
        packs; /* its weights each time it runs, into the plan's memory, where others use the place as well */
    size_t room, place;         /* what it needs there while it runs: bytes, and where */
    void *packed;               /* the weights as the kernel wants them */
    void **in_data, **out_data; /* as the kernel gets them */
    double seconds;
    int64_t runs;
} instruction;

/* A value that the loss is taken of: the network's output, in training also its heads. */
typedef struct ending {
    int value, gradient;
    int unit; /* net node */
    double weight;
    bool watched; /* no loss is taken of it: it is looked at, and its gradient is what comes back to it */
} ending;

typedef struct program {
    arena memory;
    const net *net;
    state *state;
    machine machine;
    plan_options options;
    cvy_shape *shapes; /* per node, batched */
    int64_t *saved, *scratch;
    value *values;
    size_t n_values, cap_values;
    instruction *steps;
    size_t n_steps, cap_steps;
    size_t n_forward; /* steps before the loss */
    int *node_value;  /* value of each node's output; NO_VALUE: not needed */
    int input;
    ending *ends; /* the first is the output */
    size_t n_ends;
    size_t bytes;
    void *memory_base;
    void *kept; /* packed weights that stay as long as the weights do */
    size_t kept_bytes;
    double pack_seconds;
    uint64_t packed; /* state.version that `kept` is of */
    errors *e;       /* of the running call: where plain code reports */
} program;

struct plan {
    program p;
    char **layouts; /* per step: text of plan_step_info.layouts */
    uint64_t step_now;
    int64_t first_sample;
    void (*saw)(void *ctx, size_t step, double start, double end); /* plan_watch() */
    void *saw_ctx;
};

int program_value(program *p, value_kind kind, const tensor *t, int64_t offset);
/* Appends a step and returns its index. The arrays are copied. */
int program_step(program *p, op_type type, const op_attr *attr, const int *in, int n_in, const int *out,
                 int n_out, int unit, bool backward);
/* Whether the plan's options let k be chosen. */
bool program_allows(const program *p, const kernel *k);
/* Compacts away dead steps. */
void program_sweep(program *p);
bool program_is_activation(const program *p, int v);
bool program_is_end(const program *p, int v); /* whether the loss reads it */
/* The random numbers given for a node instead of drawn, or NULL. */
plan_draw *program_draw(const program *p, int unit);

cvy_status lower_net(program *p, errors *e);
void fuse_steps(program *p);
cvy_status autodiff(program *p, errors *e);
cvy_status layout_choose(program *p, errors *e);
void absorb_steps(program *p);
void memory_place(program *p);

/* plan_show.c: fills plan.layouts. */
void plan_write_layouts(plan *pl);

/* plain.c: the kernels that call a layer's own code. */
extern const kernel plain_forward_kernel, plain_backward_kernel;
cvy_status plain_prepare(program *p, instruction *s, errors *e);

#endif
