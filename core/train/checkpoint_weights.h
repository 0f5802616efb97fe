/* The weights and buffers that a run has kept, of its best epoch or its last, or averaged: which file they are in, and under which
 * names. Knows no network, and not what becomes of them. The run may be training meanwhile: its files are only read. */
#ifndef TRAIN_CHECKPOINT_WEIGHTS_H
#define TRAIN_CHECKPOINT_WEIGHTS_H

#include "train/safetensors.h"

typedef struct checkpoint_weights {
    safetensors file;
    char *path; /* of that file */
    int64_t epoch;
    safetensor *items; /* by their paths in the network; into the file's memory */
    size_t n;
} checkpoint_weights;

typedef enum weights_which {
    WEIGHTS_BEST, /* of the best epoch; under `select: best_average` averaged ones */
    WEIGHTS_LAST, /* of the last checkpoint */
    WEIGHTS_AVERAGE /* what the optimizer has averaged up to the last checkpoint; buffers and frozen weights are the last */
} weights_which;

/* "best, last or average", for usage lines and messages. */
#define WEIGHTS_WORDS "best, last or average"
/* The word for them, and back; false when it is none of the words. */
const char *weights_word(weights_which which);
bool weights_parse(const char *word, weights_which *which);

/* Reads those of the run in folder `dir`; false after reporting what is damaged, or that there is nothing yet. To be
 * freed either way. */
bool checkpoint_weights_read(checkpoint_weights *w, const char *dir, weights_which which, errors *e);
void checkpoint_weights_free(checkpoint_weights *w);

#endif
