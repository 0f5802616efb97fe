/* Owns the tests of paired differences; must not know what is compared. */
#include "report/paired.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "report/statistics.h"

/* ---- sign flips ---- */

/* The share of all 2^n sign patterns under which the sum is at least as far from 0. Patterns come in Gray code order, so that
 * each differs from the last by one sign. Sums that are equal but for rounding, of the differences and of adding them, count as
 * equal. */
static double flip_p(const double *d, size_t n, double noise)
{
    double sum = 0, total = 0;
    for (size_t i = 0; i < n; i++) sum += d[i], total += fabs(d[i]);
    const double far = fabs(sum) - 1e-12 * total - (double)n * noise;
    const size_t patterns = (size_t)1 << n;
    bool *minus = mem_array(n, sizeof *minus);
    size_t count = 0;
    for (size_t k = 0;;) {
        count += fabs(sum) >= far;
        if (++k == patterns) break;
        size_t i = (size_t)__builtin_ctzll(k);
        sum += minus[i] ? 2 * d[i] : -2 * d[i];
        minus[i] = !minus[i];
    }
    mem_free(minus);
    return (double)count / (double)patterns;
}

/* ---- signed ranks ---- */

static int by_size(const void *a, const void *b)
{
    double x = fabs(*(const double *)a), y = fabs(*(const double *)b);
    return (x > y) - (x < y);
}

/* Doubled ranks of the differences in order of size, so that the mean rank of a tie is whole. */
static void doubled_ranks(const double *sorted, size_t n, double noise, size_t *ranks)
{
    for (size_t i = 0, k; i < n; i = k) {
        for (k = i + 1; k < n && fabs(sorted[k]) <= fabs(sorted[i]) * (1 + 1e-12) + noise; k++) {
        }
        for (size_t j = i; j < k; j++) ranks[j] = i + k + 1; /* 2 * ((i + 1) + k) / 2 */
    }
}

/* The distribution of the sum of the positive ranks, by adding one rank after the other. */
static double rank_p(double *d, size_t n, double noise)
{
    size_t kept = 0, most = 0, positive = 0;
    for (size_t i = 0; i < n; i++)
        if (d[i] != 0) d[kept++] = d[i];
    if (!kept) return 1;
    qsort(d, kept, sizeof *d, by_size);
    size_t *ranks = mem_array(kept, sizeof *ranks);
    doubled_ranks(d, kept, noise, ranks);
    for (size_t i = 0; i < kept; i++) {
        most += ranks[i];
        if (d[i] > 0) positive += ranks[i];
    }
    double *share = mem_array(most + 1, sizeof *share);
    share[0] = 1;
    for (size_t i = 0, reach = 0; i < kept; i++) {
        reach += ranks[i];
        for (size_t s = reach + 1; s-- > 0;)
            share[s] = 0.5 * share[s] + (s >= ranks[i] ? 0.5 * share[s - ranks[i]] : 0);
    }
    /* Symmetric about most / 2: the nearer tail, twice. */
    size_t tail = positive < most - positive ? positive : most - positive;
    double p = 0;
    for (size_t s = 0; s <= tail; s++) p += share[s];
    mem_free(ranks);
    mem_free(share);
    return 2 * p < 1 ? 2 * p : 1;
}

/* ---- the comparison ---- */

double paired_noise(double size)
{
    return 8 * DBL_EPSILON * fabs(size);
}

paired paired_compare(const double *differences, size_t n, double noise, paired_test test)
{
    statistics s = statistics_of(differences, n);
    paired r = {.n = s.n, .mean = s.mean, .half = s.half, .p = (double)NAN, .test = test};
    if (!s.n) return r;
    if (s.n > PAIRED_FLIPS) r.test = PAIRED_WILCOXON;
    double *d = mem_array(s.n, sizeof *d);
    for (size_t i = 0, k = 0; i < n; i++)
        if (isfinite(differences[i])) d[k++] = fabs(differences[i]) <= noise ? 0 : differences[i];
    r.p = r.test == PAIRED_SIGN_FLIP ? flip_p(d, s.n, noise) : rank_p(d, s.n, noise);
    mem_free(d);
    return r;
}

double paired_least(size_t n)
{
    return n ? fmin(1, ldexp(1, 1 - (int)(n < 1000 ? n : 1000))) : 1;
}

size_t paired_needed(size_t m, double alpha)
{
    size_t n = 1;
    while (n < 1000 && paired_least(n) * (double)m > alpha) n++;
    return n;
}

typedef struct held {
    double p;
    size_t i;
} held;

static int by_p(const void *a, const void *b)
{
    const held *x = a, *y = b;
    if (x->p != y->p) return x->p < y->p ? -1 : 1;
    return (x->i > y->i) - (x->i < y->i);
}

void paired_holm(const double *p, size_t m, double *adjusted)
{
    held *order = mem_array(m + 1, sizeof *order);
    size_t n = 0;
    for (size_t i = 0; i < m; i++) {
        adjusted[i] = (double)NAN;
        if (!isnan(p[i])) order[n++] = (held){p[i], i};
    }
    if (n) qsort(order, n, sizeof *order, by_p);
    double before = 0;
    for (size_t k = 0; k < n; k++) {
        double now = fmin(1, order[k].p * (double)(n - k));
        if (now > before) before = now;
        adjusted[order[k].i] = before;
    }
    mem_free(order);
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* How many of the sorted values are below v. */
static size_t count_below(const double *sorted, size_t n, double v)
{
    size_t from = 0, to = n;
    while (from < to) {
        const size_t middle = (from + to) / 2;
        if (sorted[middle] < v)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

void paired_decidable(const double *p, const size_t *n, size_t m, double alpha, bool *out)
{
    double *sorted = mem_array(m + 1, sizeof *sorted);
    size_t tested = 0, rejected = 0;
    for (size_t i = 0; i < m; i++)
        if (!isnan(p[i])) sorted[tested++] = p[i];
    if (tested) qsort(sorted, tested, sizeof *sorted, by_value);
    while (rejected < tested && sorted[rejected] * (double)(tested - rejected) <= alpha) rejected++;
    for (size_t i = 0; i < m; i++) {
        out[i] = false;
        if (isnan(p[i])) continue;
        /* The place among the others of the smallest p that it could have; its own is no smaller and not among those before. */
        const double least = paired_least(n[i]);
        const size_t before = count_below(sorted, tested, least);
        const bool was = rejected && p[i] <= sorted[rejected - 1];
        out[i] = was || (before <= rejected && least * (double)(tested - before) <= alpha);
    }
    mem_free(sorted);
}
