/* `convoy inspect`: looking inside a trained network. Owns the options, and the way to a run and a picture. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/parallel.h"
#include "cli/inspect.h"
#include "cli/pictures.h"
#include "cli/visible.h"
#include "train/scores.h"

const char *const inspect_words[] = {"table",     "filters", "maps",       "saliency",
                                     "occlusion", "gradcam", "histograms", NULL};

static const option_row inspect_rows[] = {
    OPTION(inspect_args, layer, 'l', OPTION_TEXTS, "NAME",
           "which layer, by its name in `convoy model`; of a block of layers the last. filters: the first "
           "convolution; maps: may be given several times, otherwise what follows the convolutions; gradcam: "
           "the last "
           "convolution with what follows it at the same size"),
    OPTION(inspect_args, output, 'o', OPTION_TEXT, "FILE", "the PNG file; otherwise one in the run's folder"),
    OPTION(inspect_args, image, 'i', OPTION_TEXT, "FILE", "the JPEG or PNG file that the network looks at"),
    OPTION_NUMBER(inspect_args, sample, 's', "N", -1, -1, INT64_MAX,
                  "or a sample of the dataset: its number in the part, from 0"),
    OPTION(inspect_args, part, 0, OPTION_TEXT, "PART",
           "the table, --sample: which samples: test, the default, validation or train"),
    OPTION(inspect_args, class, 0, OPTION_TEXT, "NAME",
           "the class that is asked about, by name or number; otherwise the one that the network answers"),
    OPTION_NUMBER(inspect_args, smooth, 0, "N", 0, 0, 10000,
                  "saliency: mean over so many pictures with noise on them (SmoothGrad)"),
    OPTION_NUMBER(inspect_args, patch, 0, "PIXELS", 0, 0, 65536,
                  "occlusion: side of the square that covers; 0: a fifth of the picture"),
    OPTION_NUMBER(inspect_args, stride, 0, "PIXELS", 0, 0, 65536,
                  "occlusion: from square to square; 0: a third of one"),
    OPTION(inspect_args, tensor, 0, OPTION_TEXT, "NAME",
           "histograms: of which weights, as in the table; otherwise the first layer's"),
    OPTION_NUMBER(inspect_args, limit, 0, "N", 0, 0, 512,
                  "filters, maps: rows and columns at most; 0: 16 of filters, of maps 8 rows and 12 columns"),
    OPTION_NUMBER(
        inspect_args, samples, 'n', "N", -1, -1, 1000000,
        "the table: validation samples (or of --part) that tell which units never fire: 256 without it; 0 "
        "needs no dataset"),
    OPTION(inspect_args, set, 0, OPTION_TEXTS, "PATH=VALUE",
           "set a value below `dataset.`; PATH=VALUE alone does too"),
    OPTION(inspect_args, which, 0, OPTION_TEXT, "WHICH",
           "best, last or average: the weights of the best epoch, which is the default, the last ones, or "
           "those that "
           "the optimizer (ema) has averaged up to the last"),
    OPTION(inspect_args, force, 0, OPTION_FLAG, NULL,
           "though plugins of your own that the run used have changed"),
    OPTION_NUMBER(inspect_args, threads, 't', "N", 0, 0, 1024, "compute threads; 0: as many as the run had"),
};

static const char *const part_names[] = {"train", "validation", "test"};

const net *inspect_net(const inspection *i)
{
    return i->t.s->net;
}

state *inspect_state(const inspection *i)
{
    return i->f.steps.state;
}

/* ---- files ---- */

static void add_name(text *t, const char *s)
{
    enum { MOST = 100 }; /* of the 255 bytes that a file's name may have */
    const size_t n = strlen(s), before = t->n;
    for (size_t i = 0, len; i < n && t->n - before < MOST; i += len ? len : 1) {
        uint32_t code = 0;
        len = text_utf8(s + i, n - i, &code);
        if (len && *(s + i) != '/' && *(s + i) != ' ' && !text_hidden(code))
            text_add_n(t, s + i, len);
        else
            text_char(t, '-');
    }
}

char *inspect_path(const inspection *i, const char *of)
{
    if (i->args->output) return mem_text(i->args->output);
    text name = {0};
    text_printf(&name, "inspect-%s", inspect_words[i->what]);
    if (of) {
        text_char(&name, '-');
        add_name(&name, of);
    }
    if (i->of) {
        const char *slash = strrchr(i->of, '/');
        text_char(&name, '-');
        add_name(&name, slash ? slash + 1 : i->of);
    }
    text_add(&name, ".png");
    char *dir = path_join(store_results(i->store), i->run->name), *path = path_join(dir, text_str(&name));
    mem_free(dir);
    text_free(&name);
    return path;
}

void inspect_say_file(const inspection *i, const char *path)
{
    if (i->c->json) {
        json_writer w = {0};
        json_open(&w, '{');
        json_put_text(&w, "run", i->run->name);
        json_put_text(&w, "what", inspect_words[i->what]);
        json_put_text(&w, "file", path);
        json_close(&w, '}');
        cli_print_json(&w);
        return;
    }
    cli_print_path(path);
}

/* ---- classes ---- */

char *inspect_class_name(const inspection *i, int64_t class)
{
    const cvy_dataset_info *info = &i->t.s->data->info;
    if (class >= 0 && class < info->classes && info->class_names && info->class_names[class])
        return mem_text(info->class_names[class]);
    return mem_printf("%lld", (long long)class);
}

static int64_t class_of(const inspection *i, const char *word, int64_t units, errors *e)
{
    const cvy_dataset_info *info = &i->t.s->data->info;
    const size_t named = info->class_names && info->classes > 0 ? (size_t)info->classes : 0;
    for (size_t k = 0; k < named; k++)
        if (!strcmp(info->class_names[k], word) && (int64_t)k < units) return (int64_t)k;
    char *end = NULL;
    const long long number = strtoll(word, &end, 10);
    if (*word && !*end && number >= 0 && number < units) return number;
    const char *near = text_nearest(word, info->class_names, named);
    char *hint = near ? mem_printf("did you mean \"%s\"?", near)
                      : mem_printf("a name, or a number from 0 to %lld", (long long)units - 1);
    errors_add(e, CVY_ERR_CONFIG, NULL, hint, "--class: there is no class \"%s\"", word);
    mem_free(hint);
    return -1;
}

int64_t inspect_class(inspection *i, errors *e)
{
    const saliency_subject s = {
        .net = inspect_net(i), .state = inspect_state(i), .sample = i->sample, .x = i->x};
    float *y = NULL;
    int64_t n = 0, best = 0;
    if (saliency_scores(&s, &y, &n, e)) return -1;
    if (i->args->class) {
        best = class_of(i, i->args->class, n, e);
    } else {
        for (int64_t k = 1; k < n; k++)
            if (y[k] > y[best]) best = k;
    }
    mem_free(y);
    return best;
}

/* ---- the picture ---- */

/* Whether the statistics of the training images bring the numbers back to [0, 1]. */
static bool undoes(const inspection *i, const cvy_shape *shape, const float *x, visible *v)
{
    const cvy_channel_stats *stats = &i->t.s->data->stats;
    const int64_t plane = shape->dim[1] * shape->dim[2];
    bool normalized =
        stats->mean && stats->std && stats->channels == shape->dim[0] && stats->channels <= VISIBLE_CHANNELS;
    *v = (visible){0};
    for (int64_t c = 0; c < VISIBLE_CHANNELS; c++) v->scale[c] = 1;
    for (int pass = normalized ? 0 : 1; pass < 2; pass++) {
        bool fits = true;
        for (int64_t c = 0; c < shape->dim[0] && c < VISIBLE_CHANNELS; c++) {
            v->scale[c] = pass ? 1 : (double)stats->std[c];
            v->shift[c] = pass ? 0 : (double)stats->mean[c];
            for (int64_t p = 0; p < plane; p++) {
                const double shown = v->scale[c] * (double)x[c * plane + p] + v->shift[c];
                fits = fits && shown > -0.02 && shown < 1.02;
            }
        }
        if (fits) return true;
    }
    return false;
}

uint8_t *inspect_visible(const inspection *i, const cvy_shape *shape, const float *x)
{
    visible v;
    v.stretch = !undoes(i, shape, x, &v);
    return visible_picture(&v, shape, x);
}

static cvy_status check_pictures(const inspection *i, errors *e)
{
    const data *d = i->t.s->data;
    if (d->sample.rank == 3) return CVY_OK;
    text shape = {0};
    net_shape_text(&i->t.s->net->nodes[0].out, &shape);
    cvy_status status = errors_add(
        e, CVY_ERR_CONFIG, &d->at, "filters and the table of `convoy inspect RUN` need no picture",
        "the network's samples are no pictures (channels x height x width) but %s", text_str(&shape));
    text_free(&shape);
    return status;
}

static cvy_status read_file(inspection *i, errors *e)
{
    char *const files[] = {(char *)(uintptr_t)i->args->image};
    errors wrong = {0};
    pictures_batch(files, 0, 1, 1, &i->f, &i->sample, &wrong);
    cvy_status status = errors_status(&wrong);
    errors_move(e, &wrong);
    if (status) return status;
    i->label = -1;
    i->of = arena_text(&i->memory, i->args->image);
    i->x = mem_copy(i->f.x, (size_t)cvy_count(&i->sample) * sizeof *i->x);
    return CVY_OK;
}

static cvy_status read_sample(inspection *i, errors *e)
{
    const data *d = i->t.s->data;
    const int64_t n = d->n[i->part], at = i->args->sample;
    if (at >= n)
        return errors_add(e, CVY_ERR_CONFIG, NULL, NULL,
                          "--sample %lld: there are %lld %s samples, counted from 0", (long long)at,
                          (long long)n, part_names[i->part]);
    float *scratch = mem_try((size_t)data_scratch(d), sizeof *scratch),
          *target = mem_try((size_t)data_target_floats(d) + 1, sizeof *target);
    i->x = mem_try((size_t)d->largest, sizeof *i->x);
    i->sample = d->groups[data_group_of(d, i->part, at)];
    i->of = arena_printf(&i->memory, "%s sample %lld", part_names[i->part], (long long)at);
    cvy_status status = CVY_OK;
    if (!scratch || !target || !i->x)
        status = errors_add(e, CVY_ERR_RESOURCE, NULL, NULL, "not enough memory for a sample");
    if (!status) status = data_read(d, i->part, at, 0, i->x, &i->label, target, scratch, e);
    if (d->info.classes < 1) i->label = -1;
    mem_free(scratch);
    mem_free(target);
    return status;
}

/* ---- a run ---- */

static bool needs_picture(inspect_what what)
{
    return what == INSPECT_MAPS || what == INSPECT_SALIENCY || what == INSPECT_OCCLUSION ||
           what == INSPECT_CAM;
}

static bool needs_dataset(const inspection *i)
{
    return i->what == INSPECT_TABLE ? i->args->samples != 0 : needs_picture(i->what) && !i->args->image;
}

static cvy_status open_run(inspection *i, errors *e)
{
    enum { AT_ONCE = 64 };
    const char *results = store_results(i->store);
    char *dir = path_join(results, i->run->name);
    cvy_status status = CVY_ERR_CONFIG;
    if (checkpoint_weights_read(&i->weights, dir, i->which, e) &&
        (needs_dataset(i) ? trained_open(&i->t, i->c, results, i->run->name, &i->options, e)
                          : trained_recall(&i->t, i->c, results, i->run->name, &i->options, e))) {
        data *d = i->t.s->data;
        parallel_set_threads((int)(i->args->threads ? i->args->threads : i->t.run.threads));
        i->t.s->data_settings.eval.copies = 0; /* a sample as it is */
        status = needs_picture(i->what) ? check_pictures(i, e) : CVY_OK;
        if (!status && i->args->image && !data_takes_pictures(d, e)) status = errors_status(e);
        if (!status && needs_dataset(i)) status = data_prepare(d, e);
        if (!status && !i->args->part)
            i->part = i->what == INSPECT_TABLE && d->n[DATA_VALIDATION] > 0 ? DATA_VALIDATION : DATA_TEST;
        if (!status && i->part == DATA_TRAIN) {
            data_validate_on_training(d);
            i->part = DATA_VALIDATION;
        }
        const int64_t at_once = needs_picture(i->what) ? 1 : AT_ONCE;
        if (!status) status = forward_open(&i->f, i->t.s, &i->weights, at_once, i->t.hint, e);
        if (!status && needs_picture(i->what)) status = i->args->image ? read_file(i, e) : read_sample(i, e);
    }
    mem_free(dir);
    return errors_count(e) ? errors_status(e) : status;
}

static cvy_status look(inspection *i, errors *e)
{
    static cvy_status (*const parts[])(inspection *, errors *) = {
        inspect_table, inspect_filters, inspect_maps,      inspect_heat,
        inspect_heat,  inspect_heat,    inspect_histograms};
    errors_push(e, "%s", i->run->name);
    cvy_status status = open_run(i, e);
    if (!status) status = parts[i->what](i, e);
    errors_pop(e);
    mem_free(i->x);
    forward_close(&i->f);
    checkpoint_weights_free(&i->weights);
    trained_close(&i->t);
    return status;
}

/* ---- the command ---- */

static int read_what(const command *self, const common *c, const char *word, inspection *i)
{
    size_t n = 0;
    while (inspect_words[n]) n++;
    for (size_t k = 0; word && k < n; k++)
        if (!strcmp(word, inspect_words[k])) i->what = (inspect_what)k, word = NULL;
    if (!word) return CVY_OK;
    const char *near = text_nearest(word, inspect_words, n);
    return cli_usage(self, c, "\"%s\" is nothing to look at: %s%s%s", word,
                     near ? "did you mean \"" : "filters, maps, saliency, occlusion, gradcam or histograms",
                     near ? near : "", near ? "\"?" : "");
}

/* What would be ignored is refused. */
static int check_uses(const command *self, const common *c, const inspect_args *args, inspect_what what)
{
#define LOOKS(what) (1u << INSPECT_##what)
    const unsigned heat = LOOKS(SALIENCY) | LOOKS(OCCLUSION) | LOOKS(CAM), looking = heat | LOOKS(MAPS);
    const struct {
        const char *option;
        bool given;
        unsigned uses;
    } all[] = {
        {"layer", args->layer.n > 0, LOOKS(FILTERS) | LOOKS(MAPS) | LOOKS(CAM)},
        {"class", args->class, heat},
        {"part", args->part, LOOKS(TABLE) | looking},
        {"smooth", args->smooth != 0, LOOKS(SALIENCY)},
        {"patch", args->patch != 0, LOOKS(OCCLUSION)},
        {"stride", args->stride != 0, LOOKS(OCCLUSION)},
        {"tensor", args->tensor, LOOKS(HISTOGRAMS)},
        {"limit", args->limit != 0, LOOKS(FILTERS) | LOOKS(MAPS)},
        {"samples", args->samples >= 0, LOOKS(TABLE)},
        {"which", args->which, ~LOOKS(HISTOGRAMS)},
    };
#undef LOOKS
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (!all[i].given || all[i].uses & 1u << what) continue;
        text users = {0};
        size_t n = 0, left = (size_t)__builtin_popcount(all[i].uses & ((1u << (INSPECT_HISTOGRAMS + 1)) - 1));
        for (unsigned k = INSPECT_TABLE; k <= INSPECT_HISTOGRAMS; k++) {
            if (!(all[i].uses & 1u << k)) continue;
            text_printf(&users, "%s%s",
                        !n++        ? ""
                        : n == left ? " and "
                                    : ", ",
                        k == INSPECT_TABLE ? "the table" : inspect_words[k]);
        }
        const int code = cli_usage(self, c, "--%s is for %s", all[i].option, text_str(&users));
        text_free(&users);
        return code;
    }
    return CVY_OK;
}

static int check(const command *self, const common *c, const inspect_args *args, inspection *i)
{
    size_t part = 0;
    if (args->which && !weights_parse(args->which, &i->which))
        return cli_usage(self, c, "--which: \"%s\" is not " WEIGHTS_WORDS, args->which);
    while (args->part && part < 3 && strcmp(args->part, part_names[part]) != 0) part++;
    if (part == 3) return cli_usage(self, c, "--part: \"%s\" is not test, validation or train", args->part);
    i->part = (data_part)part;
    const bool picture = needs_picture(i->what);
    if (picture && !args->image && args->sample < 0)
        return cli_usage(self, c, "%s of which picture? --image FILE or --sample N", inspect_words[i->what]);
    if (picture && args->image && args->sample >= 0)
        return cli_usage(self, c, "--image FILE or --sample N, not both");
    if (!picture && (args->image || args->sample >= 0))
        return cli_usage(self, c, "--%s is for maps, saliency, occlusion and gradcam",
                         args->image ? "image" : "sample");
    if (picture && args->image && args->part)
        return cli_usage(self, c, "--part is of the dataset's samples, and --image FILE is none of them");
    const int unused = check_uses(self, c, args, i->what);
    if (unused) return unused;
    if (args->layer.n > 1 && i->what == INSPECT_CAM) return cli_usage(self, c, "gradcam takes one --layer");
    if (args->output && i->what == INSPECT_TABLE) return cli_usage(self, c, "-o is for looking");
    return CVY_OK;
}

static int run(const command *self, const common *c, void *given, int argc, char **argv)
{
    const inspect_args *args = given;
    inspection i = {.c = c, .args = args, .options = {.force = args->force}, .label = -1};
    errors e = {0};
    query_run *runs = NULL;
    size_t n = 0;
    bool by_run = true;
    const char *sweep = NULL;
    const char **overrides = arena_array(&i.memory, (size_t)argc + args->set.n + 1, sizeof *overrides);
    char **words = arena_array(&i.memory, (size_t)argc + 1, sizeof *words);
    int n_words = 0;
    for (int k = 0; k < argc; k++) {
        if (cli_is_override(argv[k]))
            overrides[i.options.n_overrides++] = argv[k];
        else
            words[n_words++] = argv[k];
    }
    for (size_t k = 0; k < args->set.n; k++) overrides[i.options.n_overrides++] = args->set.items[k];
    i.options.overrides = overrides;
    int wrong = !n_words      ? cli_usage(self, c, "of which run?")
                : n_words > 2 ? cli_usage(self, c, "one thing at a time: \"%s\" is one too many", words[2])
                              : read_what(self, c, n_words > 1 ? words[1] : NULL, &i);
    if (!wrong) wrong = check(self, c, args, &i);
    if (!wrong && trained_check_overrides(&i.options, &e)) i.store = results_open(c, &e);
    if (i.store && results_find(i.store, words, 1, &i.memory, &runs, &n, &by_run, &sweep, &e) == CVY_OK) {
        i.run = runs;
        if (n != 1)
            errors_add(&e, CVY_ERR_CONFIG, NULL, "name one of them, as r12", "\"%s\" is %zu runs", words[0],
                       n);
        else
            look(&i, &e);
    }
    store_close(i.store);
    arena_free(&i.memory);
    return wrong ? wrong : cli_fail(c, &e);
}

const command cmd_inspect = {
    .name = "inspect",
    .summary = "Look inside a trained network: filters, maps, saliency, Grad-CAM, dead units",
    .usage =
        "convoy inspect RUN [--samples N] [--json]\n"
        "convoy inspect RUN filters [--layer NAME]... [-o FILE] [--limit N]\n"
        "convoy inspect RUN maps --image FILE|--sample N [--layer NAME]... [-o FILE]\n"
        "convoy inspect RUN saliency|occlusion|gradcam --image FILE|--sample N [--class NAME] [-o FILE]\n"
        "convoy inspect RUN histograms [--tensor NAME] [-o FILE]",
    .examples = "convoy inspect last\n"
                "convoy inspect r12 filters -o filters.png\n"
                "convoy inspect r12 maps --image cat.jpg --layer conv1 --layer conv5\n"
                "convoy inspect r12 gradcam --image cat.jpg --class dog\n"
                "convoy inspect r12 saliency --sample 7 --smooth 50\n"
                "convoy inspect r12 occlusion --sample 7 --patch 8 --stride 2\n"
                "convoy inspect r12 histograms --tensor conv1.weight",
    .options = inspect_rows,
    .n_options = sizeof inspect_rows / sizeof *inspect_rows,
    .size = sizeof(inspect_args),
    .run = run,
};
