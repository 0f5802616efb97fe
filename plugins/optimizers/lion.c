/* Lion: every weight moves by the same amount, in the direction of the sign of a mix of momentum and gradient. */
#include "convoy/optimizer.h"

typedef struct lion_config {
    double lr, beta1, beta2, weight_decay;
} lion_config;

static const cvy_param lion_params[] = {
    CVY_FLOAT(lion_config, lr, 1e-4, 0, 1e6, "learning rate; 3 to 10 times below what AdamW wants"),
    CVY_ALSO("learning_rate eta step_size base_lr"),
    CVY_FLOAT(lion_config, beta1, 0.9, 0, 1, "share of the momentum in the mix that gives the sign"),
    CVY_ALSO("beta_1 betas momentum"),
    CVY_FLOAT(lion_config, beta2, 0.99, 0, 1, "share of the momentum that is kept at each step"),
    CVY_ALSO("beta_2"),
    CVY_FLOAT(lion_config, weight_decay, 0, 0, 1e6,
              "decoupled decay: each step takes learning rate times this off the weight"),
    CVY_ALSO("decay l2 wd"),
};

static const char *const *lion_slots(const void *config)
{
    static const char *const names[] = {"momentum", NULL};
    (void)config;
    return names;
}

typedef struct rates {
    cvy_real lr, keep, keep1, take1, keep2, take2;
} rates;

static void step(int64_t n, cvy_real *restrict w, const cvy_real *restrict g, cvy_real *restrict m, rates r)
{
    for (int64_t i = 0; i < n; i++) {
        cvy_real mix = r.keep1 * m[i] + r.take1 * g[i];
        cvy_real sign = (cvy_real)((mix > 0) - (mix < 0));
        w[i] = r.keep * w[i] - r.lr * sign;
        m[i] = r.keep2 * m[i] + r.take2 * g[i];
    }
}

static int lion_update(const cvy_update *u, const void *config)
{
    const lion_config *c = config;
    double lr = c->lr * u->lr_factor;
    rates r = {(cvy_real)lr,       (cvy_real)(1 - lr * c->weight_decay),
               (cvy_real)c->beta1, (cvy_real)(1 - c->beta1),
               (cvy_real)c->beta2, (cvy_real)(1 - c->beta2)};
    step(u->n, u->w, u->g, u->slots[0], r);
    return 0;
}

static const cvy_optimizer lion_type = {sizeof(cvy_optimizer), 1, lion_slots, lion_update};

CVY_PLUGIN(CVY_OPTIMIZER, lion, "Lion EvoLved_Sign_Momentum", "the sign of interpolated momentum",
           "Chen et al. 2023, Symbolic Discovery of Optimization Algorithms, algorithm 2", lion_config,
           &lion_type, CVY_PARAMS(lion_params));
