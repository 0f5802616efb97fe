/* Batches, read ahead by a thread of their own while the current one trains. */
#ifndef TRAIN_LOADER_H
#define TRAIN_LOADER_H

#include "train/data.h"

typedef struct batch {
    int64_t n;       /* samples; the last batch of a part may be smaller */
    int64_t first;   /* position of its first sample in the epoch's order */
    float *x;        /* (n, sample...) */
    int32_t *labels; /* (n) */
    float *target;   /* (n, targets); NULL where the dataset has none */
} batch;

typedef struct loader loader;

/* For batches of at most `batch` samples; all memory is taken here. */
loader *loader_new(const data *d, int64_t batch, errors *e);
void loader_free(loader *l);

/* Starts reading a part from batch number `from` on, batches of `size` (at most the loader's). In training the order is
 * the epoch's: a permutation drawn from (seed, epoch). Ends whatever was being read. */
void loader_start(loader *l, data_part part, int32_t epoch, int64_t size, int64_t from);
/* The next batch, valid until the next call; NULL at the end of the part or, after reporting, when reading failed. */
const batch *loader_next(loader *l, errors *e);
void loader_stop(loader *l);

#endif
