/* What the commands that show results share: opening the store, and how values read. */
#ifndef CLI_RESULTS_H
#define CLI_RESULTS_H

#include "cli/cli.h"
#include "report/query.h"

/* The store of --results with all that is new in it; NULL with messages. */
store *results_open(const common *c, errors *e);
/* All runs that the words mean, each once, in the words' order. *by_run: only single runs were named. A sweep
 * named alone is told by *sweep. */
cvy_status results_find(store *s, char **words, int n, arena *a, query_run **runs, size_t *n_runs,
                        bool *by_run, const char **sweep, errors *e);

/* Leaves out what stands in them again, as a run does that stands for two trials of a sweep. How many are left. */
size_t results_distinct(query_run *runs, size_t n);
/* What has failed among the sweep's runs, by the states that these are shown with: a run whose process died without a word is one
 * of them, which the database still counts as running. */
void results_count_failed(query_sweep *sweep, const query_run *runs, size_t n);

/* Values as people read them, appended to a text; "-" for what is not there. */
void results_accuracy(text *t, double v);                 /* 84.63, in % */
void results_loss(text *t, double v);                     /* 0.4213 */
void results_metric(text *t, const char *name, double v); /* as an accuracy with its %, or as a loss */
void results_count(text *t, int64_t v);                   /* 269,722 */
void results_big(text *t, int64_t v);                     /* 40.6 M */
void results_duration(text *t, double seconds);           /* 6 min 15 s */
void results_moment(text *t, double time);                /* 2025-11-21 12:00, local */

/* Adds a table of runs, as `ls` prints it. */
void results_runs_table(const common *c, const query_run *runs, size_t n, text *out);

/* The same for machines: null for what is not there. */
void results_put_int(json_writer *w, const char *key, int64_t v);
void results_put_double(json_writer *w, const char *key, double v);
/* All members of the run's summary, inside an open object. */
void results_put_run(json_writer *w, const query_run *r);
void results_put_sweep(json_writer *w, const query_sweep *s);

#endif
