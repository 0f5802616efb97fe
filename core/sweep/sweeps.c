/* Owns the folder of a sweep: its description, plans and decisions. Must not know processes. */
#include "sweep/sweeps.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/file.h"
#include "journal/record.h"
#include "sweep/copies.h"
#include "sweep/runs.h"

#define PLANS_MAX ((size_t)2 << 30)

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + (double)(t.tv_nsec / 1000000) * 1e-3;
}

void sweeps_hash(const trial *trials, size_t n, const space_metric *by, char hex[65])
{
    sha256 s;
    sha256_init(&s);
    sha256_text(&s, by->name);
    sha256_text(&s, by->maximize ? "maximize" : "minimize");
    for (size_t i = 0; i < n; i++)
        sha256_text(&s, trials[i].plan.config_hash ? trials[i].plan.config_hash : "");
    sha256_hex(&s, hex);
}

/* ---- writing
 * ----------------------------------------------------------------------------------------------------------
 */

static void put_texts(json_writer *w, const char *key, const char *const *items, size_t n)
{
    json_key(w, key);
    json_open(w, '[');
    for (size_t i = 0; i < n; i++) json_text(w, items[i]);
    json_close(w, ']');
}

static void put_parameters(json_writer *w, const space *s)
{
    json_key(w, "parameters");
    json_open(w, '{');
    for (size_t i = 0; i < s->n; i++) {
        json_key(w, s->parameters[i].path);
        json_open(w, '[');
        for (size_t k = 0; k < s->parameters[i].n; k++) {
            text value = {0};
            tree_write_flow(s->parameters[i].values[k], &value);
            json_text(w, text_str(&value));
            text_free(&value);
        }
        json_close(w, ']');
    }
    json_close(w, '}');
}

static void put_member(json_writer *w, const trial *t)
{
    json_open(w, '{');
    json_put_int(w, "trial", t->config);
    json_put_int(w, "repeat", t->repeat);
    json_put_int(w, "seed", t->seed);
    json_put_text(w, "label", t->label);
    json_put_text(w, "config_hash", t->plan.config_hash);
    put_texts(w, "overrides", t->overrides, t->n_overrides);
    json_put_text(w, "run", t->state == TRIAL_KNOWN ? t->run : NULL);
    json_close(w, '}');
}

static void describe(const sweep *w, const space *s, json_writer *out)
{
    json_open(out, '{');
    json_put_text(out, "sweep", w->name);
    json_put_text(out, "experiment", w->experiment);
    json_put_double(out, "created", now());
    json_put_text(out, "source", w->source);
    json_put_text(out, "method", s->method);
    json_put_text(out, "description", s->description);
    json_key(out, "metric");
    json_open(out, '{');
    json_put_text(out, "name", w->metric.name);
    json_put_text(out, "goal", w->metric.maximize ? "maximize" : "minimize");
    json_close(out, '}');
    json_put_int(out, "trials", (int64_t)w->n);
    json_put_int(out, "configs", w->configs);
    json_put_int(out, "repeats", w->repeats);
    json_put_int(out, "threads", w->threads);
    json_put_bool(out, "again", w->again);
    json_put_text(out, "hash", w->hash);
    put_parameters(out, s);
    put_texts(out, "overrides", w->overrides, w->n_overrides);
    json_key(out, "members");
    json_open(out, '[');
    for (size_t i = 0; i < w->n; i++) put_member(out, &w->trials[i]);
    json_close(out, ']');
    json_close(out, '}');
}

static cvy_status put_file(const char *dir, const char *name, const text *t, errors *e)
{
    char *path = path_join(dir, name);
    cvy_status status = file_replace(path, text_str(t), t->n, e);
    mem_free(path);
    return status;
}

cvy_status sweeps_create(sweep *w, const char *results, int64_t least, const space *s, errors *e)
{
    runs_draft draft = {0};
    cvy_status status = runs_begin(results, 's', least, &draft, e);
    if (status != CVY_OK) return status;
    w->name = mem_text(draft.name);
    w->dir = mem_text(draft.final);
    text plans = {0};
    for (size_t i = 0; i < w->n; i++)
        text_printf(&plans, "%s\n", w->trials[i].plan.line ? w->trials[i].plan.line : "{}");
    status = put_file(draft.dir, "plans", &plans, e);
    text_free(&plans);
    json_writer out = {0};
    describe(w, s, &out);
    text_char(&out.out, '\n');
    if (status == CVY_OK) status = copies_make(draft.dir, w->trials, w->n, e);
    if (status == CVY_OK) status = put_file(draft.dir, "sweep.json", &out.out, e);
    if (status == CVY_OK) status = runs_publish(&draft, e);
    text_free(&out.out);
    runs_drop(&draft);
    return status;
}

/* ---- reading
 * -----------------------------------------------------------------------------------------------------------
 */

static const char *const *read_texts(const json *v, arena *a, size_t *n)
{
    *n = v && v->kind == JSON_ARRAY ? v->n : 0;
    const char **out = arena_array(a, *n + 1, sizeof *out);
    for (size_t i = 0; i < *n; i++) out[i] = v->items[i]->kind == JSON_TEXT ? v->items[i]->s : "";
    return out;
}

static cvy_status read_plans(sweep *w, errors *e)
{
    char *path = path_join(w->dir, "plans"), *s = NULL;
    size_t n = 0, at = 0;
    cvy_status status = file_read(path, PLANS_MAX, &s, &n, e);
    for (size_t i = 0; status == CVY_OK && i < w->n; i++) {
        const char *newline = memchr(s + at, '\n', n - at);
        size_t length = newline ? (size_t)(newline - s) - at : n - at;
        trial *t = &w->trials[i];
        if (length == 2 && !memcmp(s + at, "{}", 2))
            t->state = TRIAL_REFUSED;
        else if (!plan_read(s + at, length, &t->plan) || t->plan.status != CVY_OK)
            status =
                errors_add(e, CVY_ERR_RESOURCE, &PLACE_AT(path, at), NULL, "not the plan of trial %zu", i);
        at += length + (newline != NULL);
    }
    mem_free(s);
    mem_free(path);
    return status;
}

static void read_members(sweep *w, const json *members)
{
    w->n = members && members->kind == JSON_ARRAY ? members->n : 0;
    w->trials = mem_array(w->n + 1, sizeof *w->trials);
    for (size_t i = 0; i < w->n; i++) {
        const json *m = members->items[i];
        trial *t = &w->trials[i];
        t->config = json_get_int(m, "trial", (int64_t)i);
        t->repeat = json_get_int(m, "repeat", 0);
        t->seed = json_get_int(m, "seed", -1);
        t->label = json_get_text(m, "label", "");
        t->overrides = read_texts(json_get(m, "overrides"), &w->memory, &t->n_overrides);
    }
}

sweep *sweeps_open(const char *results, const char *name, errors *e)
{
    sweep *w = mem_alloc(sizeof *w);
    w->lock = -1;
    w->name = mem_text(name);
    w->dir = path_join(results, name);
    const json *v = runs_read_sweep(results, name, &w->memory, e);
    const json *by = json_get(v, "metric");
    w->experiment = json_get_text(v, "experiment", "");
    w->source = json_get_text(v, "source", "");
    w->hash = json_get_text(v, "hash", "");
    w->overrides = read_texts(json_get(v, "overrides"), &w->memory, &w->n_overrides);
    w->metric.name = json_get_text(by, "name", space_default_metric.name);
    w->metric.maximize = strcmp(json_get_text(by, "goal", "maximize"), "minimize") != 0;
    w->configs = json_get_int(v, "configs", 0);
    w->repeats = json_get_int(v, "repeats", 1);
    w->threads = json_get_int(v, "threads", 1);
    w->again = json_get_bool(v, "again", false);
    read_members(w, json_get(v, "members"));
    if (v && w->threads >= 1 && read_plans(w, e) == CVY_OK) return w;
    sweeps_close(w);
    return NULL;
}

const char *sweeps_find(const char *results, const char *hash, arena *a)
{
    size_t n;
    int64_t *numbers = runs_numbers(results, 's', &n);
    const char *found = NULL;
    while (n-- > 0 && !found) {
        arena memory = {0};
        char *name = mem_printf("s%lld", (long long)numbers[n]);
        const json *v = runs_read_sweep(results, name, &memory, NULL);
        if (!strcmp(json_get_text(v, "hash", ""), hash)) found = arena_text(a, name);
        mem_free(name);
        arena_free(&memory);
    }
    mem_free(numbers);
    return found;
}

void sweeps_close(sweep *w)
{
    if (!w) return;
    for (size_t i = 0; i < w->n; i++) trial_free(&w->trials[i]);
    mem_free(w->trials);
    journal_close(w->events);
    file_unlock(w->lock);
    mem_free(w->name);
    mem_free(w->dir);
    arena_free(&w->memory);
    mem_free(w);
}

/* ---- at work
 * ------------------------------------------------------------------------------------------------------------
 */

bool sweeps_begin(sweep *w, int wait_ms, errors *e)
{
    char *path = path_join(w->dir, "lock");
    w->lock = file_lock(path, wait_ms, e);
    mem_free(path);
    if (w->lock < 0) return false;
    follow *before = follow_open(w->dir);
    follow_read(before);
    w->attempt = before->started + 1;
    follow_close(before);
    path = path_join(w->dir, "events");
    w->events = journal_continue(path, e);
    mem_free(path);
    if (w->events && record_start(w->events, w->attempt, (int64_t)getpid(), e) == CVY_OK) return true;
    file_unlock(w->lock);
    w->lock = -1;
    return false;
}

cvy_status sweeps_decide(sweep *w, const trial *t, const char *how, errors *e)
{
    json_writer out = {0};
    json_open(&out, '{');
    json_put_text(&out, "t", "decision");
    json_put_int(&out, "trial", t->config);
    json_put_int(&out, "repeat", t->repeat);
    json_put_text(&out, "run", t->run);
    json_put_text(&out, "how", how);
    json_put_double(&out, "time", now());
    json_close(&out, '}');
    cvy_status status = journal_append(w->events, text_str(&out.out), out.out.n, e);
    text_free(&out.out);
    return status;
}

void sweeps_end(sweep *w, int code, double seconds, errors *e)
{
    if (w->events) record_exit(w->events, w->attempt, code, 0, seconds, e);
    journal_close(w->events);
    w->events = NULL;
    file_unlock(w->lock);
    w->lock = -1;
}

/* The run that a trial has: of this sweep, or else another of the same configuration that is finished or can
 * go on. */
static bool run_for(const sweep *w, const trial *t, known_runs *k, known_run *out)
{
    known_run other;
    bool own = known_find(k, t->plan.config_hash, w->name, out);
    if (w->again || (own && out->state == FOLLOW_FINISHED)) return own;
    if (!known_find(k, t->plan.config_hash, NULL, &other)) return own;
    bool continues = !strcmp(other.exact_key, t->plan.exact_key) && other.state != FOLLOW_RUNNING;
    if (other.state != FOLLOW_FINISHED && (own || !continues)) return own;
    *out = other;
    return true;
}

void sweeps_match(sweep *w, const char *results, known_runs *k)
{
    for (size_t i = 0; i < w->n; i++) {
        trial *t = &w->trials[i];
        known_run r;
        if (t->state != TRIAL_WAITING || !run_for(w, t, k, &r)) continue;
        trial_take_run(t, results, r.name);
        if (r.state == FOLLOW_FINISHED)
            t->state = TRIAL_KNOWN;
        else
            t->resumed = true;
    }
}
