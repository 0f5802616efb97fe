/* Owns how a map of cells becomes boxes of colour with their values in them; must not know the rest of its panel. */
#include <math.h>
#include <string.h>

#include "report/figure_draw.h"

enum { CELLS_TOLD = 196 /* with their values */ };

static size_t axis_values(const double *v, size_t n, double *out)
{
    size_t k = 0;
    for (size_t i = 0; i < n; i++) {
        size_t at = k;
        if (!isfinite(v[i])) continue;
        while (at > 0 && out[at - 1] > v[i]) at--;
        if (at > 0 && out[at - 1] == v[i]) continue;
        memmove(out + at + 1, out + at, (k - at) * sizeof *out);
        out[at] = v[i];
        k++;
    }
    return k;
}

static void value_text(text *t, double v, bool whole, bool shares, bool tens)
{
    if (whole && fabs(v) < 1e5)
        text_printf(t, "%.0f", v);
    else if (shares)
        text_printf(t, "%.2f", v);
    else if (tens && fabs(v) < 100) /* as many decimals in all cells */
        text_printf(t, "%.1f", v);
    else if (fabs(v) >= 1e4)
        text_printf(t, "%.1e", v);
    else
        text_printf(t, fabs(v) >= 100 ? "%.0f" : fabs(v) >= 10 ? "%.1f" : "%.3g", v);
}

static double share_of(double v, const axis_plan *c)
{
    return c->log ? log(v / c->low) / log(c->high / c->low) : (v - c->low) / (c->high - c->low);
}

/* The values as text, in two blocks: dark on light and light on dark; nothing when they would not fit. */
static void cell_texts(drawing *d, const figure_panel *p, const figure_mark *m, const axis_plan *colour,
                       double cell_width, double cell_height)
{
    const bool shares = colour->low >= -1 && colour->high <= 1,
               tens = colour->high >= 10 && colour->high <= 100;
    double longest = 0;
    text t = {0};
    for (size_t i = 0; i < m->n; i++) {
        if (!isfinite(m->value[i])) continue;
        value_text(&t, m->value[i], colour->whole, shares, tens);
        longest = fmax(longest, (double)t.n);
        text_free(&t);
    }
    double font = fmin(d->font, cell_width / (0.62 * (longest + 0.5)));
    if (font < (d->print ? 10.67 : 9) || cell_height < 1.1 * font || m->n > CELLS_TOLD) return;
    for (int dark = 0; dark < 2; dark++) {
        size_t b = 0, rows = 0;
        for (size_t i = 0; i < m->n; i++) {
            if (!figure_shows(p, m->x[i], m->y[i]) || !isfinite(m->value[i]) ||
                (p->colour.log && m->value[i] <= 0) ||
                figure_dark(share_of(m->value[i], colour)) != (dark == 1))
                continue;
            if (!rows++) b = figure_block_begin(d);
            figure_number(d->out, m->x[i]);
            figure_number(d->out, m->y[i]);
            text_char(d->out, ' ');
            value_text(d->out, m->value[i], colour->whole, shares, tens);
            text_char(d->out, '\n');
        }
        if (!rows) continue;
        figure_block_end(d);
        figure_element(d, NULL);
        text_printf(&d->plot,
                    "$d%zu using 1:2:3 with labels center noenhanced font ',%.4g' textcolor rgb '%s' notitle",
                    b, figure_points(d, font), dark ? "#FFFFFF" : figure_ink);
    }
}

void figure_cells(drawing *d, const figure_panel *p, const figure_mark *m, const axis_plan *colour,
                  const frame *at)
{
    double *xs = mem_array(m->n + 1, sizeof *xs), *ys = mem_array(m->n + 1, sizeof *ys);
    const size_t n_x = axis_values(m->x, m->n, xs), n_y = axis_values(m->y, m->n, ys);
    size_t b = 0, rows = 0;
    for (size_t i = 0; i < m->n; i++) {
        double box[4];
        if (!figure_shows(p, m->x[i], m->y[i]) || !isfinite(m->value[i]) ||
            (p->colour.log && m->value[i] <= 0))
            continue;
        if (!rows++) b = figure_block_begin(d);
        figure_cell_edges(xs, n_x, m->x[i], p->x.log, &box[0], &box[1]);
        figure_cell_edges(ys, n_y, m->y[i], p->y.log, &box[2], &box[3]);
        figure_number(d->out, m->x[i]);
        figure_number(d->out, m->y[i]);
        for (size_t k = 0; k < 4; k++) figure_number(d->out, box[k]);
        figure_number(d->out, m->value[i]);
        text_char(d->out, '\n');
    }
    if (rows) {
        figure_block_end(d);
        figure_element(d, m->label);
        text_printf(&d->plot,
                    "$d%zu using 1:2:3:4:5:6:7 with boxxyerror fc palette fs solid 1.0 noborder notitle", b);
        if (p->n == 1) /* nothing else stands on the cells */
            cell_texts(d, p, m, colour, (at->right - at->left) / (double)(n_x ? n_x : 1),
                       (at->bottom - at->top) / (double)(n_y ? n_y : 1));
    }
    mem_free(xs);
    mem_free(ys);
}
