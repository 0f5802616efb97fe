/* `convoy export tensorboard`: runs as event files, one folder each, with the table of hyperparameters above them. */
#include <math.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "cli/cmd_export.h"
#include "cli/inspect.h"
#include "cli/results.h"
#include "image/image.h"
#include "report/event_file.h"
#include "report/groups.h"

typedef struct board {
    store *s;
    const query_run *runs;
    const char **sessions; /* what each run's group of repeats is called */
    size_t n;
    const char **paths; /* of all hyperparameters, in order */
    size_t n_paths, cap_paths;
    arena memory;
    arena own; /* the run's that is being written */
    const char *dir;
    bool force;
} board;

/* ---- when it was ---- */

/* Seconds since 1970 at the end of each epoch, from the start and what the epochs took; the pauses of a run that was resumed are not
 * known and left out. */
typedef struct run_clock {
    double start;
    const query_curve *seconds; /* NULL: not measured */
} run_clock;

static double time_of(const run_clock *k, int64_t step)
{
    double t = k->start;
    int64_t before = 0;
    for (size_t i = 0; k->seconds && i < k->seconds->n; i++) {
        const query_point *p = &k->seconds->points[i];
        double took = isfinite(p->value) ? p->value : 0;
        if (step <= p->step)
            return p->step > before ? t + took * (double)(step - before) / (double)(p->step - before) : t;
        t += took;
        before = p->step;
    }
    return t;
}

static run_clock clock_of(board *b, const query_run *r, const query_curve *measured, size_t n, errors *e)
{
    run_clock k = {isfinite(r->created) ? r->created : 0, NULL};
    query_attempt *attempts;
    size_t n_attempts = 0;
    if (query_attempts(b->s, r->name, &b->own, &attempts, &n_attempts, e) == CVY_OK && n_attempts &&
        isfinite(attempts[0].started))
        k.start = attempts[0].started;
    for (size_t i = 0; i < n; i++)
        if (!strcmp(measured[i].metric, "seconds")) k.seconds = &measured[i];
    return k;
}

/* ---- one run ---- */

static void add_curves(event_file *f, const run_clock *k, const char *prefix, const query_curve *curves,
                       size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char *tag = mem_printf("%s/%s", prefix, curves[i].metric);
        for (size_t p = 0; p < curves[i].n; p++)
            event_file_scalar(f, time_of(k, curves[i].points[p].step), curves[i].points[p].step, tag,
                              curves[i].points[p].value);
        mem_free(tag);
    }
}

/* Of weights and gradients, where the run has logged them (train.histograms). */
static cvy_status add_histograms(board *b, event_file *f, const run_clock *k, const char *run, errors *e)
{
    query_histogram *h;
    size_t n;
    cvy_status status = query_histograms(b->s, run, NULL, &b->own, &h, &n, e);
    for (size_t i = 0; i < n && !status; i++) {
        const event_counts counts = {h[i].low, h[i].high, h[i].mean, h[i].sd, h[i].counts, h[i].n};
        char *tag = mem_printf("%s/%s", h[i].kind, h[i].tensor);
        event_file_counts(f, time_of(k, h[i].step), h[i].step, tag, &counts);
        mem_free(tag);
    }
    return status;
}

/* The first layer's filters, where they see three channels, of the best weights; of a run without any nothing. */
static cvy_status add_filters(const board *b, event_file *f, const run_clock *k, const char *run, errors *e)
{
    enum { FILTERS_MOST = 16, PNG_MOST = 64 << 20, HEADER = 24 };
    char *dir = path_join(store_results(b->s), run);
    checkpoint_weights w = {0};
    errors unheard = {0};
    const safetensor *first = NULL;
    cvy_status status = CVY_OK;
    if (checkpoint_weights_read(&w, dir, WEIGHTS_BEST, &unheard))
        for (size_t i = 0; i < w.n && !first; i++)
            if (w.items[i].shape.rank == 4) first = &w.items[i];
    if (first && first->shape.dim[1] == 3 && image_has_png()) {
        sheet s = inspect_kernel_sheet(first->name, &first->shape, first->data, true, FILTERS_MOST);
        char *path = path_join(b->dir, ".filters.png"), *png = NULL;
        size_t n = 0;
        status = file_make_dirs(b->dir, e);
        if (!status) status = sheet_write(&s, path, e);
        if (!status) status = file_read(path, PNG_MOST, &png, &n, e);
        if (!status && n > HEADER) {
            int64_t side[2] = {0, 0};
            for (int i = 0; i < 8; i++) side[i / 4] = side[i / 4] << 8 | (unsigned char)png[16 + i];
            event_file_image(f, time_of(k, INT64_MAX), 0, "filters/first_layer", side[1], side[0], 3, png, n);
        }
        mem_free(png);
        if (file_exists(path)) file_remove_tree(path, &unheard);
        mem_free(path);
        sheet_free(&s);
    }
    errors_free(&unheard);
    checkpoint_weights_free(&w);
    mem_free(dir);
    return status;
}

/* Repeats are one session group, called by its first run and what tells it from the other groups. */
static cvy_status name_sessions(board *b, errors *e)
{
    groups g;
    arena a = {0};
    cvy_status status = groups_make(b->s, b->runs, b->n, false, &a, &g, e);
    b->sessions = arena_array(&b->memory, b->n + 1, sizeof *b->sessions);
    for (size_t i = 0; i < g.n && status == CVY_OK; i++) {
        const group *own = &g.items[i];
        const char *first = own->runs[0]->name;
        const char *name =
            g.n > 1 && own->label ? arena_printf(&b->memory, "%s: %s", first, own->label) : first;
        for (size_t k = 0; k < own->n; k++) b->sessions[own->runs[k] - b->runs] = name;
    }
    arena_free(&a);
    return status;
}

/* The seed and the fold would tell repeats apart; the model has a place of its own. */
static bool is_hyperparameter(const char *path)
{
    return strcmp(path, "model") != 0 && strcmp(path, "seed") != 0 && strcmp(path, "fold") != 0;
}

/* Both in order: merged. */
static void note_paths(board *b, const query_pairs *params)
{
    size_t at = 0;
    for (size_t i = 0; i < params->n; i++) {
        const char *path = params->items[i].key;
        if (!is_hyperparameter(path)) continue;
        while (at < b->n_paths && strcmp(b->paths[at], path) < 0) at++;
        if (at < b->n_paths && !strcmp(b->paths[at], path)) continue;
        b->paths = MEM_GROW(b->paths, b->n_paths, &b->cap_paths);
        memmove(b->paths + at + 1, b->paths + at, (b->n_paths - at) * sizeof *b->paths);
        b->paths[at] = arena_text(&b->memory, path);
        b->n_paths++;
    }
}

static void add_session(event_file *f, const char *session, const query_run *r, const query_pairs *params,
                        double start)
{
    event_pair *pairs = mem_array(params->n + 2, sizeof *pairs);
    size_t n = 0;
    pairs[n++] = (event_pair){"model", r->model ? r->model : ""};
    for (size_t i = 0; i < params->n; i++)
        if (is_hyperparameter(params->items[i].key))
            pairs[n++] = (event_pair){params->items[i].key, params->items[i].value};
    event_file_session(f, start, session ? session : r->name, pairs, n);
    mem_free(pairs);
}

/* A sweep that stops a run early has what it wanted of it, and goes on with one that it has paused. Whether one that somebody stopped
 * is ever resumed, nobody knows. */
static event_status ended(const query_run *r)
{
    static const struct {
        const char *state;
        event_status status;
    } rows[] = {{"finished", EVENT_SUCCESS}, {"stopped early", EVENT_SUCCESS}, {"planned", EVENT_RUNNING},
                {"running", EVENT_RUNNING},  {"paused", EVENT_RUNNING},        {"failed", EVENT_FAILURE},
                {"killed", EVENT_FAILURE}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (!strcmp(r->state, rows[i].state)) return rows[i].status;
    return EVENT_UNKNOWN;
}

/* "r12 adam lr=0.001" as a folder's name: letters, digits and a few signs. */
static char *folder_of(const query_run *r)
{
    char *s = r->label && *r->label ? mem_printf("%s-%.80s", r->name, r->label) : mem_text(r->name);
    for (char *p = s; *p; p++)
        if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._=+-", *p)) *p = '_';
    return s;
}

/* A folder that is there already is replaced under --force. */
static cvy_status put_events(const board *b, const char *folder, double created, const event_file *f,
                             errors *e)
{
    char *dir = path_join(b->dir, folder);
    char *name = mem_printf("events.out.tfevents.%.0f.convoy", created), *path = path_join(dir, name);
    cvy_status status = CVY_OK;
    if (*folder && file_exists(dir) && !b->force)
        status = errors_add(e, CVY_ERR_CONFIG, &PLACE_FILE(dir), "--force replaces it",
                            "the folder is there already");
    else if (*folder)
        status = file_remove_tree(dir, e);
    if (status == CVY_OK) status = file_make_dirs(dir, e);
    if (status == CVY_OK) status = file_replace(path, text_str(&f->bytes), f->bytes.n, e);
    mem_free(dir);
    mem_free(name);
    mem_free(path);
    return status;
}

static cvy_status export_run_events(board *b, size_t i, errors *e)
{
    static const struct {
        query_scope scope;
        const char *prefix;
    } scopes[] = {{QUERY_STEP, "step"}, {QUERY_EPOCH, "epoch"}, {QUERY_RUN, "run"}};
    const query_run *r = &b->runs[i];
    query_curve *measured = NULL, *curves;
    size_t n_measured = 0, n;
    query_pairs params;
    cvy_status status = query_curves(b->s, r->name, QUERY_MEASURED, &b->own, &measured, &n_measured, e);
    if (status == CVY_OK) status = query_trial_params(b->s, r, &b->own, &params, e);
    if (status != CVY_OK) return status;
    note_paths(b, &params);
    run_clock k = clock_of(b, r, measured, n_measured, e);
    event_file f;
    event_file_begin(&f, k.start);
    add_session(&f, b->sessions[i], r, &params, k.start);
    for (size_t g = 0; g < 3 && status == CVY_OK; g++) {
        status = query_curves(b->s, r->name, scopes[g].scope, &b->own, &curves, &n, e);
        if (status == CVY_OK) add_curves(&f, &k, scopes[g].prefix, curves, n);
    }
    add_curves(&f, &k, "measured", measured, n_measured);
    if (status == CVY_OK) status = add_histograms(b, &f, &k, r->name, e);
    if (status == CVY_OK) status = add_filters(b, &f, &k, r->name, e);
    event_file_session_end(&f, time_of(&k, INT64_MAX), ended(r));
    char *folder = folder_of(r);
    if (status == CVY_OK) status = put_events(b, folder, r->created, &f, e);
    mem_free(folder);
    event_file_free(&f);
    return status;
}

/* ---- the table above them ---- */

static cvy_status export_table(board *b, errors *e)
{
    static const char *const shown[] = {"epoch/val_accuracy", "epoch/val_loss", "run/test_accuracy",
                                        "run/test_loss"};
    const char **names = mem_array(b->n_paths + 1, sizeof *names);
    const double created = b->runs[0].created;
    size_t n = 0;
    names[n++] = "model";
    for (size_t i = 0; i < b->n_paths; i++) names[n++] = b->paths[i];
    event_file f;
    event_file_begin(&f, created);
    event_file_experiment(&f, created, names, n, shown, sizeof shown / sizeof *shown);
    cvy_status status = put_events(b, "", created, &f, e);
    event_file_free(&f);
    mem_free(names);
    return status;
}

int cmd_export_tensorboard(const command *self, const common *c, const export_args *args, int argc,
                           char **argv)
{
    if (!argc) return cli_usage(self, c, "which runs or sweeps?");
    if (!args->output) return cli_usage(self, c, "into which folder? -o FOLDER");
    errors e = {0};
    query_run *runs = NULL;
    bool by_run;
    const char *sweep;
    board b = {.dir = args->output, .force = args->force};
    b.s = results_open(c, &e);
    if (b.s && results_find(b.s, argv, argc, &b.memory, &runs, &b.n, &by_run, &sweep, &e) == CVY_OK && b.n) {
        b.runs = runs;
        b.n = results_distinct(runs, b.n);
        cvy_status status = name_sessions(&b, &e);
        for (size_t i = 0; i < b.n && status == CVY_OK; i++) {
            status = export_run_events(&b, i, &e);
            arena_free(&b.own);
        }
        if (status == CVY_OK) status = export_table(&b, &e);
        if (status == CVY_OK)
            cli_say(c, "%s: %zu run%s; `tensorboard --logdir` shows them", b.dir, b.n, b.n == 1 ? "" : "s");
    }
    store_close(b.s);
    mem_free(b.paths);
    arena_free(&b.memory);
    return cli_fail(c, &e);
}
