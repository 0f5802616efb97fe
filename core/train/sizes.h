/* Samples of different sizes: what each size becomes on its way through the augmentation, and with it which samples can be
 * in one batch. Does not read samples: data.c does. */
#ifndef TRAIN_SIZES_H
#define TRAIN_SIZES_H

#include "train/steps.h"

/* A size that samples have in the dataset. */
typedef struct data_size {
    cvy_shape *shapes[DATA_HOWS]; /* by data_how: before each step, and after the last */
    int32_t group[DATA_HOWS];     /* in data.groups */
} data_size;

/* The dataset has answered what shape a sample has; nonzero after reporting one that cannot be. */
int sizes_check(const data *d, const cvy_dataset_read *r);
/* Remembers it, for all samples of both splits, each split before its first sample told how many there are. */
cvy_status sizes_expect(data *d, cvy_split split, errors *e);
void sizes_note(data *d, cvy_split split, int64_t i, const cvy_shape *shape);
/* Once all are known and split: infers what the steps make of every size that is used. */
cvy_status sizes_settle(data *d, errors *e);
/* Counts the samples of the parts by group; again when a part has changed. */
void sizes_count(data *d);
void sizes_free(data *d);

/* That of a sample of the plugin's. */
const data_size *sizes_of(const data *d, cvy_split split, int64_t i);
/* The shape that all training samples have in front of step k when they are read in this way; NULL: not all the same. */
const cvy_shape *sizes_common(const data *d, data_how how, size_t k);
/* The training samples that have the shape of training sample i in front of step k, which mixes; ascending numbers within
 * the part. NULL: all of them. */
const int64_t *sizes_peers(const data *d, size_t k, int64_t i, int64_t *n);

/* What the steps make of a sample from elsewhere: shapes gets n_steps + 1. */
cvy_status sizes_of_other(const data *d, const cvy_shape *raw, data_how how, cvy_shape *shapes, errors *e);

bool sizes_can_be(const cvy_shape *s);
bool sizes_same(const cvy_shape *a, const cvy_shape *b);
/* "3x24x40" */
void sizes_text(const cvy_shape *s, text *out);

#endif
