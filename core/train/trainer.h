/* The training loop of one run: epochs of steps, validation, checkpoints, the final test. Knows no other run. */
#ifndef TRAIN_TRAINER_H
#define TRAIN_TRAINER_H

#include "journal/journal.h"
#include "train/setup.h"

typedef struct trainer_options {
    const char *dir; /* the run's folder; checkpoints go to its checkpoints/ */
    const char *config_hash;
    const char *exact_key;
    int64_t attempt;
    int64_t until_epoch;     /* stop, resumable, after so many epochs; 0: never */
    bool (*stop)(void *ctx); /* asked after every step: whether to checkpoint and leave */
    void *ctx;
} trainer_options;

/* Trains from the last checkpoint, or the beginning, to the end. The journal is new and empty; its segment record is
 * written here. CVY_OK: finished. CVY_STOPPED: checkpointed, resumable. Else the reason is in e (and the journal's end). */
cvy_status trainer_run(const setup *s, const trainer_options *o, const char *journal_path, errors *e);

#endif
