/* The standard normal distribution. */
#ifndef BASE_NORMAL_H
#define BASE_NORMAL_H

/* The probability of a number below x. */
double normal_cdf(double x);
/* The x below which a number falls with probability p, to about 16 digits; infinite for 0 and 1. */
double normal_quantile(double p);

#endif
