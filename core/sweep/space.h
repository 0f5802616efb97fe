/* What `sweep:` and `repeats:` of an experiment file ask for, in Weights & Biases' vocabulary: which
 * parameters vary, over which values, and what counts as better. */
#ifndef SWEEP_SPACE_H
#define SWEEP_SPACE_H

#include <stdbool.h>
#include <stdint.h>
#include "config/experiment.h"

/* How a parameter's values come about. */
typedef enum space_kind {
    SPACE_CHOICE,     /* one of `values`; the number in a point is its index */
    SPACE_UNIFORM,    /* on [min, max] */
    SPACE_LOG,        /* its logarithm uniform on [log min, log max] */
    SPACE_INV_LOG,    /* the logarithm of its reciprocal is */
    SPACE_NORMAL,     /* mu, sigma */
    SPACE_LOG_NORMAL, /* its logarithm is */
    SPACE_BETA        /* a, b */
} space_kind;

typedef struct space_parameter {
    const char *path; /* "train.optimizer.lr" */
    place at;         /* of its key in the file */
    space_kind kind;
    const node **values; /* SPACE_CHOICE: n of them, at least 1 */
    size_t n;
    const double *probabilities; /* of the values; NULL: all alike */
    double min, max, mu, sigma, a, b;
    double q;     /* rounded to multiples of it; 0: not */
    bool integer; /* written without a fraction */
} space_parameter;

typedef struct space_metric {
    const char *name;
    bool maximize;
} space_metric;

typedef enum early_kind {
    EARLY_NONE,
    EARLY_MEDIAN,
    EARLY_HYPERBAND_WANDB,
    EARLY_HALVING,
    EARLY_HYPERBAND,
    EARLY_ASHA
} early_kind;

typedef struct early_rule {
    early_kind kind;
    int64_t min_iter, max_iter, s; /* epochs; W&B's names */
    double eta;
    bool strict;
    int64_t startup, warmup, interval; /* of `median`: configurations and epochs */
} early_rule;

/* What stands for the value of a configuration that failed, when others are chosen after it; W&B's words. */
typedef enum space_impute { SPACE_IMPUTE_WORST, SPACE_IMPUTE_BEST, SPACE_IMPUTE_LATEST } space_impute;

/* Of method tpe. */
typedef struct space_tpe {
    int64_t startup;    /* configurations drawn at random before the first that is chosen by results */
    int64_t candidates; /* drawn for each choice, of which the most promising is taken */
    double gamma;       /* share of the results that count as good, at most 25 of them */
    double prior_weight;
    bool magic_clip, multivariate;
} space_tpe;

typedef struct space {
    const char *method;      /* "grid" */
    const char *description; /* NULL when not given */
    space_metric metric;
    const place *metric_at; /* of its name in the file; NULL: not given, and `metric` is the default */
    bool has_target;        /* a value of the metric that ends the sweep */
    double target;
    space_parameter *parameters; /* in the file's order */
    size_t n;
    int64_t run_cap;     /* 0: none */
    int64_t parallelism; /* B: configuration i is chosen from the results of 0 ... i - B; at least 1 */
    early_rule early;
    const struct space_rules *rules; /* when, where, zip, configurations: space_rules.h; NULL: none */
    space_impute impute;
    space_tpe tpe;
    const place *method_at; /* of the word behind `method:` */
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

/* One value that a configuration sets. */
typedef struct space_setting {
    const char *path;
    const node *value;
    place at; /* of the value in the file, or of its parameter where it was drawn */
} space_setting;

/* A point is s->n numbers, one for each parameter: the index of a choice, or the value itself; NaN where the parameter's
 * `when:` does not hold. What it sets, in the arena, *n of them: */
space_setting *space_settings(const space *s, const double *point, arena *a, size_t *n);
/* The parameter of which a value stands there, by number; SIZE_MAX: none. What is wrong with a parameter's path is so told
 * from what is wrong with one of its values. */
size_t space_parameter_at(const space *s, const char *file, int line, int column);
/* Which parameter decides what plugin it is inside of which parameter i is set: that of its `type`, or of the plugin as a whole;
 * SIZE_MAX: none. */
size_t space_decider(const space *s, size_t i);
/* The hint for a parameter that plugins of some of the decider's values do not have: the condition under which the others are
 * left, where `lacking` (bit k: value k has none) leaves any. NULL: there is nothing to say. */
const char *space_when_hint(const space *s, size_t i, uint64_t lacking, arena *a);
/* The same as overrides, "path=value". */
const char **space_overrides(const space *s, const double *point, arena *a, size_t *n);

#endif
