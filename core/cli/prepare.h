/* From an experiment file and the command line to planned trials: what `run` and `sweep` share before
 * anything starts. */
#ifndef CLI_PREPARE_H
#define CLI_PREPARE_H

#include "cli/cli.h"
#include "sweep/known.h"
#include "sweep/trial.h"

typedef enum prepare_kind {
    PREPARE_RUN,  /* a file with `sweep:` is refused */
    PREPARE_BASE, /* `sweep:` is left aside */
    PREPARE_SWEEP /* a file without `sweep:` is refused */
} prepare_kind;

typedef struct prepared {
    arena memory;
    const char *file, *program;
    const char **overrides; /* of the command line */
    size_t n_overrides;
    experiment *x;
    space space; /* of a sweep */
    space_metric metric;
    size_t configs;
    double
        *points; /* space.n numbers for each configuration, where results decide what is trained; else NULL */
    int64_t threads;   /* of a trial */
    const char *label; /* of all; NULL: what sets each apart */
    book *book;        /* where the trials are told of */
    trial *trials;
    size_t n, planned; /* behind those that were planned, others that a method chooses when it has results */
} prepared;

/* FILE, and PATH=VALUE operands with those of --set, from the command's operands; CVY_OK, or the exit code
 * after reporting. */
int prepare_operands(prepared *p, const command *self, const common *c, const text_list *set, int argc,
                     char **argv);
/* Whether a name of an experiment would be taken for a run, a sweep or the word `last`. */
bool prepare_name_taken(const char *name);
/* Reads the file, makes the trials and has them planned. Everything that is wrong is reported, with its place
 * in the file. Warnings are reported as well. `skip`: trials that cannot be planned become TRIAL_REFUSED with
 * warnings, as long as one can. */
cvy_status prepare_trials(prepared *p, const common *c, prepare_kind kind, int64_t threads, bool skip,
                          errors *e);
/* Gives the trials the runs that stand for them already. `again`: none. Not CVY_OK when another process
 * trains one. */
cvy_status prepare_match(prepared *p, const common *c, bool again, errors *e);
void prepare_free(prepared *p);

/* Seconds that planning may take for one trial: CONVOY_PLAN_SECONDS, or 0. */
double prepare_patience(void);

#endif
