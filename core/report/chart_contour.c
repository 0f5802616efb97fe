/* Owns the map of the metric over two parameters: a cell for each pair of values, the mean over everything else. */
#include "report/chart_search.h"
#include "report/importance.h"

#include <math.h>
#include <string.h>

#include "report/chart_axis.h"
#include "report/chart_table.h"

enum { VALUES = 12 /* of a number each has its own column of cells up to here */, BINS_MOST = 8 };

/* One side of the map. */
typedef struct side {
    const chart_column *c;
    size_t n;
    bool binned, log;
    double low, high;   /* of bins */
    const char **names; /* of cells; NULL: numbers */
} side;

static side side_of(const chart_column *c, size_t configurations, arena *a)
{
    side s = {.c = c, .n = c->distinct, .low = c->low, .high = c->high, .log = c->log};
    if (!c->numbers) {
        s.names = c->words;
    } else if (c->distinct <= VALUES) {
        s.names = arena_array(a, c->distinct + 1, sizeof *s.names);
        chart_axis_numbers(c->values, c->distinct, s.names, a);
    } else { /* as many as leave about two configurations to a cell */
        s.n = (size_t)sqrt((double)configurations / 2);
        s.n = s.n < 3 ? 3 : s.n > BINS_MOST ? BINS_MOST : s.n;
        s.binned = true;
    }
    return s;
}

/* The cell of a value; side.n: in none. */
static size_t cell_of(const side *s, size_t row)
{
    const double v = s->c->at[row];
    if (isnan(v)) return s->n;
    if (!s->c->numbers) return (size_t)v;
    if (!s->binned) {
        size_t i = 0;
        while (i < s->n && s->c->values[i] != v) i++;
        return i;
    }
    double at = s->log ? log(v / s->low) / log(s->high / s->low) : (v - s->low) / (s->high - s->low);
    size_t i = (size_t)(at * (double)s->n);
    return i < s->n ? i : s->n - 1;
}

/* Where a cell stands on the axis. */
static double centre(const side *s, size_t i)
{
    if (!s->binned) return (double)i;
    double at = ((double)i + 0.5) / (double)s->n;
    return s->log ? s->low * pow(s->high / s->low, at) : s->low + at * (s->high - s->low);
}

static figure_axis axis_of(const side *s)
{
    if (s->names) return chart_axis_names(s->c->label, s->names, s->n);
    figure_axis x = chart_axis_plain(s->c->label);
    x.log = s->log;
    x.low = s->low;
    x.high = s->high;
    return x;
}

static figure_mark cells_mark(const chart_table *t, const side *x, const side *y, size_t *least, size_t *most,
                              arena *a)
{
    const size_t n = x->n * y->n;
    double *at_x = arena_array(a, n + 1, sizeof *at_x), *at_y = arena_array(a, n + 1, sizeof *at_y),
           *mean = arena_array(a, n + 1, sizeof *mean);
    size_t *counts = mem_array(n + 1, sizeof *counts);
    for (size_t i = 0; i < t->n; i++) {
        size_t k = cell_of(x, i), l = cell_of(y, i);
        if (k == x->n || l == y->n || isnan(t->rows[i].value)) continue;
        mean[l * x->n + k] += t->rows[i].value;
        counts[l * x->n + k]++;
    }
    *least = SIZE_MAX;
    *most = 0;
    for (size_t i = 0; i < n; i++) {
        at_x[i] = centre(x, i % x->n);
        at_y[i] = centre(y, i / x->n);
        mean[i] = counts[i] ? mean[i] / (double)counts[i] : (double)NAN;
        if (counts[i] && counts[i] < *least) *least = counts[i];
        if (counts[i] > *most) *most = counts[i];
    }
    mem_free(counts);
    return (figure_mark){.kind = FIGURE_CELLS, .x = at_x, .y = at_y, .value = mean, .n = n};
}

/* Where the configurations of bins really are. */
static figure_mark points_mark(const chart_table *t, const side *x, const side *y, arena *a)
{
    double *at_x = arena_array(a, t->n + 1, sizeof *at_x), *at_y = arena_array(a, t->n + 1, sizeof *at_y);
    const char **names = arena_array(a, t->n + 1, sizeof *names);
    size_t n = 0;
    for (size_t i = 0; i < t->n; i++) {
        if (cell_of(x, i) == x->n || cell_of(y, i) == y->n || isnan(t->rows[i].value)) continue;
        at_x[n] = x->binned ? x->c->at[i] : (double)cell_of(x, i);
        at_y[n] = y->binned ? y->c->at[i] : (double)cell_of(y, i);
        names[n++] = t->rows[i].g->label;
    }
    return (figure_mark){.kind = FIGURE_POINTS,
                         .label = "configuration",
                         .colour = 1,
                         .x = at_x,
                         .y = at_y,
                         .names = names,
                         .n = n};
}

static bool varies(const chart_column *c)
{
    return c->distinct > 1;
}

/* Those two that explain the most of the metric's variance and that most configurations have; told in *why. */
static void choose_important(store *s, const chart_judged *j, const chart_table *t, arena *a,
                             const chart_column *found[2], const char **why)
{
    errors own = {0};
    importance im;
    const chart_column *best[2];
    double share[2];
    size_t n = 0;
    if (importance_make(s, j->runs, j->n, judge_best, a, &im, &own) == CVY_OK)
        for (size_t i = 0; i < im.n && n < 2; i++) {
            const chart_column *c = chart_table_column(t, im.items[i].path, &own);
            if (!c || !varies(c) || 2 * c->unset >= t->n) continue;
            share[n] = im.items[i].share.mean;
            best[n++] = c;
        }
    if (n == 2) {
        found[0] = best[0];
        found[1] = best[1];
        if (isfinite(share[0]) && isfinite(share[1]))
            *why =
                arena_printf(a, "the two that explain most of its variance: %s %.0f %%, %s %.0f %% (fANOVA)",
                             best[0]->label, 100 * share[0], best[1]->label, 100 * share[1]);
    }
    errors_free(&own);
}

/* The two of `by`; else those that explain the most; else the first. */
static cvy_status choose(store *s, const chart_request *r, const chart_judged *j, const chart_table *t,
                         arena *a, const chart_column *found[2], const char **why, errors *e)
{
    size_t n = 0;
    if (r->by) {
        const char *comma = strchr(r->by, ',');
        if (!comma || strchr(comma + 1, ','))
            return errors_add(e, CVY_ERR_CONFIG, NULL, "as in --by train.optimizer.lr,train.batch_size",
                              "this kind of chart takes two parameters");
        found[0] = chart_table_column(t, arena_text_n(a, r->by, (size_t)(comma - r->by)), e);
        found[1] = found[0] ? chart_table_column(t, comma + 1, e) : NULL;
        if (!found[0] || !found[1]) return errors_status(e);
        if (found[0] == found[1])
            return errors_add(e, CVY_ERR_CONFIG, NULL, "as in --by train.optimizer.lr,train.batch_size",
                              "this kind of chart takes two parameters, and \"%s\" is both", found[0]->path);
        for (int k = 0; k < 2; k++)
            if (!varies(found[k]))
                return chart_nothing(r, e, "a sweep over more values",
                                     "%s has the same value wherever it is set", found[k]->path);
        return CVY_OK;
    }
    for (size_t i = 0; i < t->n_columns && n < 2; i++)
        if (varies(&t->columns[i])) found[n++] = &t->columns[i];
    if (n < 2) return chart_nothing(r, e, "a sweep over more values", "fewer than two parameters vary");
    if (t->n_columns > 2) choose_important(s, j, t, a, found, why);
    if (!found[0]->numbers && found[1]->numbers) { /* words are read more easily up the side */
        const chart_column *words = found[0];
        found[0] = found[1];
        found[1] = words;
    }
    return CVY_OK;
}

/* A map of one cell, or of one colour, would only look as if it said something. */
static const char *why_not(const figure_mark *cells, const chart_column *const found[2], arena *a)
{
    size_t n = 0;
    double low = (double)INFINITY, high = -low;
    for (size_t i = 0; i < cells->n; i++) {
        if (!isfinite(cells->value[i])) continue;
        n++;
        low = fmin(low, cells->value[i]);
        high = fmax(high, cells->value[i]);
    }
    if (!n)
        return arena_printf(a, "no configuration with a value has both %s and %s", found[0]->label,
                            found[1]->label);
    if (n == 1)
        return arena_printf(a, "only one pair of values of %s and %s has a result", found[0]->label,
                            found[1]->label);
    return low < high ? NULL : arena_printf(a, "all pairs of values came to the same, %.4g", low);
}

cvy_status chart_contour(store *s, const chart_request *r, arena *a, figure *out, errors *e)
{
    chart_judged j;
    chart_table t;
    const chart_column *found[2] = {NULL, NULL};
    const char *why = NULL;
    cvy_status status = chart_judge(s, r, a, &j, e);
    if (status == CVY_OK) status = chart_table_make(s, &j, a, &t, e);
    if (status != CVY_OK) return status;
    status = choose(s, r, &j, &t, a, found, &why, e);
    if (status != CVY_OK) return status;
    const side x = side_of(found[0], t.n, a), y = side_of(found[1], t.n, a);
    size_t least, most;
    figure_mark *marks = arena_array(a, 2, sizeof *marks);
    figure_panel *p = arena_array(a, 1, sizeof *p);
    *p = (figure_panel){
        .x = axis_of(&x), .y = axis_of(&y), .colour = chart_axis_plain(j.label), .marks = marks};
    marks[p->n++] = cells_mark(&t, &x, &y, &least, &most, a);
    const bool binned = x.binned || y.binned;
    if (binned) marks[p->n++] = points_mark(&t, &x, &y, a);
    const char *not = why_not(&marks[0], found, a);
    if (not ) return chart_nothing(r, e, NULL, "%s", not );
    text caption = {0};
    chart_table_say(&t, &caption);
    if (most > 1)
        chart_judge_say(&caption, "a cell: the mean of %zu to %zu of them%s", least, most,
                        t.n_columns > 2 ? ", over all other parameters" : "");
    else if (t.n_columns > 2)
        chart_judge_say(&caption, "each cell with other values of the rest");
    if (binned) chart_judge_say(&caption, "points: where they are");
    if (why) chart_judge_say(&caption, "%s", why);
    *out = (figure){
        .title = r->title, .caption = arena_text(a, text_str(&caption)), .panels = p, .n = 1, .columns = 1};
    text_free(&caption);
    return CVY_OK;
}
