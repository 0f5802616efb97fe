/* All rows of a database as one text, to compare two of them; must not know the store. */
#ifndef TESTS_REPORT_DUMP_H
#define TESTS_REPORT_DUMP_H

#include <sqlite3.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"

static inline void dump_rows(sqlite3 *db, const char *question, text *out)
{
    sqlite3_stmt *stmt = NULL;
    if (sqlite3_prepare_v2(db, question, -1, &stmt, NULL) != SQLITE_OK) {
        text_printf(out, "error: %s\n", sqlite3_errmsg(db));
        return;
    }
    while (sqlite3_step(stmt) == SQLITE_ROW) {
        for (int i = 0; i < sqlite3_column_count(stmt); i++) {
            if (i) text_add(out, "|");
            if (sqlite3_column_type(stmt, i) == SQLITE_FLOAT)
                text_double(out, sqlite3_column_double(stmt, i));
            else if (sqlite3_column_type(stmt, i) == SQLITE_NULL)
                text_add(out, "NULL");
            else
                text_add(out, (const char *)sqlite3_column_text(stmt, i));
        }
        text_add(out, "\n");
    }
    sqlite3_finalize(stmt);
}

/* The answer to one question, as rows of columns separated by |. */
static inline char *dump_ask(const char *results, const char *question)
{
    char *path = path_join(results, "convoy.db");
    sqlite3 *db = NULL;
    text out = {0};
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK) {
        sqlite3_busy_timeout(db, 20000);
        dump_rows(db, question, &out);
    }
    sqlite3_close(db);
    mem_free(path);
    return text_take(&out);
}

/* Metric ids depend on the order in which names were met, so names stand in for them. */
static inline char *dump_all(const char *results)
{
    static const char *const questions[] = {
        "SELECT * FROM schema_version",
        "SELECT * FROM sweeps ORDER BY number",
        "SELECT * FROM runs ORDER BY number",
        "SELECT * FROM members ORDER BY sweep, trial, repeat",
        "SELECT * FROM member_params ORDER BY sweep, trial, repeat, path",
        "SELECT * FROM params ORDER BY run, path",
        "SELECT * FROM environment ORDER BY run, key",
        "SELECT * FROM plugins ORDER BY run, kind, name",
        "SELECT * FROM attempts ORDER BY run, attempt",
        "SELECT run, scope, name, step, epoch, value, attempt FROM metrics JOIN metric_names ON id = metric"
        " ORDER BY run, scope, name, step",
        "SELECT run, name, step, epoch, value FROM timings JOIN metric_names ON id = metric ORDER BY run, "
        "name, step",
        "SELECT * FROM kernels ORDER BY run, node",
        "SELECT * FROM artifacts ORDER BY run, path",
        "SELECT * FROM evaluation_list ORDER BY id",
        "SELECT * FROM evaluation_runs ORDER BY evaluation, position",
        "SELECT * FROM evaluation_values ORDER BY evaluation, metric",
        "SELECT * FROM tags ORDER BY owner, tag",
        "SELECT * FROM events ORDER BY owner, file, offset, kind",
        "SELECT * FROM cursors ORDER BY owner, file",
        "SELECT * FROM run_summary ORDER BY name",
        "SELECT * FROM sweep_summary ORDER BY name",
    };
    char *path = path_join(results, "convoy.db");
    sqlite3 *db = NULL;
    text out = {0};
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK) {
        sqlite3_busy_timeout(db, 20000);
        for (size_t i = 0; i < sizeof questions / sizeof *questions; i++) {
            text_printf(&out, "-- %s\n", questions[i]);
            dump_rows(db, questions[i], &out);
        }
        dump_rows(db, "PRAGMA integrity_check", &out);
    }
    sqlite3_close(db);
    mem_free(path);
    return text_take(&out);
}

#endif
