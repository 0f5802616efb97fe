/* The database of a results folder, results/convoy.db: what all its runs were, logged and came to.
 *
 * The journals are the truth; the database follows them and can be made again from them at any time. So
 * nothing here is lost when a call fails: the next one takes up where the rows end. Results of a query live
 * in the caller's arena (report/query.h). No SQL leaves this room.
 *
 * Several processes may follow the same folder. Each batch of writes takes the lock `convoy.db.lock`, then
 * one transaction inserts rows and moves the cursors of the files they came from. Storage that fails (disk
 * full, no permission, no database) is an error with CVY_ERR_RESOURCE; a run folder that cannot be understood
 * is a warning, and the others go on. */
#ifndef REPORT_STORE_H
#define REPORT_STORE_H

#include <stdbool.h>
#include <stdint.h>
#include "base/error.h"

typedef struct store store;

/* For whoever follows runs (the supervisor): opens RESULTS/convoy.db, makes it when absent. A store is used
 * by one thread, and is opened anew in a forked child. */
store *store_open(const char *results, errors *e);
/* For commands that only read: takes in what is new, then refuses to write. Where the folder holds nothing
 * yet, or may not be written, the answers come from a database in memory, filled from the journals. Problems
 * with taking in are warnings as long as something can be read. */
store *store_open_current(const char *results, errors *e);
/* The same in two steps, for an answer that is ready sooner: the look at the folders goes on while the caller asks, and
 * store_catch_up() takes in what it found. True when there was anything: then what was asked before is to be asked again. */
store *store_open_early(const char *results, errors *e);
bool store_catch_up(store *s, errors *e);
void store_close(store *s); /* NULL is fine */

/* The journal of what was measured of trained runs, in the results folder beside the runs: of an ensemble no single run's
 * folder could hold it. record_evaluation() of journal/record.h. */
#define STORE_EVALUATIONS "evaluations"

/* Takes in what is new of a folder, results/r12 or results/s3: run.json or sweep.json, every journal segment,
 * events. Cheap when nothing is new (a directory listing). When another process holds the database for longer
 * than two seconds, nothing is taken in and the call succeeds: the rows follow with the next call. */
cvy_status store_ingest(store *s, const char *dir, errors *e);
/* The same of several, which wait for the disk together. */
cvy_status store_ingest_some(store *s, char *const *dirs, size_t n, errors *e);
/* The same for every run and sweep folder of the results folder, and the journal of evaluations. */
cvy_status store_ingest_all(store *s, errors *e);

/* Makes the database again from the run folders alone: in a file beside the old one, whose contents then
 * replace the old ones in one transaction (whoever has the database open goes on with it; a file renamed over
 * it would leave them with one that nobody sees). Only what is no database at all is renamed over. */
cvy_status store_rebuild(const char *results, int64_t *runs, int64_t *rows, errors *e);

/* Deletes the rows of a run or sweep ("r12", "s3") whose folder is being removed. */
cvy_status store_forget(store *s, const char *name, errors *e);
/* The largest number in use by runs ('r') or sweeps ('s'), in the database or as a folder; 0 when none. Rows
 * may outlive their folder, so new names start behind both. */
int64_t store_last_number(store *s, char kind);

const char *store_results(const store *s); /* the folder */
const char *store_path(const store *s);    /* the database file */
/* 12 for "r12" with kind 'r'; 0 when it is no such name. */
int64_t store_number(const char *name, char kind);

#endif
