/* What one parameter does to the results: runs by its value, replicates by seed, everything else held equal.
 *
 * Configurations are no replicates: what is repeated is the seed. The replicate of a value under a seed is the mean over the other
 * configurations ("blocks") that the sweep crossed it with, and two values are compared over the (block, seed) cells which both
 * have, averaged for each seed. Finite values count. */
#ifndef REPORT_FACTOR_H
#define REPORT_FACTOR_H

#include "report/groups.h"
#include "report/paired.h"
#include "report/repeats.h"

/* A run of a level with its place in the crossing. Of a seed trained again in the same block, the newest run that has a value
 * stands for all of them. */
typedef struct factor_cell {
    size_t block, seed;
    const query_run *run;
    double value; /* that the factor was made with; nan */
} factor_cell;

/* The mean over the blocks that a level has under a seed. */
typedef struct factor_mean {
    size_t seed;
    double value;
} factor_mean;

typedef struct factor_level {
    group g;                  /* its runs; g.label is the value */
    const factor_cell *cells; /* g.n, by seed, block and age, the newest last */
    const factor_mean *means; /* by seed; of those that have a value */
    size_t n_means;
    bool front_time, front_parameters, front_macs; /* nobody is better at no higher cost */
} factor_level;

typedef struct factor {
    factor_level *levels; /* best first */
    size_t n;
    const char **seeds; /* what is repeated: "1", or "1 fold 2" */
    size_t n_seeds, n_blocks;
    repeated repeats;   /* the same as seeds and folds */
    const char *by;     /* the parameter's path; NULL: whole configurations */
    const char *across; /* what the blocks differ in: "train.optimizer"; "" when there is one */
    bool maximize;
} factor;

/* Groups runs by the value of a parameter (a dotted path; "model" is the architecture's name; a path with parts below stands for
 * all of them), or, with NULL, by configuration. A path that no run has is reported with the paths in which they differ. */
cvy_status factor_make(store *s, const query_run *runs, size_t n, const char *by, groups_value *value,
                       bool maximize, arena *a, factor *out, errors *e);

/* Of one value over the seeds of a level, each the mean over the blocks it has there. */
statistics factor_statistics(const factor *f, const factor_level *l, groups_value *value);

/* Level i minus level k over what both have. */
paired factor_compare(const factor *f, size_t i, size_t k, paired_test test);

#endif
