/* `convoy export csv | jsonl | sql`: what runs were and logged, for other programs. Owns what goes into each of the three. */
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "cli/cmd_export.h"
#include "cli/results.h"
#include "cli/value_text.h"

typedef struct rows_export {
    store *s;
    const query_run *runs;
    size_t n;
    bool curves;
    text out;
} rows_export;

/* A statement whose one ? is the run's name. */
static user_query *ask(const rows_export *x, const char *statement, const char *run, errors *e)
{
    return user_query_open(x->s, statement, &run, 1, e);
}

/* ---- CSV: a line for each run, or for each value that was logged ---- */

/* Every parameter that any of the runs has. */
static const char **all_paths(const rows_export *x, arena *a, query_pairs *params, size_t *n, errors *e)
{
    const char **paths = NULL;
    size_t cap = 0;
    *n = 0;
    for (size_t i = 0; i < x->n; i++) {
        if (query_trial_params(x->s, &x->runs[i], a, &params[i], e) != CVY_OK) break;
        size_t at = 0; /* both in order: merged */
        for (size_t k = 0; k < params[i].n; k++) {
            const char *path = params[i].items[k].key;
            while (at < *n && strcmp(paths[at], path) < 0) at++;
            if (at < *n && !strcmp(paths[at], path)) continue;
            paths = MEM_GROW(paths, *n, &cap);
            memmove(paths + at + 1, paths + at, (*n - at) * sizeof *paths);
            paths[at] = path;
            ++*n;
        }
    }
    return paths;
}

static const char *param_of(const query_pairs *params, const char *path)
{
    for (size_t i = 0; i < params->n; i++)
        if (!strcmp(params->items[i].key, path)) return params->items[i].value;
    return NULL;
}

static void header(rows_export *x, const user_query *q)
{
    for (size_t i = 0; i < user_query_columns(q); i++) {
        if (i) text_char(&x->out, ',');
        value_csv_text(&x->out, user_query_column(q, i), strlen(user_query_column(q, i)));
    }
}

static void row(rows_export *x, const user_query *q)
{
    for (size_t i = 0; i < user_query_columns(q); i++) {
        user_value v = user_query_value(q, i);
        if (i) text_char(&x->out, ',');
        value_csv(&x->out, &v);
    }
}

static void write_csv_runs(rows_export *x, errors *e)
{
    arena a = {0};
    size_t n_paths;
    query_pairs *params = mem_array(x->n + 1, sizeof *params);
    const char **paths = all_paths(x, &a, params, &n_paths, e);
    for (size_t i = 0; i < x->n && !errors_count(e); i++) {
        user_query *q = ask(x, "SELECT * FROM run_summary WHERE name = ?", x->runs[i].name, e);
        if (!q) break;
        if (i == 0) {
            header(x, q);
            for (size_t k = 0; k < n_paths; k++) {
                char *title = mem_printf("param:%s", paths[k]);
                text_char(&x->out, ',');
                value_csv_text(&x->out, title, strlen(title));
                mem_free(title);
            }
            text_char(&x->out, '\n');
        }
        if (user_query_next(q, e)) {
            row(x, q);
            for (size_t k = 0; k < n_paths; k++) {
                const char *value = param_of(&params[i], paths[k]);
                text_char(&x->out, ',');
                if (value) value_csv_text(&x->out, value, strlen(value));
            }
            text_char(&x->out, '\n');
        }
        user_query_close(q);
    }
    mem_free(paths);
    mem_free(params);
    arena_free(&a);
}

static const struct {
    const char *scope, *statement;
} scopes[] = {
    {"step", "SELECT run, 'step' AS scope, metric, step, epoch, value FROM step_curves WHERE run = ? ORDER "
             "BY metric, step"},
    {"epoch", "SELECT run, 'epoch' AS scope, metric, step, epoch, value FROM curves WHERE run = ? ORDER BY "
              "metric, step"},
    {"run", "SELECT run, 'run' AS scope, metric, step, epoch, value FROM run_metrics WHERE run = ? ORDER BY "
            "metric, step"},
    {"measured", "SELECT run, 'measured' AS scope, metric, step, epoch, value FROM measured WHERE run = ? "
                 "ORDER BY metric, step"},
};
enum { SCOPES = sizeof scopes / sizeof *scopes };

static void write_csv_curves(rows_export *x, errors *e)
{
    text_add(&x->out, "run,label,scope,metric,step,epoch,value\n");
    for (size_t i = 0; i < x->n; i++)
        for (size_t k = 0; k < SCOPES && !errors_count(e); k++) {
            user_query *q = ask(x, scopes[k].statement, x->runs[i].name, e);
            while (q && user_query_next(q, e)) {
                const char *label = x->runs[i].label ? x->runs[i].label : "";
                text_printf(&x->out, "%s,", x->runs[i].name);
                value_csv_text(&x->out, label, strlen(label));
                for (size_t column = 1; column < user_query_columns(q); column++) {
                    user_value v = user_query_value(q, column);
                    text_char(&x->out, ',');
                    value_csv(&x->out, &v);
                }
                text_char(&x->out, '\n');
            }
            user_query_close(q);
        }
}

static void write_csv(rows_export *x, errors *e)
{
    if (x->curves)
        write_csv_curves(x, e);
    else
        write_csv_runs(x, e);
}

/* ---- JSON lines: a run on each, with all that it is and logged ---- */

static void put_pairs(rows_export *x, json_writer *w, const char *key, const char *statement, const char *run,
                      errors *e)
{
    user_query *q = ask(x, statement, run, e);
    json_key(w, key);
    json_open(w, '{');
    while (q && user_query_next(q, e)) {
        user_value name = user_query_value(q, 0), value = user_query_value(q, 1);
        json_key(w, name.s ? name.s : "");
        value_json(w, &value);
    }
    json_close(w, '}');
    user_query_close(q);
}

/* {"val_loss":[[step,epoch,value],...],...} */
static void put_curves(rows_export *x, json_writer *w, const char *key, const char *statement,
                       const char *run, errors *e)
{
    user_query *q = ask(x, statement, run, e);
    char *open = NULL;
    json_key(w, key);
    json_open(w, '{');
    while (q && user_query_next(q, e)) {
        user_value metric = user_query_value(q, 2);
        if (!open || strcmp(open, metric.s) != 0) {
            if (open) json_close(w, ']');
            mem_free(open);
            open = mem_text(metric.s);
            json_key(w, open);
            json_open(w, '[');
        }
        json_open(w, '[');
        for (size_t column = 3; column < 6; column++) {
            user_value v = user_query_value(q, column);
            value_json(w, &v);
        }
        json_close(w, ']');
    }
    if (open) json_close(w, ']');
    mem_free(open);
    json_close(w, '}');
    user_query_close(q);
}

static void write_jsonl(rows_export *x, errors *e)
{
    static const char *const keys[SCOPES] = {"steps", "epochs_logged", "metrics", "measured"};
    for (size_t i = 0; i < x->n && !errors_count(e); i++) {
        const char *name = x->runs[i].name;
        json_writer w = {0};
        json_open(&w, '{');
        user_query *q = ask(x, "SELECT * FROM run_summary WHERE name = ?", name, e);
        for (size_t k = 0; q && user_query_next(q, e) && k < 1; k++)
            for (size_t column = 0; column < user_query_columns(q); column++) {
                user_value v = user_query_value(q, column);
                json_key(&w, user_query_column(q, column));
                value_json(&w, &v);
            }
        user_query_close(q);
        put_pairs(x, &w, "params", "SELECT path, value FROM run_params WHERE run = ? ORDER BY path", name, e);
        put_pairs(x, &w, "environment", "SELECT key, value FROM run_environment WHERE run = ? ORDER BY key",
                  name, e);
        for (size_t k = SCOPES; k-- > 0;) put_curves(x, &w, keys[k], scopes[k].statement, name, e);
        json_close(&w, '}');
        text_add_n(&x->out, text_str(&w.out), w.out.n);
        text_char(&x->out, '\n');
        text_free(&w.out);
    }
}

/* ---- SQL: the views' rows as tables of the same names ---- */

static void write_table(rows_export *x, const char *view, const char *statement, errors *e)
{
    bool created = false;
    for (size_t i = 0; i < x->n && !errors_count(e); i++) {
        user_query *q = ask(x, statement, x->runs[i].name, e);
        if (q && !created) {
            text_printf(&x->out, "CREATE TABLE %s (", view);
            for (size_t k = 0; k < user_query_columns(q); k++) {
                text_add(&x->out, k ? ", " : "");
                value_sql_name(&x->out, user_query_column(q, k));
            }
            text_add(&x->out, ");\n");
            created = true;
        }
        while (q && user_query_next(q, e)) {
            text_printf(&x->out, "INSERT INTO %s VALUES (", view);
            for (size_t k = 0; k < user_query_columns(q); k++) {
                user_value v = user_query_value(q, k);
                if (k) text_add(&x->out, ", ");
                value_sql(&x->out, &v);
            }
            text_add(&x->out, ");\n");
        }
        user_query_close(q);
    }
}

static void write_sql(rows_export *x, errors *e)
{
    static const char *const views[][2] = {
        {"run_summary", "SELECT * FROM run_summary WHERE name = ?"},
        {"run_params", "SELECT * FROM run_params WHERE run = ?"},
        {"run_environment", "SELECT * FROM run_environment WHERE run = ?"},
        {"run_plugins", "SELECT * FROM run_plugins WHERE run = ?"},
        {"run_attempts", "SELECT * FROM run_attempts WHERE run = ?"},
        {"curves", "SELECT * FROM curves WHERE run = ?"},
        {"step_curves", "SELECT * FROM step_curves WHERE run = ?"},
        {"run_metrics", "SELECT * FROM run_metrics WHERE run = ?"},
        {"measured", "SELECT * FROM measured WHERE run = ?"},
        {"event_log", "SELECT * FROM event_log WHERE owner = ?"},
    };
    text_printf(&x->out, "-- Runs of Convoy: its views as plain tables.\nBEGIN;\n");
    for (size_t i = 0; i < sizeof views / sizeof *views; i++) write_table(x, views[i][0], views[i][1], e);
    text_add(&x->out, "COMMIT;\n");
}

/* ---- the command ---- */

static int export_rows_run(const command *self, const common *c, const export_args *args, int argc,
                           char **argv, void (*write)(rows_export *x, errors *e))
{
    if (!argc) return cli_usage(self, c, "which runs or sweeps?");
    errors e = {0};
    arena a = {0};
    query_run *runs = NULL;
    bool by_run;
    const char *sweep;
    rows_export x = {.curves = args->curves};
    x.s = results_open(c, &e);
    if (x.s && results_find(x.s, argv, argc, &a, &runs, &x.n, &by_run, &sweep, &e) == CVY_OK) {
        x.runs = runs;
        x.n = results_distinct(runs, x.n);
        if (args->output && file_exists(args->output) && !args->force)
            errors_add(&e, CVY_ERR_CONFIG, &PLACE_FILE(args->output), "--force overwrites it",
                       "the file is there already");
        else
            write(&x, &e);
        if (!errors_count(&e) && args->output &&
            file_replace(args->output, text_str(&x.out), x.out.n, &e) == CVY_OK)
            cli_say(c, "%s: %zu run%s", args->output, x.n, x.n == 1 ? "" : "s");
        else if (!errors_count(&e) && !args->output)
            cli_print_data(&x.out);
    }
    text_free(&x.out);
    store_close(x.s);
    arena_free(&a);
    return cli_fail(c, &e);
}

int cmd_export_csv(const command *self, const common *c, const export_args *args, int argc, char **argv)
{
    return export_rows_run(self, c, args, argc, argv, write_csv);
}

int cmd_export_jsonl(const command *self, const common *c, const export_args *args, int argc, char **argv)
{
    return export_rows_run(self, c, args, argc, argv, write_jsonl);
}

int cmd_export_sql(const command *self, const common *c, const export_args *args, int argc, char **argv)
{
    return export_rows_run(self, c, args, argc, argv, write_sql);
}
