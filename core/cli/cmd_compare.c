/* `convoy compare`: configurations side by side, repeats put together, the best first. */
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "cli/cli.h"
#include "cli/results.h"
#include "cli/table.h"
#include "report/groups.h"

static double val_accuracy(const query_run *r)
{
    return r->best_val_accuracy;
}

static double val_loss(const query_run *r)
{
    return r->best_val_loss;
}

static double test_accuracy(const query_run *r)
{
    return r->test_accuracy;
}

static double test_loss(const query_run *r)
{
    return r->test_loss;
}

static double seconds(const query_run *r)
{
    return r->seconds;
}

static double chosen(const query_run *r)
{
    return r->best;
}

/* What is compared, in the order of the columns. */
static const struct {
    const char *key, *title;
    groups_value *value;
    bool percent;
} compared[] = {
    {"val_accuracy", "VAL ACC %", val_accuracy, true},
    {"val_loss", "VAL LOSS", val_loss, false},
    {"test_accuracy", "TEST ACC %", test_accuracy, true},
    {"test_loss", "TEST LOSS", test_loss, false},
};
enum { COMPARED = sizeof compared / sizeof *compared };

/* ---- as text ---- */

static bool any(const groups *g, groups_value *value)
{
    for (size_t i = 0; i < g->n; i++)
        if (groups_statistics(&g->items[i], value).n) return true;
    return false;
}

static void value_cell(table *t, statistics s, bool percent)
{
    text out = {0};
    if (percent)
        results_accuracy(&out, s.mean);
    else
        results_loss(&out, s.mean);
    if (s.n > 1) {
        text_add(&out, " ± ");
        if (percent)
            results_accuracy(&out, s.sd);
        else
            results_loss(&out, s.sd);
        text_printf(&out, " (%zu)", s.n);
    }
    table_cell(t, text_str(&out));
    text_free(&out);
}

/* "r12", "r12-r14", "r3 r7", "r3 and 5 more" */
static void names_cell(table *t, const group *g)
{
    int64_t first = g->runs[0]->number;
    bool row = g->n > 2;
    for (size_t i = 0; i < g->n && row; i++) row = g->runs[i]->number == first + (int64_t)i;
    if (row)
        table_cellf(t, "%s-%s", g->runs[0]->name, g->runs[g->n - 1]->name);
    else if (g->n == 1)
        table_cell(t, g->runs[0]->name);
    else if (g->n == 2)
        table_cellf(t, "%s %s", g->runs[0]->name, g->runs[1]->name);
    else
        table_cellf(t, "%s and %zu more", g->runs[0]->name, g->n - 1);
}

static void print_table(const common *c, const groups *g)
{
    table t = {0};
    text out = {0};
    bool shown[COMPARED];
    table_column(&t, "RUNS", TABLE_LEFT);
    table_column(&t, "CONFIGURATION", TABLE_LEFT);
    for (size_t k = 0; k < COMPARED; k++)
        if ((shown[k] = any(g, compared[k].value))) table_column(&t, compared[k].title, TABLE_RIGHT);
    table_column(&t, "PARAMETERS", TABLE_RIGHT);
    table_column(&t, "MACS", TABLE_RIGHT);
    table_column(&t, "TIME", TABLE_RIGHT);
    for (size_t i = 0; i < g->n; i++) {
        const group *one = &g->items[i];
        text s = {0};
        names_cell(&t, one);
        table_cell(&t, one->label);
        for (size_t k = 0; k < COMPARED; k++)
            if (shown[k]) value_cell(&t, groups_statistics(one, compared[k].value), compared[k].percent);
        results_count(&s, one->runs[0]->parameters);
        table_cell(&t, text_str(&s));
        text_free(&s);
        results_big(&s, one->runs[0]->macs);
        table_cell(&t, text_str(&s));
        text_free(&s);
        results_duration(&s, groups_statistics(one, seconds).mean);
        table_cell(&t, text_str(&s));
        text_free(&s);
    }
    table_write(&t, cli_colour(c, stdout), &out);
    cli_print(&out);
    text_free(&out);
    table_free(&t);
}

/* ---- as JSON ---- */

static void put_statistics(json_writer *w, const char *key, statistics s)
{
    json_key(w, key);
    if (!s.n) {
        json_null(w);
        return;
    }
    json_open(w, '{');
    json_put_int(w, "n", (int64_t)s.n);
    results_put_double(w, "mean", s.mean);
    results_put_double(w, "sd", s.sd);
    json_key(w, "ci95");
    if (isnan(s.half)) {
        json_null(w);
    } else {
        json_open(w, '[');
        json_double(w, s.mean - s.half);
        json_double(w, s.mean + s.half);
        json_close(w, ']');
    }
    results_put_double(w, "min", s.least);
    results_put_double(w, "max", s.most);
    json_close(w, '}');
}

static void print_json(const groups *g)
{
    json_writer w = {0};
    json_open(&w, '{');
    json_key(&w, "configurations");
    json_open(&w, '[');
    for (size_t i = 0; i < g->n; i++) {
        const group *one = &g->items[i];
        const query_run *first = one->runs[0];
        json_open(&w, '{');
        json_put_text(&w, "label", one->label);
        json_key(&w, "runs");
        json_open(&w, '[');
        for (size_t k = 0; k < one->n; k++) json_text(&w, one->runs[k]->name);
        json_close(&w, ']');
        json_put_text(&w, "metric", first->metric);
        json_put_text(&w, "goal", first->goal);
        put_statistics(&w, "best", groups_statistics(one, chosen));
        for (size_t k = 0; k < COMPARED; k++)
            put_statistics(&w, compared[k].key, groups_statistics(one, compared[k].value));
        results_put_int(&w, "parameters", first->parameters);
        results_put_int(&w, "macs", first->macs);
        put_statistics(&w, "seconds", groups_statistics(one, seconds));
        json_close(&w, '}');
    }
    json_close(&w, ']');
    json_close(&w, '}');
    cli_print_json(&w);
}

/* ---- the command ---- */

static int run(const command *self, const common *c, void *given, int argc, char **argv)
{
    (void)given;
    if (!argc) return cli_usage(self, c, "which runs or sweeps?");
    errors e = {0};
    arena a = {0};
    query_run *runs = NULL;
    size_t n = 0;
    bool by_run;
    const char *sweep;
    groups g = {0};
    store *s = results_open(c, &e);
    if (s && results_find(s, argv, argc, &a, &runs, &n, &by_run, &sweep, &e) == CVY_OK &&
        groups_make(s, runs, n, false, &a, &g, &e) == CVY_OK) {
        groups_sort(&g);
        if (c->json) {
            print_json(&g);
        } else if (g.n) {
            print_table(c, &g);
            const query_run *first = g.items[0].runs[0];
            if (first->metric)
                cli_say(c, "by %s, the best first%s", first->metric,
                        n > g.n ? "; mean ± standard deviation (runs)" : "");
        } else {
            cli_say(c, "no runs yet");
        }
    }
    store_close(s);
    arena_free(&a);
    return cli_fail(c, &e);
}

const command cmd_compare = {
    .name = "compare",
    .summary = "Compare runs and sweeps: mean and spread over repeats, the best first",
    .usage = "convoy compare RUN|SWEEP... [--json]",
    .examples = "convoy compare s3\n"
                "convoy compare r1 r2 r5\n"
                "convoy compare last --json",
    .run = run,
};
