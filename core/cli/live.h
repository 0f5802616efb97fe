/* Trials as they train: a table with a line for each that runs, what is best so far, and how long the rest takes. `sweep` shows it on
 * a terminal, `watch` everywhere. */
#ifndef CLI_LIVE_H
#define CLI_LIVE_H

#include "cli/cli.h"
#include "sweep/follow.h"
#include "sweep/trial.h"

typedef struct live_trial {
    trial_name run;
    const follow *f; /* NULL: it has no run, or nothing of interest but what follows */
    trial_state state;
    int64_t epochs, steps_per_epoch, samples; /* planned; samples of training */
    double best;                              /* by the board's metric; NaN. Where f is NULL; so the next */
    int64_t best_epoch;
} live_trial;

typedef struct live_board {
    const char *name, *experiment; /* "s3" or "r12" */
    space_metric metric;
    /* Trial i, and its label: asked for when they are to be shown, so that nobody has to keep them. */
    live_trial (*at)(const void *of, size_t i);
    void (*label)(const void *of, size_t i, text *out);
    const void *of;
    size_t n;
    bool stopped; /* nobody works on it */
} live_board;

/* The lines, each with a newline, for `width` columns; at most `most` running trials. unicode: bars of blocks, else ASCII. */
void live_text(const live_board *b, size_t width, size_t most, bool unicode, bool colour, text *out);
void live_json(const live_board *b, json_writer *w);
/* Whether the locale says UTF-8. */
bool live_unicode(void);

/* A piece of the terminal that is drawn over and over, on stderr. */
typedef struct live_screen {
    bool on;
    size_t lines; /* that stand there */
    double drawn;
} live_screen;

live_screen live_open(const common *c);
/* At most four times a second, unless `now`. */
void live_draw(live_screen *s, const common *c, const live_board *b, bool now);
void live_clear(live_screen *s);

#endif
