/* NAdam: Adam with Nesterov's momentum, whose share grows over the first steps. */
#include "adam.h"

typedef struct nadam_config {
    double lr, beta1, beta2, eps, weight_decay, momentum_decay;
} nadam_config;

static const cvy_param nadam_params[] = {
    ADAM_PARAMS(nadam_config, 2e-3, 1e-8),
    CVY_FLOAT(nadam_config, weight_decay, 0, 0, 1e6,
              "L2 penalty: this times the weight is added to the gradient"),
    CVY_ALSO("decay l2 wd"),
    CVY_FLOAT(nadam_config, momentum_decay, 4e-3, 0, 1e6,
              "step t's momentum is beta1 (1 - 0.96^(t times this) / 2)"),
    CVY_ALSO("psi schedule_decay"),
};

static const char *const *nadam_slots(const void *config)
{
    (void)config;
    return adam_slot_names(0);
}

static double momentum_of(const nadam_config *c, double step)
{
    return c->beta1 * (1 - 0.5 * pow(0.96, step * c->momentum_decay));
}

/* The product of the momenta of steps 1 to t: a function of t, so that nothing beside the slots need be kept. After some
 * thousand steps at most, either it is too small to matter or the momentum has come to beta1. */
static double momentum_product(const nadam_config *c, int64_t t)
{
    double product = 1;
    for (int64_t s = 1; s <= t; s++) {
        double left = pow(0.96, (double)s * c->momentum_decay);
        if (left < 1e-17) return product * pow(c->beta1, (double)(t - s + 1));
        product *= c->beta1 * (1 - 0.5 * left);
        if (product < 1e-20) return 0;
    }
    return product;
}

typedef struct rates {
    cvy_real gradient, mean, decay, keep1, take1, keep2, take2, correction, eps;
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
        w[i] -= (r.gradient * d + r.mean * m) / (cvy_sqrt(s) / r.correction + r.eps);
    }
}

static int nadam_update(const cvy_update *u, const void *config)
{
    const nadam_config *c = config;
    double now = momentum_of(c, (double)u->step), next = momentum_of(c, (double)u->step + 1);
    double product = momentum_product(c, u->step), lr = c->lr * u->lr_factor;
    rates r = {(cvy_real)(lr * (1 - now) / (1 - product)),
               (cvy_real)(lr * next / (1 - product * next)),
               (cvy_real)c->weight_decay,
               (cvy_real)c->beta1,
               (cvy_real)(1 - c->beta1),
               (cvy_real)c->beta2,
               (cvy_real)(1 - c->beta2),
               (cvy_real)sqrt(1 - pow(c->beta2, (double)u->step)),
               (cvy_real)c->eps};
    step(u->n, u->w, u->g, u->slots[0], u->slots[1], r);
    return 0;
}

static const cvy_optimizer nadam_type = {sizeof(cvy_optimizer), 1, nadam_slots, nadam_update};

CVY_PLUGIN(CVY_OPTIMIZER, nadam, "NAdam Nadam", "Adam with Nesterov's momentum",
           "Dozat 2016, Incorporating Nesterov Momentum into Adam, algorithm 2, with the schedule of the "
           "momentum of its section 3, as PyTorch documents it",
           nadam_config, &nadam_type, CVY_PARAMS(nadam_params));
