/* Adagrad: each weight's learning rate falls with the root of the sum of its squared gradients. */
#include <math.h>
#include "convoy/optimizer.h"

typedef struct adagrad_config {
    double lr, lr_decay, eps, weight_decay, initial_accumulator;
} adagrad_config;

static const cvy_param adagrad_params[] = {
    CVY_FLOAT(adagrad_config, lr, 0.01, 0, 1e6, "learning rate"),
    CVY_ALSO("learning_rate eta step_size base_lr"),
    CVY_FLOAT(adagrad_config, lr_decay, 0, 0, 1e6,
              "divides the learning rate of step t by 1 + (t - 1) lr_decay"),
    CVY_FLOAT(adagrad_config, eps, 1e-10, 1e-30, 1e6, "added to the root, against division by zero"),
    CVY_ALSO("epsilon"),
    CVY_FLOAT(adagrad_config, weight_decay, 0, 0, 1e6,
              "L2 penalty: this times the weight is added to the gradient"),
    CVY_ALSO("decay l2 wd"),
    CVY_FLOAT(adagrad_config, initial_accumulator, 0, 0, 1e6, "where the sums of squares start"),
    CVY_ALSO("initial_accumulator_value"),
};

static const char *const *adagrad_slots(const void *config)
{
    static const char *const names[] = {"sum", NULL};
    (void)config;
    return names;
}

static void step(int64_t n, cvy_real *restrict w, const cvy_real *restrict g, cvy_real *restrict sum,
                 cvy_real lr, cvy_real decay, cvy_real eps, cvy_real start)
{
    for (int64_t i = 0; i < n; i++) {
        cvy_real d = g[i] + decay * w[i];
        cvy_real s = (sum[i] + start) + d * d;
        sum[i] = s;
        w[i] -= lr * d / (cvy_sqrt(s) + eps);
    }
}

static int adagrad_update(const cvy_update *u, const void *config)
{
    const adagrad_config *c = config;
    double lr = c->lr * u->lr_factor / (1 + (double)(u->step - 1) * c->lr_decay);
    /* State arrays start as zeros; the first step brings the sums to where they should start. */
    cvy_real start = u->step == 1 ? (cvy_real)c->initial_accumulator : 0;
    step(u->n, u->w, u->g, u->slots[0], (cvy_real)lr, (cvy_real)c->weight_decay, (cvy_real)c->eps, start);
    return 0;
}

static const cvy_optimizer adagrad_type = {sizeof(cvy_optimizer), 1, adagrad_slots, adagrad_update};

CVY_PLUGIN(CVY_OPTIMIZER, adagrad, "Adagrad AdaGrad ada_grad",
           "per-weight learning rates from the sum of squared gradients",
           "Duchi, Hazan and Singer 2011, Adaptive Subgradient Methods for Online Learning and Stochastic "
           "Optimization, fig. 1, diagonal case; eps is added outside the root, as in PyTorch",
           adagrad_config, &adagrad_type, CVY_PARAMS(adagrad_params));
