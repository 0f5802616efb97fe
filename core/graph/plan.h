/* A network made ready to run for one batch size: operators, fused, with a kernel and layouts each, in one
 * piece of memory. Training has one plan for full batches, one for the last partial one, one for evaluation,
 * over one state and one memory. Knows no dataset, loss, epoch. */
#ifndef GRAPH_PLAN_H
#define GRAPH_PLAN_H

#include "device/machine.h"
#include "graph/net.h"
#include "graph/state.h"

typedef struct plan plan;

/* Random numbers of a layer that are given instead of drawn, to compare with another framework's mask. */
typedef struct plan_draw {
    const char *path;     /* of the layer, which then computes by its own code */
    const float *numbers; /* on [0, 1): `count` of them, `sample` for each sample */
    int64_t count, sample;
    /* Set by the layer's drawing. */
    int64_t end; /* how far it came; more than `count`: it asked for numbers that were not given */
    bool used;   /* once it has asked for some */
} plan_draw;

/* How convolutions are computed. Winograd's sum rounds more than the direct one. */
typedef enum plan_algorithm {
    PLAN_AUTO,    /* each as it is estimated to take least time */
    PLAN_DIRECT,  /* no kernels that round more than the direct sum */
    PLAN_WINOGRAD /* Winograd's wherever it can */
} plan_algorithm;

typedef struct plan_options {
    int64_t batch;
    cvy_shape sample;   /* without batch; of rank 0: the network's own */
    bool train;         /* forward with batch statistics and dropout, and backward */
    bool plain;         /* every layer by its own plain code: the reference */
    bool no_fusion;     /* neighbouring operators are not merged */
    bool no_absorption; /* convolutions do not normalise what they read */
    plan_algorithm algorithm;
    /* Whether a kernel, such as "winograd" for "conv.bwd_data", may be chosen: to measure what it is worth. NULL: all of them. The
     * reference is there in any case. */
    bool (*allows)(void *ctx, const char *kernel, const char *operator);
    void *allows_ctx;
    bool profile;  /* accumulate time per step */
    uint64_t seed; /* keys dropout */
    void (*log)(void *ctx, const char *name,
                double value); /* where cvy_log() of layers goes; NULL: nowhere */
    void *log_ctx;
    plan_draw *draws;
    size_t n_draws;
    /* Nodes whose outputs are to be looked at (node 0: the input): further endings behind the heads, alive as long as the
     * output. With `train` the gradient of each is kept too; see plan_end(). */
    const int *watched;
    size_t n_watched;
} plan_options;

plan *plan_new(const net *n, state *s, const machine *m, const plan_options *o, errors *e);
void plan_free(plan *p);

/* Memory the plan needs; several plans that never run at once share one: give it to each, aligned to 64
 * bytes. */
size_t plan_bytes(const plan *p);
void plan_bind(plan *p, void *memory);

/* Forward on x, (batch, sample...) plain floats that must stay valid until backward is through. `step` and
 * `first_sample` position the random masks. */
cvy_status plan_forward(plan *p, const float *x, uint64_t step, int64_t first_sample, errors *e);
/* The output, plain, of *shape; valid until the next plan on this memory runs (in training until
 * plan_backward). */
float *plan_output(plan *p, cvy_shape *shape);
/* Where the loss writes its gradient before plan_backward; of the output's shape. */
float *plan_output_gradient(plan *p);
/* What the loss is taken of: first the output, in training behind it the heads, all alive as long as the output. The
 * gradient of each must be written before plan_backward, times its weight. Behind them come the watched nodes: their
 * gradient is there when plan_backward() is through, NULL where none comes back to them; y is gone by then. */
typedef struct plan_ending {
    const char *path; /* of the layer */
    cvy_shape shape;
    float *y, *gradient; /* plain; gradient NULL in evaluation */
    double weight;       /* 1 for the output; 0 for a watched node */
} plan_ending;

size_t plan_ends(const plan *p);
plan_ending plan_end(plan *p, size_t i);
/* Zero gradients for the heads, for those who differentiate the output alone. */
void plan_silence_heads(plan *p);
/* Fills state.gradients. */
cvy_status plan_backward(plan *p, errors *e);
/* Where a number that is not finite first came up. */
typedef struct plan_suspect {
    const char *path, *plugin; /* of the layer; of its kind */
    const char *weight; /* whose gradient it is; NULL: the output, in backward the gradient of the input */
} plan_suspect;

/* Does the forward pass of the last plan_forward() again, step by step, looking at what each leaves behind before memory is
 * used again. False: all of it is finite. Buffers stay as they are. */
bool plan_suspect_forward(plan *p, plan_suspect *out);
/* The same for the backward pass, when a plan_suspect_forward() has found nothing and the ends have their gradients. */
bool plan_suspect_backward(plan *p, plan_suspect *out);

/* Which of a layer's gradients a step is about; both where it makes all at once. */
typedef enum plan_pass { PASS_FORWARD, PASS_BACKWARD, PASS_BACKWARD_DATA, PASS_BACKWARD_WEIGHTS } plan_pass;

const char *plan_pass_name(plan_pass pass); /* "forward", "backward", "backward-data", "backward-weights" */

/* What the planner decided, for `model --layouts`, `profile` and the run's record. */
typedef struct plan_step_info {
    const char *path;       /* of the layer it came from */
    const char *op;         /* "conv", "convert", ... */
    const char *kernel;     /* "onednn", "lanes", "reference", "plain" */
    const char *algorithm;  /* of convolutions and products: "direct", "winograd", "sgemm"; else "" */
    const cvy_shape *shape; /* of what comes out, in the first place */
    const char *layouts;    /* "plain -> c16"; of the tensors, without weights */
    const char *fused; /* what was merged into it: "statistics", "residual, relu", "batch norm before", "" */
    bool backward, conversion;
    plan_pass pass;
    int64_t macs, bytes;
    double seconds; /* accumulated under options.profile */
    int64_t runs;
} plan_step_info;

size_t plan_steps(const plan *p);
plan_step_info plan_step(const plan *p, size_t i);
/* Has `saw` called after each step that runs, with when it began and ended (CLOCK_MONOTONIC, seconds), and after the packing of
 * weights as step PLAN_PACKING. NULL: no longer. */
#define PLAN_PACKING SIZE_MAX
void plan_watch(plan *p, void (*saw)(void *ctx, size_t step, double start, double end), void *ctx);
double plan_pack_seconds(const plan *p); /* spent packing weights, under options.profile */
size_t plan_conversions(const plan *p, bool backward);

#endif
