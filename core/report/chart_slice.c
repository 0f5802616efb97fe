/* Owns the chart of the metric against each parameter of a sweep, a panel each. */
#include "report/chart_search.h"

#include <math.h>

#include "report/chart_axis.h"
#include "report/chart_table.h"
#include "report/names.h"

enum { PANELS = 12, WORD = 12 };

/* Configurations that have the parameter, those stopped early apart: their value is one of fewer epochs. */
static figure_mark points(const chart_table *t, const chart_column *c, bool stopped, bool best, arena *a)
{
    double *x = arena_array(a, t->n + 1, sizeof *x), *y = arena_array(a, t->n + 1, sizeof *y);
    const char **names = arena_array(a, t->n + 1, sizeof *names);
    size_t n = 0;
    for (size_t i = 0; i < t->n; i++) {
        if (isnan(c->at[i]) || isnan(t->rows[i].value)) continue;
        if (best ? i != t->best : t->rows[i].stopped != stopped || i == t->best) continue;
        x[n] = c->at[i];
        if (!c->numbers) /* words have a column of points each, which would lie on each other */
            x[n] += 0.22 * (fmod((double)i * 0.618033988749895, 1) - 0.5) * 2;
        y[n] = t->rows[i].value;
        names[n++] = t->rows[i].g->label;
    }
    return (figure_mark){.kind = FIGURE_POINTS,
                         .label = best      ? "best"
                                  : stopped ? "stopped early"
                                            : "configuration",
                         .colour = best      ? 1
                                   : stopped ? FIGURE_GREY
                                             : 0,
                         .ringed = best,
                         .x = x,
                         .y = y,
                         .names = best ? NULL : names,
                         .n = n};
}

/* Panels are narrow: words are cut short. */
static figure_axis axis_of(const chart_column *c, arena *a)
{
    figure_axis x = chart_table_axis(c);
    if (!x.names) return x;
    const char **words = arena_array(a, c->n_words + 1, sizeof *words);
    for (size_t i = 0; i < c->n_words; i++) words[i] = c->words[i];
    names_cut(words, c->n_words, WORD, a);
    x.names = words;
    return x;
}

static void fill_panel(const chart_table *t, const chart_judged *j, const chart_column *c, arena *a,
                       figure_panel *p)
{
    figure_mark *marks = arena_array(a, 3, sizeof *marks);
    *p = (figure_panel){.x = axis_of(c, a), .y = chart_axis_plain(j->label), .marks = marks};
    for (int k = 0; k < 3; k++) {
        marks[p->n] = points(t, c, k == 0, k == 2, a);
        if (marks[p->n].n) p->n++;
    }
    if (!p->n) p->said = "no configuration with a value has it";
}

cvy_status chart_slice(store *s, const chart_request *r, arena *a, figure *out, errors *e)
{
    chart_judged j;
    chart_table t;
    cvy_status status = chart_judge(s, r, a, &j, e);
    if (status == CVY_OK) status = chart_table_make(s, &j, a, &t, e);
    if (status != CVY_OK) return status;
    if (!t.n_columns) return chart_nothing(r, e, "a sweep over more values", "no parameter varies");
    const chart_column *only = NULL;
    if (r->by && !(only = chart_table_column(&t, r->by, e))) return CVY_ERR_CONFIG;
    double low = (double)INFINITY,
           high = -(double)INFINITY; /* of all panels: they are compared with each other */
    for (size_t i = 0; i < t.n; i++)
        if (!isnan(t.rows[i].value)) low = fmin(low, t.rows[i].value), high = fmax(high, t.rows[i].value);
    const double edge = high > low ? 0.05 * (high - low) : fmax(1e-6, 0.05 * fabs(high));
    const size_t most = r->most ? r->most : PANELS, all = only ? 1 : t.n_columns, n = all < most ? all : most;
    figure_panel *panels = arena_array(a, n, sizeof *panels);
    bool left_out = false;
    for (size_t i = 0; i < n; i++) {
        const chart_column *c = only ? only : &t.columns[i];
        fill_panel(&t, &j, c, a, &panels[i]);
        panels[i].y.log = r->log_y;
        if (!r->log_y) panels[i].y.low = low - edge, panels[i].y.high = high + edge;
        left_out = left_out || c->unset;
    }
    text caption = {0};
    chart_table_say(&t, &caption);
    if (left_out) chart_judge_say(&caption, "a panel shows those that have its parameter");
    if (n < all) chart_judge_say(&caption, "the first %zu of %zu parameters", n, all);
    *out = (figure){.title = r->title,
                    .caption = arena_text(a, text_str(&caption)),
                    .panels = panels,
                    .n = n,
                    .key = true};
    text_free(&caption);
    return CVY_OK;
}
