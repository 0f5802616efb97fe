/* What a supervisor does next: which trial trains now, until which epoch; or that it has to wait; or that there is nothing left. A
 * list of trials, or a sweep whose later trials depend on what became of the earlier ones.
 *
 * A sweep's agenda decides by configurations in their order and by values in the journals, never by what happens to have ended
 * first. So the same trials are trained, to the same epochs, however many workers there are and however often the sweep is stopped
 * and resumed. (Not so under `asha`, and where a trial meets a limit of time or memory or is tried again.) */
#ifndef SWEEP_AGENDA_H
#define SWEEP_AGENDA_H

#include "sweep/planning.h"
#include "sweep/sweeps.h"

typedef enum agenda_answer {
    AGENDA_RUN,  /* task->trial, until task->until */
    AGENDA_OVER, /* task->trial came to its end without running now: known, stopped early, refused */
    AGENDA_WAIT, /* for the end of a trial that runs */
    AGENDA_DONE
} agenda_answer;

typedef struct agenda_task {
    trial *trial;
    int64_t until;   /* epoch; 0: to its end */
    const char *why; /* a trial was stopped early; valid until the next question */
} agenda_task;

typedef struct agenda {
    trial *trials; /* do not move */
    size_t n;
    /* *status: not CVY_OK when what comes next could not be found out, which is reported; then the answer is AGENDA_DONE. */
    agenda_answer (*next)(struct agenda *g, agenda_task *task, cvy_status *status, errors *e);
    size_t running; /* trials handed out and not yet over */
} agenda;

/* Every trial that is TRIAL_WAITING, in order. */
agenda agenda_list(trial *trials, size_t n);

/* To be called for every trial that was handed out, once its process has ended and its state is known. */
void agenda_ended(agenda *g, const trial *t);

typedef struct agenda_options {
    const char *results;
    planning_options planning; /* of trials proposed later; the file is the sweep's own */
    known_runs *known;         /* runs that may stand for them */
} agenda_options;

/* The trials of a sweep as its space and its early termination want them; the sweep was begun (see sweeps_begin()). */
agenda *agenda_sweep(sweep *w, const agenda_options *o);
void agenda_free(agenda *g); /* of agenda_sweep(); NULL is fine */

#endif
