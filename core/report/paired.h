/* Whether two things measured under the same conditions differ: exact tests on paired differences, and what remains of their
 * p-values when several are looked at at once. */
#ifndef REPORT_PAIRED_H
#define REPORT_PAIRED_H

#include <stdbool.h>
#include <stddef.h>

typedef enum paired_test {
    PAIRED_SIGN_FLIP, /* Fisher 1935, section 21: under equality each difference might as well have the other sign */
    PAIRED_WILCOXON /* signed ranks (Wilcoxon 1945), differences of 0 left out, ties with their mean rank */
} paired_test;

typedef struct paired {
    size_t n;         /* finite differences */
    double mean;      /* nan when n is 0 */
    double half;      /* half width of the 95 % interval of the mean, Student's t; nan when n is below 2 */
    double p;         /* two-sided; nan when n is 0 */
    paired_test test; /* that was made: above PAIRED_FLIPS differences it is Wilcoxon's */
} paired;

enum { PAIRED_FLIPS = 20 /* all 2^n signs are tried up to here */ };

/* What differences of numbers up to this size may be off by for rounding alone: decimals that a double does not hold, and a mean over
 * a few of them. */
double paired_noise(double size);
/* Differences no larger than `noise` count as 0, and ranks no further apart as a tie. */
paired paired_compare(const double *differences, size_t n, double noise, paired_test test);
/* The smallest p that n pairs can come to. */
double paired_least(size_t n);
/* Holm 1979: p-values that keep the chance of any false alarm among all m at the level they are held against. nan stays nan and does
 * not count. */
void paired_holm(const double *p, size_t m, double *adjusted);
/* Of each of m comparisons whether its n pairs could have come to an adjusted p of alpha, whatever their values, beside what the others
 * came to: Holm's steps ask the less of a comparison, the more others are rejected before it. */
void paired_decidable(const double *p, const size_t *n, size_t m, double alpha, bool *out);
/* Pairs without which no comparison out of m can come to an adjusted p of alpha. */
size_t paired_needed(size_t m, double alpha);

#endif
