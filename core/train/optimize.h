/* The optimizer at work on a network's state: its plugin, configuration and state arrays. */
#ifndef TRAIN_OPTIMIZE_H
#define TRAIN_OPTIMIZE_H

#include "convoy/optimizer.h"
#include "graph/state.h"
#include "plugin/host.h"

typedef struct optimizer {
    const cvy_child *plugin;
    const cvy_optimizer *type;
    state *s;
    const char *const *names; /* of the slots */
    size_t n_slots;
    float *slots[CVY_MAX_SLOTS];                            /* of the weights that are trained */
    int64_t *at;                                            /* per weight: where in each slot; -1: frozen */
    int64_t floats;                                         /* of a slot */
    uint64_t seed;                                          /* of the run; keys what the plugin draws */
    void (*log)(void *ctx, const char *name, double value); /* where cvy_log() goes; NULL: nowhere */
    void *log_ctx;
} optimizer;

cvy_status optimizer_init(optimizer *o, const cvy_child *plugin, state *s, errors *e);
void optimizer_free(optimizer *o);
/* One update of all weights that are not frozen, from state.gradients; `step` counts from 1. */
cvy_status optimizer_update(optimizer *o, int64_t step, double lr_factor, errors *e);
/* The learning rate of the configuration, for the log; 0 when the plugin has none. */
double optimizer_lr(const optimizer *o);

#endif
