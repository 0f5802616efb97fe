/* One trial: a configuration with a seed, its plan, and the run that it becomes. */
#ifndef SWEEP_TRIAL_H
#define SWEEP_TRIAL_H

#include <stdbool.h>
#include <stdint.h>
#include "sweep/follow.h"
#include "sweep/plan.h"
#include "sweep/space.h"

typedef enum trial_state {
    TRIAL_WAITING,
    TRIAL_OPEN,    /* what it will be is not chosen yet */
    TRIAL_PAUSED,  /* at an epoch at which is asked whether it is worth going on */
    TRIAL_KNOWN,   /* finished before: not trained again */
    TRIAL_REFUSED, /* cannot be planned */
    TRIAL_RUNNING,
    TRIAL_FINISHED,
    TRIAL_PRUNED,  /* stopped early: not worth going on */
    TRIAL_STOPPED, /* on request; resumable */
    TRIAL_FAILED,
    TRIAL_KILLED /* by a signal */
} trial_state;

typedef struct trial {
    int64_t config, repeat; /* which configuration, which of its seeds; config -1: a single run */
    int64_t seed;           /* -1: the experiment's own */
    const char *label;
    const char *const *overrides; /* of the command line and of the configuration */
    size_t n_overrides;
    plan plan;

    char *run, *dir; /* "r12" and its folder; NULL until it has one */
    bool resumed;    /* the folder was there before */
    bool inexact;    /* may go on though the exact key has changed */
    int64_t until;   /* of a TRIAL_PRUNED one: the epochs that count */
    int64_t retries; /* attempts that were begun again after a failure */
    bool
        cut; /* outside the promise of equal outcomes: it met a limit of time or memory, or was tried again */
    trial_state state;
    cvy_status status; /* of a failed one: its exit code */
    char *why;         /* it failed */
    double seconds;    /* of this attempt */
    follow *journals;  /* open once it has a folder */
} trial;

void trial_free(trial *t);
const char *trial_state_name(trial_state s); /* "finished" */
bool trial_is_done(const trial *t);          /* finished, now or before, or stopped early */
/* What it came to by a metric: the best of its epochs, else the run's own value; NaN. */
double trial_value(const trial *t, const space_metric *by);

/* What trials are judged by where nobody says: validation accuracy, or the loss where one of them has no accuracy. */
space_metric trial_default_metric(const trial *trials, size_t n);

/* What run.json says beyond the plan. */
typedef struct trial_origin {
    const char *results;
    int64_t least;      /* new names start behind this number */
    const char *source; /* experiment file */
    const char *sweep;  /* "s3", or NULL; its copies of plugins are used */
    space_metric metric;
    int64_t threads;
} trial_origin;

/* Makes the trial's folder, whole and durably: spec.yaml and run.json. */
cvy_status trial_make_run(trial *t, const trial_origin *from, errors *e);
/* Takes a run that is there already. */
void trial_take_run(trial *t, const char *results, const char *run);

#endif
