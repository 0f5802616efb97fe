/* Owns what can be said of a sweep before it is begun; must not know how trials are run. */
#include "cli/forecast.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "cli/results.h"
#include "report/paired.h"
#include "sweep/early.h"
#include "sweep/planning.h"
#include "sweep/search.h"

enum { PROBED_MOST = 24 }; /* different networks that are timed; others are guessed by their work */

/* ---- time ---- */

/* Equal for trials whose steps take as long. */
static char *kind_of(const plan *p, const json *planned)
{
    const json *params = json_get(planned, "params");
    const char *optimizer =
        json_get_text(params, "train.optimizer.type", json_get_text(params, "train.optimizer", ""));
    return mem_printf("%s %lld %lld %lld %lld %lld %s %s", p->model, (long long)p->parameters,
                      (long long)p->macs, (long long)p->memory_bytes, (long long)p->steps_per_epoch,
                      (long long)p->train_samples, json_get_text(params, "train.batch_size", ""), optimizer);
}

/* What a trial has to do. */
typedef struct load {
    size_t kind;             /* of its network */
    double steps, evaluated; /* training steps; samples that are only looked at */
    double work;             /* multiplications */
} load;

static double seconds_of(const load *l, const plan *timed)
{
    return timed->start_seconds + l->steps * timed->step_seconds + l->evaluated * timed->sample_seconds;
}

/* What is left of a trial to be trained. */
static double share_left(const common *c, const trial *t)
{
    const double all = (double)(trial_facts(t)->epochs * trial_facts(t)->steps_per_epoch);
    if (t->state != TRIAL_WAITING) return 0;
    follow *f = trial_journals(t, c->results);
    const double left = f && all > 0 ? fmax(0, 1 - (double)f->step / all) : 1;
    follow_close(f);
    return left;
}

typedef struct kinds {
    char *name[PROBED_MOST];
    size_t trial[PROBED_MOST]; /* one of each */
    size_t n;
} kinds;

static size_t find_kind(const kinds *k, const char *name)
{
    size_t i = 0;
    while (i < k->n && strcmp(k->name[i], name) != 0) i++;
    return i;
}

static cvy_status probe_kinds(prepared *p, const common *c, const kinds *k, plan *plans, errors *e)
{
    planning_request requests[PROBED_MOST];
    arena a = {0};
    for (size_t i = 0; i < k->n; i++) {
        const trial *t = &p->trials[k->trial[i]];
        const trial_words words = trial_read_words(t, p->book, &a);
        requests[i] = (planning_request){words.overrides, words.n_overrides, t->seed};
    }
    planning_options o = {.program = p->program,
                          .file = p->file,
                          .plugins = c->plugin.items,
                          .n_plugins = c->plugin.n,
                          .threads = p->threads,
                          .probe = true,
                          .patience = prepare_patience()};
    cli_say(c, "timing a few steps of %zu network%s", k->n, k->n > 1 ? "s" : "");
    cvy_status status = planning_run(&o, requests, k->n, plans, e);
    arena_free(&a);
    return status;
}

/* ---- disk ---- */

static int64_t bytes_of(const plan *p)
{
    enum { DESCRIPTION = 12 << 10, EPOCH = 700, STEP = 150, EVERY = 50 };
    return p->checkpoint_bytes + DESCRIPTION + p->epochs * EPOCH +
           p->epochs * p->steps_per_epoch / EVERY * STEP;
}

/* ---- both ---- */

/* Reads the plans of those that wait. The load of each, and the different kinds as far as they are timed. */
static load *read_loads(const prepared *p, kinds *k, forecast *out)
{
    load *loads = mem_array(p->planned + 1, sizeof *loads);
    int64_t sum = 0, counted = 0;
    for (size_t i = 0; i < p->planned; i++) {
        const trial *t = &p->trials[i];
        if (t->state != TRIAL_WAITING) continue;
        arena a = {0};
        plan one = {0};
        const json *planned = trial_read_plan(t, p->book, &a);
        if (planned) plan_take(planned, &one);
        char *name = kind_of(&one, planned);
        loads[i] = (load){.kind = find_kind(k, name),
                          .steps = (double)(one.epochs * one.steps_per_epoch),
                          .evaluated = (double)(one.epochs * one.validation_samples + one.test_samples),
                          .work = (double)one.macs * (double)one.epochs * (double)one.train_samples};
        if (loads[i].kind == k->n && k->n < PROBED_MOST) {
            k->trial[k->n] = i;
            k->name[k->n++] = name;
            name = NULL;
        }
        sum += bytes_of(&one);
        counted++;
        mem_free(name);
        plan_free(&one);
        arena_free(&a);
    }
    out->bytes = sum;
    if (counted) out->bytes += (int64_t)(p->n - p->planned) * (sum / counted);
    return loads;
}

static cvy_status estimate(prepared *p, const common *c, const kinds *k, const load *loads, forecast *out,
                           errors *e)
{
    plan plans[PROBED_MOST] = {{0}};
    double sum = 0, counted = 0, rate = 0, rated = 0;
    cvy_status status = k->n ? probe_kinds(p, c, k, plans, e) : CVY_OK;
    for (size_t i = 0; i < k->n; i++) {
        const load *one = &loads[k->trial[i]];
        if (plans[i].step_seconds <= 0 || one->work <= 0) continue;
        rate += seconds_of(one, &plans[i]) / one->work;
        rated++;
    }
    for (size_t i = 0; i < p->planned; i++) {
        const trial *t = &p->trials[i];
        const load *l = &loads[i];
        if (t->state != TRIAL_WAITING) continue;
        double s = l->kind < k->n && plans[l->kind].step_seconds > 0
                       ? seconds_of(l, &plans[l->kind])
                       : (rated > 0 ? rate / rated : 0) * l->work;
        sum += s;
        counted++;
        out->seconds += s * share_left(c, t);
    }
    if (counted > 0) out->seconds += (double)(p->n - p->planned) * sum / counted; /* those to be chosen */
    out->probed = k->n;
    for (size_t i = 0; i < k->n; i++) plan_free(&plans[i]);
    return status;
}

cvy_status forecast_make(prepared *p, const common *c, bool timed, forecast *out, errors *e)
{
    kinds k = {0};
    *out = (forecast){.most = p->space.n && (p->space.early.kind != EARLY_NONE || p->space.has_target)};
    load *loads = read_loads(p, &k, out);
    cvy_status status = timed ? estimate(p, c, &k, loads, out, e) : CVY_OK;
    for (size_t i = 0; i < k.n; i++) mem_free(k.name[i]);
    mem_free(loads);
    return status;
}

/* ---- verdicts ---- */

typedef struct verdict {
    const char *path; /* NULL: the configurations as they are */
    size_t values, comparisons, pairs, needed;
} verdict;

/* compare --by takes all pairs of a few values, else the best against each other, and a seed is a pair; so does this. */
static verdict verdict_on(const prepared *p, const char *path, size_t values)
{
    enum { ALL = 6 };
    const size_t repeats = p->configs ? p->n / p->configs : 1;
    verdict v = {.path = path, .values = values};
    v.comparisons = path && values <= ALL ? values * (values - 1) / 2 : values - 1;
    v.pairs = repeats ? repeats : 1;
    v.needed = paired_needed(v.comparisons, 0.05);
    return v;
}

static size_t verdicts(const prepared *p, verdict *out, size_t most)
{
    const space *s = &p->space;
    size_t n = 0;
    bool grid = s->method && !strcmp(s->method, "grid") && !s->rules, seeds = false;
    for (size_t i = 0; grid && i < s->n; i++) seeds = seeds || !strcmp(s->parameters[i].path, "seed");
    for (size_t i = 0; grid && i < s->n && n < most; i++) {
        const space_parameter *one = &s->parameters[i];
        if (one->kind != SPACE_CHOICE || one->n < 2 || !strcmp(one->path, "seed")) continue;
        out[n++] = verdict_on(p, one->path, one->n);
    }
    if (!n && p->configs > 1 && !seeds) out[n++] = verdict_on(p, NULL, p->configs);
    return n;
}

static void say_verdict(const common *c, const verdict *v)
{
    text line = {0};
    text_printf(&line, "%s: %zu %s compared", v->path ? v->path : "verdict", v->values,
                v->path ? "values" : "configurations");
    text_printf(&line, " over %zu seed%s: ", v->pairs, v->pairs == 1 ? "" : "s");
    if (v->pairs >= v->needed)
        text_printf(&line, "differences can become significant (%zu seeds are the least)", v->needed);
    else
        text_printf(&line, "no difference can become significant; repeats: %zu would do", v->needed);
    cli_say(c, "%s", text_str(&line));
    text_free(&line);
}

/* ---- telling ---- */

static void size_text(text *t, int64_t bytes)
{
    if (bytes < 10 << 20)
        text_printf(t, "%lld KiB", (long long)(bytes >> 10));
    else
        text_printf(t, "%lld MiB", (long long)(bytes >> 20));
}

void forecast_say(const common *c, const prepared *p, const forecast *f, int64_t workers)
{
    text line = {0};
    text_add(&line, f->most ? "at most " : "about ");
    if (f->seconds > 0) {
        results_duration(&line, f->seconds / (double)workers);
        text_printf(&line, " with %lld worker%s, ", (long long)workers, workers > 1 ? "s" : "");
    }
    size_text(&line, f->bytes);
    text_add(&line, " of disk");
    cli_say(c, "%s", text_str(&line));
    text_free(&line);
    verdict v[8];
    size_t n = verdicts(p, v, 8);
    for (size_t i = 0; i < n; i++) say_verdict(c, &v[i]);
}

void forecast_json(const prepared *p, const forecast *f, json_writer *w)
{
    json_key(w, "forecast");
    json_open(w, '{');
    results_put_double(w, "seconds", f->seconds > 0 ? f->seconds : (double)NAN);
    json_put_int(w, "disk_bytes", f->bytes);
    json_put_bool(w, "at_most", f->most);
    json_put_int(w, "networks_timed", (int64_t)f->probed);
    json_key(w, "verdicts");
    json_open(w, '[');
    verdict v[8];
    size_t n = verdicts(p, v, 8);
    for (size_t i = 0; i < n; i++) {
        json_open(w, '{');
        json_put_text(w, "parameter", v[i].path);
        json_put_int(w, "values", (int64_t)v[i].values);
        json_put_int(w, "comparisons", (int64_t)v[i].comparisons);
        json_put_int(w, "pairs", (int64_t)v[i].pairs);
        json_put_int(w, "repeats_needed", (int64_t)v[i].needed);
        json_close(w, '}');
    }
    json_close(w, ']');
    json_close(w, '}');
}

/* ---- keeping ---- */

static char *kept_at(const char *hash)
{
    char *cache = path_user_cache();
    char *path = cache ? mem_printf("%s/forecasts/%.64s", cache, hash) : NULL;
    mem_free(cache);
    return path;
}

void forecast_keep(const char *hash, double seconds)
{
    errors quiet = {0}; /* a cache that cannot be written is none */
    char *path = kept_at(hash), *dir = path ? path_dir(path) : NULL;
    text s = {0};
    text_double(&s, seconds);
    if (path && file_make_dirs(dir, &quiet) == CVY_OK) file_replace(path, text_str(&s), s.n, &quiet);
    text_free(&s);
    mem_free(dir);
    mem_free(path);
    errors_free(&quiet);
}

double forecast_kept(const char *hash)
{
    char *path = kept_at(hash), *s = NULL;
    size_t n = 0;
    double v =
        path && file_exists(path) && file_read(path, 100, &s, &n, NULL) == CVY_OK ? strtod(s, NULL) : 0;
    mem_free(s);
    mem_free(path);
    return v > 0 && v < 1e12 ? v : 0;
}
