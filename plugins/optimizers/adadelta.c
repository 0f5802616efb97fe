/* Adadelta: steps in the units of the weights, from moving means of squared gradients and of squared steps. */
#include <math.h>
#include "convoy/optimizer.h"

typedef struct adadelta_config {
    double lr, rho, eps, weight_decay;
} adadelta_config;

static const cvy_param adadelta_params[] = {
    CVY_FLOAT(adadelta_config, lr, 1, 0, 1e6, "learning rate; the paper has none, which is 1"),
    CVY_ALSO("learning_rate eta step_size base_lr"),
    CVY_FLOAT(adadelta_config, rho, 0.9, 0, 1, "share of the moving means of squares kept at each step"),
    CVY_ALSO("alpha decay_rate momentum"),
    CVY_FLOAT(adadelta_config, eps, 1e-6, 1e-30, 1e6,
              "added under both roots; what the first steps start from"),
    CVY_ALSO("epsilon"),
    CVY_FLOAT(adadelta_config, weight_decay, 0, 0, 1e6,
              "L2 penalty: this times the weight is added to the gradient"),
    CVY_ALSO("decay l2 wd"),
};

static const char *const *adadelta_slots(const void *config)
{
    static const char *const names[] = {"square", "step_square", NULL};
    (void)config;
    return names;
}

typedef struct rates {
    cvy_real lr, decay, keep, take, eps;
} rates;

static void step(int64_t n, cvy_real *restrict w, const cvy_real *restrict g, cvy_real *restrict square,
                 cvy_real *restrict moved, rates r)
{
    for (int64_t i = 0; i < n; i++) {
        cvy_real d = g[i] + r.decay * w[i];
        cvy_real s = r.keep * square[i] + r.take * d * d;
        cvy_real move = cvy_sqrt(moved[i] + r.eps) / cvy_sqrt(s + r.eps) * d;
        square[i] = s;
        moved[i] = r.keep * moved[i] + r.take * move * move;
        w[i] -= r.lr * move;
    }
}

static int adadelta_update(const cvy_update *u, const void *config)
{
    const adadelta_config *c = config;
    rates r = {(cvy_real)(c->lr * u->lr_factor), (cvy_real)c->weight_decay, (cvy_real)c->rho,
               (cvy_real)(1 - c->rho), (cvy_real)c->eps};
    step(u->n, u->w, u->g, u->slots[0], u->slots[1], r);
    return 0;
}

static const cvy_optimizer adadelta_type = {sizeof(cvy_optimizer), 1, adadelta_slots, adadelta_update};

CVY_PLUGIN(
    CVY_OPTIMIZER, adadelta, "Adadelta AdaDelta ada_delta",
    "steps scaled by the root mean square of earlier steps over that of gradients",
    "Zeiler 2012, ADADELTA: An Adaptive Learning Rate Method, algorithm 1; with a learning rate, as in "
    "PyTorch",
    adadelta_config, &adadelta_type, CVY_PARAMS(adadelta_params));
