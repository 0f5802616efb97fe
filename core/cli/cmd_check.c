/* `convoy check`: everything that can be wrong with an experiment or model file, found without training.
 *
 * Each file is planned by a child process, so that a plugin which crashes costs an answer and not the
 * command. */
#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "cli/cli.h"
#include "cli/metric_asked.h"
#include "cli/places.h"
#include "config/model_file.h"
#include "config/override.h"
#include "graph/plan.h"
#include "sweep/describe.h"
#include "sweep/label.h"
#include "sweep/search.h"
#include "train/logged.h"
#include "train/setup.h"

enum {
    MODEL_BATCH = 128,    /* of a model file, which says none */
    CONFIGS_PLANNED = 100 /* of a sweep: each takes a good part of a second */
};

/* ---- in the child ---- */

typedef struct asked { /* PATH=VALUE on the command line: of every file */
    const char **overrides;
    size_t n;
} asked;

typedef struct named { /* the plugin files that the experiment and the command line name */
    const plugin_request *v;
    size_t n;
} named;

/* Before any plugin is touched: who is to be suspected if nothing more is heard. */
static void send_suspects(int fd, const named *files)
{
    json_writer w = {0};
    json_open(&w, '[');
    for (size_t i = 0; i < files->n; i++) json_text(&w, files->v[i].path);
    json_close(&w, ']');
    text_char(&w.out, '\n');
    if (write(fd, w.out.s, w.out.n) < 0) { /* the parent will miss it and say so */
    }
    text_free(&w.out);
}

/* The plans that a run makes find what only kernels and layouts can tell. Bytes of the largest, 0 after
 * reporting. */
static size_t plan_all(const net *n, int64_t batch, int64_t last, errors *e)
{
    machine m = machine_here();
    state none = {.net = n}; /* plans that never run need no numbers */
    plan_options wanted[] = {
        {.batch = batch, .train = true}, {.batch = batch}, {.batch = last, .train = true}};
    size_t bytes = 0;
    for (size_t i = 0; i < (last && last != batch ? 3 : 2); i++) {
        plan *p = plan_new(n, &none, &m, &wanted[i], e);
        if (!p) return 0;
        if (plan_bytes(p) > bytes) bytes = plan_bytes(p);
        plan_free(p);
    }
    return bytes;
}

static void describe(const experiment *x, const setup *s, size_t bytes, json_writer *w)
{
    json_put_text(w, "model", x->model_name);
    json_put_int(w, "layers", (int64_t)s->net->n_nodes - 1);
    json_put_int(w, "parameters", s->net->parameters);
    json_put_int(w, "macs", s->net->macs);
    json_put_int(w, "memory_bytes", (int64_t)bytes);
    if (!s->data || !s->batch) return;
    json_put_int(w, "training_samples", s->data->n[DATA_TRAIN]);
    json_put_int(w, "batch", s->batch);
    json_put_int(w, "batches_per_epoch", s->batches_per_epoch);
    json_put_int(w, "epochs", s->train.epochs);
}

/* The metric that a sweep names, and what its configurations would log. */
typedef struct judged {
    const space_metric *metric;
    space_metric usual;
    metric_asked asked;
} judged;

static void hear(judged *j, const setup *s, registry *r)
{
    const char *names[LOGGED_MOST];
    const size_t n = logged_names(s, names);
    text t = {0};
    for (size_t i = 0; i < n; i++) text_printf(&t, "%s ", names[i]);
    metric_asked_hear(&j->asked, j->metric, text_str(&t), logged_may_be_more(r));
    text_free(&t);
    if (!s->accuracy) j->usual = (space_metric){"val_loss", false};
}

/* One configuration, completely; described when w is not NULL, its metrics heard of when j is not. */
static void plan_one(const experiment *x, const named *files, setup_scope scope, json_writer *w, judged *j,
                     errors *e)
{
    registry *r = registry_open(files->v, files->n, e);
    setup *s = r ? setup_new(x, r, x->dir, scope, e) : NULL;
    if (s) {
        int64_t batch = s->batch ? s->batch : MODEL_BATCH, n = s->batch ? s->data->n[DATA_TRAIN] : 0;
        size_t bytes = plan_all(s->net, batch, n % batch, e);
        if (bytes && w) describe(x, s, bytes, w);
        if (j) hear(j, s, r);
    }
    setup_free(s);
    registry_free(r);
}

static bool same_message(const space *all, const message *a, const message *b)
{
    if (a->warning != b->warning || strcmp(a->what, b->what) != 0) return false;
    if (a->line == b->line && a->column == b->column) return true;
    /* What is said of several values of a parameter in the same words is about its path. */
    const size_t parameter = space_parameter_at(all, a->file, a->line, a->column);
    return parameter != SIZE_MAX && parameter == space_parameter_at(all, b->file, b->line, b->column);
}

/* Which values of what decides about the plugin leave a parameter unknown; `lacking`: of each message in `seen`. */
static void note_lacking(const space *all, const double *point, const message *m, uint64_t *lacking)
{
    const size_t i = space_parameter_at(all, m->file, m->line, m->column);
    const size_t k = i == SIZE_MAX ? SIZE_MAX : space_decider(all, i);
    if (k == SIZE_MAX || m->warning || !strstr(m->what, "unknown parameter")) return;
    if (point[k] >= 0 && point[k] < 64) *lacking |= (uint64_t)1 << (int)point[k];
}

/* What the configurations said, each thing once: they mostly share their mistakes. */
typedef struct spoken {
    message m; /* its texts live in the arena, as those of `label` */
    const char *label;
    size_t number;    /* of the first configuration that has it */
    uint64_t lacking; /* see note_lacking() */
} spoken;

enum { SAID_MOST = 300 }; /* more than anybody reads */

typedef struct saying {
    const space *all;
    arena *a;
    spoken *v;
    size_t n;
} saying;

static void hear_messages(saying *s, const errors *own, const double *point, const char *label, size_t number)
{
    for (size_t i = 0; i < own->n; i++) {
        const message *m = &own->items[i];
        size_t k = 0;
        while (k < s->n && !same_message(s->all, &s->v[k].m, m)) k++;
        if (k == SAID_MOST) continue;
        if (k == s->n) {
            s->v[s->n++] = (spoken){*m, arena_text(s->a, label), number, 0};
            message *kept = &s->v[k].m;
            kept->file = arena_text(s->a, m->file);
            kept->source = arena_text(s->a, m->source);
            kept->what = arena_text(s->a, m->what);
            kept->hint = arena_text(s->a, m->hint);
        }
        note_lacking(s->all, point, m, &s->v[k].lacking);
    }
}

static void say_messages(const saying *s, errors *to)
{
    for (size_t k = 0; k < s->n; k++) {
        const spoken *one = &s->v[k];
        const message *m = &one->m;
        place at = {m->file, m->line, m->column, m->offset, m->source};
        const size_t parameter = space_parameter_at(s->all, m->file, m->line, m->column);
        uint64_t lacking = one->lacking;
        for (size_t i = 0; lacking && i < s->n; i++) {
            const message *other = &s->v[i].m;
            if (space_parameter_at(s->all, other->file, other->line, other->column) == parameter)
                lacking |= s->v[i].lacking;
        }
        const char *when = lacking ? space_when_hint(s->all, parameter, lacking, s->a) : NULL;
        const char *hint = when ? when : m->hint;
        if (m->warning)
            errors_warn(to, &at, hint, "trial %zu (%s): %s", one->number, one->label, m->what);
        else
            errors_add(to, m->status, &at, hint, "trial %zu (%s): %s", one->number, one->label, m->what);
    }
}

static size_t depth_of(const char *path)
{
    size_t depth = 0, n = override_base(path);
    for (size_t i = 0; i < n; i++) depth += path[i] == '.';
    return depth;
}

/* One configuration of a sweep. Nodes are set and not texts, so that what is wrong with a value is told where
 * the value stands. */
static void plan_config(const experiment *x, const space *all, const double *point, const named *files,
                        json_writer *w, judged *j, errors *e)
{
    experiment *y = experiment_copy_bare(x);
    arena a = {0};
    bool good = true;
    size_t n;
    const space_setting *set = space_settings(all, point, &a, &n);
    for (size_t depth = 0, left = n; left && good;
         depth++) /* what names a plugin before what is set inside it */
        for (size_t i = 0; i < n && good; i++) {
            if (depth_of(set[i].path) != depth) continue;
            good = experiment_set(y, set[i].path, set[i].value, &set[i].at, e) == CVY_OK;
            left--;
        }
    if (good && experiment_resolve(y, e) == CVY_OK) plan_one(y, files, SETUP_ALL, w, j, e);
    experiment_free(y);
    arena_free(&a);
}

static void put_space(const space *all, json_writer *w)
{
    text early = {0};
    json_put_text(w, "method", all->method);
    json_key(w, "space");
    json_open(w, '[');
    for (size_t i = 0; i < all->n; i++) {
        text what = {0};
        describe_parameter(all, i, &what);
        json_open(w, '{');
        json_put_text(w, "path", all->parameters[i].path);
        json_put_text(w, "values", text_str(&what));
        json_close(w, '}');
        text_free(&what);
    }
    json_close(w, ']');
    describe_early(all, &early);
    if (early.n) json_put_text(w, "early_terminate", early.s);
    text_free(&early);
}

static void plan_sweep(const experiment *x, const asked *o, const named *files, json_writer *w, errors *e)
{
    arena a = {0};
    space all;
    size_t configs = 0, wrong = 0, planned = 0;
    saying heard = {.all = &all, .a = &a};
    const node *sweep = node_get(x->root, "sweep");
    cvy_status status = space_read(x, o->overrides, o->n, &a, &all, e);
    if (!status) status = search_count(&all, experiment_members(x), &sweep->at, &configs, e);
    judged j = {.metric = &all.metric, .usual = space_default_metric};
    double *point = arena_array(&a, status ? 1 : all.n + 1, sizeof *point);
    heard.v = arena_array(&a, SAID_MOST, sizeof *heard.v);
    for (; !status && planned < configs && planned < CONFIGS_PLANNED; planned++) {
        errors own = {0};
        text label = {0};
        /* without results: those that a method would choose by them are drawn as its first are */
        if (!search_propose(&all, x->seed, NULL, 0, planned, point, e)) break;
        plan_config(x, &all, point, files, planned ? NULL : w, all.metric_at ? &j : NULL, &own);
        wrong += errors_status(&own) != CVY_OK;
        label_of(&all, point, &label);
        hear_messages(&heard, &own, point, text_str(&label), planned + 1);
        errors_free(&own);
        text_free(&label);
    }
    say_messages(&heard, e);
    if (wrong > 1)
        errors_add(e, CVY_ERR_CONFIG, &sweep->at, NULL, "%zu of %zu configurations cannot be run", wrong,
                   planned);
    if (!status && all.metric_at) metric_asked_judge(&j.asked, &all.metric, &j.usual, all.metric_at, e);
    metric_asked_free(&j.asked);
    if (!status) {
        json_put_int(w, "configurations", (int64_t)configs);
        json_put_int(w, "configurations_planned", (int64_t)planned);
        put_space(&all, w);
    }
    arena_free(&a);
}

static bool is_model(const char *file)
{
    arena scratch = {0};
    errors ignored = {0}; /* whoever reads it next reports the same */
    const node *root = tree_read_file(&scratch, file, &ignored);
    bool model = root && model_file_is(root);
    errors_free(&ignored);
    arena_free(&scratch);
    return model;
}

static void look(const char *file, const asked *o, const common *c, int fd, json_writer *w, errors *e)
{
    arena a = {0};
    bool model = is_model(file);
    experiment *x = model ? experiment_of_model(file, o->overrides, o->n, places_architectures(), e)
                          : experiment_read(file, o->overrides, o->n, places_architectures(), e);
    size_t before = errors_count(e);
    named files = {0};
    if (x) files.v = setup_plugins(x, c->plugin.items, c->plugin.n, &a, &files.n, e);
    if (x && errors_count(e) == before) {
        send_suspects(fd, &files);
        json_put_bool(w, "experiment", !model);
        json_put_int(w, "repeats", x->repeats);
        if (x->folds) json_put_int(w, "folds", x->fold ? 1 : x->folds);
        if (space_given(x))
            plan_sweep(x, o, &files, w, e);
        else
            plan_one(x, &files, model ? SETUP_MODEL : SETUP_ALL, w, NULL, e);
    }
    experiment_free(x);
    arena_free(&a);
}

static void answer(const char *file, const asked *o, const common *c, int fd)
{
    errors e = {0};
    json_writer w = {0};
    json_open(&w, '{');
    json_put_text(&w, "file", file);
    look(file, o, c, fd, &w, &e);
    json_put_bool(&w, "ok", errors_status(&e) == CVY_OK);
    json_put_int(&w, "status", (int64_t)errors_status(&e));
    json_key(&w, "errors");
    errors_write_json(&e, &w);
    json_close(&w, '}');
    text_char(&w.out, '\n');
    for (size_t done = 0; done < w.out.n;) {
        ssize_t wrote = write(fd, w.out.s + done, w.out.n - done);
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote < 0) break;
        done += (size_t)wrote;
    }
    text_free(&w.out);
    errors_free(&e);
}

/* ---- in the parent ---- */

static void receive(int fd, text *out)
{
    char chunk[4096];
    for (ssize_t got; (got = read(fd, chunk, sizeof chunk)) != 0;) {
        if (got > 0) text_add_n(out, chunk, (size_t)got);
        if (got < 0 && errno != EINTR) return;
    }
}

/* Everything the child said, into `out`; how it ended, or -1 after reporting that there was none. */
static int ask(const char *file, const asked *o, const common *c, text *out, errors *e)
{
    int ends[2], status = 0;
    place at = PLACE_FILE(file);
    cli_flush(); /* or the child would print our text once more */
    pid_t pid = -1;
    if (pipe(ends) == 0) {
        pid = fork();
        if (pid < 0) {
            close(ends[0]);
            close(ends[1]);
        }
    }
    if (pid < 0) {
        errors_add(e, CVY_ERR_RESOURCE, &at, NULL, "cannot start a process to plan it: %s", strerror(errno));
        return -1;
    }
    if (pid == 0) {
        close(ends[0]);
        answer(file, o, c, ends[1]);
        /* Not exit(): what the parent registered to happen at its end is not ours to do. */
        _exit(0);
    }
    close(ends[1]);
    receive(ends[0], out);
    close(ends[0]);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return status;
}

/* The plugins that the experiment named, in a sentence; NULL when it named none. */
static char *suspects_hint(arena *a, const char *line, size_t n)
{
    const char *why;
    size_t offset;
    const json *list = json_parse(a, line, n, &why, &offset);
    if (!list || list->kind != JSON_ARRAY || !list->n) return NULL;
    text hint = {0};
    for (size_t i = 0; i < list->n; i++)
        if (list->items[i]->kind == JSON_TEXT)
            text_printf(&hint, "%s%s", i ? ", " : "it names these plugins: ", list->items[i]->s);
    return text_take(&hint);
}

static cvy_status crashed(const char *file, int status, const char *hint, errors *e)
{
    place at = PLACE_FILE(file);
    if (WIFSIGNALED(status))
        return errors_add(e, CVY_ERR_PLUGIN, &at, hint, "planning it crashed (%s), probably in a plugin",
                          strsignal(WTERMSIG(status)));
    if (WEXITSTATUS(status) == CVY_ERR_RESOURCE)
        return errors_add(e, CVY_ERR_RESOURCE, &at, NULL, "not enough memory to plan it");
    return errors_add(e, CVY_ERR_PLUGIN, &at, hint,
                      "planning it ended without an answer (exit code %d), probably in a plugin",
                      WEXITSTATUS(status));
}

static const json *judge(arena *a, const char *file, const text *said, int status, errors *e)
{
    const char *line = text_str(said), *why;
    size_t offset, n = strcspn(line, "\n");
    bool two = line[0] == '[';
    const char *second = two && line[n] ? line + n + 1 : line;
    const json *root = json_parse(a, second, strlen(second), &why, &offset);
    if (root && root->kind == JSON_OBJECT) {
        errors_read_json(e, json_get(root, "errors"));
        return root;
    }
    char *hint = two ? suspects_hint(a, line, n) : NULL;
    crashed(file, status, hint, e);
    mem_free(hint);
    return NULL;
}

static void put_count(text *out, const json *root, const char *key, const char *one, const char *many)
{
    int64_t n = json_get_int(root, key, 0);
    text_count(out, n);
    text_printf(out, " %s", n == 1 ? one : many);
}

static void summary_trials(text *out, const json *root)
{
    int64_t repeats = json_get_int(root, "repeats", 1), configs = json_get_int(root, "configurations", 0);
    const int64_t folds = json_get_int(root, "folds", 0);
    int64_t planned = json_get_int(root, "configurations_planned", configs);
    if (configs || repeats > 1 || folds > 1) {
        text_add(out, "; ");
        describe_trials((size_t)((configs ? configs : 1) * repeats * (folds > 1 ? folds : 1)), repeats, folds,
                        out);
    }
    if (planned < configs) text_printf(out, " (of which %lld were planned)", (long long)planned);
}

/* What varies, a line for each path. */
static void summary_space(text *out, const json *root)
{
    enum { WIDEST = 40 };
    const json *all = json_get(root, "space");
    if (!all || all->kind != JSON_ARRAY) return;
    text_printf(out, "  method %s\n", json_get_text(root, "method", ""));
    size_t widest = 0;
    for (size_t i = 0; i < all->n; i++) {
        size_t n = strlen(json_get_text(all->items[i], "path", ""));
        if (n > widest) widest = n < WIDEST ? n : WIDEST;
    }
    for (size_t i = 0; i < all->n; i++) {
        const char *path = json_get_text(all->items[i], "path", "");
        text_add(out, "  ");
        text_safe(out, path, SIZE_MAX);
        for (size_t n = strlen(path); n < widest + 2; n++) text_char(out, ' ');
        text_safe(out, json_get_text(all->items[i], "values", ""), SIZE_MAX);
        text_char(out, '\n');
    }
    const char *early = json_get_text(root, "early_terminate", NULL);
    if (early) text_printf(out, "  stops early: %s\n", early);
}

static void summary(const char *file, const json *root)
{
    text out = {0};
    text_safe(&out, file, SIZE_MAX);
    text_add(&out, ": ok: ");
    const char *model = json_get_text(root, "model", NULL);
    if (model && json_get_bool(root, "experiment", false)) {
        text_safe(&out, model, 200);
        text_add(&out, ", ");
    }
    put_count(&out, root, "layers", "layer, ", "layers, ");
    put_count(&out, root, "parameters", "parameter, ", "parameters, ");
    put_count(&out, root, "macs", "MAC", "MACs");
    if (json_get_bool(root, "experiment", false)) {
        text_add(&out, "; ");
        put_count(&out, root, "batches_per_epoch", "batch of ", "batches of ");
        put_count(&out, root, "batch", "per epoch, ", "per epoch, ");
        put_count(&out, root, "epochs", "epoch", "epochs");
        summary_trials(&out, root);
    }
    text_char(&out, '\n');
    summary_space(&out, root);
    cli_print(&out);
    text_free(&out);
}

static void put_json_space(json_writer *w, const json *root)
{
    static const char *const words[] = {"method", "early_terminate"};
    const json *all = json_get(root, "space");
    if (!all || all->kind != JSON_ARRAY) return;
    for (size_t i = 0; i < 2; i++)
        if (json_get(root, words[i])) json_put_text(w, words[i], json_get_text(root, words[i], ""));
    json_key(w, "space");
    json_open(w, '[');
    for (size_t i = 0; i < all->n; i++) {
        json_open(w, '{');
        json_put_text(w, "path", json_get_text(all->items[i], "path", ""));
        json_put_text(w, "values", json_get_text(all->items[i], "values", ""));
        json_close(w, '}');
    }
    json_close(w, ']');
}

static void put_json(json_writer *w, const char *file, const json *root, const errors *e)
{
    static const char *const numbers[] = {"layers",
                                          "parameters",
                                          "macs",
                                          "batch",
                                          "memory_bytes",
                                          "training_samples",
                                          "batches_per_epoch",
                                          "epochs",
                                          "repeats",
                                          "folds",
                                          "configurations",
                                          "configurations_planned"};
    json_open(w, '{');
    json_put_text(w, "file", file);
    json_put_bool(w, "ok", errors_status(e) == CVY_OK);
    json_put_int(w, "status", (int64_t)errors_status(e));
    if (json_get_text(root, "model", NULL)) json_put_text(w, "model", json_get_text(root, "model", NULL));
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (json_get(root, numbers[i])) json_put_int(w, numbers[i], json_get_int(root, numbers[i], 0));
    put_json_space(w, root);
    json_key(w, "errors");
    errors_write_json(e, w);
    json_close(w, '}');
}

static int check(const char *file, const asked *o, const common *c, json_writer *w)
{
    arena a = {0};
    errors e = {0};
    text said = {0};
    int status = ask(file, o, c, &said, &e);
    const json *root = status < 0 ? NULL : judge(&a, file, &said, status, &e);
    if (c->json)
        put_json(w, file, root, &e);
    else if (errors_status(&e) == CVY_OK)
        summary(file, root);
    text_free(&said);
    int code = cli_fail(c, &e);
    arena_free(&a);
    return code;
}

static int run(const command *self, const common *c, void *options, int argc, char **argv)
{
    (void)options;
    asked o = {mem_array((size_t)argc + 1, sizeof *o.overrides), 0};
    for (int i = 0; i < argc; i++)
        if (cli_sets(argv[i]) && !file_exists(argv[i])) o.overrides[o.n++] = argv[i];
    if (o.n == (size_t)argc) {
        mem_free(o.overrides);
        return cli_usage(self, c, "which file?");
    }
    int worst = CVY_OK;
    json_writer w = {0};
    json_open(&w, '{');
    json_key(&w, "files");
    json_open(&w, '[');
    for (int i = 0; i < argc; i++) {
        if (cli_sets(argv[i]) && !file_exists(argv[i])) continue;
        int code = check(argv[i], &o, c, &w);
        if (code > worst) worst = code;
    }
    json_close(&w, ']');
    json_close(&w, '}');
    if (c->json)
        cli_print_json(&w);
    else
        text_free(&w.out);
    mem_free(o.overrides);
    return worst;
}

const command cmd_check = {
    .name = "check",
    .summary = "Plan experiments and models completely, and say all that is wrong with them",
    .usage = "convoy check FILE ... [PATH=VALUE ...] [--plugin FILE] [--json]",
    .examples = "convoy check experiments/cifar10.yaml\n"
                "convoy check experiments/*.yaml experiments/architectures/*.yaml\n"
                "convoy check experiments/cifar10.yaml train.epochs=2 train.optimizer.lr=1e-2\n"
                "convoy check my_experiment.yaml --plugin ./maxout.so --json",
    .run = run,
};
