/* Batches, read ahead by a thread of their own while the current one trains. A batch holds samples of one shape. */
#ifndef TRAIN_LOADER_H
#define TRAIN_LOADER_H

#include "train/data.h"

typedef struct batch {
    int64_t n;              /* samples; the last batch of a part, or of those of one shape, may be smaller */
    int64_t first;          /* position of its first sample in the epoch's order: samples before it */
    cvy_shape shape;        /* of a sample */
    const int64_t *samples; /* (n): their numbers in the part */
    float *x;               /* (n, sample...) */
    int32_t *labels;        /* (n) */
    float *
        target; /* (n, data_target_floats()); NULL where that is 0. Shares of the classes hold in training alone */
    int64_t copy, copies; /* at test time: which reading of these samples, of how many */
} batch;

typedef struct loader loader;

/* For batches of at most `batch` samples; all memory is taken here. */
loader *loader_new(const data *d, int64_t batch, errors *e);
void loader_free(loader *l);

/* With copies at test time (settings.h) each batch comes that often, differently augmented, before the next.
 * Starts reading a part from batch number `from` on, batches of `size` (at most the loader's). In training the order is
 * the epoch's: a permutation drawn from (seed, epoch), cut into batches; where samples have several shapes, those of each
 * shape are, and the batches are put into an order drawn from (seed, epoch) too, so that the smaller ones stand anywhere.
 * Otherwise the order is the part's, shape by shape. Ends whatever was being read. */
void loader_start(loader *l, data_part part, int32_t epoch, int64_t size, int64_t from);
/* The next batch, valid until the next call; NULL at the end of the part or, after reporting, when reading failed. */
const batch *loader_next(loader *l, errors *e);
void loader_stop(loader *l);

/* Batches of a part, the same in every epoch. */
int64_t loader_batches(const data *d, data_part part, int64_t size);
/* The group of the batches with the most numbers, and how many samples those have. */
size_t loader_largest(const data *d, data_part part, int64_t size, int64_t *samples);
/* Floats of one of the loader's batches, of which there are LOADER_BATCHES; 0: more than can be. */
enum { LOADER_BATCHES = 3 };
size_t loader_floats(const data *d, int64_t largest);

#endif
