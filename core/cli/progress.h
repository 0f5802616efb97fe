/* A progress bar: one line on stderr, rewritten in place, for terminals only. */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include "cli/cli.h"

typedef struct progress {
    bool on;          /* stderr is a terminal and talk is wanted; else every call does nothing */
    const char *unit; /* "images": of `done` and the rate; not owned */
    double drawn;     /* when last, seconds */
    double since;     /* begin of the stretch that measures the rate */
    int64_t since_done;
    double rate;  /* units per second, smoothed; 0: not known yet */
    bool visible; /* a line stands on the terminal */
} progress;

progress progress_open(const common *c, const char *unit);
/* done of total units; `label` stands before the bar ("r12 epoch 3/30 loss 0.412"). Draws at most ten times a
 * second, so it may be called after every step. A `done` below the last one begins anew. */
void progress_update(progress *p, int64_t done, int64_t total, const char *label);
/* Takes the line away, so that others may print; the next update brings it back. */
void progress_clear(progress *p);

/* What progress_update() draws, for a terminal of `width` columns. */
void progress_line(const progress *p, int64_t done, int64_t total, const char *label, size_t width,
                   text *out);

#endif
