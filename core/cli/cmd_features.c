/* `convoy features`: what a layer of a trained network gives, for a part of its data or for picture files, as a file or for
 * a linear support vector machine. Owns the options and the way through. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/parallel.h"
#include "cli/cli.h"
#include "cli/features_svm.h"
#include "cli/pictures.h"
#include "cli/results.h"
#include "cli/trained.h"
#include "convoy/convoy.h"
#include "train/feature_file.h"
#include "train/forward.h"

typedef struct features_args {
    text_list set;
    const char *layer, *output, *part, *which, *C, *scale;
    int64_t folds, batch, threads;
    bool svm, overwrite, force;
} features_args;

static const option_row features_rows[] = {
    OPTION(
        features_args, layer, 'l', OPTION_TEXT, "NAME",
        "which layer's outputs, by its name in `convoy model`; of a block of layers the last. Without it the "
        "network's own"),
    OPTION(features_args, output, 'o', OPTION_TEXT, "FILE",
           "the safetensors file: `features` (N, ...), `labels` (N) as int32 or `targets` of a regression, "
           "names in "
           "its metadata"),
    OPTION(features_args, part, 0, OPTION_TEXT, "PART",
           "which samples: test, the default, validation or train, in the dataset's order and without random "
           "augmentation"),
    OPTION(features_args, set, 0, OPTION_TEXTS, "PATH=VALUE",
           "set a value below `dataset.`; PATH=VALUE alone does too"),
    OPTION(features_args, which, 0, OPTION_TEXT, "WHICH",
           "best, last or average: the weights of the best epoch, which is the default, the last ones, or "
           "those that "
           "the optimizer (ema) has averaged up to the last"),
    OPTION(features_args, svm, 0, OPTION_FLAG, NULL,
           "train a linear support vector machine on the training samples' features (LIBLINEAR: L2 loss, one "
           "against "
           "the rest) and test it on those of --part"),
    OPTION(features_args, C, 0, OPTION_TEXT, "C",
           "its cost of a wrong sample, 1 by default; `cv` takes the best of 1e-6 to 10 by cross-validation"),
    OPTION_NUMBER(features_args, folds, 0, "N", 5, 2, 1000, "parts of the cross-validation"),
    OPTION(features_args, scale, 0, OPTION_TEXT, "HOW",
           "standard: each feature has mean 0 and variance 1 over the training samples, the default; unit: "
           "each sample "
           "has length 1; none"),
    OPTION(features_args, overwrite, 0, OPTION_FLAG, NULL, "though FILE is there already"),
    OPTION(features_args, force, 0, OPTION_FLAG, NULL,
           "though plugins of your own that the run used have changed"),
    OPTION_NUMBER(features_args, batch, 'b', "N", 64, 1, 65536, "samples computed at once"),
    OPTION_NUMBER(features_args, threads, 't', "N", 0, 0, 1024, "compute threads; 0: as many as the run had"),
};

typedef struct job {
    const common *c;
    const features_args *args;
    const query_run *run;
    weights_which which;
    data_part part;
    svm_options svm;
    trained_options trained;
    trained t;
    checkpoint_weights weights;
    forward f;
    pictures files;
    cvy_shape shape; /* of the features, batched */
    errors unread;   /* files that were left out */
} job;

/* Where features go as they come. */
typedef struct sink {
    feature_file *file; /* or NULL */
    float *x;           /* (N, row), or NULL */
    int32_t *labels;
    float *targets;
    int64_t at, row, n_targets;
} sink;

static const char *const part_names[] = {"train", "validation", "test"};

/* ---- options ---- */

static int read_options(const command *self, const common *c, const features_args *args, job *j)
{
    static const char *const scales[] = {"standard", "unit", "none"};
    const char *part = args->part ? args->part : "test", *scale = args->scale ? args->scale : "standard";
    size_t at = 0, how = 0;
    char *end = NULL;
    while (at < 3 && strcmp(part, part_names[at]) != 0) at++;
    while (how < 3 && strcmp(scale, scales[how]) != 0) how++;
    if (at == 3) return cli_usage(self, c, "--part: \"%s\" is not test, validation or train", part);
    if (how == 3) return cli_usage(self, c, "--scale: \"%s\" is not standard, unit or none", scale);
    if (args->which && !weights_parse(args->which, &j->which))
        return cli_usage(self, c, "--which: \"%s\" is not " WEIGHTS_WORDS, args->which);
    j->part = (data_part)at;
    j->svm = (svm_options){.scale = (svm_scale)how, .c = 1, .folds = (int)args->folds, .scale_name = scale};
    if (args->C && !strcmp(args->C, "cv"))
        j->svm.c = 0;
    else if (args->C)
        j->svm.c = strtod(args->C, &end);
    if (args->C && end && (*end || end == args->C || !(j->svm.c > 0) || !isfinite(j->svm.c)))
        return cli_usage(self, c, "--C: \"%s\" is no number above 0, and not cv", args->C);
    if (!args->svm && (args->C || args->scale))
        return cli_usage(self, c, "--%s is for --svm", args->C ? "C" : "scale");
    if (!args->svm && !args->output) return cli_usage(self, c, "-o FILE is missing: where the features go");
    j->trained.force = args->force;
    return CVY_OK;
}

static void check_output(const features_args *args, errors *e)
{
    if (!args->output || !file_exists(args->output) || (args->overwrite && !file_is_dir(args->output)))
        return;
    const bool folder = file_is_dir(args->output);
    errors_add(e, CVY_ERR_CONFIG, &PLACE_FILE(args->output),
               folder ? "name a file in it" : "--overwrite replaces it",
               folder ? "is a folder" : "is there already");
}

/* ---- features of samples ---- */

static cvy_status take(void *ctx, const float *y, const cvy_shape *shape, const batch *b, errors *e)
{
    sink *to = ctx;
    if (cvy_sample_count(shape) != to->row)
        return errors_add(e, CVY_ERR_CONFIG, NULL,
                          "a layer behind global_avg_pool gives the same number of all sizes",
                          "the samples differ in size, and so does what the layer gives of them");
    cvy_status status = CVY_OK;
    for (int64_t i = 0; i < b->n && !status; i++) { /* samples of several sizes come in another order */
        const int64_t at = b->samples ? b->samples[i] : to->at + i;
        if (to->x) memcpy(to->x + at * to->row, y + i * to->row, (size_t)to->row * sizeof *y);
        if (to->labels && b->labels) to->labels[at] = b->labels[i];
        if (to->targets && b->target)
            memcpy(to->targets + at * to->n_targets, b->target + i * to->n_targets,
                   (size_t)to->n_targets * sizeof *b->target);
        if (to->file) status = feature_file_put_row(to->file, at, y + i * to->row, e);
    }
    to->at += b->n;
    return status;
}

static cvy_status take_part(job *j, data_part part, sink *to, errors *e)
{
    data *d = j->t.s->data;
    if (part == DATA_TRAIN) {
        data_validate_on_training(d);
        part = DATA_VALIDATION;
    }
    if (d->n[part] < 1)
        return errors_add(e, CVY_ERR_CONFIG, &d->at, NULL, "the dataset has no %s samples", part_names[part]);
    return forward_part(&j->f, part, take, to, e);
}

/* The files that could be read stay in j->files. */
static cvy_status take_files(job *j, sink *to, errors *unread, errors *e)
{
    pictures *p = &j->files;
    const int64_t at_once = j->f.batch;
    errors *wrong = mem_array((size_t)at_once, sizeof *wrong);
    size_t kept = 0;
    cvy_status status = CVY_OK;
    for (size_t first = 0; first < p->n && !status; first += (size_t)at_once) {
        int64_t n = p->n - first < (size_t)at_once ? (int64_t)(p->n - first) : at_once, good = 0;
        cvy_shape of;
        pictures_batch(p->files + first, (int64_t)first, n, 1, &j->f, &of, wrong);
        const int64_t sample = cvy_count(&of);
        for (int64_t i = 0; i < n; i++) {
            char *name = p->files[first + (size_t)i];
            if (errors_count(&wrong[i])) {
                mem_free(name);
            } else {
                if (good < i)
                    memcpy(j->f.x + good * sample, j->f.x + i * sample, (size_t)sample * sizeof(float));
                p->files[kept++] = name;
                good++;
            }
            errors_move(unread, &wrong[i]);
        }
        const float *y;
        cvy_shape shape;
        if (good) status = forward_run(&j->f, &of, good, &y, &shape, e);
        const batch b = {.n = good};
        if (good && !status) status = take(to, y, &shape, &b, e);
        if (status) /* the rest of the names goes too */
            for (size_t i = first + (size_t)n; i < p->n; i++) mem_free(p->files[i]);
    }
    p->n = kept;
    mem_free(wrong);
    if (!status && !kept)
        status = errors_add(e, CVY_ERR_CONFIG, NULL, NULL, "none of the files could be read");
    return status;
}

/* ---- the file ---- */

static char *names_json(const char *const *names, size_t n)
{
    json_writer w = {0};
    json_open(&w, '[');
    for (size_t i = 0; i < n; i++) json_text(&w, names[i]);
    json_close(&w, ']');
    return text_take(&w.out);
}

enum { PAIRS = 10 };

/* The metadata of the file; its number. The texts are of the arena. */
static size_t metadata(const job *j, const char *layer, arena *a, feature_pair out[PAIRS])
{
    const data *d = j->t.s->data;
    size_t n = 0;
    out[n++] = (feature_pair){"format", "pt"};
    out[n++] = (feature_pair){"convoy", cvy_version()};
    out[n++] = (feature_pair){"run", j->run->name};
    out[n++] = (feature_pair){"which", weights_word(j->which)};
    out[n++] = (feature_pair){"epoch", arena_printf(a, "%lld", (long long)j->weights.epoch)};
    out[n++] = (feature_pair){"layer", layer};
    out[n++] = (feature_pair){"dataset", d->plugin->name};
    out[n++] = (feature_pair){"part", j->files.n ? "" : part_names[j->part]};
    if (d->info.class_names) {
        char *names = names_json(d->info.class_names, (size_t)d->info.classes);
        out[n++] = (feature_pair){"class_names", arena_text(a, names)};
        mem_free(names);
    }
    if (j->files.n) {
        char *names = names_json((const char *const *)j->files.files, j->files.n);
        out[n++] = (feature_pair){"files", arena_text(a, names)};
        mem_free(names);
    }
    return n;
}

static size_t metadata_size(const feature_pair *pairs, size_t n)
{
    json_writer w = {0};
    for (size_t i = 0; i < n; i++) json_put_text(&w, pairs[i].key, pairs[i].value);
    const size_t size = w.out.n;
    text_free(&w.out);
    return size;
}

/* ---- a run ---- */

static const char *layer_name(const job *j)
{
    return j->t.s->net->nodes[j->t.s->net->output].path;
}

static cvy_status open_run(job *j, const char *results, errors *e)
{
    char *dir = path_join(results, j->run->name);
    cvy_status status = CVY_ERR_CONFIG;
    const size_t before = errors_count(e);
    if (checkpoint_weights_read(&j->weights, dir, j->which, e) &&
        (j->files.n ? trained_recall(&j->t, j->c, results, j->run->name, &j->trained, e)
                    : trained_open(&j->t, j->c, results, j->run->name, &j->trained, e)) &&
        (!j->files.n || data_takes_pictures(j->t.s->data, e))) {
        parallel_set_threads((int)(j->args->threads ? j->args->threads : j->t.run.threads));
        j->t.s->data_settings.eval.copies = 0; /* a sample as it is */
        status = j->args->layer ? forward_cut(j->t.s, j->args->layer, e) : CVY_OK;
        if (!status && !j->files.n) status = data_prepare(j->t.s->data, e);
        const int64_t at_once = j->files.n && !data_imports_alike(j->t.s->data) ? 1 : j->args->batch;
        if (!status) status = forward_open(&j->f, j->t.s, &j->weights, at_once, j->t.hint, e);
        j->shape = j->t.s->net->nodes[j->t.s->net->output].out;
    }
    mem_free(dir);
    return errors_count(e) > before ? errors_status(e) : status;
}

static cvy_status sink_open(const job *j, sink *to, int64_t n, bool keep, errors *e)
{
    const data *d = j->t.s->data;
    size_t cells, targets;
    *to = (sink){.row = cvy_sample_count(&j->shape), .n_targets = d->info.targets};
    bool fits =
        size_mul((size_t)n, (size_t)to->row, &cells) && size_mul((size_t)n, (size_t)to->n_targets, &targets);
    if (fits && keep) fits = (to->x = mem_try(cells, sizeof *to->x)) != NULL;
    if (fits && !j->files.n && d->info.classes > 0)
        fits = (to->labels = mem_try((size_t)n, sizeof *to->labels)) != NULL;
    if (fits && !j->files.n && to->n_targets > 0)
        fits = (to->targets = mem_try(targets, sizeof *to->targets)) != NULL;
    if (fits) return CVY_OK;
    return errors_add(e, CVY_ERR_RESOURCE, NULL, NULL, "not enough memory for %lld x %lld features",
                      (long long)n, (long long)to->row);
}

static void sink_free(sink *to)
{
    mem_free(to->x);
    mem_free(to->labels);
    mem_free(to->targets);
}

/* The features of the part or the files, into the output file and, if `keep`, into *to. */
static cvy_status gather(job *j, sink *to, bool keep, errors *e)
{
    const int64_t n = j->files.n ? (int64_t)j->files.n : j->t.s->data->n[j->part];
    feature_file file = {.fd = -1};
    errors unread = {0}; /* apart: what goes on looks at what is in `e` */
    arena a = {0};
    feature_pair pairs[PAIRS];
    size_t n_pairs = metadata(j, layer_name(j), &a, pairs);
    cvy_status status = sink_open(j, to, n, keep, e);
    if (!status && j->args->output) {
        status = feature_file_open(&file, j->args->output, &j->shape, metadata_size(pairs, n_pairs), e);
        to->file = &file;
    }
    if (!status) status = j->files.n ? take_files(j, to, &unread, e) : take_part(j, j->part, to, e);
    if (!status && j->args->output) {
        n_pairs = metadata(j, layer_name(j), &a, pairs);
        status = feature_file_finish(&file, to->labels, to->targets, to->n_targets, pairs, n_pairs, e);
    }
    feature_file_close(&file);
    to->file = NULL;
    errors_move(&j->unread, &unread);
    arena_free(&a);
    return status;
}

static void tell(const job *j, int64_t n, const svm_report *svm)
{
    if (j->c->json) {
        json_writer w = {0};
        json_open(&w, '{');
        json_put_text(&w, "file", j->args->output);
        json_put_text(&w, "run", j->run->name);
        json_put_text(&w, "which", weights_word(j->which));
        json_put_int(&w, "epoch", j->weights.epoch);
        json_put_text(&w, "layer", layer_name(j));
        json_put_text(&w, "part", j->files.n ? NULL : part_names[j->part]);
        json_key(&w, "shape");
        json_open(&w, '[');
        json_int(&w, n);
        for (int i = 1; i < j->shape.rank; i++) json_int(&w, j->shape.dim[i]);
        json_close(&w, ']');
        if (svm) features_svm_json(svm, &w);
        json_close(&w, '}');
        cli_print_json(&w);
        return;
    }
    text shape = {0};
    net_shape_text(&j->shape, &shape);
    cli_say(j->c, "%s, %s weights, epoch %lld, layer %s: features %s of %lld samples", j->run->name,
            weights_word(j->which), (long long)j->weights.epoch, layer_name(j), text_str(&shape),
            (long long)n);
    if (j->args->output) cli_print_path(j->args->output);
    if (svm) features_svm_text(j->c, svm);
    text_free(&shape);
}

static cvy_status with_svm(job *j, const sink *test, errors *e)
{
    const data *d = j->t.s->data;
    sink train = {0};
    svm_report report = {0};
    cvy_status status = CVY_OK;
    if (d->info.classes < 2)
        status = errors_add(e, CVY_ERR_CONFIG, &d->at, NULL, "the dataset has no classes to tell apart");
    if (!status) status = sink_open(j, &train, d->n[DATA_TRAIN], true, e);
    if (!status) status = take_part(j, DATA_TRAIN, &train, e);
    const svm_set on = {train.x, train.labels, train.at, train.row},
                  of = {test->x, test->labels, test->at, test->row};
    j->svm.seed = j->t.s->x->seed;
    j->svm.classes = d->info.classes;
    j->svm.class_names = d->info.class_names;
    j->svm.part = part_names[j->part];
    if (!status) status = features_svm(j->c, &j->svm, &on, &of, &report, e);
    if (!status) tell(j, test->at, &report);
    features_svm_free(&report);
    sink_free(&train);
    return status;
}

static cvy_status run_one(job *j, const char *results, errors *e)
{
    sink to = {0};
    errors_push(e, "%s", j->run->name);
    cvy_status status = open_run(j, results, e);
    if (!status && j->args->svm && !linear_svm_version()) /* before anything is computed */
        status = linear_svm_predict(NULL, NULL, NULL, e);
    if (!status) status = gather(j, &to, j->args->svm, e);
    if (!status && j->args->svm)
        status = with_svm(j, &to, e);
    else if (!status)
        tell(j, to.at, NULL);
    errors_pop(e);
    errors_move(e, &j->unread);
    sink_free(&to);
    forward_close(&j->f);
    checkpoint_weights_free(&j->weights);
    trained_close(&j->t);
    return status;
}

/* ---- the command ---- */

static int run(const command *self, const common *c, void *given, int argc, char **argv)
{
    const features_args *args = given;
    job j = {.c = c, .args = args};
    arena a = {0};
    errors e = {0};
    query_run *runs = NULL;
    size_t n = 0;
    bool by_run = true;
    const char *sweep = NULL;
    store *s = NULL;
    const char **overrides = arena_array(&a, (size_t)argc + args->set.n + 1, sizeof *overrides);
    char **words = arena_array(&a, (size_t)argc + 1, sizeof *words);
    int n_words = 0;
    for (int i = 0; i < argc; i++) {
        if (cli_is_override(argv[i]) && !file_exists(argv[i]))
            overrides[j.trained.n_overrides++] = argv[i];
        else
            words[n_words++] = argv[i];
    }
    for (size_t i = 0; i < args->set.n; i++) overrides[j.trained.n_overrides++] = args->set.items[i];
    j.trained.overrides = overrides;
    int wrong = n_words ? read_options(self, c, args, &j) : cli_usage(self, c, "of which run?");
    if (!wrong && n_words > 1 && (args->svm || args->part))
        wrong = cli_usage(self, c, "%s is for a part of the dataset, not for files",
                          args->svm ? "--svm" : "--part");
    if (!wrong) check_output(args, &e);
    if (!wrong && !errors_count(&e) && trained_check_overrides(&j.trained, &e)) s = results_open(c, &e);
    if (s && results_find(s, words, 1, &a, &runs, &n, &by_run, &sweep, &e) == CVY_OK) {
        j.run = runs;
        if (n != 1) {
            errors_add(&e, CVY_ERR_CONFIG, NULL, "name one of them, as r12", "\"%s\" is %zu runs", words[0],
                       n);
        } else {
            const bool found = n_words < 2 || pictures_find(&j.files, words + 1, n_words - 1, &e);
            if (found && (n_words < 2 || j.files.n)) run_one(&j, store_results(s), &e);
        }
    }
    pictures_free(&j.files);
    store_close(s);
    arena_free(&a);
    return wrong ? wrong : cli_fail(c, &e);
}

const command cmd_features = {
    .name = "features",
    .summary = "What a layer of a trained run gives: to a file, or to a linear support vector machine",
    .usage =
        "convoy features RUN --layer NAME -o FILE [--part test|validation|train] [dataset.PATH=VALUE ...]\n"
        "convoy features RUN --layer NAME -o FILE FILE|FOLDER|-...\n"
        "convoy features RUN --layer NAME --svm [--C C|cv] [--scale standard|unit|none]",
    .examples = "convoy features r12 --layer fc7 -o test.safetensors\n"
                "convoy features r12 --layer fc7 -o train.safetensors --part train\n"
                "convoy features r12 --layer global_avg_pool -o photos.safetensors photos/\n"
                "convoy features r12 --layer fc7 --svm --C cv",
    .options = features_rows,
    .n_options = sizeof features_rows / sizeof *features_rows,
    .size = sizeof(features_args),
    .run = run,
};
