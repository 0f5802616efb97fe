/* Sums over plain arrays, in double. Must not know what the numbers are of. */
#include "train/tensor_stats.h"

#include <math.h>

#include "base/memory.h"

tensor_stats tensor_stats_of(const float *v, int64_t n)
{
    tensor_stats s = {0};
    double sum = 0, squares = 0, apart = 0;
    int64_t zeros = 0;
    for (int64_t i = 0; i < n; i++) {
        const double x = (double)v[i];
        if (!isfinite(x)) continue;
        if (!s.n || x < s.low) s.low = x;
        if (!s.n || x > s.high) s.high = x;
        s.n++;
        sum += x;
        squares += x * x;
        zeros += v[i] == 0;
    }
    if (!s.n) return s;
    s.mean = sum / (double)s.n;
    for (int64_t i = 0; i < n; i++) {
        const double d = (double)v[i] - s.mean;
        if (isfinite(d)) apart += d * d;
    }
    s.sd = sqrt(apart / (double)s.n);
    s.zeros = (double)zeros / (double)s.n;
    s.norm = sqrt(squares);
    return s;
}

void tensor_histogram(const float *v, int64_t n, const tensor_stats *s, int64_t counts[TENSOR_BUCKETS])
{
    const double width = (s->high - s->low) / TENSOR_BUCKETS;
    for (int i = 0; i < TENSOR_BUCKETS; i++) counts[i] = 0;
    for (int64_t i = 0; i < n; i++) {
        const double x = (double)v[i];
        if (!isfinite(x)) continue;
        const double at = width > 0 ? (x - s->low) / width : 0;
        counts[at < TENSOR_BUCKETS - 1 ? (int)at : TENSOR_BUCKETS - 1]++;
    }
}

static double tensor_dot(const float *a, const float *b, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += (double)a[i] * (double)b[i];
    return sum;
}

double tensor_cosine(const float *v, int64_t n, int64_t length)
{
    const float *rows[TENSOR_ROWS];
    double norms[TENSOR_ROWS], sum = 0;
    const int64_t most = n < TENSOR_ROWS ? n : TENSOR_ROWS;
    int64_t kept = 0, pairs = 0;
    for (int64_t i = 0; i < most; i++) {
        const float *row = v + i * n / most * length;
        const double norm = sqrt(tensor_dot(row, row, length));
        if (!(norm > 0) || !isfinite(norm)) continue;
        rows[kept] = row;
        norms[kept++] = norm;
    }
    for (int64_t i = 0; i < kept; i++)
        for (int64_t k = i + 1; k < kept; k++, pairs++)
            sum += fabs(tensor_dot(rows[i], rows[k], length)) / (norms[i] * norms[k]);
    return pairs ? sum / (double)pairs : (double)NAN;
}
