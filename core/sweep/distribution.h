/* The distributions of Weights & Biases' sweeps as functions between [0, 1] and the values of a parameter. */
#ifndef SWEEP_DISTRIBUTION_H
#define SWEEP_DISTRIBUTION_H

#include "sweep/space.h"

/* The value at share u of the distribution, 0 < u < 1: uniform u give the parameter's distribution. Of a choice its index. What is
 * rounded to multiples of q stays between the bounds. */
double distribution_quantile(const space_parameter *p, double u);
/* The shares that give this value: from *low to *high, which are equal where the values are a continuum. */
void distribution_share(const space_parameter *p, double value, double *low, double *high);
/* How many values there are; 0: no end of them. */
double distribution_values(const space_parameter *p);
/* The least and the largest multiple of q between the bounds; false when there is none. */
bool distribution_multiples(const space_parameter *p, double *least, double *largest);

/* The beta distribution. */
double distribution_beta_cdf(double x, double a, double b);
double distribution_beta_quantile(double u, double a, double b);

#endif
