/* `convoy rm`: takes runs and sweeps away, folders and rows. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "cli/cli.h"
#include "cli/results.h"
#include "report/find.h"
#include "sweep/runs.h"

typedef struct options {
    bool yes, dry_run;
} options;

static const option_row rows[] = {
    OPTION(options, yes, 'y', OPTION_FLAG, NULL, "do not ask"),
    OPTION(options, dry_run, 'n', OPTION_FLAG, NULL, "only say what would be removed"),
};

typedef struct names {
    const char **items;
    size_t n, cap;
} names;

typedef struct removal {
    arena memory;
    names sweeps, runs; /* to be removed */
    names shared;       /* runs of these sweeps that stand in others too, and stay */
} removal;

static bool among(const names *l, const char *name)
{
    for (size_t i = 0; i < l->n; i++)
        if (!strcmp(l->items[i], name)) return true;
    return false;
}

static void add(removal *r, names *l, const char *name)
{
    l->items = MEM_GROW(l->items, l->n, &l->cap);
    l->items[l->n++] = arena_text(&r->memory, name);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Sweeps and single runs that the words mean. */
static cvy_status take_words(removal *r, store *s, char **words, int n, errors *e)
{
    finder *f = finder_open(s, &r->memory, e);
    for (int i = 0; f && i < n; i++) {
        query_target t;
        if (finder_find(f, words[i], false, &t, e) != CVY_OK) continue; /* all unknown names at once */
        if (t.sweep && !among(&r->sweeps, t.sweep)) add(r, &r->sweeps, t.sweep);
        for (size_t k = 0; k < t.n && !t.sweep; k++)
            if (!among(&r->runs, t.runs[k].name)) add(r, &r->runs, t.runs[k].name);
    }
    finder_close(f);
    return errors_status(e);
}

/* Runs that sweeps which stay count as theirs, sorted. */
static cvy_status in_use(removal *r, store *s, names *used, errors *e)
{
    query_sweep *all;
    size_t n;
    cvy_status status = query_sweeps(s, &r->memory, &all, &n, e);
    for (size_t i = 0; i < n && status == CVY_OK; i++) {
        query_run *theirs;
        size_t count = 0;
        if (among(&r->sweeps, all[i].name)) continue;
        status = query_sweep_runs(s, all[i].name, &r->memory, &theirs, &count, e);
        for (size_t k = 0; k < count && status == CVY_OK; k++) add(r, used, theirs[k].name);
    }
    if (used->n) qsort(used->items, used->n, sizeof *used->items, by_text);
    return status;
}

/* The sweeps' own runs, but for those that stand in others. */
static cvy_status take_members(removal *r, store *s, errors *e)
{
    if (!r->sweeps.n) return CVY_OK;
    names used = {0};
    cvy_status status = in_use(r, s, &used, e);
    for (size_t i = 0; i < r->sweeps.n && status == CVY_OK; i++) {
        query_run *members;
        size_t n = 0;
        status = query_sweep_runs(s, r->sweeps.items[i], &r->memory, &members, &n, e);
        for (size_t k = 0; k < n && status == CVY_OK; k++) {
            const char *name = members[k].name;
            if (!members[k].sweep || !among(&r->sweeps, members[k].sweep)) continue;
            if (among(&r->runs, name) || among(&r->shared, name)) continue;
            const bool shared =
                used.n && bsearch(&name, used.items, used.n, sizeof *used.items, by_text) != NULL;
            add(r, shared ? &r->shared : &r->runs, name);
        }
    }
    mem_free(used.items);
    return status;
}

/* Nothing is removed as long as any of it is worked on. */
static cvy_status all_idle(const removal *r, const char *results, errors *e)
{
    const names *lists[] = {&r->sweeps, &r->runs};
    for (size_t l = 0; l < 2; l++)
        for (size_t i = 0; i < lists[l]->n; i++) {
            const char *name = lists[l]->items[i];
            char *dir = path_join(results, name), *hint = mem_printf("`convoy stop %s` stops it", name);
            if (runs_held(dir))
                errors_add(e, CVY_ERR_CONFIG, NULL, hint, "%s is running: nothing is removed", name);
            mem_free(dir);
            mem_free(hint);
        }
    return errors_status(e);
}

/* "s3 (18 runs), r40 and r41" */
static void describe(const removal *r, text *out)
{
    enum { SHOWN = 8 };
    const size_t n = r->sweeps.n + r->runs.n;
    for (size_t i = 0; i < n && i < SHOWN; i++)
        text_printf(out, "%s%s", i ? ", " : "",
                    i < r->sweeps.n ? r->sweeps.items[i] : r->runs.items[i - r->sweeps.n]);
    if (n > SHOWN) text_printf(out, ", ...");
    text_printf(out, ": %zu sweep%s, %zu run%s", r->sweeps.n, r->sweeps.n == 1 ? "" : "s", r->runs.n,
                r->runs.n == 1 ? "" : "s");
}

/* Whether the user says yes; CVY_ERR_USAGE where nobody can be asked. */
static cvy_status ask(const command *self, const common *c, const char *what, bool *yes)
{
    char answer[16] = "";
    *yes = false;
    if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
        return (cvy_status)cli_usage(self, c, "would remove %s; --yes does so where nobody can be asked",
                                     what);
    fprintf(stderr, "remove %s? [y/N] ", what);
    fflush(stderr);
    *yes = fgets(answer, sizeof answer, stdin) && (answer[0] == 'y' || answer[0] == 'Y');
    return CVY_OK;
}

/* Sweeps first: a sweep without its runs could be resumed, and would train them again. */
static cvy_status carry_out(const removal *r, store *s, const char *results, errors *e)
{
    const names *lists[] = {&r->sweeps, &r->runs};
    cvy_status status = CVY_OK;
    for (size_t l = 0; l < 2; l++)
        for (size_t i = 0; i < lists[l]->n && status == CVY_OK; i++) {
            status = runs_remove(results, lists[l]->items[i], e);
            if (status == CVY_OK) status = store_forget(s, lists[l]->items[i], e);
        }
    return status;
}

static void show_json(const removal *r, bool removed)
{
    const names *lists[] = {&r->sweeps, &r->runs, &r->shared};
    static const char *const keys[] = {"sweeps", "runs", "kept"};
    json_writer w = {0};
    json_open(&w, '{');
    json_put_bool(&w, "removed", removed);
    for (size_t l = 0; l < 3; l++) {
        json_key(&w, keys[l]);
        json_open(&w, '[');
        for (size_t i = 0; i < lists[l]->n; i++) json_text(&w, lists[l]->items[i]);
        json_close(&w, ']');
    }
    json_close(&w, '}');
    cli_print_json(&w);
}

static int run(const command *self, const common *c, void *given, int argc, char **argv)
{
    const options *o = given;
    errors e = {0};
    if (argc == 0) return cli_usage(self, c, "which runs or sweeps?");
    removal r = {0};
    text what = {0};
    bool yes = o->yes;
    int code = CVY_OK;
    store *s = file_is_dir(c->results) ? store_open(c->results, &e) : NULL;
    cvy_status status = s ? store_ingest_all(s, &e) : errors_status(&e);
    if (!s && status == CVY_OK)
        status = errors_add(&e, CVY_ERR_CONFIG, &PLACE_FILE(c->results), "--results names the folder",
                            "no such folder of results");
    if (status == CVY_OK) status = take_words(&r, s, argv, argc, &e);
    if (status == CVY_OK) status = take_members(&r, s, &e);
    if (status == CVY_OK) status = all_idle(&r, c->results, &e);
    describe(&r, &what);
    if (status == CVY_OK && !o->dry_run && !yes) code = (int)ask(self, c, text_str(&what), &yes);
    const bool removes = status == CVY_OK && code == CVY_OK && yes && !o->dry_run;
    if (removes) status = carry_out(&r, s, store_results(s), &e);
    if (status == CVY_OK && code == CVY_OK) {
        cli_say(c, "%s %s", removes ? "removed" : o->dry_run ? "would remove" : "kept", text_str(&what));
        if (r.shared.n && (removes || o->dry_run))
            cli_say(c, "%zu run%s that other sweeps count as theirs stay%s", r.shared.n,
                    r.shared.n == 1 ? "" : "s", r.shared.n == 1 ? "s" : "");
        if (c->json) show_json(&r, removes);
    }
    store_close(s);
    text_free(&what);
    mem_free(r.sweeps.items);
    mem_free(r.runs.items);
    mem_free(r.shared.items);
    arena_free(&r.memory);
    const int failed = cli_fail(c, &e);
    return failed ? failed : code;
}

const command cmd_rm = {
    .name = "rm",
    .summary = "Remove runs and sweeps: their folders and their rows in the database",
    .usage = "convoy rm RUN|SWEEP... [--yes] [--dry-run]",
    .examples = "convoy rm r12\n"
                "convoy rm s3 --dry-run",
    .options = rows,
    .n_options = sizeof rows / sizeof *rows,
    .size = sizeof(options),
    .run = run,
};
