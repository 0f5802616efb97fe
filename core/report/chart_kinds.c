/* Owns the list of chart kinds; must not know what one of them shows. */
#include "report/chart_kinds.h"

#include <stdarg.h>
#include <math.h>
#include <string.h>

#include "report/chart_curves.h"
#include "report/chart_range.h"
#include "report/chart_search.h"

const chart_kind chart_kinds[] = {
    {"curves", "metrics over epochs, steps, images or time (the default)", chart_curves, false,
     CHART_METRIC | CHART_BY | CHART_FACET | CHART_X | CHART_BAND | CHART_SMOOTH | CHART_LOG_X | CHART_LOG_Y |
         CHART_MOST},
    {"lr-range", "a learning-rate range test: the loss over the rate", chart_range, false, 0},
    {"final", "what came out: mean, 95 % interval and each seed, by configuration or by --by PATH",
     chart_final, true, CHART_METRIC | CHART_BY | CHART_LOG_Y | CHART_MOST},
    {"cost", "the metric against time, parameters and MACs, with the Pareto front", chart_cost, true,
     CHART_METRIC | CHART_BY | CHART_LOG_Y | CHART_MOST},
    {"against", "the metric against one parameter (--x PATH), a curve for each value of another (--by PATH)",
     chart_against, true,
     CHART_METRIC | CHART_BY | CHART_X_PATH | CHART_BAND | CHART_LOG_X | CHART_LOG_Y | CHART_MOST},
    {"parallel", "a sweep's parameters as parallel coordinates, coloured by the metric", chart_parallel, true,
     CHART_METRIC | CHART_MOST},
    {"slice", "the metric against each parameter of a sweep", chart_slice, true,
     CHART_METRIC | CHART_BY | CHART_LOG_Y | CHART_MOST},
    {"contour", "the metric over two parameters (--by PATH,PATH, or those that matter most)", chart_contour,
     true, CHART_METRIC | CHART_BY},
    {"importance", "how much of the metric's variance each parameter explains", chart_importance, true,
     CHART_METRIC | CHART_MOST},
    {"history", "a search in its order, and the best so far", chart_history, true,
     CHART_METRIC | CHART_LOG_Y},
    {"rungs", "early stopping: who came to which epoch", chart_rungs, true, CHART_METRIC | CHART_LOG_Y},
    {"speed", "images per second, epoch by epoch", chart_speed, false, CHART_BY | CHART_LOG_Y | CHART_MOST},
};
const size_t chart_kinds_n = sizeof chart_kinds / sizeof *chart_kinds;

cvy_status chart_nothing(const chart_request *r, errors *e, const char *hint, const char *fmt, ...)
{
    text why = {0};
    va_list ap;
    va_start(ap, fmt);
    text_vprintf(&why, fmt, ap);
    va_end(ap);
    if (r->nothing) *r->nothing = true;
    const cvy_status status =
        errors_add(e, CVY_ERR_CONFIG, NULL, hint, "nothing to draw: %s", text_str(&why));
    text_free(&why);
    return status;
}

void chart_say_nothing(const char *title, const char *why, arena *a, figure *out)
{
    figure_panel *p = arena_array(a, 1, sizeof *p);
    const figure_axis none = {.low = (double)NAN, .high = (double)NAN};
    *p = (figure_panel){.x = none, .y = none, .colour = none, .said = arena_text(a, why)};
    *out = (figure){.title = title ? arena_text(a, title) : NULL, .panels = p, .n = 1, .columns = 1};
}

const chart_kind *chart_kind_named(const char *name, errors *e)
{
    const char *names[sizeof chart_kinds / sizeof *chart_kinds];
    text all = {0}, hint = {0};
    for (size_t i = 0; i < chart_kinds_n; i++) {
        if (!strcmp(chart_kinds[i].name, name)) {
            text_free(&all);
            return &chart_kinds[i];
        }
        names[i] = chart_kinds[i].name;
        text_printf(&all, "%s%s", i ? ", " : "", names[i]);
    }
    const char *nearest = text_nearest(name, names, chart_kinds_n);
    if (nearest) text_printf(&hint, "did you mean `%s`?", nearest);
    text_add(&all, "");
    text safe = {0};
    text_safe(&safe, name, 60);
    errors_add(e, CVY_ERR_CONFIG, NULL, hint.n ? text_str(&hint) : NULL,
               "there is no kind of chart called \"%s\"; there are %s", text_str(&safe), text_str(&all));
    text_free(&safe);
    text_free(&all);
    text_free(&hint);
    return NULL;
}
