/* Owns the statistics over repeats; must not know what is measured. */
#include "report/statistics.h"

#include <math.h>

double statistics_t975(size_t df)
{
    static const double exact[] = {12.706204736432, 4.302652729911, 3.182446305284, 2.776445105198,
                                   2.570581835636,  2.446911851145, 2.364624251593, 2.306004135033,
                                   2.262157162798,  2.228138851965};
    if (df < 1) return (double)NAN;
    if (df <= sizeof exact / sizeof *exact) return exact[df - 1];
    /* Cornish-Fisher expansion about the normal quantile (Abramowitz and Stegun, 26.7.5): below 1e-5 from 11
     * on. */
    const double z = 1.959963984540054, v = (double)df, z2 = z * z;
    double g1 = z * (z2 + 1) / 4;
    double g2 = z * ((5 * z2 + 16) * z2 + 3) / 96;
    double g3 = z * (((3 * z2 + 19) * z2 + 17) * z2 - 15) / 384;
    double g4 = z * ((((79 * z2 + 776) * z2 + 1482) * z2 - 1920) * z2 - 945) / 92160;
    return z + (g1 + (g2 + (g3 + g4 / v) / v) / v) / v;
}

statistics statistics_of(const double *values, size_t n)
{
    statistics s = {.mean = (double)NAN,
                    .sd = (double)NAN,
                    .half = (double)NAN,
                    .least = (double)NAN,
                    .most = (double)NAN};
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(values[i])) continue;
        if (!s.n || values[i] < s.least) s.least = values[i];
        if (!s.n || values[i] > s.most) s.most = values[i];
        sum += values[i];
        s.n++;
    }
    if (!s.n) return s;
    s.mean = sum / (double)s.n;
    if (s.n < 2) return s;
    /* Around the mean, since the difference of two large sums would be rounding. */
    for (size_t i = 0; i < n; i++)
        if (isfinite(values[i])) squares += (values[i] - s.mean) * (values[i] - s.mean);
    s.sd = sqrt(squares / (double)(s.n - 1));
    s.half = statistics_t975(s.n - 1) * s.sd / sqrt((double)s.n);
    return s;
}
