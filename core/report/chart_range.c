/* Owns what the chart of a learning-rate range test shows; must not know how it looks, nor how the rates were found. */
#include "report/chart_range.h"

#include <math.h>
#include <string.h>

#include "report/charts.h"

typedef struct range_chart {
    query_curve rate, loss, smooth; /* by step, all of one length */
    double steepest, tenth;         /* nan: the loss never fell */
    double x_least, x_most, y_least, y_most;
} range_chart;

static const query_curve *curve_named(const query_curve *c, size_t n, const char *metric)
{
    for (size_t i = 0; i < n; i++)
        if (!strcmp(c[i].metric, metric)) return &c[i];
    return NULL;
}

static double value_named(const query_curve *c, size_t n, const char *metric)
{
    const query_curve *one = curve_named(c, n, metric);
    return one && one->n ? one->points[one->n - 1].value : (double)NAN;
}

static bool collect(store *s, const char *run, arena *a, range_chart *out, errors *e)
{
    query_curve *steps, *whole;
    size_t n = 0, n_whole = 0;
    if (query_curves(s, run, QUERY_STEP, a, &steps, &n, e) != CVY_OK ||
        query_curves(s, run, QUERY_RUN, a, &whole, &n_whole, e) != CVY_OK)
        return false;
    const query_curve *rate = curve_named(steps, n, "lr"), *loss = curve_named(steps, n, "train_loss"),
                      *smooth = curve_named(steps, n, "smoothed_loss");
    if (!rate || !loss || !smooth || smooth->n < 2 || rate->n != smooth->n || loss->n != smooth->n)
        return false;
    *out = (range_chart){.rate = *rate, .loss = *loss, .smooth = *smooth};
    out->steepest = value_named(whole, n_whole, "lr_steepest");
    out->tenth = value_named(whole, n_whole, "lr_minimum_tenth");
    return true;
}

bool chart_range_is(store *s, const char *run, errors *e)
{
    arena a = {0};
    range_chart c;
    const bool is = collect(s, run, &a, &c, e);
    arena_free(&a);
    return is;
}

/* The explosion at the end is cut off: it says that there is one, and would press what comes before it flat. */
static void scale(range_chart *c)
{
    const query_point *p = c->smooth.points;
    double least = (double)INFINITY, before = -(double)INFINITY;
    size_t lowest = 0;
    for (size_t i = 0; i < c->smooth.n; i++)
        if (p[i].value < least) least = p[i].value, lowest = i;
    for (size_t i = 0; i <= lowest; i++) before = fmax(before, fmax(p[i].value, c->loss.points[i].value));
    const double height = before > least ? before - least : fabs(least) + 1e-6;
    for (size_t i = 0; i <= lowest; i++) least = fmin(least, c->loss.points[i].value);
    c->y_least = least - 0.06 * height;
    c->y_most = before + 0.25 * height;
    c->x_least = c->rate.points[0].value / 1.3;
    c->x_most = c->rate.points[c->rate.n - 1].value * 1.3;
}

/* The curve's height at a rate. */
static double height_at(const range_chart *c, double rate)
{
    size_t i = 0;
    while (i + 1 < c->rate.n && c->rate.points[i].value < rate) i++;
    if (!i) return c->smooth.points[0].value;
    const double a = log(c->rate.points[i - 1].value), b = log(c->rate.points[i].value);
    const double share = b > a ? fmin(1, (log(rate) - a) / (b - a)) : 1;
    return c->smooth.points[i - 1].value +
           share * (c->smooth.points[i].value - c->smooth.points[i - 1].value);
}

/* ---- the figure ---- */

enum { EACH_STEP, SMOOTHED, STEEPEST, STEEPEST_DROP, TENTH, TENTH_DROP, MARKS };

static double *copy(arena *a, const query_curve *c)
{
    double *v = arena_array(a, c->n + 1, sizeof *v);
    for (size_t i = 0; i < c->n; i++) v[i] = c->points[i].value;
    return v;
}

/* A point on the curve, and a line from it down to the axis. */
static void found(const range_chart *c, double rate, const char *label, int colour, arena *a, figure_mark *at)
{
    double *x = arena_array(a, 2, sizeof *x), *y = arena_array(a, 2, sizeof *y);
    x[0] = x[1] = rate;
    y[0] = height_at(c, rate);
    y[1] = c->y_least;
    at[0] = (figure_mark){.kind = FIGURE_POINTS, .label = label, .colour = colour, .x = x, .y = y, .n = 1};
    at[1] = (figure_mark){.kind = FIGURE_LINE, .colour = colour, .dashed = true, .x = x, .y = y, .n = 2};
}

static void fill(const range_chart *c, const char *title, arena *a, figure_panel *p)
{
    figure_mark *m = arena_array(a, MARKS, sizeof *m);
    double *rate = copy(a, &c->rate);
    m[EACH_STEP] = (figure_mark){.kind = FIGURE_POINTS,
                                 .label = "each step",
                                 .colour = 5,
                                 .faint = true,
                                 .x = rate,
                                 .y = copy(a, &c->loss),
                                 .n = c->loss.n};
    m[SMOOTHED] = (figure_mark){.kind = FIGURE_LINE,
                                .label = "smoothed",
                                .colour = 0,
                                .x = rate,
                                .y = copy(a, &c->smooth),
                                .n = c->smooth.n};
    *p = (figure_panel){.title = title,
                        .x = {.label = "learning rate", .log = true, .low = c->x_least, .high = c->x_most},
                        .y = {.label = "training loss", .low = c->y_least, .high = c->y_most},
                        .marks = m,
                        .n = 2};
    if (!isfinite(c->steepest) || !isfinite(c->tenth)) return;
    found(c, c->steepest, arena_printf(a, "steepest: %.2g", c->steepest), 1, a, &m[STEEPEST]);
    found(c, c->tenth, arena_printf(a, "a tenth of the minimum: %.2g", c->tenth), 2, a, &m[TENTH]);
    p->n = MARKS;
}

cvy_status chart_range(store *s, const chart_request *r, arena *a, figure *out, errors *e)
{
    figure_panel *panels = arena_array(a, r->n + 1, sizeof *panels);
    size_t n = 0;
    for (size_t i = 0; i < r->n; i++) {
        range_chart c;
        const size_t before = errors_count(e);
        if (collect(s, r->runs[i].name, a, &c, e)) {
            scale(&c);
            fill(&c, r->n > 1 ? r->runs[i].name : NULL, a, &panels[n++]);
        } else if (errors_count(e) > before) {
            return errors_status(e);
        } else if (r->n > 1) {
            errors_warn(e, NULL, NULL, "%s is no learning-rate range test that has come to its end",
                        r->runs[i].name);
        }
    }
    if (!n)
        return chart_nothing(r, e, "convoy run FILE --lr-range makes one",
                             "%s is no learning-rate range test that has come to its end",
                             r->n == 1 ? r->runs[0].name : "none of these runs");
    *out = (figure){.title = r->title, .panels = panels, .n = n, .key = true};
    return CVY_OK;
}

cvy_status chart_range_draw(store *s, const char *run, const char *title, const char *prefix, errors *e)
{
    arena a = {0};
    figure f;
    const query_run one = {.name = run};
    const chart_request r = {.runs = &one, .n = 1, .title = title};
    cvy_status status = chart_range(s, &r, &a, &f, e);
    if (status == CVY_OK) status = charts_write(&f, CHARTS_USUAL, 0, prefix, e);
    arena_free(&a);
    return status;
}
