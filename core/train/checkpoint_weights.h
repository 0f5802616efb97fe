/* The weights and buffers that a run has kept, of its best epoch or its last: which file they are in, and under which
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

/* Reads those of the run in folder `dir`; false after reporting what is damaged, or that there is nothing yet. To be
 * freed either way. */
bool checkpoint_weights_read(checkpoint_weights *w, const char *dir, bool best, errors *e);
void checkpoint_weights_free(checkpoint_weights *w);

#endif
