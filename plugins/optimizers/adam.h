/* What Adam and its relatives share: the first rows of their parameters, the names of their state, and Adam's step, moving means
 * of gradients and of their squares, corrected for starting at zero. */
#ifndef OPTIMIZERS_ADAM_H
#define OPTIMIZERS_ADAM_H

#include <math.h>
#include "convoy/optimizer.h"

/* The rows that the configurations of this family begin with; lr and eps: their defaults. */
#define ADAM_PARAMS(config, lr_default, eps_default)                                                    \
    CVY_FLOAT(config, lr, lr_default, 0, 1e6, "learning rate"),                                         \
        CVY_ALSO("learning_rate eta step_size base_lr"),                                                \
        CVY_FLOAT(config, beta1, 0.9, 0, 0.99999999,                                                    \
                  "share of the moving mean of gradients kept at each step"),                           \
        CVY_ALSO("beta_1 betas momentum"),                                                              \
        CVY_FLOAT(config, beta2, 0.999, 0, 0.99999999,                                                  \
                  "share of the moving mean of squares kept at each step"),                             \
        CVY_ALSO("beta_2"),                                                                             \
        CVY_FLOAT(config, eps, eps_default, 1e-30, 1e6, "added to the root, against division by zero"), \
        CVY_ALSO("epsilon")

typedef struct adam_rates {
    cvy_real lr;    /* divided by the correction of the first mean */
    cvy_real decay; /* times the weight, added to the gradient */
    cvy_real keep;  /* of the weight, before the step; 1 where decay is coupled */
    cvy_real keep1, take1, keep2, take2, correction, eps;
} adam_rates;

static inline adam_rates adam_rates_of(const cvy_update *u, double lr, double beta1, double beta2, double eps)
{
    double t = (double)u->step;
    return (adam_rates){.lr = (cvy_real)(lr * u->lr_factor / (1 - pow(beta1, t))),
                        .keep = 1,
                        .keep1 = (cvy_real)beta1,
                        .take1 = (cvy_real)(1 - beta1),
                        .keep2 = (cvy_real)beta2,
                        .take2 = (cvy_real)(1 - beta2),
                        .correction = (cvy_real)sqrt(1 - pow(beta2, t)),
                        .eps = (cvy_real)eps};
}

/* most: the greatest mean of squares so far (AMSGrad), NULL without. Forced inline so that each caller becomes a loop of
 * its own without branches. */
static inline __attribute__((always_inline)) void
adam_loop(int64_t n, cvy_real *restrict w, const cvy_real *restrict g, cvy_real *restrict mean,
          cvy_real *restrict square, cvy_real *restrict most, adam_rates r)
{
    for (int64_t i = 0; i < n; i++) {
        cvy_real d = g[i] + r.decay * w[i];
        cvy_real m = r.keep1 * mean[i] + r.take1 * d;
        cvy_real s = r.keep2 * square[i] + r.take2 * d * d;
        mean[i] = m;
        square[i] = s;
        if (most) {
            s = s > most[i] ? s : most[i];
            most[i] = s;
        }
        w[i] = r.keep * w[i] - r.lr * m / (cvy_sqrt(s) / r.correction + r.eps);
    }
}

static inline void adam_step(const cvy_update *u, int amsgrad, adam_rates r)
{
    cvy_real *const *s = u->slots;
    if (amsgrad)
        adam_loop(u->n, u->w, u->g, s[0], s[1], s[2], r);
    else
        adam_loop(u->n, u->w, u->g, s[0], s[1], NULL, r);
}

static inline const char *const *adam_slot_names(int amsgrad)
{
    static const char *const two[] = {"mean", "square", NULL}, *const three[] = {"mean", "square",
                                                                                 "max_square", NULL};
    return amsgrad ? three : two;
}

#endif
