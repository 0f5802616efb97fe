/* Owns the talk with SQLite: connections, kept statements, messages; must not know the schema. */
#include "report/sql.h"

#include <limits.h>
#include <math.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <string.h>

enum { BUSY_MS = 10000 };

typedef struct sql_kept {
    const char *statement;
    sqlite3_stmt *stmt;
} sql_kept;

/* ---- connections ---- */

cvy_status sql_fail(sql *s, errors *e)
{
    const place at = PLACE_FILE(s->path);
    int code = s->db ? sqlite3_errcode(s->db) : SQLITE_NOMEM;
    const char *what = s->db ? sqlite3_errmsg(s->db) : "out of memory";
    const char *rebuild = "`convoy db rebuild` makes the database again from the run folders";
    switch (code & 0xFF) {
    case SQLITE_NOTADB:
        return errors_add(e, CVY_ERR_RESOURCE, &at, rebuild, "this is not a database");
    case SQLITE_CORRUPT:
        return errors_add(e, CVY_ERR_RESOURCE, &at, rebuild, "the database is damaged (%s)", what);
    case SQLITE_FULL:
        return errors_add(e, CVY_ERR_RESOURCE, &at, NULL, "no space left for the database");
    case SQLITE_READONLY:
    case SQLITE_PERM:
        return errors_add(e, CVY_ERR_RESOURCE, &at, NULL, "the database may not be written");
    case SQLITE_CANTOPEN:
        return errors_add(e, CVY_ERR_RESOURCE, &at, NULL, "cannot open the database");
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return errors_add(e, CVY_ERR_RESOURCE, &at, NULL, "another process keeps the database locked");
    default:
        return errors_add(e, CVY_ERR_RESOURCE, &at, NULL, "database: %s", what);
    }
}

cvy_status sql_open(sql *s, const char *path, bool create, errors *e)
{
    *s = (sql){.path = mem_text(path ? path : "(in memory)")};
    int flags = SQLITE_OPEN_READWRITE | (create || !path ? SQLITE_OPEN_CREATE : 0) | SQLITE_OPEN_NOMUTEX;
    int code = sqlite3_open_v2(path ? path : ":memory:", &s->db, flags, NULL);
    if (code == SQLITE_OK) {
        sqlite3_extended_result_codes(s->db, 1);
        sqlite3_busy_timeout(s->db, BUSY_MS);
        /* The file may come from elsewhere: its views and triggers may call nothing that has effects. */
        sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
        sqlite3_db_config(s->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
        return CVY_OK;
    }
    cvy_status status = sql_fail(s, e);
    sql_close(s);
    return status;
}

void sql_close(sql *s)
{
    for (size_t i = 0; i < s->n_kept; i++) sqlite3_finalize(s->kept[i].stmt);
    mem_free(s->kept);
    sqlite3_close(s->db);
    mem_free(s->path);
    *s = (sql){0};
}

cvy_status sql_run(sql *s, const char *statements, errors *e)
{
    return sqlite3_exec(s->db, statements, NULL, NULL, NULL) == SQLITE_OK ? CVY_OK : sql_fail(s, e);
}

bool sql_moved(sql *s)
{
    int moved = 0;
    return sqlite3_file_control(s->db, "main", SQLITE_FCNTL_HAS_MOVED, &moved) == SQLITE_OK && moved;
}

cvy_status sql_copy(sql *to, sql *from, bool *unusable, errors *e)
{
    *unusable = false;
    int code = SQLITE_NOMEM;
    sqlite3_backup *copy = sqlite3_backup_init(to->db, "main", from->db, "main");
    if (copy) {
        sqlite3_backup_step(copy, -1);
        code = sqlite3_backup_finish(copy); /* leaves the error in `to` */
    }
    if (code == SQLITE_OK) return CVY_OK;
    *unusable = (code & 0xFF) == SQLITE_NOTADB || (code & 0xFF) == SQLITE_CORRUPT;
    return sql_fail(to, e);
}

/* ---- statements ---- */

static sqlite3_stmt *prepared(sql *s, const char *statement, errors *e)
{
    for (size_t i = 0; i < s->n_kept; i++)
        if (s->kept[i].statement == statement) return s->kept[i].stmt;
    sqlite3_stmt *stmt = NULL;
    if (sqlite3_prepare_v3(s->db, statement, -1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL) != SQLITE_OK) {
        sql_fail(s, e);
        return NULL;
    }
    s->kept = MEM_GROW(s->kept, s->n_kept, &s->cap_kept);
    s->kept[s->n_kept++] = (sql_kept){statement, stmt};
    return stmt;
}

static bool bind(sqlite3_stmt *stmt, const char *types, va_list ap)
{
    int code = SQLITE_OK;
    for (int i = 0; types[i] && code == SQLITE_OK; i++) {
        switch (types[i]) {
        case 'i':
            code = sqlite3_bind_int64(stmt, i + 1, va_arg(ap, int64_t));
            break;
        case 'd':
            code = sqlite3_bind_double(stmt, i + 1, va_arg(ap, double)); /* nan becomes NULL */
            break;
        default: {
            const char *t = va_arg(ap, const char *);
            size_t n = t ? strlen(t) : 0;
            if (n > INT_MAX) n = INT_MAX;
            code = t ? sqlite3_bind_text(stmt, i + 1, t, (int)n, SQLITE_TRANSIENT)
                     : sqlite3_bind_null(stmt, i + 1);
            break;
        }
        }
    }
    return code == SQLITE_OK;
}

static sql_query ask(sql *s, errors *e, const char *statement, const char *types, va_list ap)
{
    sql_query q = {.stmt = prepared(s, statement, e), .owner = s, .status = CVY_OK};
    if (!q.stmt)
        q.status = CVY_ERR_RESOURCE;
    else if (!bind(q.stmt, types, ap))
        q.status = sql_fail(s, e);
    return q;
}

sql_query sql_ask(sql *s, errors *e, const char *statement, const char *types, ...)
{
    va_list ap;
    va_start(ap, types);
    sql_query q = ask(s, e, statement, types, ap);
    va_end(ap);
    return q;
}

bool sql_next(sql_query *q, errors *e)
{
    if (q->status != CVY_OK) return false;
    int code = sqlite3_step(q->stmt);
    if (code == SQLITE_ROW) return true;
    if (code != SQLITE_DONE) q->status = sql_fail(q->owner, e);
    return false;
}

cvy_status sql_done(sql_query *q)
{
    if (q->stmt) {
        sqlite3_reset(q->stmt);
        sqlite3_clear_bindings(q->stmt);
        q->stmt = NULL;
    }
    return q->status;
}

cvy_status sql_do(sql *s, errors *e, const char *statement, const char *types, ...)
{
    va_list ap;
    va_start(ap, types);
    sql_query q = ask(s, e, statement, types, ap);
    va_end(ap);
    while (sql_next(&q, e)) {
    }
    return sql_done(&q);
}

int64_t sql_changes(sql *s)
{
    return sqlite3_changes(s->db);
}

/* ---- columns ---- */

bool sql_is_null(const sql_query *q, int column)
{
    return sqlite3_column_type(q->stmt, column) == SQLITE_NULL;
}

/* NULL reads as zero, so only a zero has to be asked whether it is one. */

int64_t sql_int(const sql_query *q, int column, int64_t when_null)
{
    const int64_t v = sqlite3_column_int64(q->stmt, column);
    return v == 0 && sql_is_null(q, column) ? when_null : v;
}

double sql_double(const sql_query *q, int column)
{
    const double v = sqlite3_column_double(q->stmt, column);
    return v == 0 && sql_is_null(q, column) ? (double)NAN : v;
}

const char *sql_text(const sql_query *q, int column, arena *a)
{
    const char *t = (const char *)sqlite3_column_text(q->stmt, column);
    return t ? arena_text(a, t) : NULL;
}
