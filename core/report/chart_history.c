/* Owns the chart of how a search went: the value of each configuration in its order, and the best so far. */
#include "report/chart_search.h"

#include <math.h>

#include "report/chart_axis.h"
#include "report/chart_table.h"

typedef enum history_state { HISTORY_WHOLE, HISTORY_STOPPED, HISTORY_FAILED, HISTORY_STATES } history_state;

static figure_mark mark_of(const chart_table *t, history_state state, arena *a)
{
    static const char *const labels[] = {"trained to the end", "stopped early", "failed or unfinished"};
    static const int colours[] = {0, FIGURE_GREY, 1};
    double *x = arena_array(a, t->n + 1, sizeof *x), *y = arena_array(a, t->n + 1, sizeof *y);
    const char **names = arena_array(a, t->n + 1, sizeof *names);
    size_t n = 0;
    for (size_t i = 0; i < t->n; i++) {
        const chart_row *r = &t->rows[i];
        history_state own = r->stopped ? HISTORY_STOPPED : r->failed ? HISTORY_FAILED : HISTORY_WHOLE;
        if (own != state || isnan(r->value)) continue;
        x[n] = (double)(i + 1);
        y[n] = r->value;
        names[n++] = r->g->label;
    }
    return (figure_mark){.kind = FIGURE_POINTS,
                         .label = labels[state],
                         .colour = colours[state],
                         .x = x,
                         .y = y,
                         .names = names,
                         .n = n};
}

static figure_mark best_so_far(const chart_table *t, bool maximize, arena *a)
{
    double *x = arena_array(a, t->n + 1, sizeof *x), *y = arena_array(a, t->n + 1, sizeof *y);
    size_t n = 0;
    for (size_t i = 0; i < t->n; i++) {
        double v = t->rows[i].value;
        if (isnan(v) && !n) continue;
        double before = n ? y[n - 1] : (double)NAN;
        x[n] = (double)(i + 1);
        y[n] = isnan(v) || (maximize ? v <= before : v >= before) ? before : v;
        n++;
    }
    return (figure_mark){.kind = FIGURE_STEPS, .label = "best so far", .colour = 1, .x = x, .y = y, .n = n};
}

cvy_status chart_history(store *s, const chart_request *r, arena *a, figure *out, errors *e)
{
    chart_judged j;
    chart_table t;
    cvy_status status = chart_judge(s, r, a, &j, e);
    if (status == CVY_OK) status = chart_table_make(s, &j, a, &t, e);
    if (status != CVY_OK) return status;
    figure_mark *marks = arena_array(a, 6, sizeof *marks);
    figure_panel *p = arena_array(a, 1, sizeof *p);
    *p = (figure_panel){.x = chart_axis_plain("configuration, in the order of the search"),
                        .y = chart_axis_plain(j.label),
                        .marks = marks};
    p->y.log = r->log_y;
    marks[p->n++] = best_so_far(&t, j.maximize, a);
    for (int k = 0; k < HISTORY_STATES; k++) {
        marks[p->n] = mark_of(&t, (history_state)k, a);
        if (k == HISTORY_FAILED) marks[p->n].colour = 3;
        if (marks[p->n].n) p->n++;
    }
    const chart_row *best = &t.rows[t.best];
    double *at = arena_array(a, 2, sizeof *at);
    at[0] = (double)(t.best + 1);
    at[1] = best->value;
    marks[p->n++] = (figure_mark){
        .kind = FIGURE_POINTS, .label = "best", .colour = 1, .ringed = true, .x = at, .y = at + 1, .n = 1};
    text caption = {0};
    chart_table_say(&t, &caption);
    chart_judge_say(&caption, "best: %s (%s) with %s", best->g->runs[0]->name, best->g->label,
                    chart_axis_result(best->value, j.unit, a));
    *out = (figure){.title = r->title,
                    .caption = arena_text(a, text_str(&caption)),
                    .panels = p,
                    .n = 1,
                    .columns = 1,
                    .key = true};
    text_free(&caption);
    return CVY_OK;
}
