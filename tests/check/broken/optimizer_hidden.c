/* Keeps its momentum in a global. */
#include "convoy/optimizer.h"

static cvy_real velocity[64];

static const char *const *slots(const void *config)
{
    (void)config;
    return 0;
}

static int update(const cvy_update *u, const void *config)
{
    (void)config;
    for (int64_t i = 0; i < u->n && i < 64; i++) {
        velocity[i] = u->step == 1 ? u->g[i] : (cvy_real)0.5 * velocity[i] + u->g[i];
        u->w[i] -= (cvy_real)(0.01 * u->lr_factor) * velocity[i];
    }
    return 0;
}

static const cvy_optimizer type = {sizeof(cvy_optimizer), 0, slots, update};
CVY_PLUGIN(CVY_OPTIMIZER, optimizer_hidden, "", "An optimizer that is broken on purpose", "", cvy_no_config,
           &type, CVY_NO_PARAMS);
