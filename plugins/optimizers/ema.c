/* EMA: another optimizer takes the steps, and a moving average of the weights is kept beside them. */
#include "convoy/optimizer.h"

typedef struct ema_config {
    cvy_child optimizer;
    double decay;
} ema_config;

static const cvy_param ema_params[] = {
    CVY_CHILD(ema_config, optimizer, "adam", CVY_OPTIMIZER,
              "the one that takes the steps, with its learning rate"),
    CVY_ALSO("inner base_optimizer inner_optimizer"),
    CVY_FLOAT(ema_config, decay, 0.999, 0, 1,
              "share of the average that is kept at each step; it starts as the first weights"),
    CVY_ALSO("ema_momentum momentum average_decay"),
};

static const char *const *ema_slots(const void *config)
{
    static const char *const names[] = {CVY_SLOT_AVERAGE, NULL};
    (void)config;
    return names;
}

static void blend(int64_t n, const cvy_real *restrict w, cvy_real *restrict average, cvy_real take)
{
    for (int64_t i = 0; i < n; i++) average[i] += take * (w[i] - average[i]);
}

static int ema_update(const cvy_update *u, const void *config)
{
    const ema_config *c = config;
    const cvy_optimizer *inner = c->optimizer.plugin->type;
    cvy_real *average = u->slots[0];
    for (int64_t i = 0; u->step == 1 && i < u->n; i++) average[i] = u->w[i];
    cvy_update step = *u;
    step.slots = u->slots + 1;
    if (inner->update(&step, c->optimizer.config)) return 1;
    blend(u->n, u->w, average, (cvy_real)(1 - c->decay));
    return 0;
}

static const cvy_optimizer ema_type = {sizeof(cvy_optimizer), 1, ema_slots, ema_update};

CVY_PLUGIN(
    CVY_OPTIMIZER, ema, "EMA ExponentialMovingAverage MovingAverage",
    "a moving average of the weights beside another optimizer's steps",
    "Polyak and Juditsky 1992, Acceleration of Stochastic Approximation by Averaging, with exponentially "
    "falling shares as in Szegedy et al. 2016, Rethinking the Inception Architecture, section 8",
    ema_config, &ema_type, CVY_PARAMS(ema_params));
