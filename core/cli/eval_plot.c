/* Owns the way from scores to pictures; must not know how evaluations are made or how pictures look. */
#include "cli/eval_plot.h"

#include <string.h>

#include "report/chart_scores.h"
#include "report/charts.h"

/* Told beside the results, which have standard output for themselves. */
static cvy_status write_one(const common *c, const figure *f, const char *prefix, const char *what, arena *a,
                            errors *e)
{
    const char *path = arena_printf(a, "%s-%s", prefix, what);
    cvy_status status = charts_write(f, CHARTS_USUAL, 0, path, e);
    if (status == CVY_OK) cli_say(c, "%s.png, %s.svg", path, path);
    return status;
}

cvy_status eval_plot(const common *c, const eval_result *r, const char *prefix, errors *e)
{
    const bool alone = r->n == 1 && r->rows[0].done;
    const evaluation *v = r->ensemble ? r->ensemble : alone ? &r->rows[0].v : NULL;
    if (!v && r->n == 1) return CVY_OK; /* could not be evaluated, as was reported */
    if (!v)
        return errors_add(e, CVY_ERR_CONFIG, NULL, "name one run, or add --ensemble",
                          "--plot draws one evaluation, not %zu", r->n);
    if (!v->classes)
        return errors_add(e, CVY_ERR_CONFIG, NULL, NULL,
                          "--plot: there is nothing to draw where there are no classes to be right about");
    arena a = {0};
    chart_bin bins[SCORES_BINS];
    for (int i = 0; i < SCORES_BINS; i++)
        bins[i] = (chart_bin){v->scores.bins[i].n, v->scores.bins[i].right, v->scores.bins[i].confidence};
    const query_run *run = r->rows[0].run;
    const char *of = run->experiment && *run->experiment ? run->experiment : NULL;
    const char *name = r->n > 1 ? arena_printf(&a, "ensemble of %zu runs", r->n) : run->name;
    const char *title = of ? arena_printf(&a, "%s: %s", name, of) : name;
    const char *about = r->n > 1 ? arena_printf(&a, "%s samples, %s weights", r->part, r->which)
                                 : arena_printf(&a, "%s samples, %s weights (epoch %lld)", r->part, r->which,
                                                (long long)r->rows[0].epoch);
    figure f;
    chart_confusion(v->scores.confusion, v->scores.classes, r->class_names, title, about, &a, &f);
    cvy_status status = write_one(c, &f, prefix, "confusion", &a, e);
    if (status == CVY_OK) {
        chart_calibration(bins, SCORES_BINS, v->calibration_error, title, about, &a, &f);
        status = write_one(c, &f, prefix, "calibration", &a, e);
    }
    arena_free(&a);
    return status;
}
