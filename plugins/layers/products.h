/* Products of matrices: rows times rows, and sums of rows. Summed in cvy_real for a few dozen terms and of those in double.
 * Knows no layer. */
#ifndef LAYERS_PRODUCTS_H
#define LAYERS_PRODUCTS_H

#include <stdbool.h>
#include <string.h>

#include "wide.h"

enum { PRODUCTS_TERMS = 4 }; /* rows read together */

/* sum[r] = sum over i < n of a[r][i] b[i] */
WIDE static inline void products_dots(const cvy_real *const a[PRODUCTS_TERMS], const cvy_real *b, int64_t n,
                                      double sum[PRODUCTS_TERMS])
{
    const cvy_real *a0 = a[0], *a1 = a[1], *a2 = a[2], *a3 = a[3];
    for (int r = 0; r < PRODUCTS_TERMS; r++) sum[r] = 0;
    int64_t i = 0;
    while (i + WIDE_LANES <= n) {
        const int64_t some = WIDE_TERMS * WIDE_LANES, end = n - i < some ? n : i + some;
        cvy_real p0[WIDE_LANES] = {0}, p1[WIDE_LANES] = {0}, p2[WIDE_LANES] = {0}, p3[WIDE_LANES] = {0};
        for (; i + WIDE_LANES <= end; i += WIDE_LANES)
            for (int k = 0; k < WIDE_LANES; k++) {
                p0[k] += a0[i + k] * b[i + k];
                p1[k] += a1[i + k] * b[i + k];
                p2[k] += a2[i + k] * b[i + k];
                p3[k] += a3[i + k] * b[i + k];
            }
        sum[0] += wide_sum(p0);
        sum[1] += wide_sum(p1);
        sum[2] += wide_sum(p2);
        sum[3] += wide_sum(p3);
    }
    for (; i < n; i++)
        for (int r = 0; r < PRODUCTS_TERMS; r++) sum[r] += (double)a[r][i] * (double)b[i];
}

/* sum += factor[0] v[0] + ... + factor[3] v[3] */
WIDE static inline void products_add(const cvy_real factor[PRODUCTS_TERMS],
                                     const cvy_real *const v[PRODUCTS_TERMS], int64_t n,
                                     cvy_real *restrict sum)
{
    const cvy_real f0 = factor[0], f1 = factor[1], f2 = factor[2], f3 = factor[3];
    const cvy_real *v0 = v[0], *v1 = v[1], *v2 = v[2], *v3 = v[3];
    for (int64_t i = 0; i < n; i++) sum[i] += (f0 * v0[i] + f1 * v1[i]) + (f2 * v2[i] + f3 * v3[i]);
}

/* The same for two sums of the same rows. */
WIDE static inline void products_add_both(const cvy_real factor[2][PRODUCTS_TERMS],
                                          const cvy_real *const v[PRODUCTS_TERMS], int64_t n,
                                          cvy_real *restrict sum, cvy_real *restrict other)
{
    const cvy_real f0 = factor[0][0], f1 = factor[0][1], f2 = factor[0][2], f3 = factor[0][3];
    const cvy_real g0 = factor[1][0], g1 = factor[1][1], g2 = factor[1][2], g3 = factor[1][3];
    const cvy_real *v0 = v[0], *v1 = v[1], *v2 = v[2], *v3 = v[3];
    for (int64_t i = 0; i < n; i++) {
        sum[i] += (f0 * v0[i] + f1 * v1[i]) + (f2 * v2[i] + f3 * v3[i]);
        other[i] += (g0 * v0[i] + g1 * v1[i]) + (g2 * v2[i] + g3 * v3[i]);
    }
}

WIDE static inline void products_to_double(const cvy_real *part, int64_t n, double *sum)
{
    for (int64_t i = 0; i < n; i++) sum[i] += (double)part[i];
}

/* to (rows, columns) = factor * a from, where a (rows, terms) has its rows `a_row` and its columns `a_term` apart and from is
 * (terms, columns). */
typedef struct products_job {
    const cvy_real *a, *from;
    cvy_real *to;
    int64_t a_row, a_term, terms, columns;
    double factor;
} products_job;

enum { PRODUCTS_COLUMNS = 512 }; /* at a time */

/* Rows row .. row + 1 of the result, or the first of them alone: columns column .. column + n - 1. */
static inline void products_pair(const products_job *p, int64_t row, int64_t rows, int64_t column, int64_t n)
{
    cvy_real part[2][PRODUCTS_COLUMNS];
    double sum[2][PRODUCTS_COLUMNS] = {{0}};
    for (int64_t t = 0; t < p->terms;) {
        const int64_t end = p->terms - t < WIDE_TERMS ? p->terms : t + WIDE_TERMS;
        memset(part, 0, sizeof part);
        while (t <
               end) { /* the last ones may be fewer: then they count as 0 times a row that is read anyway */
            const cvy_real *v[PRODUCTS_TERMS];
            cvy_real factor[2][PRODUCTS_TERMS];
            for (int k = 0; k < PRODUCTS_TERMS; k++) {
                const bool there = t + k < end;
                v[k] = p->from + (there ? t + k : t) * p->columns + column;
                for (int64_t r = 0; r < 2; r++)
                    factor[r][k] = there && r < rows ? p->a[(row + r) * p->a_row + (t + k) * p->a_term] : 0;
            }
            t += PRODUCTS_TERMS;
            if (rows == 2)
                products_add_both((const cvy_real(*)[PRODUCTS_TERMS])factor, v, n, part[0], part[1]);
            else
                products_add(factor[0], v, n, part[0]);
        }
        t = end;
        for (int64_t r = 0; r < rows; r++) products_to_double(part[r], n, sum[r]);
    }
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = 0; i < n; i++)
            p->to[(row + r) * p->columns + column + i] = (cvy_real)(p->factor * sum[r][i]);
}

/* Rows of the result. Some columns are read for all rows before the next. */
static inline void products_rows(const products_job *p, int64_t begin, int64_t end)
{
    for (int64_t column = 0; column < p->columns; column += PRODUCTS_COLUMNS) {
        const int64_t n = p->columns - column;
        for (int64_t row = begin; row < end; row += 2)
            products_pair(p, row, end - row < 2 ? 1 : 2, column, n < PRODUCTS_COLUMNS ? n : PRODUCTS_COLUMNS);
    }
}

#endif
