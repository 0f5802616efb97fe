/* Lookahead: another optimizer takes k steps, and slow weights follow part of the way. */
#include "convoy/optimizer.h"

typedef struct lookahead_config {
    cvy_child optimizer;
    int64_t k;
    double alpha;
} lookahead_config;

static const cvy_param lookahead_params[] = {
    CVY_CHILD(lookahead_config, optimizer, "adam", CVY_OPTIMIZER,
              "the one that takes the steps, with its learning rate"),
    CVY_ALSO("inner base_optimizer inner_optimizer"),
    CVY_INT(lookahead_config, k, 5, 1, 1000000, "steps between two moves of the slow weights"),
    CVY_ALSO("sync_period la_steps slow_step_period"),
    CVY_FLOAT(lookahead_config, alpha, 0.5, 0, 1,
              "how far the slow weights move towards the fast ones, as a share"),
    CVY_ALSO("slow_step_size la_alpha"),
};

static const char *const *lookahead_slots(const void *config)
{
    static const char *const names[] = {"slow", NULL};
    (void)config;
    return names;
}

static void follow(int64_t n, cvy_real *restrict w, cvy_real *restrict slow, cvy_real alpha)
{
    for (int64_t i = 0; i < n; i++) {
        slow[i] += alpha * (w[i] - slow[i]);
        w[i] = slow[i];
    }
}

static int lookahead_update(const cvy_update *u, const void *config)
{
    const lookahead_config *c = config;
    const cvy_optimizer *inner = c->optimizer.plugin->type;
    cvy_real *slow = u->slots[0];
    for (int64_t i = 0; u->step == 1 && i < u->n; i++) slow[i] = u->w[i];
    cvy_update step = *u;
    step.slots = u->slots + 1;
    if (inner->update(&step, c->optimizer.config)) return 1;
    if (u->step % c->k == 0) follow(u->n, u->w, slow, (cvy_real)c->alpha);
    return 0;
}

static const cvy_optimizer lookahead_type = {sizeof(cvy_optimizer), 1, lookahead_slots, lookahead_update};

CVY_PLUGIN(CVY_OPTIMIZER, lookahead, "Lookahead LookAhead",
           "k steps forward, one step back: slow weights around another optimizer",
           "Zhang et al. 2019, Lookahead Optimizer: k steps forward, 1 step back, algorithm 1; the inner "
           "optimizer keeps its state when the weights go back",
           lookahead_config, &lookahead_type, CVY_PARAMS(lookahead_params));
