/* Owns what a chart of runs shows: which curves, means over repeats, what is left out; must not know how it
 * looks. */
#include "report/charts.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "report/chart_range.h"
#include "report/chart_script.h"
#include "report/gnuplot.h"

typedef struct plotter {
    store *s;
    arena a;
    errors *e;
    size_t skipped; /* values that are not finite */
    text silent;    /* runs without any value */
    size_t n_silent;
} plotter;

/* Sums over the runs of a group, by epoch. */
typedef struct bin {
    double epoch, mean, squares; /* Welford's running mean and sum of squares */
    size_t n;
} bin;

static bin *bin_at(bin **bins, size_t *n, size_t *cap, double epoch)
{
    size_t i = *n; /* epochs come in order: nearly always the last or a new one */
    while (i > 0 && (*bins)[i - 1].epoch > epoch) i--;
    if (i > 0 && (*bins)[i - 1].epoch == epoch) return &(*bins)[i - 1];
    *bins = MEM_GROW(*bins, *n, cap);
    memmove(*bins + i + 1, *bins + i, (*n - i) * sizeof **bins);
    (*bins)[i] = (bin){.epoch = epoch};
    ++*n;
    return &(*bins)[i];
}

static cvy_status collect(plotter *p, const group *g, const char *metric, chart_curve *out)
{
    bin *bins = NULL;
    size_t n = 0, cap = 0;
    cvy_status status = CVY_OK;
    for (size_t k = 0; k < g->n && status == CVY_OK; k++) {
        query_curve c;
        status = query_curve_of(p->s, g->runs[k]->name, metric, &p->a, &c, p->e);
        for (size_t i = 0; status == CVY_OK && i < c.n; i++) {
            double v = c.points[i].value;
            if (!isfinite(v)) {
                p->skipped++;
                continue;
            }
            bin *b = bin_at(&bins, &n, &cap, (double)c.points[i].epoch);
            double off = v - b->mean;
            b->mean += off / (double)++b->n;
            b->squares += off * (v - b->mean);
        }
    }
    *out = (chart_curve){
        .x = arena_array(&p->a, n, sizeof(double)), .y = arena_array(&p->a, n, sizeof(double)), .n = n};
    if (g->n > 1) out->spread = arena_array(&p->a, n, sizeof(double));
    for (size_t i = 0; i < n; i++) {
        out->x[i] = bins[i].epoch;
        out->y[i] = bins[i].mean;
        if (out->spread && bins[i].n > 1) out->spread[i] = sqrt(bins[i].squares / (double)(bins[i].n - 1));
    }
    mem_free(bins);
    return status;
}

static cvy_status add_series(plotter *p, const group *g, chart_series *out)
{
    static const char *const metrics[CHART_PANELS][2] = {{"train_loss", "val_loss"},
                                                         {"train_accuracy", "val_accuracy"}};
    cvy_status status = CVY_OK;
    size_t points = 0;
    out->label = g->label;
    const query_run *only = g->n == 1 ? g->runs[0] : NULL;
    out->best_epoch = only && only->best_epoch != QUERY_NONE ? (double)only->best_epoch : (double)NAN;
    for (int panel = 0; panel < CHART_PANELS && status == CVY_OK; panel++) {
        status = collect(p, g, metrics[panel][0], &out->train[panel]);
        if (status == CVY_OK) status = collect(p, g, metrics[panel][1], &out->validation[panel]);
        points += out->train[panel].n + out->validation[panel].n;
    }
    if (!points) {
        if (p->n_silent++ < 10) text_printf(&p->silent, "%s%s", p->silent.n ? ", " : "", g->runs[0]->name);
        if (p->n_silent == 11) text_add(&p->silent, ", ...");
    }
    return status;
}

static const char *loss_label(plotter *p, const groups *g)
{
    query_pairs params = g->items[0].params;
    for (size_t i = 0; i < params.n; i++)
        if ((!strcmp(params.items[i].key, "loss") || !strcmp(params.items[i].key, "loss.type")) &&
            !strstr(params.items[i].value, "cross_entropy"))
            return arena_printf(&p->a, "loss (%s)", params.items[i].value);
    return "cross-entropy loss";
}

static const char *note_of(plotter *p, const groups *g, size_t shown)
{
    size_t repeats = 0;
    bool folds = true;
    for (size_t i = 0; i < shown; i++) {
        if (g->items[i].n > repeats) repeats = g->items[i].n;
        folds = folds && (g->items[i].n == 1 || g->items[i].n == g->items[i].folds);
    }
    text t = {0};
    if (shown < g->n)
        text_printf(&t, "the best %zu of %zu %s", shown, g->n, repeats > 1 ? "configurations" : "runs");
    if (repeats > 1)
        text_printf(&t, "%smean of up to %zu %s, band: one standard deviation", t.n ? "; " : "", repeats,
                    folds ? "folds" : "runs");
    const char *note = t.n ? arena_text(&p->a, t.s) : NULL;
    text_free(&t);
    return note;
}

static cvy_status draw(plotter *p, const chart *c, const char *prefix)
{
    cvy_status status = CVY_OK;
    for (int format = CHART_PNG; format <= CHART_SVG && status == CVY_OK; format++) {
        text script = {0};
        char *path = mem_printf("%s.%s", prefix, format == CHART_PNG ? "png" : "svg");
        chart_script(c, (chart_format)format, &script);
        status = gnuplot_draw(&script, path, p->e);
        mem_free(path);
        text_free(&script);
    }
    return status;
}

cvy_status charts_draw(store *s, const groups *g, const char *title, const char *prefix, errors *e)
{
    if (g->n == 1 && g->items[0].n == 1 && chart_range_is(s, g->items[0].runs[0]->name, e))
        return chart_range_draw(s, g->items[0].runs[0]->name, title, prefix, e);
    plotter p = {.s = s, .e = e};
    chart c = {.title = title, .n = g->n < CHARTS_SERIES_MAX ? g->n : CHARTS_SERIES_MAX};
    cvy_status status = CVY_OK;
    c.series = arena_array(&p.a, c.n, sizeof *c.series);
    for (size_t i = 0; i < c.n && status == CVY_OK; i++) status = add_series(&p, &g->items[i], &c.series[i]);
    if (status == CVY_OK && p.n_silent == c.n) {
        status = errors_add(e, CVY_ERR_CONFIG, NULL, NULL, "nothing to draw: %s",
                            p.skipped ? "no value is a finite number" : "no run has finished an epoch yet");
    } else if (status == CVY_OK) {
        if (p.n_silent) errors_warn(e, NULL, NULL, "nothing to draw for %s yet", text_str(&p.silent));
        if (p.skipped)
            errors_warn(e, NULL, NULL, "%zu value%s that %s not finite (nan, inf) left out", p.skipped,
                        p.skipped == 1 ? "" : "s", p.skipped == 1 ? "is" : "are");
        c.loss = loss_label(&p, g);
        c.note = note_of(&p, g, c.n);
        status = draw(&p, &c, prefix);
    }
    text_free(&p.silent);
    arena_free(&p.a);
    return status;
}
