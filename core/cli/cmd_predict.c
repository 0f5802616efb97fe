/* `convoy predict`: what trained networks say to picture files. Owns the options, and the way from files to answers. */
#include <math.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/parallel.h"
#include "cli/cli.h"
#include "cli/pictures.h"
#include "cli/predict_show.h"
#include "cli/results.h"
#include "cli/trained.h"
#include "train/views.h"
#include "train/forward.h"
#include "train/scores.h"

typedef struct predict_args {
    const char *which;
    int64_t top_k, batch, threads;
    bool csv, ensemble, force;
} predict_args;

static const option_row predict_rows[] = {
    OPTION_NUMBER(predict_args, top_k, 'k', "K", 3, 1, 1000000,
                  "how many classes to name, the likeliest first"),
    OPTION(predict_args, csv, 0, OPTION_FLAG, NULL,
           "a table for other programs: file,rank,class,name,probability"),
    OPTION(predict_args, which, 0, OPTION_TEXT, "WHICH",
           "best, last or average: the weights of the best epoch, which is the default, the last ones, or "
           "those that "
           "the optimizer (ema) has averaged up to the last"),
    OPTION(predict_args, ensemble, 0, OPTION_FLAG, NULL,
           "where RUN means several (r1,r2 or a sweep): the mean of their probabilities"),
    OPTION(predict_args, force, 0, OPTION_FLAG, NULL,
           "though plugins of your own that the run used have changed"),
    OPTION_NUMBER(predict_args, batch, 'b', "N", 32, 1, 65536, "pictures computed at once"),
    OPTION_NUMBER(predict_args, threads, 't', "N", 0, 0, 1024, "compute threads; 0: as many as the run had"),
};

/* A run that answers. */
typedef struct member {
    trained t;
    checkpoint_weights weights;
    forward f;
    int32_t copies; /* of a picture, over whose answers the mean is taken */
    bool of_scores; /* of whose scores the mean is taken, not of their probabilities */
    bool begun, probabilities;
} member;

typedef struct job {
    const common *c;
    const predict_args *args;
    const char *results;
    weights_which which;
    member *members;
    size_t n;
    int64_t answers; /* numbers for each picture: classes, or the dataset's numbers */
    bool classes;
    int64_t at_once; /* pictures */
    double *p;       /* (at_once, answers): sums over the members */
    errors *wrong;   /* (at_once) */
} job;

/* ---- opening ---- */

static cvy_status check_answers(job *j, const member *m, const char *run, errors *e)
{
    const setup *s = m->t.s;
    const data *d = s->data;
    const bool classes = s->accuracy, numbers = data_target(d) == TARGET_NUMBERS;
    const int64_t n = classes ? d->info.classes : d->info.targets;
    if (!classes && !numbers)
        return errors_add(e, CVY_ERR_CONFIG, NULL, "`convoy features` writes the outputs of any layer",
                          "the network gives neither scores of classes nor the numbers of a regression");
    if (m == j->members) {
        j->answers = n;
        j->classes = classes;
        return CVY_OK;
    }
    bool same = n == j->answers && classes == j->classes;
    const char *const *ours = d->info.class_names, *const *first = j->members[0].t.s->data->info.class_names;
    for (int64_t k = 0; same && classes && ours && first && k < n; k++) same = !strcmp(ours[k], first[k]);
    if (same) return CVY_OK;
    return errors_add(e, CVY_ERR_CONFIG, NULL, NULL,
                      "%s answers with other classes or numbers than the runs before it", run);
}

static cvy_status open_member(job *j, member *m, const char *run, errors *e)
{
    const trained_options o = {.force = j->args->force};
    char *dir = path_join(j->results, run);
    errors_push(e, "%s", run);
    const size_t before = errors_count(e);
    if (checkpoint_weights_read(&m->weights, dir, j->which, e) &&
        trained_recall(&m->t, j->c, j->results, run, &o, e) && data_takes_pictures(m->t.s->data, e) &&
        check_answers(j, m, run, e) == CVY_OK) {
        const int64_t copies = m->t.s->data_settings.eval.copies;
        m->copies = copies > 0 ? (int32_t)copies : 1;
        m->of_scores = m->copies > 1 && !views_are_probabilities(m->t.s);
        if (!data_imports_alike(m->t.s->data)) j->at_once = 1;
    }
    errors_pop(e);
    mem_free(dir);
    return errors_count(e) > before ? errors_status(e) : CVY_OK;
}

static cvy_status ready_member(job *j, member *m, const char *run, errors *e)
{
    errors_push(e, "%s", run);
    parallel_set_threads((int)(j->args->threads ? j->args->threads : m->t.run.threads));
    cvy_status status = forward_open(&m->f, m->t.s, &m->weights, j->at_once * m->copies, m->t.hint, e);
    errors_pop(e);
    return status;
}

static void close_member(member *m)
{
    forward_close(&m->f);
    checkpoint_weights_free(&m->weights);
    trained_close(&m->t);
}

/* ---- answering ---- */

/* Adds what the member says to n pictures: of its copies the mean probabilities, or the mean scores where the loss sees
 * more of these than their probabilities. */
static void add_answers(job *j, member *m, float *y, int64_t n)
{
    const int64_t k = j->answers;
    const int64_t rows = n * m->copies;
    double *one = mem_array((size_t)k, sizeof *one);
    if (j->classes && !m->begun) m->probabilities = scores_are_probabilities(y, rows, k);
    m->begun = true;
    for (int64_t i = 0; m->of_scores && i < n; i++)
        for (int64_t c = 0; c < k; c++) {
            double sum = 0;
            for (int64_t copy = 0; copy < m->copies; copy++) sum += (double)y[(i * m->copies + copy) * k + c];
            y[i * k + c] = (float)(sum / (double)m->copies);
        }
    const int64_t each = m->of_scores ? 1 : m->copies;
    const double share = 1.0 / ((double)each * (double)j->n);
    for (int64_t i = 0; i < n * each; i++) {
        const float *row = y + i * k;
        double *sum = j->p + i / each * k;
        if (j->classes && !m->probabilities)
            scores_softmax(row, k, one);
        else
            for (int64_t c = 0; c < k; c++) one[c] = (double)row[c];
        for (int64_t c = 0; c < k; c++) sum[c] += share * one[c];
    }
    mem_free(one);
}

static cvy_status answer(job *j, char *const *files, int64_t first, int64_t n, errors *e)
{
    memset(j->p, 0, (size_t)(n * j->answers) * sizeof *j->p);
    for (size_t i = 0; i < j->n; i++) {
        member *m = &j->members[i];
        const float *y;
        cvy_shape sample, shape;
        errors *again = mem_array((size_t)n, sizeof *again); /* each member would tell the same */
        pictures_batch(files, first, n, m->copies, &m->f, &sample, again);
        for (int64_t f = 0; f < n; f++) {
            if (!errors_count(&j->wrong[f])) errors_move(&j->wrong[f], &again[f]);
            errors_free(&again[f]);
        }
        mem_free(again);
        if (j->at_once == 1 && errors_count(&j->wrong[0])) return CVY_OK;
        cvy_status status = forward_run(&m->f, &sample, n * m->copies, &y, &shape, e);
        if (!status && cvy_sample_count(&shape) != j->answers)
            status = errors_add(e, CVY_ERR_CONFIG, &PLACE_FILE(files[0]), NULL,
                                "of a picture of this size the network makes another number of answers");
        if (status) return status;
        add_answers(j, m, (float *)(uintptr_t)y, n);
    }
    return CVY_OK;
}

static cvy_status answer_all(job *j, const pictures *p, predict_show *out, errors *e)
{
    cvy_status status = CVY_OK;
    for (size_t first = 0; first < p->n && !status; first += (size_t)j->at_once) {
        const size_t left = p->n - first;
        const int64_t n = left < (size_t)j->at_once ? (int64_t)left : j->at_once;
        status = answer(j, p->files + first, (int64_t)first, n, e);
        for (int64_t i = 0; i < n; i++) {
            if (!status && !errors_count(&j->wrong[i]))
                predict_show_one(out, p->files[first + (size_t)i], j->p + i * j->answers);
            errors_move(e, &j->wrong[i]);
        }
    }
    return status;
}

static cvy_status predict(job *j, char **runs, const pictures *p, errors *e)
{
    const int64_t most = (int64_t)p->n;
    cvy_status status = CVY_OK;
    j->at_once = j->args->batch < most ? j->args->batch : most;
    for (size_t i = 0; i < j->n && !status; i++) status = open_member(j, &j->members[i], runs[i], e);
    for (size_t i = 0; i < j->n && !status; i++) status = ready_member(j, &j->members[i], runs[i], e);
    if (status) return status;
    size_t cells;
    j->wrong = mem_array((size_t)j->at_once, sizeof *j->wrong);
    if (size_mul((size_t)j->at_once, (size_t)j->answers, &cells)) j->p = mem_try(cells, sizeof *j->p);
    if (!j->p)
        return errors_add(e, CVY_ERR_RESOURCE, NULL, "--batch takes fewer",
                          "not enough memory for the answers to %lld pictures", (long long)j->at_once);
    for (size_t i = 0; i < j->n; i++)
        cli_say(j->c, "%s (%s): %s weights, epoch %lld", runs[i], j->members[i].t.run.experiment,
                weights_word(j->which), (long long)j->members[i].weights.epoch);
    predict_show out = {.c = j->c,
                        .form = j->c->json     ? PREDICT_JSON
                                : j->args->csv ? PREDICT_CSV
                                               : PREDICT_TEXT,
                        .n = j->answers,
                        .top = j->classes ? (j->args->top_k < j->answers ? j->args->top_k : j->answers) : 0,
                        .class_names = j->members[0].t.s->data->info.class_names};
    predict_show_begin(&out, runs, j->n, weights_word(j->which));
    status = answer_all(j, p, &out, e);
    predict_show_end(&out);
    return status;
}

/* ---- the command ---- */

/* "r1,r2": several, as words. */
static char **split(arena *a, const char *s, int *n)
{
    char **words = arena_array(a, strlen(s) + 1, sizeof *words);
    *n = 0;
    while (*s) {
        const size_t length = strcspn(s, ",");
        if (length) words[(*n)++] = arena_text_n(a, s, length);
        s += length + (s[length] == ',');
    }
    return words;
}

static bool is_picture(const char *name)
{
    const char *ending = strrchr(name, '.');
    return ending &&
           (!strcasecmp(ending, ".jpg") || !strcasecmp(ending, ".jpeg") || !strcasecmp(ending, ".png"));
}

static void run_files(job *j, const query_run *found, size_t n, char **files, int n_files, errors *e)
{
    pictures p = {0};
    char **runs = mem_array(n, sizeof *runs);
    for (size_t i = 0; i < n; i++) runs[i] = mem_text(found[i].name);
    j->members = mem_array(n, sizeof *j->members);
    j->n = n;
    pictures_find(&p, files, n_files, e);
    if (p.n) predict(j, runs, &p, e);
    for (size_t i = 0; i < n; i++) {
        close_member(&j->members[i]);
        mem_free(runs[i]);
    }
    for (int64_t i = 0; j->wrong && i < j->at_once; i++) errors_free(&j->wrong[i]);
    mem_free(j->wrong);
    mem_free(j->p);
    mem_free(j->members);
    mem_free(runs);
    pictures_free(&p);
}

static int run(const command *self, const common *c, void *given, int argc, char **argv)
{
    const predict_args *args = given;
    job j = {.c = c, .args = args};
    arena a = {0};
    errors e = {0};
    query_run *runs = NULL;
    size_t n = 0;
    bool by_run = true;
    const char *sweep = NULL;
    if (argc < 1) return cli_usage(self, c, "which run, and which files?");
    if (argc < 2)
        return cli_usage(self, c, "which files? Pictures, folders of them, or - for names on standard input");
    if (is_picture(argv[0]))
        return cli_usage(self, c, "\"%s\" is a picture: the run comes first, then the files", argv[0]);
    if (args->which && !weights_parse(args->which, &j.which))
        return cli_usage(self, c, "--which: \"%s\" is not " WEIGHTS_WORDS, args->which);
    if (c->json && args->csv) return cli_usage(self, c, "--csv and --json are two forms of the same");
    int n_words;
    char **words = split(&a, argv[0], &n_words);
    store *s = results_open(c, &e);
    if (s && results_find(s, words, n_words, &a, &runs, &n, &by_run, &sweep, &e) == CVY_OK && n) {
        j.results = store_results(s);
        if (n > 1 && !args->ensemble)
            errors_add(&e, CVY_ERR_CONFIG, NULL,
                       "name one of them, as r12, or let them answer together: --ensemble",
                       "\"%s\" is %zu runs", argv[0], n);
        else
            run_files(&j, runs, n, argv + 1, argc - 1, &e);
    }
    store_close(s);
    arena_free(&a);
    return cli_fail(c, &e);
}

const command cmd_predict = {
    .name = "predict",
    .summary = "Classify picture files by a trained run: class names and probabilities",
    .usage = "convoy predict RUN FILE|FOLDER|-... [--top-k K] [--which best|last|average] [--ensemble]\n"
             "               [--batch N] [--threads N] [--csv|--json]",
    .examples = "convoy predict last cat.jpg dog.png\n"
                "convoy predict r12 photos/ --top-k 5 --csv > answers.csv\n"
                "find . -name '*.jpg' | convoy predict r12 - --json\n"
                "convoy predict s3 photos/ --ensemble\n"
                "convoy predict r1,r2,r3 cat.jpg --ensemble",
    .options = predict_rows,
    .n_options = sizeof predict_rows / sizeof *predict_rows,
    .size = sizeof(predict_args),
    .run = run,
};
