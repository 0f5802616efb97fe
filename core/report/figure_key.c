/* Owns the key of a figure: which labels, in how many columns, and a sample of each; must not know the panels' axes. */
#include <math.h>
#include <string.h>

#include "report/figure_draw.h"
#include "report/gnuplot.h"
#include "report/names.h"

enum {
    LABEL_MOST = 2 * FIGURE_LABEL_MOST,
    /* a line of its own, where it fits */ ENTRIES_MOST = 60,
    COLUMNS_MOST = 8
};

static double sample_width(const drawing *d)
{
    return 2.2 * d->font;
}

/* Where the label stands; n when it is not there yet. */
static size_t place_of(const key_plan *k, const char *label)
{
    size_t i = 0;
    while (i < k->n && strcmp(k->entries[i]->label, label) != 0) i++;
    return i;
}

/* Of several marks under one label the plainest is shown: the solid line rather than its dashed or faint companion. */
static bool plainer(const figure_mark *a, const figure_mark *b)
{
    return a->dashed + 2 * a->faint < b->dashed + 2 * b->faint;
}

void figure_key_plan(drawing *d, key_plan *k)
{
    *k = (key_plan){.most = LABEL_MOST};
    if (!d->f->key) return;
    k->entries = arena_array(&d->a, ENTRIES_MOST, sizeof *k->entries);
    for (size_t i = 0; i < d->f->n; i++)
        for (size_t j = 0; j < d->f->panels[i].n; j++) {
            const figure_mark *m = &d->f->panels[i].marks[j];
            if (!m->label || m->unlisted || m->value || m->kind == FIGURE_TEXT) continue;
            const size_t at = place_of(k, m->label);
            if (at < k->n) {
                if (plainer(m, k->entries[at])) k->entries[at] = m;
                continue;
            }
            if (k->n == ENTRIES_MOST)
                k->left_out++;
            else
                k->entries[k->n++] = m;
        }
    if (!k->n) return;
    const double inside = d->width - 2 * d->font, around = sample_width(d) + 1.9 * d->font;
    for (size_t i = 0; i < k->n; i++) {
        const char *label = k->entries[i]->label;
        if (figure_text_width(label, k->most, d->font) <= inside - around) continue;
        const size_t fits = figure_fitting(label, inside - around, d->font);
        if (fits < k->most) k->most = fits;
    }
    k->labels = arena_array(&d->a, k->n, sizeof *k->labels);
    for (size_t i = 0; i < k->n; i++) k->labels[i] = k->entries[i]->label;
    names_cut(k->labels, k->n, k->most, &d->a);
    double *own = arena_array(&d->a, k->n, sizeof *own);
    for (size_t i = 0; i < k->n; i++) own[i] = around + figure_text_width(k->labels[i], k->most, d->font);
    k->widths = arena_array(&d->a, k->n, sizeof *k->widths);
    /* As many columns as fit, each as wide as its longest entry, filled from the top down. */
    for (k->columns = k->n < COLUMNS_MOST ? k->n : COLUMNS_MOST;; k->columns--) {
        k->rows = (k->n + k->columns - 1) / k->columns;
        k->columns = (k->n + k->rows - 1) / k->rows;
        k->width = 0;
        for (size_t c = 0; c < k->columns; c++) {
            k->widths[c] = 0;
            for (size_t i = c * k->rows; i < (c + 1) * k->rows && i < k->n; i++)
                k->widths[c] = fmax(k->widths[c], own[i]);
            k->width += k->widths[c];
        }
        if (k->columns == 1 || k->width <= inside) break;
    }
    k->height = 1.5 * d->font * (double)(k->rows + (k->left_out > 0)) + 0.4 * d->font;
}

static size_t begin(drawing *d)
{
    text_printf(d->out, "$d%zu << EOD\n", d->blocks);
    return d->blocks++;
}

/* The style goes behind the elements that are already there. */
static void sample(drawing *d, const figure_mark *m, double x, double y)
{
    const double width = sample_width(d), half = 0.35 * d->font;
    const bool area = m->kind == FIGURE_BARS || m->kind == FIGURE_CELLS, dot = m->kind == FIGURE_POINTS;
    text *out = d->out;
    if (m->kind == FIGURE_LINE && m->low) {
        const size_t b = begin(d);
        text_printf(d->out, " %.2f %.2f %.2f\n %.2f %.2f %.2f\nEOD\n", x, y - half, y + half, x + width,
                    y - half, y + half);
        figure_element(d, NULL);
        text_printf(&d->plot, "$d%zu using 1:2:3 with filledcurves ", b);
        d->out = &d->plot;
        figure_fill_style(d, m, 205);
        d->out = out;
        text_add(&d->plot, " notitle");
    }
    const size_t b = begin(d);
    if (area)
        text_printf(d->out, " %.2f %.2f %.2f %.2f %.2f %.2f\nEOD\n", x + width / 2, y,
                    x + width / 2 - 0.6 * d->font, x + width / 2 + 0.6 * d->font, y - half, y + half);
    else if (dot)
        text_printf(d->out, " %.2f %.2f\nEOD\n", x + width / 2, y);
    else
        text_printf(d->out, " %.2f %.2f\n %.2f %.2f\nEOD\n", x, y, x + width, y);
    figure_element(d, m->label);
    text_printf(&d->plot, "$d%zu using %s ", b,
                area                       ? "1:2:3:4:5:6 with boxxyerror"
                : dot                      ? "1:2 with points"
                : figure_line_marked(d, m) ? "1:2 with linespoints"
                                           : "1:2 with lines");
    d->out = &d->plot;
    if (area)
        figure_fill_style(d, m, m->faint ? 160 : 0);
    else if (dot)
        figure_point_style(d, m, m->faint ? 0.6 : 1);
    else {
        figure_line_style(d, m);
        figure_line_marks(d, m, 2);
    }
    d->out = out;
    text_add(&d->plot, " notitle");
    if (!dot || !(m->ringed || m->circled)) return;
    figure_element(d, NULL);
    text_printf(&d->plot, "$d%zu using 1:2 with points pt 6 ps %.3g lw %.3g lc rgb '%s' notitle", b,
                2 * d->point, 0.7 * d->line, figure_ink);
}

void figure_key_write(drawing *d, const key_plan *k, double top)
{
    double x = fmax(d->font, (d->width - k->width + 1.4 * d->font) / 2);
    figure_faint(d, &(figure_panel){.n = 0});
    for (size_t i = 0; i < k->n; i++) {
        const size_t nth = i % k->rows;
        if (i && !nth) x += k->widths[i / k->rows - 1];
        const double y = top + 1.5 * d->font * ((double)nth + 0.5);
        sample(d, k->entries[i], x, d->height - y);
        figure_write(d, k->labels[i], k->most, x + sample_width(d) + 0.5 * d->font, y, "left", d->font,
                     figure_ink);
    }
    if (k->left_out)
        figure_write(d, arena_printf(&d->a, "and %zu more", k->left_out), k->most, d->width / 2,
                     top + 1.5 * d->font * ((double)k->rows + 0.5), "center", d->small_font, figure_soft);
}
