/* Owns what the charts of an evaluation show. */
#include "report/chart_scores.h"

#include <math.h>
#include <stdlib.h>

#include "report/chart_axis.h"

/* ---- confusion ---- */

typedef struct ordered {
    int64_t mistakes;
    size_t class;
} ordered;

static int by_mistakes(const void *a, const void *b)
{
    const ordered *x = a, *y = b;
    if (x->mistakes != y->mistakes) return x->mistakes > y->mistakes ? -1 : 1;
    return (x->class > y->class) - (x->class < y->class);
}

static int by_class(const void *a, const void *b)
{
    const ordered *x = a, *y = b;
    return (x->class > y->class) - (x->class < y->class);
}

/* The classes shown, in their own order. */
static size_t *choose(const int64_t *counts, size_t k, size_t most, arena *a, size_t *shown)
{
    ordered *all = mem_array(k + 1, sizeof *all);
    for (size_t i = 0; i < k; i++) all[i].class = i;
    for (size_t i = 0; i < k; i++)
        for (size_t l = 0; l < k; l++)
            if (i != l) all[i].mistakes += counts[i * k + l], all[l].mistakes += counts[i * k + l];
    *shown = k < most ? k : most;
    if (*shown < k) {
        qsort(all, k, sizeof *all, by_mistakes);
        qsort(all, *shown, sizeof *all, by_class);
    }
    size_t *classes = arena_array(a, *shown + 1, sizeof *classes);
    for (size_t i = 0; i < *shown; i++) classes[i] = all[i].class;
    mem_free(all);
    return classes;
}

void chart_confusion(const int64_t *counts, int64_t n_classes, const char *const *names, const char *title,
                     const char *about, arena *a, figure *out)
{
    const size_t k = n_classes > 0 ? (size_t)n_classes : 0;
    size_t shown;
    const size_t *classes = choose(counts, k, CHART_CONFUSION_MOST, a, &shown);
    const size_t cells = shown * shown;
    double *x = arena_array(a, cells + 1, sizeof *x), *y = arena_array(a, cells + 1, sizeof *y),
           *share = arena_array(a, cells + 1, sizeof *share);
    const char **across = arena_array(a, shown + 1, sizeof *across),
               **down = arena_array(a, shown + 1, sizeof *down);
    int64_t samples = 0, right = 0;
    for (size_t i = 0; i < k * k; i++) samples += counts[i];
    for (size_t i = 0; i < k; i++) right += counts[i * k + i];
    for (size_t i = 0; i < shown; i++) {
        int64_t row = 0;
        for (size_t l = 0; l < k; l++) row += counts[classes[i] * k + l];
        const char *name = names && names[classes[i]] ? chart_axis_short(names[classes[i]], 16, a)
                                                      : arena_printf(a, "%zu", classes[i]);
        across[i] = down[shown - 1 - i] = name;
        for (size_t l = 0; l < shown; l++) {
            const int64_t count = counts[classes[i] * k + classes[l]];
            const size_t at = i * shown + l;
            x[at] = (double)l;
            y[at] = (double)(shown - 1 - i); /* the first class on top */
            /* Nothing is left blank; to a tenth, so that the numbers fit. */
            share[at] = count > 0 ? floor(1000 * (double)count / (double)row + 0.5) / 10 : (double)NAN;
        }
    }
    figure_mark *m = arena_array(a, 1, sizeof *m);
    figure_panel *p = arena_array(a, 1, sizeof *p);
    *m = (figure_mark){.kind = FIGURE_CELLS, .x = x, .y = y, .value = share, .n = cells};
    *p = (figure_panel){.x = chart_axis_names("taken for", across, shown),
                        .y = chart_axis_names("class", down, shown),
                        .colour = chart_axis_plain("share of the class (%)"),
                        .marks = m,
                        .n = 1};
    p->colour.low = 0;
    p->colour.high = 100;
    if (!samples) p->said = "no samples";
    text t = {0};
    text_printf(&t, "%s%sn = ", about ? about : "", about ? "; " : "");
    text_count(&t, samples);
    if (samples) text_printf(&t, " samples, %.2f %% right", 100 * (double)right / (double)samples);
    if (shown < k) text_printf(&t, "; the %zu of %zu classes with the most mistakes", shown, k);
    *out =
        (figure){.title = title, .caption = arena_text(a, text_str(&t)), .panels = p, .n = 1, .columns = 1};
    text_free(&t);
}

/* ---- calibration ---- */

/* Wilson 1927, Probable Inference, the Law of Succession, and Statistical Inference. */
static void wilson(int64_t right, int64_t n, double *low, double *high)
{
    const double z = 1.959963984540054, count = (double)n, p = (double)right / count;
    const double middle = (p + z * z / (2 * count)) / (1 + z * z / count);
    const double half = z / (1 + z * z / count) * sqrt(p * (1 - p) / count + z * z / (4 * count * count));
    *low = fmax(0, middle - half);
    *high = fmin(1, middle + half);
}

void chart_calibration(const chart_bin *bins, size_t n, double error, const char *title, const char *about,
                       arena *a, figure *out)
{
    double *x = arena_array(a, n + 1, sizeof *x), *y = arena_array(a, n + 1, sizeof *y),
           *low = arena_array(a, n + 1, sizeof *low), *high = arena_array(a, n + 1, sizeof *high),
           *middle = arena_array(a, n + 1, sizeof *middle), *share = arena_array(a, n + 1, sizeof *share),
           *ends = arena_array(a, 4, sizeof *ends);
    int64_t samples = 0, right = 0;
    size_t used = 0;
    for (size_t i = 0; i < n; i++) samples += bins[i].n, right += bins[i].right;
    for (size_t i = 0; i < n; i++) {
        middle[i] = 100 * ((double)i + 0.5) / (double)n;
        share[i] = samples ? 100 * (double)bins[i].n / (double)samples : 0;
        if (bins[i].n < 1) continue;
        wilson(bins[i].right, bins[i].n, &low[used], &high[used]);
        low[used] *= 100;
        high[used] *= 100;
        x[used] = 100 * bins[i].confidence / (double)bins[i].n;
        y[used++] = 100 * (double)bins[i].right / (double)bins[i].n;
    }
    ends[1] = 100; /* x: 0, 100; y the same */
    figure_mark *marks = arena_array(a, 4, sizeof *marks);
    marks[0] = (figure_mark){.kind = FIGURE_LINE,
                             .label = "as confident as right",
                             .colour = FIGURE_GREY,
                             .dashed = true,
                             .x = ends,
                             .y = ends,
                             .n = 2};
    marks[1] = (figure_mark){.kind = FIGURE_LINE, .colour = 0, .x = x, .y = y, .n = used};
    marks[2] = (figure_mark){.kind = FIGURE_POINTS,
                             .label = "samples of a bin",
                             .colour = 0,
                             .x = x,
                             .y = y,
                             .low = low,
                             .high = high,
                             .n = used};
    marks[3] = (figure_mark){.kind = FIGURE_BARS, .colour = 0, .x = middle, .y = share, .n = n};
    figure_panel *panels = arena_array(a, 2, sizeof *panels);
    panels[0] = (figure_panel){.x = chart_axis_plain("mean confidence (%)"),
                               .y = chart_axis_plain("right (%)"),
                               .marks = marks,
                               .n = 3};
    panels[1] = (figure_panel){.x = chart_axis_plain("confidence (%)"),
                               .y = chart_axis_plain("share of samples (%)"),
                               .marks = marks + 3,
                               .n = 1};
    panels[0].x.low = panels[1].x.low = panels[0].y.low = panels[1].y.low = 0;
    panels[0].x.high = panels[1].x.high = panels[0].y.high = 100;
    if (!samples) panels[0].said = panels[1].said = "no samples";
    text t = {0};
    text_printf(&t, "%s%sn = ", about ? about : "", about ? "; " : "");
    text_count(&t, samples);
    text_printf(&t, " samples in %zu bins of equal width, lines: 95 %% interval", n);
    if (isfinite(error)) text_printf(&t, "; expected calibration error %.2f %%", 100 * error);
    *out = (figure){
        .title = title, .caption = arena_text(a, text_str(&t)), .panels = panels, .n = 2, .key = true};
    text_free(&t);
}
