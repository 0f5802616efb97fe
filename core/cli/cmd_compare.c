/* `convoy compare`: configurations, or the values of one parameter, side by side; which differences are more than chance, and which
 * parameters matter. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "cli/compare_show.h"
#include "cli/importance_show.h"
#include "cli/results.h"
#include "report/judge.h"
#include "report/measure.h"

typedef struct compare_args {
    const char *by, *metric, *test, *alpha;
    bool importance;
} compare_args;

static const option_row compare_rows[] = {
    OPTION(compare_args, by, 0, OPTION_TEXT, "PATH",
           "a line for each value of this parameter (model, train.optimizer, train.batch_size, ...), its "
           "seeds paired and "
           "everything else held equal"),
    OPTION(compare_args, metric, 0, OPTION_TEXT, "NAME",
           "judge by val_accuracy, val_loss, test_accuracy or test_loss; else by the sweep's metric"),
    OPTION(compare_args, test, 0, OPTION_TEXT, "TEST",
           "sign-flip, the default, or wilcoxon; both exact, on differences paired by seed"),
    OPTION(compare_args, alpha, 0, OPTION_TEXT, "A",
           "what counts as significant after Holm's adjustment; default 0.05"),
    OPTION(compare_args, importance, 0, OPTION_FLAG, NULL,
           "how much of the metric's variance each parameter explains (fANOVA)"),
};

/* What to judge by; NULL after reporting. */
static groups_value *judge(const char *metric, const char **name, const judged *j, bool *maximize, errors *e)
{
    *name = j->metric;
    *maximize = j->maximize;
    if (!metric) return judge_best;
    const char *names[MEASURE_RESULTS];
    text hint = {0};
    for (size_t i = 0; i < MEASURE_RESULTS; i++) {
        const measure_result *m = &measure_results[i];
        names[i] = m->key;
        text_printf(&hint, "%s%s", i ? ", " : "known are ", m->key);
        if (strcmp(metric, m->key) != 0) continue;
        text_free(&hint);
        *name = m->key;
        *maximize = m->percent;
        return m->value;
    }
    const char *near = text_nearest(metric, names, MEASURE_RESULTS);
    if (near) {
        text_free(&hint);
        text_printf(&hint, "did you mean %s?", near);
    }
    errors_add(e, CVY_ERR_CONFIG, NULL, text_str(&hint), "--metric: \"%.100s\" is not compared", metric);
    text_free(&hint);
    return NULL;
}

/* All pairs of a few, else the best against each other. */
static void make_pairs(const factor *f, paired_test test, double alpha, compare_shown *s)
{
    comparison *pairs;
    enum { ALL = 6 };
    const bool all = f->by && f->n <= ALL;
    size_t n = f->n < 2 ? 0 : all ? f->n * (f->n - 1) / 2 : f->n - 1, k = 0;
    pairs = mem_array(n + 1, sizeof *pairs);
    double *p = mem_array(n + 1, sizeof *p), *adjusted = mem_array(n + 1, sizeof *adjusted);
    size_t *of = mem_array(n + 1, sizeof *of), tested = 0;
    bool *decidable = mem_array(n + 1, sizeof *decidable);
    for (size_t i = 0; i < f->n && k < n; i++)
        for (size_t j = i + 1; j < f->n && (i == 0 || all); j++) {
            pairs[k] = (comparison){.a = i, .b = j, .p = factor_compare(f, i, j, test)};
            p[k] = pairs[k].p.p;
            of[k] = pairs[k].p.n;
            tested += isnan(p[k]) ? 0 : 1;
            k++;
        }
    paired_holm(p, n, adjusted);
    paired_decidable(p, of, n, alpha, decidable);
    for (size_t i = 0; i < n; i++) pairs[i].adjusted = adjusted[i], pairs[i].decidable = decidable[i];
    s->pairs = pairs;
    s->n_pairs = n;
    s->tested = tested;
    mem_free(p);
    mem_free(adjusted);
    mem_free(of);
    mem_free(decidable);
}

static cvy_status read_test(const compare_args *o, paired_test *test, double *alpha, errors *e)
{
    char *end = NULL;
    *alpha = o->alpha ? strtod(o->alpha, &end) : 0.05;
    if (o->alpha && (end == o->alpha || *end || !(*alpha > 0 && *alpha < 1)))
        return errors_add(e, CVY_ERR_CONFIG, NULL, "as in --alpha 0.05",
                          "--alpha: \"%.100s\" is no number between 0 and 1", o->alpha);
    *test = o->test && !strcmp(o->test, "wilcoxon") ? PAIRED_WILCOXON : PAIRED_SIGN_FLIP;
    if (o->test && strcmp(o->test, "wilcoxon") != 0 && strcmp(o->test, "sign-flip") != 0)
        return errors_add(e, CVY_ERR_CONFIG, NULL, "known are sign-flip and wilcoxon", "--test: \"%.100s\"",
                          o->test);
    return CVY_OK;
}

static cvy_status compare(const common *c, const compare_args *o, store *s, const query_run *runs, size_t n,
                          errors *e)
{
    arena a = {0};
    factor f;
    judged j;
    paired_test test = PAIRED_SIGN_FLIP;
    double alpha = 0;
    bool maximize = false;
    const char *metric = NULL;
    groups_value *value = NULL;
    cvy_status status = judge_runs(s, runs, n, NULL, &a, &j, e);
    if (status == CVY_OK && !(value = judge(o->metric, &metric, &j, &maximize, e))) status = CVY_ERR_CONFIG;
    if (status == CVY_OK) status = read_test(o, &test, &alpha, e);
    if (status == CVY_OK && o->importance)
        status = importance_of(c, s, j.runs, n, value, metric, e);
    else if (status == CVY_OK &&
             (status = factor_make(s, j.runs, n, o->by, value, maximize, &a, &f, e)) == CVY_OK) {
        compare_shown shown = {.f = &f, .metric = metric, .alpha = alpha};
        make_pairs(&f, test, alpha, &shown);
        if (c->json)
            compare_json(&shown);
        else
            compare_table(c, &shown);
        mem_free(shown.pairs);
    }
    if (status == CVY_OK && j.others && !o->metric)
        cli_say(c, "%zu run%s trained for another metric: all are judged by %s here", j.others,
                j.others > 1 ? "s were" : " was", metric);
    arena_free(&a);
    return status;
}

static int run(const command *self, const common *c, void *given, int argc, char **argv)
{
    const compare_args *o = given;
    if (!argc) return cli_usage(self, c, "which runs or sweeps?");
    if (o->importance && (o->by || o->test || o->alpha))
        return cli_usage(self, c, "--importance asks for all parameters at once, without --%s",
                         o->by     ? "by"
                         : o->test ? "test"
                                   : "alpha");
    errors e = {0};
    arena a = {0};
    query_run *runs = NULL;
    size_t n = 0;
    bool by_run;
    const char *sweep;
    store *s = results_open(c, &e);
    if (s && results_find(s, argv, argc, &a, &runs, &n, &by_run, &sweep, &e) == CVY_OK) {
        if (n)
            compare(c, o, s, runs, n, &e);
        else
            cli_say(c, "no runs yet");
    }
    store_close(s);
    arena_free(&a);
    return cli_fail(c, &e);
}

const command cmd_compare = {
    .name = "compare",
    .summary =
        "Compare runs and sweeps: mean and spread over repeats, which differences are more than chance",
    .usage = "convoy compare RUN|SWEEP... [--by PATH] [--json]",
    .examples = "convoy compare s3\n"
                "convoy compare s3 --by model\n"
                "convoy compare s3 --by train.optimizer --metric test_accuracy\n"
                "convoy compare s3 --importance\n"
                "convoy compare r1 r2 r5 --json",
    .options = compare_rows,
    .n_options = sizeof compare_rows / sizeof *compare_rows,
    .size = sizeof(compare_args),
    .run = run,
};
