/* LAMB: Adam's direction for each weight, as long for each tensor as the tensor itself is. */
#include "adam.h"

typedef struct lamb_config {
    double lr, beta1, beta2, eps, weight_decay;
} lamb_config;

static const cvy_param lamb_params[] = {
    ADAM_PARAMS(lamb_config, 1e-3, 1e-6),
    CVY_FLOAT(lamb_config, weight_decay, 0.01, 0, 1e6,
              "this times the weight is added to Adam's direction, before its length is taken"),
    CVY_ALSO("decay l2 wd"),
};

static const char *const *lamb_slots(const void *config)
{
    (void)config;
    return adam_slot_names(0);
}

typedef struct rates {
    cvy_real decay, keep1, take1, keep2, take2, correction1, correction2, eps;
} rates;

static inline cvy_real direction(cvy_real w, cvy_real mean, cvy_real square, const rates *r)
{
    return mean / r->correction1 / (cvy_sqrt(square) / r->correction2 + r->eps) + r->decay * w;
}

/* The squared lengths of the tensor and of Adam's direction. */
static void advance(const cvy_update *u, const rates *r, double *weights, double *step)
{
    const cvy_real *restrict w = u->w, *restrict g = u->g;
    cvy_real *restrict mean = u->slots[0], *restrict square = u->slots[1];
    *weights = *step = 0;
    for (int64_t i = 0; i < u->n; i++) {
        mean[i] = r->keep1 * mean[i] + r->take1 * g[i];
        square[i] = r->keep2 * square[i] + r->take2 * g[i] * g[i];
        double d = (double)direction(w[i], mean[i], square[i], r);
        *weights += (double)w[i] * (double)w[i];
        *step += d * d;
    }
}

static int lamb_update(const cvy_update *u, const void *config)
{
    const lamb_config *c = config;
    double t = (double)u->step, weights, length;
    rates r = {(cvy_real)c->weight_decay,
               (cvy_real)c->beta1,
               (cvy_real)(1 - c->beta1),
               (cvy_real)c->beta2,
               (cvy_real)(1 - c->beta2),
               (cvy_real)(1 - pow(c->beta1, t)),
               (cvy_real)sqrt(1 - pow(c->beta2, t)),
               (cvy_real)c->eps};
    advance(u, &r, &weights, &length);
    /* A tensor of zeros, such as a new bias, would never leave zero. */
    double trust = weights > 0 && length > 0 ? sqrt(weights / length) : 1;
    cvy_real lr = (cvy_real)(c->lr * u->lr_factor * trust);
    for (int64_t i = 0; i < u->n; i++) u->w[i] -= lr * direction(u->w[i], u->slots[0][i], u->slots[1][i], &r);
    return 0;
}

/* Not elementwise: the length of the whole tensor is in every element's step. */
static const cvy_optimizer lamb_type = {sizeof(cvy_optimizer), 0, lamb_slots, lamb_update};

CVY_PLUGIN(
    CVY_OPTIMIZER, lamb, "LAMB Lamb", "Adam with steps as long as the tensors, for large batches",
    "You et al. 2020, Large Batch Optimization for Deep Learning: Training BERT in 76 minutes, algorithm "
    "2, with phi(z) = z; where a length is 0, the ratio of lengths is 1",
    lamb_config, &lamb_type, CVY_PARAMS(lamb_params));
