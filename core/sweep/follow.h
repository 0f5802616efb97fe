/* A run's journals and its supervisor's events, read as they grow: how far it is, what it measured, how it
 * ended. */
#ifndef SWEEP_FOLLOW_H
#define SWEEP_FOLLOW_H

#include <stdbool.h>
#include <stdint.h>
#include "base/error.h"

typedef struct follow_point {
    int64_t step, epoch;
    double value;
} follow_point;

typedef struct follow_metric {
    char *name;
    follow_point *points; /* by step; of step metrics the last only */
    size_t n, cap;
} follow_metric;

typedef struct follow_set {
    follow_metric *items;
    size_t n, cap;
} follow_set;

typedef enum follow_state {
    FOLLOW_PLANNED,
    FOLLOW_RUNNING,
    FOLLOW_FINISHED,
    FOLLOW_PAUSED, /* at an epoch at which its sweep asks whether it is worth going on */
    FOLLOW_PRUNED, /* it was not */
    FOLLOW_STOPPED,
    FOLLOW_FAILED,
    FOLLOW_KILLED
} follow_state;

typedef struct follow {
    char *dir;
    int64_t attempt; /* the newest with a journal; 0: none */
    int64_t step, epoch;
    char *exact_key; /* under which the newest attempt ran */
    char *end_state; /* as the newest attempt said itself: finished, stopped, failed; NULL: it has not */
    char *end_text;
    follow_set epochs, whole, steps, measured;
    /* by its supervisors */
    int64_t started; /* the newest attempt begun; 0: none */
    int64_t pid;     /* of that */
    double since;
    int64_t exited; /* the newest attempt seen to end */
    int code, signal;
    double seconds; /* of all attempts that ended */
    int64_t ruled;  /* the attempt whose end means what `ruling` says; 0: none */
    char *ruling, *ruling_text;
    struct follow_files *files;
} follow;

follow *follow_open(const char *dir); /* the folder may still be empty */
void follow_close(follow *f);         /* NULL is fine */
/* Reads what is new. Whether there was anything. */
bool follow_read(follow *f);
/* Lets go of the open files and of what only a running trial is watched by; follow_read() takes it up again. */
void follow_rest(follow *f);

/* After follow_read(); tries the folder's lock. */
follow_state follow_state_of(const follow *f);
const char *follow_state_name(follow_state s); /* "running" */

/* NULL when nothing was logged under that name. */
const follow_point *follow_last(const follow_set *set, const char *name);
/* The best over the epochs; else the run's own value, with the epoch of that. */
const follow_point *follow_best(const follow *f, const char *name, bool maximize);
/* The same of the first `epochs` alone (0: all). */
const follow_point *follow_best_until(const follow *f, const char *name, bool maximize, int64_t epochs);
/* The value after an epoch; NaN. */
double follow_at(const follow *f, const char *name, int64_t epoch);

#endif
