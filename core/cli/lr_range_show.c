/* Owns how a learning-rate range test is told; must not know how it was made. */
#include "cli/lr_range_show.h"

#include <math.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "cli/results.h"
#include "report/chart_range.h"

static double found(const follow *f, const char *metric)
{
    const follow_point *p = f ? follow_last(&f->whole, metric) : NULL;
    return p ? p->value : (double)NAN;
}

/* Beside the run's journal; NULL after reporting. */
static char *draw(const common *c, const trial *t, errors *e)
{
    store *s = results_open(c, e);
    if (!s) return NULL;
    const trial_name run = trial_run_name(t);
    char *dir = path_join(c->results, run.s), *prefix = path_join(dir, "lr_range");
    char *title = mem_printf("%s: learning-rate range test of %s", run.s, trial_facts(t)->experiment);
    const bool drawn = chart_range_draw(s, run.s, title, prefix, e) == CVY_OK;
    mem_free(dir);
    char *path = drawn ? mem_printf("%s.png", prefix) : NULL;
    store_close(s);
    mem_free(prefix);
    mem_free(title);
    return path;
}

static void say(const follow *t, const char *chart, text *out)
{
    const double steepest = found(t, "lr_steepest"), tenth = found(t, "lr_minimum_tenth");
    if (isfinite(steepest)) {
        text_printf(out, "suggested learning rate  %.2g  where the loss falls fastest\n", steepest);
        text_printf(out, "or, a tenth of the rate  %.2g  at which it is lowest (%.2g)\n", tenth,
                    found(t, "lr_minimum"));
    } else {
        text_add(
            out,
            "no suggestion: the loss never fell; try other rates with --from and --to, or more --steps\n");
    }
    if (chart) {
        text_safe(out, chart, SIZE_MAX);
        text_char(out, '\n');
    }
}

int lr_range_show(const common *c, const trial *t, int code)
{
    errors e = {0};
    char *chart = code == CVY_OK && t->run ? draw(c, t, &e) : NULL;
    follow *f = trial_journals(t, c->results);
    if (c->json) {
        json_writer w = {0};
        json_open(&w, '{');
        json_put_text(&w, "run", TRIAL_RUN(t));
        json_put_int(&w, "exit_code", code);
        json_put_text(&w, "reason", t->why);
        results_put_double(&w, "suggested", found(f, "lr_steepest"));
        results_put_double(&w, "minimum", found(f, "lr_minimum"));
        results_put_double(&w, "minimum_tenth", found(f, "lr_minimum_tenth"));
        json_put_int(&w, "steps", f ? f->step : 0);
        json_put_text(&w, "chart", chart);
        json_close(&w, '}');
        cli_print_json(&w);
    } else if (code == CVY_OK) {
        text out = {0};
        say(f, chart, &out);
        cli_print(&out);
        text_free(&out);
    }
    mem_free(chart);
    follow_close(f);
    const int wrong = cli_fail(c, &e);
    return code ? code : wrong;
}
