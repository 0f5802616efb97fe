/* Owns how the end of training is shown; must not know how it came about. */
#include "cli/outcome.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "cli/results.h"
#include "cli/table.h"
#include "report/statistics.h"
#include "sweep/members.h"

static const char *const usual[] = {"train_loss",   "train_accuracy", "val_loss",
                                    "val_accuracy", "test_loss",      "test_accuracy"};
enum { USUAL = sizeof usual / sizeof *usual };

/* What a metric came to: of the epochs the best where it is the one that counts, else the last; of the run
 * its own. */
static double value_of(const trial *t, const char *name, const space_metric *metric)
{
    if (!t->journals) return (double)NAN;
    const follow_point *p =
        !strcmp(name, metric->name) ? follow_best_until(t->journals, name, metric->maximize, t->until) : NULL;
    if (!p) p = follow_last(&t->journals->whole, name);
    if (!p) p = follow_last(&t->journals->epochs, name);
    return p ? p->value : (double)NAN;
}

static bool higher_is_better(const char *name)
{
    return !text_ends(name, "_loss");
}

static void cell(table *t, text *s)
{
    table_cell(t, text_str(s));
    text_free(s);
}

static void print_table(const common *c, table *t)
{
    text out = {0};
    table_write(t, cli_colour(c, stdout), &out);
    cli_print(&out);
    text_free(&out);
    table_free(t);
}

static void metric_cell(table *t, const char *name, double v)
{
    text s = {0};
    results_metric(&s, name, v);
    cell(t, &s);
}

/* ---- runs ---- */

static void one_run(const common *c, const trial *t)
{
    const follow *f = t->journals;
    table tab = {0};
    table_column(&tab, t->run, TABLE_LEFT);
    table_column(&tab, "LAST", TABLE_RIGHT);
    table_column(&tab, "BEST", TABLE_RIGHT);
    table_column(&tab, "EPOCH", TABLE_RIGHT);
    for (size_t i = 0; i < f->epochs.n; i++) {
        const follow_metric *m = &f->epochs.items[i];
        if (!m->n || !strcmp(m->name, "lr")) continue;
        const follow_point *best = follow_best(f, m->name, higher_is_better(m->name));
        table_cell(&tab, m->name);
        metric_cell(&tab, m->name, m->points[m->n - 1].value);
        metric_cell(&tab, m->name, best ? best->value : (double)NAN);
        if (best)
            table_cellf(&tab, "%lld", (long long)best->epoch);
        else
            table_cell(&tab, "-");
    }
    const follow_point *epoch = follow_last(&f->whole, "best_epoch"); /* the one that the test was made at */
    for (size_t i = 0; i < f->whole.n; i++) {
        const follow_metric *m = &f->whole.items[i];
        if (!m->n || !strcmp(m->name, "best_epoch")) continue;
        table_cell(&tab, m->name);
        metric_cell(&tab, m->name, m->points[m->n - 1].value);
        table_cell(&tab, "");
        if (epoch)
            table_cellf(&tab, "%.0f", epoch->value);
        else
            table_cell(&tab, "");
    }
    if (tab.n) print_table(c, &tab);
}

static void mean_cell(table *t, const char *name, statistics s)
{
    text out = {0};
    results_metric(&out, name, s.mean);
    if (s.n > 1) {
        text_add(&out, " ± ");
        results_metric(&out, name, s.sd);
    }
    cell(t, &out);
}

static bool any_value(const trial *trials, size_t n, const char *name, const space_metric *metric)
{
    for (size_t i = 0; i < n; i++)
        if (isfinite(value_of(&trials[i], name, metric))) return true;
    return false;
}

static void several_runs(const common *c, const trial *trials, size_t n, const space_metric *metric)
{
    table t = {0};
    bool shown[USUAL];
    double *values = mem_array(n, sizeof *values);
    table_column(&t, "RUN", TABLE_LEFT);
    table_column(&t, "SEED", TABLE_RIGHT);
    const bool folds = trials[0].plan.fold > 0;
    if (folds) table_column(&t, "FOLD", TABLE_RIGHT);
    table_column(&t, "STATE", TABLE_LEFT);
    for (size_t k = 0; k < USUAL; k++)
        if ((shown[k] = any_value(trials, n, usual[k], metric))) table_column(&t, usual[k], TABLE_RIGHT);
    for (size_t i = 0; i < n; i++) {
        table_cell(&t, trials[i].run ? trials[i].run : "-");
        table_cellf(&t, "%lld", (long long)trials[i].seed);
        if (folds) table_cellf(&t, "%lld", (long long)trials[i].plan.fold);
        table_cell(&t, trial_state_name(trials[i].state));
        for (size_t k = 0; k < USUAL; k++)
            if (shown[k]) metric_cell(&t, usual[k], value_of(&trials[i], usual[k], metric));
    }
    table_cell(&t, "mean ± sd");
    if (folds) table_cell(&t, "");
    table_cell(&t, "");
    table_cell(&t, "");
    for (size_t k = 0; k < USUAL; k++) {
        if (!shown[k]) continue;
        for (size_t i = 0; i < n; i++)
            values[i] = trial_is_done(&trials[i]) ? value_of(&trials[i], usual[k], metric) : (double)NAN;
        mean_cell(&t, usual[k], statistics_of(values, n));
    }
    mem_free(values);
    print_table(c, &t);
}

void outcome_runs(const common *c, const trial *trials, size_t n, const space_metric *metric)
{
    if (n == 1 && trials[0].run)
        one_run(c, &trials[0]);
    else if (n > 1)
        several_runs(c, trials, n, metric);
}

/* ---- sweeps ---- */

typedef struct row {
    size_t first, n; /* trials of a configuration */
    statistics s;
    const space_metric *metric;
} row;

static int best_first(const void *a, const void *b)
{
    const row *x = a, *y = b;
    if (!x->s.n || !y->s.n)
        return x->s.n || y->s.n ? (y->s.n > 0) - (x->s.n > 0) : (x->first > y->first) - (x->first < y->first);
    if (x->s.mean == y->s.mean) return (x->first > y->first) - (x->first < y->first);
    return (x->s.mean < y->s.mean) == x->metric->maximize ? 1 : -1;
}

static statistics of_config(const sweep *w, const row *r, const char *name)
{
    double *values = mem_array(r->n, sizeof *values);
    for (size_t i = 0; i < r->n; i++) {
        const trial *t = &w->trials[r->first + i];
        values[i] = trial_is_done(t) ? value_of(t, name, &w->metric) : (double)NAN;
    }
    statistics s = statistics_of(values, r->n);
    mem_free(values);
    return s;
}

static void runs_cell(table *t, const sweep *w, const row *r)
{
    text s = {0};
    for (size_t i = 0; i < r->n && i < 3; i++) {
        const char *run = w->trials[r->first + i].run;
        text_printf(&s, "%s%s", i ? " " : "", run ? run : "-");
    }
    if (r->n > 3) text_printf(&s, " and %zu more", r->n - 3);
    cell(t, &s);
}

/* "3 finished", "2 finished, 1 failed" */
static void states_cell(table *t, const sweep *w, const row *r)
{
    size_t count[TRIAL_KILLED + 1] = {0};
    text s = {0};
    for (size_t i = 0; i < r->n; i++) {
        trial_state one = w->trials[r->first + i].state;
        count[one == TRIAL_KNOWN ? TRIAL_FINISHED : one]++;
    }
    for (int i = TRIAL_KILLED; i >= 0; i--)
        if (count[i] && r->n == 1)
            text_add(&s, trial_state_name((trial_state)i));
        else if (count[i])
            text_printf(&s, "%s%zu %s", s.n ? ", " : "", count[i], trial_state_name((trial_state)i));
    cell(t, &s);
}

void outcome_sweep(const common *c, const sweep *w)
{
    arena a = {0};
    row *rows = mem_array(w->n + 1, sizeof *rows);
    size_t n = 0;
    for (size_t i = 0; i < w->n; i++) {
        if (!n || w->trials[rows[n - 1].first].config != w->trials[i].config)
            rows[n++] = (row){.first = i, .metric = &w->metric};
        rows[n - 1].n++;
    }
    size_t begun = 0; /* of a sweep that was stopped, what has not begun has nothing to show */
    for (size_t i = 0; i < n; i++) {
        rows[i].s = of_config(w, &rows[i], w->metric.name);
        bool waits = true;
        for (size_t k = 0; k < rows[i].n; k++)
            waits = waits && !w->trials[rows[i].first + k].run &&
                    (w->trials[rows[i].first + k].state == TRIAL_WAITING ||
                     w->trials[rows[i].first + k].state == TRIAL_OPEN);
        if (!waits) rows[begun++] = rows[i];
    }
    size_t left = n - begun;
    n = begun;
    qsort(rows, n, sizeof *rows, best_first);
    static const char *const beside[] = {"val_accuracy", "test_accuracy", "test_loss"};
    bool shown[3];
    for (size_t k = 0; k < 3; k++) {
        bool wanted = k < 2 || !shown[1]; /* the loss where there is no accuracy */
        shown[k] = wanted && strcmp(beside[k], w->metric.name) != 0 &&
                   any_value(w->trials, w->n, beside[k], &w->metric);
    }
    table t = {0};
    table_column(&t, "CONFIGURATION", TABLE_LEFT);
    table_column(&t, "RUNS", TABLE_LEFT);
    table_column(&t, "STATE", TABLE_LEFT);
    table_column(&t, w->metric.name, TABLE_RIGHT);
    for (size_t k = 0; k < 3; k++)
        if (shown[k]) table_column(&t, beside[k], TABLE_RIGHT);
    for (size_t i = 0; i < n; i++) {
        const char *label = w->trials[rows[i].first].label;
        if (rows[i].n > 1) label = arena_text_n(&a, label, members_of_all(label));
        table_cell(&t, *label ? label : w->experiment);
        runs_cell(&t, w, &rows[i]);
        states_cell(&t, w, &rows[i]);
        mean_cell(&t, w->metric.name, rows[i].s);
        for (size_t k = 0; k < 3; k++)
            if (shown[k]) mean_cell(&t, beside[k], of_config(w, &rows[i], beside[k]));
    }
    if (n) print_table(c, &t);
    table_free(&t);
    if (left) cli_say(c, "%zu configurations have not begun", left);
    mem_free(rows);
    arena_free(&a);
}

/* ---- JSON ---- */

static void put_set(json_writer *w, const follow_set *s)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->items[i].n)
            results_put_double(w, s->items[i].name, s->items[i].points[s->items[i].n - 1].value);
}

static void put_run(json_writer *w, const trial *t, const space_metric *metric)
{
    const follow *f = t->journals;
    json_open(w, '{');
    json_put_text(w, "run", t->run);
    json_put_text(w, "experiment", t->plan.experiment);
    json_put_text(w, "label", t->label);
    json_put_int(w, "trial", t->config);
    json_put_int(w, "repeat", t->repeat);
    json_put_int(w, "seed", t->seed);
    json_put_text(w, "state", t->state == TRIAL_KNOWN ? "finished" : trial_state_name(t->state));
    json_put_bool(w, "known", t->state == TRIAL_KNOWN);
    json_put_text(w, "reason", t->why);
    json_put_int(w, "epochs", t->plan.epochs);
    json_put_int(w, "epochs_done", f ? f->epoch : 0);
    json_put_int(w, "steps_done", f ? f->step : 0);
    json_put_double(w, "seconds", t->seconds);
    json_key(w, "best");
    const follow_point *best = f ? follow_best(f, metric->name, metric->maximize) : NULL;
    if (best) {
        json_open(w, '{');
        json_put_text(w, "metric", metric->name);
        json_put_double(w, "value", best->value);
        json_put_int(w, "epoch", best->epoch);
        json_close(w, '}');
    } else {
        json_null(w);
    }
    json_key(w, "metrics");
    json_open(w, '{');
    if (f) put_set(w, &f->epochs), put_set(w, &f->whole);
    json_close(w, '}');
    json_close(w, '}');
}

void outcome_json(const trial *trials, size_t n, const space_metric *metric, const char *of, int code)
{
    json_writer w = {0};
    json_open(&w, '{');
    json_put_text(&w, "sweep", of);
    json_put_int(&w, "exit_code", code);
    json_key(&w, "metric");
    json_open(&w, '{');
    json_put_text(&w, "name", metric->name);
    json_put_text(&w, "goal", metric->maximize ? "maximize" : "minimize");
    json_close(&w, '}');
    json_key(&w, "runs");
    json_open(&w, '[');
    for (size_t i = 0; i < n; i++) put_run(&w, &trials[i], metric);
    json_close(&w, ']');
    json_close(&w, '}');
    cli_print_json(&w);
}
