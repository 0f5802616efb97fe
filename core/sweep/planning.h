/* Planning: a child process loads the plugins that its supervisor never loads, and says of every trial what
 * it is or what is wrong with it. A plugin that crashes there costs the trial it crashed on. */
#ifndef SWEEP_PLANNING_H
#define SWEEP_PLANNING_H

#include <stdint.h>
#include "sweep/plan.h"

typedef struct planning_request {
    const char *const *overrides; /* "path=value" */
    size_t n;
    int64_t seed; /* -1: the experiment's own */
} planning_request;

typedef struct planning_options {
    const char *program;        /* the executable */
    const char *file;           /* of the experiment */
    const char *base;           /* its folder, where it is a copy that lies elsewhere; NULL: its own */
    const char *const *plugins; /* files from the command line */
    size_t n_plugins;
    int64_t threads; /* of a trial */
    bool probe;      /* a few training steps are timed too */
    double patience; /* seconds without a line until the child is stopped; 0: PLANNING_PATIENCE */
    void (*progress)(void *ctx, size_t done, size_t total); /* may be NULL */
    void *ctx;
} planning_options;

#define PLANNING_PATIENCE 60.0

/* Fills plans[0..n). What is wrong with trials is in the plans; returned and reported are only a child that
 * cannot be started at all, and CVY_FORCED after an interrupt (see interrupt.h), which leaves the rest
 * unplanned. */
cvy_status planning_run(const planning_options *o, const planning_request *requests, size_t n, plan *plans,
                        errors *e);

/* The same for many trials, of which none has to be in memory for longer than its turn. */
typedef struct planning_many {
    size_t n;
    /* Fills the question about trial i; it is needed no longer than until the next. */
    void (*ask)(void *ctx, size_t i, planning_request *out);
    /* Takes over the plan of trial i; in order. False: the rest is not wanted any more, *e says why. */
    bool (*take)(void *ctx, size_t i, plan *p, errors *e);
    void *ctx;
} planning_many;
cvy_status planning_each(const planning_options *o, const planning_many *m, errors *e);

/* The same with a child that stays for later questions. What the options point to is kept by the caller. */
typedef struct planner planner;
planner *planning_open(const planning_options *o);
cvy_status planning_ask(planner *p, const planning_request *requests, size_t n, plan *plans, errors *e);
void planning_close(planner *p); /* NULL is fine */

#endif
