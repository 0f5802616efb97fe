/* The samples of a run: the dataset plugin's, split, limited, augmented. Knows no network and no batch.
 *
 * Every sample is a function of (configuration, seed, epoch, its number): which thread reads it, and when, moves
 * nothing. */
#ifndef TRAIN_DATA_H
#define TRAIN_DATA_H

#include "base/philox.h"
#include "convoy/augment.h"
#include "convoy/dataset.h"
#include "plugin/host.h"
#include "train/settings.h"

typedef enum data_part { DATA_TRAIN, DATA_VALIDATION, DATA_TEST, DATA_PARTS } data_part;

typedef struct data {
    arena memory;
    const cvy_descriptor *plugin;
    const cvy_dataset *type;
    const void *config;
    void *opened;
    cvy_dataset_info info;
    const data_settings *settings;
    uint64_t seed;
    place at;                   /* of the dataset in the experiment file */
    cvy_shape sample;           /* after augmentation: what the network sees */
    cvy_shape *shapes;          /* before each augmentation step, and after the last */
    const char **positions;     /* of the augmentation steps in the list, as text */
    int64_t *index[DATA_PARTS]; /* numbers in the plugin's split, ascending */
    int64_t n[DATA_PARTS];
    cvy_channel_stats stats; /* mean NULL until data_prepare() */
} data;

/* Opens the dataset and splits it; checks that every augmentation step fits. NULL after reporting. */
data *data_open(const cvy_descriptor *plugin, const void *config, const data_settings *settings,
                uint64_t seed, const char *base_dir, const place *at, errors *e);
void data_close(data *d);

/* Statistics of the training part, if an augmentation step wants them. Before the first data_read(). */
cvy_status data_prepare(data *d, errors *e);

/* Lets the training samples stand as the validation part too, so that they are read as evaluation reads: in order, and
 * without what is done to them in training alone. */
void data_validate_on_training(data *d);
/* A checksum over a part's samples as the plugin gives them, labels included. */
cvy_status data_checksum(const data *d, data_part part, uint32_t *crc, errors *e);

/* What the network's output is compared with: TARGET_* of settings.h. */
int32_t data_target(const data *d);

/* Floats of scratch that data_read() needs. */
int64_t data_scratch(const data *d);
/* The i-th sample of a part as the network sees it in `epoch`: x gets cvy_count(&d->sample) floats, `target` (may be NULL)
 * d->info.targets. From any thread with its own scratch and errors. */
cvy_status data_read(const data *d, data_part part, int64_t i, int32_t epoch, float *x, int32_t *label,
                     float *target, float *scratch, errors *e);

#endif
