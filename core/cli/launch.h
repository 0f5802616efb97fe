/* Running prepared trials from the command line: interrupts, the database, the talk, and what it comes to. */
#ifndef CLI_LAUNCH_H
#define CLI_LAUNCH_H

#include "cli/cli.h"
#include "sweep/supervise.h"
#include "sweep/sweeps.h"

typedef struct launch_options {
    const char *program;
    trial_origin origin; /* `least` is found out here */
    int64_t workers;     /* 0: as many as fit */
    sweep *sweep;        /* begun; NULL for single runs */
} launch_options;

/* Runs all that wait. CVY_OK, CVY_STOPPED, CVY_FORCED, or reported. Interrupts are counted from before planning on:
 * the caller begins and ends that. */
cvy_status launch_trials(const common *c, const launch_options *o, trial *trials, size_t n, errors *e);

/* The exit code that the trials' states and launch_trials()'s answer come to. */
int launch_code(cvy_status launched, const trial *trials, size_t n);

#endif
