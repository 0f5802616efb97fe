/* Owns what learning curves show: which metrics, means and bands over repeats, smoothing, what is left out; must not know how it
 * looks. */
#include "report/chart_curves.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "report/chart_axis.h"
#include "report/chart_facets.h"
#include "report/chart_metrics.h"
#include "report/chart_series.h"
#include "report/charts.h"
#include "report/names.h"

enum {
    PANELS_MOST = 48,
    BUSY = 8, /* groups; above, two curves of each and its best epoch are too many */
    NAMES_TOLD = 10,
    LONG_NAME = 48, /* bytes */
    STYLES = 28,    /* colours and dashes that can be told apart; of more groups than that only */
    FOREMOST = 7    /* the best have some, over the others in grey */
};

/* "loss" stands for train_loss, dashed, and val_loss; a metric's own name for itself alone. */
typedef struct wanted {
    const char *name, *parts[2]; /* parts[1], the one that counts, is never NULL */
    double unit;
    bool asked;
} wanted;

/* A sample among those of all runs of a group. */
typedef struct placed {
    series_sample at;
    size_t nth; /* in the order of the runs */
} placed;

typedef struct plotter {
    store *s;
    const chart_request *r;
    arena *a;
    errors *e;
    size_t shown;       /* groups */
    bool *spoke;        /* for each group: it has a value somewhere */
    const char **names; /* of the groups */
    bool dashes, solid, best, faint;
    int *colours;       /* of the groups that have one */
    size_t behind;      /* runs behind a point of the curve made last, at most */
    size_t least, most; /* of that, over all curves */
    series_source from;
} plotter;

/* ---- a group ---- */

static int by_step(const void *a, const void *b)
{
    const placed *x = a, *y = b;
    if (x->at.step != y->at.step) return x->at.step < y->at.step ? -1 : 1;
    return (x->nth > y->nth) - (x->nth < y->nth);
}

/* The samples of all curves, those of a step beside each other; to be freed. A single curve keeps its gaps. */
static placed *gather(const series *curves, size_t n_curves, size_t *n)
{
    size_t room = 1;
    for (size_t k = 0; k < n_curves; k++) room += curves[k].n;
    placed *all = mem_array(room, sizeof *all);
    bool sorted = true; /* nearly always, of a single curve */
    *n = 0;
    for (size_t k = 0; k < n_curves; k++)
        for (size_t i = 0; i < curves[k].n; i++) {
            if (n_curves > 1 && !isfinite(curves[k].items[i].y)) continue;
            all[*n] = (placed){curves[k].items[i], *n};
            sorted = sorted && (!*n || all[*n - 1].at.step <= all[*n].at.step);
            ++*n;
        }
    if (!sorted) qsort(all, *n, sizeof *all, by_step);
    return all;
}

static void interval(const plotter *p, const statistics *st, double *low, double *high)
{
    *low = *high = st->mean;
    if (st->n < 2) return;
    switch (p->r->band) {
    case CHART_BAND_SD:
        *low -= st->sd, *high += st->sd;
        break;
    case CHART_BAND_CI95:
        *low -= st->half, *high += st->half;
        break;
    case CHART_BAND_MINMAX:
        *low = st->least, *high = st->most;
        break;
    case CHART_BAND_NONE:
        break;
    }
}

/* The mean over the curves, with the band unless it is not wanted. */
static figure_mark mean_of(plotter *p, const series *curves, size_t n, bool banded)
{
    size_t n_all, n_steps = 0, at = 0;
    placed *all = gather(curves, n, &n_all);
    double *values = mem_array(n_all + 1, sizeof *values);
    for (size_t i = 0; i < n_all; i++) {
        values[i] = all[i].at.y;
        n_steps += !i || all[i].at.step != all[i - 1].at.step;
    }
    double *x = arena_array(p->a, n_steps + 1, sizeof *x), *y = arena_array(p->a, n_steps + 1, sizeof *y);
    p->behind = 0;
    double *low = arena_array(p->a, n_steps + 1, sizeof *low),
           *high = arena_array(p->a, n_steps + 1, sizeof *high);
    for (size_t i = 0, end; i < n_all; i = end, at++) {
        for (end = i; end < n_all && all[end].at.step == all[i].at.step; end++)
            x[at] += (all[end].at.x - x[at]) / (double)(end - i + 1);
        const statistics st = statistics_of(values + i, end - i);
        y[at] = n > 1 ? st.mean : values[i];
        interval(p, &st, &low[at], &high[at]);
        if (end - i > p->behind) p->behind = end - i;
    }
    mem_free(values);
    mem_free(all);
    figure_mark m = {.kind = FIGURE_LINE, .x = x, .y = y, .n = n_steps};
    if (n > 1 && banded && p->r->band != CHART_BAND_NONE) m.low = low, m.high = high;
    return m;
}

static size_t finite_points(const figure_mark *m)
{
    size_t n = 0;
    for (size_t i = 0; i < m->n; i++)
        if (isfinite(m->y[i])) n++;
    return n;
}

typedef struct marks {
    figure_mark *items;
    size_t n, cap;
} marks;

static void add(marks *m, figure_mark one)
{
    m->items = MEM_GROW(m->items, m->n, &m->cap);
    m->items[m->n++] = one;
}

/* A ring of the group's colour at the best epoch of a run on its own. */
static void mark_best(plotter *p, const query_run *run, const series *curve, int colour, marks *out)
{
    if (p->shown > BUSY || p->r->x != CHART_X_EPOCH || run->best_epoch == QUERY_NONE || curve->n < 2) return;
    for (size_t i = 0; i < curve->n; i++) {
        if (curve->items[i].x != (double)run->best_epoch || !isfinite(curve->items[i].y)) continue;
        double *at = arena_array(p->a, 2, sizeof *at);
        at[0] = curve->items[i].x;
        at[1] = curve->items[i].y;
        /* As a line of one point: a filled circle for every colour. */
        add(out, (figure_mark){.kind = FIGURE_LINE, .colour = colour, .x = at, .y = at + 1, .n = 1});
        p->best = true;
    }
}

/* What groups are called in the key. Long names of a search differ far behind: there the run's own name tells. */
static void name_groups(plotter *p)
{
    p->names = arena_array(p->a, p->shown + 1, sizeof *p->names);
    for (size_t i = 0; i < p->shown; i++) p->names[i] = p->r->groups->items[i].label;
    names_tidy(p->names, p->shown, p->a);
    for (size_t i = 0; i < p->shown; i++) {
        const group *g = &p->r->groups->items[i];
        const char *label = p->names[i];
        if (!label || g->n != 1 || strlen(label) <= LONG_NAME || text_starts(label, g->runs[0]->name))
            continue;
        p->names[i] = arena_printf(p->a, "%s: %s", g->runs[0]->name, label);
    }
}

/* `in`: the runs of a facet; NULL: all. */
static bool inside(const group *in, const query_run *run)
{
    for (size_t i = 0; in && i < in->n; i++)
        if (in->runs[i] == run) return true;
    return !in;
}

static bool crowded(const plotter *p)
{
    return p->shown > STYLES;
}

/* The foremost alone where there are too many. */
static void give_colours(plotter *p)
{
    const size_t n = crowded(p) ? FOREMOST : p->shown;
    const group **coloured = arena_array(p->a, n + 1, sizeof *coloured);
    p->colours = arena_array(p->a, p->shown + 1, sizeof *p->colours);
    for (size_t i = 0; i < n; i++) coloured[i] = &p->r->groups->items[i];
    chart_colours_give(p->r->colours, p->r->by, coloured, n, p->colours);
}

static cvy_status add_group(plotter *p, const wanted *w, size_t nth, const group *in, marks *out)
{
    const group *g = &p->r->groups->items[nth];
    series *raw = arena_array(p->a, g->n + 1, sizeof *raw), *even = arena_array(p->a, g->n + 1, sizeof *even);
    const bool smoothed = p->r->smooth > 0;
    cvy_status status = CVY_OK;
    for (int part = 0; part < 2 && status == CVY_OK; part++) {
        size_t n = 0;
        if (!w->parts[part] || (part == 0 && p->shown > BUSY)) continue;
        for (size_t k = 0; k < g->n && status == CVY_OK; k++) {
            if (!inside(in, g->runs[k])) continue;
            status = chart_series_read(&p->from, g->runs[k]->name, w->parts[part], w->unit, &raw[n]);
            if (raw[n].n) n++;
        }
        for (size_t k = 0; k < n && smoothed; k++) chart_series_smooth(&raw[k], p->r->smooth, p->a, &even[k]);
        figure_mark m = mean_of(p, smoothed ? even : raw, n, part == 1);
        if (!finite_points(&m)) continue;
        if (p->behind < p->least) p->least = p->behind;
        if (p->behind > p->most) p->most = p->behind;
        if (smoothed && p->shown <= BUSY && part == 1) {
            figure_mark behind = mean_of(p, raw, n, false);
            behind.faint = true;
            behind.colour = p->colours[nth];
            add(out, behind);
            p->faint = true;
        }
        m.label = p->names[nth];
        m.colour = p->colours[nth];
        if (crowded(p) && nth >= FOREMOST) {
            m.colour = FIGURE_GREY;
            m.faint = m.unlisted = true;
            m.low = m.high = NULL;
        }
        m.dashed = part == 0;
        add(out, m);
        if (part == 1 && g->n == 1 && !smoothed && w->parts[0])
            mark_best(p, g->runs[0], &raw[0], p->colours[nth], out);
        if (w->parts[0] && m.n > 1) *(part ? &p->solid : &p->dashes) = true;
        p->spoke[nth] = true;
    }
    return status;
}

/* ---- a panel ---- */

static const char *loss_of(plotter *p)
{
    const query_pairs *params = &p->r->groups->items[0].params;
    for (size_t i = 0; i < params->n; i++)
        if ((!strcmp(params->items[i].key, "loss") || !strcmp(params->items[i].key, "loss.type")) &&
            !strstr(params->items[i].value, "cross_entropy"))
            return arena_printf(p->a, "loss (%s)", params->items[i].value);
    return "cross-entropy loss";
}

/* Where training has no curves beside those of the validation, the axis says so and not the key. */
static const char *axis_label(plotter *p, const wanted *w)
{
    double unit;
    const char *alone = w->parts[0] && p->shown > BUSY ? "validation " : "";
    if (!strcmp(w->name, "loss")) return arena_printf(p->a, "%s%s", alone, loss_of(p));
    return arena_printf(p->a, "%s%s", alone, chart_axis_metric(w->name, p->a, &unit));
}

static const char *x_label(const plotter *p)
{
    switch (p->r->x) {
    case CHART_X_STEP:
        return "step";
    case CHART_X_IMAGES:
        return "images seen";
    case CHART_X_TIME:
        return p->from.time_unit >= 3600 ? "training time (h)"
               : p->from.time_unit >= 60 ? "training time (min)"
                                         : "training time (s)";
    case CHART_X_EPOCH:
        break;
    }
    return "epoch";
}

static void y_axis(plotter *p, const wanted *w, const marks *m, figure_axis *axis)
{
    size_t all = 0, n = 0;
    *axis =
        (figure_axis){.label = axis_label(p, w), .log = p->r->log_y, .low = (double)NAN, .high = (double)NAN};
    for (size_t i = 0; i < m->n; i++) all += m->items[i].n;
    double *y = mem_array(all + 1, sizeof *y);
    for (size_t i = 0; i < m->n; i++)
        for (size_t k = 0; k < m->items[i].n; k++)
            if (isfinite(m->items[i].y[k])) y[n++] = m->items[i].y[k];
    if (strstr(w->name, "loss") && chart_axis_peaks(y, n)) axis->log = true;
    if (w->unit == 100 && !axis->log && n && y[0] >= 0 && y[n - 1] <= 100) {
        if (y[n - 1] > 95) axis->high = 100.5;
        axis->most = 100;
        if (y[0] < 4) axis->low = 0;
    }
    mem_free(y);
}

static cvy_status add_panel(plotter *p, const wanted *w, const group *in, const char *facet,
                            figure_panel *out)
{
    marks m = {0};
    cvy_status status = CVY_OK;
    for (size_t i = FOREMOST; crowded(p) && i < p->shown && status == CVY_OK; i++)
        status = add_group(p, w, i, in, &m);
    const size_t listed = crowded(p) ? FOREMOST : p->shown;
    for (size_t i = 0; i < listed && status == CVY_OK; i++) status = add_group(p, w, i, in, &m);
    *out = (figure_panel){
        .title = facet,
        .x = {.label = x_label(p), .log = p->r->log_x, .low = (double)NAN, .high = (double)NAN},
        .n = m.n};
    if (!m.n) out->said = "no values";
    y_axis(p, w, &m, &out->y);
    figure_mark *kept = arena_array(p->a, m.n + 1, sizeof *kept);
    if (m.n) memcpy(kept, m.items, m.n * sizeof *kept);
    out->marks = kept;
    mem_free(m.items);
    return status;
}

/* ---- which metrics ---- */

static void unknown_metric(plotter *p, const char *name, const char **names, size_t n)
{
    text all = {0}, safe = {0}, hint = {0};
    const char **hidden; /* those of groups that are not among the best */
    size_t n_hidden = 0;
    text_safe(&safe, name, 60);
    if (chart_metrics(p->s, p->r->groups, p->shown, p->r->groups->n, p->a, &hidden, &n_hidden, p->e) ==
            CVY_OK &&
        chart_metrics_has(hidden, n_hidden, name)) {
        errors_add(p->e, CVY_ERR_CONFIG, NULL, "--most shows more of them; or name the runs that have it",
                   "none of the best %zu has a metric \"%s\", which others of these runs have", p->shown,
                   text_str(&safe));
    } else {
        const char *nearest = text_nearest(name, names, n);
        for (size_t i = 0; i < n; i++) text_printf(&all, "%s%s", i ? ", " : "", names[i]);
        if (nearest) text_printf(&hint, "did you mean `%s`?", nearest);
        errors_add(p->e, CVY_ERR_CONFIG, NULL, hint.n ? text_str(&hint) : NULL,
                   "no run has a metric \"%s\"; there %s %s", text_str(&safe), n == 1 ? "is" : "are",
                   n ? text_str(&all) : "none yet");
    }
    text_free(&all);
    text_free(&safe);
    text_free(&hint);
}

static cvy_status want(plotter *p, const char *given, bool asked, wanted **out, size_t *n_out)
{
    const char **names;
    size_t n = 0;
    cvy_status status = chart_metrics(p->s, p->r->groups, 0, p->shown, p->a, &names, &n, p->e);
    *n_out = 0;
    *out = arena_array(p->a, strlen(given) + 1, sizeof **out);
    for (const char *s = given; status == CVY_OK && *s;) {
        const size_t len = strcspn(s, ",");
        const char *name = arena_text_n(p->a, s, len);
        s += len + (s[len] == ',');
        while (*name == ' ') name++;
        if (!*name) continue;
        const char *train = arena_printf(p->a, "train_%s", name), *val = arena_printf(p->a, "val_%s", name);
        wanted w = {.name = name, .asked = asked};
        chart_axis_metric(name, p->a, &w.unit);
        if (chart_metrics_has(names, n, name)) {
            w.parts[1] = name;
        } else if (chart_metrics_has(names, n, train) || chart_metrics_has(names, n, val)) {
            w.parts[0] = train;
            w.parts[1] = val;
        } else {
            if (asked) unknown_metric(p, name, names, n);
            continue;
        }
        (*out)[(*n_out)++] = w;
    }
    return status == CVY_OK ? errors_status(p->e) : status;
}

/* ---- what is said ---- */

static const char *caption(plotter *p, size_t panels_left_out)
{
    const groups *g = p->r->groups;
    static const char *const bands[] = {"band: one standard deviation",
                                        "band: 95 % confidence interval of the mean",
                                        "band: lowest to highest", ""};
    const repeated of = groups_repeats(g->items, p->shown);
    text t = {0};
    if (p->shown < g->n)
        text_printf(&t, "the best %zu of %zu %s", p->shown, g->n,
                    p->r->by          ? "values"
                    : g->n == p->r->n ? "runs"
                                      : "configurations");
    if (p->most > 1) {
        text_printf(&t, "%smean over ", t.n ? "; " : "");
        if (of.folds)
            repeats_say_span(&of, p->least, p->most, &t);
        else
            repeats_span(p->least, p->most, "run", &t);
        text_printf(&t, "%s%s", p->r->band == CHART_BAND_NONE ? "" : ", ", bands[p->r->band]);
    } else if (p->shown > 1) {
        text_printf(&t, "%sone run each", t.n ? "; " : "");
    }
    if (p->r->smooth > 0)
        text_printf(&t, "%sexponential moving average with weight %.4g%s", t.n ? "; " : "", p->r->smooth,
                    p->faint ? ", the values themselves behind it" : "");
    if (panels_left_out)
        text_printf(&t, "%s%zu more panel%s left out", t.n ? "; " : "", panels_left_out,
                    panels_left_out == 1 ? "" : "s");
    const char *s = t.n ? arena_text(p->a, t.s) : NULL;
    text_free(&t);
    return s;
}

static cvy_status tell(plotter *p)
{
    text silent = {0};
    size_t n = 0;
    for (size_t i = 0; i < p->shown; i++) {
        if (p->spoke[i]) continue;
        if (n++ < NAMES_TOLD)
            text_printf(&silent, "%s%s", silent.n ? ", " : "", p->r->groups->items[i].runs[0]->name);
        if (n == NAMES_TOLD + 1) text_add(&silent, ", ...");
    }
    cvy_status status = CVY_OK;
    if (n == p->shown) {
        status = chart_nothing(p->r, p->e, NULL, "%s",
                               p->from.skipped ? "no value is a finite number"
                                               : "no run has finished an epoch yet");
    } else {
        if (n) errors_warn(p->e, NULL, NULL, "nothing to draw for %s yet", text_str(&silent));
        if (p->from.skipped)
            errors_warn(p->e, NULL, NULL, "%zu value%s that %s not finite (nan, inf) left out",
                        p->from.skipped, p->from.skipped == 1 ? "" : "s",
                        p->from.skipped == 1 ? "is" : "are");
    }
    text_free(&silent);
    return status;
}

/* Entries of the key that stand for themselves, in the first panel. */
static void explain(plotter *p, figure_panel *panel)
{
    figure_mark *m = arena_array(p->a, panel->n + 4, sizeof *m);
    if (panel->n) memcpy(m, panel->marks, panel->n * sizeof *m);
    if (p->dashes)
        m[panel->n++] =
            (figure_mark){.kind = FIGURE_LINE, .label = "training", .colour = FIGURE_BLACK, .dashed = true};
    if (p->solid && p->dashes)
        m[panel->n++] = (figure_mark){.kind = FIGURE_LINE, .label = "validation", .colour = FIGURE_BLACK};
    if (crowded(p))
        m[panel->n++] = (figure_mark){.kind = FIGURE_LINE, .label = "the others", .colour = FIGURE_GREY};
    if (p->best)
        m[panel->n++] = (figure_mark){.kind = FIGURE_POINTS, .label = "best epoch", .colour = FIGURE_BLACK};
    panel->marks = m;
}

/* ---- the whole ---- */

cvy_status chart_curves(store *s, const chart_request *r, arena *a, figure *out, errors *e)
{
    plotter p = {.s = s, .r = r, .a = a, .e = e, .least = SIZE_MAX};
    const size_t most = r->most ? r->most : CHART_CURVES_MOST;
    groups facets = {0};
    wanted *w = NULL;
    size_t n_wanted = 0;
    if (!r->groups->n) return chart_nothing(r, e, NULL, "no runs");
    p.shown = r->groups->n < most ? r->groups->n : most;
    p.spoke = arena_array(a, p.shown, sizeof *p.spoke);
    p.from = (series_source){
        .s = s, .x = r->x, .time_unit = chart_series_time_unit(r->runs, r->n), .a = a, .e = e};
    name_groups(&p);
    give_colours(&p);
    cvy_status status = want(&p, r->metric ? r->metric : "loss,accuracy", r->metric != NULL, &w, &n_wanted);
    if (status == CVY_OK && r->facet) status = charts_group_by(s, r->runs, r->n, r->facet, a, &facets, e);
    if (status == CVY_OK && n_wanted > PANELS_MOST)
        status = errors_add(e, CVY_ERR_CONFIG, NULL, "several pictures with some of them each",
                            "%zu metrics are %zu panels, and a picture has %d at most", n_wanted, n_wanted,
                            PANELS_MOST);
    if (status != CVY_OK) return status;
    chart_facets_sort(&facets);
    const size_t n_facets = r->facet ? facets.n : 1;
    const size_t each = n_wanted ? PANELS_MOST / n_wanted : 1, drawn = n_facets < each ? n_facets : each;
    figure_panel *panels = arena_array(a, n_wanted * drawn + 1, sizeof *panels);
    size_t n = 0;
    for (size_t i = 0; i < n_wanted; i++)
        for (size_t k = 0; k < drawn && status == CVY_OK; k++)
            status = add_panel(&p, &w[i], r->facet ? &facets.items[k] : NULL,
                               r->facet ? facets.items[k].label : NULL, &panels[n++]);
    if (status == CVY_OK) status = tell(&p);
    if (status != CVY_OK) return status;
    for (size_t i = 0; i < n_wanted && drawn > 1; i++) chart_facets_share(panels + i * drawn, drawn);
    explain(&p, &panels[0]);
    *out = (figure){.title = r->title,
                    .caption = caption(&p, n_wanted * (n_facets - drawn)),
                    .panels = panels,
                    .n = n,
                    .key = true};
    return CVY_OK;
}
