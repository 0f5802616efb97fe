/* Adds the gradient, and does not look at lr_factor. */
#include "convoy/optimizer.h"

typedef struct uphill_config {
    double lr;
} uphill_config;

static const cvy_param uphill_params[] = {
    CVY_FLOAT(uphill_config, lr, 0.1, 0, 10, "learning rate"),
};

static const char *const *slots(const void *config)
{
    (void)config;
    return 0;
}

static int update(const cvy_update *u, const void *config)
{
    const uphill_config *c = config;
    for (int64_t i = 0; i < u->n; i++) u->w[i] += (cvy_real)c->lr * u->g[i];
    return 0;
}

static const cvy_optimizer type = {sizeof(cvy_optimizer), 1, slots, update};
CVY_PLUGIN(CVY_OPTIMIZER, optimizer_uphill, "", "An optimizer that is broken on purpose", "", uphill_config,
           &type, CVY_PARAMS(uphill_params));
