/* Owns what the chart of a learning-rate range test shows and how it looks; must not know how the rates were found. */
#include "report/chart_range.h"

#include <math.h>
#include <string.h>

#include "report/chart_script.h"
#include "report/gnuplot.h"

/* Pixels at 100 dpi, as in chart_script.c. */
enum { WIDTH = 1000, HEIGHT = 470, PNG_SCALE = 2, TITLE_MOST = 90 };

static const char ink[] = "#333333", faint[] = "#DDDDDD", points_colour[] = "#9BB8CC",
                  curve_colour[] = "#0072B2", steepest_colour[] = "#D55E00", tenth_colour[] = "#009E73";

typedef struct range_chart {
    const char *title;
    query_curve rate, loss, smooth; /* by step, all of one length */
    double steepest, tenth;         /* nan: the loss never fell */
    double x_least, x_most, y_least, y_most;
} range_chart;

static const query_curve *curve_named(const query_curve *c, size_t n, const char *metric)
{
    for (size_t i = 0; i < n; i++)
        if (!strcmp(c[i].metric, metric)) return &c[i];
    return NULL;
}

static double value_named(const query_curve *c, size_t n, const char *metric)
{
    const query_curve *one = curve_named(c, n, metric);
    return one && one->n ? one->points[one->n - 1].value : (double)NAN;
}

static bool collect(store *s, const char *run, arena *a, range_chart *out, errors *e)
{
    query_curve *steps, *whole;
    size_t n = 0, n_whole = 0;
    if (query_curves(s, run, QUERY_STEP, a, &steps, &n, e) != CVY_OK ||
        query_curves(s, run, QUERY_RUN, a, &whole, &n_whole, e) != CVY_OK)
        return false;
    const query_curve *rate = curve_named(steps, n, "lr"), *loss = curve_named(steps, n, "train_loss"),
                      *smooth = curve_named(steps, n, "smoothed_loss");
    if (!rate || !loss || !smooth || smooth->n < 2 || rate->n != smooth->n || loss->n != smooth->n)
        return false;
    *out = (range_chart){.rate = *rate, .loss = *loss, .smooth = *smooth};
    out->steepest = value_named(whole, n_whole, "lr_steepest");
    out->tenth = value_named(whole, n_whole, "lr_minimum_tenth");
    return true;
}

bool chart_range_is(store *s, const char *run, errors *e)
{
    arena a = {0};
    range_chart c;
    const bool is = collect(s, run, &a, &c, e);
    arena_free(&a);
    return is;
}

/* The explosion at the end is cut off: it says that there is one, and would press what comes before it flat. */
static void scale(range_chart *c)
{
    const query_point *p = c->smooth.points;
    double least = (double)INFINITY, before = -(double)INFINITY;
    size_t lowest = 0;
    for (size_t i = 0; i < c->smooth.n; i++)
        if (p[i].value < least) least = p[i].value, lowest = i;
    for (size_t i = 0; i <= lowest; i++) before = fmax(before, fmax(p[i].value, c->loss.points[i].value));
    const double height = before > least ? before - least : fabs(least) + 1e-6;
    for (size_t i = 0; i <= lowest; i++) least = fmin(least, c->loss.points[i].value);
    c->y_least = least - 0.06 * height;
    c->y_most = before + 0.25 * height;
    c->x_least = c->rate.points[0].value / 1.3;
    c->x_most = c->rate.points[c->rate.n - 1].value * 1.3;
}

static void number(text *t, double v)
{
    text_char(t, ' ');
    text_double(t, v);
}

static void block(text *out, const char *name, const query_curve *rate, const query_curve *y)
{
    text_printf(out, "$%s << EOD\n", name);
    for (size_t i = 0; i < y->n; i++) {
        if (!isfinite(y->points[i].value)) continue;
        number(out, rate->points[i].value);
        number(out, y->points[i].value);
        text_char(out, '\n');
    }
    text_add(out, "EOD\n");
}

/* The curve's height at a rate. */
static double height_at(const range_chart *c, double rate)
{
    size_t i = 0;
    while (i + 1 < c->rate.n && c->rate.points[i].value < rate) i++;
    if (!i) return c->smooth.points[0].value;
    const double a = log(c->rate.points[i - 1].value), b = log(c->rate.points[i].value);
    const double share = b > a ? fmin(1, (log(rate) - a) / (b - a)) : 1;
    return c->smooth.points[i - 1].value +
           share * (c->smooth.points[i].value - c->smooth.points[i - 1].value);
}

static void marker(text *out, const range_chart *c, const char *name, double rate)
{
    text_printf(out, "$%s << EOD\n", name);
    number(out, rate);
    number(out, height_at(c, rate));
    text_add(out, "\nEOD\n");
}

static void vertical(text *out, int nth, const range_chart *c, double rate, const char *colour)
{
    text_printf(out, "set arrow %d from", nth);
    number(out, rate);
    text_add(out, ",");
    number(out, c->y_least);
    text_add(out, " to");
    number(out, rate);
    text_add(out, ",");
    number(out, height_at(c, rate));
    text_printf(out, " nohead back lw 1.2 dt (6,5) lc rgb '%s'\n", colour);
}

static void script(const range_chart *c, chart_format format, text *out)
{
    const bool png = format == CHART_PNG, found = isfinite(c->steepest) && isfinite(c->tenth);
    text_add(out, "set encoding utf8\n");
    block(out, "loss", &c->rate, &c->loss);
    block(out, "smooth", &c->rate, &c->smooth);
    if (found) marker(out, c, "steepest", c->steepest), marker(out, c, "tenth", c->tenth);
    if (png)
        text_printf(out,
                    "point = 1.0\nset terminal pngcairo noenhanced size %d,%d font 'sans,11' fontscale %d "
                    "linewidth %d "
                    "pointscale %d background rgb 'white'\n",
                    WIDTH * PNG_SCALE, HEIGHT * PNG_SCALE, PNG_SCALE, PNG_SCALE, PNG_SCALE);
    else
        text_printf(out,
                    "point = 0.6\nset terminal svg noenhanced size %d,%d dynamic font 'sans,14' linewidth 1 "
                    "background "
                    "rgb 'white'\n",
                    WIDTH, HEIGHT);
    text_printf(out,
                "set border 3 lc rgb '%s' lw 1\nset tics nomirror out scale 0.6 textcolor rgb '%s'\n"
                "set grid xtics ytics lt 1 dt solid lc rgb '%s' lw 0.6\n"
                "set xlabel 'learning rate' noenhanced textcolor rgb '%s'\n"
                "set ylabel 'training loss' noenhanced textcolor rgb '%s'\n"
                "set lmargin 10\nset rmargin 4\nset tmargin 3\nset bmargin 6\n"
                "set logscale x\nset format x '%%.0e'\nset format y '%%g'\n",
                ink, ink, faint, ink, ink);
    text_add(out, "set xrange [");
    number(out, c->x_least);
    text_add(out, ":");
    number(out, c->x_most);
    text_add(out, "]\nset yrange [");
    number(out, c->y_least);
    text_add(out, ":");
    number(out, c->y_most);
    text_add(out, "]\nset title ");
    gnuplot_quote(out, c->title, TITLE_MOST);
    text_printf(out, " noenhanced textcolor rgb '%s'\n", ink);
    text_printf(
        out,
        "set key noenhanced outside below center horizontal samplen 2.6 width 2 Left reverse textcolor rgb "
        "'%s'\n",
        ink);
    if (found) {
        vertical(out, 1, c, c->steepest, steepest_colour);
        vertical(out, 2, c, c->tenth, tenth_colour);
    }
    text_printf(out,
                "plot $loss using 1:2 with points pt 7 ps 0.6*point lc rgb '%s' title 'each step', \\\n"
                "     $smooth using 1:2 with lines lw 2.4 lc rgb '%s' title 'smoothed'",
                points_colour, curve_colour);
    if (found)
        text_printf(
            out,
            ", \\\n     $steepest using 1:2 with points pt 7 ps 1.3*point lc rgb '%s' title 'steepest: %.2g'"
            ", \\\n     $tenth using 1:2 with points pt 5 ps 1.2*point lc rgb '%s' title 'a tenth of the "
            "minimum: %.2g'",
            steepest_colour, c->steepest, tenth_colour, c->tenth);
    text_char(out, '\n');
}

cvy_status chart_range_draw(store *s, const char *run, const char *title, const char *prefix, errors *e)
{
    arena a = {0};
    range_chart c;
    cvy_status status = CVY_OK;
    const size_t before = errors_count(e);
    if (!collect(s, run, &a, &c, e)) {
        status = errors_count(e) > before
                     ? errors_status(e)
                     : errors_add(e, CVY_ERR_CONFIG, NULL, NULL,
                                  "nothing to draw: %s is no learning-rate range test that has "
                                  "come to its end",
                                  run);
    } else {
        c.title = title;
        scale(&c);
    }
    for (int format = CHART_PNG; format <= CHART_SVG && status == CVY_OK; format++) {
        text out = {0};
        char *path = mem_printf("%s.%s", prefix, format == CHART_PNG ? "png" : "svg");
        script(&c, (chart_format)format, &out);
        status = gnuplot_draw(&out, path, e);
        mem_free(path);
        text_free(&out);
    }
    arena_free(&a);
    return status;
}
