/* Running trials: several children at a time, in a fixed order, each failing for itself alone. */
#ifndef SWEEP_SUPERVISE_H
#define SWEEP_SUPERVISE_H

#include "sweep/agenda.h"
#include "sweep/recorder.h"
#include "sweep/trial.h"

typedef enum supervise_news {
    SUPERVISE_STARTED,  /* has its folder and process */
    SUPERVISE_PROGRESS, /* its journals grew */
    SUPERVISE_PAUSED,   /* at an epoch at which the agenda asks whether it is worth going on */
    SUPERVISE_CONTINUES,
    SUPERVISE_RETRY,    /* it failed, t->why says how, and is begun again */
    SUPERVISE_ENDED,    /* t->state says how */
    SUPERVISE_STOPPING, /* t is NULL: everybody was asked to stop */
    SUPERVISE_WARNING   /* t may be NULL; the words are in `warnings` */
} supervise_news;

typedef struct supervise_options {
    const char *program; /* the executable */
    const trial_origin *origin;
    int64_t workers;       /* trials at a time */
    int64_t threads;       /* of each */
    bool pin;              /* each worker to cores of its own, where there are enough */
    double timeout;        /* seconds that a trial may take; 0: any */
    int64_t memory_limit;  /* bytes that a trial may have resident; 0: any */
    int64_t retries;       /* of a trial that crashed, or met want of memory or storage */
    bool fail_fast;        /* the first failure ends everything */
    double grace;          /* seconds for a checkpoint, once a trial has had its time; 0: ten */
    recorder *recorder;    /* NULL: nothing is taken into the database */
    const char *sweep_dir; /* followed too; NULL: none */
    /* Called from within supervise_run(). */
    void (*tell)(void *ctx, supervise_news news, const trial *t, errors *warnings);
    void *ctx;
} supervise_options;

/* Runs what the agenda says, and returns when no child is left:
 *   CVY_OK            all came to an end, each trial's state says to which
 *   CVY_STOPPED       after an interrupt (see interrupt.h): the running ones have stopped, the others wait
 *   CVY_FORCED        after a second one
 *   CVY_ERR_SOME      a trial failed under fail_fast: the running ones have stopped, the others wait
 *   CVY_ERR_RESOURCE  a run's folder could not be made, or a process not be started: reported; the others
 * wait A child notices by itself when this process is killed. */
cvy_status supervise_agenda(const supervise_options *o, agenda *g, errors *e);
/* Every trial that is TRIAL_WAITING, in their order. */
cvy_status supervise_run(const supervise_options *o, trial *trials, size_t n, errors *e);

/* Threads of a trial and trials at a time, where the user gave none (0). Threads depend on the number of
 * trials alone, never on workers: results must not. */
int64_t supervise_threads(int64_t given, size_t trials, int64_t cores);
int64_t supervise_workers(int64_t given, int64_t threads, int64_t cores);
/* No more workers than trials of `bytes` each have room in `memory` (either 0: not known); at least one. */
int64_t supervise_fitting(int64_t workers, int64_t bytes, int64_t memory);

#endif
