/* A table in memory, its samples split and scaled. Private to the csv dataset; must not know text or files. */
#ifndef DATASETS_CSV_TABLE_H
#define DATASETS_CSV_TABLE_H

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "draw.h"

typedef struct csv_class {
    char *name;
    double value; /* where all classes are numbers */
} csv_class;

typedef struct csv_table {
    int64_t n_rows, room, features;
    int32_t targets;
    float *x;            /* (rows, features) */
    float *t;            /* (rows, targets) */
    int32_t *labels;     /* (rows) */
    int64_t *numbers[2]; /* of the rows of each split */
    int64_t n[2];
    csv_class *classes; /* in the order of their numbers */
    const char **names;
    int32_t n_classes;
} csv_table;

/* n x k elements of `size` bytes instead of what there was. */
static inline int csv_grow(void *pointer, int64_t n, int64_t k, size_t size)
{
    void *old, *more;
    int64_t count, bytes;
    memcpy(&old, pointer, sizeof old);
    if (__builtin_mul_overflow(n, k, &count) || __builtin_mul_overflow(count, (int64_t)size, &bytes))
        return -1;
    more = realloc(old, (size_t)bytes);
    if (!more) return -1;
    memcpy(pointer, &more, sizeof more);
    return 0;
}

static inline void csv_table_free(csv_table *d)
{
    if (!d) return;
    for (int32_t k = 0; d->names && k < d->n_classes; k++) free((void *)(uintptr_t)d->names[k]);
    free(d->names);
    free(d->classes);
    free(d->x);
    free(d->t);
    free(d->labels);
    free(d->numbers[0]);
    free(d->numbers[1]);
    free(d);
}

/* The first rows for training, the others for the test. -1: no memory; so below. */
static inline int csv_split_at(csv_table *d, int64_t rows)
{
    d->n[CVY_TRAIN] = rows;
    d->n[CVY_TEST] = d->n_rows - rows;
    for (int split = 0; split < 2; split++) {
        d->numbers[split] = calloc((size_t)d->n[split] + 1, sizeof(int64_t));
        if (!d->numbers[split]) return -1;
        for (int64_t i = 0; i < d->n[split]; i++) d->numbers[split][i] = i + (split ? rows : 0);
    }
    return 0;
}

/* Marks the share of the members that is tested, by the first steps of a Fisher-Yates shuffle; one at least is left. */
static inline void csv_draw_test(int64_t *members, int64_t m, double share, draw *d, char *test)
{
    int64_t take = (int64_t)floor(share * (double)m + 0.5);
    if (take >= m) take = m - 1;
    for (int64_t k = 0; k < take; k++) {
        const int64_t j = k + (int64_t)(draw_u64(d) % (uint64_t)(m - k)), swap = members[k];
        members[k] = members[j];
        members[j] = swap;
        test[members[k]] = 1;
    }
}

/* A seeded share of the rows for the test, of each class alike; both parts in the order of the table. */
static inline int csv_split_drawn(csv_table *d, double share, uint64_t seed)
{
    const int32_t classes = d->labels ? d->n_classes : 1;
    int64_t *start = calloc((size_t)classes + 2, sizeof *start);
    int64_t *members = calloc((size_t)d->n_rows, sizeof *members);
    char *test = calloc((size_t)d->n_rows, 1);
    int rc = start && members && test ? 0 : -1;
    if (!rc) { /* start[c + 1] counts, then points to where class c goes on, and ends as the start of c + 1 */
        for (int64_t i = 0; i < d->n_rows; i++) start[(d->labels ? d->labels[i] : 0) + 2]++;
        for (int32_t c = 0; c < classes; c++) start[c + 2] += start[c + 1];
        for (int64_t i = 0; i < d->n_rows; i++) members[start[(d->labels ? d->labels[i] : 0) + 1]++] = i;
        draw random = {mix(seed + 0x632be59bd9b4e019u)};
        for (int32_t c = 0; c < classes; c++)
            csv_draw_test(members + start[c], start[c + 1] - start[c], share, &random, test);
        for (int64_t i = 0; i < d->n_rows; i++) d->n[(int)test[i]]++;
        for (int split = 0; split < 2; split++) {
            d->numbers[split] = calloc((size_t)d->n[split] + 1, sizeof(int64_t));
            if (!d->numbers[split]) rc = -1;
            d->n[split] = 0;
        }
    }
    for (int64_t i = 0; i < d->n_rows && !rc; i++) d->numbers[(int)test[i]][d->n[(int)test[i]]++] = i;
    free(start);
    free(members);
    free(test);
    return rc;
}

/* Mean 0 and deviation 1 over the training samples for each of `channels` stretches of a row; what is constant becomes
 * 0. */
static inline void csv_standardize(csv_table *d, int64_t channels)
{
    const int64_t length = d->features / channels;
    for (int64_t c = 0; c < channels; c++) {
        double sum = 0, squares = 0;
        const double count = (double)d->n[CVY_TRAIN] * (double)length;
        for (int64_t i = 0; i < d->n[CVY_TRAIN]; i++)
            for (int64_t k = 0; k < length; k++)
                sum += (double)d->x[d->numbers[CVY_TRAIN][i] * d->features + c * length + k];
        const double mean = sum / count;
        for (int64_t i = 0; i < d->n[CVY_TRAIN]; i++)
            for (int64_t k = 0; k < length; k++) {
                const double v = (double)d->x[d->numbers[CVY_TRAIN][i] * d->features + c * length + k] - mean;
                squares += v * v;
            }
        const double deviation = sqrt(squares / count), scale = deviation > 0 ? 1 / deviation : 0;
        for (int64_t i = 0; i < d->n_rows; i++)
            for (int64_t k = 0; k < length; k++) {
                float *x = &d->x[i * d->features + c * length + k];
                const double v = ((double)*x - mean) * scale;
                *x = (float)(v > 3e38 ? 3e38 : v < -3e38 ? -3e38 : v);
            }
    }
}

#endif
