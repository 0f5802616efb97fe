/* What `sweep:` and `repeats:` of an experiment file ask for, in Weights & Biases' vocabulary: which
 * parameters vary, over which values, and what counts as better. */
#ifndef SWEEP_SPACE_H
#define SWEEP_SPACE_H

#include <stdbool.h>
#include <stdint.h>
#include "config/experiment.h"

typedef struct space_parameter {
    const char *path; /* "train.optimizer.lr" */
    place at;         /* of its key in the file */
    const node **values;
    size_t n; /* at least 1 */
} space_parameter;

typedef struct space_metric {
    const char *name;
    bool maximize;
} space_metric;

typedef struct space {
    const char *method;      /* "grid" */
    const char *description; /* NULL when not given */
    space_metric metric;
    const place *metric_at;      /* of its name in the file; NULL: not given, and `metric` is the default */
    space_parameter *parameters; /* in the file's order */
    size_t n;
} space;

/* What single runs are judged by. */
extern const space_metric space_default_metric;

/* Reads and checks `sweep:` of x, which must be there. `overrides` are those of the command line: one that
 * sets the path of a parameter is an error. All that is found wrong is reported. Values point into x; the
 * rest lives in the arena. */
cvy_status space_read(const experiment *x, const char *const *overrides, size_t n_overrides, arena *a,
                      space *out, errors *e);
/* Whether the file has a sweep at all. */
bool space_given(const experiment *x);

#endif
