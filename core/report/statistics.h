/* Mean, spread and interval of a few measurements. */
#ifndef REPORT_STATISTICS_H
#define REPORT_STATISTICS_H

#include <stddef.h>

typedef struct statistics {
    size_t n;    /* values that are finite */
    double mean; /* nan when n is 0 */
    double sd;   /* of the sample (n - 1); nan when n is below 2 */
    double half; /* half width of the 95 % interval of the mean, Student's t; nan when n is below 2 */
    double least, most;
} statistics;

statistics statistics_of(const double *values, size_t n);
/* The t that leaves 2.5 % above it with df >= 1 degrees of freedom. */
double statistics_t975(size_t df);

#endif
