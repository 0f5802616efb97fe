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
    bool one_of_many; /* a sweep's run: see KEEP_AUTO */
    bool grouped; /* what a new run writes in its first second is made durable by others, see TRAINER_YOUNG */
    int64_t until_epoch;     /* stop, resumable, after so many epochs; 0: never */
    bool (*stop)(void *ctx); /* asked after every step: whether to checkpoint and leave */
    void *ctx;
} trainer_options;

/* Seconds. A run that takes less is trained again as soon as the disk would have said that it is safe; of many such runs
 * their supervisor makes the files durable together. */
#define TRAINER_YOUNG 1.0

/* Trains from the last checkpoint, or the beginning, to the end. The journal is new and empty; its segment record is
 * written here. CVY_OK: finished. CVY_STOPPED: checkpointed, resumable. Else the reason is in e (and the journal's end). */
cvy_status trainer_run(const setup *s, const trainer_options *o, const char *journal_path, errors *e);

#endif
