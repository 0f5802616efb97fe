/* `convoy eval`: trained networks measured, alone and together. Owns the options and the way through the runs. */
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/parallel.h"
#include "cli/cli.h"
#include "cli/eval_plot.h"
#include "cli/eval_show.h"
#include "cli/evaluations.h"
#include "cli/results.h"
#include "cli/trained.h"
#include "train/ensemble.h"

typedef struct eval_args {
    text_list set;
    const char *part, *which, *input_size, *plot;
    int64_t batch, threads;
    bool ensemble, force;
} eval_args;

static const option_row eval_rows[] = {
    OPTION(eval_args, set, 0, OPTION_TEXTS, "PATH=VALUE",
           "set a value below `dataset.`; PATH=VALUE alone does too. Relative paths are relative to the "
           "experiment's folder, as in it"),
    OPTION(eval_args, part, 0, OPTION_TEXT, "PART",
           "which samples: test, the default and alone with the copies of the experiment's `eval:`, "
           "validation or "
           "train (these without random augmentation)"),
    OPTION(eval_args, which, 0, OPTION_TEXT, "WHICH",
           "best, last or average: the weights of the best epoch, which is the default, the last ones, or "
           "those that the "
           "optimizer (ema) has averaged up to the last"),
    OPTION(eval_args, input_size, 0, OPTION_TEXT, "N",
           "resize the images to N or HxW pixels, for networks that read any size"),
    OPTION(eval_args, ensemble, 0, OPTION_FLAG, NULL, "the mean of all runs' probabilities too"),
    OPTION(eval_args, plot, 0, OPTION_TEXT, "PREFIX",
           "draw PREFIX-confusion and PREFIX-calibration, as PNG and SVG"),
    OPTION(eval_args, force, 0, OPTION_FLAG, NULL,
           "though plugins of your own that the run used have changed or gone; those that come with Convoy "
           "may have been built anew, which a warning tells"),
    OPTION_NUMBER(eval_args, batch, 'b', "N", 0, 0, 65536,
                  "samples computed at once; 0: as the run did, which gives its figures to the last digit"),
    OPTION_NUMBER(eval_args, threads, 't', "N", 0, 0, 1024, "compute threads; 0: as many as the run had"),
};

/* What is asked for. */
typedef struct job {
    const common *c;
    const eval_args *args;
    const store *s;
    trained_options trained;
    evaluation_options evaluation;
    weights_which which;
} job;

/* ---- options ---- */

static bool read_size(const char *s, int64_t *height, int64_t *width)
{
    long long h = 0, w = 0;
    int end = 0;
    if (sscanf(s, "%5lld%n", &h, &end) == 1 && !s[end])
        w = h;
    else if (sscanf(s, "%5lldx%5lld%n", &h, &w, &end) != 2 || s[end])
        return false;
    *height = h;
    *width = w;
    return h > 0 && w > 0 && h <= 65536 && w <= 65536;
}

/* CVY_OK, or the exit code after reporting. */
static int read_options(const command *self, const common *c, const eval_args *args, job *j)
{
    static const char *const parts[] = {"train", "validation", "test"};
    const char *part = args->part ? args->part : "test";
    size_t at = 0;
    while (at < 3 && strcmp(part, parts[at]) != 0) at++;
    if (at == 3) return cli_usage(self, c, "--part: \"%s\" is not test, validation or train", part);
    if (args->which && !weights_parse(args->which, &j->which))
        return cli_usage(self, c, "--which: \"%s\" is not " WEIGHTS_WORDS, args->which);
    if (args->input_size && !read_size(args->input_size, &j->trained.height, &j->trained.width))
        return cli_usage(self, c, "--input-size: \"%s\" is no size in pixels, as 48 or 48x64",
                         args->input_size);
    j->evaluation = (evaluation_options){.part = (data_part)at, .batch = args->batch};
    j->trained.force = args->force;
    return CVY_OK;
}

/* ---- the runs ---- */

/* Leaves the run open in *t, which is empty. */
static bool evaluate(const job *j, const query_run *r, ensemble *together, trained *t, eval_row *row,
                     errors *e)
{
    checkpoint_weights w = {0};
    evaluation_options o = j->evaluation;
    o.ensemble = together;
    char *dir = path_join(store_results(j->s), r->name);
    row->run = r;
    errors_push(e, "%s", r->name);
    if (checkpoint_weights_read(&w, dir, j->which, e) &&
        trained_open(t, j->c, store_results(j->s), r->name, &j->trained, e)) {
        parallel_set_threads((int)(j->args->threads ? j->args->threads : t->run.threads));
        o.hint = t->hint;
        row->epoch = w.epoch;
        row->dataset = t->s->dataset->name;
        snprintf(row->fingerprint, sizeof row->fingerprint, "%s", t->s->data->info.fingerprint);
        row->done = evaluation_run(t->s, &w, &o, &row->v, e) == CVY_OK;
    }
    errors_pop(e);
    if (row->done)
        cli_say(j->c, "%s (%s): %s weights, epoch %lld", r->name, r->experiment ? r->experiment : "",
                weights_word(j->which), (long long)row->epoch);
    checkpoint_weights_free(&w);
    mem_free(dir);
    return row->done;
}

/* One that fails keeps the others from nothing but the ensemble. */
static void evaluate_all(const job *j, const query_run *runs, eval_result *r, errors *e)
{
    static const char *const parts[] = {"train", "validation", "test"};
    ensemble together = {0};
    evaluation all = {0};
    trained t = {0};
    bool complete = true;
    r->part = parts[j->evaluation.part];
    r->which = weights_word(j->which);
    r->height = j->trained.height;
    r->width = j->trained.width;
    for (size_t i = 0; i < r->n; i++) {
        errors own = {0};
        bool gather = j->args->ensemble && r->n > 1 && complete;
        trained_close(&t);
        complete = evaluate(j, &runs[i], gather ? &together : NULL, &t, &r->rows[i], &own) && complete;
        errors_move(e, &own);
        errors_free(&own);
    }
    if (j->args->ensemble && complete) {
        errors own = {0};
        if (r->n == 1) /* it is its own ensemble, to the last digit */
            r->ensemble = &r->rows[0].v;
        else if (ensemble_evaluate(&together, t.s, &all, &own) == CVY_OK)
            r->ensemble = &all;
        errors_move(e, &own);
        errors_free(&own);
    }
    if (t.s) r->class_names = t.s->data->info.class_names;
    if (j->c->json)
        eval_show_json(r);
    else
        eval_show_text(j->c, r);
    evaluations_keep(store_results(j->s), r, &j->trained, e);
    const bool lost = j->args->ensemble && !r->ensemble; /* why was reported */
    if (j->args->plot && !lost) eval_plot(j->c, r, j->args->plot, e);
    evaluation_free(&all);
    ensemble_free(&together);
    trained_close(&t);
}

static int run(const command *self, const common *c, void *given, int argc, char **argv)
{
    const eval_args *args = given;
    arena a = {0};
    errors e = {0};
    query_run *runs = NULL;
    eval_result r = {0};
    bool by_run = true;
    const char *sweep = NULL;
    store *s = NULL;
    job j = {.c = c, .args = args};
    const char **overrides = arena_array(&a, (size_t)argc + args->set.n + 1, sizeof *overrides);
    char **names = arena_array(&a, (size_t)argc + 1, sizeof *names);
    int n_names = 0;
    for (int i = 0; i < argc; i++) {
        if (cli_is_override(argv[i]))
            overrides[j.trained.n_overrides++] = argv[i];
        else
            names[n_names++] = argv[i];
    }
    for (size_t i = 0; i < args->set.n; i++) overrides[j.trained.n_overrides++] = args->set.items[i];
    j.trained.overrides = overrides;
    int wrong = n_names ? read_options(self, c, args, &j) : cli_usage(self, c, "which runs or sweeps?");
    if (!wrong && trained_check_overrides(&j.trained, &e)) s = results_open(c, &e);
    j.s = s;
    if (s && results_find(s, names, n_names, &a, &runs, &r.n, &by_run, &sweep, &e) == CVY_OK &&
        groups_make(s, runs, r.n, true, &a, &r.single, &e) == CVY_OK &&
        groups_make(s, runs, r.n, false, &a, &r.repeats, &e) == CVY_OK) {
        r.rows = mem_array(r.n, sizeof *r.rows);
        if (r.n)
            evaluate_all(&j, runs, &r, &e);
        else
            cli_say(c, "no runs yet");
        for (size_t i = 0; i < r.n; i++) evaluation_free(&r.rows[i].v);
        mem_free(r.rows);
    }
    store_close(s);
    int code = cli_fail(c, &e);
    arena_free(&a);
    return wrong ? wrong : code;
}

const command cmd_eval = {
    .name = "eval",
    .summary = "Evaluate trained runs: loss, accuracy, classes, calibration, ensembles",
    .usage = "convoy eval RUN|SWEEP... [dataset.PATH=VALUE ...] [--part test|validation|train]\n"
             "            [--which best|last|average] [--input-size N|HxW] [--ensemble] [--batch N] "
             "[--threads N]\n"
             "            [--plot PREFIX] [--force] [--json]",
    .examples = "convoy eval last\n"
                "convoy eval r12 --part validation --which last --json\n"
                "convoy eval r12 dataset.path=/data/cifar-10.1 dataset.test_limit=1000\n"
                "convoy eval r12 --input-size 48\n"
                "convoy eval last --plot figures/last\n"
                "convoy eval s3 --ensemble",
    .options = eval_rows,
    .n_options = sizeof eval_rows / sizeof *eval_rows,
    .size = sizeof(eval_args),
    .run = run,
};
