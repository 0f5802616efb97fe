/* `convoy show`: one run, as it was planned and as it went. */
#include <math.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "cli/cli.h"
#include "cli/results.h"
#include "cli/table.h"

enum { SPEC_MAX = 16 << 20, EPOCHS_SHOWN = 10, EVENTS_SHOWN = 10 };

typedef struct options {
    bool yaml;
} options;

static const option_row rows[] = {
    OPTION(options, yaml, 0, OPTION_FLAG, NULL, "print the resolved experiment file instead"),
};

/* All that is known of a run. */
typedef struct details {
    query_curve *epochs, *steps, *finals, *measured;
    size_t n_epochs, n_steps, n_finals, n_measured;
    query_pairs params, environment;
    query_attempt *attempts;
    query_event *events;
    query_plugin *plugins;
    query_artifact *artifacts;
    size_t n_attempts, n_events, n_plugins, n_artifacts;
} details;

/* One that never told its end is running only as the last of a run that is. */
static void settle_attempts(const query_run *r, details *d)
{
    for (size_t i = 0; i < d->n_attempts; i++)
        if (!strcmp(d->attempts[i].state, "running") &&
            (i + 1 < d->n_attempts || strcmp(r->state, "running") != 0))
            d->attempts[i].state = "killed";
}

static cvy_status load(store *s, const query_run *r, arena *a, details *d, errors *e)
{
    const char *run = r->name;
    query_curves(s, run, QUERY_EPOCH, a, &d->epochs, &d->n_epochs, e);
    query_curves(s, run, QUERY_STEP, a, &d->steps, &d->n_steps, e);
    query_curves(s, run, QUERY_RUN, a, &d->finals, &d->n_finals, e);
    query_curves(s, run, QUERY_MEASURED, a, &d->measured, &d->n_measured, e);
    query_params(s, run, a, &d->params, e);
    query_environment(s, run, a, &d->environment, e);
    query_attempts(s, run, a, &d->attempts, &d->n_attempts, e);
    query_events(s, run, a, &d->events, &d->n_events, e);
    query_plugins(s, run, a, &d->plugins, &d->n_plugins, e);
    query_artifacts(s, run, a, &d->artifacts, &d->n_artifacts, e);
    settle_attempts(r, d);
    return errors_status(e);
}

/* ---- as JSON ---- */

static void put_curves(json_writer *w, const char *key, const query_curve *curves, size_t n)
{
    json_key(w, key);
    json_open(w, '{');
    for (size_t i = 0; i < n; i++) {
        json_key(w, curves[i].metric);
        json_open(w, '[');
        for (size_t k = 0; k < curves[i].n; k++) {
            json_open(w, '{');
            json_put_int(w, "epoch", curves[i].points[k].epoch);
            json_put_int(w, "step", curves[i].points[k].step);
            results_put_double(w, "value", curves[i].points[k].value);
            json_close(w, '}');
        }
        json_close(w, ']');
    }
    json_close(w, '}');
}

static void put_pairs(json_writer *w, const char *key, query_pairs pairs)
{
    json_key(w, key);
    json_open(w, '{');
    for (size_t i = 0; i < pairs.n; i++) json_put_text(w, pairs.items[i].key, pairs.items[i].value);
    json_close(w, '}');
}

static void put_history(json_writer *w, const details *d)
{
    json_key(w, "attempt_list");
    json_open(w, '[');
    for (size_t i = 0; i < d->n_attempts; i++) {
        json_open(w, '{');
        json_put_int(w, "attempt", d->attempts[i].attempt);
        json_put_text(w, "state", d->attempts[i].state);
        results_put_int(w, "from_step", d->attempts[i].from_step);
        results_put_int(w, "end_step", d->attempts[i].end_step);
        results_put_double(w, "started", d->attempts[i].started);
        results_put_double(w, "seconds", d->attempts[i].seconds);
        results_put_int(w, "code", d->attempts[i].code);
        results_put_int(w, "signal", d->attempts[i].signal);
        json_put_text(w, "text", d->attempts[i].what);
        json_close(w, '}');
    }
    json_close(w, ']');
    json_key(w, "events");
    json_open(w, '[');
    for (size_t i = 0; i < d->n_events; i++) {
        json_open(w, '{');
        results_put_double(w, "time", d->events[i].time);
        json_put_text(w, "kind", d->events[i].kind);
        json_put_text(w, "text", d->events[i].what);
        json_close(w, '}');
    }
    json_close(w, ']');
}

static void put_files(json_writer *w, const details *d)
{
    json_key(w, "plugins");
    json_open(w, '[');
    for (size_t i = 0; i < d->n_plugins; i++) {
        json_open(w, '{');
        json_put_text(w, "kind", d->plugins[i].kind);
        json_put_text(w, "name", d->plugins[i].name);
        json_put_text(w, "path", d->plugins[i].path);
        json_put_text(w, "sha256", d->plugins[i].sha256);
        json_close(w, '}');
    }
    json_close(w, ']');
    json_key(w, "artifacts");
    json_open(w, '[');
    for (size_t i = 0; i < d->n_artifacts; i++) {
        json_open(w, '{');
        json_put_text(w, "kind", d->artifacts[i].kind);
        json_put_text(w, "path", d->artifacts[i].path);
        results_put_int(w, "step", d->artifacts[i].step);
        json_close(w, '}');
    }
    json_close(w, ']');
}

static void print_json(const query_run *r, const details *d, const char *folder)
{
    json_writer w = {0};
    json_open(&w, '{');
    results_put_run(&w, r);
    json_put_text(&w, "folder", folder);
    put_pairs(&w, "params", d->params);
    put_pairs(&w, "environment", d->environment);
    put_files(&w, d);
    put_history(&w, d);
    put_curves(&w, "curves", d->epochs, d->n_epochs);
    put_curves(&w, "step_curves", d->steps, d->n_steps);
    put_curves(&w, "metrics", d->finals, d->n_finals);
    put_curves(&w, "measured", d->measured, d->n_measured);
    json_close(&w, '}');
    cli_print_json(&w);
}

/* ---- as text ---- */

static void line(table *t, const char *what, text *value)
{
    if (value->n) {
        table_cell(t, what);
        table_cell(t, value->s);
    }
    text_free(value);
}

static void plain_line(table *t, const char *what, const char *value)
{
    text s = {0};
    if (value) text_add(&s, value);
    line(t, what, &s);
}

static void place_in_sweep(table *t, const query_run *r)
{
    text s = {0};
    if (r->sweep) text_printf(&s, "%s", r->sweep);
    if (r->sweep && r->trial != QUERY_NONE) text_printf(&s, ", trial %lld", (long long)r->trial);
    if (r->sweep && r->repeat != QUERY_NONE) text_printf(&s, ", repeat %lld", (long long)r->repeat);
    line(t, "sweep", &s);
}

static void model_line(table *t, const query_run *r)
{
    text s = {0};
    if (r->model && *r->model) text_printf(&s, "%s, ", r->model);
    if (r->parameters != QUERY_NONE) {
        text_count(&s, r->parameters);
        text_add(&s, " parameters, ");
    }
    results_big(&s, r->macs);
    text_add(&s, " MACs per sample");
    line(t, "model", &s);
}

static void outcome_lines(table *t, const query_run *r)
{
    text s = {0};
    text_printf(&s, "%lld", r->epochs_done == QUERY_NONE ? 0 : (long long)r->epochs_done);
    if (r->epochs != QUERY_NONE) text_printf(&s, " of %lld", (long long)r->epochs);
    line(t, "epochs", &s);
    if (!isnan(r->best)) {
        text_printf(&s, "%s ", r->metric ? r->metric : "");
        results_metric(&s, r->metric, r->best);
        if (r->best_epoch != QUERY_NONE) text_printf(&s, " after epoch %lld", (long long)r->best_epoch);
        line(t, "best", &s);
    }
    if (!isnan(r->test_accuracy)) {
        text_add(&s, "accuracy ");
        results_metric(&s, "accuracy", r->test_accuracy);
    }
    if (!isnan(r->test_loss)) {
        text_printf(&s, "%sloss ", s.n ? ", " : "");
        results_loss(&s, r->test_loss);
    }
    line(t, "test", &s);
    if (!isnan(r->seconds)) {
        results_duration(&s, r->seconds);
        if (r->attempts > 1) text_printf(&s, " in %lld attempts", (long long)r->attempts);
    }
    line(t, "time", &s);
}

static void print_summary(const common *c, const query_run *r, const char *folder)
{
    const char *bold = cli_colour(c, stdout) ? "\x1b[1m" : "", *plain = *bold ? "\x1b[0m" : "";
    text out = {0}, s = {0};
    table t = {0};
    text_printf(&out, "%s%s%s  ", bold, r->name, plain);
    text_safe(&out, r->experiment ? r->experiment : "", 200);
    text_add(&out, "  ");
    text_safe(&out, r->state, 100);
    text_add(&out, "\n\n");
    table_column(&t, "", TABLE_LEFT);
    table_column(&t, "", TABLE_LEFT);
    plain_line(&t, "label", r->label);
    place_in_sweep(&t, r);
    model_line(&t, r);
    plain_line(&t, "dataset", r->dataset);
    if (r->seed != QUERY_NONE) text_printf(&s, "%lld", (long long)r->seed);
    line(&t, "seed", &s);
    outcome_lines(&t, r);
    results_moment(&s, r->created);
    line(&t, "created", &s);
    plain_line(&t, "tags", r->tags);
    plain_line(&t, "source", r->source);
    plain_line(&t, "folder", folder);
    table_write(&t, false, &out);
    cli_print(&out);
    text_free(&out);
    table_free(&t);
}

static void print_attempts(const common *c, const details *d)
{
    table t = {0};
    text out = {0};
    table_column(&t, "ATTEMPT", TABLE_RIGHT);
    table_column(&t, "STATE", TABLE_LEFT);
    table_column(&t, "FROM STEP", TABLE_RIGHT);
    table_column(&t, "TIME", TABLE_RIGHT);
    table_column(&t, "", TABLE_LEFT);
    for (size_t i = 0; i < d->n_attempts; i++) {
        const query_attempt *a = &d->attempts[i];
        text s = {0};
        table_cellf(&t, "%lld", (long long)a->attempt);
        table_cell(&t, a->state);
        results_count(&s, a->from_step);
        table_cell(&t, text_str(&s));
        text_free(&s);
        results_duration(&s, a->seconds);
        table_cell(&t, text_str(&s));
        text_free(&s);
        if ((!a->what || !*a->what) && a->signal != QUERY_NONE && a->signal > 0)
            table_cellf(&t, "signal %lld", (long long)a->signal);
        else
            table_cell(&t, a->what ? a->what : "");
    }
    text_char(&out, '\n');
    table_write(&t, cli_colour(c, stdout), &out);
    cli_print(&out);
    text_free(&out);
    table_free(&t);
}

static const query_point *point_at(const query_curve *curve, int64_t epoch)
{
    for (size_t i = curve->n; i-- > 0;)
        if (curve->points[i].epoch == epoch) return &curve->points[i];
    return NULL;
}

static void print_epochs(const common *c, const query_run *r, const details *d)
{
    table t = {0};
    text out = {0};
    /* Some, in this order, then whatever else a plugin logged. */
    static const char *const usual[] = {"train_loss", "val_loss", "train_accuracy", "val_accuracy"};
    const query_curve *columns[TABLE_MAX_COLUMNS - 1];
    size_t n = 0;
    for (size_t k = 0; k < 5; k++)
        for (size_t i = 0; i < d->n_epochs && n < TABLE_MAX_COLUMNS - 1; i++) {
            size_t rank = 0;
            while (rank < 4 && strcmp(usual[rank], d->epochs[i].metric) != 0) rank++;
            if (rank == k) columns[n++] = &d->epochs[i];
        }
    table_column(&t, "EPOCH", TABLE_RIGHT);
    for (size_t i = 0; i < n; i++) table_column(&t, columns[i]->metric, TABLE_RIGHT);
    int64_t last = r->epochs_done == QUERY_NONE ? 0 : r->epochs_done;
    int64_t first = c->verbose || last <= EPOCHS_SHOWN ? 1 : last - EPOCHS_SHOWN + 1;
    for (int64_t epoch = first; epoch <= last; epoch++) {
        bool any = false;
        for (size_t i = 0; i < n; i++) any = any || point_at(columns[i], epoch);
        if (!any) continue;
        table_cellf(&t, "%lld", (long long)epoch);
        for (size_t i = 0; i < n; i++) {
            const query_point *p = point_at(columns[i], epoch);
            text s = {0};
            results_metric(&s, columns[i]->metric, p ? p->value : (double)NAN);
            table_cell(&t, text_str(&s));
            text_free(&s);
        }
    }
    if (t.n) {
        text_char(&out, '\n');
        table_write(&t, cli_colour(c, stdout), &out);
        if (first > 1)
            text_printf(&out, "(the last %d of %lld epochs; -v shows all)\n", EPOCHS_SHOWN, (long long)last);
    }
    cli_print(&out);
    text_free(&out);
    table_free(&t);
}

static void print_events(const common *c, const details *d)
{
    text out = {0};
    size_t from = c->verbose || d->n_events <= EVENTS_SHOWN ? 0 : d->n_events - EVENTS_SHOWN;
    for (size_t i = from; i < d->n_events; i++) {
        text_add(&out, out.n ? "" : "\n");
        text_safe(&out, d->events[i].kind, 100);
        text_add(&out, ": ");
        text_safe(&out, d->events[i].what ? d->events[i].what : "", 500);
        text_char(&out, '\n');
    }
    cli_print(&out);
    text_free(&out);
}

/* ---- the command ---- */

static cvy_status print_yaml(const char *folder, errors *e)
{
    char *path = path_join(folder, "spec.yaml"), *whole = NULL;
    size_t n = 0;
    cvy_status status = file_read(path, SPEC_MAX, &whole, &n, e);
    if (status == CVY_OK) {
        text t = {0};
        text_add_n(&t, whole, n);
        cli_print_data(&t);
        text_free(&t);
    }
    mem_free(whole);
    mem_free(path);
    return status;
}

static cvy_status show_run(const common *c, const options *o, store *s, const query_run *r, arena *a,
                           errors *e)
{
    details d = {0};
    char *folder = path_join(store_results(s), r->name);
    cvy_status status;
    if (o->yaml) {
        status = print_yaml(folder, e);
    } else if ((status = load(s, r, a, &d, e)) == CVY_OK) {
        if (c->json) {
            print_json(r, &d, folder);
        } else {
            print_summary(c, r, folder);
            if (d.n_attempts > 1 || c->verbose) print_attempts(c, &d);
            print_epochs(c, r, &d);
            print_events(c, &d);
        }
    }
    mem_free(folder);
    return status;
}

static cvy_status show_sweep(const common *c, store *s, const query_target *t, arena *a, errors *e)
{
    query_sweep *sweeps, *found = NULL;
    size_t n;
    cvy_status status = query_sweeps(s, a, &sweeps, &n, e);
    if (status != CVY_OK) return status;
    for (size_t i = 0; i < n; i++)
        if (!strcmp(sweeps[i].name, t->sweep)) found = &sweeps[i];
    if (found) results_count_failed(found, t->runs, t->n);
    if (!c->json) {
        text out = {0};
        results_runs_table(c, t->runs, t->n, &out);
        cli_print(&out);
        text_free(&out);
        cli_say(c, "`convoy compare %s` groups its repeats and sorts them", t->sweep);
        return CVY_OK;
    }
    json_writer w = {0};
    json_open(&w, '{');
    if (found) results_put_sweep(&w, found);
    json_key(&w, "run_list");
    json_open(&w, '[');
    for (size_t i = 0; i < t->n; i++) {
        json_open(&w, '{');
        results_put_run(&w, &t->runs[i]);
        json_close(&w, '}');
    }
    json_close(&w, ']');
    json_close(&w, '}');
    cli_print_json(&w);
    return CVY_OK;
}

static int run(const command *self, const common *c, void *given, int argc, char **argv)
{
    const options *o = given;
    if (argc != 1) return cli_usage(self, c, argc ? "one run at a time" : "which run?");
    errors e = {0};
    arena a = {0};
    query_target t;
    store *s = results_open(c, &e);
    if (s && query_find(s, argv[0], true, &a, &t, &e) == CVY_OK) {
        if (t.sweep && o->yaml)
            errors_add(&e, CVY_ERR_CONFIG, NULL, NULL, "%s is a sweep; --yaml shows a run", t.sweep);
        else if (t.sweep)
            show_sweep(c, s, &t, &a, &e);
        else if (t.n)
            show_run(c, o, s, &t.runs[0], &a, &e);
    }
    store_close(s);
    arena_free(&a);
    return cli_fail(c, &e);
}

const command cmd_show = {
    .name = "show",
    .summary = "Show one run: what it was, how it went, its curves",
    .usage = "convoy show RUN [--yaml] [--json]",
    .examples = "convoy show last\n"
                "convoy show r12 -v\n"
                "convoy show cifar10-optimizers --yaml\n"
                "convoy show r12 --json",
    .options = rows,
    .n_options = sizeof rows / sizeof *rows,
    .size = sizeof(options),
    .run = run,
};
