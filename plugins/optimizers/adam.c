/* Adam: moving means of gradients and of their squares, corrected for starting at zero. */
#include <math.h>
#include "convoy/optimizer.h"

typedef struct adam_config {
    double lr, beta1, beta2, eps, weight_decay;
} adam_config;

static const cvy_param adam_params[] = {
    CVY_FLOAT(adam_config, lr, 1e-3, 0, 1e6, "learning rate"),
    CVY_ALSO("learning_rate eta step_size base_lr"),
    CVY_FLOAT(adam_config, beta1, 0.9, 0, 0.99999999,
              "share of the moving mean of gradients kept at each step"),
    CVY_ALSO("beta_1 betas momentum"),
    CVY_FLOAT(adam_config, beta2, 0.999, 0, 0.99999999,
              "share of the moving mean of squares kept at each step"),
    CVY_ALSO("beta_2"),
    CVY_FLOAT(adam_config, eps, 1e-8, 1e-30, 1e6, "added to the root, against division by zero"),
    CVY_ALSO("epsilon"),
    CVY_FLOAT(adam_config, weight_decay, 0, 0, 1e6,
              "L2 penalty: this times the weight is added to the gradient (not decoupled as in AdamW)"),
    CVY_ALSO("decay l2 wd"),
};

static const char *const *adam_slots(const void *config)
{
    static const char *const names[] = {"mean", "square", NULL};
    (void)config;
    return names;
}

static cvy_real root(cvy_real x)
{
#ifdef CVY_DOUBLE
    return sqrt(x);
#else
    return sqrtf(x);
#endif
}

typedef struct rates {
    cvy_real lr, decay, keep1, take1, keep2, take2, correction, eps;
} rates;

static void step(int64_t n, cvy_real *restrict w, const cvy_real *restrict g, cvy_real *restrict mean,
                 cvy_real *restrict square, rates r)
{
    for (int64_t i = 0; i < n; i++) {
        cvy_real d = g[i] + r.decay * w[i];
        cvy_real m = r.keep1 * mean[i] + r.take1 * d;
        cvy_real s = r.keep2 * square[i] + r.take2 * d * d;
        mean[i] = m;
        square[i] = s;
        w[i] -= r.lr * m / (root(s) / r.correction + r.eps);
    }
}

static int adam_update(const cvy_update *u, const void *config)
{
    const adam_config *c = config;
    double t = (double)u->step;
    double correction1 = 1 - pow(c->beta1, t), correction2 = 1 - pow(c->beta2, t);
    rates r = {(cvy_real)(c->lr * u->lr_factor / correction1),
               (cvy_real)c->weight_decay,
               (cvy_real)c->beta1,
               (cvy_real)(1 - c->beta1),
               (cvy_real)c->beta2,
               (cvy_real)(1 - c->beta2),
               (cvy_real)sqrt(correction2),
               (cvy_real)c->eps};
    step(u->n, u->w, u->g, u->slots[0], u->slots[1], r);
    return 0;
}

static const cvy_optimizer adam_type = {sizeof(cvy_optimizer), 1, adam_slots, adam_update};

CVY_PLUGIN(
    CVY_OPTIMIZER, adam, "Adam", "moving means of gradients and squared gradients, bias-corrected",
    "Kingma and Ba 2015, Adam: A Method for Stochastic Optimization, algorithm 1; weight decay is coupled "
    "(L2), as in PyTorch's Adam",
    adam_config, &adam_type, CVY_PARAMS(adam_params));
