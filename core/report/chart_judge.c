/* Owns which value a run is judged by in a chart; must not know what the chart shows. */
#include "report/chart_judge.h"

#include <math.h>
#include <string.h>

#include "report/chart_axis.h"

/* Nothing to draw, and what there would be. */
static cvy_status nothing(store *s, const chart_request *r, const chart_judged *j, bool asked, errors *e)
{
    arena own = {0};
    text hint = {0}, name = {0};
    query_curve *epochs, *whole;
    size_t n = 0, n_whole = 0;
    const char *names[64];
    size_t known = 0;
    bool logged = !asked; /* an unknown name is a mistake */
    if (asked && query_curves(s, r->runs[0].name, QUERY_EPOCH, &own, &epochs, &n, e) == CVY_OK &&
        query_curves(s, r->runs[0].name, QUERY_RUN, &own, &whole, &n_whole, e) == CVY_OK) {
        for (size_t i = 0; i < n && known < 64; i++) names[known++] = epochs[i].metric;
        for (size_t i = 0; i < n_whole && known < 64; i++) names[known++] = whole[i].metric;
        for (size_t i = 0; i < known; i++) logged = logged || !strcmp(names[i], j->metric);
        const char *near = logged ? NULL : text_nearest(j->metric, names, known);
        if (near) text_printf(&hint, "did you mean %s?", near);
        for (size_t i = 0; !near && !logged && i < known && i < 8; i++)
            text_printf(&hint, "%s%s", i ? ", " : "there are ", names[i]);
    }
    text_safe(&name, j->metric, 100);
    cvy_status status =
        logged ? chart_nothing(r, e, NULL, "no run has a finite %s%s", text_str(&name), asked ? "" : " yet")
               : errors_add(e, CVY_ERR_CONFIG, NULL, hint.n ? text_str(&hint) : NULL,
                            "nothing to draw: no run has a finite %s", text_str(&name));
    text_free(&hint);
    text_free(&name);
    arena_free(&own);
    return status;
}

cvy_status chart_judge(store *s, const chart_request *r, arena *a, chart_judged *out, errors *e)
{
    *out = (chart_judged){.n = r->n};
    if (!r->n) return chart_nothing(r, e, NULL, "there are no runs");
    if (r->metric && strchr(r->metric, ','))
        return errors_add(e, CVY_ERR_CONFIG, NULL, "as in --metric val_accuracy",
                          "this kind of chart shows one metric, not several");
    judged j;
    cvy_status status = judge_runs(s, r->runs, r->n, r->metric, a, &j, e);
    out->metric = j.metric;
    out->maximize = j.maximize;
    out->label = chart_axis_metric(j.metric, a, &out->unit);
    out->runs = j.runs;
    for (size_t i = 0; i < r->n; i++) {
        out->runs[i].best *= out->unit;
        out->silent += isnan(out->runs[i].best) ? 1 : 0;
    }
    if (status == CVY_OK && out->silent == out->n) status = nothing(s, r, out, r->metric != NULL, e);
    return status;
}

void chart_judge_say(text *caption, const char *fmt, ...)
{
    va_list ap;
    if (caption->n) text_add(caption, "; ");
    va_start(ap, fmt);
    text_vprintf(caption, fmt, ap);
    va_end(ap);
}

void chart_judge_say_mean(text *caption, const repeated *of, size_t least, size_t most, const char *what,
                          const char *without)
{
    if (most > 1) {
        chart_judge_say(caption, "%s over ", what);
        repeats_say_span(of, least, most, caption);
    } else {
        chart_judge_say(caption, "one %s each%s%s", repeats_noun(of), without ? ", so " : "",
                        without ? without : "");
    }
}

void chart_judge_say_silent(text *caption, const chart_judged *j)
{
    if (j->silent)
        chart_judge_say(caption, "%zu run%s without a value left out", j->silent, j->silent == 1 ? "" : "s");
}
