/* Owns the table of all runs, each with its curve in small; must not know where curves are kept. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "report/page_own.h"

enum { SPARK = 90, SPARK_HEIGHT = 20, SPARK_POINTS = 28, OPEN_UP_TO = 60, COLUMNS = 24 };

typedef struct sparks {
    query_curve *curves; /* one per run */
    double low, high;
} sparks;

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* One scale for all, without the few percent that would spoil it. */
static void set_scale(sparks *s, size_t n)
{
    size_t total = 0, k = 0;
    for (size_t i = 0; i < n; i++) total += s->curves[i].n;
    double *all = mem_array(total + 1, sizeof *all);
    for (size_t i = 0; i < n; i++)
        for (size_t m = 0; m < s->curves[i].n; m++)
            if (isfinite(s->curves[i].points[m].value)) all[k++] = s->curves[i].points[m].value;
    if (k) {
        qsort(all, k, sizeof *all, by_value);
        s->low = all[k / 50];
        s->high = all[k - 1 - k / 50];
    }
    if (!(s->high > s->low)) s->high = s->low + 1;
    mem_free(all);
}

static void spark(page *p, const query_run *r, const query_curve *c, const sparks *s)
{
    html *h = &p->h;
    text points = {0}, says = {0};
    size_t shown = 0;
    double first = (double)NAN, last = (double)NAN, longest = r->epochs > 0 ? (double)r->epochs : 1;
    for (size_t i = 0; i < c->n; i++)
        if ((double)c->points[i].epoch > longest) longest = (double)c->points[i].epoch;
    for (size_t i = 0; i < c->n; i++) {
        const size_t step = c->n / SPARK_POINTS + 1;
        if ((i % step && i + 1 != c->n) || !isfinite(c->points[i].value)) continue;
        double y = (c->points[i].value - s->low) / (s->high - s->low);
        y = y < 0 ? 0 : y > 1 ? 1 : y;
        text_printf(&points, "%s%.0f,%.1f", shown++ ? " " : "", SPARK * (double)c->points[i].epoch / longest,
                    2 + (SPARK_HEIGHT - 4) * (1 - y));
        if (isnan(first)) first = c->points[i].value;
        last = c->points[i].value;
    }
    page_cell_open(p, last);
    if (shown > 1) {
        text_printf(&says, "%s, %s: ", r->name, p->metric);
        shown_metric(&says, p->metric, first, true);
        text_add(&says, " \xE2\x86\x92 ");
        shown_metric(&says, p->metric, last, true);
        html_open(h, "svg");
        html_attr(h, "class", "spark");
        html_attrf(h, "viewBox", "0 0 %d %d", SPARK, SPARK_HEIGHT);
        html_attr(h, "role", "img");
        html_element(h, "title", text_str(&says));
        html_open(h, "polyline");
        html_attr(h, "points", text_str(&points));
        html_close(h);
        html_close(h);
    }
    page_cell_end(p);
    text_free(&points);
    text_free(&says);
}

static void state_cell(page *p, const char *state)
{
    html *h = &p->h;
    html_open(h, "td");
    html_open(h, "span");
    html_attr(h, "class",
              !strcmp(state, "finished")                             ? "state ok"
              : !strcmp(state, "failed") || !strcmp(state, "killed") ? "state bad"
                                                                     : "state");
    html_text(h, state);
    html_close(h);
    html_close(h);
}

static void count_cell(page *p, int64_t v)
{
    text t = {0};
    if (v != QUERY_NONE) text_printf(&t, "%lld", (long long)v);
    page_cell_number(p, v == QUERY_NONE ? (double)NAN : (double)v, text_str(&t));
    text_free(&t);
}

static void row(page *p, size_t i, const sparks *s, const bool *shown, bool tags)
{
    const query_run *r = &p->runs[i];
    text t = {0};
    html_open(&p->h, "tr");
    html_attr(&p->h, "id", r->name);
    page_cell(p, r->name);
    if (p->f.n > 1)
        page_cell_label(p, p->level_of[i]);
    else
        page_cell_short(p, r->label ? r->label : "", 160);
    count_cell(p, r->seed);
    state_cell(p, r->state);
    const int64_t done = r->epochs_done == QUERY_NONE ? 0 : r->epochs_done;
    text_printf(&t, "%lld", (long long)done);
    if (r->epochs != QUERY_NONE) text_printf(&t, " / %lld", (long long)r->epochs);
    page_cell_number(p, (double)done, text_str(&t));
    text_free(&t);
    page_cell_metric(p, p->metric, judge_best(r));
    count_cell(p, r->best_epoch);
    for (size_t k = 0; k < MEASURE_RESULTS; k++)
        if (shown[k]) page_cell_metric(p, measure_results[k].key, measure_results[k].value(r));
    shown_duration(&t, r->seconds);
    page_cell_number(p, r->seconds, text_str(&t));
    text_free(&t);
    spark(p, r, &s->curves[i], s);
    if (tags) page_cell_short(p, r->tags, 80);
    html_close(&p->h);
}

void page_runs(page *p)
{
    html *h = &p->h;
    page_column columns[COLUMNS];
    bool shown[MEASURE_RESULTS], tags = false;
    size_t n = 0;
    sparks s = {.curves = arena_array(&p->a, p->n, sizeof *s.curves)};
    for (size_t i = 0; i < p->n; i++) {
        if (query_curve_of(p->s, p->runs[i].name, QUERY_EPOCH, p->metric, &p->a, &s.curves[i], NULL) !=
            CVY_OK)
            s.curves[i] = (query_curve){0};
        tags = tags || (p->runs[i].tags && *p->runs[i].tags);
    }
    set_scale(&s, p->n);
    page_section(p, "runs", "Runs");
    columns[n++] = (page_column){"Run", NULL, false};
    columns[n++] = (page_column){"Configuration", NULL, false};
    columns[n++] = (page_column){"Seed", NULL, true};
    columns[n++] = (page_column){"State", NULL, false};
    columns[n++] = (page_column){"Epochs", "finished / planned", true};
    columns[n++] = (page_column){text_ends(p->metric, "accuracy") ? arena_printf(&p->a, "%s (%%)", p->metric)
                                                                  : p->metric,
                                 "the best epoch's", true};
    columns[n++] = (page_column){"Best epoch", NULL, true};
    for (size_t k = 0; k < MEASURE_RESULTS; k++) {
        shown[k] = strcmp(measure_results[k].key, p->metric) != 0 && page_has(p, measure_results[k].value);
        if (!shown[k]) continue;
        columns[n++] = (page_column){measure_results[k].percent
                                         ? arena_printf(&p->a, "%s (%%)", measure_results[k].title)
                                         : measure_results[k].title,
                                     NULL, true};
    }
    columns[n++] = (page_column){"Time", NULL, true};
    columns[n++] = (page_column){"Curve", "the metric over the epochs, all on one scale", true};
    if (tags) columns[n++] = (page_column){"Tags", NULL, false};
    html_open(h, "details");
    if (p->n <= OPEN_UP_TO) html_attr(h, "open", NULL);
    html_elementf(h, "summary", "%zu run%s", p->n, p->n > 1 ? "s" : "");
    page_table_open(p, "t-runs", columns, n);
    for (size_t i = 0; i < p->n; i++) row(p, i, &s, shown, tags);
    page_table_close(p);
    html_close(h);
    html_close(h);
}
