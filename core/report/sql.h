/* SQLite as the report room uses it: statements kept, values bound and never pasted, failures as messages.
 * Only files of this room include it. */
#ifndef REPORT_SQL_H
#define REPORT_SQL_H

#include <stdbool.h>
#include <stdint.h>
#include "base/error.h"
#include "base/memory.h"

typedef struct sql {
    struct sqlite3 *db;
    char *path;            /* as the user knows it; for messages */
    struct sql_kept *kept; /* prepared statements, found by the address of their text */
    size_t n_kept, cap_kept;
} sql;

/* path NULL opens an empty database in memory. Creates the file when it is absent and `create` says so. Waits
 * up to 10 s where another process writes. On an error *s is closed. */
cvy_status sql_open(sql *s, const char *path, bool create, errors *e);
void sql_close(sql *s);
/* Runs statements that return nothing. */
cvy_status sql_run(sql *s, const char *statements, errors *e);
/* Reports what SQLite last complained about, in words a person can act on. */
cvy_status sql_fail(sql *s, errors *e);

/* Whether the file that is open is no longer the one at its path. */
bool sql_moved(sql *s);
/* Makes `to` an exact copy of `from`, in one transaction. *unusable: what `to` holds is no database. */
cvy_status sql_copy(sql *to, sql *from, bool *unusable, errors *e);

/* A running statement. `statement` must be a string literal: it is prepared once and found again by its
 * address. `types` has one letter per value: i int64_t, d double (nan binds NULL), t text (NULL binds NULL).
 * One use at a time per statement; sql_done() ends it. */
typedef struct sql_query {
    struct sqlite3_stmt *stmt;
    sql *owner;
    cvy_status status;
} sql_query;

sql_query sql_ask(sql *s, errors *e, const char *statement, const char *types, ...);
bool sql_next(sql_query *q, errors *e); /* true: a row stands ready */
cvy_status sql_done(sql_query *q);      /* the status of all since sql_ask() */

bool sql_is_null(const sql_query *q, int column);
int64_t sql_int(const sql_query *q, int column, int64_t when_null);
double sql_double(const sql_query *q, int column);              /* nan when NULL */
const char *sql_text(const sql_query *q, int column, arena *a); /* NULL when NULL */

/* Asks without expecting rows. */
cvy_status sql_do(sql *s, errors *e, const char *statement, const char *types, ...);
int64_t sql_changes(sql *s); /* rows changed by the last of them */

#endif
