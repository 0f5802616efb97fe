/* Running prepared trials from the command line: interrupts, the database, the talk, and what it comes to. */
#ifndef CLI_LAUNCH_H
#define CLI_LAUNCH_H

#include "cli/cli.h"
#include "sweep/supervise.h"
#include "sweep/sweeps.h"

/* How trials are run; what is in them does not depend on it, but for the limits. */
typedef struct launch_limits {
    int64_t workers; /* 0: as many as fit */
    bool free_cores; /* workers are not pinned to cores */
    double timeout;  /* seconds of a trial; 0: any */
    int64_t memory;  /* bytes of a trial; 0: any */
    int64_t retries;
    bool fail_fast;
} launch_limits;

typedef struct launch_options {
    const char *program;
    trial_origin origin; /* `least` is found out here */
    launch_limits limits;
    sweep *sweep;   /* begun; NULL for single runs */
    agenda *agenda; /* NULL: every trial that waits, in order */
} launch_options;

/* The largest number of a run ('r') or sweep ('s') that the results folder's database knows. */
int64_t launch_last_number(const common *c, char kind);

/* Runs all that wait. CVY_OK, CVY_STOPPED, CVY_FORCED, or reported. Interrupts are counted from before
 * planning on: the caller begins and ends that. */
cvy_status launch_trials(const common *c, const launch_options *o, trial *trials, size_t n, errors *e);

/* Works on a sweep until it is done or stopped: takes its lock (waiting up to wait_ms for another supervisor
 * that is about to leave), gives trials the runs they have, runs the others, shows the outcome. Returns the
 * exit code. */
int launch_sweep(const common *c, sweep *w, const char *program, const launch_limits *limits, int wait_ms);

/* The exit code that the trials' states and launch_trials()'s answer come to. */
int launch_code(cvy_status launched, const trial *trials, size_t n);

#endif
