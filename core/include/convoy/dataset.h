/* Datasets: numbered samples of one shape, each with a class or with numbers to be predicted. */
#ifndef CONVOY_DATASET_H
#define CONVOY_DATASET_H

#include "convoy/plugin.h"

typedef enum cvy_element {
    CVY_U8 = 1, /* 0..255; the core scales to [0, 1] */
    CVY_F32 = 2 /* taken as it is */
} cvy_element;

typedef enum cvy_split { CVY_TRAIN = 0, CVY_TEST = 1 } cvy_split;

typedef struct cvy_dataset_info {
    int64_t n[2];     /* samples by cvy_split; a test split may be empty */
    cvy_shape sample; /* (C, H, W); (C, L) of a sequence, (F) of a row of a table, (C, D, H, W) of a volume */
    uint32_t element; /* cvy_element */
    int32_t classes;  /* 0 under `targets` */
    const char *const *class_names; /* `classes` of them, living as long as the dataset; or NULL */
    char fingerprint[65]; /* hex SHA-256 of all that decides the samples besides the configuration: the
                             files' contents; empty when the configuration and the seed decide all */
    int32_t targets;      /* floats to be predicted for each sample (regression); 0: the class is */
    int32_t varied; /* 1: heights and widths (the last two dims) differ; `sample` has the largest of each */
} cvy_dataset_info;

typedef struct cvy_dataset_open {
    const cvy_host *host;
    const char *base_dir;  /* relative paths are relative to this: the experiment file's folder */
    const char *data_dir;  /* where downloaded datasets live: DATA_DIR/NAME */
    uint64_t seed;         /* of the experiment */
    cvy_dataset_info info; /* to fill */
    const char *cache_dir; /* for what can be made again, in a folder of its own below; or NULL */
} cvy_dataset_open;

typedef struct cvy_dataset_read {
    const cvy_host *host;
    uint32_t split;  /* cvy_split */
    int64_t index;   /* 0 .. n[split]-1 */
    void *pixels;    /* to fill: one sample; NULL: only the label is wanted */
    int32_t label;   /* to fill: 0 .. classes-1; nothing under `targets` */
    float *target;   /* to fill: `targets` finite floats; NULL: not wanted, or there are none */
    cvy_shape shape; /* under `varied` to fill, also when no pixels are wanted: this sample's */
} cvy_dataset_read;

/* A picture from elsewhere that is to become a sample like the dataset's own. */
typedef struct cvy_dataset_import {
    const cvy_host *host;
    const uint8_t *pixels; /* (channels, height, width) */
    int32_t channels;      /* those of the dataset's samples */
    int64_t height, width;
    cvy_shape shape; /* to fill: of the sample */
    void *sample;    /* to fill, in the dataset's element type; NULL: only the shape is wanted */
} cvy_dataset_import;

typedef struct cvy_dataset {
    uint32_t size;
    /* Opens and checks all files it will read; *state is the plugin's. Reports file and byte offset on bad
     * data. */
    int (*open)(cvy_dataset_open *o, const void *config, void **state);
    int (*read)(cvy_dataset_read *r, const void *config,
                const void *state); /* from any thread, concurrently */
    void (*close)(void *state);
    /* Treats a picture as it does its own: the same resizing and cropping. NULL: the core resizes it to the shape of the
     * samples. */
    int (*import)(cvy_dataset_import *i, const void *config);
} cvy_dataset;

#endif
