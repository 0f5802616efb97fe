/* Owns the way from a request to files: the usual kind, groups by a parameter, the formats; must not know what a kind shows. */
#include "report/charts.h"

#include <stdlib.h>
#include <string.h>

#include "report/chart_range.h"
#include "report/factor.h"
#include "report/judge.h"

const chart_kind *charts_usual_kind(store *s, const chart_request *r, errors *e)
{
    const bool range = r->n == 1 && !r->metric && chart_range_is(s, r->runs[0].name, e);
    return chart_kind_named(range ? "lr-range" : "curves", e);
}

cvy_status charts_group_by(store *s, const query_run *runs, size_t n, const char *by, arena *a, groups *out,
                           errors *e)
{
    factor f;
    const bool maximize = !(n && runs[0].goal && !strcmp(runs[0].goal, "minimize"));
    *out = (groups){0};
    cvy_status status = factor_make(s, runs, n, by, judge_best, maximize, a, &f, e);
    if (status != CVY_OK) return status;
    const char *dot = strrchr(by, '.');
    out->items = arena_array(a, f.n + 1, sizeof *out->items);
    for (size_t i = 0; i < f.n; i++) {
        const char *label = f.levels[i].g.label;
        char *end = NULL;
        out->items[i] = f.levels[i].g;
        /* "0.1" alone says nothing: "lr 0.1". */
        if (label && *label && (strtod(label, &end), !*end))
            out->items[i].label = arena_printf(a, "%s %s", dot ? dot + 1 : by, label);
    }
    out->n = f.n;
    return CVY_OK;
}

const char *charts_ending(figure_format f)
{
    static const char *const endings[] = {"png", "svg", "pdf", "txt", "six"};
    return endings[f];
}

cvy_status charts_write(const figure *f, unsigned formats, double inches, const char *prefix, errors *e)
{
    cvy_status status = CVY_OK;
    for (int format = FIGURE_PNG; format <= FIGURE_SIXEL && status == CVY_OK; format++) {
        if (!(formats & CHARTS_FORMAT(format))) continue;
        const figure_look look = {.format = (figure_format)format, .inches = inches};
        char *path = mem_printf("%s.%s", prefix, charts_ending(look.format));
        status = figure_draw(f, &look, path, NULL, e);
        mem_free(path);
    }
    return status;
}
