/* Owns figures made of letters, for a terminal; gnuplot places everything here. Must not know pictures. */
#include <math.h>
#include <string.h>

#include "report/figure_draw.h"
#include "report/gnuplot.h"
#include "report/names.h"

enum { COLUMNS = 80, ROWS = 24, KEY_MOST = 12 };

static void data(drawing *d, const figure_panel *p, const figure_mark *m, size_t *rows)
{
    bool gap = false;
    *rows = 0;
    for (size_t i = 0; i < m->n; i++) {
        const bool pair = m->kind == FIGURE_SEGMENTS;
        if (!figure_shows(p, m->x[i], m->y[i]) || (pair && !figure_shows(p, m->x2[i], m->y2[i])) ||
            (m->kind == FIGURE_CELLS && !isfinite(m->value[i]))) {
            gap = *rows > 0;
            continue;
        }
        if (!*rows) text_printf(d->out, "$d%zu << EOD\n", d->blocks);
        if (gap) text_char(d->out, '\n');
        gap = pair;
        figure_number(d->out, m->x[i]);
        figure_number(d->out, m->y[i]);
        if (m->kind == FIGURE_CELLS) text_printf(d->out, " %.3g", m->value[i]);
        text_char(d->out, '\n');
        if (pair) {
            figure_number(d->out, m->x2[i]);
            figure_number(d->out, m->y2[i]);
            text_char(d->out, '\n');
        }
        ++*rows;
    }
    if (*rows) text_add(d->out, "EOD\n");
}

static void axis(drawing *d, const char *name, const figure_axis *a, const axis_plan *p)
{
    text_printf(d->out, "%s logscale %s\nset %srange [", p->log ? "set" : "unset", name, name);
    figure_number(d->out, p->low);
    text_add(d->out, " :");
    figure_number(d->out, p->high);
    text_printf(d->out, "]\nset %slabel ", name);
    gnuplot_quote(d->out, a->label && *name == 'x' ? a->label : "", FIGURE_LABEL_MOST);
    text_printf(d->out, " noenhanced\nset %stics nomirror (", name);
    for (size_t i = 0, n = 0; i < p->n; i++) {
        if (!p->ticks[i].label) continue;
        text_add(d->out, n++ ? ", " : "");
        figure_quote_tick(d->out, p->ticks[i].label, 10);
        figure_number(d->out, p->ticks[i].at);
    }
    text_add(d->out, ")\n");
}

static bool listed(const figure_panel *p, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (p->marks[k].label && !p->marks[k].dashed && !strcmp(p->marks[k].label, p->marks[i].label))
            return true;
    return false;
}

static void panel(drawing *d, const figure_panel *p, int columns, int rows, bool key)
{
    bool solid = false; /* letters have no dashes: beside solid lines dashed ones are left out */
    for (size_t i = 0; i < p->n; i++)
        solid = solid || (p->marks[i].n && !p->marks[i].dashed && !p->marks[i].faint);
    axis_plan x, y, colour;
    figure_ranges(p, &x, &y, &colour);
    /* A letter counts as one pixel of the font, two high. */
    figure_ticks(d, &p->x, &x, columns - 12.0, true);
    figure_ticks(d, &p->y, &y, (rows - 6) * 1.3, false);
    axis(d, "x", &p->x, &x);
    axis(d, "y", &p->y, &y);
    text_add(d->out, "set title ");
    /* A label along the y axis would stand upright and take its place: it goes above. */
    const char *y_label = p->y.label ? p->y.label : "";
    const char *title =
        p->title ? arena_printf(&d->a, "%.300s%s%.300s", p->title, *y_label ? ": " : "", y_label) : y_label;
    gnuplot_quote(d->out, title, (size_t)columns);
    text_add(d->out, " noenhanced\nunset label\n");
    if (p->said || !x.any || !y.any) {
        text_add(d->out, "set label 1 ");
        gnuplot_quote(d->out, p->said ? p->said : "no finite values", (size_t)columns - 12);
        text_add(d->out, " at graph 0.5, graph 0.5 center noenhanced\n");
    }
    const char **labels = arena_array(&d->a, p->n + 1, sizeof *labels);
    for (size_t i = 0; i < p->n; i++) labels[i] = p->marks[i].label;
    if (key) names_cut(labels, p->n, (size_t)columns / 2, &d->a);
    size_t named = 0;
    for (size_t i = 0; i < p->n && !p->said; i++) {
        const figure_mark *m = &p->marks[i];
        size_t n;
        if (m->kind == FIGURE_TEXT || m->faint || (solid && m->dashed)) continue;
        data(d, p, m, &n);
        if (!n) continue;
        figure_element(d, NULL);
        text_printf(&d->plot, "$d%zu using %s ", d->blocks++,
                    m->kind == FIGURE_CELLS              ? "1:2:3 with labels noenhanced"
                    : m->kind == FIGURE_BARS             ? "1:2 with impulses"
                    : m->kind == FIGURE_POINTS || n == 1 ? "1:2 with points"
                    : m->kind == FIGURE_STEPS            ? "1:2 with steps"
                                                         : "1:2 with lines");
        if (m->kind != FIGURE_CELLS)
            text_printf(&d->plot, "%s %d", m->kind == FIGURE_POINTS || n == 1 ? "pt" : "lt",
                        (m->colour < 0 ? 0 : m->colour) % 6 + 1);
        if (key && m->label && !m->value && !listed(p, i) && named++ < KEY_MOST) {
            text_add(&d->plot, " title ");
            gnuplot_quote(&d->plot, labels[i], (size_t)columns / 2);
        } else {
            text_add(&d->plot, " notitle");
        }
    }
    figure_plot(d);
}

void figure_plain(drawing *d)
{
    const int columns = d->look.columns > 20 ? d->look.columns : COLUMNS;
    const int rows = d->look.rows > 10 ? d->look.rows : ROWS;
    d->font = 1;
    text_printf(d->out, "set encoding utf8\nset key below noenhanced\nset border 3\nunset colorbox\n");
    for (size_t i = 0; i < d->f->n; i++) {
        const bool last = i + 1 == d->f->n;
        int more = 0; /* for the key, which the last panel has */
        for (size_t k = 0; k < d->f->panels[i].n && more < KEY_MOST && last; k++)
            more += d->f->panels[i].marks[k].label != NULL;
        text_printf(d->out, "set terminal dumb noenhanced size %d,%d\n", columns, rows + more / 2);
        panel(d, &d->f->panels[i], columns, rows, last && d->f->key);
    }
}
