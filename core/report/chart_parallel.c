/* Owns parallel coordinates: every parameter of a sweep an axis, the metric the last one, every configuration a line through them
 * (Inselberg 1985, The plane with parallel coordinates). */
#include "report/chart_search.h"

#include <math.h>
#include <stdlib.h>

#include "report/chart_axis.h"
#include "report/chart_table.h"
#include "report/names.h"

enum { AXES = 10, TICKS = 5, WORD = 14, WORD_CROWDED = 9 /* characters; beside many axes */, CROWD = 6 };
static const double unset_at = -0.1; /* below the axes: where the parameter is not set */

/* From 0 to 1 on an axis. */
static double place_of(const chart_column *c, double v)
{
    if (isnan(v)) return unset_at;
    if (c->high <= c->low) return 0.5;
    return c->log ? log(v / c->low) / log(c->high / c->low) : (v - c->low) / (c->high - c->low);
}

typedef struct ticks {
    double *x, *y;
    const char **names;
    size_t n;
} ticks;

static void add_tick(ticks *t, double x, double y, const char *name)
{
    t->x[t->n] = x;
    t->y[t->n] = y;
    t->names[t->n++] = name;
}

/* A step of 1, 2 or 5 times a power of ten that leaves at most TICKS. */
static double step_of(double range)
{
    double step = pow(10, floor(log10(range / TICKS)));
    static const double times[] = {1, 2, 5, 10};
    for (int i = 0; i < 4; i++)
        if (range / (step * times[i]) <= TICKS) return step * times[i];
    return 10 * step;
}

/* At least as many as axis_ticks() makes. */
static size_t ticks_room(const chart_column *c)
{
    return c->numbers ? 4 * TICKS : c->n_words;
}

static void axis_ticks(const chart_column *c, double x, size_t word, arena *a, ticks *t)
{
    if (!c->numbers) {
        const char **words = mem_array(c->n_words + 1, sizeof *words);
        for (size_t i = 0; i < c->n_words; i++) words[i] = c->words[i];
        names_cut(words, c->n_words, word, a);
        for (size_t i = 0; i < c->n_words; i++) add_tick(t, x, place_of(c, (double)i), words[i]);
        mem_free(words);
    } else if (c->log) {
        int first = (int)ceil(log10(c->low) - 1e-9), last = (int)floor(log10(c->high) + 1e-9);
        int by = (last - first) / TICKS + 1;
        for (int k = first; k <= last; k += by)
            add_tick(t, x, place_of(c, pow(10, k)), arena_printf(a, "%g", pow(10, k)));
    } else if (c->distinct <= TICKS) {
        for (size_t i = 0; i < c->distinct; i++)
            add_tick(t, x, place_of(c, c->values[i]), arena_printf(a, "%.4g", c->values[i]));
    } else {
        double step = step_of(c->high - c->low);
        for (double v = ceil(c->low / step - 1e-9) * step; v <= c->high + 1e-9 * step; v += step)
            add_tick(t, x, place_of(c, v), arena_printf(a, "%g", fabs(v) < 1e-9 * step ? 0 : v));
    }
}

/* The metric as one more column. */
static chart_column metric_column(const chart_table *t, const chart_judged *j, arena *a)
{
    double *at = arena_array(a, t->n + 1, sizeof *at);
    chart_column c = {.label = j->label,
                      .numbers = true,
                      .at = at,
                      .distinct = SIZE_MAX,
                      .low = (double)INFINITY,
                      .high = -(double)INFINITY};
    for (size_t i = 0; i < t->n; i++) {
        at[i] = t->rows[i].value;
        if (isnan(at[i])) continue;
        c.low = fmin(c.low, at[i]);
        c.high = fmax(c.high, at[i]);
    }
    if (c.high <= c.low) c.distinct = 0;
    return c;
}

typedef struct ordered {
    double loss;
    size_t row;
} ordered;

static int worst_first(const void *a, const void *b)
{
    const ordered *x = a, *y = b;
    if (x->loss != y->loss) return x->loss > y->loss ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

/* The best are drawn last, over the others. */
static figure_mark lines_mark(const chart_table *t, const chart_column *const *axes, size_t n_axes,
                              bool maximize, arena *a)
{
    const size_t room = t->n * n_axes + 1;
    double *x = arena_array(a, room, sizeof *x), *y = arena_array(a, room, sizeof *y),
           *x2 = arena_array(a, room, sizeof *x2), *y2 = arena_array(a, room, sizeof *y2),
           *value = arena_array(a, room, sizeof *value);
    ordered *order = mem_array(t->n + 1, sizeof *order);
    size_t rows = 0, n = 0;
    for (size_t i = 0; i < t->n; i++)
        if (!isnan(t->rows[i].value))
            order[rows++] = (ordered){maximize ? -t->rows[i].value : t->rows[i].value, i};
    if (rows) qsort(order, rows, sizeof *order, worst_first);
    for (size_t i = 0; i < rows; i++)
        for (size_t k = 0; k + 1 < n_axes; k++, n++) {
            size_t r = order[i].row;
            x[n] = (double)k;
            x2[n] = (double)(k + 1);
            y[n] = place_of(axes[k], axes[k]->at[r]);
            y2[n] = place_of(axes[k + 1], axes[k + 1]->at[r]);
            value[n] = t->rows[r].value;
        }
    mem_free(order);
    return (figure_mark){.kind = FIGURE_SEGMENTS,
                         .label = "configuration",
                         .x = x,
                         .y = y,
                         .x2 = x2,
                         .y2 = y2,
                         .value = value,
                         .n = n};
}

static figure_mark axes_mark(size_t n_axes, arena *a)
{
    double *x = arena_array(a, n_axes, sizeof *x), *y = arena_array(a, n_axes, sizeof *y),
           *y2 = arena_array(a, n_axes, sizeof *y2);
    for (size_t k = 0; k < n_axes; k++) x[k] = (double)k, y2[k] = 1;
    return (figure_mark){
        .kind = FIGURE_SEGMENTS, .colour = FIGURE_BLACK, .x = x, .y = y, .x2 = x, .y2 = y2, .n = n_axes};
}

static figure_mark ticks_mark(const chart_column *const *axes, size_t n_axes, arena *a)
{
    size_t room = 1;
    for (size_t k = 0; k < n_axes; k++) room += ticks_room(axes[k]) + 1;
    ticks t = {arena_array(a, room, sizeof *t.x), arena_array(a, room, sizeof *t.y),
               arena_array(a, room, sizeof *t.names), 0};
    for (size_t k = 0; k < n_axes; k++) {
        if (axes[k]->distinct)
            axis_ticks(axes[k], (double)k, n_axes > CROWD ? WORD_CROWDED : WORD, a, &t);
        else
            add_tick(&t, (double)k, 0.5, chart_axis_number(axes[k]->low, a));
        if (axes[k]->unset) add_tick(&t, (double)k, unset_at, "not set");
    }
    return (figure_mark){.kind = FIGURE_TEXT,
                         .colour = FIGURE_BLACK,
                         .faint = true,
                         .x = t.x,
                         .y = t.y,
                         .names = t.names,
                         .n = t.n};
}

cvy_status chart_parallel(store *s, const chart_request *r, arena *a, figure *out, errors *e)
{
    chart_judged j;
    chart_table t;
    cvy_status status = chart_judge(s, r, a, &j, e);
    if (status == CVY_OK) status = chart_table_make(s, &j, a, &t, e);
    if (status != CVY_OK) return status;
    if (!t.n_columns) return chart_nothing(r, e, "a sweep over more values", "no parameter varies");
    const size_t most = r->most ? r->most : AXES, n = t.n_columns < most ? t.n_columns : most;
    const chart_column metric = metric_column(&t, &j, a), **axes = arena_array(a, n + 1, sizeof *axes);
    const char **names = arena_array(a, n + 1, sizeof *names);
    for (size_t k = 0; k <= n; k++) {
        axes[k] = k < n ? &t.columns[k] : &metric;
        names[k] = axes[k]->label;
    }
    figure_mark *marks = arena_array(a, 3, sizeof *marks);
    marks[0] = axes_mark(n + 1, a);
    marks[1] = lines_mark(&t, axes, n + 1, j.maximize, a);
    marks[2] = ticks_mark(axes, n + 1, a);
    figure_panel *p = arena_array(a, 1, sizeof *p);
    *p = (figure_panel){.x = chart_axis_names(NULL, names, n + 1),
                        .y = chart_axis_names(NULL, names, 0),
                        .colour = chart_axis_plain(j.label),
                        .marks = marks,
                        .n = 3};
    bool unset = false;
    for (size_t k = 0; k < n; k++) unset = unset || axes[k]->unset;
    p->x.low = -0.6;
    p->x.high = (double)n + 0.6;
    p->y.low = unset ? -0.18 : -0.06;
    p->y.high = 1.08;
    text caption = {0};
    chart_table_say(&t, &caption);
    if (n < t.n_columns) chart_judge_say(&caption, "the first %zu of %zu parameters", n, t.n_columns);
    *out = (figure){
        .title = r->title, .caption = arena_text(a, text_str(&caption)), .panels = p, .n = 1, .columns = 1};
    text_free(&caption);
    return CVY_OK;
}
