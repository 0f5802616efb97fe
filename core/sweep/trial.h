/* One trial: a configuration with a seed, its plan, and the run that it becomes. */
#ifndef SWEEP_TRIAL_H
#define SWEEP_TRIAL_H

#include <stdbool.h>
#include <stdint.h>
#include "sweep/book.h"
#include "sweep/follow.h"
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

/* What sets it apart, in words. */
typedef struct trial_words {
    const char *label;
    const char *const *overrides; /* of the command line and of the configuration */
    size_t n_overrides;
} trial_words;

/* There may be tens of thousands, so this is all that stays of each; the rest is in the book and in the run's folder. What is
 * marked with * is there while somebody works on the trial, from trial_wake() to trial_rest(). */
typedef struct trial {
    int32_t config, repeat;  /* which configuration, which of its seeds; config -1: a single run */
    int64_t seed;            /* -1: the experiment's own */
    const book_facts *facts; /* in the book; NULL: it was not or could not be planned, see trial_facts() */
    plan_key key;            /* of its configuration */
    int64_t page;            /* in the book; 0: none */

    struct trial_open *open; /* * what its page says */
    char *dir;               /* * the run's folder; NULL until it has one */
    follow *journals;        /* * of that */

    int32_t run;     /* 12 for r12; 0 until it has one */
    int32_t until;   /* of a TRIAL_PRUNED one: the epochs that count */
    int32_t retries; /* attempts that were begun again after a failure */
    trial_state state;
    cvy_status status; /* of a failed one: its exit code */
    bool resumed;      /* the folder was there before */
    bool borrowed;     /* the run is another sweep's, a single one, or another trial's */
    bool inexact;      /* may go on though the exact key has changed */
    bool
        cut; /* outside the promise of equal outcomes: it met a limit of time or memory, or was tried again */
    bool measured;  /* its journals were read, and what is below holds */
    char *why;      /* it failed */
    double seconds; /* of this attempt */
    float took;     /* seconds of all attempts that ended */
    int32_t epoch;  /* trained */
    double value;   /* see trial_value() */
    int32_t best_epoch;
    uint32_t memory_kib; /* planned */
    double val_accuracy, test_accuracy, test_loss;
} trial;

/* What run.json says beyond the plan, and where the rest of the trials is. */
typedef struct trial_origin {
    const char *results;
    int64_t least;      /* new names start behind this number */
    const char *source; /* experiment file */
    const char *sweep;  /* "s3", or NULL; its copies of plugins are used */
    space_metric metric;
    int64_t threads;
    const book *book; /* NULL: the trials have no pages */
} trial_origin;

void trial_free(trial *t);
const char *trial_state_name(trial_state s); /* "finished" */
bool trial_is_done(const trial *t);          /* finished, now or before, or stopped early */

/* "r12"; "" while it has no run. */
typedef struct trial_name {
    char s[16];
} trial_name;
trial_name trial_run_name(const trial *t);
/* The same for JSON and tables: NULL. Good until the end of the expression. */
#define TRIAL_RUN(t) ((t)->run ? trial_run_name(t).s : NULL)

const book_facts *trial_facts(const trial *t); /* never NULL */
const char *trial_label(const trial *t);       /* * "" while nobody works on it */

/* Writes down what a trial is: its page, and from the plan what stays in memory. `words` may be NULL: they are not kept. */
cvy_status trial_plan(trial *t, const trial_words *words, const plan *p, book *b, errors *e);
/* The line of its page. "plan" is the planning child's answer or null. */
void trial_page(const trial *t, const trial_words *words, const plan *p, text *out);
/* What stays in memory of a plan. */
void trial_take_plan(trial *t, const plan *p, book *b);

/* The words on a trial's page, in the arena; without a page empty ones. */
trial_words trial_read_words(const trial *t, const book *b, arena *a);
/* The planning child's answer there, in the arena; NULL. */
const json *trial_read_plan(const trial *t, const book *b, arena *a);
/* The same as a struct: without a page all zero. */
plan trial_plan_of(const trial *t, const book *b);

/* Makes what is marked with * be there, as far as it can be. */
void trial_wake(trial *t, const trial_origin *from);
/* Frees it. */
void trial_rest(trial *t);
/* Its journals, for whoever asks once; NULL without a run. To be closed with follow_close(). */
follow *trial_journals(const trial *t, const char *results);

/* Adds "label" and "params", as a run's description has them, of a trial that has a page. */
void trial_put_described(const trial *t, const book *b, arena *a, json_writer *w);
/* Takes down from its open journals what stays of them. */
void trial_measure(trial *t, const space_metric *by);
/* What it came to by the metric that it was measured by: the best of its epochs, else the run's own value; NaN. */
double trial_value(const trial *t);

/* What trials are judged by where nobody says: validation accuracy, or the loss where one of them has no accuracy. */
space_metric trial_default_metric(const trial *trials, size_t n);

/* Wakes a trial that is to be trained now, and where it has no run yet makes its folder, whole: spec.yaml and run.json; durable with the first checkpoint. */
cvy_status trial_begin(trial *t, const trial_origin *from, errors *e);
/* Takes a run that is there already, and measures it. */
void trial_take_run(trial *t, const char *results, const char *run, const space_metric *by);

#endif
