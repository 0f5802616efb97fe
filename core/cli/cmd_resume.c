/* `convoy resume`: goes on with a run or a sweep that was stopped. */
#include <string.h>

#include "base/digest.h"
#include "base/file.h"
#include "base/memory.h"
#include "cli/launch.h"
#include "cli/limits.h"
#include "cli/outcome.h"
#include "cli/prepare.h"
#include "sweep/interrupt.h"
#include "sweep/planning.h"
#include "sweep/process.h"
#include "sweep/runs.h"

/* A supervisor that was killed leaves trials that finish their step first. */
enum { PATIENCE_MS = 10000 };

typedef struct options {
    bool inexact;
    int64_t threads;
    limit_args limits;
} options;

static const option_row rows[] = {
    OPTION(options, inexact, 0, OPTION_FLAG, NULL,
           "go on though the build, the CPU or the threads have changed"),
    OPTION_NUMBER(options, threads, 't', "N", 0, 0, 1024, "compute threads of a trial; 0: as before"),
    LIMIT_ROWS(options, limits),
};

/* ---- what to resume ---- */

static follow_state state_in(const char *dir)
{
    follow *f = follow_open(dir);
    follow_read(f);
    follow_state s = follow_state_of(f);
    follow_close(f);
    return s;
}

static bool run_is_open(const run_info *r)
{
    follow_state s = state_in(r->dir);
    return s != FOLLOW_FINISHED && s != FOLLOW_FAILED; /* what failed would fail again */
}

static bool failed_before(const char *results, const trial *t)
{
    char *dir = path_join(results, trial_run_name(t).s);
    const bool failed = state_in(dir) == FOLLOW_FAILED;
    mem_free(dir);
    return failed;
}

static bool sweep_is_open(const char *results, const char *name)
{
    sweep *w = sweeps_open(results, name, NULL);
    bool open = false;
    if (w && w->per > 0) { /* what is left to choose only its own supervisors know */
        follow *f = follow_open(w->dir);
        follow_read(f);
        open = !f->started || f->exited < f->started || (f->code != CVY_OK && f->code != CVY_ERR_SOME);
        follow_close(f);
        sweeps_close(w);
        return open;
    }
    known_runs *k = w ? known_open(results) : NULL;
    if (w) sweeps_match(w, results, k);
    for (size_t i = 0; w && i < w->n && !open; i++) {
        const trial *t = &w->trials[i];
        open = t->state == TRIAL_WAITING && (!t->run || !failed_before(results, t));
    }
    known_close(k);
    sweeps_close(w);
    return open;
}

/* The newest single run or sweep that has not ended; NULL when all have. */
static const char *last_unfinished(const char *results, arena *a)
{
    const char *found = NULL;
    double created = 0;
    size_t n;
    int64_t *all = runs_numbers(results, 'r', &n);
    while (n-- > 0 && !found) {
        run_info r;
        const char *name = arena_printf(a, "r%lld", (long long)all[n]);
        if (runs_read(results, name, a, &r, NULL) != CVY_OK || r.sweep || !run_is_open(&r)) continue;
        found = name;
        created = r.created;
    }
    mem_free(all);
    all = runs_numbers(results, 's', &n);
    while (n-- > 0) {
        const char *name = arena_printf(a, "s%lld", (long long)all[n]);
        double begun = json_get_double(runs_read_sweep(results, name, a, NULL), "created", 0);
        if (found && begun < created) break;
        if (!sweep_is_open(results, name)) continue;
        found = name;
        break;
    }
    mem_free(all);
    return found;
}

/* ---- whether it may go on ---- */

static void name_changes(const json *before, const json *now, text *out)
{
    for (size_t i = 0; before && before->kind == JSON_OBJECT && i < before->n; i++) {
        const char *key = before->keys[i], *was = json_get_text(before, key, ""),
                   *is = json_get_text(now, key, "");
        if (!strcmp(was, is) || !strcmp(key, "host")) continue;
        text_printf(out, "%s%s: %s, now %s", out->n ? "; " : "", key, *was ? was : "none", *is ? is : "none");
    }
}

/* The very files that the run was planned with. The trial would refuse others too, and then the run had failed. */
static cvy_status check_plugins(const run_info *r, errors *e)
{
    const json *list = json_get(r->whole, "plugins");
    cvy_status status = CVY_OK;
    const char *last = "";
    for (size_t i = 0; list && list->kind == JSON_ARRAY && i < list->n; i++) {
        const char *path = json_get_text(list->items[i], "path", ""),
                   *was = json_get_text(list->items[i], "sha256", "");
        char now[65] = "";
        errors quiet = {0};
        if (!*path || !*was || !strcmp(path, last)) continue; /* a file with several plugins is named once */
        const bool there = file_exists(path);
        if (there) sha256_file(path, now, &quiet);
        errors_free(&quiet);
        if (!strcmp(now, was)) continue;
        const place at = PLACE_FILE(path);
        char *hint =
            mem_printf("put back the file with sha256 beginning %.12s, then `convoy resume %s`, or start a "
                       "new run",
                       was, r->name);
        status = errors_add(e, CVY_ERR_PLUGIN, &at, hint, "%s cannot go on: the plugin %s", r->name,
                            there ? "changed since the run was planned" : "is not there any more");
        mem_free(hint);
        last = path;
    }
    return status;
}

/* What was planned once, to be planned again. */
typedef struct planned_as {
    const char *name, *file, *base, *exact_key;
    planning_request request;
    const char *const *plugins;
    size_t n_plugins;
    const json *whole; /* with "environment" */
} planned_as;

/* Plans it again, to see whether the same bits can be promised. What cannot be planned is left to the trial, which looks for
 * itself. */
static cvy_status check_key(const planned_as *was, int64_t threads, errors *e)
{
    char *program = path_executable();
    planning_options o = {.program = program,
                          .file = was->file,
                          .base = was->base,
                          .plugins = was->plugins,
                          .n_plugins = was->n_plugins,
                          .threads = threads,
                          .patience = prepare_patience()};
    plan p = {0};
    cvy_status status = planning_run(&o, &was->request, 1, &p, e);
    if (status == CVY_OK && p.line && strcmp(p.exact_key, was->exact_key) != 0) {
        arena a = {0};
        const json *now = json_parse(&a, p.line, strlen(p.line), NULL, NULL);
        text changes = {0};
        name_changes(json_get(was->whole, "environment"), json_get(now, "environment"), &changes);
        status = errors_add(e, CVY_ERR_CONFIG, NULL,
                            "--inexact goes on all the same; the result then differs in its last bits",
                            "%s cannot go on exactly%s%s", was->name,
                            changes.n ? ": " : ": the build or a library has changed", text_str(&changes));
        text_free(&changes);
        arena_free(&a);
    }
    plan_free(&p);
    mem_free(program);
    return status;
}

/* A run, from its folder. */
static cvy_status check_run_key(const common *c, const run_info *r, int64_t threads, errors *e)
{
    char *spec = path_join(r->dir, "spec.yaml");
    const planned_as was = {.name = r->name,
                            .file = spec,
                            .exact_key = r->exact_key,
                            .request = {.seed = -1},
                            .plugins = c->plugin.items,
                            .n_plugins = c->plugin.n,
                            .whole = r->whole};
    cvy_status status = check_key(&was, threads, e);
    mem_free(spec);
    return status;
}

/* A sweep of which no run was begun, by the first trial that was planned: its runs would be described as that was. */
static cvy_status check_planned(const sweep *w, int64_t threads, errors *e)
{
    const trial *t = NULL;
    for (size_t i = 0; i < w->n && !t; i++)
        if (w->trials[i].facts && *w->trials[i].facts->exact_key) t = &w->trials[i];
    if (!t || !w->file) return CVY_OK;
    arena a = {0};
    const trial_words words = trial_read_words(t, w->book, &a);
    const planned_as was = {.name = w->name,
                            .file = w->file,
                            .base = w->base_dir,
                            .exact_key = t->facts->exact_key,
                            .request = {words.overrides, words.n_overrides, t->seed},
                            .plugins = w->plugins,
                            .n_plugins = w->n_plugins,
                            .whole = trial_read_plan(t, w->book, &a)};
    cvy_status status = check_key(&was, threads, e);
    arena_free(&a);
    return status;
}

/* ---- runs ---- */

static int64_t threads_for(const options *o, int64_t before)
{
    return o->threads > 0 ? o->threads : before > 0 ? before : process_cores();
}

static cvy_status take_plan(trial *t, const run_info *r, book *b, errors *e)
{
    const trial_words words = {.label = r->label};
    plan p = {.experiment = mem_text(r->experiment),
              .epochs = r->epochs,
              .steps_per_epoch = r->steps_per_epoch,
              .train_samples = r->train_samples};
    t->config = (int32_t)r->trial;
    t->repeat = (int32_t)r->repeat;
    t->seed = r->seed;
    t->resumed = true;
    cvy_status status = trial_plan(t, &words, &p, b, e);
    plan_free(&p);
    return status;
}

/* Waits a little for a process that is about to leave the folder. */
static cvy_status wait_for(const common *c, const char *dir, const char *name, errors *e)
{
    if (!runs_held(dir)) return CVY_OK;
    cli_say(c, "waiting for the process that works on %s", name);
    for (double until = process_now() + PATIENCE_MS / 1000; process_now() < until && !interrupt_count();) {
        process_pause(0.05);
        if (!runs_held(dir)) return CVY_OK;
    }
    char *hint = mem_printf("`convoy stop %s` stops it", name);
    errors_add(e, CVY_ERR_CONFIG, NULL, hint, "%s is being trained by another process", name);
    mem_free(hint);
    return CVY_ERR_CONFIG;
}

static int resume_run(const common *c, const options *o, const char *name)
{
    arena a = {0};
    errors e = {0};
    run_info r;
    trial t = {0};
    cvy_status status = runs_read(c->results, name, &a, &r, &e);
    if (status == CVY_OK) status = wait_for(c, r.dir, name, &e);
    space_metric metric = {r.metric ? r.metric : space_default_metric.name, r.maximize};
    book *b = book_new();
    if (status == CVY_OK) status = take_plan(&t, &r, b, &e);
    if (status == CVY_OK) {
        trial_take_run(&t, c->results, name, &metric);
        if (state_in(r.dir) == FOLLOW_FINISHED) t.state = TRIAL_KNOWN;
    }
    int64_t threads = threads_for(o, r.threads);
    t.inexact = o->inexact;
    if (t.state == TRIAL_KNOWN) cli_say(c, "%s is finished", name);
    if (status == CVY_OK && t.state == TRIAL_WAITING) status = check_plugins(&r, &e);
    if (status == CVY_OK && t.state == TRIAL_WAITING && !o->inexact)
        status = check_run_key(c, &r, threads, &e);
    char *program = path_executable();
    int code = CVY_OK;
    if (status == CVY_OK) {
        launch_options lo = {
            .program = program,
            .origin = {.results = c->results, .metric = metric, .threads = threads, .book = b},
            .limits = {.workers = 1}};
        code = launch_code(launch_trials(c, &lo, &t, 1, &e), &t, 1);
    }
    int wrong = cli_fail(c, &e);
    if (!code) code = wrong;
    if (status == CVY_OK && c->json)
        outcome_json(c, b, &t, 1, &metric, r.sweep, code);
    else if (status == CVY_OK)
        outcome_runs(c, &t, 1, &metric);
    mem_free(program);
    trial_free(&t);
    book_close(b);
    arena_free(&a);
    return code;
}

/* ---- sweeps ---- */

/* One run that stands for all of them, whose description says under what the sweep was begun; where there is none yet, a plan. */
static cvy_status check_sweep(const common *c, const options *o, sweep *w, errors *e)
{
    int64_t threads = threads_for(o, w->threads);
    cvy_status status = CVY_OK;
    size_t n;
    int64_t *all = runs_numbers(c->results, 'r', &n);
    bool found = false;
    while (n-- > 0 && !found && !o->inexact) {
        arena a = {0};
        run_info r;
        char *name = mem_printf("r%lld", (long long)all[n]);
        if (runs_read(c->results, name, &a, &r, NULL) == CVY_OK && r.sweep && !strcmp(r.sweep, w->name)) {
            found = true;
            status = check_run_key(c, &r, threads, e);
        }
        mem_free(name);
        arena_free(&a);
    }
    mem_free(all);
    if (!found && !o->inexact) status = check_planned(w, threads, e);
    w->threads = threads;
    for (size_t i = 0; i < w->n; i++) w->trials[i].inexact = o->inexact;
    return status;
}

static int resume_sweep(const common *c, const options *o, const char *name)
{
    errors e = {0};
    sweep *w = sweeps_open(c->results, name, &e);
    char *program = path_executable();
    cvy_status status = w ? wait_for(c, w->dir, name, &e) : errors_status(&e);
    if (status == CVY_OK) status = check_sweep(c, o, w, &e);
    int code = cli_fail(c, &e);
    launch_limits limits;
    if (status == CVY_OK && !limits_read(c, &o->limits, &limits))
        status = CVY_ERR_CONFIG, code = CVY_ERR_CONFIG;
    if (status == CVY_OK) code = launch_sweep(c, w, program, &limits, PATIENCE_MS);
    mem_free(program);
    sweeps_close(w);
    return code;
}

static int run(const command *self, const common *c, void *given, int argc, char **argv)
{
    const options *o = given;
    if (argc > 1) return cli_usage(self, c, "unexpected \"%s\"", argv[1]);
    arena a = {0};
    errors e = {0};
    const char *name = NULL;
    if (argc)
        runs_find(c->results, argv[0], &a, &name, &e);
    else if (!(name = last_unfinished(c->results, &a)))
        cli_say(c, "nothing to resume in %s", c->results);
    int code = cli_fail(c, &e);
    if (name) {
        interrupt_begin();
        code = name[0] == 's' ? resume_sweep(c, o, name) : resume_run(c, o, name);
        interrupt_end();
    }
    arena_free(&a);
    return code;
}

const command cmd_resume = {
    .name = "resume",
    .summary = "Go on with a run or sweep that was stopped; without a name the last unfinished",
    .usage = "convoy resume [RUN|SWEEP|last]",
    .examples = "convoy resume\n"
                "convoy resume r12\n"
                "convoy resume s3 --workers 4",
    .options = rows,
    .n_options = sizeof rows / sizeof *rows,
    .size = sizeof(options),
    .run = run,
};
