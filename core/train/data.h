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
    char plugin_sha256[65]; /* of its file; empty: not told, and statistics are not kept */
    const cvy_dataset *type;
    const void *config;
    void *opened;
    cvy_dataset_info info;
    const data_settings *settings;
    uint64_t seed;
    place at;         /* of the dataset in the experiment file */
    cvy_shape sample; /* after augmentation: what the network sees; of several groups the first */
    cvy_shape *
        groups; /* the shapes in which samples reach the network, the largest first; a batch is of one of them */
    size_t n_groups;
    int64_t *grouped[DATA_PARTS]; /* samples of the part in each group */
    struct data_step *steps;      /* of augmentation: steps.h */
    size_t n_steps, mixes;        /* `mixes` of them mix samples in training */
    struct data_size *sizes;      /* that samples have in the dataset: sizes.h */
    size_t n_sizes;
    uint64_t *sides[2];         /* of the plugin's samples by cvy_split; NULL: all of one size */
    int32_t *size_of[2];        /* in `sizes` */
    struct sizes_mates *mates;  /* by step; NULL: all training samples can be mixed with all */
    int64_t largest;            /* floats of a sample anywhere on its way */
    int64_t *index[DATA_PARTS]; /* numbers in the plugin's split, ascending */
    int64_t n[DATA_PARTS];
    cvy_channel_stats stats; /* mean NULL until data_prepare() */
} data;

/* Opens the dataset and splits it; checks that every augmentation step fits. NULL after reporting. */
data *data_open(const cvy_descriptor *plugin, const void *config, const data_settings *settings,
                uint64_t seed, const char *base_dir, const place *at, errors *e);
/* The same without the dataset's files: what is to be known of them stands in the card, which the caller keeps for as long.
 * No sample can be read; data_import() works. */
struct data_card;
data *data_recall(const cvy_descriptor *plugin, const void *config, const data_settings *settings,
                  uint64_t seed, const struct data_card *card, const place *at, errors *e);
void data_close(data *d);

/* What augmentation steps want to know of the training part: statistics, and what they learn from it themselves. The same
 * from run to run. Before the first data_read(). */
cvy_status data_prepare(data *d, errors *e);

/* Lets the training samples stand as the validation part too, so that they are read as evaluation reads: in order, and
 * without what is done to them in training alone. */
void data_validate_on_training(data *d);
/* A checksum over a part's samples as the plugin gives them, labels included. */
cvy_status data_checksum(const data *d, data_part part, uint32_t *crc, errors *e);

/* What the network's output is compared with: TARGET_* of settings.h. */
int32_t data_target(const data *d);

/* Floats of `target` in data_read(): the dataset's numbers, or shares of the classes in training where samples are
 * mixed. 0: the label is all. */
int64_t data_target_floats(const data *d);

/* In which of the groups the i-th sample of a part is; sizes.c. */
size_t data_group_of(const data *d, data_part part, int64_t i);

/* Floats of scratch that data_read() needs. */
int64_t data_scratch(const data *d);
/* The i-th sample of a part as the network sees it in `epoch`: x gets the floats of its group's shape, `target` (may be NULL)
 * data_target_floats(). Of mixed classes `label` is the one with the largest share. At test time with copies (settings.h)
 * `epoch` is the copy. From any thread with its own scratch and errors. */
cvy_status data_read(const data *d, data_part part, int64_t i, int32_t epoch, float *x, int32_t *label,
                     float *target, float *scratch, errors *e);

/* ---- pictures from elsewhere: data_import.c ---- */

/* A picture that is to become a sample like the dataset's own: (channels, height, width), as many channels as these. */
typedef struct data_picture {
    const uint8_t *pixels;
    int64_t height, width;
    int64_t number; /* keys what is random of test-time copies */
} data_picture;

/* A sample that such a picture has become; its memory is used again by the next. */
typedef struct data_sample {
    float *x; /* into `room` */
    cvy_shape shape;
    float *room;
    size_t floats;
} data_sample; /* a zeroed one is empty */

/* Whether the samples are images that pictures can become; reports why not. */
bool data_takes_pictures(const data *d, errors *e);
/* Resized as the dataset does it, or to the shape of its samples, then through the steps that evaluation has; of test-time
 * copies (settings.h) number `copy`. Only where the dataset's own samples vary in size is the shape another than d->sample. */
cvy_status data_import(const data *d, const data_picture *p, int32_t copy, data_sample *out, errors *e);
/* Whether pictures of any size become samples of the shape d->sample, so that a batch can be made of them. */
bool data_imports_alike(const data *d);
void data_sample_free(data_sample *s);

#endif
