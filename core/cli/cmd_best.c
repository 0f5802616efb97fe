/* `convoy best`: the winner of a sweep, as a line or as a file that can be run. */
#include <math.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "cli/cli.h"
#include "cli/results.h"
#include "cli/table.h"
#include "report/judge.h"
#include "report/measure.h"

enum { METRIC_BYTES = 100 };

typedef struct best_args {
    bool yaml;
} best_args;

static const option_row best_rows[] = {
    OPTION(best_args, yaml, 0, OPTION_FLAG, NULL,
           "print it as an experiment file, to be run as it is or with more seeds (repeats=5)"),
};

/* The run of the group that came out best: whose weights one would take. */
static const query_run *best_single(const group *g, bool maximize)
{
    const query_run *found = g->runs[0];
    for (size_t i = 1; i < g->n; i++) {
        double v = g->runs[i]->best, w = found->best;
        if (!isnan(v) && (isnan(w) || (maximize ? v > w : v < w))) found = g->runs[i];
    }
    return found;
}

static void add_mean(text *t, const char *metric, statistics s)
{
    results_metric(t, metric, s.mean);
    if (s.n > 1) {
        text_add(t, " ± ");
        results_metric(t, metric, s.sd);
    }
}

static const query_run *first_seed(const group *g)
{
    const query_run *found = g->runs[0];
    for (size_t i = 1; i < g->n; i++)
        if (g->runs[i]->seed < found->seed) found = g->runs[i];
    return found;
}

/* The run's resolved experiment behind a comment that says where it comes from. */
static cvy_status print_yaml(const common *c, const group *g, const query_run *r, const char *sweep,
                             errors *e)
{
    char *dir = path_join(c->results, r->name), *path = path_join(dir, "spec.yaml");
    char *spec = NULL;
    size_t n = 0;
    cvy_status status = file_read(path, (size_t)16 << 20, &spec, &n, e);
    if (status == CVY_OK) {
        text out = {0}, value = {0};
        add_mean(&value, r->metric, groups_statistics(g, judge_best));
        text_printf(&out, "# The best of %s", sweep ? sweep : "these runs");
        if (r->metric) {
            text_add(&out, " by ");
            text_safe(&out, r->metric, METRIC_BYTES); /* a line break would end the comment */
            text_printf(&out, ": %s over %zu run%s", text_str(&value), g->n, g->n > 1 ? "s" : "");
        }
        text_printf(&out, ". This is %s; `convoy run FILE repeats=5` trains more seeds.\n", r->name);
        char *source = r->source ? path_dir(r->source) : NULL;
        text_add(&out, "# Relative paths in it are meant from ");
        text_safe(&out, source && *source ? source : ".", 1000);
        text_add(&out, "\n");
        text_add_n(&out, spec, n);
        cli_print_data(&out);
        mem_free(source);
        text_free(&out);
        text_free(&value);
    }
    mem_free(spec);
    mem_free(path);
    mem_free(dir);
    return status;
}

static void put_values(json_writer *w, const char *key, statistics s)
{
    json_key(w, key);
    if (!s.n) {
        json_null(w);
        return;
    }
    json_open(w, '{');
    json_put_int(w, "n", (int64_t)s.n);
    results_put_double(w, "mean", s.mean);
    results_put_double(w, "sd", s.sd);
    json_close(w, '}');
}

static void print_best_json(const group *g, const query_run *r, const char *sweep)
{
    json_writer w = {0};
    json_open(&w, '{');
    json_put_text(&w, "sweep", sweep);
    json_put_text(&w, "label", g->label);
    json_put_text(&w, "metric", r->metric);
    json_put_text(&w, "goal", r->goal);
    put_values(&w, "value", groups_statistics(g, judge_best));
    put_values(&w, "test_accuracy", groups_statistics(g, measure_test_accuracy));
    json_put_text(&w, "best_run", r->name);
    json_key(&w, "runs");
    json_open(&w, '[');
    for (size_t i = 0; i < g->n; i++) json_text(&w, g->runs[i]->name);
    json_close(&w, ']');
    json_key(&w, "parameters");
    json_open(&w, '{');
    for (size_t i = 0; i < g->params.n; i++)
        json_put_text(&w, g->params.items[i].key, g->params.items[i].value);
    json_close(&w, '}');
    json_close(&w, '}');
    cli_print_json(&w);
}

static void print_best(const common *c, const group *g, const query_run *r, size_t others)
{
    text out = {0};
    text_safe(&out, g->label, 400);
    text_add(&out, "\n");
    if (r->metric) {
        text metric = {0};
        text_safe(&metric, r->metric, METRIC_BYTES);
        text_printf(&out, "  %-14s ", text_str(&metric));
        text_free(&metric);
        add_mean(&out, r->metric, groups_statistics(g, judge_best));
        text_add(&out, "\n");
    }
    statistics tested = groups_statistics(g, measure_test_accuracy);
    if (tested.n && (!r->metric || strcmp(r->metric, "test_accuracy") != 0)) {
        text_printf(&out, "  %-14s ", "test_accuracy");
        add_mean(&out, "test_accuracy", tested);
        text_add(&out, "\n");
    }
    text_printf(&out, "  %-14s", g->n > 1 ? "runs" : "run");
    for (size_t i = 0; i < g->n && i < 8; i++) text_printf(&out, " %s", g->runs[i]->name);
    if (g->n > 8) text_printf(&out, " and %zu more", g->n - 8);
    text_add(&out, "\n");
    cli_print(&out);
    text_free(&out);
    text over = {0};
    const repeated of = groups_repeats(g, 1);
    if (g->n > 1) {
        text_add(&over, ", mean ± standard deviation over ");
        repeats_say(&of, &over);
    }
    cli_say(c, "the best of %zu configurations%s; --yaml prints it as a file", others, text_str(&over));
    text_free(&over);
}

static int run(const command *self, const common *c, void *given, int argc, char **argv)
{
    const best_args *o = given;
    if (!argc) return cli_usage(self, c, "of which sweep?");
    errors e = {0};
    arena a = {0};
    query_run *runs = NULL;
    size_t n = 0;
    bool by_run;
    const char *sweep = NULL;
    groups g = {0};
    judged j = {0};
    store *s = results_open(c, &e);
    if (s && results_find(s, argv, argc, &a, &runs, &n, &by_run, &sweep, &e) == CVY_OK &&
        judge_runs(s, runs, n, NULL, &a, &j, &e) == CVY_OK &&
        groups_make(s, j.runs, n, false, &a, &g, &e) == CVY_OK) {
        groups_sort(&g);
        const query_run *r = g.n ? g.items[0].runs[0] : NULL;
        if (!g.n || isnan(groups_statistics(&g.items[0], judge_best).mean))
            errors_add(&e, CVY_ERR_CONFIG, NULL, "`convoy ls` shows how far they are",
                       "none of the %zu runs has a result yet", n);
        else {
            r = best_single(&g.items[0], !(r->goal && !strcmp(r->goal, "minimize")));
            if (o->yaml)
                print_yaml(c, &g.items[0], first_seed(&g.items[0]), sweep, &e);
            else if (c->json)
                print_best_json(&g.items[0], r, sweep);
            else
                print_best(c, &g.items[0], r, g.n);
            if (j.others)
                cli_say(c, "%zu run%s trained for another metric: all are judged by %s here", j.others,
                        j.others > 1 ? "s were" : " was", j.metric);
        }
    }
    store_close(s);
    arena_free(&a);
    return cli_fail(c, &e);
}

const command cmd_best = {
    .name = "best",
    .summary = "Show the best configuration of a sweep, or print it as an experiment file",
    .usage = "convoy best SWEEP|RUN... [--yaml]",
    .examples = "convoy best s3\n"
                "convoy best last --yaml >winner.yaml",
    .options = best_rows,
    .n_options = sizeof best_rows / sizeof *best_rows,
    .size = sizeof(best_args),
    .run = run,
};
