/* `convoy query`: a SELECT over the database's views, as table, CSV or JSON. */
#include <math.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "cli/cli.h"
#include "cli/results.h"
#include "cli/table.h"
#include "cli/value_text.h"

typedef struct query_args {
    const char *file;
    bool csv, views;
} query_args;

static const option_row query_rows[] = {
    OPTION(query_args, csv, 0, OPTION_FLAG, NULL, "as CSV (RFC 4180); an absent value is an empty field"),
    OPTION(query_args, file, 'f', OPTION_TEXT, "FILE", "the statement stands in this file"),
    OPTION(query_args, views, 0, OPTION_FLAG, NULL, "list the views and their columns"),
};

/* ---- the three forms ---- */

static void print_csv(user_query *q, errors *e)
{
    text line = {0};
    const size_t n = user_query_columns(q);
    for (size_t i = 0; i < n; i++) {
        if (i) text_char(&line, ',');
        value_csv_text(&line, user_query_column(q, i), strlen(user_query_column(q, i)));
    }
    do {
        text_char(&line, '\n');
        cli_print_data(&line);
        text_free(&line);
        if (!user_query_next(q, e)) break;
        for (size_t i = 0; i < n; i++) {
            user_value v = user_query_value(q, i);
            if (i) text_char(&line, ',');
            value_csv(&line, &v);
        }
    } while (true);
    text_free(&line);
}

static void print_json(user_query *q, errors *e)
{
    json_writer w = {0};
    const size_t n = user_query_columns(q);
    json_open(&w, '[');
    while (user_query_next(q, e)) {
        json_open(&w, '{');
        for (size_t i = 0; i < n; i++) {
            user_value v = user_query_value(q, i);
            json_key(&w, user_query_column(q, i));
            value_json(&w, &v);
        }
        json_close(&w, '}');
    }
    json_close(&w, ']');
    cli_print_json(&w);
}

/* Six significant digits, and never fewer than stand before the point: 1700000000 and 1234568 are read, 1.7e+09 is not. */
static void add_rounded(text *t, double v)
{
    const double size = fabs(v);
    text_printf(t, size >= 1e5 && size < 1e15 ? "%.0f" : "%.6g", v);
}

/* Numbers to the right: a column is one of numbers when all of its values are, and then its title goes there too. */
static void print_rows(const common *c, user_query *q, errors *e)
{
    const size_t n = user_query_columns(q);
    char **cells = NULL;
    size_t count = 0, cap = 0;
    bool *words = mem_array(n + 1, sizeof *words);
    while (user_query_next(q, e))
        for (size_t i = 0; i < n; i++) {
            user_value v = user_query_value(q, i);
            text s = {0};
            if (v.kind == USER_DOUBLE)
                add_rounded(&s, v.d);
            else
                value_plain(&s, &v);
            words[i] = words[i] || v.kind == USER_TEXT || v.kind == USER_BLOB;
            cells = MEM_GROW(cells, count, &cap);
            cells[count++] = text_take(&s);
        }
    table t = {0};
    text out = {0};
    for (size_t i = 0; i < n; i++)
        table_column(&t, user_query_column(q, i), words[i] ? TABLE_LEFT : TABLE_RIGHT);
    for (size_t i = 0; i < count; i++) {
        table_cell(&t, cells[i] ? cells[i] : "");
        mem_free(cells[i]);
    }
    table_write(&t, cli_colour(c, stdout), &out);
    cli_print(&out);
    cli_say(c, "%zu row%s", n ? count / n : 0, n && count / n == 1 ? "" : "s");
    text_free(&out);
    table_free(&t);
    mem_free(cells);
    mem_free(words);
}

static void answer(const common *c, const query_args *o, store *s, const char *statement, char **values,
                   int n, errors *e)
{
    user_query *q = user_query_open(s, statement, (const char *const *)values, (size_t)n, e);
    if (!q) return;
    if (!o->csv && !c->json && user_query_columns(q) > TABLE_MAX_COLUMNS)
        errors_add(e, CVY_ERR_CONFIG, NULL, "name the columns you want, or use --csv or --json",
                   "%zu columns are more than a table can show", user_query_columns(q));
    else if (o->csv)
        print_csv(q, e);
    else if (c->json)
        print_json(q, e);
    else
        print_rows(c, q, e);
    user_query_close(q);
}

/* A line for each view: its columns, as an empty answer of it has them. */
static void list_views(const common *c, store *s, errors *e)
{
    user_query *views = user_query_open(s, user_query_views, NULL, 0, e);
    table t = {0};
    text out = {0};
    json_writer w = {0};
    table_column(&t, "VIEW", TABLE_LEFT);
    table_column(&t, "COLUMNS", TABLE_LEFT);
    json_open(&w, '{');
    while (views && user_query_next(views, e)) {
        const char *name = user_query_value(views, 0).s;
        text all = {0};
        text_add(&all, "SELECT * FROM ");
        value_sql_name(&all, name);
        user_query *q = user_query_open(s, text_str(&all), NULL, 0, e);
        text columns = {0};
        json_key(&w, name);
        json_open(&w, '[');
        for (size_t i = 0; q && i < user_query_columns(q); i++) {
            text_printf(&columns, "%s%s", i ? " " : "", user_query_column(q, i));
            json_text(&w, user_query_column(q, i));
        }
        json_close(&w, ']');
        table_cell(&t, name);
        table_cell(&t, text_str(&columns));
        text_free(&columns);
        user_query_close(q);
        text_free(&all);
    }
    json_close(&w, '}');
    user_query_close(views);
    table_write(&t, cli_colour(c, stdout), &out);
    if (c->json)
        cli_print_json(&w);
    else
        cli_print(&out);
    if (!c->json) text_free(&w.out);
    text_free(&out);
    table_free(&t);
}

static int run(const command *self, const common *c, void *given, int argc, char **argv)
{
    const query_args *o = given;
    errors e = {0};
    char *statement = NULL;
    size_t n = 0;
    int used = 0;
    if (o->views + (o->file != NULL) > 1 || (o->views && argc))
        return cli_usage(self, c, "--views goes alone");
    if (o->views && o->csv) return cli_usage(self, c, "--views lists as a table or as --json");
    if (o->csv && c->json) return cli_usage(self, c, "--csv or --json, not both");
    if (!o->views && !o->file && !argc) return cli_usage(self, c, "which query?");
    if (o->views)
        statement = mem_text("");
    else if (o->file)
        file_read(o->file, (size_t)1 << 20, &statement, &n, &e);
    else
        statement = mem_text(argv[used++]);
    store *s = statement ? results_open(c, &e) : NULL;
    if (s && o->views)
        list_views(c, s, &e);
    else if (s)
        answer(c, o, s, statement, argv + used, argc - used, &e);
    store_close(s);
    mem_free(statement);
    return cli_fail(c, &e);
}

const command cmd_query = {
    .name = "query",
    .summary = "Ask the results database in SQL, read-only: table, --csv or --json",
    .usage = "convoy query \"SELECT ...\" [VALUE ...] [--csv|--json]",
    .examples =
        "convoy query --views\n"
        "convoy query \"SELECT name, label, best, seconds FROM run_summary ORDER BY best DESC LIMIT 5\"\n"
        "convoy query \"SELECT epoch, value FROM curves WHERE run = ? AND metric = ?\" r12 val_loss --csv",
    .options = query_rows,
    .n_options = sizeof query_rows / sizeof *query_rows,
    .size = sizeof(query_args),
    .run = run,
};
