/* Owns the page of a figure: how big, which panel where, title, caption, key; must not know what the numbers mean. */
#include "report/figure.h"

#include <math.h>
#include <string.h>

#include "base/file.h"
#include "report/figure_draw.h"
#include "report/gnuplot.h"
#include "report/html.h"

enum { PANELS_MOST = 64, CAPTION_LINES = 8, SCREEN_WIDTH = 1000, TITLE_MOST = 160, CELL_HIGHEST = 90 };

/* Of one panel. */
typedef struct placed {
    axis_plan x, y, colour;
    double left, right, below; /* room for ticks and labels beside the axes */
    bool cells;
} placed;

typedef struct page {
    placed *panels;
    size_t n, columns, rows;
    double cell_width, plot_height, panel_title, top;
    double *row_top; /* rows + 1: from where on down; the last is where the key begins */
    key_plan key;
    const char *caption[CAPTION_LINES];
    size_t n_caption;
} page;

static void measures(drawing *d)
{
    d->print = d->look.inches > 0;
    d->width = d->print ? fmax(2, fmin(40, d->look.inches)) * 96 : SCREEN_WIDTH;
    /* 8 pt are 10.67 pixels; nothing in print is smaller than 11. */
    d->font = d->print ? 11 : 14;
    d->small_font = d->print ? 11 : 12;
    d->title_font = d->print ? 12 : 16;
    d->line = d->print ? 1.4 : 2;
    d->scale = d->look.format == FIGURE_PNG   ? d->print ? 300.0 / 96 : 2
               : d->look.format == FIGURE_PDF ? 1
                                              : 1;
    d->point = d->look.format == FIGURE_SVG ? 0.65 : 0.9;
    if (d->print) d->point *= 0.75;
}

/* The caption into lines as wide as the page. */
static void wrap(drawing *d, page *g)
{
    const char *s = d->f->caption;
    if (g->n < d->f->n)
        s = arena_printf(&d->a, "the first %zu of %zu panels%s%s", g->n, d->f->n, s && *s ? "; " : "",
                         s ? s : "");
    while (s && *s && g->n_caption < CAPTION_LINES)
        g->caption[g->n_caption++] = figure_line(d, &s, d->width - 2 * d->font, d->small_font);
}

/* How many panels stand beside each other, and how high the axes are. */
static void arrange(drawing *d, page *g)
{
    const double narrowest = d->print ? 290 : 310;
    size_t most = (size_t)fmax(1, floor(d->width / narrowest));
    g->columns = d->f->columns ? d->f->columns : most;
    if (g->columns > g->n) g->columns = g->n ? g->n : 1;
    if (g->n && !d->f->columns) { /* 4 panels where 3 fit: 2 and 2 */
        g->rows = (g->n + g->columns - 1) / g->columns;
        g->columns = (g->n + g->rows - 1) / (g->rows ? g->rows : 1);
    }
    if (!g->columns) g->columns = 1;
    g->rows = (g->n + g->columns - 1) / g->columns;
    g->cell_width = d->cell = d->width / (double)g->columns;
}

static void place_panel(drawing *d, const page *g, placed *p, const figure_panel *from)
{
    double longest = 0, reach = 0;
    figure_ranges(from, &p->x, &p->y, &p->colour);
    for (size_t i = 0; i < from->n; i++) p->cells = p->cells || from->marks[i].kind == FIGURE_CELLS;
    figure_ticks(d, &from->y, &p->y, g->plot_height, false);
    p->left = p->y.widest + (from->y.label ? 2.2 : 0.5) * d->font + 1.3 * d->font;
    p->left = fmin(p->left, 0.5 * g->cell_width);
    p->right = 1.2 * d->font;
    if (p->colour.any) {
        figure_ticks(d, &from->colour, &p->colour, g->plot_height, false);
        p->right = 2.9 * d->font + p->colour.widest + (from->colour.label ? 1.7 * d->font : 0);
    }
    figure_ticks(d, &from->x, &p->x, fmax(40, g->cell_width - p->left - p->right), true);
    for (size_t i = 0; i < p->x.n; i++)
        if (p->x.ticks[i].label)
            longest = fmax(longest, figure_text_width(p->x.ticks[i].label, FIGURE_CATEGORY_MOST, d->font));
    const double across = (g->cell_width - p->left - p->right) / fmax(1e-300, p->x.high - p->x.low);
    for (size_t i = 0; p->x.slanted && i < p->x.n; i++) /* the first ones reach out to the left */
        if (p->x.ticks[i].label)
            reach = fmax(
                reach, 0.77 * figure_text_width(p->x.ticks[i].label, figure_category_most(d, true), d->font) -
                           (p->x.ticks[i].at - p->x.low) * across);
    p->left = fmax(p->left, fmin(0.3 * g->cell_width, reach + 0.3 * d->font));
    if (!p->x.slanted) p->right = fmax(p->right, 0.5 * fmin(longest, 6 * d->font) + 0.3 * d->font);
    /* gnuplot sets the texts at ticks lower in an SVG than elsewhere. */
    const double lower = d->look.format == FIGURE_SVG && !p->x.slanted ? 0.5 * d->font : 0;
    p->below = lower + (from->x.label ? 2.0 : 0.3) * d->font + 0.8 * d->font +
               (p->x.slanted ? 0.65 * p->x.widest + 1.2 * d->font : 1.2 * d->font);
}

static void place_panels(drawing *d, page *g)
{
    const double heights[] = {0.40, 0.62, 0.72,
                              0.72}; /* of a panel's width, by how many are beside each other */
    double ratio = heights[g->columns < 4 ? g->columns - 1 : 3];
    if (d->print && g->columns == 1) ratio = d->width < 500 ? 0.62 : 0.45;
    g->plot_height = fmin(g->cell_width * ratio, d->print ? 420 : 460);
    g->panels = arena_array(&d->a, g->n + 1, sizeof *g->panels);
    double square = 0;
    for (size_t i = 0; i < g->n; i++) {
        const figure_panel *from = &d->f->panels[i];
        g->panels[i] = (placed){0};
        place_panel(d, g, &g->panels[i], from);
        if (g->panels[i].cells && from->x.names && from->y.names) /* cells about as high as they are wide */
            square = fmax(square, fmin(CELL_HIGHEST * (double)from->y.n_names,
                                       (g->cell_width - g->panels[i].left - g->panels[i].right) *
                                           (double)from->y.n_names / fmax(1, (double)from->x.n_names)));
        double rows = from->y.names ? (double)from->y.n_names * 1.5 * d->font : 0;
        if (!g->panels[i].cells) square = fmax(square, rows);
    }
    if (square > 0) {
        g->plot_height = fmax(fmin(square, d->print ? 640 : 720), 0.5 * g->plot_height);
        for (size_t i = 0; i < g->n; i++) {
            g->panels[i] = (placed){0};
            place_panel(d, g, &g->panels[i], &d->f->panels[i]);
        }
    }
    /* Axes of one column stand under each other, those of one row beside each other. */
    for (size_t c = 0; c < g->columns; c++) {
        double left = 0, right = 0;
        for (size_t i = c; i < g->n; i += g->columns) {
            left = fmax(left, g->panels[i].left);
            right = fmax(right, g->panels[i].right);
        }
        for (size_t i = c; i < g->n; i += g->columns) g->panels[i].left = left, g->panels[i].right = right;
    }
    g->panel_title = 0.6 * d->font;
    for (size_t i = 0; i < g->n; i++)
        if (d->f->panels[i].title) g->panel_title = 1.7 * d->font;
    g->top = d->f->title && *d->f->title ? 2 * d->title_font : 0.3 * d->font;
    g->row_top = arena_array(&d->a, g->rows + 1, sizeof *g->row_top);
    g->row_top[0] = g->top;
    for (size_t r = 0; r < g->rows; r++) {
        double below = 0;
        for (size_t i = r * g->columns; i < (r + 1) * g->columns && i < g->n; i++)
            below = fmax(below, g->panels[i].below);
        g->row_top[r + 1] = g->row_top[r] + g->panel_title + g->plot_height + below;
    }
}

static void plan(drawing *d, page *g)
{
    g->n = d->f->n < PANELS_MOST ? d->f->n : PANELS_MOST;
    measures(d);
    arrange(d, g);
    place_panels(d, g);
    figure_key_plan(d, &g->key);
    wrap(d, g);
    d->height = ceil(g->row_top[g->rows] + g->key.height +
                     (g->n_caption ? (double)g->n_caption * 1.4 * d->small_font + 0.4 * d->small_font : 0) +
                     0.6 * d->font);
}

static void write_panel(drawing *d, const page *g, size_t i)
{
    const placed *p = &g->panels[i];
    const figure_panel *from = &d->f->panels[i];
    frame at = {.left = (double)(i % g->columns) * g->cell_width + p->left,
                .right = (double)(i % g->columns + 1) * g->cell_width - p->right,
                .top = g->row_top[i / g->columns] + g->panel_title};
    at.bottom = at.top + g->plot_height;
    figure_panel_write(d, from, &p->x, &p->y, &p->colour, &at);
    const double middle = (at.left + at.right) / 2, height = at.bottom - at.top;
    if (from->title)
        figure_write(d, from->title, figure_fitting(from->title, g->cell_width - d->font, d->font), middle,
                     at.top - 0.85 * d->font, "center", d->font, figure_ink);
    if (from->x.label)
        figure_write(d, from->x.label, figure_fitting(from->x.label, g->cell_width, d->font), middle,
                     at.bottom + p->below - 0.9 * d->font, "center", d->font, figure_ink);
    if (from->y.label)
        figure_write(d, from->y.label, figure_fitting(from->y.label, 1.25 * height, d->font),
                     (double)(i % g->columns) * g->cell_width + 1.1 * d->font, (at.top + at.bottom) / 2,
                     "center rotate by 90", d->font, figure_ink);
    if (from->colour.label && p->colour.any)
        figure_write(d, from->colour.label, figure_fitting(from->colour.label, 1.25 * height, d->font),
                     at.right + p->right - 0.8 * d->font, (at.top + at.bottom) / 2, "center rotate by 90",
                     d->font, figure_ink);
    figure_plot(d);
}

/* Title, key and caption: a plot of its own whose axes are the page's pixels. */
static void write_rest(drawing *d, const page *g)
{
    const frame whole = {0, d->width, 0, d->height};
    double y = g->row_top[g->rows];
    text_add(d->out, "unset label\nunset border\nunset tics\nunset grid\nunset colorbox\nunset logscale\n");
    figure_margins(d, &whole);
    text_printf(d->out, "set xrange [0:%.2f]\nset yrange [0:%.2f]\n", d->width, d->height);
    if (d->f->title && *d->f->title) {
        size_t fits = figure_fitting(d->f->title, d->width - d->font, d->title_font);
        figure_write(d, d->f->title, fits < TITLE_MOST ? fits : TITLE_MOST, d->width / 2,
                     1.05 * d->title_font, "center", d->title_font, figure_ink);
    }
    if (g->key.n) figure_key_write(d, &g->key, y + 0.2 * d->font);
    y += g->key.height;
    for (size_t i = 0; i < g->n_caption; i++)
        figure_write(d, g->caption[i], 1000, d->width / 2, y + (0.9 + 1.4 * (double)i) * d->small_font,
                     "center", d->small_font, figure_soft);
    figure_plot(d);
}

static void write_script(drawing *d)
{
    text_add(d->out, "set encoding utf8\n");
    if (d->look.format == FIGURE_DUMB) {
        figure_plain(d);
        return;
    }
    page g = {0};
    plan(d, &g);
    figure_terminal(d);
    text_add(d->out, "unset key\nset multiplot\n");
    for (size_t i = 0; i < g.n; i++) write_panel(d, &g, i);
    write_rest(d, &g);
    text_add(d->out, "unset multiplot\n");
}

static void finish(drawing *d)
{
    mem_free(d->hover);
    text_free(&d->plot);
    arena_free(&d->a);
}

void figure_script(const figure *f, const figure_look *look, text *script)
{
    static const char *const endings[] = {"png", "svg", "pdf", "txt", "sixel"};
    drawing d = {.f = f, .look = *look, .out = script};
    text_printf(script, "# gnuplot THIS_FILE > figure.%s\n", endings[look->format]);
    write_script(&d);
    finish(&d);
}

/* ---- SVG ---- */

/* gnuplot calls the element of each curve gnuplot_plot_N. Its title becomes the curve's label, which the pointer shows; its id goes,
 * for a page may hold many figures. */
static void name_curves(const drawing *d, const text *from, text *to)
{
    static const char id[] = "<g id=\"gnuplot_plot_", title[] = "<title>gnuplot_plot_", end[] = "</title>";
    static const char own[] = "<title>Gnuplot</title>"; /* the pointer would show it everywhere else */
    const char *s = text_str(from), *first = strstr(s, own);
    size_t count = 0, at = 0;
    if (first) {
        text_add_n(to, s, (size_t)(first - s));
        s = first + sizeof own - 1;
    }
    for (const char *p = s; (p = strstr(p, id)); p += sizeof id - 1) count++;
    for (;; at++) {
        const char *next = strstr(s, id);
        text_add_n(to, s, next ? (size_t)(next - s) : strlen(s));
        if (!next) break;
        const char *named = strstr(next, title), *after = named ? strstr(named, end) : NULL;
        text_add(to, "<g>");
        s = after ? after + sizeof end - 1 : next + sizeof id - 1;
        if (count != d->n_hover || !d->hover[at]) continue;
        text_add(to, "<title>");
        html_escape_some(to, d->hover[at], strlen(d->hover[at]), 200);
        text_add(to, end);
    }
}

cvy_status figure_draw(const figure *f, const figure_look *look, const char *path, text *out, errors *e)
{
    text script = {0};
    drawing d = {.f = f, .look = *look, .out = &script};
    write_script(&d);
    cvy_status status;
    if (look->format == FIGURE_SVG) {
        text raw = {0}, named = {0};
        status = gnuplot_read(&script, &raw, e);
        if (status == CVY_OK) name_curves(&d, &raw, &named);
        if (status == CVY_OK && path) status = file_replace(path, text_str(&named), named.n, e);
        if (status == CVY_OK && !path) text_add_n(out, text_str(&named), named.n);
        text_free(&raw);
        text_free(&named);
    } else {
        status = path ? gnuplot_draw(&script, path, e) : gnuplot_read(&script, out, e);
    }
    text_free(&script);
    finish(&d);
    return status;
}
