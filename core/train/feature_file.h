/* A safetensors file that grows row by row: `features` (N, ...), of which N is known at the end only, and what belongs to
 * the rows. Atomic: under its name it is whole or not there. */
#ifndef TRAIN_FEATURE_FILE_H
#define TRAIN_FEATURE_FILE_H

#include "base/error.h"
#include "base/text.h"
#include "convoy/plugin.h"

typedef struct feature_file {
    char *path, *temporary; /* owned */
    int fd;
    int64_t row;     /* floats of a row */
    cvy_shape shape; /* (0, ...) until the end */
    int64_t rows;
    size_t room; /* bytes kept for the header */
    float *rows_held;
    int64_t first, held, most; /* rows from `first` on that are not written yet */
} feature_file;                /* a zeroed one is closed */

/* `shape`: (any, ...) of a batch. `metadata`: bytes that the metadata may need as JSON. */
cvy_status feature_file_open(feature_file *f, const char *path, const cvy_shape *shape, size_t metadata,
                             errors *e);
/* Row number `at`, in any order; at the end all up to the last are there. */
cvy_status feature_file_put_row(feature_file *f, int64_t at, const float *y, errors *e);

typedef struct feature_pair {
    const char *key, *value;
} feature_pair;

/* Beside the features: labels (N), or targets (N, n_targets); each NULL where there are none. Then the file gets its
 * name. */
cvy_status feature_file_finish(feature_file *f, const int32_t *labels, const float *targets,
                               int64_t n_targets, const feature_pair *metadata, size_t n, errors *e);
/* Removes what was not finished. */
void feature_file_close(feature_file *f);

#endif
