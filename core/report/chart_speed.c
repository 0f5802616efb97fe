/* Owns the chart of how fast runs were, epoch by epoch. */
#include "report/chart_search.h"

#include <math.h>
#include <stdint.h>

#include "report/chart_axis.h"
#include "report/chart_judge.h"
#include "report/names.h"

enum { CURVES = 8 };

typedef struct bin {
    double sum, least, most;
    size_t n;
} bin;

/* Mean over the runs of a group, by epoch, between the slowest and the fastest; *behind: how many runs an epoch has at most. */
static cvy_status collect(store *s, const group *g, const char *label, const char *metric, arena *a,
                          figure_mark *out, size_t *behind, errors *e)
{
    bin *bins = NULL;
    size_t n_bins = 0, cap = 0;
    cvy_status status = CVY_OK;
    for (size_t i = 0; i < g->n && status == CVY_OK; i++) {
        arena own = {0};
        query_curve c;
        status = query_curve_of(s, g->runs[i]->name, QUERY_MEASURED, metric, &own, &c, e);
        for (size_t k = 0; status == CVY_OK && k < c.n; k++) {
            const query_point *p = &c.points[k];
            if (!isfinite(p->value) || p->epoch < 1 || p->epoch > 100000) continue;
            for (; n_bins < (size_t)p->epoch; n_bins++) {
                bins = MEM_GROW(bins, n_bins, &cap);
                bins[n_bins] = (bin){0, (double)INFINITY, -(double)INFINITY, 0};
            }
            bin *b = &bins[p->epoch - 1];
            b->sum += p->value;
            b->least = fmin(b->least, p->value);
            b->most = fmax(b->most, p->value);
            b->n++;
        }
        arena_free(&own);
    }
    double *x = arena_array(a, n_bins + 1, sizeof *x), *y = arena_array(a, n_bins + 1, sizeof *y),
           *low = arena_array(a, n_bins + 1, sizeof *low), *high = arena_array(a, n_bins + 1, sizeof *high);
    *out = (figure_mark){.kind = FIGURE_LINE, .label = label, .x = x, .y = y};
    *behind = 0;
    for (size_t i = 0; i < n_bins; i++) {
        if (!bins[i].n) continue;
        if (bins[i].n > *behind) *behind = bins[i].n;
        x[out->n] = (double)(i + 1);
        y[out->n] = bins[i].sum / (double)bins[i].n;
        low[out->n] = bins[i].least;
        high[out->n++] = bins[i].most;
    }
    if (g->n > 1) out->low = low, out->high = high;
    mem_free(bins);
    return status;
}

cvy_status chart_speed(store *s, const chart_request *r, arena *a, figure *out, errors *e)
{
    const size_t most = r->most ? r->most : CURVES, n = r->groups->n < most ? r->groups->n : most;
    figure_mark *marks = arena_array(a, n + 1, sizeof *marks);
    figure_panel *p = arena_array(a, 1, sizeof *p);
    cvy_status status = CVY_OK;
    size_t silent = 0, least = SIZE_MAX, most_runs = 0;
    const group **shown = arena_array(a, n + 1, sizeof *shown);
    int *colours = arena_array(a, n + 1, sizeof *colours);
    const char **labels = arena_array(a, n + 1, sizeof *labels);
    for (size_t i = 0; i < n; i++) labels[i] = r->groups->items[i].label;
    names_tidy(labels, n, a);
    *p = (figure_panel){
        .x = chart_axis_plain("epoch"), .y = chart_axis_plain("training images per second"), .marks = marks};
    for (size_t i = 0; i < n && status == CVY_OK; i++) {
        const group *g = &r->groups->items[i];
        size_t behind;
        status = collect(s, g, labels[i], "images_per_second", a, &marks[p->n], &behind, e);
        if (status != CVY_OK) return status;
        if (!behind) {
            silent++;
            continue;
        }
        if (behind < least) least = behind;
        if (behind > most_runs) most_runs = behind;
        shown[p->n++] = g;
    }
    chart_colours_give(r->colours, r->by, shown, p->n, colours);
    for (size_t i = 0; i < p->n; i++) marks[i].colour = colours[i];
    if (!p->n) return chart_nothing(r, e, NULL, "no run has finished an epoch yet");
    p->y.low = 0;
    if (r->log_y) p->y.log = true, p->y.low = (double)NAN;
    text t = {0};
    chart_judge_say(&t, "as measured while training, other programs on the machine included");
    if (most_runs > 1) {
        chart_judge_say(&t, "mean over ");
        repeats_span(least, most_runs, "run", &t);
        text_add(&t, ", band: from the slowest to the fastest");
    }
    if (n < r->groups->n) chart_judge_say(&t, "the best %zu of %zu", n, r->groups->n);
    if (silent) chart_judge_say(&t, "%zu without a finished epoch left out", silent);
    *out = (figure){.title = r->title,
                    .caption = arena_text(a, text_str(&t)),
                    .panels = p,
                    .n = 1,
                    .columns = 1,
                    .key = n > 1};
    text_free(&t);
    return CVY_OK;
}
