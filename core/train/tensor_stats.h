/* What a tensor's numbers are like: mean, spread, histogram; how alike filters are. Knows neither layers nor who asks. */
#ifndef TRAIN_TENSOR_STATS_H
#define TRAIN_TENSOR_STATS_H

#include <stdint.h>

typedef struct tensor_stats {
    int64_t n;       /* finite ones, of which the rest speaks */
    double mean, sd; /* of the population */
    double low, high;
    double zeros, norm; /* share of exact zeros; the square root of the sum of squares */
} tensor_stats;         /* of nothing: all 0 */

tensor_stats tensor_stats_of(const float *v, int64_t n);

enum { TENSOR_BUCKETS = 30 };

/* Of equal width from s->low to s->high; the last one has its right end. Equal ends: all in the first. */
void tensor_histogram(const float *v, int64_t n, const tensor_stats *s, int64_t counts[TENSOR_BUCKETS]);

/* The mean over all pairs of |cosine| between n rows of `length` numbers; of more than TENSOR_ROWS rows, between so many of them
 * in equal distances. Rows of zeros are left out. NaN with less than two rows. */
enum { TENSOR_ROWS = 512 };
double tensor_cosine(const float *v, int64_t n, int64_t length);

#endif
