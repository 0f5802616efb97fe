/* What the planning child says about one trial: why it cannot be run, or all that run.json wants to know. */
#ifndef SWEEP_PLAN_H
#define SWEEP_PLAN_H

#include <stdint.h>
#include "base/error.h"
#include "base/json.h"

typedef struct plan {
    cvy_status status; /* CVY_OK: it can be run */
    errors problems;   /* why not; else warnings */
    char *line;        /* what the child said, JSON; NULL unless CVY_OK */
    /* read off it */
    char *experiment, *config_hash, *exact_key, *model;
    char *metrics;     /* names of what it will log, each with a blank behind it */
    bool more_metrics; /* and plugins of the user's own may log others */
    int64_t fold;      /* of cross-validation; 0: none */
    int64_t seed, epochs, steps_per_epoch, train_samples, macs, parameters, memory_bytes, checkpoint_bytes,
        validation_samples, test_samples;
    double start_seconds, step_seconds, sample_seconds; /* timed by a probe; 0: not */
    bool accuracy; /* its metrics will say how often it is right; else there are losses alone */
    bool average;  /* it chooses its best epoch by its averaged weights */
} plan;            /* a zeroed one is valid and says nothing */

/* Understands one line. False when it is none of the protocol: then *out is untouched. */
bool plan_read(const char *line, size_t n, plan *out);
/* The same of a line that was parsed; `line` is left out. */
bool plan_take(const json *v, plan *out);

/* The beginning of a config_hash's own checksum: configurations with an equal one are the same. All zero: there is none. */
typedef struct plan_key {
    unsigned char b[16];
} plan_key;
plan_key plan_key_of(const char *config_hash); /* NULL: none */
bool plan_key_equal(const plan_key *a, const plan_key *b);
bool plan_key_none(const plan_key *k);
/* The plan of something that could not be planned. */
plan plan_failed(cvy_status status, const char *hint, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
#define plan_free \
    trial_plan_free /* graph/plan.h has the name plan_free in the same library: rename type and functions \
                       here to trial_plan */
void plan_free(plan *p);

#endif
