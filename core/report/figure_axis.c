/* Owns from where to where axes go and what stands at their ticks; must not know gnuplot. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/figure_draw.h"

bool figure_shows(const figure_panel *p, double x, double y)
{
    return isfinite(x) && isfinite(y) && (!p->x.log || x > 0) && (!p->y.log || y > 0);
}

/* ---- ranges ---- */

static void stretch(axis_plan *p, double v)
{
    if (!isfinite(v) || (p->log && v <= 0)) return;
    if (v != floor(v)) p->whole = false;
    v = fmax(-1e300, fmin(1e300, v));
    if (!p->any || v < p->low) p->low = v;
    if (!p->any || v > p->high) p->high = v;
    p->any = true;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void figure_cell_edges(const double *v, size_t n, double at, bool log, double *low, double *high)
{
    double before = -(double)INFINITY, after = (double)INFINITY;
    for (size_t i = 0; i < n; i++) {
        if (v[i] < at) before = fmax(before, v[i]);
        if (v[i] > at) after = fmin(after, v[i]);
    }
    if (log) {
        double down = before > 0 && isfinite(before) ? sqrt(at / before) : 0;
        double up = isfinite(after) ? sqrt(after / at) : down > 0 ? down : 2;
        if (!(down > 0)) down = up;
        *low = at / down;
        *high = at * up;
    } else {
        double down = isfinite(before) ? (at - before) / 2 : 0, up = isfinite(after) ? (after - at) / 2 : 0;
        if (!(down > 0)) down = up > 0 ? up : 0.5;
        if (!(up > 0)) up = down;
        *low = at - down;
        *high = at + up;
    }
}

/* The distinct values of an array, in order; those that are finite. */
static size_t distinct(const double *v, size_t n, double *out)
{
    size_t k = 0, kept = 0;
    for (size_t i = 0; i < n; i++)
        if (isfinite(v[i])) out[k++] = v[i];
    if (k) qsort(out, k, sizeof *out, by_value);
    for (size_t i = 0; i < k; i++)
        if (!kept || out[i] != out[kept - 1]) out[kept++] = out[i];
    return kept;
}

double figure_bar_width(const figure_panel *p, size_t *marks, bool *dodged)
{
    size_t n = 0;
    *marks = 0;
    for (size_t i = 0; i < p->n; i++)
        if (p->marks[i].kind == FIGURE_BARS) n += p->marks[i].n, ++*marks;
    double *all = mem_array(n + 1, sizeof *all);
    n = 0;
    for (size_t i = 0; i < p->n; i++)
        for (size_t k = 0; p->marks[i].kind == FIGURE_BARS && k < p->marks[i].n; k++)
            if (isfinite(p->marks[i].x[k])) all[n++] = p->marks[i].x[k];
    const size_t kept = distinct(all, n, all);
    double step = kept > 1 ? (double)INFINITY : 1;
    for (size_t i = 1; i < kept; i++) step = fmin(step, all[i] - all[i - 1]);
    mem_free(all);
    *dodged = kept < n;
    return 0.8 * step;
}

static void stretch_mark(const figure_panel *p, const figure_mark *m, axis_plan *x, axis_plan *y,
                         axis_plan *colour)
{
    double *xs = NULL, *ys = NULL;
    size_t n_x = 0, n_y = 0;
    if (m->kind == FIGURE_CELLS) {
        xs = mem_array(m->n + 1, sizeof *xs);
        ys = mem_array(m->n + 1, sizeof *ys);
        n_x = distinct(m->x, m->n, xs);
        n_y = distinct(m->y, m->n, ys);
        for (size_t i = 0; i < n_x; i++) {
            double low, high;
            figure_cell_edges(xs, n_x, xs[i], p->x.log, &low, &high);
            if (p->x.log && xs[i] <= 0) continue;
            stretch(x, low);
            stretch(x, high);
        }
        for (size_t i = 0; i < n_y; i++) {
            double low, high;
            figure_cell_edges(ys, n_y, ys[i], p->y.log, &low, &high);
            if (p->y.log && ys[i] <= 0) continue;
            stretch(y, low);
            stretch(y, high);
        }
        mem_free(xs);
        mem_free(ys);
    }
    for (size_t i = 0; i < m->n; i++) {
        if (m->value) stretch(colour, m->value[i]);
        if (m->kind == FIGURE_CELLS) continue;
        if (m->kind == FIGURE_SEGMENTS) {
            if (!figure_shows(p, m->x[i], m->y[i]) || !figure_shows(p, m->x2[i], m->y2[i])) continue;
            stretch(x, m->x2[i]);
            stretch(y, m->y2[i]);
        }
        if (!figure_shows(p, m->x[i], m->y[i])) continue;
        stretch(x, m->x[i]);
        stretch(y, m->y[i]);
        if (m->low) stretch(y, m->low[i]);
        if (m->high) stretch(y, m->high[i]);
        if (m->kind == FIGURE_BARS) stretch(y, 0);
    }
}

static void widen(axis_plan *p, const figure_axis *axis, double edge, bool flush)
{
    if (p->any && p->log) {
        const double ratio = p->high > p->low ? pow(p->high / p->low, edge) : 2;
        p->low /= ratio;
        p->high *= ratio;
    } else if (p->any) {
        const bool zero = flush && p->low == 0, top = flush && p->high == 0 && p->low < 0;
        double add = p->high > p->low ? edge * (p->high - p->low) : 0.05 * fabs(p->high);
        if (!(add > 0) && p->high <= p->low) add = 1e-6;
        if (p->whole && p->high <= p->low) add = 1;
        if (!zero) p->low -= add;
        if (!top) p->high += add;
    }
    if (axis->most > 0 && p->any && p->high > 1.005 * axis->most && p->low < axis->most)
        p->high = 1.005 * axis->most;
    const bool silent = axis->low == 0 && axis->high == 0; /* a zeroed axis says nothing */
    if (!silent && isfinite(axis->low) && (!p->log || axis->low > 0)) p->low = axis->low;
    if (!silent && isfinite(axis->high) && (!p->log || axis->high > 0)) p->high = axis->high;
    if (!(p->high > p->low)) p->high = p->low + fmax(1e-6, fabs(p->low));
}

void figure_ranges(const figure_panel *p, axis_plan *x, axis_plan *y, axis_plan *colour)
{
    *x = (axis_plan){.log = p->x.log, .whole = true, .low = p->x.log ? 1 : 0, .high = 1};
    *y = (axis_plan){.log = p->y.log, .whole = true, .low = p->y.log ? 1 : 0, .high = 1};
    *colour = (axis_plan){.log = p->colour.log, .whole = true, .low = p->colour.log ? 1 : 0, .high = 1};
    bool cells = false, bars = false, any_points = false;
    size_t n_bars;
    bool dodged;
    for (size_t i = 0; i < p->n; i++) {
        stretch_mark(p, &p->marks[i], x, y, colour);
        cells = cells || p->marks[i].kind == FIGURE_CELLS;
        bars = bars || p->marks[i].kind == FIGURE_BARS;
        any_points = any_points || (p->marks[i].kind == FIGURE_POINTS && p->marks[i].n && !p->marks[i].faint);
    }
    if (bars && x->any && !p->x.names) {
        const double half = 0.6 * figure_bar_width(p, &n_bars, &dodged);
        if (!x->log) x->low -= half, x->high += half;
    }
    if (p->x.n_names && x->any)
        x->low = fmin(x->low, -0.5), x->high = fmax(x->high, (double)p->x.n_names - 0.5);
    if (p->y.n_names && y->any)
        y->low = fmin(y->low, -0.5), y->high = fmax(y->high, (double)p->y.n_names - 0.5);
    widen(x, &p->x, cells || p->x.n_names ? 0 : any_points ? 0.045 : 0.02, false);
    widen(y, &p->y, cells || p->y.n_names ? 0 : p->y.names ? 0.02 : 0.05, bars);
    widen(colour, &p->colour, 0, false);
}

/* ---- ticks ---- */

static void add_tick(drawing *d, axis_plan *p, double at, const char *label)
{
    const size_t cap = p->n & (p->n - 1) ? 0 : p->n ? 2 * p->n : 4; /* grows at powers of two */
    if (cap) {
        tick *more = arena_array(&d->a, cap < 4 ? 4 : cap, sizeof *more);
        if (p->n) memcpy(more, p->ticks, p->n * sizeof *more);
        p->ticks = more;
    }
    p->ticks[p->n++] = (tick){at, label};
    if (label) p->widest = fmax(p->widest, figure_text_width(label, FIGURE_CATEGORY_MOST, d->font));
}

static const char *tick_text(drawing *d, double v, double step, double most)
{
    static const struct {
        double size;
        const char *name;
    } units[] = {{1e12, "T"}, {1e9, "G"}, {1e6, "M"}, {1e3, "k"}};
    if (fabs(v) < 1e-9 * most) return "0";
    if (most >= 1e15 || most < 1e-3) return arena_printf(&d->a, "%.4g", v);
    if (most >= 1e5)
        for (size_t i = 0; i < 4; i++)
            if (most >= units[i].size) return arena_printf(&d->a, "%.5g%s", v / units[i].size, units[i].name);
    const int decimals = step >= 1 ? 0 : (int)ceil(-log10(step) - 1e-9);
    return arena_printf(&d->a, "%.*f", decimals > 12 ? 12 : decimals, v);
}

/* "1e-5", without the zero that C puts in; `plain`: the whole axis can do without powers of ten. */
static const char *log_text(drawing *d, double v, bool plain)
{
    if (plain && v >= 1e4) return tick_text(d, v, v, fmax(v, 1e5));
    if (plain) return arena_printf(&d->a, "%.10g", v);
    const int power = (int)floor(log10(v) + 1e-9);
    return arena_printf(&d->a, "%.0fe%d", v / pow(10, power), power);
}

static void log_ticks(drawing *d, axis_plan *p, double length, bool across)
{
    const int first = (int)floor(log10(p->low)), last = (int)ceil(log10(p->high));
    const double decades = log10(p->high / p->low);
    const bool plain = p->low >= 0.9e-4 && p->high < 1e13;
    double room = 2.2 * d->font;
    for (int k = first; across && k <= last; k++) /* a label and its distance from the next */
        if (pow(10, k) >= 0.5 * p->low && pow(10, k) <= 2 * p->high)
            room = fmax(room, 1.2 * d->font + figure_text_width(log_text(d, pow(10, k), plain),
                                                                FIGURE_CATEGORY_MOST, d->font));
    const double per_decade = decades > 0 ? length / decades : length;
    int skip = 1;
    while (per_decade * skip < room && skip < 400) skip++;
    /* Below two decades powers of ten alone say too little. */
    const bool twos = decades < 2.2 && per_decade * 0.3 > room,
               all = decades < 0.7 && per_decade * 0.08 > room;
    for (int k = first; k <= last; k++) {
        for (int m = 1; m < 10; m++) {
            const double v = m * pow(10, k);
            if (v < p->low * (1 - 1e-9) || v > p->high * (1 + 1e-9)) continue;
            const bool named = m == 1 ? k % skip == 0 : all || (twos && (m == 2 || m == 5));
            if (named)
                add_tick(d, p, v, log_text(d, v, plain));
            else if ((m == 1 && decades < 60) || (skip == 1 && decades < 12))
                add_tick(d, p, v, NULL);
        }
    }
    size_t named = 0;
    for (size_t i = 0; i < p->n; i++) named += p->ticks[i].label != NULL;
    if (named >= 2) return;
    p->n = 0; /* within less than a decade: round numbers as on a plain axis */
    p->widest = 0;
    const double range = p->high - p->low, step0 = pow(10, floor(log10(range / 4)));
    const double step = range / step0 > 20 ? 5 * step0 : range / step0 > 8 ? 2 * step0 : step0;
    for (double v = ceil(p->low / step) * step; v <= p->high && p->n < 20; v += step)
        add_tick(d, p, v, tick_text(d, v, step, p->high));
}

static void linear_ticks(drawing *d, axis_plan *p, double length, bool across)
{
    static const double times[] = {1, 2, 5};
    const double range = p->high - p->low, most = fmax(fabs(p->low), fabs(p->high));
    const double room = across ? 3.2 * d->font : fmax(2.6 * d->font, length / 10);
    int power = (int)floor(log10(range)) - 2;
    for (int i = 0;; i++) {
        double step = times[i % 3] * pow(10, power + i / 3);
        if (length * step / range < room && i < 60) continue;
        if (p->whole && step < 1 && range > 0.5 && i < 60) continue;
        p->n = 0;
        p->widest = 0;
        for (double k = ceil(p->low / step - 1e-9); k * step <= p->high + 1e-9 * range && p->n < 60; k++)
            add_tick(d, p, k * step, tick_text(d, k * step, step, most));
        if (!across || p->widest + d->font < length * step / range || i >= 60) break;
    }
}

size_t figure_category_most(const drawing *d, bool across)
{
    return across ? d->print ? 16 : FIGURE_CATEGORY_MOST : 40;
}

/* Down the side names take no more than their share of the panel. */
static const char *fitting_name(drawing *d, const char *name, double room)
{
    const size_t fits = figure_fitting(name, room, d->font);
    size_t n = 0, at = 0;
    while (name[at] && n < fits) {
        at++;
        while (((unsigned char)name[at] & 0xC0) == 0x80) at++;
        n++;
    }
    return name[at] ? arena_printf(&d->a, "%.*s…", (int)at, name) : name;
}

static void category_ticks(drawing *d, const figure_axis *axis, axis_plan *p, double length, bool across)
{
    const double each = length / fmax(1, p->high - p->low);
    size_t skip = 1, most = figure_category_most(d, across);
    double widest = 0;
    const char **names = arena_array(&d->a, axis->n_names + 1, sizeof *names);
    for (size_t i = 0; i < axis->n_names; i++) {
        names[i] = axis->names[i] ? axis->names[i] : "";
        if (!across && d->cell > 0) names[i] = fitting_name(d, names[i], 0.5 * d->cell - 4.2 * d->font);
        widest = fmax(widest, figure_text_width(names[i], most, d->font));
    }
    p->slanted = across && widest + 0.8 * d->font > each;
    while ((double)skip * each < 1.15 * d->font && skip < axis->n_names) skip++;
    for (size_t i = 0; i < axis->n_names; i += skip)
        if ((double)i >= p->low && (double)i <= p->high) add_tick(d, p, (double)i, names[i]);
    p->widest = widest;
}

/* The values that there are, where there is room for them. */
static bool own_ticks(drawing *d, const figure_axis *axis, axis_plan *p, double length, bool across)
{
    const double whole = p->log ? log(p->high / p->low) : p->high - p->low;
    double before = -(double)INFINITY, half_before = 0;
    p->n = 0;
    p->widest = 0;
    for (size_t i = 0; i < axis->n_ticks; i++) {
        const double v = axis->ticks[i];
        if (!(v >= p->low && v <= p->high)) continue;
        const char *label =
            v >= 1e5 || v <= -1e5 ? tick_text(d, v, v, fabs(v)) : arena_printf(&d->a, "%.4g", v);
        const double at = length * (p->log ? log(v / p->low) : v - p->low) / whole,
                     half = across ? 0.5 * figure_text_width(label, FIGURE_CATEGORY_MOST, d->font)
                                   : 0.6 * d->font;
        if (at - half < before + half_before + 0.5 * d->font) return false;
        before = at;
        half_before = half;
        add_tick(d, p, v, label);
    }
    return p->n > 0;
}

void figure_ticks(drawing *d, const figure_axis *axis, axis_plan *p, double length, bool across)
{
    if (axis->n_ticks && own_ticks(d, axis, p, length, across)) return;
    p->n = 0;
    p->widest = 0;
    if (axis->names)
        category_ticks(d, axis, p, length, across);
    else if (p->log)
        log_ticks(d, p, length, across);
    else
        linear_ticks(d, p, length, across);
}
