/* Owns how a chart looks, as a gnuplot script; must not know where its numbers come from, nor how gnuplot is
 * run. */
#include "report/chart_script.h"

#include <math.h>
#include <string.h>

#include "report/gnuplot.h"

/* All lengths are pixels at 100 dpi of a figure 10 inches wide; a PNG is three times that, an SVG scales. */
enum {
    WIDTH = 1000,
    PLOT_HEIGHT = 330,
    TITLE_HEIGHT = 34,
    AXIS_HEIGHT = 70, /* tics and label under a panel */
    ROW_HEIGHT = 20,  /* of the legend */
    NOTE_HEIGHT = 26,
    EDGE = 10,
    PNG_SCALE = 2,
    LABEL_MOST = 60, /* characters */
    TITLE_MOST = 90,
    BUSY_SERIES = 8 /* above, two lines per run and a mark are too many */
};

/* Okabe and Ito's palette, told apart by every kind of colour vision, its yellow (invisible on white) made
 * grey. */
static const char *const colours[] = {"#0072B2", "#D55E00", "#009E73", "#CC79A7",
                                      "#E69F00", "#56B4E9", "#000000", "#7F7F7F"};
enum { COLOURS = sizeof colours / sizeof *colours };

static const char ink[] = "#333333", faint[] = "#DDDDDD";

typedef struct drawing {
    const chart *c;
    chart_format format;
    text *out;
    bool train, validation, best; /* drawn at all */
    bool points;                  /* no curve has more than one point */
    bool panel[CHART_PANELS];
    size_t columns, rows; /* of the legend */
    double height;
} drawing;

/* ---- data ---- */

static void number(text *t, double v)
{
    text_char(t, ' ');
    text_double(t, v);
}

static void block(drawing *d, const char *kind, size_t series, int panel, const chart_curve *c)
{
    if (!c->n) return;
    const double unit = panel == CHART_ACCURACY ? 100 : 1;
    text_printf(d->out, "$%s%zu_%d << EOD\n", kind, series, panel);
    for (size_t i = 0; i < c->n; i++) {
        double spread = c->spread ? c->spread[i] : 0;
        number(d->out, c->x[i]);
        number(d->out, unit * c->y[i]);
        number(d->out, unit * (c->y[i] - spread));
        number(d->out, unit * (c->y[i] + spread));
        text_char(d->out, '\n');
    }
    text_add(d->out, "EOD\n");
}

static void best_block(drawing *d, size_t series, int panel, const chart_series *s)
{
    const chart_curve *c = &s->validation[panel];
    for (size_t i = 0; i < c->n; i++) {
        if (c->x[i] != s->best_epoch) continue;
        text_printf(d->out, "$best%zu_%d << EOD\n", series, panel);
        number(d->out, c->x[i]);
        number(d->out, (panel == CHART_ACCURACY ? 100 : 1) * c->y[i]);
        text_add(d->out, "\nEOD\n");
    }
}

static bool has_best(const chart_series *s, int panel)
{
    for (size_t i = 0; i < s->validation[panel].n; i++)
        if (s->validation[panel].x[i] == s->best_epoch) return true;
    return false;
}

/* ---- lines ---- */

/* Lines beyond the palette repeat its colours and carry marks: filled circles, then triangles. */
static int mark_of(size_t series)
{
    static const int marks[] = {0, 7, 9, 5};
    return marks[series / COLOURS % 4];
}

static void style(drawing *d, size_t series, bool train, const chart_curve *c)
{
    int mark = train ? 0 : mark_of(series);
    const char *colour = colours[series % COLOURS];
    if (c ? c->n == 1 : d->points) {
        text_printf(d->out, "with points pt %d ps 0.9*point lc rgb '%s'", train ? 6 : 7, colour);
        return;
    }
    text_printf(d->out, "with %s %s lc rgb '%s'", mark ? "linespoints" : "lines",
                train ? "lw 1.2 dt (8,5)" : "lw 2 dt solid", colour);
    if (mark) text_printf(d->out, " pt %d ps 0.7*point", mark);
    if (mark && c) text_printf(d->out, " pi %zu", c->n / 9 + 1);
}

static void begin_item(drawing *d, bool *first)
{
    text_add(d->out, *first ? "plot " : ", \\\n     ");
    *first = false;
}

static void plot_panel(drawing *d, int panel)
{
    bool first = true;
    for (size_t i = 0; i < d->c->n; i++) {
        const chart_curve *v = &d->c->series[i].validation[panel];
        if (!v->n || !v->spread) continue;
        begin_item(d, &first);
        text_printf(
            d->out,
            "$validation%zu_%d using 1:3:4 with filledcurves fc rgb '%s' fs transparent solid 0.15 noborder",
            i, panel, colours[i % COLOURS]);
    }
    for (size_t i = 0; i < d->c->n; i++) {
        const chart_series *s = &d->c->series[i];
        if (d->train && s->train[panel].n) {
            begin_item(d, &first);
            text_printf(d->out, "$train%zu_%d using 1:2 ", i, panel);
            style(d, i, true, &s->train[panel]);
        }
        if (s->validation[panel].n) {
            begin_item(d, &first);
            text_printf(d->out, "$validation%zu_%d using 1:2 ", i, panel);
            style(d, i, false, &s->validation[panel]);
        }
    }
    for (size_t i = 0; i < d->c->n; i++) {
        if (!d->best || !has_best(&d->c->series[i], panel)) continue;
        begin_item(d, &first);
        text_printf(d->out, "$best%zu_%d using 1:2 with points pt 7 ps 1.1*point lc rgb '%s'", i, panel,
                    colours[i % COLOURS]);
    }
    text_char(d->out, '\n');
}

/* ---- axes ---- */

typedef struct extent {
    double x_least, x_most, y_least, y_most;
} extent;

static void stretch(extent *x, const chart_curve *c)
{
    for (size_t i = 0; i < c->n; i++) {
        double spread = c->spread ? c->spread[i] : 0;
        x->x_least = fmin(x->x_least, c->x[i]);
        x->x_most = fmax(x->x_most, c->x[i]);
        x->y_least = fmin(x->y_least, c->y[i] - spread);
        x->y_most = fmax(x->y_most, c->y[i] + spread);
    }
}

static extent extent_of(const drawing *d, int panel)
{
    extent x = {(double)INFINITY, -(double)INFINITY, (double)INFINITY, -(double)INFINITY};
    for (size_t i = 0; i < d->c->n; i++) {
        if (d->train) stretch(&x, &d->c->series[i].train[panel]);
        stretch(&x, &d->c->series[i].validation[panel]);
    }
    return x;
}

/* 1, 2 or 5 times a power of ten, so that at most `most` of them fit. */
static double tic_step(double range, double most)
{
    double step = pow(10, floor(log10(range / most)));
    static const double times[] = {1, 2, 5, 10};
    for (int i = 0; i < 4; i++)
        if (range / (step * times[i]) <= most) return step * times[i];
    return 10 * step;
}

static void x_axis(drawing *d, const extent *x)
{
    double least = x->x_least, most = x->x_most;
    if (most <= least) least -= 1, most += 1;
    double step = fmax(1, tic_step(most - least, 10)), edge = 0.02 * (most - least);
    text_add(d->out, "set xrange [");
    number(d->out, least - edge);
    text_add(d->out, ":");
    number(d->out, most + edge);
    text_add(d->out, "]\nset xtics ");
    number(d->out, step > 1 ? 0 : floor(least));
    text_add(d->out, ",");
    number(d->out, step);
    text_add(d->out, "\nset xlabel 'epoch'\n");
}

typedef struct scale {
    double least, most, step;
    bool logarithmic;
    size_t width; /* of the numbers, in characters */
} scale;

static size_t digits(double v, double step)
{
    int decimals = step < 1 ? (int)ceil(-log10(step) - 1e-9) : 0;
    double whole = fabs(v) < 1 ? 1 : floor(log10(fabs(v))) + 1;
    return (size_t)fmin(whole, 7) + (size_t)(decimals ? decimals + 1 : 0) + (v < 0);
}

static scale scale_of(int panel, const extent *x)
{
    const double unit = panel == CHART_ACCURACY ? 100 : 1;
    scale s = {.least = unit * x->y_least, .most = unit * x->y_most};
    /* One run that explodes must not press all others flat. */
    s.logarithmic = panel == CHART_LOSS && s.least > 0 && s.most / s.least > 200;
    if (s.logarithmic) {
        double widest = fmax((double)digits(s.most, 1), 2 - floor(log10(s.least)));
        s.width = (size_t)fmin(6, widest);
        s.least /= 1.15;
        s.most *= 1.15;
        return s;
    }
    double edge = s.most > s.least ? 0.05 * (s.most - s.least) : 0.05 * fabs(s.most) + 1e-6;
    s.least = panel == CHART_LOSS ? s.least - edge : fmax(s.least - edge, 0);
    s.most = panel == CHART_LOSS ? s.most + edge : fmin(s.most + edge, 100.5);
    s.step = tic_step(s.most - s.least, 10);
    s.width = digits(s.most, s.step);
    if (digits(s.least, s.step) > s.width) s.width = digits(s.least, s.step);
    return s;
}

static void y_axis(drawing *d, int panel, const scale *s)
{
    text_add(d->out, "set yrange [");
    number(d->out, s->least);
    text_add(d->out, ":");
    number(d->out, s->most);
    text_printf(d->out, "]\n%s logscale y\nset format y '%%g'\nset ytics ", s->logarithmic ? "set" : "unset");
    if (s->logarithmic)
        text_add(d->out, "auto");
    else
        number(d->out, s->step);
    text_add(d->out, "\nset ylabel ");
    gnuplot_quote(d->out, panel == CHART_LOSS ? d->c->loss : "accuracy (%)", LABEL_MOST);
    text_char(d->out, '\n');
}

/* ---- the page ---- */

static size_t characters(const char *s)
{
    size_t n = 0;
    for (; *s; s++) n += ((unsigned char)*s & 0xC0) != 0x80;
    return n < LABEL_MOST + 3 ? n : LABEL_MOST + 3;
}

static bool drawn(const chart_series *s)
{
    for (int p = 0; p < CHART_PANELS; p++)
        if (s->train[p].n || s->validation[p].n) return true;
    return false;
}

static void plan(drawing *d)
{
    size_t longest = 10, entries = 0;
    d->points = true;
    for (size_t i = 0; i < d->c->n; i++) {
        const chart_series *s = &d->c->series[i];
        for (int p = 0; p < CHART_PANELS; p++) {
            d->panel[p] = d->panel[p] || s->train[p].n || s->validation[p].n;
            d->train = d->train || s->train[p].n;
            d->validation = d->validation || s->validation[p].n;
            d->best = d->best || has_best(s, p);
            if (s->train[p].n > 1 || s->validation[p].n > 1) d->points = false;
        }
        size_t n = characters(s->label);
        if (n > longest) longest = n;
        entries += drawn(s);
    }
    if (d->points) d->best = false; /* there is no other epoch */
    if (d->c->n > BUSY_SERIES) {
        d->train = d->train && !d->validation;
        d->best = false;
    }
    entries += (size_t)d->train + d->validation + d->best;
    /* As gnuplot reckons: 9 to 10 pixels a character, and the sample in front. */
    size_t columns = (size_t)(WIDTH - 2 * EDGE) / (10 * longest + 60);
    d->columns = columns < 1 ? 1 : columns > 6 ? 6 : columns;
    if (d->columns > entries) d->columns = entries ? entries : 1;
    d->rows = (entries + d->columns - 1) / d->columns;
    d->height = TITLE_HEIGHT + PLOT_HEIGHT + AXIS_HEIGHT + (double)(ROW_HEIGHT * d->rows) + EDGE;
    if (d->c->note) d->height += NOTE_HEIGHT;
}

static void terminal(drawing *d)
{
    if (d->format == CHART_PNG)
        text_printf(d->out,
                    "point = 1.0\nset terminal pngcairo noenhanced size %d,%.0f font 'sans,11' fontscale %d "
                    "linewidth %d pointscale %d "
                    "background rgb 'white'\n",
                    WIDTH * PNG_SCALE, d->height * PNG_SCALE, PNG_SCALE, PNG_SCALE, PNG_SCALE);
    else
        text_printf(
            d->out,
            "point = 0.6\nset terminal svg noenhanced size %d,%.0f dynamic font 'sans,14' linewidth 1 "
            "background rgb 'white'\n",
            WIDTH, d->height);
}

static void margins(drawing *d, double left, double right, double top, double bottom)
{
    text_add(d->out, "set lmargin at screen");
    number(d->out, left / WIDTH);
    text_add(d->out, "\nset rmargin at screen");
    number(d->out, right / WIDTH);
    text_add(d->out, "\nset tmargin at screen");
    number(d->out, 1 - top / d->height);
    text_add(d->out, "\nset bmargin at screen");
    number(d->out, 1 - bottom / d->height);
    text_char(d->out, '\n');
}

static void panels(drawing *d)
{
    bool both = d->panel[CHART_LOSS] && d->panel[CHART_ACCURACY];
    text_printf(d->out,
                "set border 3 lc rgb '%s' lw 1\nset tics nomirror out scale 0.6 textcolor rgb '%s'\n"
                "set grid xtics ytics lt 1 dt solid lc rgb '%s' lw 0.6\nunset key\n"
                "set xlabel noenhanced textcolor rgb '%s' offset 0,0.4\nset ylabel noenhanced textcolor rgb "
                "'%s' offset 0.5,0\n",
                ink, ink, faint, ink, ink);
    for (int p = 0; p < CHART_PANELS; p++) {
        if (!d->panel[p]) continue;
        extent x = extent_of(d, p);
        scale y = scale_of(p, &x);
        double left = (both && p == CHART_ACCURACY ? WIDTH / 2.0 + 6 : EDGE) + 42 + 9 * (double)y.width;
        double right = both && p == CHART_LOSS ? WIDTH / 2.0 - 8 : WIDTH - 16;
        margins(d, left, right, TITLE_HEIGHT, TITLE_HEIGHT + PLOT_HEIGHT);
        x_axis(d, &x);
        y_axis(d, p, &y);
        plot_panel(d, p);
    }
}

static void labels(drawing *d)
{
    text_add(d->out, "set label 1 ");
    gnuplot_quote(d->out, d->c->title, TITLE_MOST);
    text_printf(d->out, " noenhanced at screen 0.5, screen %.6f center textcolor rgb '%s'\n",
                1 - TITLE_HEIGHT / 2.0 / d->height, ink);
    if (!d->c->note) return;
    text_add(d->out, "set label 2 ");
    gnuplot_quote(d->out, d->c->note, 2 * TITLE_MOST);
    text_printf(d->out, " noenhanced at screen 0.5, screen %.6f center font ',%d' textcolor rgb '#777777'\n",
                NOTE_HEIGHT / 2.0 / d->height, d->format == CHART_PNG ? 9 : 11);
}

static void legend(drawing *d)
{
    double top = TITLE_HEIGHT + PLOT_HEIGHT + AXIS_HEIGHT;
    margins(d, EDGE, WIDTH - EDGE, top, top + (double)(ROW_HEIGHT * d->rows));
    text_printf(d->out,
                "unset border\nunset tics\nunset grid\nunset xlabel\nunset ylabel\nunset logscale\n"
                "set xrange [0:1]\nset yrange [0:1]\n"
                "set key noenhanced center center horizontal maxcols %zu samplen 2.6 spacing %s width 1 "
                "Left reverse textcolor rgb '%s'\n",
                d->columns, d->format == CHART_PNG ? "1.15" : "0.95", ink);
    bool first = true;
    begin_item(d, &first);
    text_add(d->out, "-1 notitle"); /* outside; key entries alone are no plot to gnuplot 5.4 */
    for (size_t i = 0; i < d->c->n; i++) {
        if (!drawn(&d->c->series[i])) continue;
        begin_item(d, &first);
        text_add(d->out, "keyentry ");
        style(d, i, !d->validation, NULL);
        text_add(d->out, " title ");
        gnuplot_quote(d->out, d->c->series[i].label, LABEL_MOST);
    }
    if (d->train) {
        begin_item(d, &first);
        text_printf(d->out, "keyentry with %s lc rgb '%s' title 'training'",
                    d->points ? "points pt 6 ps 0.9*point" : "lines lw 1.2 dt (8,5)", ink);
    }
    if (d->validation) {
        begin_item(d, &first);
        text_printf(d->out, "keyentry with %s lc rgb '%s' title 'validation'",
                    d->points ? "points pt 7 ps 0.9*point" : "lines lw 2 dt solid", ink);
    }
    if (d->best) {
        begin_item(d, &first);
        text_printf(d->out, "keyentry with points pt 7 ps 1.1*point lc rgb '%s' title 'best epoch'", ink);
    }
    text_char(d->out, '\n');
}

void chart_script(const chart *c, chart_format format, text *script)
{
    drawing d = {.c = c, .format = format, .out = script};
    plan(&d);
    text_add(script, "set encoding utf8\n");
    for (size_t i = 0; i < c->n; i++) {
        for (int p = 0; p < CHART_PANELS; p++) {
            if (d.train) block(&d, "train", i, p, &c->series[i].train[p]);
            block(&d, "validation", i, p, &c->series[i].validation[p]);
            if (d.best) best_block(&d, i, p, &c->series[i]);
        }
    }
    terminal(&d);
    text_add(script, "set multiplot\n");
    panels(&d);
    labels(&d); /* set late: a multiplot draws its labels with every panel */
    legend(&d);
    text_add(script, "unset multiplot\n");
}
