/* A user's own SELECT over the database's views: read-only, one statement, values bound. */
#ifndef REPORT_USER_QUERY_H
#define REPORT_USER_QUERY_H

#include <stdbool.h>
#include "report/store.h"

typedef struct user_query user_query;

typedef enum user_kind { USER_NULL, USER_INT, USER_DOUBLE, USER_TEXT, USER_BLOB } user_kind;

typedef struct user_value {
    user_kind kind;
    int64_t i;
    double d;
    const char *s; /* USER_TEXT: n bytes with a zero behind, which may also be inside; USER_BLOB: any bytes */
    size_t n;
} user_value; /* valid until the next row */

/* values[i] is bound to ?i+1: as a number where it reads as one, else as text. Reported, with CVY_ERR_CONFIG: what is no statement,
 * more than one, one that would change anything or open a file, another number of values than of ?. The store stays the caller's
 * and must outlive the query. */
user_query *user_query_open(store *s, const char *statement, const char *const *values, size_t n, errors *e);
void user_query_close(user_query *q); /* NULL is fine */

/* A statement: the names of the views that are there for asking, users' own among them. */
extern const char user_query_views[];

size_t user_query_columns(const user_query *q);
const char *user_query_column(const user_query *q, size_t i);
/* True: a row stands ready. False at the end, and after reporting. */
bool user_query_next(user_query *q, errors *e);
user_value user_query_value(const user_query *q, size_t column);

#endif
