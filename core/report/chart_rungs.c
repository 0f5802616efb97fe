/* Owns the chart of early stopping: how many configurations came to which epoch, and what those that did not looked like. */
#include "report/chart_search.h"

#include <math.h>
#include <string.h>

#include "report/chart_axis.h"
#include "report/chart_table.h"

typedef struct points {
    double *x, *y;
    size_t n, cap_x, cap_y;
} points;

static void add_point(points *p, double x, double y)
{
    size_t n = p->n;
    p->x = MEM_GROW(p->x, n, &p->cap_x);
    p->y = MEM_GROW(p->y, n, &p->cap_y);
    p->x[n] = x;
    p->y[n] = y;
    p->n++;
}

static figure_mark into_mark(points *p, figure_mark m, arena *a)
{
    double *x = arena_array(a, p->n + 1, sizeof *x), *y = arena_array(a, p->n + 1, sizeof *y);
    if (p->n) memcpy(x, p->x, p->n * sizeof *x), memcpy(y, p->y, p->n * sizeof *y);
    m.x = x;
    m.y = y;
    m.n = p->n;
    mem_free(p->x);
    mem_free(p->y);
    *p = (points){0};
    return m;
}

static int64_t epochs_of(const chart_row *r)
{
    int64_t most = 0;
    for (size_t i = 0; i < r->g->n; i++)
        if (r->g->runs[i]->epochs_done != QUERY_NONE && r->g->runs[i]->epochs_done > most)
            most = r->g->runs[i]->epochs_done;
    return most;
}

/* The curve of each run of a row behind the others, with a gap; its last point into `ends`, which may be NULL. */
static cvy_status add_curves(store *s, const chart_judged *j, const chart_row *r, points *lines, points *ends,
                             errors *e)
{
    cvy_status status = CVY_OK;
    for (size_t i = 0; i < r->g->n && status == CVY_OK; i++) {
        arena own = {0};
        query_curve c;
        status = query_curve_of(s, r->g->runs[i]->name, QUERY_EPOCH, j->metric, &own, &c, e);
        if (status == CVY_OK && lines->n) add_point(lines, (double)NAN, (double)NAN);
        double x = (double)NAN, y = (double)NAN;
        for (size_t k = 0; status == CVY_OK && k < c.n; k++) {
            if (!isfinite(c.points[k].value)) continue;
            x = (double)c.points[k].epoch;
            y = c.points[k].value * j->unit;
            add_point(lines, x, y);
        }
        if (ends && isfinite(y)) add_point(ends, x, y);
        arena_free(&own);
    }
    return status;
}

static cvy_status fill_curves(store *s, const chart_judged *j, const chart_table *t, arena *a,
                              figure_panel *p, errors *e)
{
    points lines[3] = {{0}}, ends = {0};
    cvy_status status = CVY_OK;
    figure_mark *marks = arena_array(a, 4, sizeof *marks);
    for (size_t i = 0; i < t->n && status == CVY_OK; i++) {
        int k = i == t->best ? 2 : t->rows[i].stopped ? 0 : 1;
        status = add_curves(s, j, &t->rows[i], &lines[k], k == 0 ? &ends : NULL, e);
    }
    const figure_mark styles[] = {{.kind = FIGURE_LINE, .colour = FIGURE_GREY, .faint = true},
                                  {.kind = FIGURE_LINE, .label = "not stopped", .colour = 0, .faint = true},
                                  {.kind = FIGURE_LINE, .label = "best", .colour = 1}};
    *p = (figure_panel){.x = chart_axis_plain("epoch"), .y = chart_axis_plain(j->label), .marks = marks};
    for (int k = 0; k < 3; k++) {
        const bool any = lines[k].n > 0;
        figure_mark m = into_mark(&lines[k], styles[k], a);
        if (any) marks[p->n++] = m;
    }
    figure_mark stops = {.kind = FIGURE_POINTS, .label = "stopped early", .colour = FIGURE_GREY};
    const bool any = ends.n > 0;
    stops = into_mark(&ends, stops, a);
    if (any) marks[p->n++] = stops;
    if (!p->n) p->said = "no values after each epoch";
    return status;
}

/* How many came to the end of epoch 1, 2, ... */
static int64_t fill_survival(const chart_table *t, arena *a, figure_panel *p)
{
    int64_t most = 0;
    for (size_t i = 0; i < t->n; i++)
        if (epochs_of(&t->rows[i]) > most) most = epochs_of(&t->rows[i]);
    points all = {0};
    for (int64_t epoch = 1; epoch <= most; epoch++) {
        size_t n = 0;
        for (size_t i = 0; i < t->n; i++) n += epochs_of(&t->rows[i]) >= epoch;
        if (all.n && all.y[all.n - 1] == (double)n && epoch < most) continue;
        add_point(&all, (double)epoch, (double)n);
    }
    figure_mark *marks = arena_array(a, 2, sizeof *marks);
    marks[0] = into_mark(&all, (figure_mark){.kind = FIGURE_STEPS, .colour = 0}, a);
    *p = (figure_panel){.x = chart_axis_plain("epoch"),
                        .y = chart_axis_plain("configurations in this epoch"),
                        .marks = marks,
                        .n = 1};
    p->y.low = 0;
    p->y.high = 1.06 * (double)t->n;
    p->x.low = 0.5;
    p->x.high = (double)most + 0.5;
    if (!most) p->said = "no epoch is finished yet";
    return most;
}

cvy_status chart_rungs(store *s, const chart_request *r, arena *a, figure *out, errors *e)
{
    chart_judged j;
    chart_table t;
    cvy_status status = chart_judge(s, r, a, &j, e);
    if (status == CVY_OK) status = chart_table_make(s, &j, a, &t, e);
    if (status != CVY_OK) return status;
    if (t.n && !t.stopped && !t.failed)
        return errors_add(e, CVY_ERR_CONFIG, NULL,
                          "`early_terminate` in a sweep stops trials; `--kind curves` draws these",
                          "none of the %zu configurations was stopped early, and `rungs` draws who was", t.n);
    figure_panel *panels = arena_array(a, 2, sizeof *panels);
    const int64_t most = fill_survival(&t, a, &panels[0]);
    status = fill_curves(s, &j, &t, a, &panels[1], e);
    panels[1].x.low = panels[0].x.low;
    panels[1].x.high = panels[0].x.high;
    if (!most) panels[1].x = chart_axis_plain("epoch");
    panels[1].y.log = r->log_y;
    double trained = 0, planned = 0;
    for (size_t i = 0; i < t.n; i++) {
        const query_run *first = t.rows[i].g->runs[0];
        trained += (double)epochs_of(&t.rows[i]);
        planned += first->epochs == QUERY_NONE ? 0 : (double)first->epochs;
    }
    text caption = {0};
    chart_judge_say(&caption, "%zu configurations, %zu of them stopped early", t.n, t.stopped);
    if (t.failed) chart_judge_say(&caption, "%zu failed or unfinished", t.failed);
    if (planned > 0)
        chart_judge_say(&caption, "%.0f of %.0f epochs trained (%.0f %%)", trained, planned,
                        100 * trained / planned);
    *out = (figure){.title = r->title,
                    .caption = arena_text(a, text_str(&caption)),
                    .panels = panels,
                    .n = 2,
                    .key = true};
    text_free(&caption);
    return status;
}
