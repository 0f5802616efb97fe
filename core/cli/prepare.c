/* Owns the way from an experiment file to planned trials; must not know how trials are run. */
#include "cli/prepare.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "cli/places.h"
#include "cli/progress.h"
#include "sweep/interrupt.h"
#include "sweep/members.h"
#include "sweep/planning.h"
#include "sweep/process.h"
#include "sweep/search.h"
#include "sweep/supervise.h"
#include "sweep/sweeps.h"

void prepare_free(prepared *p)
{
    for (size_t i = 0; i < p->n; i++) trial_free(&p->trials[i]);
    mem_free(p->trials);
    experiment_free(p->x);
    arena_free(&p->memory);
    *p = (prepared){0};
}

double prepare_patience(void)
{
    const char *s = getenv("CONVOY_PLAN_SECONDS");
    double v = s ? strtod(s, NULL) : 0;
    return v > 0 && v < 1e9 ? v : 0;
}

int prepare_operands(prepared *p, const command *self, const common *c, const text_list *set, int argc,
                     char **argv)
{
    p->overrides = arena_array(&p->memory, (size_t)argc + set->n + 1, sizeof *p->overrides);
    for (int i = 0; i < argc; i++) {
        if (cli_is_override(argv[i]) && !file_exists(argv[i]))
            p->overrides[p->n_overrides++] = argv[i];
        else if (p->file)
            return cli_usage(self, c, "unexpected \"%s\": overrides are written PATH=VALUE", argv[i]);
        else
            p->file = argv[i];
    }
    for (size_t i = 0; i < set->n; i++) p->overrides[p->n_overrides++] = set->items[i];
    return p->file ? CVY_OK : cli_usage(self, c, "which experiment file?");
}

/* ---- the trials ---- */

static cvy_status refuse_sweep(prepared *p, const place *at, errors *e)
{
    cvy_status status = space_read(p->x, p->overrides, p->n_overrides, &p->memory, &p->space, e);
    if (status == CVY_OK) status = search_count(&p->space, experiment_members(p->x), at, &p->configs, e);
    if (status != CVY_OK) return status;
    const char *hint =
        arena_printf(&p->memory, "use `convoy sweep %s`, or `convoy run --base %s`", p->file, p->file);
    return errors_add(e, CVY_ERR_CONFIG, &PLACE_FILE(p->file), hint, "describes %lld trials",
                      (long long)p->configs * (long long)experiment_members(p->x));
}

static cvy_status read_space(prepared *p, prepare_kind kind, errors *e)
{
    bool swept = space_given(p->x);
    const place *at = swept ? node_key_at(p->x->root, "sweep") : NULL;
    p->configs = 1;
    if (kind == PREPARE_RUN && swept) return refuse_sweep(p, at, e);
    if (kind != PREPARE_SWEEP) return CVY_OK;
    if (!swept) {
        const char *hint = arena_printf(&p->memory, "use `convoy run %s`", p->file);
        return errors_add(e, CVY_ERR_CONFIG, &PLACE_FILE(p->file), hint,
                          "describes a single run: it has no `sweep:`");
    }
    cvy_status status = space_read(p->x, p->overrides, p->n_overrides, &p->memory, &p->space, e);
    return status == CVY_OK ? search_count(&p->space, experiment_members(p->x), at, &p->configs, e) : status;
}

/* Those of a method that looks at results are chosen later, but for the first. */
static bool chosen_later(const prepared *p, size_t config)
{
    const search_method *m = p->space.n ? search_find(p->space.method) : NULL;
    return m && m->adaptive && search_visible(&p->space, config) > 0;
}

static cvy_status make_trials(prepared *p, errors *e)
{
    const size_t per = members_count(p->x), width = p->space.n;
    p->n = p->configs * per;
    p->trials = mem_array(p->n, sizeof *p->trials);
    p->points = arena_array(&p->memory, p->configs, (width + 1) * sizeof *p->points);
    for (size_t config = 0; config < p->configs; config++) {
        double *point = p->points + config * width;
        trial *first = &p->trials[config * per];
        for (size_t i = 0; i < per && chosen_later(p, config); i++)
            first[i] = (trial){.config = (int64_t)config,
                               .repeat = (int64_t)i,
                               .seed = -1,
                               .label = "",
                               .state = TRIAL_OPEN};
        if (first->state == TRIAL_OPEN) continue;
        if (width && !search_propose(&p->space, p->x->seed, NULL, 0, config, point, e)) return CVY_ERR_CONFIG;
        members_make(p->x, width ? &p->space : NULL, point, (int64_t)config, p->overrides, p->n_overrides,
                     &p->memory, first);
        p->planned = (config + 1) * per;
    }
    return CVY_OK;
}

/* ---- what planning found ---- */

/* A value that a sweep set stands in the file; planning knows it as an override. NULL: it is no such message.
 */
static const place *place_in_file(prepared *p, const trial *t, const char *file)
{
    const place *found = NULL;
    if (!file || !text_starts(file, "--set ") || !p->space.n) return NULL;
    size_t n;
    const double *point = p->points + (size_t)t->config * p->space.n;
    const space_setting *set = space_settings(&p->space, point, &p->memory, &n);
    for (size_t i = 0; i < n && !found; i++) {
        text shown = {0};
        text_safe(&shown, t->overrides[p->n_overrides + i], 120); /* as config/override.c shows it */
        if (!strcmp(text_str(&shown), file + 6)) found = &set[i].at;
        text_free(&shown);
    }
    return found;
}

typedef struct finding {
    const message *m;
    place at;
    size_t trials; /* that have it */
    const trial *first;
} finding;

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && !strcmp(a, b));
}

static bool same_finding(const finding *f, const message *m, const place *at)
{
    return f->m->warning == m->warning && f->at.line == at->line && f->at.column == at->column &&
           same_text(f->at.file, at->file) && same_text(f->m->what, m->what);
}

/* The same for many trials is told once. */
static void report(prepared *p, bool skip, errors *e)
{
    enum { KEPT = 300 }; /* more than anybody reads */
    finding *all = mem_array(KEPT, sizeof *all);
    size_t n = 0;
    for (size_t i = 0; i < p->n; i++) {
        const errors *problems = &p->trials[i].plan.problems;
        for (size_t k = 0; k < problems->n; k++) {
            const message *m = &problems->items[k];
            const place *moved = place_in_file(p, &p->trials[i], m->file);
            place at = moved ? *moved : (place){m->file, m->line, m->column, m->offset, m->source};
            size_t known = 0;
            while (known < n && !same_finding(&all[known], m, &at)) known++;
            if (known == KEPT) continue;
            if (known == n) all[n++] = (finding){m, at, 0, &p->trials[i]};
            all[known].trials++;
        }
    }
    for (size_t i = 0; i < n; i++) {
        const finding *f = &all[i];
        text where = {0};
        if (f->trials == 1 && p->planned > 1) text_printf(&where, "trial %s: ", f->first->label);
        if (f->trials > 1 && f->trials < p->planned)
            text_printf(&where, "%zu of %zu trials: ", f->trials, p->planned);
        if (f->m->warning || skip)
            errors_warn(e, &f->at, f->m->hint, "%s%s", text_str(&where), f->m->what);
        else
            errors_add(e, f->m->status, &f->at, f->m->hint, "%s%s", text_str(&where), f->m->what);
        text_free(&where);
    }
    mem_free(all);
}

typedef struct numbered {
    const char *hash;
    size_t i;
} numbered;

static int by_hash(const void *a, const void *b)
{
    const numbered *x = a, *y = b;
    int order = strcmp(x->hash, y->hash);
    return order ? order : (x->i > y->i) - (x->i < y->i);
}

/* Equal configurations are trained once: the later ones leave. */
static void drop_twins(prepared *p, errors *e)
{
    numbered *all = mem_array(p->n + 1, sizeof *all);
    size_t n = 0, kept = 0;
    for (size_t i = 0; i < p->n; i++)
        if (p->trials[i].plan.config_hash) all[n++] = (numbered){p->trials[i].plan.config_hash, i};
    if (n) qsort(all, n, sizeof *all, by_hash);
    bool *leaves = mem_array(p->n + 1, sizeof *leaves);
    for (size_t i = 1, first = 0; i < n; i++) {
        if (strcmp(all[i].hash, all[first].hash) != 0) {
            first = i;
            continue;
        }
        leaves[all[i].i] = true;
        errors_warn(e, NULL, NULL, "trials \"%s\" and \"%s\" come to the same configuration: trained once",
                    p->trials[all[first].i].label, p->trials[all[i].i].label);
    }
    for (size_t i = 0; i < p->n; i++) {
        trial moved = p->trials[i];
        p->trials[i] = (trial){0};
        if (leaves[i])
            trial_free(&moved);
        else
            p->trials[kept++] = moved;
    }
    p->n = p->planned = kept;
    mem_free(all);
    mem_free(leaves);
}

static cvy_status judge(prepared *p, bool skip, errors *e)
{
    size_t refused = 0;
    for (size_t i = 0; i < p->n; i++) {
        trial *t = &p->trials[i];
        if (t->state == TRIAL_OPEN) continue;
        if (t->plan.status == CVY_OK) {
            t->seed = t->plan.seed;
            continue;
        }
        t->state = TRIAL_REFUSED;
        t->status = t->plan.status;
        for (size_t k = 0; k < t->plan.problems.n && !t->why; k++)
            if (!t->plan.problems.items[k].warning) t->why = mem_text(t->plan.problems.items[k].what);
        refused++;
    }
    skip = skip && refused < p->planned;
    report(p, skip, e);
    if (refused && !skip) return errors_status(e) ? errors_status(e) : CVY_ERR_CONFIG;
    /* Where results decide what is trained, each configuration keeps its place; there the agenda sees to it. */
    if (!p->space.n || !sweeps_adapt(&p->space)) drop_twins(p, e);
    return CVY_OK;
}

/* By which metric the trials are judged; not by one that none of them will log. */
static cvy_status choose_metric(prepared *p, errors *e)
{
    const place *at = p->space.metric_at;
    p->metric = trial_default_metric(p->trials, p->n);
    if (!at) return CVY_OK;
    const bool losses = !p->metric.maximize;
    p->metric = p->space.metric;
    if (!losses || !text_ends(p->metric.name, "_accuracy")) return CVY_OK;
    return errors_add(e, CVY_ERR_CONFIG, at, "write {name: val_loss}",
                      "sweep: metric: %s is not logged where the output is not compared with classes",
                      p->metric.name);
}

typedef struct shown {
    const common *c;
    progress bar;
} shown;

static void planned(void *ctx, size_t done, size_t total)
{
    shown *s = ctx;
    if (total > 1) progress_update(&s->bar, (int64_t)done, (int64_t)total, "planning");
}

cvy_status prepare_trials(prepared *p, const common *c, prepare_kind kind, int64_t threads, bool skip,
                          errors *e)
{
    char *program = path_executable();
    p->program = arena_text(&p->memory, program ? program : "convoy");
    mem_free(program);
    p->x = experiment_read(p->file, p->overrides, p->n_overrides, places_architectures(), e);
    if (!p->x) return errors_status(e) ? errors_status(e) : CVY_ERR_CONFIG;
    cvy_status status = read_space(p, kind, e);
    if (status != CVY_OK) return status;
    status = make_trials(p, e);
    if (status != CVY_OK) return status;
    p->threads = supervise_threads(threads, p->n, process_cores());
    planning_request *requests = mem_array(p->n, sizeof *requests);
    plan *plans = mem_array(p->n, sizeof *plans);
    for (size_t i = 0; i < p->planned; i++)
        requests[i] = (planning_request){p->trials[i].overrides, p->trials[i].n_overrides, p->trials[i].seed};
    shown s = {c, progress_open(c, "trials")};
    planning_options o = {.program = p->program,
                          .file = p->file,
                          .plugins = c->plugin.items,
                          .n_plugins = c->plugin.n,
                          .threads = p->threads,
                          .patience = prepare_patience(),
                          .progress = planned,
                          .ctx = &s};
    status = planning_run(&o, requests, p->planned, plans, e);
    progress_clear(&s.bar);
    for (size_t i = 0; i < p->planned; i++) p->trials[i].plan = plans[i];
    mem_free(requests);
    mem_free(plans);
    if (status == CVY_OK) status = judge(p, skip, e);
    return status == CVY_OK ? choose_metric(p, e) : status;
}

/* ---- what is known ---- */

static cvy_status match(prepared *p, const common *c, trial *t, known_runs *k, errors *e)
{
    known_run r;
    if (!known_find(k, t->plan.config_hash, NULL, &r)) return CVY_OK;
    if (r.state == FOLLOW_FINISHED) {
        trial_take_run(t, c->results, r.name);
        t->state = TRIAL_KNOWN;
    } else if (r.state == FOLLOW_RUNNING) {
        const char *hint =
            arena_printf(&p->memory, "`convoy stop %s` stops it; --again trains another", r.name);
        return errors_add(e, CVY_ERR_CONFIG, NULL, hint, "%s is training the same right now", r.name);
    } else if (strcmp(r.exact_key, t->plan.exact_key) != 0) {
        const char *hint = arena_printf(&p->memory, "`convoy resume %s --inexact` continues it", r.name);
        errors_warn(e, NULL, hint,
                    "%s is the same and unfinished, but was begun by another build, on another CPU or with "
                    "another number "
                    "of threads: it starts anew",
                    r.name);
    } else {
        trial_take_run(t, c->results, r.name);
        t->resumed = true;
    }
    return CVY_OK;
}

cvy_status prepare_match(prepared *p, const common *c, bool again, errors *e)
{
    if (again) return CVY_OK;
    known_runs *k = known_open(c->results);
    cvy_status status = CVY_OK;
    for (size_t i = 0; i < p->n; i++) {
        if (p->trials[i].state != TRIAL_WAITING) continue;
        cvy_status one = match(p, c, &p->trials[i], k, e);
        if (status == CVY_OK) status = one;
    }
    known_close(k);
    return status;
}
