/* Sums over many numbers, in double. Some at a time, which do not wait for each other; the order is a function of the
 * count alone. Knows no layer. */
#ifndef LAYERS_SUMS_H
#define LAYERS_SUMS_H

#include "convoy/plugin.h"

enum { SUMS_AT_ONCE = 16 };

static inline double sums_together(const double s[SUMS_AT_ONCE])
{
    double t[SUMS_AT_ONCE];
    for (int k = 0; k < SUMS_AT_ONCE; k++) t[k] = s[k];
    for (int half = SUMS_AT_ONCE / 2; half > 0; half /= 2)
        for (int k = 0; k < half; k++) t[k] += t[k + half];
    return t[0];
}

/* sum of x */
static inline double sums_of(const cvy_real *x, int64_t n)
{
    double s[SUMS_AT_ONCE] = {0};
    int64_t i = 0;
    for (; i + SUMS_AT_ONCE <= n; i += SUMS_AT_ONCE)
        for (int k = 0; k < SUMS_AT_ONCE; k++) s[k] += (double)x[i + k];
    for (; i < n; i++) s[0] += (double)x[i];
    return sums_together(s);
}

/* sum of (x - mean)^2 */
static inline double sums_of_squares(const cvy_real *x, double mean, int64_t n)
{
    double s[SUMS_AT_ONCE] = {0};
    int64_t i = 0;
    for (; i + SUMS_AT_ONCE <= n; i += SUMS_AT_ONCE)
        for (int k = 0; k < SUMS_AT_ONCE; k++) s[k] += ((double)x[i + k] - mean) * ((double)x[i + k] - mean);
    for (; i < n; i++) s[0] += ((double)x[i] - mean) * ((double)x[i] - mean);
    return sums_together(s);
}

/* sum of g (x - mean) */
static inline double sums_of_products(const cvy_real *g, const cvy_real *x, double mean, int64_t n)
{
    double s[SUMS_AT_ONCE] = {0};
    int64_t i = 0;
    for (; i + SUMS_AT_ONCE <= n; i += SUMS_AT_ONCE)
        for (int k = 0; k < SUMS_AT_ONCE; k++) s[k] += (double)g[i + k] * ((double)x[i + k] - mean);
    for (; i < n; i++) s[0] += (double)g[i] * ((double)x[i] - mean);
    return sums_together(s);
}

#endif
