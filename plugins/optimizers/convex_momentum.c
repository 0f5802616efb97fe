/* Momentum as a convex combination: each step is a share of the last one and the rest of a gradient step. */
#include "convoy/optimizer.h"

typedef struct convex_momentum_config {
    double lr, momentum, weight_decay;
} convex_momentum_config;

static const cvy_param convex_momentum_params[] = {
    CVY_FLOAT(convex_momentum_config, lr, 0.1, 0, 1e6, "learning rate"),
    CVY_ALSO("learning_rate eta step_size base_lr"),
    CVY_FLOAT(convex_momentum_config, momentum, 0.9, 0, 1,
              "share a of the last step: w += a (w - w_previous) - (1 - a) lr g"),
    CVY_ALSO("alpha beta"),
    CVY_FLOAT(convex_momentum_config, weight_decay, 0, 0, 1e6,
              "L2 penalty: this times the weight is added to the gradient"),
    CVY_ALSO("decay l2 wd"),
};

static const char *const *convex_momentum_slots(const void *config)
{
    static const char *const names[] = {"last_step", NULL};
    (void)config;
    return names;
}

/* The last step is kept instead of the weights before it, which it is the difference to: it has digits that the
 * difference of two rounded weights has not. */
static void step(int64_t n, cvy_real *restrict w, const cvy_real *restrict g, cvy_real *restrict last,
                 cvy_real keep, cvy_real take, cvy_real decay)
{
    for (int64_t i = 0; i < n; i++) {
        cvy_real v = keep * last[i] - take * (g[i] + decay * w[i]);
        last[i] = v;
        w[i] += v;
    }
}

static int convex_momentum_update(const cvy_update *u, const void *config)
{
    const convex_momentum_config *c = config;
    step(u->n, u->w, u->g, u->slots[0], (cvy_real)c->momentum,
         (cvy_real)((1 - c->momentum) * c->lr * u->lr_factor), (cvy_real)c->weight_decay);
    return 0;
}

static const cvy_optimizer convex_momentum_type = {sizeof(cvy_optimizer), 1, convex_momentum_slots,
                                                   convex_momentum_update};

CVY_PLUGIN(
    CVY_OPTIMIZER, convex_momentum, "ConvexMomentum heavy_ball HeavyBall",
    "gradient descent mixed with a share of the last step",
    "Polyak 1964, Some methods of speeding up the convergence of iteration methods, eq. 9, with the two "
    "shares adding up to one; the learning rate stands inside the step that is kept",
    convex_momentum_config, &convex_momentum_type, CVY_PARAMS(convex_momentum_params));
