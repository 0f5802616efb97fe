/* RMSprop: gradients divided by a moving root mean square of themselves; centered and with momentum if
 * wanted. */
#include <math.h>
#include "convoy/optimizer.h"

typedef struct rmsprop_config {
    double lr, alpha, eps, weight_decay, momentum;
    int32_t centered;
} rmsprop_config;

static const cvy_param rmsprop_params[] = {
    CVY_FLOAT(rmsprop_config, lr, 0.01, 0, 1e6, "learning rate"),
    CVY_ALSO("learning_rate eta step_size base_lr"),
    CVY_FLOAT(rmsprop_config, alpha, 0.99, 0, 1, "share of the moving mean of squares kept at each step"),
    CVY_ALSO("rho decay_rate rms_decay smoothing"),
    CVY_FLOAT(rmsprop_config, eps, 1e-8, 1e-30, 1e6, "added to the root, against division by zero"),
    CVY_ALSO("epsilon"),
    CVY_FLOAT(rmsprop_config, weight_decay, 0, 0, 1e6,
              "L2 penalty: this times the weight is added to the gradient"),
    CVY_ALSO("decay l2 wd"),
    CVY_FLOAT(rmsprop_config, momentum, 0, 0, 1, "share of the last step's velocity that is kept"),
    CVY_BOOL(rmsprop_config, centered, false,
             "divide by the standard deviation instead of the root mean square"),
};

static const char *const *rmsprop_slots(const void *config)
{
    static const char *const plain[] = {"square", NULL}, *const centered[] = {"square", "mean", NULL},
                             *const momentum[] = {"square", "momentum", NULL},
                             *const both[] = {"square", "mean", "momentum", NULL};
    const rmsprop_config *c = config;
    if (c->momentum > 0) return c->centered ? both : momentum;
    return c->centered ? centered : plain;
}

typedef struct rates {
    cvy_real lr, decay, keep, take, eps, momentum;
} rates;

/* mean, v: NULL when not centered, without momentum. Forced inline so that each of the four callers becomes a
 * loop of its own without branches. */
static inline __attribute__((always_inline)) void step(int64_t n, cvy_real *restrict w,
                                                       const cvy_real *restrict g, cvy_real *restrict square,
                                                       cvy_real *restrict mean, cvy_real *restrict v, rates r)
{
    for (int64_t i = 0; i < n; i++) {
        cvy_real d = g[i] + r.decay * w[i];
        cvy_real s = r.keep * square[i] + r.take * d * d;
        square[i] = s;
        if (mean) {
            cvy_real m = r.keep * mean[i] + r.take * d;
            mean[i] = m;
            s -= m * m;
            /* Rounding may take a vanishing variance below zero, where PyTorch gets NaN. */
            s = (cvy_real)fabs((double)s);
        }
        cvy_real scale = cvy_sqrt(s) + r.eps;
        if (v) {
            cvy_real velocity = r.momentum * v[i] + d / scale;
            v[i] = velocity;
            w[i] -= r.lr * velocity;
        } else {
            w[i] -= r.lr * d / scale;
        }
    }
}

static int rmsprop_update(const cvy_update *u, const void *config)
{
    const rmsprop_config *c = config;
    rates r = {(cvy_real)(c->lr * u->lr_factor), (cvy_real)c->weight_decay, (cvy_real)c->alpha,
               (cvy_real)(1 - c->alpha),         (cvy_real)c->eps,          (cvy_real)c->momentum};
    cvy_real *const *s = u->slots;
    if (c->momentum > 0 && c->centered)
        step(u->n, u->w, u->g, s[0], s[1], s[2], r);
    else if (c->momentum > 0)
        step(u->n, u->w, u->g, s[0], NULL, s[1], r);
    else if (c->centered)
        step(u->n, u->w, u->g, s[0], s[1], NULL, r);
    else
        step(u->n, u->w, u->g, s[0], NULL, NULL, r);
    return 0;
}

static const cvy_optimizer rmsprop_type = {sizeof(cvy_optimizer), 1, rmsprop_slots, rmsprop_update};

CVY_PLUGIN(
    CVY_OPTIMIZER, rmsprop, "RMSprop RMSProp rms_prop", "gradients divided by their moving root mean square",
    "Tieleman and Hinton 2012, Neural Networks for Machine Learning, lecture 6.5; centered: Graves 2013, "
    "Generating Sequences With Recurrent Neural Networks, eq. 38-45; eps is added outside the root, as in "
    "PyTorch",
    rmsprop_config, &rmsprop_type, CVY_PARAMS(rmsprop_params));
