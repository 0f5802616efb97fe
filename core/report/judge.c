/* Owns which value a run is judged by beside others; must not know what is done with the verdict. */
#include "report/judge.h"

#include <math.h>
#include <string.h>

#include "report/chart_axis.h"

double judge_best(const query_run *r)
{
    return r->best;
}

/* The best over the epochs, or what the run logged of itself as a whole; nan. */
static cvy_status value_of(store *s, const char *run, const char *metric, bool maximize, double *out,
                           errors *e)
{
    arena own = {0};
    query_curve c;
    *out = (double)NAN;
    cvy_status status = query_curve_of(s, run, QUERY_EPOCH, metric, &own, &c, e);
    for (size_t i = 0; status == CVY_OK && i < c.n; i++) {
        const double v = c.points[i].value;
        if (isfinite(v) && !(maximize ? v <= *out : v >= *out)) *out = v;
    }
    if (status == CVY_OK && isnan(*out)) {
        status = query_curve_of(s, run, QUERY_RUN, metric, &own, &c, e);
        if (status == CVY_OK && c.n) *out = c.points[c.n - 1].value;
    }
    arena_free(&own);
    return status;
}

static bool minimized(const query_run *r)
{
    return r->goal && !strcmp(r->goal, "minimize");
}

/* The metric, and whether more of it is better: as the first run says that is trained for it. */
static void choose(const query_run *runs, size_t n, const char *metric, judged *out)
{
    size_t first = 0;
    while (first < n && !(runs[first].metric && (!metric || !strcmp(runs[first].metric, metric)))) first++;
    out->metric = metric ? metric : first < n ? runs[first].metric : "val_accuracy";
    out->maximize =
        first < n && runs[first].goal ? !minimized(&runs[first]) : chart_axis_maximize(out->metric);
}

cvy_status judge_runs(store *s, const query_run *runs, size_t n, const char *metric, arena *a, judged *out,
                      errors *e)
{
    *out = (judged){.n = n, .runs = arena_array(a, n + 1, sizeof *out->runs)};
    choose(runs, n, metric, out);
    cvy_status status = CVY_OK;
    for (size_t i = 0; i < n && status == CVY_OK; i++) {
        query_run *r = &out->runs[i];
        *r = runs[i];
        const bool own = r->metric && !strcmp(r->metric, out->metric);
        const bool other = r->metric && (!own || (r->goal && minimized(r) == out->maximize));
        out->others += other;
        if (!own || other) status = value_of(s, r->name, out->metric, out->maximize, &r->best, e);
        if (!isfinite(r->best)) r->best = (double)NAN;
        r->metric = out->metric;
        r->goal = out->maximize ? "maximize" : "minimize";
    }
    return status;
}
