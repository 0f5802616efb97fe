/* Owns how results read, on a terminal and as JSON; must not know where they are stored. */
#include "cli/results.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "cli/table.h"
#include "report/find.h"
#include "report/shown.h"

/* ---- finding ---- */

/* A run that the words mean: by which of them, and its place among all. */
typedef struct meant {
    int64_t number;
    size_t word, at;
} meant;

static int by_number(const void *a, const void *b)
{
    const meant *x = a, *y = b;
    if (x->number != y->number) return x->number < y->number ? -1 : 1;
    return (x->at > y->at) - (x->at < y->at);
}

/* A run that an earlier word has meant already is left out; a sweep may name one for several of its trials. How many stay, in their
 * order. */
static size_t each_once(query_run *runs, meant *list, size_t n)
{
    bool *again = mem_array(n + 1, sizeof *again);
    size_t kept = 0, first = 0;
    if (n) qsort(list, n, sizeof *list, by_number);
    for (size_t i = 0; i < n; i++) {
        if (list[i].number != list[first].number) first = i;
        again[list[i].at] = list[i].word != list[first].word;
    }
    for (size_t i = 0; i < n; i++)
        if (!again[i]) runs[kept++] = runs[i];
    mem_free(again);
    return kept;
}

store *results_open(const common *c, errors *e)
{
    return store_open_current(c->results, e);
}

cvy_status results_find(store *s, char **words, int n, arena *a, query_run **runs, size_t *n_runs,
                        bool *by_run, const char **sweep, errors *e)
{
    query_run *all = NULL;
    meant *list = NULL;
    size_t count = 0, cap = 0, cap_list = 0;
    *runs = NULL;
    *n_runs = 0;
    *by_run = true;
    *sweep = NULL;
    finder *f = finder_open(s, a, e);
    for (int i = 0; f && i < n; i++) {
        query_target t;
        if (finder_find(f, words[i], false, &t, e) != CVY_OK) continue; /* all unknown names at once */
        if (t.sweep || t.n != 1) *by_run = false;
        if (n == 1) *sweep = t.sweep;
        for (size_t k = 0; k < t.n; k++, count++) {
            all = MEM_GROW(all, count, &cap);
            list = MEM_GROW(list, count, &cap_list);
            all[count] = t.runs[k];
            list[count] = (meant){t.runs[k].number, (size_t)i, count};
        }
    }
    finder_close(f);
    *n_runs = each_once(all, list, count);
    *runs = arena_array(a, *n_runs, sizeof *all);
    if (*n_runs) memcpy(*runs, all, *n_runs * sizeof *all);
    mem_free(all);
    mem_free(list);
    return errors_status(e);
}

size_t results_distinct(query_run *runs, size_t n)
{
    meant *list = mem_array(n + 1, sizeof *list);
    for (size_t i = 0; i < n; i++) list[i] = (meant){runs[i].number, i, i};
    n = each_once(runs, list, n);
    mem_free(list);
    return n;
}

void results_count_failed(query_sweep *sweep, const query_run *runs, size_t n)
{
    sweep->failed = 0;
    for (size_t i = 0; i < n; i++)
        sweep->failed += !strcmp(runs[i].state, "failed") || !strcmp(runs[i].state, "killed");
}

/* ---- for people ---- */

void results_accuracy(text *t, double v)
{
    shown_accuracy(t, v, false);
}

void results_loss(text *t, double v)
{
    shown_loss(t, v);
}

void results_metric(text *t, const char *name, double v)
{
    shown_metric(t, name, v, true);
}

void results_count(text *t, int64_t v)
{
    shown_count(t, v);
}

void results_big(text *t, int64_t v)
{
    shown_big(t, v);
}

void results_duration(text *t, double seconds)
{
    shown_duration(t, seconds);
}

void results_moment(text *t, double moment)
{
    shown_moment(t, moment, false);
}

/* The text as the next cell, and emptied. */
static void cell(table *t, text *s)
{
    table_cell(t, text_str(s));
    if (s->n) s->s[s->n = 0] = '\0';
}

static void epochs_text(text *t, const query_run *r)
{
    text_printf(t, "%lld", r->epochs_done == QUERY_NONE ? 0 : (long long)r->epochs_done);
    if (r->epochs != QUERY_NONE) text_printf(t, "/%lld", (long long)r->epochs);
}

/* What it is called in its sweep, and what somebody called it. */
static void label_text(text *t, const query_run *r)
{
    if (r->label) text_add(t, r->label);
    if (r->tags && *r->tags) text_printf(t, "%s#%s", t->n ? " " : "", r->tags);
}

void results_runs_table(const common *c, const query_run *runs, size_t n, text *out)
{
    table t = {0};
    static const char *const titles[] = {"RUN",      "EXPERIMENT", "LABEL",      "STATE", "EPOCHS",
                                         "VAL LOSS", "VAL ACC %",  "TEST ACC %", "TIME",  "CREATED"};
    for (size_t i = 0; i < sizeof titles / sizeof *titles; i++)
        table_column(&t, titles[i], i < 4 ? TABLE_LEFT : TABLE_RIGHT);
    text s = {0};
    for (size_t i = 0; i < n; i++) {
        const query_run *r = &runs[i];
        table_cell(&t, r->name);
        table_cell(&t, r->experiment ? r->experiment : "");
        label_text(&s, r);
        cell(&t, &s);
        table_cell(&t, r->state);
        epochs_text(&s, r);
        cell(&t, &s);
        results_loss(&s, r->best_val_loss);
        cell(&t, &s);
        results_accuracy(&s, r->best_val_accuracy);
        cell(&t, &s);
        results_accuracy(&s, r->test_accuracy);
        cell(&t, &s);
        results_duration(&s, r->seconds);
        cell(&t, &s);
        results_moment(&s, r->created);
        cell(&t, &s);
    }
    text_free(&s);
    table_write(&t, cli_colour(c, stdout), out);
    table_free(&t);
}

/* ---- for machines ---- */

void results_put_int(json_writer *w, const char *key, int64_t v)
{
    json_key(w, key);
    if (v == QUERY_NONE)
        json_null(w);
    else
        json_int(w, v);
}

void results_put_double(json_writer *w, const char *key, double v)
{
    json_key(w, key);
    if (isnan(v))
        json_null(w); /* as in the database */
    else
        json_double(w, v);
}

void results_put_run(json_writer *w, const query_run *r)
{
    json_put_text(w, "name", r->name);
    json_put_text(w, "experiment", r->experiment);
    json_put_text(w, "sweep", r->sweep);
    results_put_int(w, "trial", r->trial);
    results_put_int(w, "repeat", r->repeat);
    results_put_int(w, "seed", r->seed);
    json_put_text(w, "label", r->label);
    json_put_text(w, "state", r->state);
    json_put_text(w, "model", r->model);
    json_put_text(w, "dataset", r->dataset);
    results_put_int(w, "parameters", r->parameters);
    results_put_int(w, "trainable", r->trainable);
    results_put_int(w, "macs", r->macs);
    results_put_int(w, "epochs", r->epochs);
    results_put_int(w, "epochs_done", r->epochs_done);
    json_put_text(w, "metric", r->metric);
    json_put_text(w, "goal", r->goal);
    results_put_int(w, "best_epoch", r->best_epoch);
    results_put_double(w, "best", r->best);
    results_put_double(w, "best_val_accuracy", r->best_val_accuracy);
    results_put_double(w, "best_val_loss", r->best_val_loss);
    results_put_double(w, "test_accuracy", r->test_accuracy);
    results_put_double(w, "test_loss", r->test_loss);
    results_put_double(w, "seconds", r->seconds);
    results_put_int(w, "attempts", r->attempts);
    results_put_double(w, "created", r->created);
    json_put_text(w, "source", r->source);
    json_put_text(w, "config_hash", r->config_hash);
    json_put_text(w, "exact_key", r->exact_key);
    json_put_text(w, "tags", r->tags);
}

void results_put_sweep(json_writer *w, const query_sweep *s)
{
    json_put_text(w, "name", s->name);
    json_put_text(w, "experiment", s->experiment);
    json_put_text(w, "method", s->method);
    json_put_text(w, "metric", s->metric);
    json_put_text(w, "goal", s->goal);
    results_put_int(w, "trials", s->trials);
    results_put_int(w, "runs", s->runs);
    results_put_int(w, "finished", s->finished);
    results_put_int(w, "stopped_early", s->stopped_early);
    results_put_int(w, "failed", s->failed);
    json_put_text(w, "best_run", s->best_run);
    results_put_double(w, "best", s->best);
    results_put_double(w, "created", s->created);
    json_put_text(w, "source", s->source);
    json_put_text(w, "tags", s->tags);
}
