/* Stochastic gradient descent, with momentum (classical or Nesterov's) and weight decay. */
#include "convoy/optimizer.h"

typedef struct sgd_config {
    double lr, momentum, dampening, weight_decay;
    int32_t nesterov;
} sgd_config;

static const cvy_param sgd_params[] = {
    CVY_FLOAT(sgd_config, lr, 0.01, 0, 1e6, "learning rate"),
    CVY_ALSO("learning_rate eta step_size base_lr"),
    CVY_FLOAT(sgd_config, momentum, 0, 0, 1, "share of the last step's velocity that is kept"),
    CVY_FLOAT(sgd_config, dampening, 0, 0, 1, "share of the gradient kept out of the velocity"),
    CVY_BOOL(sgd_config, nesterov, false, "Nesterov's momentum; needs momentum above 0 and dampening 0"),
    CVY_ALSO("use_nesterov"),
    CVY_FLOAT(sgd_config, weight_decay, 0, 0, 1e6,
              "L2 penalty: this times the weight is added to the gradient"),
    CVY_ALSO("decay l2 wd weight_penalty"),
};

static const char *const *sgd_slots(const void *config)
{
    static const char *const none[] = {NULL}, *const velocity[] = {"momentum", NULL};
    return ((const sgd_config *)config)->momentum > 0 ? velocity : none;
}

static void plain_step(int64_t n, cvy_real *restrict w, const cvy_real *restrict g, cvy_real lr,
                       cvy_real decay)
{
    for (int64_t i = 0; i < n; i++) w[i] -= lr * (g[i] + decay * w[i]);
}

/* keep and take: v = keep v + take d. The first step's velocity is the gradient itself, whatever the
 * dampening. */
static void momentum_step(int64_t n, cvy_real *restrict w, const cvy_real *restrict g, cvy_real *restrict v,
                          cvy_real lr, cvy_real decay, cvy_real keep, cvy_real take)
{
    for (int64_t i = 0; i < n; i++) {
        v[i] = keep * v[i] + take * (g[i] + decay * w[i]);
        w[i] -= lr * v[i];
    }
}

static void nesterov_step(int64_t n, cvy_real *restrict w, const cvy_real *restrict g, cvy_real *restrict v,
                          cvy_real lr, cvy_real decay, cvy_real momentum, cvy_real keep)
{
    for (int64_t i = 0; i < n; i++) {
        cvy_real d = g[i] + decay * w[i];
        v[i] = keep * v[i] + d;
        w[i] -= lr * (d + momentum * v[i]);
    }
}

static int sgd_update(const cvy_update *u, const void *config)
{
    const sgd_config *c = config;
    if (c->nesterov && (c->momentum <= 0 || c->dampening > 0))
        return cvy_fail(
            u, "nesterov: needs momentum above 0 and dampening 0, found momentum %g and dampening %g",
            c->momentum, c->dampening);
    cvy_real lr = (cvy_real)(c->lr * u->lr_factor), decay = (cvy_real)c->weight_decay;
    if (!(c->momentum > 0)) {
        plain_step(u->n, u->w, u->g, lr, decay);
        return 0;
    }
    cvy_real momentum = (cvy_real)c->momentum, keep = u->step == 1 ? 0 : momentum;
    if (c->nesterov)
        nesterov_step(u->n, u->w, u->g, u->slots[0], lr, decay, momentum, keep);
    else
        momentum_step(u->n, u->w, u->g, u->slots[0], lr, decay, keep,
                      u->step == 1 ? 1 : (cvy_real)(1 - c->dampening));
    return 0;
}

static const cvy_optimizer sgd_type = {sizeof(cvy_optimizer), 1, sgd_slots, sgd_update};

CVY_PLUGIN(
    CVY_OPTIMIZER, sgd, "SGD momentum MomentumOptimizer nesterov GradientDescent",
    "stochastic gradient descent with momentum",
    "Sutskever et al. 2013, On the importance of initialization and momentum in deep learning, eq. 1-4; the "
    "learning rate stands outside the velocity, as in PyTorch: v = m v + g, w -= lr v",
    sgd_config, &sgd_type, CVY_PARAMS(sgd_params));
