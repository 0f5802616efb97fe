/* What a sweep will take and what it can show, before it is begun: time, disk, and how many repeats a verdict needs. */
#ifndef CLI_FORECAST_H
#define CLI_FORECAST_H

#include "cli/prepare.h"

typedef struct forecast {
    double seconds; /* of all trials that are to be trained, one after the other; 0: nothing was timed */
    size_t probed;  /* different networks that were timed */
    int64_t bytes;  /* of checkpoints and journals */
    bool most;      /* fewer, where trials are stopped early or a target is met */
} forecast;

/* `timed`: a few steps of each different network are trained, in a child process. */
cvy_status forecast_make(prepared *p, const common *c, bool timed, forecast *out, errors *e);
void forecast_say(const common *c, const prepared *p, const forecast *f, int64_t workers);
void forecast_json(const prepared *p, const forecast *f, json_writer *w);

/* A dry run's time is kept in the user's cache under the sweep's hash, for the sweep itself to be held against it. */
void forecast_keep(const char *hash, double seconds);
double forecast_kept(const char *hash); /* 0: there is none */

#endif
