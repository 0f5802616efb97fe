/* Everything of a run that is not a function of (configuration, step), as safetensors files. Knows no schedule of them.
 *
 * CHECKPOINT_LAST   weights and buffers by their paths; `optimizer.SLOT.PATH`, unless the run is finished and does without;
 *                   `best.PATH` while training when the best weights are not the last; position, sums, best-so-far and a
 *                   checksum of the tensors as metadata
 * CHECKPOINT_BEST   weights and buffers of the best epoch, at the end of the run
 * The bytes hold no time and no host: equal runs give equal files. */
#ifndef TRAIN_CHECKPOINT_H
#define TRAIN_CHECKPOINT_H

#include "train/metrics.h"
#include "train/optimize.h"
#include "train/schedule.h"

#define CHECKPOINT_FORMAT "convoy-checkpoint-1" /* the metadata's `format` */

/* The files, under the run's folder. */
#define CHECKPOINT_LAST "checkpoints/last.safetensors"
#define CHECKPOINT_BEST "checkpoints/best.safetensors"

/* Whether the run in `dir` has a last checkpoint. An empty one is none: a power cut leaves it of a file that nobody had waited
 * for. */
bool checkpoint_is_there(const char *dir);

struct safetensors;
/* Whether the tensors of a checkpoint's file have the checksum that it says. */
bool checkpoint_is_whole(const struct safetensors *f);

typedef struct progress_point {
    int64_t step;       /* updates done */
    int64_t epoch;      /* epochs finished */
    int64_t batch;      /* batches of the running epoch done */
    metrics sums;       /* of the running epoch's training batches */
    int64_t best_epoch; /* 1 ...; 0: none yet */
    double best_value;
    schedule_state schedule;
    patience stopping; /* of early stopping */
    bool stopped;      /* it has ended the epochs */
    bool finished;     /* tested, reported: nothing left to do */
    /* said by the run, in no file */
    bool averaged; /* the best weights are averaged ones, never the present ones */
    bool unsynced; /* somebody else sees to it that the files get to the disk */
    bool bare;     /* once it is finished nobody will ask for the optimizer's state */
} progress_point;

typedef struct best_copy { /* the weights and buffers of the best epoch, like the state's arrays */
    float *weights, *buffers;
} best_copy;

/* Removes what a killed attempt left half-written. */
void checkpoint_tidy(const char *dir);

/* While training durable when it returns, folder included, unless `unsynced`. The last of a finished run saves that sync, as does the best's
 * file, which is written right before it: both files' data are safe, and a power cut within seconds may only bring back
 * the checkpoint before, from which the run ends with the same bits. */
cvy_status checkpoint_write_last(const char *dir, const state *s, const optimizer *o, const best_copy *best,
                                 const progress_point *at, const char *config_hash, errors *e);
/* Takes the last away: of a finished run of which the best is enough. */
void checkpoint_drop_last(const char *dir);
cvy_status checkpoint_write_best(const char *dir, const net *n, const best_copy *best,
                                 const progress_point *at, errors *e);
/* Restores from CHECKPOINT_LAST; *found is false when there is none yet. A damaged file, one of another
 * configuration, or with a missing, surplus or misshaped tensor, is an error, and nothing is changed then. */
cvy_status checkpoint_read_last(const char *dir, state *s, optimizer *o, best_copy *best, progress_point *at,
                                const char *config_hash, bool *found, errors *e);

#endif
