/* How much of a sample stays when it is mixed with another: the Beta distribution. Must not know how images are mixed. */
#ifndef AUGMENT_MIXING_H
#define AUGMENT_MIXING_H

#include "image.h"

static inline double mixing_open_unit(cvy_random *random) /* (0, 1) */
{
    return ((double)random->next(random) + 0.5) * (1.0 / 4294967296.0);
}

static inline double mixing_normal(cvy_random *random)
{
    const double radius = sqrt(-2 * log(mixing_open_unit(random)));
    return radius * cos(6.283185307179586476925 * mixing_open_unit(random));
}

/* The logarithm of a Gamma(alpha, 1) variate. By Marsaglia and Tsang 2000, A Simple Method for Generating Gamma Variables;
 * alpha below 1 by their section 6, gamma(alpha) = gamma(alpha + 1) u^(1 / alpha), whose logarithm stands where the number
 * itself is too small to be one: at alpha = 0.01 it is often below 1e-300. */
static inline double mixing_log_gamma_variate(cvy_random *random, double alpha)
{
    const double shape = alpha < 1 ? alpha + 1 : alpha, d = shape - 1.0 / 3, c = 1 / sqrt(9 * d);
    double v = 0;
    for (int tries = 0; tries < 1000; tries++) { /* one in twenty-five is refused, seldom more */
        const double x = mixing_normal(random), root = 1 + c * x, u = mixing_open_unit(random);
        v = root * root * root;
        if (root > 0 && log(u) < 0.5 * x * x + d - d * v + d * log(v)) break;
        v = 1;
    }
    const double grown = log(d * v);
    return alpha < 1 ? grown + log(mixing_open_unit(random)) / alpha : grown;
}

/* Beta(alpha, alpha) on [0, 1]: g / (g + h) of two Gamma variates. */
static inline double mixing_beta(cvy_random *random, double alpha)
{
    const double g = mixing_log_gamma_variate(random, alpha), h = mixing_log_gamma_variate(random, alpha);
    return 1 / (1 + exp(h - g));
}

#endif
