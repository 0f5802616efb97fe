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
static double value_of(const follow *f, const trial *t, const char *name, const space_metric *metric)
{
    if (!f) return (double)NAN;
    const follow_point *p =
        !strcmp(name, metric->name) ? follow_best_until(f, name, metric->maximize, t->until) : NULL;
    if (!p) p = follow_last(&f->whole, name);
    if (!p) p = follow_last(&f->epochs, name);
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
    if (t->n) table_write(t, cli_colour(c, stdout), &out);
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
    follow *f = trial_journals(t, c->results);
    const trial_name run = trial_run_name(t);
    table tab = {0};
    table_column(&tab, run.s, TABLE_LEFT);
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
    print_table(c, &tab);
    follow_close(f);
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

static void several_runs(const common *c, const trial *trials, size_t n, const space_metric *metric)
{
    table t = {0};
    bool shown[USUAL] = {false};
    double *values = mem_array(n, USUAL * sizeof *values), *column = mem_array(n, sizeof *column);
    for (size_t i = 0; i < n; i++) {
        follow *f = trial_journals(&trials[i], c->results);
        for (size_t k = 0; k < USUAL; k++) {
            values[i * USUAL + k] = value_of(f, &trials[i], usual[k], metric);
            shown[k] = shown[k] || isfinite(values[i * USUAL + k]);
        }
        follow_close(f);
    }
    table_column(&t, "RUN", TABLE_LEFT);
    table_column(&t, "SEED", TABLE_RIGHT);
    const bool folds = trial_facts(trials)->fold > 0;
    if (folds) table_column(&t, "FOLD", TABLE_RIGHT);
    table_column(&t, "STATE", TABLE_LEFT);
    for (size_t k = 0; k < USUAL; k++)
        if (shown[k]) table_column(&t, usual[k], TABLE_RIGHT);
    for (size_t i = 0; i < n; i++) {
        table_cell(&t, trials[i].run ? trial_run_name(&trials[i]).s : "-");
        table_cellf(&t, "%lld", (long long)trials[i].seed);
        if (folds) table_cellf(&t, "%lld", (long long)trial_facts(&trials[i])->fold);
        table_cell(&t, trial_state_name(trials[i].state));
        for (size_t k = 0; k < USUAL; k++)
            if (shown[k]) metric_cell(&t, usual[k], values[i * USUAL + k]);
    }
    table_cell(&t, "mean ± sd");
    if (folds) table_cell(&t, "");
    table_cell(&t, "");
    table_cell(&t, "");
    for (size_t k = 0; k < USUAL; k++) {
        if (!shown[k]) continue;
        for (size_t i = 0; i < n; i++)
            column[i] = trial_is_done(&trials[i]) ? values[i * USUAL + k] : (double)NAN;
        mean_cell(&t, usual[k], statistics_of(column, n));
    }
    mem_free(values);
    mem_free(column);
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

enum { METRIC, BESIDE = 3, PIECE = 500 };

static const char *const beside[] = {"val_accuracy", "test_accuracy", "test_loss"};

/* Of the metric that counts, then of those beside it. */
static double kept_value(const trial *t, size_t which)
{
    const double values[] = {t->value, t->val_accuracy, t->test_accuracy, t->test_loss};
    return t->measured ? values[which] : (double)NAN;
}

/* A configuration. There may be tens of thousands. */
typedef struct row {
    double loss;       /* less is better; NaN: none */
    uint32_t first, n; /* its trials */
} row;

static int best_first(const void *a, const void *b)
{
    const row *x = a, *y = b;
    if (isnan(x->loss) != isnan(y->loss)) return isnan(x->loss) ? 1 : -1;
    if (!isnan(x->loss) && x->loss != y->loss) return x->loss < y->loss ? -1 : 1;
    return (x->first > y->first) - (x->first < y->first);
}

static statistics of_config(const sweep *w, const row *r, size_t which)
{
    double few[16] = {0}, *values = r->n <= 16 ? few : mem_array(r->n, sizeof *values);
    for (size_t i = 0; i < r->n; i++) {
        const trial *t = &w->trials[r->first + i];
        values[i] = trial_is_done(t) ? kept_value(t, which) : (double)NAN;
    }
    statistics s = statistics_of(values, r->n);
    if (values != few) mem_free(values);
    return s;
}

static void runs_cell(table *t, const sweep *w, const row *r)
{
    text s = {0};
    for (size_t i = 0; i < r->n && i < 3; i++) {
        const trial *one = &w->trials[r->first + i];
        text_printf(&s, "%s%s", i ? " " : "", one->run ? trial_run_name(one).s : "-");
    }
    if (r->n > 3) text_printf(&s, " and %u more", (unsigned)r->n - 3);
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

/* Nothing has begun of it: in a sweep that was stopped it has nothing to show. */
static bool waits(const sweep *w, const row *r)
{
    for (size_t k = 0; k < r->n; k++) {
        const trial *t = &w->trials[r->first + k];
        if (t->run || (t->state != TRIAL_WAITING && t->state != TRIAL_OPEN)) return false;
    }
    return true;
}

/* Those that were begun; how many were not in *left. */
static row *make_rows(const sweep *w, size_t *n, size_t *left)
{
    size_t all = 0, kept = 0;
    for (size_t i = 0; i < w->n; i++) all += !i || w->trials[i].config != w->trials[i - 1].config;
    row *rows = mem_array(all + 1, sizeof *rows);
    for (size_t i = 0, next; i < w->n; i = next) {
        row r = {.first = (uint32_t)i};
        for (next = i; next < w->n && w->trials[next].config == w->trials[i].config; next++) r.n++;
        if (waits(w, &r)) continue;
        const statistics s = of_config(w, &r, METRIC);
        r.loss = !s.n ? (double)NAN : w->metric.maximize ? -s.mean : s.mean;
        rows[kept++] = r;
    }
    *n = kept;
    *left = all - kept;
    if (kept) qsort(rows, kept, sizeof *rows, best_first);
    return rows;
}

static void add_row(table *t, const sweep *w, const row *r, const bool *shown)
{
    arena a = {0};
    const char *label = trial_read_words(&w->trials[r->first], w->book, &a).label;
    if (r->n > 1) label = arena_text_n(&a, label, members_of_all(label));
    table_cell(t, *label ? label : w->experiment);
    runs_cell(t, w, r);
    states_cell(t, w, r);
    mean_cell(t, w->metric.name, of_config(w, r, METRIC));
    for (size_t k = 0; k < BESIDE; k++)
        if (shown[k]) mean_cell(t, beside[k], of_config(w, r, k + 1));
    arena_free(&a);
}

void outcome_sweep(const common *c, const sweep *w)
{
    size_t n, left;
    row *rows = make_rows(w, &n, &left);
    bool shown[BESIDE];
    for (size_t k = 0; k < BESIDE; k++) {
        bool wanted = k < 2 || !shown[1], any = false; /* the loss where there is no accuracy */
        for (size_t i = 0; i < w->n && !any; i++) any = isfinite(kept_value(&w->trials[i], k + 1));
        shown[k] = wanted && any && strcmp(beside[k], w->metric.name) != 0;
    }
    table t = {0};
    table_column(&t, "CONFIGURATION", TABLE_LEFT);
    table_column(&t, "RUNS", TABLE_LEFT);
    table_column(&t, "STATE", TABLE_LEFT);
    table_column(&t, w->metric.name, TABLE_RIGHT);
    for (size_t k = 0; k < BESIDE; k++)
        if (shown[k]) table_column(&t, beside[k], TABLE_RIGHT);
    for (size_t i = 0; i < n && n > PIECE; i++) {
        add_row(&t, w, &rows[i], shown);
        if (i % PIECE == PIECE - 1 || i == n - 1) table_measure(&t);
    }
    for (size_t i = 0; i < n; i++) {
        add_row(&t, w, &rows[i], shown);
        if (i % PIECE != PIECE - 1 && i != n - 1) continue;
        text out = {0};
        table_piece(&t, cli_colour(c, stdout), &out);
        cli_print(&out);
        text_free(&out);
    }
    table_free(&t);
    if (left) cli_say(c, "%zu configurations have not begun", left);
    mem_free(rows);
}

/* ---- JSON ---- */

static void put_set(json_writer *w, const follow_set *s)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->items[i].n)
            results_put_double(w, s->items[i].name, s->items[i].points[s->items[i].n - 1].value);
}

static void put_run(json_writer *w, const common *c, const book *b, const trial *t,
                    const space_metric *metric)
{
    arena a = {0};
    follow *f = trial_journals(t, c->results);
    json_open(w, '{');
    json_put_text(w, "run", TRIAL_RUN(t));
    json_put_text(w, "experiment", t->facts ? t->facts->experiment : NULL);
    json_put_text(w, "label", trial_read_words(t, b, &a).label);
    json_put_int(w, "trial", t->config);
    json_put_int(w, "repeat", t->repeat);
    json_put_int(w, "seed", t->seed);
    json_put_text(w, "state", t->state == TRIAL_KNOWN ? "finished" : trial_state_name(t->state));
    json_put_bool(w, "known", t->state == TRIAL_KNOWN);
    json_put_text(w, "reason", t->why);
    json_put_int(w, "epochs", trial_facts(t)->epochs);
    json_put_int(w, "epochs_done", f ? f->epoch : 0);
    json_put_int(w, "steps_done", f ? f->step : 0);
    json_put_double(w, "seconds", t->seconds);
    json_key(w, "best");
    const follow_point *best = f ? follow_best_until(f, metric->name, metric->maximize, t->until) : NULL;
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
    follow_close(f);
    arena_free(&a);
}

void outcome_json(const common *c, const book *b, const trial *trials, size_t n, const space_metric *metric,
                  const char *of, int code)
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
    for (size_t i = 0; i < n; i++) put_run(&w, c, b, &trials[i], metric);
    json_close(&w, ']');
    json_close(&w, '}');
    cli_print_json(&w);
}
