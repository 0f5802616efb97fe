/* Owns the way from an experiment file to planned trials; must not know how trials are run. */
#include "cli/prepare.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "cli/metric_asked.h"
#include "cli/places.h"
#include "cli/progress.h"
#include "sweep/describe.h"
#include "sweep/interrupt.h"
#include "sweep/members.h"
#include "sweep/planning.h"
#include "sweep/process.h"
#include "sweep/runs.h"
#include "sweep/search.h"
#include "sweep/supervise.h"
#include "sweep/sweeps.h"

void prepare_free(prepared *p)
{
    for (size_t i = 0; i < p->n; i++) trial_free(&p->trials[i]);
    mem_free(p->trials);
    book_close(p->book);
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
        if (cli_sets(argv[i]) && !file_exists(argv[i]))
            p->overrides[p->n_overrides++] = argv[i];
        else if (p->file)
            return cli_usage(self, c, "unexpected \"%s\": overrides are written PATH=VALUE", argv[i]);
        else
            p->file = argv[i];
    }
    for (size_t i = 0; i < set->n; i++) p->overrides[p->n_overrides++] = set->items[i];
    return p->file ? CVY_OK : cli_usage(self, c, "which experiment file?");
}

bool prepare_name_taken(const char *name)
{
    return !strcmp(name, "last") || runs_number(name, 'r') || runs_number(name, 's');
}

/* ---- the trials ---- */

static cvy_status refuse_sweep(prepared *p, const place *at, errors *e)
{
    cvy_status status = space_read(p->x, p->overrides, p->n_overrides, &p->memory, &p->space, e);
    if (status == CVY_OK) status = search_count(&p->space, experiment_members(p->x), at, &p->configs, e);
    if (status != CVY_OK) return status;
    const char *hint =
        arena_printf(&p->memory, "use `convoy sweep %s`, or `convoy run --base %s`", p->file, p->file);
    const int64_t per = experiment_members(p->x);
    text trials = {0};
    describe_trials(p->configs * (size_t)per, p->x->repeats, per / p->x->repeats, &trials);
    status = errors_add(e, CVY_ERR_CONFIG, &PLACE_FILE(p->file), hint, "describes %s", text_str(&trials));
    text_free(&trials);
    return status;
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
    p->book = book_new();
    const bool kept = width && sweeps_adapt(&p->space);
    double *one = arena_array(&p->memory, width + 1, sizeof *one);
    if (kept) p->points = arena_array(&p->memory, p->configs, (width + 1) * sizeof *p->points);
    for (size_t config = 0; config < p->configs; config++) {
        double *point = kept ? p->points + config * width : one;
        trial *first = &p->trials[config * per];
        members_make(p->x, (int64_t)config, first);
        if (chosen_later(p, config)) {
            for (size_t i = 0; i < per; i++) first[i].seed = -1, first[i].state = TRIAL_OPEN;
            continue;
        }
        if (width && !search_propose(&p->space, p->x->seed, NULL, 0, config, point, e)) return CVY_ERR_CONFIG;
        p->planned = (config + 1) * per;
    }
    return CVY_OK;
}

/* What planning asks of the trials and hears of them, one after the other: nothing of it is in memory for all. */
typedef struct finding {
    message m; /* its texts live with p */
    place at;
    size_t trials; /* that have it */
    const char *first;
    size_t parameter; /* of the sweep, of which a value is meant; SIZE_MAX: none */
    uint64_t lacking; /* values of what decides about the plugin around it with which it was found */
} finding;

enum { KEPT = 300 }; /* findings: more than anybody reads */

typedef struct dialogue {
    prepared *p;
    arena memory; /* of the configuration that is spoken of */
    size_t config, per;
    bool any;
    double *point;
    trial_words *words;
    finding *findings;
    size_t n_findings;
    metric_asked asked;
} dialogue;

/* The words of a configuration's trials; those of the one before are gone. */
static const trial_words *speak_of(dialogue *d, size_t i)
{
    const prepared *p = d->p;
    const size_t config = i / d->per;
    errors quiet = {0}; /* it could be proposed before */
    if (!d->any || config != d->config) {
        arena_free(&d->memory);
        d->words = arena_array(&d->memory, d->per, sizeof *d->words);
        d->point = arena_array(&d->memory, p->space.n + 1, sizeof *d->point);
        if (p->space.n) search_propose(&p->space, p->x->seed, NULL, 0, config, d->point, &quiet);
        members_words(p->x, p->space.n ? &p->space : NULL, d->point, p->overrides, p->n_overrides, &d->memory,
                      d->words);
        for (size_t k = 0; k < d->per && p->label; k++) d->words[k].label = p->label;
        d->config = config;
        d->any = true;
        errors_free(&quiet);
    }
    return &d->words[i % d->per];
}

static void ask_of(void *ctx, size_t i, planning_request *out)
{
    dialogue *d = ctx;
    const trial_words *words = speak_of(d, i);
    *out = (planning_request){words->overrides, words->n_overrides, d->p->trials[i].seed};
}

/* ---- what planning found ---- */

/* A value that a sweep set stands in the file; planning knows it as an override. NULL: it is no such message.
 */
static const place *place_in_file(dialogue *d, const trial_words *words, const char *file)
{
    const prepared *p = d->p;
    const place *found = NULL;
    if (!file || !text_starts(file, "--set ") || !p->space.n) return NULL;
    size_t n;
    const space_setting *set = space_settings(&p->space, d->point, &d->memory, &n);
    for (size_t i = 0; i < n && !found; i++) {
        text shown = {0};
        text_safe(&shown, words->overrides[p->n_overrides + i], 120); /* as config/override.c shows it */
        if (!strcmp(text_str(&shown), file + 6)) found = &set[i].at;
        text_free(&shown);
    }
    return found;
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && !strcmp(a, b));
}

/* What is said of several values of a parameter in the same words is about its path. */
static bool same_finding(const finding *f, const message *m, const place *at, size_t parameter)
{
    const bool here = f->at.line == at->line && f->at.column == at->column && same_text(f->at.file, at->file);
    return f->m.warning == m->warning && (here || (parameter != SIZE_MAX && f->parameter == parameter)) &&
           same_text(f->m.what, m->what);
}

/* A parameter that some of the plugins have which are swept. */
static void note_lacking(const dialogue *d, finding *f)
{
    const size_t k = f->parameter == SIZE_MAX ? SIZE_MAX : space_decider(&d->p->space, f->parameter);
    if (k == SIZE_MAX || f->m.warning || !strstr(f->m.what, "unknown parameter")) return;
    if (d->point[k] >= 0 && d->point[k] < 64) f->lacking |= (uint64_t)1 << (int)d->point[k];
}

/* The same of many trials is kept once. */
static void find(dialogue *d, const trial_words *words, const errors *problems)
{
    arena *a = &d->p->memory;
    for (size_t k = 0; k < problems->n; k++) {
        const message *m = &problems->items[k];
        const place *moved = place_in_file(d, words, m->file);
        place at = moved ? *moved : (place){m->file, m->line, m->column, m->offset, m->source};
        const size_t parameter =
            moved ? space_parameter_at(&d->p->space, at.file, at.line, at.column) : SIZE_MAX;
        size_t known = 0;
        while (known < d->n_findings && !same_finding(&d->findings[known], m, &at, parameter)) known++;
        if (known == KEPT) continue;
        finding *f = &d->findings[known];
        if (known == d->n_findings) {
            *f = (finding){.m = *m, .at = at, .first = arena_text(a, words->label)};
            f->m.what = arena_text(a, m->what);
            f->m.hint = arena_text(a, m->hint);
            f->at.file = arena_text(a, at.file);
            f->at.source = arena_text(a, at.source);
            f->parameter = parameter;
            d->n_findings++;
        }
        f->trials++;
        note_lacking(d, f);
    }
}

static bool take_plan(void *ctx, size_t i, plan *got, errors *e)
{
    dialogue *d = ctx;
    trial *t = &d->p->trials[i];
    const trial_words *words = speak_of(d, i);
    if (got->status == CVY_OK) {
        t->seed = got->seed;
    } else {
        t->state = TRIAL_REFUSED;
        t->status = got->status;
        for (size_t k = 0; k < got->problems.n && !t->why; k++)
            if (!got->problems.items[k].warning) t->why = mem_text(got->problems.items[k].what);
    }
    find(d, words, &got->problems);
    if (got->status == CVY_OK && got->metrics && d->p->space.metric_at)
        metric_asked_hear(&d->asked, &d->p->space.metric, got->metrics, got->more_metrics);
    const bool good = trial_plan(t, words, got, d->p->book, e) == CVY_OK;
    plan_free(got);
    return good;
}

/* All the plugins that do not have the parameter, of which each was a finding of its own. */
static uint64_t lacking_of(const dialogue *d, const finding *f)
{
    uint64_t all = f->lacking;
    for (size_t i = 0; all && i < d->n_findings; i++)
        if (d->findings[i].parameter == f->parameter) all |= d->findings[i].lacking;
    return all;
}

static void report(const dialogue *d, bool skip, errors *e)
{
    prepared *p = d->p;
    for (size_t i = 0; i < d->n_findings; i++) {
        finding *f = &d->findings[i];
        const uint64_t lacking = lacking_of(d, f);
        const char *when = lacking ? space_when_hint(&p->space, f->parameter, lacking, &p->memory) : NULL;
        if (when) f->m.hint = (char *)(uintptr_t)when;
        text where = {0};
        if (f->trials == 1 && p->planned > 1) text_printf(&where, "trial %s: ", f->first);
        if (f->trials > 1 && f->trials < p->planned)
            text_printf(&where, "%zu of %zu trials: ", f->trials, p->planned);
        if (f->m.warning || skip)
            errors_warn(e, &f->at, f->m.hint, "%s%s", text_str(&where), f->m.what);
        else
            errors_add(e, f->m.status, &f->at, f->m.hint, "%s%s", text_str(&where), f->m.what);
        text_free(&where);
    }
}

static void warn_twins(const prepared *p, size_t first, size_t later, errors *e)
{
    arena a = {0};
    errors_warn(e, NULL, NULL, "trials \"%s\" and \"%s\" come to the same configuration: trained once",
                trial_read_words(&p->trials[first], p->book, &a).label,
                trial_read_words(&p->trials[later], p->book, &a).label);
    arena_free(&a);
}

/* Equal configurations are trained once: the later ones leave. */
static void drop_twins(prepared *p, errors *e)
{
    size_t slots = 16, kept = 0;
    while (slots < 2 * p->n) slots *= 2;
    uint32_t *by_key = mem_array(slots, sizeof *by_key); /* of those kept, one more; 0: free */
    for (size_t i = 0; i < p->n; i++) {
        trial *t = &p->trials[i];
        uint64_t h;
        memcpy(&h, t->key.b, sizeof h);
        size_t at = (size_t)h & (slots - 1);
        const bool keyed = !plan_key_none(&t->key);
        while (keyed && by_key[at] && !plan_key_equal(&p->trials[by_key[at] - 1].key, &t->key))
            at = (at + 1) & (slots - 1);
        if (keyed && by_key[at]) {
            warn_twins(p, by_key[at] - 1, i, e);
            trial_free(t);
            continue;
        }
        if (keyed) by_key[at] = (uint32_t)kept + 1;
        const trial moved = *t;
        *t = (trial){0};
        p->trials[kept++] = moved;
    }
    p->n = p->planned = kept;
    mem_free(by_key);
}

static cvy_status judge(const dialogue *d, bool skip, errors *e)
{
    prepared *p = d->p;
    size_t refused = 0;
    for (size_t i = 0; i < p->n; i++) refused += p->trials[i].state == TRIAL_REFUSED;
    skip = skip && refused < p->planned;
    report(d, skip, e);
    if (refused && !skip) return errors_status(e) ? errors_status(e) : CVY_ERR_CONFIG;
    /* Where results decide what is trained, each configuration keeps its place; there the agenda sees to it. */
    if (!p->space.n || !sweeps_adapt(&p->space)) drop_twins(p, e);
    return CVY_OK;
}

/* By which metric the trials are judged: not by one that no trial will log, or a night's runs could not be told apart. */
static cvy_status choose_metric(const dialogue *d, errors *e)
{
    prepared *p = d->p;
    const place *at = p->space.metric_at;
    const space_metric usual = trial_default_metric(p->trials, p->n);
    p->metric = at ? p->space.metric : usual;
    return at ? metric_asked_judge(&d->asked, &p->metric, &usual, at, e) : CVY_OK;
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
    if (prepare_name_taken(p->x->name))
        errors_warn(e, &PLACE_FILE(p->file), "give another, by `experiment:` or --name",
                    "no command will find the experiment by its name: \"%s\" is %s", p->x->name,
                    strcmp(p->x->name, "last") ? "a number" : "the last run");
    cvy_status status = read_space(p, kind, e);
    if (status != CVY_OK) return status;
    status = make_trials(p, e);
    if (status != CVY_OK) return status;
    p->threads = supervise_threads(threads, p->n, process_cores());
    shown s = {c, progress_open(c, "trials")};
    planning_options o = {.program = p->program,
                          .file = p->file,
                          .plugins = c->plugin.items,
                          .n_plugins = c->plugin.n,
                          .threads = p->threads,
                          .patience = prepare_patience(),
                          .progress = planned,
                          .ctx = &s};
    dialogue d = {.p = p, .per = members_count(p->x), .findings = mem_array(KEPT, sizeof(finding))};
    const planning_many many = {.n = p->planned, .ask = ask_of, .take = take_plan, .ctx = &d};
    status = planning_each(&o, &many, e);
    progress_clear(&s.bar);
    if (status == CVY_OK) status = judge(&d, skip, e);
    if (status == CVY_OK) status = choose_metric(&d, e);
    arena_free(&d.memory);
    mem_free(d.findings);
    metric_asked_free(&d.asked);
    return status;
}

/* ---- what is known ---- */

static cvy_status match(prepared *p, const common *c, trial *t, known_runs *k, errors *e)
{
    known_run r;
    if (!known_find(k, &t->key, NULL, &r)) return CVY_OK;
    if (r.state == FOLLOW_FINISHED) {
        trial_take_run(t, c->results, r.name, &p->metric);
        t->state = TRIAL_KNOWN;
        t->borrowed = true; /* what is prepared has no runs of its own yet */
    } else if (r.state == FOLLOW_RUNNING) {
        const char *hint =
            arena_printf(&p->memory, "`convoy stop %s` stops it; --again trains another", r.name);
        return errors_add(e, CVY_ERR_CONFIG, NULL, hint, "%s is training the same right now", r.name);
    } else if (strcmp(r.exact_key, trial_facts(t)->exact_key) != 0) {
        const char *hint = arena_printf(&p->memory, "`convoy resume %s --inexact` continues it", r.name);
        errors_warn(e, NULL, hint,
                    "%s is the same and unfinished, but was begun by another build, on another CPU or with "
                    "another number "
                    "of threads: it starts anew",
                    r.name);
    } else {
        trial_take_run(t, c->results, r.name, &p->metric);
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
