/* Owns the chart of the metric against one parameter, a curve for each value of another: mean and band over the seeds. */
#include "report/chart_search.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/chart_axis.h"
#include "report/chart_table.h"
#include "report/factor.h"
#include "report/measure.h"
#include "report/names.h"
#include "report/spelling.h"

enum { CURVES = 12 };

typedef struct point {
    double x, mean, low, high;
    const char *label;
    size_t n;
} point;

typedef struct curve {
    const char *label;
    point *points;
    size_t n;
} curve;

typedef struct against {
    const chart_judged *j;
    const char *x, *by; /* by: NULL for a single curve */
    groups_value *measure;
    chart_band band;
    curve *curves;
    size_t n, left_out;
    bool numbers;
    const char *across;
    size_t least, most; /* repeats of a point */
    repeated of;        /* what is repeated */
    arena *a;
} against;

static int by_x(const void *a, const void *b)
{
    const point *x = a, *y = b;
    if (x->x != y->x) return x->x < y->x ? -1 : 1;
    return 0;
}

static point point_of(const against *g, const factor *f, const factor_level *l)
{
    statistics s = factor_statistics(f, l, judge_best);
    point p = {
        .x = (double)NAN, .mean = s.mean, .low = s.mean, .high = s.mean, .label = l->g.label, .n = s.n};
    if (g->measure) p.x = groups_statistics(&l->g, g->measure).mean;
    if (g->band == CHART_BAND_MINMAX && s.n) p.low = s.least, p.high = s.most;
    const double half = g->band == CHART_BAND_CI95 ? s.half : g->band == CHART_BAND_SD ? s.sd : 0;
    if (g->band != CHART_BAND_MINMAX && s.n > 1) p.low -= half, p.high += half;
    return p;
}

static cvy_status make_curve(store *s, against *g, const query_run *runs, size_t n, const char *label,
                             errors *e)
{
    factor f;
    cvy_status status =
        factor_make(s, runs, n, g->measure ? NULL : g->x, judge_best, g->j->maximize, g->a, &f, e);
    if (status != CVY_OK) return status;
    curve *c = &g->curves[g->n++];
    *c = (curve){.label = label, .points = arena_array(g->a, f.n + 1, sizeof *c->points)};
    for (size_t i = 0; i < f.n; i++) {
        point p = point_of(g, &f, &f.levels[i]);
        if (!p.n) continue;
        if (p.n < g->least) g->least = p.n;
        if (p.n > g->most) g->most = p.n;
        if (!g->measure && !spelling_value(p.label, &p.x)) g->numbers = false;
        c->points[c->n++] = p;
    }
    if (f.n_blocks > 1 && *f.across) g->across = f.across;
    g->of = repeats_join(g->of, f.repeats);
    return CVY_OK;
}

/* Words stand beside each other as they first appear. */
static figure_axis place_words(against *g)
{
    size_t room = 1, n = 0;
    for (size_t i = 0; i < g->n; i++) room += g->curves[i].n;
    const char **seen = arena_array(g->a, room, sizeof *seen);
    for (size_t i = 0; i < g->n; i++)
        for (size_t k = 0; k < g->curves[i].n; k++) {
            point *p = &g->curves[i].points[k];
            size_t at = 0;
            while (at < n && strcmp(seen[at], p->label) != 0) at++;
            if (at == n) seen[n++] = p->label;
            p->x = (double)at;
            if (g->n > 1) p->x += 0.3 * ((double)i / (double)(g->n - 1) - 0.5);
        }
    names_cut(seen, n, 40, g->a);
    return chart_axis_names(g->x, seen, n);
}

static int by_number(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Of a parameter with few values each has a tick: depths 20, 32, 44, 56. */
static void give_ticks(const against *g, const double *all, size_t n, figure_axis *x)
{
    double *ticks = arena_array(g->a, n + 1, sizeof *ticks);
    size_t kept = 0;
    x->log = chart_axis_log(all, n);
    if (!n) return;
    memcpy(ticks, all, n * sizeof *ticks);
    qsort(ticks, n, sizeof *ticks, by_number);
    for (size_t i = 0; i < n; i++)
        if (!kept || ticks[i] != ticks[kept - 1]) ticks[kept++] = ticks[i];
    if (kept <= CHART_TABLE_TICKS) x->ticks = ticks, x->n_ticks = kept;
}

static figure_axis place_numbers(against *g)
{
    size_t room = 1, n = 0;
    for (size_t i = 0; i < g->n; i++) room += g->curves[i].n;
    double *all = arena_array(g->a, room, sizeof *all);
    for (size_t i = 0; i < g->n; i++)
        for (size_t k = 0; k < g->curves[i].n; k++) all[n++] = g->curves[i].points[k].x;
    figure_axis x = chart_axis_plain(g->x);
    if (g->measure == measure_seconds)
        x = chart_axis_seconds("training time", all, n, g->a);
    else if (g->measure)
        x = chart_axis_count(g->measure == measure_macs ? "MACs per sample" : "parameters", all, n, g->a);
    else
        give_ticks(g, all, n, &x);
    n = 0;
    for (size_t i = 0; i < g->n; i++) { /* in the axis's unit, and in order */
        for (size_t k = 0; k < g->curves[i].n; k++) g->curves[i].points[k].x = all[n++];
        if (g->curves[i].n) qsort(g->curves[i].points, g->curves[i].n, sizeof(point), by_x);
    }
    return x;
}

static figure_mark mark_of(const against *g, size_t i, figure_kind kind)
{
    const curve *c = &g->curves[i];
    double *x = arena_array(g->a, c->n + 1, sizeof *x), *y = arena_array(g->a, c->n + 1, sizeof *y),
           *low = arena_array(g->a, c->n + 1, sizeof *low), *high = arena_array(g->a, c->n + 1, sizeof *high);
    const char **names = arena_array(g->a, c->n + 1, sizeof *names);
    for (size_t k = 0; k < c->n; k++) {
        x[k] = c->points[k].x;
        y[k] = c->points[k].mean;
        low[k] = c->points[k].low;
        high[k] = c->points[k].high;
        names[k] = c->points[k].label;
    }
    figure_mark m = {.kind = kind, .label = c->label, .colour = (int)i, .x = x, .y = y, .n = c->n};
    if (kind == FIGURE_POINTS) m.names = names;
    if (g->most > 1 && g->band != CHART_BAND_NONE) m.low = low, m.high = high;
    return m;
}

static const char *caption_of(const against *g)
{
    static const char *const bands[] = {
        [CHART_BAND_SD] = "one standard deviation",
        [CHART_BAND_CI95] = "95 % interval of the mean (Student's t)",
        [CHART_BAND_MINMAX] = "from the least to the most",
        [CHART_BAND_NONE] = "",
    };
    const char *drawn = g->band == CHART_BAND_NONE  ? ""
                        : g->numbers && !g->measure ? ", band: "
                                                    : ", lines: ";
    text t = {0};
    chart_judge_say_mean(&t, &g->of, g->least, g->most, "mean", "no band");
    if (g->most > 1) text_printf(&t, "%s%s", drawn, bands[g->band]);
    if (g->across) chart_judge_say(&t, "each %s the mean over %s", repeats_noun(&g->of), g->across);
    if (g->by) chart_judge_say(&t, "colours: %s", g->by);
    if (g->left_out) chart_judge_say(&t, "%zu more values of %s left out", g->left_out, g->by);
    chart_judge_say_silent(&t, g->j);
    const char *s = arena_text(g->a, text_str(&t));
    text_free(&t);
    return s;
}

/* `x_path` and `by`, or both paths in `by`: along the axis, and of the curves. Without either the first parameter that is a number is
 * along the axis. */
static cvy_status choose(store *s, const chart_request *r, against *g, errors *e)
{
    if (r->x_path) {
        g->x = r->x_path;
        g->by = r->by;
        g->measure = measure_named(g->x);
        return CVY_OK;
    }
    if (r->by) {
        const char *comma = strchr(r->by, ',');
        if (comma && strchr(comma + 1, ','))
            return errors_add(e, CVY_ERR_CONFIG, NULL, "as in --by model.depth,train.optimizer",
                              "this kind of chart takes one parameter along the axis and one for the curves");
        g->x = comma ? arena_text_n(g->a, r->by, (size_t)(comma - r->by)) : r->by;
        g->by = comma ? comma + 1 : NULL;
        g->measure = measure_named(g->x);
        return CVY_OK;
    }
    chart_table t;
    cvy_status status = chart_table_make(s, g->j, g->a, &t, e);
    for (size_t i = 0; status == CVY_OK && i < t.n_columns && !g->x; i++)
        if (t.columns[i].numbers) g->x = t.columns[i].path;
    if (status == CVY_OK && !g->x)
        status = errors_add(e, CVY_ERR_CONFIG, NULL, "as in --x model.stem.channels, or --x parameters",
                            "which parameter goes along the axis? None that varies is a number");
    return status;
}

cvy_status chart_against(store *s, const chart_request *r, arena *a, figure *out, errors *e)
{
    chart_judged j;
    factor whole;
    against g = {.j = &j, .band = r->band, .numbers = true, .least = SIZE_MAX, .a = a};
    cvy_status status = chart_judge(s, r, a, &j, e);
    if (status == CVY_OK) status = choose(s, r, &g, e);
    if (status != CVY_OK) return status;
    if (!g.by) {
        g.curves = arena_array(a, 1, sizeof *g.curves);
        status = make_curve(s, &g, j.runs, j.n, NULL, e);
    } else {
        status = factor_make(s, j.runs, j.n, g.by, judge_best, j.maximize, a, &whole, e);
        if (status != CVY_OK) return status;
        const size_t most = r->most ? r->most : CURVES;
        const char **labels = arena_array(a, whole.n + 1, sizeof *labels);
        for (size_t i = 0; i < whole.n; i++) labels[i] = whole.levels[i].g.label;
        names_tidy(labels, whole.n < most ? whole.n : most, a);
        g.curves = arena_array(a, whole.n + 1, sizeof *g.curves);
        for (size_t i = 0; status == CVY_OK && i < whole.n; i++) {
            const group *own = &whole.levels[i].g;
            if (i >= most) {
                g.left_out++;
                continue;
            }
            query_run *runs = arena_array(a, own->n + 1, sizeof *runs);
            for (size_t k = 0; k < own->n; k++) runs[k] = *own->runs[k];
            status = make_curve(s, &g, runs, own->n, labels[i], e);
        }
    }
    if (status == CVY_OK && r->log_x && !g.numbers)
        status = errors_add(e, CVY_ERR_CONFIG, NULL, "without --log-x they stand beside each other",
                            "the values of %s are words, which have no logarithm", g.x);
    if (status != CVY_OK) return status;
    figure_mark *marks = arena_array(a, 2 * g.n + 1, sizeof *marks);
    figure_panel *p = arena_array(a, 1, sizeof *p);
    *p = (figure_panel){
        .x = g.numbers ? place_numbers(&g) : place_words(&g), .y = chart_axis_plain(j.label), .marks = marks};
    if (r->log_x) p->x.log = true;
    p->y.log = r->log_y;
    if (j.unit == 100) p->y.most = 100;
    /* Of equal cost there may be several, which no line should join. */
    const bool lines = g.numbers && !g.measure;
    for (size_t i = 0; i < g.n && lines; i++) marks[p->n++] = mark_of(&g, i, FIGURE_LINE);
    for (size_t i = 0; i < g.n; i++) {
        marks[p->n] = mark_of(&g, i, FIGURE_POINTS);
        if (lines) marks[p->n].label = NULL, marks[p->n].low = marks[p->n].high = NULL;
        p->n++;
    }
    *out = (figure){
        .title = r->title, .caption = caption_of(&g), .panels = p, .n = 1, .columns = 1, .key = g.by != NULL};
    return CVY_OK;
}
