/* `convoy ls`: what runs and sweeps there are, the newest last. */
#include <string.h>

#include "base/memory.h"
#include "cli/cli.h"
#include "cli/results.h"
#include "cli/table.h"

typedef struct options {
    bool all;
    int64_t last;
} options;

static const option_row rows[] = {
    OPTION(options, all, 'a', OPTION_FLAG, NULL, "the runs of sweeps too"),
    OPTION_NUMBER(options, last, 'n', "N", 0, 0, INT64_MAX, "only the last N"),
};

static void put_json(const query_run *runs, size_t n_runs, const query_sweep *sweeps, size_t n_sweeps,
                     text *out)
{
    json_writer w = {0};
    json_open(&w, '{');
    json_key(&w, "runs");
    json_open(&w, '[');
    for (size_t i = 0; i < n_runs; i++) {
        json_open(&w, '{');
        results_put_run(&w, &runs[i]);
        json_close(&w, '}');
    }
    json_close(&w, ']');
    json_key(&w, "sweeps");
    json_open(&w, '[');
    for (size_t i = 0; i < n_sweeps; i++) {
        json_open(&w, '{');
        results_put_sweep(&w, &sweeps[i]);
        json_close(&w, '}');
    }
    json_close(&w, ']');
    json_close(&w, '}');
    text_add(out, text_str(&w.out));
    text_char(out, '\n');
    text_free(&w.out);
}

static void sweeps_table(const common *c, const query_sweep *sweeps, size_t n, text *out)
{
    table t = {0};
    static const char *const titles[] = {"SWEEP",  "EXPERIMENT", "METHOD", "FINISHED",
                                         "FAILED", "BEST",       "BY",     "CREATED"};
    for (size_t i = 0; i < sizeof titles / sizeof *titles; i++)
        table_column(&t, titles[i], i < 3 || i == 6 ? TABLE_LEFT : TABLE_RIGHT);
    for (size_t i = 0; i < n; i++) {
        const query_sweep *s = &sweeps[i];
        text best = {0}, created = {0};
        results_metric(&best, s->metric, s->best);
        results_moment(&created, s->created);
        table_cell(&t, s->name);
        table_cell(&t, s->experiment ? s->experiment : "");
        table_cell(&t, s->method ? s->method : "");
        /* Repeats make more runs than trials; which of them are still to come, only the sweep knows. */
        table_cellf(&t, "%lld/%lld", (long long)(s->finished + s->stopped_early),
                    (long long)(s->trials != QUERY_NONE && s->trials > s->runs ? s->trials : s->runs));
        table_cellf(&t, "%lld", (long long)s->failed);
        table_cell(&t, text_str(&best));
        if (s->best_run)
            table_cellf(&t, "%s, %s", s->best_run, s->metric ? s->metric : "");
        else
            table_cell(&t, "");
        table_cell(&t, text_str(&created));
        text_free(&best);
        text_free(&created);
    }
    table_write(&t, cli_colour(c, stdout), out);
    table_free(&t);
}

/* Runs are looked at only where some may have died: where not all have come to an end. */
static cvy_status count_failed(store *s, query_sweep *sweeps, size_t n, errors *e)
{
    cvy_status status = CVY_OK;
    for (size_t i = 0; i < n && status == CVY_OK; i++) {
        arena a = {0};
        query_run *runs;
        size_t n_runs;
        if (sweeps[i].finished + sweeps[i].stopped_early + sweeps[i].failed >= sweeps[i].runs) continue;
        status = query_sweep_runs(s, sweeps[i].name, &a, &runs, &n_runs, e);
        if (status == CVY_OK) results_count_failed(&sweeps[i], runs, n_runs);
        arena_free(&a);
    }
    return status;
}

static void last_of(query_run **runs, size_t *n, query_sweep **sweeps, size_t *n_sweeps, int64_t most)
{
    if (most <= 0) return;
    size_t keep = (size_t)most;
    if (*n > keep) *runs += *n - keep, *n = keep;
    if (*n_sweeps > keep) *sweeps += *n_sweeps - keep, *n_sweeps = keep;
}

/* Everything asked and written, as the database is now. */
static cvy_status listed(store *s, const common *c, const options *o, char **words, int n_words, text *out,
                         errors *e)
{
    arena a = {0};
    query_run *runs = NULL;
    query_sweep *sweeps = NULL;
    size_t n = 0, n_sweeps = 0;
    cvy_status status;
    if (n_words) {
        bool by_run;
        const char *sweep;
        status = results_find(s, words, n_words, &a, &runs, &n, &by_run, &sweep, e);
    } else {
        status = c->json ? query_runs(s, &a, &runs, &n, e)
                         : query_listed_runs(s, !o->all, o->last, &a, &runs, &n, e);
        if (status == CVY_OK) status = query_sweeps(s, &a, &sweeps, &n_sweeps, e);
    }
    last_of(&runs, &n, &sweeps, &n_sweeps, o->last);
    if (status == CVY_OK) status = count_failed(s, sweeps, n_sweeps, e);
    if (status == CVY_OK && c->json) {
        put_json(runs, n, sweeps, n_sweeps, out);
    } else if (status == CVY_OK) {
        if (n_sweeps) sweeps_table(c, sweeps, n_sweeps, out);
        if (n_sweeps && n) text_char(out, '\n');
        if (n) results_runs_table(c, runs, n, out);
    }
    arena_free(&a);
    return status;
}

static int run(const command *self, const common *c, void *given, int argc, char **argv)
{
    if (argc > 1) return cli_usage(self, c, "unexpected \"%s\"", argv[1]);
    errors e = {0}, asked = {0};
    text out = {0};
    store *s = store_open_early(c->results, &e);
    bool again = s != NULL;
    while (again) {
        errors_free(&asked);
        text_free(&out);
        listed(s, c, given, argv, argc, &out, &asked);
        again = store_catch_up(s, &e);
    }
    errors_move(&e, &asked);
    if (s && errors_status(&e) == CVY_OK) {
        if (out.n)
            cli_print(&out);
        else
            cli_say(c, "no runs in %s yet", store_results(s));
    }
    text_free(&out);
    store_close(s);
    return cli_fail(c, &e);
}

const command cmd_ls = {
    .name = "ls",
    .summary = "List runs and sweeps, the newest last",
    .usage = "convoy ls [SWEEP|NAME] [-a] [-n N] [--json]",
    .examples = "convoy ls\n"
                "convoy ls s3\n"
                "convoy ls -a -n 20\n"
                "convoy ls --json",
    .options = rows,
    .n_options = sizeof rows / sizeof *rows,
    .size = sizeof(options),
    .run = run,
};
