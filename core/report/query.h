/* What the commands ask the store, and the answers as plain structs in the caller's arena. */
#ifndef REPORT_QUERY_H
#define REPORT_QUERY_H

#include <stdbool.h>
#include <stdint.h>
#include "base/error.h"
#include "base/memory.h"
#include "report/store.h"

/* What is not there: integers are QUERY_NONE, doubles nan, texts NULL. */
#define QUERY_NONE INT64_MIN

typedef struct query_run { /* the view run_summary */
    const char *name, *experiment, *sweep, *label, *model, *dataset, *source, *config_hash, *exact_key, *tags;
    const char *state; /* planned, running, finished, paused, stopped early, stopped, failed, killed */
    const char *metric, *goal;
    int64_t number, trial, repeat, seed, parameters, trainable, macs, epochs, epochs_done, best_epoch,
        attempts;
    double created, seconds, best, best_val_accuracy, best_val_loss, test_accuracy, test_loss;
} query_run;

typedef struct query_sweep { /* the view sweep_summary */
    const char *name, *experiment, *method, *metric, *goal, *best_run, *source, *tags;
    int64_t trials, runs, finished, failed, stopped_early;
    double best, created;
} query_sweep;

typedef struct query_point {
    int64_t step, epoch;
    double value;
} query_point;

typedef struct query_curve {
    const char *metric;
    query_point *points; /* by step */
    size_t n;
} query_curve;

typedef struct query_pair {
    const char *key, *value;
} query_pair;

typedef struct query_pairs {
    query_pair *items; /* by key */
    size_t n;
} query_pairs;

/* What a word of the user stands for. */
typedef struct query_target {
    const char *sweep; /* NULL when it means runs */
    query_run *runs;   /* of the sweep, or those meant; oldest first */
    size_t n;
} query_target;

/* A state is told as killed where the journals say running but nobody holds the run folder's lock: the
 * machine went down, and nobody was left to say so. */
cvy_status query_runs(store *s, arena *a, query_run **out, size_t *n, errors *e); /* oldest first */
/* The last of them by age, oldest first, for a list: without model, dataset, source, hashes and metric. `single`: of those that
 * are no sweep's. most 0: all. */
cvy_status query_listed_runs(store *s, bool single, int64_t most, arena *a, query_run **out, size_t *n,
                             errors *e);
/* The same of those that are no sweep's. */
cvy_status query_single_runs(store *s, arena *a, query_run **out, size_t *n, errors *e);
cvy_status query_sweep_runs(store *s, const char *sweep, arena *a, query_run **out, size_t *n, errors *e);
cvy_status query_sweeps(store *s, arena *a, query_sweep **out, size_t *n, errors *e); /* oldest first */

/* Finds "r12", "s3", an experiment's name, a tag, the beginning of either, or "last". Where a name has
 * several runs, `one` takes the newest and else all are meant; "last" is the newest run, or without `one` its
 * sweep. Nothing found: CVY_ERR_CONFIG with the nearest names. */
cvy_status query_find(store *s, const char *word, bool one, arena *a, query_target *out, errors *e);

typedef enum query_scope { QUERY_STEP, QUERY_EPOCH, QUERY_RUN, QUERY_MEASURED } query_scope;
/* All curves of a run, by metric. */
cvy_status query_curves(store *s, const char *run, query_scope scope, arena *a, query_curve **out, size_t *n,
                        errors *e);
/* The points of one metric; out->n is 0 when there are none. */
cvy_status query_curve_of(store *s, const char *run, query_scope scope, const char *metric, arena *a,
                          query_curve *out, errors *e);

/* What a run has curves of: by epoch, by step or measured; sorted. No point is read for it. */
cvy_status query_metric_names(store *s, const char *run, arena *a, const char ***out, size_t *n, errors *e);

/* Histograms of a tensor's numbers; the counts of all in one array. */
typedef struct query_histogram {
    const char *tensor, *kind; /* "weights" or "gradient" */
    int64_t step, epoch;
    double low, high, mean, sd;
    int64_t *counts;
    size_t n;
} query_histogram;
/* By tensor, kind and step. tensor NULL: of all. */
cvy_status query_histograms(store *s, const char *run, const char *tensor, arena *a, query_histogram **out,
                            size_t *n, errors *e);

cvy_status query_params(store *s, const char *run, arena *a, query_pairs *out, errors *e);
/* Of a run as its trial of r->sweep has them: the sweep may have taken over a run that was described otherwise. */
cvy_status query_trial_params(store *s, const query_run *r, arena *a, query_pairs *out, errors *e);
cvy_status query_environment(store *s, const char *run, arena *a, query_pairs *out, errors *e);

typedef struct query_attempt {
    int64_t attempt, from_step, end_step, code, signal;
    const char *state, *what;
    double started, seconds;
} query_attempt;
cvy_status query_attempts(store *s, const char *run, arena *a, query_attempt **out, size_t *n, errors *e);

typedef struct query_event {
    const char *kind, *what;
    double time;
} query_event;
cvy_status query_events(store *s, const char *owner, arena *a, query_event **out, size_t *n, errors *e);

typedef struct query_plugin {
    const char *kind, *name, *path, *sha256;
} query_plugin;
cvy_status query_plugins(store *s, const char *run, arena *a, query_plugin **out, size_t *n, errors *e);

typedef struct query_artifact {
    const char *kind, *path;
    int64_t step;
} query_artifact;
cvy_status query_artifacts(store *s, const char *run, arena *a, query_artifact **out, size_t *n, errors *e);

#endif
