/* `convoy planner`: checks trials and says what they are, so that the supervisor need not load plugins. See
 * journal/protocol.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/parallel.h"
#include "cli/cli.h"
#include "cli/places.h"
#include "cli/probe.h"
#include "convoy/optimizer.h"
#include "graph/freeze.h"
#include "graph/plan.h"
#include "train/identity.h"
#include "train/loader.h"
#include "train/logged.h"
#include "train/wrapped.h"

typedef struct planner_args {
    int64_t threads;
    bool stream, probe;
    const char *base;
} planner_args;

static const option_row planner_rows[] = {
    OPTION_NUMBER(planner_args, threads, 't', "N", 0, 0, 1024, "compute threads of the trials; 0: all cores"),
    OPTION(planner_args, stream, 0, OPTION_FLAG, NULL,
           "read one trial a line, and answer each before the next"),
    OPTION(planner_args, probe, 0, OPTION_FLAG, NULL, "train a few steps too, and say how long they took"),
    OPTION(planner_args, base, 0, OPTION_TEXT, "DIR",
           "what the file's paths are relative to; else its folder"),
};

static void planner_leaf(void *ctx, const char *path, const char *leaf)
{
    json_put_text(ctx, path, leaf);
}

static void planner_plugins(registry *r, json_writer *w)
{
    size_t n;
    const plugin_entry *p = registry_list(r, &n);
    json_key(w, "plugins");
    json_open(w, '[');
    for (size_t i = 0; i < n; i++) {
        if (!p[i].used || !p[i].path[0]) continue;
        char *path = path_absolute(p[i].path);
        json_open(w, '{');
        json_put_text(w, "kind", plugin_kind_name(p[i].kind));
        json_put_text(w, "name", p[i].name);
        json_put_text(w, "path", path);
        json_put_text(w, "sha256", p[i].sha256);
        json_close(w, '}');
        mem_free(path);
    }
    json_close(w, ']');
}

/* What a plugin of the user's own computes is a parameter of the run like any other: runs of different versions are no
 * repeats of each other. Those that come along change with Convoy, and the environment tells. */
static void planner_versions(registry *r, json_writer *w)
{
    size_t n;
    const plugin_entry *p = registry_list(r, &n);
    for (size_t i = 0; i < n; i++) {
        if (!p[i].used || registry_comes_along(r, &p[i])) continue;
        char *key = mem_printf("plugins.%s", p[i].name), *version = mem_text_n(p[i].sha256, 8);
        json_put_text(w, key, version);
        mem_free(key);
        mem_free(version);
    }
}

/* What will be logged, and whether plugins of the user's own may log more. */
static void planner_metrics(const setup *s, registry *r, json_writer *w)
{
    const char *names[LOGGED_MOST];
    const size_t n = logged_names(s, names);
    json_key(w, "metrics");
    json_open(w, '[');
    for (size_t i = 0; i < n; i++) json_text(w, names[i]);
    json_close(w, ']');
    json_put_bool(w, "more_metrics", logged_may_be_more(r));
}

static void planner_dataset(const setup *s, json_writer *w)
{
    json_key(w, "dataset");
    json_open(w, '{');
    json_put_text(w, "type", s->dataset->name);
    json_put_text(w, "fingerprint", s->data->info.fingerprint);
    json_put_int(w, "train", s->data->n[DATA_TRAIN]);
    json_put_int(w, "validation", s->data->n[DATA_VALIDATION]);
    json_put_int(w, "test", s->data->n[DATA_TEST]);
    json_put_int(w, "classes", s->data->info.classes);
    json_close(w, '}');
}

/* The file that weights come from, by which a resumed run knows itself when the file has gone. */
static void planner_weights(const setup *s, json_writer *w)
{
    if (!s->init.from) return;
    char *path = path_absolute(s->init.from);
    json_key(w, "weights");
    json_open(w, '{');
    json_put_text(w, "path", path);
    json_put_text(w, "sha256", s->weights_sha256);
    json_close(w, '}');
    mem_free(path);
}

/* Bytes that training will hold. Planning a step for real also finds what only kernels can tell. */
static size_t planner_memory(const setup *s, const machine *m, errors *e)
{
    state st = {.net = s->net};
    int64_t samples;
    const size_t largest = loader_largest(s->data, DATA_TRAIN, s->batch, &samples);
    plan_options o = {.batch = samples,
                      .sample = s->data->groups[largest],
                      .train = true,
                      .algorithm = (plan_algorithm)s->train.conv_algorithm,
                      .seed = s->x->seed};
    plan *p = plan_new(s->net, &st, m, &o, e);
    size_t bytes = p ? plan_bytes(p) : 0, arrays = 3,
           kept = 0; /* weights, gradients, the best weights; the optimizer's */
    plan_free(p);
    const cvy_child *optimizer = &s->train.optimizer;
    arena names = {0};
    const char *slots[CVY_MAX_SLOTS];
    kept = wrapped_slots(optimizer, &names, slots);
    arena_free(&names);
    if (s->gather > 1) arrays++;
    size_t batches = LOADER_BATCHES * loader_floats(s->data, s->batch); /* the one at work, two read ahead */
    return bytes +
           (arrays * (size_t)s->net->weight_floats + kept * (size_t)freeze_trainable(s->net) + batches) *
               sizeof(float);
}

/* Bytes of the checkpoints that stay of one of many runs. */
static int64_t planner_checkpoint(const setup *s)
{
    arena names = {0};
    const char *slots[CVY_MAX_SLOTS];
    const int64_t model = s->net->weight_floats + s->net->buffer_floats,
                  kept =
                      (int64_t)wrapped_slots(&s->train.optimizer, &names, slots) * freeze_trainable(s->net);
    arena_free(&names);
    const int32_t keep = s->train.keep;
    return (int64_t)sizeof(float) * (keep == KEEP_BEST ? model : 2 * model + (keep == KEEP_ALL ? kept : 0));
}

/* The plugins of the last trial: looking through the folders takes longer than planning one, and most trials name the same files.
 * And what this process and its machine are, which is the same for all trials. */
typedef struct planner_shelf {
    registry *r;
    char *names;
    char key[65]; /* "": not looked for yet */
    experiment_source *source;
    json_writer environment;
} planner_shelf;

static void planner_here(planner_shelf *shelf, const machine *m, errors *e)
{
    if (shelf->key[0] || identity_exact_key(m, shelf->key, e)) return;
    json_open(&shelf->environment, '{');
    identity_write_environment(m, ".", &shelf->environment);
    json_close(&shelf->environment, '}');
}

static void planner_describe(const experiment *x, const setup *s, planner_shelf *shelf, json_writer *w,
                             errors *e)
{
    registry *r = shelf->r;
    machine m = machine_here();
    char hash[65] = "";
    identity_config_hash(s, hash);
    planner_here(shelf, &m, e);
    size_t memory = planner_memory(s, &m, e);
    text spec = {0};
    experiment_write(x, &spec);
    json_put_text(w, "spec", text_str(&spec));
    text_free(&spec);
    json_put_text(w, "experiment", x->name);
    json_put_int(w, "seed", (int64_t)x->seed);
    if (x->folds) json_put_int(w, "fold", x->fold);
    json_put_text(w, "base_dir", x->dir);
    json_put_text(w, "config_hash", hash);
    json_put_text(w, "exact_key", shelf->key);
    json_put_text(w, "model", x->model_name ? x->model_name : "custom");
    json_key(w, "parameters");
    json_open(w, '{');
    json_put_int(w, "total", s->net->parameters);
    json_put_int(w, "trainable", freeze_trainable(s->net));
    json_close(w, '}');
    json_put_int(w, "macs", s->net->macs);
    json_put_int(w, "epochs", s->train.epochs);
    json_put_int(w, "steps_per_epoch", s->steps_per_epoch);
    json_put_int(w, "memory_bytes", (int64_t)memory);
    json_put_int(w, "checkpoint_bytes", planner_checkpoint(s));
    json_put_bool(w, "accuracy", s->accuracy);
    json_put_bool(w, "average", s->train.select == SELECT_BEST_AVERAGE);
    planner_metrics(s, r, w);
    json_key(w, "params");
    json_open(w, '{');
    experiment_leaves(x, planner_leaf, w);
    planner_versions(r, w);
    json_close(w, '}');
    planner_plugins(r, w);
    if (shelf->key[0]) {
        text_char(&w->out, ',');
        text_add_n(&w->out, shelf->environment.out.s + 1, shelf->environment.out.n - 2); /* its one member */
    }
    planner_dataset(s, w);
    planner_weights(s, w);
}

static void planner_probe(const setup *s, json_writer *w)
{
    probe p;
    errors found = {0}; /* a dry run is no place for them: the trial will say it */
    if (probe_measure(s, 1.0, &p, &found)) {
        json_key(w, "probe");
        json_open(w, '{');
        json_put_double(w, "start_seconds", p.start_seconds);
        json_put_double(w, "step_seconds", p.step_seconds);
        json_put_double(w, "evaluation_seconds", p.evaluation_seconds);
        json_close(w, '}');
    }
    errors_free(&found);
}

static registry *planner_registry(planner_shelf *shelf, const plugin_request *files, size_t n, errors *e)
{
    text names = {0};
    for (size_t i = 0; i < n; i++) text_printf(&names, "%s\n", files[i].path);
    char *asked = text_take(&names);
    if (shelf->r && !strcmp(shelf->names, asked)) {
        mem_free(asked);
        registry_again(shelf->r);
        return shelf->r;
    }
    registry_free(shelf->r);
    mem_free(shelf->names);
    shelf->names = asked;
    shelf->r = registry_open(files, n, e);
    return shelf->r;
}

static void planner_clear(planner_shelf *shelf)
{
    registry_free(shelf->r);
    mem_free(shelf->names);
    text_free(&shelf->environment.out);
    experiment_close(shelf->source);
}

/* One trial: everything that can be wrong with it is found here. */
static void planner_trial(const char *file, const planner_args *how, const json *trial, const common *c,
                          planner_shelf *shelf, json_writer *w)
{
    arena a = {0};
    errors e = {0};
    const json *list = json_get(trial, "overrides");
    size_t n = list && list->kind == JSON_ARRAY ? list->n : 0;
    const char **overrides = arena_array(&a, n + 2, sizeof *overrides);
    for (size_t i = 0; i < n; i++) overrides[i] = list->items[i]->kind == JSON_TEXT ? list->items[i]->s : "";
    if (json_get(trial, "seed"))
        overrides[n++] = arena_printf(&a, "seed=%lld", (long long)json_get_int(trial, "seed", 1));
    json_writer described = {0};
    if (!shelf->source) shelf->source = experiment_open(file, how->base, places_architectures(), &e);
    experiment *x = shelf->source ? experiment_of(shelf->source, overrides, n, &e) : NULL;
    registry *r = NULL;
    setup *s = NULL;
    if (x) {
        size_t n_files;
        const plugin_request *files = setup_plugins(x, c->plugin.items, c->plugin.n, &a, &n_files, &e);
        r = planner_registry(shelf, files, n_files, &e);
        if (r) s = setup_new(x, r, x->dir, SETUP_ALL, &e);
        if (s) planner_describe(x, s, shelf, &described, &e);
        if (s && how->probe && !errors_count(&e)) planner_probe(s, &described);
    }
    json_open(w, '{');
    bool ok = errors_count(&e) == 0 && s;
    json_put_bool(w, "ok", ok);
    if (!ok) json_put_int(w, "status", (int64_t)errors_status(&e));
    json_key(w, "errors");
    errors_write_json(&e, w);
    if (ok) {
        text_char(&w->out, ',');
        text_add(&w->out, text_str(&described.out));
    }
    json_close(w, '}');
    text_free(&described.out);
    setup_free(s);
    experiment_free(x);
    errors_free(&e);
    arena_free(&a);
}

static char *planner_input(size_t *n)
{
    text t = {0};
    char chunk[65536];
    size_t got;
    while ((got = fread(chunk, 1, sizeof chunk, stdin)) > 0) text_add_n(&t, chunk, got);
    *n = t.n;
    return text_take(&t);
}

/* One trial a line, until nobody asks any more. */
static int planner_stream(const char *file, const planner_args *p, const common *c)
{
    char *line = NULL;
    size_t cap = 0;
    planner_shelf shelf = {0};
    for (ssize_t n; (n = getline(&line, &cap, stdin)) > 0;) {
        arena a = {0};
        json_writer w = {0};
        const json *trial = json_parse(&a, line, (size_t)n, NULL, NULL);
        if (trial && trial->kind == JSON_OBJECT)
            planner_trial(file, p, trial, c, &shelf, &w);
        else
            json_null(&w); /* no answer that anybody takes for one */
        cli_print_json(&w);
        cli_flush();
        arena_free(&a);
    }
    free(line);
    planner_clear(&shelf);
    return CVY_OK;
}

static int planner_run(const command *self, const common *c, void *options, int argc, char **argv)
{
    const planner_args *p = options;
    if (argc != 1) return cli_usage(self, c, "expected one experiment file");
    parallel_set_threads((int)p->threads);
    if (p->stream) return planner_stream(argv[0], p, c);
    size_t n, offset = 0;
    char *input = planner_input(&n);
    const char *why = NULL;
    arena a = {0};
    const json *trials = json_parse(&a, input, n, &why, &offset);
    if (!trials || trials->kind != JSON_ARRAY) {
        mem_free(input);
        arena_free(&a);
        return cli_usage(self, c, "expected a JSON array of trials on standard input");
    }
    planner_shelf shelf = {0};
    for (size_t i = 0; i < trials->n; i++) {
        json_writer w = {0};
        planner_trial(argv[0], p, trials->items[i], c, &shelf, &w);
        cli_print_json(&w);
        cli_flush();
    }
    planner_clear(&shelf);
    mem_free(input);
    arena_free(&a);
    return CVY_OK;
}

const command cmd_planner = {.name = "planner",
                             .summary = "checks and describes trials (started by run, sweep and check)",
                             .usage = "convoy planner FILE [--threads N] < TRIALS.json",
                             .examples = "echo '[{}]' | convoy planner experiments/cifar10.yaml",
                             .options = planner_rows,
                             .n_options = sizeof planner_rows / sizeof *planner_rows,
                             .size = sizeof(planner_args),
                             .run = planner_run,
                             .hidden = true};
