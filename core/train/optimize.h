/* The optimizer at work on a network's state: its plugin, configuration and state arrays; what `train:` says of clipping and
 * of single tensors. */
#ifndef TRAIN_OPTIMIZE_H
#define TRAIN_OPTIMIZE_H

#include "convoy/optimizer.h"
#include "graph/state.h"
#include "plugin/host.h"
#include "train/tensor_rules.h"

/* Weights that lie beside each other and are updated alike; one tensor when the plugin wants whole ones. */
typedef struct optimizer_run {
    int64_t first, slot, count; /* floats: where in the state's arrays and in the slots, how many */
    size_t weight;              /* the first one's index */
    double lr;                  /* multiplier */
    bool decays;
} optimizer_run;

typedef struct optimizer {
    const cvy_child *plugin;
    const cvy_optimizer *type;
    bool elementwise; /* with all that it wraps */
    state *s;
    arena memory;
    const char *names[CVY_MAX_SLOTS]; /* of the slots */
    size_t n_slots;
    float *slots[CVY_MAX_SLOTS]; /* of the weights that are trained */
    int64_t *at;                 /* per weight: where in each slot; -1: frozen */
    int64_t floats;              /* of a slot */
    optimizer_run *runs;
    size_t n_runs;
    const void *undecayed;        /* the configuration for weights without decay; NULL: there are none */
    double clip_value, clip_norm; /* 0: not clipped */
    double *squares;              /* of pieces of the gradient */
    size_t n_squares;             /* room for */
    uint64_t seed;                /* of the run; keys what the plugin draws */
    void (*log)(void *ctx, const char *name, double value); /* where cvy_log() goes; NULL: nowhere */
    void *log_ctx;
} optimizer;

cvy_status optimizer_init(optimizer *o, const cvy_child *plugin, state *s, errors *e);
/* What is said of single tensors, from now on; the rules' own memory is not needed later. */
void optimizer_rule(optimizer *o, const tensor_rules *rules);
void optimizer_free(optimizer *o);
/* One update of all weights that are not frozen, from state.gradients, which clipping changes; `step` counts from 1. */
cvy_status optimizer_update(optimizer *o, int64_t step, double lr_factor, errors *e);
/* The learning rate of the configuration, for the log; 0 when the plugin has none. */
double optimizer_lr(const optimizer *o);
/* Whether other weights are kept beside the raw ones (CVY_SLOT_AVERAGE), to be evaluated too. */
bool optimizer_averages(const optimizer *o);
/* Puts them in place of the raw ones, and these where they were; or back. Not before the first update. */
void optimizer_exchange_average(optimizer *o);

#endif
