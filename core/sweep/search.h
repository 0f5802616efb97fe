/* How a sweep chooses its configurations: one small interface, one file for each method behind it.
 *
 * A method keeps no state. Configuration i is a pure function of the space, the seed, i, and the results of the configurations
 * 0 ... i - B (B: space.parallelism): whoever asks again gets the same answer, so that a resumed sweep, one with another number of
 * workers, and one whose run_cap was raised all go through the same configurations. */
#ifndef SWEEP_SEARCH_H
#define SWEEP_SEARCH_H

#include "sweep/space.h"

/* What came of a configuration. */
typedef struct search_result {
    const double *point; /* s->n numbers, see space.h */
    double value;        /* of the metric, the mean over its repeats; NaN: it failed, or never logged it */
    bool stopped;        /* early: the value is the best until then */
} search_result;

typedef struct search_method {
    const char *name;
    bool adaptive; /* looks at results; the others are asked for all configurations at once */
    /* How many configurations there are; 0: as many as wanted (then the file has a run_cap). Reports what this method cannot do
     * with the space, at its place there. */
    cvy_status (*count)(const space *s, size_t *n, errors *e);
    /* point[0 .. s->n) of configuration `config`; results[0 .. n_results) are those it may look at, in order. Does not look at
     * `where`: see search_propose(). `attempt` counts from 0 the proposals refused there. False: there are no more. */
    bool (*propose)(const space *s, uint64_t seed, const search_result *results, size_t n_results,
                    size_t config, uint32_t attempt, double *point);
} search_method;

extern const search_method search_grid, search_random, search_sobol, search_tpe;
/* By the name in the file (bayes is tpe); NULL. */
const search_method *search_find(const char *name);

/* Configurations of the sweep, run_cap applied; refused beyond SEARCH_MAX_TRIALS trials with repeats, with `at` as place. */
enum { SEARCH_MAX_TRIALS = 100000 };
cvy_status search_count(const space *s, int64_t repeats, const place *at, size_t *configs, errors *e);
/* Configuration `config`, proposed again while `where` refuses it; results are those of configurations 0 ... in order, of which as
 * many are looked at as it may see. False after reporting: `where` leaves (nearly) nothing. */
bool search_propose(const space *s, uint64_t seed, const search_result *results, size_t n_results,
                    size_t config, double *point, errors *e);
/* How many results configuration i may look at: those of 0 ... i - parallelism. */
size_t search_visible(const space *s, size_t config);

#endif
