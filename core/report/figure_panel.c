/* Owns how the marks of one panel become datablocks and elements of a plot command, and its axes; must not know where on the page
 * the panel stands or why. */
#include <math.h>
#include <string.h>

#include "report/figure_draw.h"
#include "report/gnuplot.h"

enum { NAMES_HOVER = 2000, RING_NAMES = 24, SAID_LINES = 5, SAID_MOST = 400 };

/* The panel being written. */
typedef struct panel {
    const figure_panel *p;
    const axis_plan *x, *y, *colour;
    const frame *at;
} panel;

/* ---- data and elements ---- */

size_t figure_block_begin(drawing *d)
{
    text_printf(d->out, "$d%zu << EOD\n", d->blocks);
    return d->blocks++;
}

void figure_block_end(drawing *d)
{
    text_add(d->out, "EOD\n");
}

void figure_element(drawing *d, const char *hover)
{
    text_add(&d->plot, d->plot.n ? ", \\\n     " : "plot ");
    d->hover = MEM_GROW(d->hover, d->n_hover, &d->cap_hover);
    d->hover[d->n_hover++] = hover;
}

void figure_plot(drawing *d)
{
    if (!d->plot.n) { /* something has to be plotted for axes and labels to appear */
        const size_t b = figure_block_begin(d);
        text_add(d->out, " 0 0\n");
        figure_block_end(d);
        figure_element(d, NULL);
        text_printf(&d->plot, "$d%zu using 1:2 with dots lc rgb '#FFFFFFFF' notitle", b);
    }
    text_add_n(d->out, d->plot.s, d->plot.n);
    text_char(d->out, '\n');
    text_free(&d->plot);
}

/* Data go out at once, elements are kept until all data are out: what a style function writes lands there too. */
static void style(drawing *d, void (*write)(drawing *, const figure_mark *), const figure_mark *m)
{
    text *out = d->out;
    d->out = &d->plot;
    write(d, m);
    d->out = out;
}

static void style_marks(drawing *d, const figure_mark *m, size_t rows)
{
    text *out = d->out;
    d->out = &d->plot;
    figure_line_marks(d, m, rows);
    d->out = out;
}

static void style_points(drawing *d, const figure_mark *m, double size)
{
    text *out = d->out;
    d->out = &d->plot;
    figure_point_style(d, m, size);
    d->out = out;
}

static void style_fill(drawing *d, const figure_mark *m, int alpha)
{
    text *out = d->out;
    d->out = &d->plot;
    figure_fill_style(d, m, alpha);
    d->out = out;
}

static bool interval(const figure_mark *m, size_t i)
{
    return m->low && m->high && isfinite(m->low[i]) && isfinite(m->high[i]);
}

/* The low end of an interval, which a logarithmic axis may not be able to show. */
static double low_of(const figure_mark *m, size_t i, const axis_plan *y)
{
    return y->log && m->low[i] <= 0 ? y->low : m->low[i];
}

static void row(drawing *d, const figure_mark *m, size_t i)
{
    figure_number(d->out, m->x[i]);
    figure_number(d->out, m->y[i]);
    text_char(d->out, '\n');
}

/* So many pixels to the side of x. */
static double aside(const panel *q, double x, double pixels)
{
    const double share = pixels / (q->at->right - q->at->left);
    return q->x->log ? x * pow(q->x->high / q->x->low, share) : x + share * (q->x->high - q->x->low);
}

/* An interval as lines with caps: gnuplot's own error bars clear a spot around their middle. */
static void whisker(drawing *d, const panel *q, const figure_mark *m, size_t i, double x, double cap)
{
    const double low = low_of(m, i, q->y), high = fmax(m->high[i], low);
    const double ends[3][4] = {{x, low, x, high},
                               {aside(q, x, -cap), low, aside(q, x, cap), low},
                               {aside(q, x, -cap), high, aside(q, x, cap), high}};
    for (size_t k = 0; k < 3; k++) {
        figure_number(d->out, ends[k][0]);
        figure_number(d->out, ends[k][1]);
        text_char(d->out, '\n');
        figure_number(d->out, ends[k][2]);
        figure_number(d->out, ends[k][3]);
        text_add(d->out, "\n\n");
    }
}

static void whiskers(drawing *d, const panel *q, const figure_mark *m, double shift, uint32_t colour,
                     bool (*which)(const panel *, const figure_mark *, size_t))
{
    size_t b = 0, rows = 0;
    for (size_t i = 0; i < m->n; i++) {
        if (!figure_shows(q->p, m->x[i], m->y[i]) || !interval(m, i) || (which && !which(q, m, i))) continue;
        if (!rows++) b = figure_block_begin(d);
        whisker(d, q, m, i, m->x[i] + shift, 0.3 * d->font);
    }
    if (!rows) return;
    figure_block_end(d);
    figure_element(d, NULL);
    text_printf(&d->plot, "$d%zu using 1:2 with lines lw %.3g lc rgb '#%06X' notitle", b, 0.55 * d->line,
                (unsigned)colour);
}

/* ---- lines, bands, steps ---- */

static void band(drawing *d, const panel *q, const figure_mark *m)
{
    const figure_panel *p = q->p;
    const axis_plan *y = q->y;
    size_t b = 0, rows = 0, run = 0;
    bool gap = false;
    for (size_t i = 0; i < m->n; i++) {
        if (!figure_shows(p, m->x[i], m->y[i]) || !interval(m, i)) {
            gap = run > 0;
            run = 0;
            continue;
        }
        if (!rows) b = figure_block_begin(d);
        if (gap) text_char(d->out, '\n');
        gap = false;
        figure_number(d->out, m->x[i]);
        figure_number(d->out, low_of(m, i, y));
        figure_number(d->out, fmax(m->high[i], low_of(m, i, y)));
        text_char(d->out, '\n');
        rows++;
        run++;
    }
    if (!rows) return;
    figure_block_end(d);
    if (rows < 2) return; /* a single point shows its interval as a bar */
    figure_element(d, m->label);
    text_printf(&d->plot, "$d%zu using 1:2:3 with filledcurves ", b);
    style_fill(d, m, 205);
    text_add(&d->plot, " notitle");
}

/* Whether point i stands alone between values that cannot be shown. */
static bool alone(const panel *q, const figure_mark *m, size_t i)
{
    const figure_panel *p = q->p;
    return (!i || !figure_shows(p, m->x[i - 1], m->y[i - 1])) &&
           (i + 1 == m->n || !figure_shows(p, m->x[i + 1], m->y[i + 1]));
}

static void line(drawing *d, const panel *q, const figure_mark *m)
{
    size_t b = 0, rows = 0, singles = 0;
    bool gap = false;
    for (size_t i = 0; i < m->n; i++) {
        const bool shows = figure_shows(q->p, m->x[i], m->y[i]);
        singles += shows && alone(q, m, i);
        if (!shows || alone(q, m, i)) {
            gap = rows > 0;
            continue;
        }
        if (!rows) b = figure_block_begin(d);
        if (gap) text_char(d->out, '\n');
        gap = false;
        row(d, m, i);
        rows++;
    }
    if (rows) {
        figure_block_end(d);
        figure_element(d, m->label);
        text_printf(&d->plot, "$d%zu using 1:2 with %s ", b,
                    m->kind == FIGURE_STEPS    ? "steps"
                    : figure_line_marked(d, m) ? "linespoints"
                                               : "lines");
        style(d, figure_line_style, m);
        style_marks(d, m, rows);
        text_add(&d->plot, " notitle");
    }
    if (!singles) return;
    whiskers(d, q, m, 0, figure_colour(m->colour), alone);
    b = figure_block_begin(d);
    for (size_t i = 0; i < m->n; i++)
        if (figure_shows(q->p, m->x[i], m->y[i]) && alone(q, m, i)) row(d, m, i);
    figure_block_end(d);
    figure_element(d, m->label);
    text_printf(&d->plot, "$d%zu using 1:2 with points ", b);
    style_points(d, m, m->faint ? 0.6 : 1);
    text_add(&d->plot, " notitle");
}

/* ---- points ---- */

static void ring(drawing *d, const figure_panel *p, const figure_mark *m)
{
    size_t b = 0, rows = 0;
    for (size_t i = 0; i < m->n; i++) {
        if (!figure_shows(p, m->x[i], m->y[i])) continue;
        if (!rows++) b = figure_block_begin(d);
        row(d, m, i);
    }
    if (!rows) return;
    figure_block_end(d);
    figure_element(d, NULL);
    text_printf(&d->plot, "$d%zu using 1:2 with points pt 6 ps %.3g lw %.3g lc rgb '%s' notitle", b,
                2 * d->point, 0.7 * d->line, figure_ink);
    for (size_t i = 0; i < m->n && m->ringed && rows <= RING_NAMES; i++) {
        if (!m->names || !m->names[i] || !figure_shows(p, m->x[i], m->y[i])) continue;
        text_add(d->out, "set label ");
        gnuplot_quote(d->out, m->names[i], FIGURE_CATEGORY_MOST);
        text_add(d->out, " at first");
        figure_number(d->out, m->x[i]);
        text_add(d->out, ", first");
        figure_number(d->out, m->y[i]);
        text_printf(d->out, " left noenhanced offset character 0.9,0.6 textcolor rgb '%s'\n", figure_ink);
    }
}

static void point_element(drawing *d, const figure_mark *m, size_t block, const char *hover)
{
    figure_block_end(d);
    figure_element(d, hover);
    text_printf(&d->plot, "$d%zu using 1:2 with points ", block);
    style_points(d, m, m->faint ? 0.6 : 1);
    text_add(&d->plot, " notitle");
}

static void points(drawing *d, const panel *q, const figure_mark *m)
{
    /* In an SVG each point with a name is an element of its own, so that the pointer shows it. */
    const bool each = m->names && d->look.format == FIGURE_SVG && m->n <= NAMES_HOVER;
    size_t b = 0, rows = 0;
    whiskers(d, q, m, 0, figure_colour(m->colour), NULL);
    for (size_t i = 0; i < m->n; i++) {
        if (!figure_shows(q->p, m->x[i], m->y[i])) continue;
        if (!rows++) b = figure_block_begin(d);
        row(d, m, i);
        if (!each) continue;
        const char *name = m->names[i] ? m->names[i] : m->label;
        point_element(d, m, b,
                      m->label && m->names[i] ? arena_printf(&d->a, "%s: %s", m->label, name) : name);
        rows = 0;
    }
    if (rows) point_element(d, m, b, m->label);
    if (m->ringed || m->circled) ring(d, q->p, m);
}

/* ---- bars ---- */

static void bars(drawing *d, const panel *q, const figure_mark *m, size_t nth)
{
    const figure_panel *p = q->p;
    const axis_plan *y = q->y;
    size_t n = 1, b = 0, rows = 0;
    bool dodged;
    double width = figure_bar_width(p, &n, &dodged), shift = 0;
    if (dodged && n > 1) {
        width /= (double)n;
        shift = width * ((double)nth - ((double)n - 1) / 2);
    }
    const double half = width / 2 * (dodged && n > 1 ? 0.92 : 1);
    const double from = y->log ? y->low : fmax(y->low, fmin(0, y->high));
    for (size_t i = 0; i < m->n; i++) {
        if (!figure_shows(p, m->x[i], m->y[i])) continue;
        if (!rows++) b = figure_block_begin(d);
        const double x = m->x[i] + shift;
        const double box[] = {x, m->y[i], x - half, x + half, fmin(from, m->y[i]), fmax(from, m->y[i])};
        for (size_t k = 0; k < 6; k++) figure_number(d->out, box[k]);
        text_char(d->out, '\n');
    }
    if (!rows) return;
    figure_block_end(d);
    figure_element(d, m->label);
    text_printf(&d->plot, "$d%zu using 1:2:3:4:5:6 with boxxyerror ", b);
    style_fill(d, m, m->faint ? 160 : 0);
    text_add(&d->plot, " notitle");
    whiskers(d, q, m, shift, figure_colour(FIGURE_BLACK), NULL);
}

/* ---- segments ---- */

static void segments(drawing *d, const figure_panel *p, const figure_mark *m)
{
    size_t b = 0, rows = 0, last = 0;
    for (size_t i = 0; i < m->n; i++) {
        const bool coloured = !m->value || (isfinite(m->value[i]) && (!p->colour.log || m->value[i] > 0));
        if (!figure_shows(p, m->x[i], m->y[i]) || !figure_shows(p, m->x2[i], m->y2[i]) || !coloured) continue;
        if (!rows) b = figure_block_begin(d);
        const bool on = rows && m->x2[last] == m->x[i] && m->y2[last] == m->y[i] &&
                        (!m->value || m->value[last] == m->value[i]);
        const double ends[2][2] = {{m->x[i], m->y[i]}, {m->x2[i], m->y2[i]}};
        if (rows && !on) text_char(d->out, '\n');
        for (int k = on; k < 2; k++) {
            figure_number(d->out, ends[k][0]);
            figure_number(d->out, ends[k][1]);
            if (m->value) figure_number(d->out, m->value[i]);
            text_char(d->out, '\n');
        }
        rows++;
        last = i;
    }
    if (!rows) return;
    figure_block_end(d);
    figure_element(d, m->label);
    if (m->value) {
        text_printf(&d->plot, "$d%zu using 1:2:3 with lines lw %.3g lc palette notitle", b,
                    (m->faint ? 0.5 : 0.8) * d->line);
    } else {
        text_printf(&d->plot, "$d%zu using 1:2 with lines ", b);
        style(d, figure_line_style, m);
        text_add(&d->plot, " notitle");
    }
}

/* ---- texts ---- */

static void texts(drawing *d, const figure_panel *p, const figure_mark *m)
{
    if (m->faint)
        text_add(d->out, "set style textbox opaque noborder fillcolor rgb '#30FFFFFF' margins 0.5,0.3\n");
    for (size_t i = 0; i < m->n; i++) {
        if (!m->names || !m->names[i] || !figure_shows(p, m->x[i], m->y[i])) continue;
        text_add(d->out, "set label ");
        gnuplot_quote(d->out, m->names[i], FIGURE_LABEL_MOST);
        text_add(d->out, " at first");
        figure_number(d->out, m->x[i]);
        text_add(d->out, ", first");
        figure_number(d->out, m->y[i]);
        text_printf(d->out, " center noenhanced front%s textcolor rgb '#%06X'\n", m->faint ? " boxed" : "",
                    (unsigned)figure_colour(m->colour));
    }
}

/* ---- axes ---- */

void figure_margins(drawing *d, const frame *at)
{
    text_printf(d->out,
                "set lmargin at screen %.6f\nset rmargin at screen %.6f\nset tmargin at screen %.6f\n"
                "set bmargin at screen %.6f\n",
                at->left / d->width, at->right / d->width, 1 - at->top / d->height,
                1 - at->bottom / d->height);
}

/* gnuplot takes the text at a tick for a format of its number, so a percent sign has to be doubled. */
static void tick_label(drawing *d, const char *s, size_t most)
{
    text quoted = {0};
    gnuplot_quote(&quoted, s, most);
    for (const char *c = text_str(&quoted); *c; c++) {
        if (*c == '%') text_char(d->out, '%');
        text_char(d->out, *c);
    }
    text_free(&quoted);
}

static void axis(drawing *d, const char *name, const axis_plan *p, bool names)
{
    text_printf(d->out, "%s logscale %s\nset %srange [", p->log ? "set" : "unset", name, name);
    figure_number(d->out, p->low);
    text_add(d->out, " :");
    figure_number(d->out, p->high);
    if (!p->n) { /* to gnuplot an empty list is none, and it would choose its own */
        text_printf(d->out, "]\nunset %stics\n", name);
        return;
    }
    text_printf(d->out, "]\nset %stics %s (", name,
                p->slanted ? "rotate by 40 right" : "norotate autojustify");
    for (size_t i = 0; i < p->n; i++) {
        text_add(d->out, i ? ", " : "");
        tick_label(d, p->ticks[i].label ? p->ticks[i].label : "",
                   !names ? FIGURE_CATEGORY_MOST : figure_category_most(d, *name == 'x'));
        figure_number(d->out, p->ticks[i].at);
        if (!p->ticks[i].label) text_add(d->out, " 1");
    }
    text_add(d->out, ")\n");
}

static void mark(drawing *d, const panel *q, const figure_mark *m, size_t *nth_bar)
{
    switch (m->kind) {
    case FIGURE_LINE:
    case FIGURE_STEPS:
        line(d, q, m);
        break;
    case FIGURE_POINTS:
        points(d, q, m);
        break;
    case FIGURE_BARS:
        bars(d, q, m, (*nth_bar)++);
        break;
    case FIGURE_SEGMENTS:
        segments(d, q->p, m);
        break;
    case FIGURE_CELLS:
        figure_cells(d, q->p, m, q->colour, q->at);
        break;
    case FIGURE_TEXT:
        texts(d, q->p, m);
        break;
    }
}

/* In place of the marks, in as many lines as it takes. */
static void say(drawing *d, const char *s, const frame *at)
{
    const char *lines[SAID_LINES];
    size_t n = 0;
    for (; *s && n < SAID_LINES; n++) lines[n] = figure_line(d, &s, at->right - at->left, d->font);
    for (size_t i = 0; i < n; i++)
        figure_write(d, lines[i], SAID_MOST, (at->left + at->right) / 2,
                     (at->top + at->bottom) / 2 + 1.4 * d->font * ((double)i - 0.5 * (double)(n - 1)),
                     "center", d->font, figure_soft);
}

void figure_panel_write(drawing *d, const figure_panel *p, const axis_plan *x, const axis_plan *y,
                        const axis_plan *colour, const frame *at)
{
    const bool empty = p->said || !x->any || !y->any;
    const panel q = {p, x, y, colour, at};
    bool is_cells = false;
    size_t nth_bar = 0;
    figure_faint(d, p);
    for (size_t i = 0; i < p->n; i++) is_cells = is_cells || p->marks[i].kind == FIGURE_CELLS;
    text_printf(d->out,
                "unset label\nset border %d lc rgb '%s' lw 1\nset tics nomirror out scale 0.6,0.3 textcolor "
                "rgb '%s'\n",
                is_cells                      ? 0
                : p->y.names && !p->y.n_names ? 1 /* no axis upwards */
                                              : 3,
                figure_ink, figure_ink);
    if (is_cells)
        text_add(d->out, "unset grid\n");
    else
        text_printf(d->out, "set grid %s ytics lt 1 dt solid lc rgb '%s' lw 0.6\n",
                    p->x.names ? "noxtics" : "xtics", figure_grid);
    figure_margins(d, at);
    axis(d, "x", x, p->x.names != NULL);
    axis(d, "y", y, p->y.names != NULL);
    if (colour->any) {
        figure_palette(d, is_cells);
        text_printf(d->out, "%s logscale cb\n", colour->log ? "set" : "unset");
        axis(d, "cb", colour, false);
        text_printf(
            d->out,
            "set cbtics scale 0.4\nset colorbox vertical user origin screen %.6f, screen %.6f size screen "
            "%.6f, screen %.6f noborder\n",
            (at->right + d->font) / d->width, 1 - at->bottom / d->height, 0.8 * d->font / d->width,
            (at->bottom - at->top) / d->height);
    } else {
        text_add(d->out, "unset colorbox\n");
    }
    if (empty) {
        text_add(d->out, "unset xtics\nunset ytics\nunset grid\n");
        say(d, p->said ? p->said : "no finite values", at);
    } else {
        for (size_t i = 0; i < p->n; i++) /* bands first: no line lies under one */
            if (p->marks[i].kind == FIGURE_LINE) band(d, &q, &p->marks[i]);
        for (size_t i = 0; i < p->n; i++) mark(d, &q, &p->marks[i], &nth_bar);
    }
    /* Labels last: `set label` lines of the page's own texts may follow before the plot command. */
}
