/* Divides by the gradient's length over the whole tensor and says that it works element by element. */
#include <math.h>
#include "convoy/optimizer.h"

static const char *const *slots(const void *config)
{
    (void)config;
    return 0;
}

static int update(const cvy_update *u, const void *config)
{
    (void)config;
    double squares = 1e-12;
    for (int64_t i = 0; i < u->n; i++) squares += (double)u->g[i] * (double)u->g[i];
    for (int64_t i = 0; i < u->n; i++) u->w[i] -= (cvy_real)(0.01 * u->lr_factor / sqrt(squares)) * u->g[i];
    return 0;
}

static const cvy_optimizer type = {sizeof(cvy_optimizer), 1, slots, update};
CVY_PLUGIN(CVY_OPTIMIZER, optimizer_whole, "", "An optimizer that is broken on purpose", "", cvy_no_config,
           &type, CVY_NO_PARAMS);
