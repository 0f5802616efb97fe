/* my_plugin, an optimizer: steps along the sign of an averaged gradient (Lion).
 *
 * Chen et al., "Symbolic Discovery of Optimization Algorithms", 2023, algorithm 2. It trains as it stands;
 * change the parameters, the state arrays and the loop.
 *
 *   build:  @CC@
 *   look:   convoy plugin info my_plugin --plugin ./my_plugin.so
 *   train:  convoy run my_plugin.yaml
 *
 * Nothing of Convoy is linked: all that it may call comes with each call. convoy/optimizer.h has the rest. */
#include "convoy/optimizer.h"

/* ---- parameters: what the experiment file may set, as in `optimizer: {type: my_plugin, lr: 1e-3}` ---- */

typedef struct my_plugin_config {
    double lr, beta1, beta2, weight_decay;
} my_plugin_config;

static const cvy_param my_plugin_params[] = {
    /* struct, field, default, least, most, help */
    CVY_FLOAT(my_plugin_config, lr, 1e-3, 0, 1e6, "learning rate"),
    CVY_ALSO("learning_rate eta"), /* what others call it: for suggestions only */
    CVY_FLOAT(my_plugin_config, beta1, 0.9, 0, 1, "share of the average in the direction of a step"),
    CVY_FLOAT(my_plugin_config, beta2, 0.99, 0, 1, "share of the average that is kept from step to step"),
    CVY_FLOAT(my_plugin_config, weight_decay, 0, 0, 1e6,
              "decoupled: this times the weight joins the direction"),
    CVY_ALSO("wd"),
};

/* ---- state: arrays beside each weight, zero before the first step, saved in checkpoints ---- */

static const char *const *my_plugin_slots(const void *config)
{
    static const char *const names[] = {"momentum", NULL};
    (void)config; /* what is kept may depend on the parameters */
    return names;
}

/* ---- one step on n weights w with their gradient g ---- */

static int my_plugin_update(const cvy_update *u, const void *config)
{
    const my_plugin_config *c = config;
    const cvy_real lr = (cvy_real)(c->lr * u->lr_factor); /* the factor is the schedule's */
    const cvy_real beta1 = (cvy_real)c->beta1, beta2 = (cvy_real)c->beta2, decay = (cvy_real)c->weight_decay;
    cvy_real *m = u->slots[0];
    for (int64_t i = 0; i < u->n; i++) {
        const cvy_real mixed = beta1 * m[i] + (1 - beta1) * u->g[i];
        const cvy_real sign = (cvy_real)((mixed > 0) - (mixed < 0));
        u->w[i] -= lr * (sign + decay * u->w[i]);
        m[i] = beta2 * m[i] + (1 - beta2) * u->g[i];
    }
    return 0;
}

static const cvy_optimizer my_plugin_type = {
    .size = sizeof(cvy_optimizer),
    .elementwise = 1, /* each weight by itself: the core may cut a tensor among threads */
    .slots = my_plugin_slots,
    .update = my_plugin_update,
};

/* kind, name, names elsewhere, one line for `convoy plugin info`, paper */
CVY_PLUGIN(CVY_OPTIMIZER, my_plugin, "", "Sign of an averaged gradient (Lion)",
           "Chen et al. 2023, algorithm 2", my_plugin_config, &my_plugin_type, CVY_PARAMS(my_plugin_params));
