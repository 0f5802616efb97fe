/* Owns the chart of how much each parameter explains; must not know how that is found. */
#include "report/chart_search.h"
#include "report/importance.h"

#include <math.h>

#include "report/chart_axis.h"
#include "report/chart_table.h"

enum { PARAMETERS = 16 };

cvy_status chart_importance(store *s, const chart_request *r, arena *a, figure *out, errors *e)
{
    chart_judged j;
    importance im;
    cvy_status status = chart_judge(s, r, a, &j, e);
    if (status != CVY_OK) return status;
    status = importance_make(s, j.runs, j.n, judge_best, a, &im, e);
    if (status == CVY_ERR_CONFIG && r->nothing) *r->nothing = true;
    if (status != CVY_OK) return status;
    const size_t most = r->most ? r->most : PARAMETERS, shown = im.n < most ? im.n : most;
    const char **names = arena_array(a, shown + 1, sizeof *names);
    double *x = arena_array(a, shown + 1, sizeof *x), *y = arena_array(a, shown + 1, sizeof *y),
           *low = arena_array(a, shown + 1, sizeof *low), *high = arena_array(a, shown + 1, sizeof *high);
    bool any = false;
    for (size_t i = 0; i < shown; i++) {
        const forest_share *share = &im.items[i].share;
        names[i] = im.items[i].path;
        x[i] = (double)i;
        y[i] = 100 * share->mean;
        low[i] = 100 * fmax(0, share->mean - share->sd);
        high[i] = 100 * fmin(1, share->mean + share->sd);
        any = any || isfinite(y[i]);
    }
    /* The label that the other charts of the sweep have. */
    chart_table t = {0};
    errors own = {0};
    if (chart_table_make(s, &j, a, &t, &own) == CVY_OK)
        for (size_t i = 0; i < shown; i++) {
            const chart_column *c = chart_table_column(&t, names[i], &own);
            names[i] = c ? c->label : chart_axis_short(names[i], 40, a);
        }
    errors_free(&own);
    double *rest_x = arena_array(a, 1, sizeof *rest_x), *rest_y = arena_array(a, 1, sizeof *rest_y);
    rest_x[0] = (double)shown;
    rest_y[0] = 100 * im.rest;
    names[shown] = "interactions";
    figure_mark *marks = arena_array(a, 2, sizeof *marks);
    marks[0] = (figure_mark){
        .kind = FIGURE_BARS, .label = "by itself", .x = x, .y = y, .low = low, .high = high, .n = shown};
    marks[1] = (figure_mark){.kind = FIGURE_BARS,
                             .label = "only together with others",
                             .colour = FIGURE_GREY,
                             .x = rest_x,
                             .y = rest_y,
                             .n = 1};
    figure_panel *p = arena_array(a, 1, sizeof *p);
    *p = (figure_panel){.x = chart_axis_names(NULL, names, shown + 1),
                        .y = chart_axis_plain("variance explained (%)"),
                        .marks = marks,
                        .n = im.n > 1 ? 2 : 1};
    p->y.low = 0;
    if (!any) p->said = "the values differ too little to be explained";
    text t2 = {0};
    chart_judge_say(&t2,
                    "of %s over %zu configurations (fANOVA); lines: one standard deviation over the trees",
                    j.label, im.configurations);
    if (t.stopped) chart_judge_say(&t2, "%zu stopped early, with the best of fewer epochs", t.stopped);
    if (shown < im.n) chart_judge_say(&t2, "the first %zu of %zu parameters", shown, im.n);
    if (im.left_out)
        chart_judge_say(&t2, "%zu of more than %d words left out", im.left_out, FOREST_CATEGORIES);
    chart_judge_say_silent(&t2, &j);
    *out = (figure){.title = r->title,
                    .caption = arena_text(a, text_str(&t2)),
                    .panels = p,
                    .n = 1,
                    .columns = 1,
                    .key = im.n > 1};
    text_free(&t2);
    return CVY_OK;
}
