/* The folder of a sweep, results/s3: what was asked for, the plans of all its trials, and what was decided
 * about them. It is all that a resume needs: the experiment file may have changed or gone by then.
 *
 *   sweep.json   written once: {"sweep":"s3","experiment":..,"created":..,"source":..,"method":"grid",
 *                "metric":{"name","goal"},"trials":18,"configs":6,"repeats":3,"threads":1,"again":false,"hash":"..",
 *                "per":3,"source_file":"source/x.yaml","base_dir":"/abs","plugins":[..],"estimate":{..} | absent,
 *                "parameters":{"path":["value",..]},"overrides":[..],"planned":12}
 *                Fewer planned than trials: the others are chosen when results are there, each configuration `per` trials.
 *   trials       a line for each that was planned, see trial_page():
 *                {"trial":0,"repeat":0,"seed":1,"label":..,"overrides":[..],"config_hash":..,"plan":{..} | null}
 *   source/      the experiment file as it was, from which the space is read again
 *   plugins/     copies of the plugin files, see copies.h
 *   events       a journal: {"t":"start"|"exit",...} of supervisors as in journal/record.h, and
 *                {"t":"decision","trial":0,"repeat":0,"run":"r7","how":"new|known|resumed",
 *                 "time":..}; of a run that was made for something else with the trial's "label" and "params"
 *                {"t":"proposed","trial":12,"label":..,"point":[..],"members":[as above without plans],"plans":[line | null,..],"time":..}
 *                of a configuration that was chosen later; and events: a trial that was stopped early or tried again, a limit
 *                that was met, the estimated and the real time
 *   lock         held by the supervisor for life */
#ifndef SWEEP_SWEEPS_H
#define SWEEP_SWEEPS_H

#include "journal/journal.h"
#include "sweep/known.h"
#include "sweep/space.h"
#include "sweep/trial.h"

typedef struct sweep {
    arena memory;
    char *name, *dir;
    const char *experiment, *source, *hash, *description;
    const char *const *overrides; /* of the command line */
    size_t n_overrides;
    space_metric metric;
    int64_t configs, repeats, threads;
    bool again; /* its runs are its own: others of equal configuration do not count */
    trial *trials;
    size_t n;
    book *book; /* where they are told of */
    /* What is asked for. x is NULL in the folder of a sweep of an older Convoy: then all its trials are there. */
    experiment *x; /* not owned where it was not read by sweeps_open() */
    space space;
    int64_t per;           /* trials of a configuration; 0: not in this order, as some were left out */
    const double **points; /* of the configurations, as far as they are known; NULL: none */
    char *file;            /* the experiment file's copy */
    const char *base_dir;
    const char *const *plugins; /* files of the command line */
    size_t n_plugins;
    double estimate; /* seconds, of work on one core after the other; 0: none was made */
    bool read;       /* x belongs to it */
    /* while this process works on it */
    int lock; /* -1: not held */
    journal *events;
    int64_t attempt;
} sweep;

/* Equal for sweeps of the same trials under the same metric. `asked`: what else decides about them, as text; NULL: nothing. */
void sweeps_hash(const trial *trials, size_t n, const space_metric *by, const char *asked, char hex[65]);
/* Whether results decide what is trained: by an adaptive method, early termination or a target. */
bool sweeps_adapt(const space *s);

/* Writes the folder of a new sweep. w->name is taken; all else that is described above must be set. */
cvy_status sweeps_create(sweep *w, const char *results, int64_t least, const space *s, errors *e);
/* Reads one; trials come with their plans and as TRIAL_WAITING, or TRIAL_OPEN. */
sweep *sweeps_open(const char *results, const char *name, errors *e);
/* Reads its copy of the experiment file and with it the space, for those who work on it. */
cvy_status sweeps_read_space(sweep *w, const char *const *architectures, errors *e);
/* The newest sweep with this hash; NULL when there is none. In the arena. */
const char *sweeps_find(const char *results, const char *hash, arena *a);
/* Whether it was planned for the same builds, libraries and machine (exact_key), and for as many threads, as these trials. */
bool sweeps_is_like(const char *results, const char *name, int64_t threads, const trial *trials, size_t n);
void sweeps_close(sweep *w); /* frees the trials too; NULL is fine */

/* Takes its lock and notes the start of a supervisor. False when another holds it, waiting up to wait_ms. */
bool sweeps_begin(sweep *w, int wait_ms, errors *e);
/* Notes what a trial's run is. */
cvy_status sweeps_decide(sweep *w, const trial *t, const char *how, errors *e);
/* Notes trials that were chosen now: the members of a configuration, with their words and plans. */
cvy_status sweeps_propose(sweep *w, const trial *members, const trial_words *words, const plan *plans,
                          size_t n, const double *point, errors *e);
cvy_status sweeps_event(sweep *w, const char *kind, const char *what, errors *e);
/* A plan made later, whose plugins must be those of the sweep: makes copies of others, or takes the plan away. */
void sweeps_check_plugins(const sweep *w, plan *p);
/* Notes the end, lets go of the lock. */
void sweeps_end(sweep *w, int code, double seconds, errors *e);

/* match.c: gives each waiting trial the run that it has already: finished ones become TRIAL_KNOWN, others are to be
 * resumed. */
void sweeps_match(sweep *w, const char *results, known_runs *k);
void sweeps_match_one(const sweep *w, const char *results, known_runs *k, trial *t);

#endif
