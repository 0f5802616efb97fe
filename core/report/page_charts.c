/* Owns which charts a report has, and their frame; must not know how one is drawn. */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "report/chart_kinds.h"
#include "report/page_own.h"
#include "report/page_svg.h"

enum { CURVES = 10 /* configurations, told apart by colour */ };
#define WIDE 11.8 /* inches at 96 dpi: as wide as the page lets them be, so that letters have their size */
#define HALF 5.8

typedef struct chart {
    const char *kind, *title;
    size_t configurations; /* from which on it says something */
    bool searched;         /* of a sweep only */
    bool own_colours;      /* of a palette that is made for white */
    bool wide;
} chart;

static const chart charts[] = {
    {"lr-range", "Learning-rate range test", 1, false, false, false},
    {"curves", "Learning curves", 1, false, false, true},
    {"final", "Results by configuration", 2, false, false, false},
    {"cost", "Results against their cost", 2, false, false, true},
    {"history", "The search in its order", 4, true, false, false},
    {"rungs", "Early stopping", 2, true, false, false},
    {"importance", "Which parameters matter", 4, true, false, false},
    {"slice", "The metric against each parameter", 3, true, false, true},
    {"contour", "The two parameters that matter most", 9, true, true, false},
    {"parallel", "All configurations", 4, true, true, true},
};

static const chart_kind *kind_of(const char *name)
{
    for (size_t i = 0; i < chart_kinds_n; i++)
        if (!strcmp(chart_kinds[i].name, name)) return &chart_kinds[i];
    return NULL;
}

/* What cannot be shown is left out: most charts suit some sweeps only. False: nothing can be drawn at all. */
static bool draw(page *p, const groups *g, chart_colours *colours, const chart *c, size_t number,
                 errors *trouble)
{
    const chart_kind *kind = kind_of(c->kind);
    html *h = &p->h;
    figure f = {0};
    errors quiet = {0};
    text svg = {0};
    bool drawn = true;
    if (!kind || p->f.n < c->configurations || (c->searched && !p->sweep)) return true;
    if (!strcmp(c->kind, "rungs") && !p->early) return true;
    const chart_request r = {.runs = p->runs,
                             .n = p->n,
                             .groups = g,
                             .sweep = p->subject->sweep,
                             .colours = colours,
                             .most = strcmp(c->kind, "curves") ? 0 : CURVES};
    if (kind->build(p->s, &r, &p->a, &f, &quiet) == CVY_OK) {
        const char *caption = f.caption;
        const figure_look look = {.format = FIGURE_SVG, .inches = c->wide ? WIDE : HALF};
        f.title = f.caption = NULL; /* they stand in the page's own letters */
        errors own = {0};
        if (figure_draw(&f, &look, NULL, &svg, &own) != CVY_OK) {
            drawn = errors_status(&own) != CVY_ERR_CONFIG; /* else nothing here draws */
            for (size_t i = 0; i < own.n; i++)
                errors_add(trouble, own.items[i].status, NULL, own.items[i].hint, "%s: %s", c->title,
                           own.items[i].what);
            errors_free(&own);
        } else {
            char prefix[32];
            const size_t before = h->out.n, depth = h->depth;
            snprintf(prefix, sizeof prefix, "c%zu-", number);
            const page_svg_look taken = {prefix, c->title, c->own_colours};
            html_open(h, "figure");
            html_attrf(h, "class", "%s%s", c->wide ? "wide" : "half", c->own_colours ? " white" : "");
            html_element(h, "h3", c->title);
            if (page_svg(h, text_str(&svg), svg.n, &taken)) {
                if (caption) html_element(h, "figcaption", caption);
                html_close(h);
            } else { /* the frame goes with it */
                h->out.n = before;
                h->out.s[before] = '\0';
                h->depth = depth;
                h->in_tag = false;
            }
        }
    }
    errors_free(&quiet);
    text_free(&svg);
    return drawn;
}

void page_charts(page *p)
{
    html *h = &p->h;
    groups g = {0};
    errors trouble = {0};
    chart_colours colours = {0};
    page_section(p, "charts", "Charts");
    const bool any = groups_make(p->s, p->runs, p->n, false, &p->a, &g, &trouble) == CVY_OK;
    if (any) groups_sort(&g);
    html_open(h, "div");
    html_attr(h, "class", "figures");
    bool fine = any;
    html_text(h, NULL);
    const size_t before = h->out.n;
    for (size_t i = 0; fine && i < sizeof charts / sizeof *charts; i++)
        fine = draw(p, &g, &colours, &charts[i], i + 1, &trouble);
    const bool empty = h->out.n == before;
    html_close(h);
    for (size_t i = 0; i < trouble.n; i++) {
        const message *m = &trouble.items[i];
        page_note(p, "Not drawn: %s%s%s", m->what, m->hint ? ". " : "", m->hint ? m->hint : "");
        errors_warn(p->e, NULL, m->hint, "the report lacks charts: %s", m->what);
    }
    if (empty && !trouble.n)
        page_note(p, "No run has finished an epoch yet.");
    else if (!empty)
        page_note(p, "Resting the pointer on a point or line of a chart tells whose it is.");
    errors_free(&trouble);
    chart_colours_free(&colours);
    html_close(h);
}
