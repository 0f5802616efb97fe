/* Owns how a database of an older schema becomes one of today's; must not know what the rows say. */
#include "report/migrate.h"

#include <string.h>

/* A table, an index or a view. */
typedef struct object {
    const char *type, *name, *made; /* the statement that made it */
} object;

typedef struct objects {
    object *items; /* in the order in which they were made */
    size_t n, cap;
} objects;

static cvy_status list(sql *s, arena *a, objects *out, errors *e)
{
    sql_query q =
        sql_ask(s, e, "SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid", "");
    while (sql_next(&q, e)) {
        out->items = MEM_GROW(out->items, out->n, &out->cap);
        out->items[out->n++] = (object){sql_text(&q, 0, a), sql_text(&q, 1, a), sql_text(&q, 2, a)};
    }
    return sql_done(&q);
}

static const object *find(const objects *all, const char *name)
{
    for (size_t i = 0; i < all->n; i++)
        if (!strcmp(all->items[i].name, name)) return &all->items[i];
    return NULL;
}

static bool is(const object *o, const char *type)
{
    return !strcmp(o->type, type);
}

/* Names are those of today's schema and need no quoting beyond this. */
static cvy_status run(sql *s, errors *e, const char *fmt, const char *name)
{
    char *statement = mem_printf(fmt, name, name);
    cvy_status status = sql_run(s, statement, e);
    mem_free(statement);
    return status;
}

/* The columns that both tables have, as a list. */
static cvy_status shared_columns(sql *s, const char *name, text *out, errors *e)
{
    arena a = {0};
    char *older = mem_printf("older %s", name);
    sql_query q = sql_ask(
        s, e, "SELECT name FROM pragma_table_info(?) WHERE name IN (SELECT name FROM pragma_table_info(?))",
        "tt", name, older);
    while (sql_next(&q, e)) text_printf(out, "%s\"%s\"", out->n ? ", " : "", sql_text(&q, 0, &a));
    mem_free(older);
    arena_free(&a);
    return sql_done(&q);
}

static cvy_status remake_table(sql *s, const object *now, errors *e)
{
    text columns = {0};
    cvy_status status = run(s, e, "ALTER TABLE \"%s\" RENAME TO \"older %s\"", now->name);
    if (status == CVY_OK) status = sql_run(s, now->made, e);
    if (status == CVY_OK) status = shared_columns(s, now->name, &columns, e);
    if (status == CVY_OK && columns.n) {
        char *statement = mem_printf("INSERT INTO \"%s\" (%s) SELECT %s FROM \"older %s\"", now->name,
                                     text_str(&columns), text_str(&columns), now->name);
        status = sql_run(s, statement, e);
        mem_free(statement);
    }
    if (status == CVY_OK) status = run(s, e, "DROP TABLE \"older %s\"", now->name);
    text_free(&columns);
    return status;
}

/* A large table mostly is what it was: it is left where it is, and nothing is copied. */
static cvy_status make(sql *s, const object *now, const object *old, errors *e)
{
    if (is(now, "table") && old)
        return old->made && !strcmp(old->made, now->made) ? CVY_OK : remake_table(s, now, e);
    return sql_run(s, now->made, e);
}

static cvy_status change(sql *s, const objects *now, const objects *old, errors *e)
{
    cvy_status status = CVY_OK;
    /* First what tables are looked at through: an index bears its name for the whole file. */
    for (size_t i = 0; i < now->n && status == CVY_OK; i++)
        if (is(&now->items[i], "view") && find(old, now->items[i].name))
            status = run(s, e, "DROP VIEW \"%s\"", now->items[i].name);
        else if (is(&now->items[i], "index") && find(old, now->items[i].name))
            status = run(s, e, "DROP INDEX \"%s\"", now->items[i].name);
    for (size_t i = 0; i < now->n && status == CVY_OK; i++)
        status = make(s, &now->items[i], find(old, now->items[i].name), e);
    return status;
}

cvy_status migrate(sql *s, const char *schema, errors *e)
{
    arena a = {0};
    objects now = {0}, old = {0};
    sql fresh = {0};
    cvy_status status = sql_open(&fresh, NULL, true, e);
    if (status == CVY_OK) status = sql_run(&fresh, schema, e);
    if (status == CVY_OK) status = list(&fresh, &a, &now, e);
    if (status == CVY_OK) status = list(s, &a, &old, e);
    /* Without it a table cannot be renamed while somebody's own view asks for one that is just away. */
    if (status == CVY_OK) status = sql_run(s, "PRAGMA legacy_alter_table = 1", e);
    if (status == CVY_OK) status = change(s, &now, &old, e);
    if (status == CVY_OK) status = sql_run(s, "PRAGMA legacy_alter_table = 0", e);
    sql_close(&fresh);
    mem_free(now.items);
    mem_free(old.items);
    arena_free(&a);
    return status;
}
