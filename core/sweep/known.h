/* Which configurations a results folder has runs of, by config_hash. Read from the run.json files, never from
 * the database. */
#ifndef SWEEP_KNOWN_H
#define SWEEP_KNOWN_H

#include <stdbool.h>
#include <stddef.h>
#include "sweep/follow.h"
#include "sweep/plan.h"

typedef struct known known_runs;

/* Looks at every run of the folder once. What cannot be read is not known. */
known_runs *known_open(const char *results);
void known_close(known_runs *k);

typedef struct known_run {
    char name[24];         /* "r12" */
    const char *exact_key; /* owned by `known` */
    const char *sweep;     /* that it belongs to, likewise; NULL: none */
    follow_state state;
} known_run;

/* The run that stands for a configuration: a finished one if there is any, else the newest. `sweep`: only
 * runs of that sweep (NULL: all). False when there is none. */
bool known_find(known_runs *k, const plan_key *key, const char *sweep, known_run *out);

#endif
