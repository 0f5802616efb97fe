/* Owns statements that a user wrote: what they may do, how their values come out. Must not know how rows are shown. */
#include "report/user_query.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "report/store_own.h"

struct user_query {
    store *s;
    sqlite3_stmt *stmt;
};

/* Reading, and functions that only compute. The connection refuses writes too; this refuses what would reach beyond the database,
 * and says so before anything runs. */
static int allow(void *ctx, int action, const char *a, const char *b, const char *db, const char *view)
{
    (void)ctx;
    (void)a;
    (void)db;
    (void)view;
    switch (action) {
    case SQLITE_SELECT:
    case SQLITE_READ:
    case SQLITE_RECURSIVE:
        return SQLITE_OK;
    case SQLITE_FUNCTION:
        return b && (!strcmp(b, "load_extension") || !strcmp(b, "fts3_tokenizer")) ? SQLITE_DENY : SQLITE_OK;
    default:
        return SQLITE_DENY;
    }
}

/* Not the views that others are made of. */
const char user_query_views[] =
    "SELECT name FROM sqlite_schema WHERE type = 'view'"
    " AND name NOT IN ('attempt_states', 'run_figures', 'sweep_places', 'sweep_values') ORDER BY name";

static const char *views_hint(user_query *q, arena *a)
{
    text t = {0};
    sqlite3_stmt *stmt = NULL;
    text_add(&t, "the views are");
    if (sqlite3_prepare_v2(q->s->db.db, user_query_views, -1, &stmt, NULL) == SQLITE_OK)
        for (int i = 0; sqlite3_step(stmt) == SQLITE_ROW; i++)
            text_printf(&t, "%s %s", i ? "," : "", (const char *)sqlite3_column_text(stmt, 0));
    sqlite3_finalize(stmt);
    const char *hint = arena_text(a, text_str(&t));
    text_free(&t);
    return hint;
}

static cvy_status wrong_statement(user_query *q, errors *e)
{
    arena a = {0};
    int code = sqlite3_errcode(q->s->db.db) & 0xFF;
    const char *what = sqlite3_errmsg(q->s->db.db), *hint = NULL;
    cvy_status status;
    if (code == SQLITE_AUTH)
        status = errors_add(e, CVY_ERR_CONFIG, NULL, "write a SELECT",
                            "a query may read the database and do nothing else");
    else if (code == SQLITE_ERROR) {
        int at = sqlite3_error_offset(q->s->db.db);
        if (!strncmp(what, "no such table", 13)) hint = views_hint(q, &a);
        if (!strncmp(what, "no such column", 14))
            hint = "`convoy query --views` lists the views and their columns";
        status = at >= 0 ? errors_add(e, CVY_ERR_CONFIG, NULL, hint, "SQL, at character %d: %s", at + 1, what)
                         : errors_add(e, CVY_ERR_CONFIG, NULL, hint, "SQL: %s", what);
    } else {
        status = sql_fail(&q->s->db, e);
    }
    arena_free(&a);
    return status;
}

static bool blank(const char *s)
{
    while (*s && (isspace((unsigned char)*s) || *s == ';')) s++;
    return !*s;
}

static void bind(sqlite3_stmt *stmt, int i, const char *value)
{
    char *end = NULL;
    errno = 0;
    long long whole = strtoll(value, &end, 10);
    if (*value && !*end && !errno) {
        sqlite3_bind_int64(stmt, i, whole);
        return;
    }
    double d = strtod(value, &end);
    if (*value && !*end && isfinite(d))
        sqlite3_bind_double(stmt, i, d);
    else
        sqlite3_bind_text(stmt, i, value, -1, SQLITE_TRANSIENT);
}

user_query *user_query_open(store *s, const char *statement, const char *const *values, size_t n, errors *e)
{
    user_query *q = mem_alloc(sizeof *q);
    q->s = s;
    const char *rest = "";
    if (blank(statement)) {
        errors_add(e, CVY_ERR_CONFIG, NULL, "as in \"SELECT name, best FROM run_summary\"",
                   "the query is empty");
        user_query_close(q);
        return NULL;
    }
    sqlite3_set_authorizer(s->db.db, allow, NULL);
    int code = sqlite3_prepare_v2(s->db.db, statement, -1, &q->stmt, &rest);
    sqlite3_set_authorizer(s->db.db, NULL, NULL);
    cvy_status status = CVY_OK;
    if (code != SQLITE_OK)
        status = wrong_statement(q, e);
    else if (!blank(rest))
        status = errors_add(e, CVY_ERR_CONFIG, NULL, "one at a time", "there is more than one statement");
    else if (!q->stmt)
        status = errors_add(e, CVY_ERR_CONFIG, NULL, "write a SELECT", "there is no statement in it");
    else if (sqlite3_bind_parameter_count(q->stmt) != (int)n)
        status = errors_add(e, CVY_ERR_CONFIG, NULL, "one operand behind the statement for each ?",
                            "the statement has %d ? and got %zu value%s",
                            sqlite3_bind_parameter_count(q->stmt), n, n == 1 ? "" : "s");
    for (size_t i = 0; status == CVY_OK && i < n; i++) bind(q->stmt, (int)i + 1, values[i]);
    if (status == CVY_OK) return q;
    user_query_close(q);
    return NULL;
}

void user_query_close(user_query *q)
{
    if (!q) return;
    sqlite3_finalize(q->stmt);
    mem_free(q);
}

size_t user_query_columns(const user_query *q)
{
    return (size_t)sqlite3_column_count(q->stmt);
}

const char *user_query_column(const user_query *q, size_t i)
{
    const char *name = sqlite3_column_name(q->stmt, (int)i);
    return name ? name : "";
}

bool user_query_next(user_query *q, errors *e)
{
    int code = sqlite3_step(q->stmt);
    if (code == SQLITE_ROW) return true;
    if (code != SQLITE_DONE) wrong_statement(q, e);
    return false;
}

user_value user_query_value(const user_query *q, size_t column)
{
    int i = (int)column;
    user_value v = {USER_NULL, 0, 0, NULL, 0};
    switch (sqlite3_column_type(q->stmt, i)) {
    case SQLITE_INTEGER:
        v.kind = USER_INT;
        v.i = sqlite3_column_int64(q->stmt, i);
        break;
    case SQLITE_FLOAT:
        v.kind = USER_DOUBLE;
        v.d = sqlite3_column_double(q->stmt, i);
        break;
    case SQLITE_TEXT:
        v.kind = USER_TEXT;
        v.s = (const char *)sqlite3_column_text(q->stmt, i);
        v.n = (size_t)sqlite3_column_bytes(q->stmt, i);
        break;
    case SQLITE_BLOB:
        v.kind = USER_BLOB;
        v.s = sqlite3_column_blob(q->stmt, i);
        v.n = (size_t)sqlite3_column_bytes(q->stmt, i);
        break;
    default:
        break;
    }
    return v;
}
