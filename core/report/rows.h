/* From one journal record, or one description, into rows of the database. */
#ifndef REPORT_ROWS_H
#define REPORT_ROWS_H

#include "base/json.h"
#include "report/store_own.h"

/* Where a record comes from. */
typedef struct rows_source {
    const char *owner; /* "r12" or "s3", or STORE_EVALUATIONS */
    const char *file;  /* "journal.2", "events" */
    int64_t run;       /* its number; 0 for a sweep */
    int64_t attempt;   /* of a trial's journal; 0 for the supervisor's */
    int64_t part;      /* of a journal that has several, from 1 */
    int64_t from_step; /* of the segment */
    double time;       /* of the segment */
    bool diverged;     /* already noted for this segment */
} rows_source;

/* One record at `offset`. Records that make no sense become events, not errors. */
cvy_status rows_record(store *s, rows_source *from, const char *payload, size_t n, int64_t offset, errors *e);
cvy_status rows_event(store *s, const rows_source *from, int64_t offset, const char *kind, const char *what,
                      double time, errors *e);

/* The run, named as "r7", that stands for a trial of a sweep. */
cvy_status rows_member(store *s, int64_t sweep, const json *member, errors *e);

/* A record of the journal of evaluations. */
cvy_status rows_evaluation(store *s, const rows_source *from, const json *v, int64_t offset, errors *e);
cvy_status rows_forget_evaluations(store *s, errors *e);

/* run.json and sweep.json; the rows they describe must not exist yet. */
cvy_status rows_run(store *s, const char *name, const json *description, errors *e);
cvy_status rows_sweep(store *s, const char *name, const json *description, const char *whole, errors *e);

#endif
