/* Owns how a planned trial becomes a run's folder; must not know processes. */
#include "sweep/trial.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "base/memory.h"
#include "sweep/copies.h"
#include "sweep/runs.h"

/* What its page says, while somebody works on it. */
struct trial_open {
    arena memory;
    trial_words words;
    const json *plan;
};

static void close_page(trial *t)
{
    if (!t->open) return;
    arena_free(&t->open->memory);
    mem_free(t->open);
    t->open = NULL;
}

void trial_free(trial *t)
{
    trial_rest(t);
    mem_free(t->why);
    *t = (trial){0};
}

const char *trial_state_name(trial_state s)
{
    static const char *const names[] = {"waiting", "open",    "paused",   "known",
                                        "refused", "running", "finished", "stopped early",
                                        "stopped", "failed",  "killed"};
    return names[s];
}

bool trial_is_done(const trial *t)
{
    return t->state == TRIAL_FINISHED || t->state == TRIAL_KNOWN || t->state == TRIAL_PRUNED;
}

trial_name trial_run_name(const trial *t)
{
    trial_name n = {""};
    if (t->run) snprintf(n.s, sizeof n.s, "r%d", (int)t->run);
    return n;
}

const book_facts *trial_facts(const trial *t)
{
    static const book_facts none = {.experiment = "", .exact_key = "", .accuracy = true};
    return t->facts ? t->facts : &none;
}

const char *trial_label(const trial *t)
{
    return t->open ? t->open->words.label : "";
}

space_metric trial_default_metric(const trial *trials, size_t n)
{
    bool accuracy = true, average = true, any = false; /* what all of them log */
    for (size_t i = 0; i < n; i++) {
        const book_facts *f = trials[i].facts;
        if (!f) continue;
        accuracy = accuracy && f->accuracy;
        average = average && f->average;
        any = true;
    }
    if (any && average)
        return (space_metric){accuracy ? "val_average_accuracy" : "val_average_loss", accuracy};
    return accuracy ? space_default_metric : (space_metric){"val_loss", false};
}

/* ---- its page ---- */

void trial_page(const trial *t, const trial_words *words, const plan *p, text *out)
{
    json_writer w = {0};
    json_open(&w, '{');
    json_put_int(&w, "trial", t->config);
    json_put_int(&w, "repeat", t->repeat);
    json_put_int(&w, "seed", t->seed);
    json_put_text(&w, "label", words ? words->label : "");
    json_key(&w, "overrides");
    json_open(&w, '[');
    for (size_t i = 0; words && i < words->n_overrides; i++) json_text(&w, words->overrides[i]);
    json_close(&w, ']');
    json_put_text(&w, "config_hash", p ? p->config_hash : NULL);
    json_key(&w, "plan");
    if (p && p->line)
        json_raw(&w, p->line);
    else
        json_null(&w);
    json_close(&w, '}');
    text_add_n(out, w.out.s, w.out.n);
    text_free(&w.out);
}

void trial_take_plan(trial *t, const plan *p, book *b)
{
    t->facts = p->status == CVY_OK ? book_common(b, p) : NULL;
    t->key = plan_key_of(p->config_hash);
    const int64_t kib = p->memory_bytes / 1024 + 1;
    t->memory_kib = p->memory_bytes <= 0 ? 0 : kib < UINT32_MAX ? (uint32_t)kib : UINT32_MAX;
}

cvy_status trial_plan(trial *t, const trial_words *words, const plan *p, book *b, errors *e)
{
    text line = {0};
    trial_take_plan(t, p, b);
    trial_page(t, words, p, &line);
    t->page = book_add(b, text_str(&line), line.n, e);
    text_free(&line);
    return t->page ? CVY_OK : CVY_ERR_RESOURCE;
}

static const json *read_page(const trial *t, const book *b, arena *a)
{
    size_t n = 0;
    char *s = b && t->page ? book_line(b, t->page, &n) : NULL;
    const json *v = s ? json_parse(a, s, n, NULL, NULL) : NULL;
    mem_free(s);
    return v;
}

static trial_words words_of(const json *page, arena *a)
{
    const json *list = json_get(page, "overrides");
    trial_words w = {.label = json_get_text(page, "label", "")};
    if (!list || list->kind != JSON_ARRAY) return w;
    const char **out = arena_array(a, list->n + 1, sizeof *out);
    for (size_t i = 0; i < list->n; i++) out[i] = list->items[i]->kind == JSON_TEXT ? list->items[i]->s : "";
    w.overrides = out;
    w.n_overrides = list->n;
    return w;
}

trial_words trial_read_words(const trial *t, const book *b, arena *a)
{
    return words_of(read_page(t, b, a), a);
}

const json *trial_read_plan(const trial *t, const book *b, arena *a)
{
    const json *v = json_get(read_page(t, b, a), "plan");
    return v && v->kind == JSON_OBJECT ? v : NULL;
}

plan trial_plan_of(const trial *t, const book *b)
{
    arena a = {0};
    plan p = {0};
    const json *v = trial_read_plan(t, b, &a);
    if (v) plan_take(v, &p);
    arena_free(&a);
    return p;
}

/* ---- while somebody works on it ---- */

static void open_journals(trial *t, const char *results)
{
    if (!t->run || t->journals) return;
    if (!t->dir) t->dir = path_join(results, trial_run_name(t).s);
    t->journals = follow_open(t->dir);
    follow_read(t->journals);
}

void trial_wake(trial *t, const trial_origin *from)
{
    if (!t->open && from->book && t->page) {
        t->open = mem_alloc(sizeof *t->open);
        const json *page = read_page(t, from->book, &t->open->memory), *planned = json_get(page, "plan");
        t->open->words = words_of(page, &t->open->memory);
        t->open->plan = planned && planned->kind == JSON_OBJECT ? planned : NULL;
    }
    open_journals(t, from->results);
}

void trial_rest(trial *t)
{
    close_page(t);
    follow_close(t->journals);
    mem_free(t->dir);
    t->journals = NULL;
    t->dir = NULL;
}

follow *trial_journals(const trial *t, const char *results)
{
    if (!t->run) return NULL;
    char *dir = path_join(results, trial_run_name(t).s);
    follow *f = follow_open(dir);
    follow_read(f);
    mem_free(dir);
    return f;
}

static double last_of(const follow *f, const char *name)
{
    const follow_point *p = follow_last(&f->whole, name);
    if (!p) p = follow_last(&f->epochs, name);
    return p ? p->value : (double)NAN;
}

void trial_measure(trial *t, const space_metric *by)
{
    const follow *f = t->journals;
    if (!f) return;
    const follow_point *best = by->name ? follow_best_until(f, by->name, by->maximize, t->until) : NULL;
    t->measured = true;
    t->value = best ? best->value : (double)NAN;
    t->best_epoch = best ? (int32_t)best->epoch : 0;
    t->epoch = (int32_t)f->epoch;
    t->took = (float)f->seconds;
    t->val_accuracy = last_of(f, "val_accuracy");
    t->test_accuracy = last_of(f, "test_accuracy");
    t->test_loss = last_of(f, "test_loss");
}

double trial_value(const trial *t)
{
    return t->measured ? t->value : (double)NAN;
}

void trial_take_run(trial *t, const char *results, const char *run, const space_metric *by)
{
    trial_rest(t);
    t->run = (int32_t)runs_number(run, 'r');
    open_journals(t, results);
    trial_measure(t, by);
    trial_rest(t);
}

/* ---- its run ---- */

/* A value as it was read. */
static void write_json(json_writer *w, const json *v)
{
    switch (v->kind) {
    case JSON_NULL:
        json_null(w);
        break;
    case JSON_BOOL:
        json_bool(w, v->b);
        break;
    case JSON_NUMBER:
        if (v->is_integer)
            json_int(w, v->integer);
        else
            json_double(w, v->number);
        break;
    case JSON_TEXT:
        json_text(w, v->s);
        break;
    case JSON_ARRAY:
        json_open(w, '[');
        for (size_t i = 0; i < v->n; i++) write_json(w, v->items[i]);
        json_close(w, ']');
        break;
    case JSON_OBJECT:
        json_open(w, '{');
        for (size_t i = 0; i < v->n; i++) {
            json_key(w, v->keys[i]);
            write_json(w, v->items[i]);
        }
        json_close(w, '}');
        break;
    }
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + (double)(t.tv_nsec / 1000000) * 1e-3;
}

/* The parameters that planning named, and behind them what was set and is not among them: values inside a
 * model, by which the trials of a sweep may differ. */
static void put_params(const trial_words *t, const json *params, json_writer *w)
{
    json_key(w, "params");
    json_open(w, '{');
    for (size_t i = 0; params && params->kind == JSON_OBJECT && i < params->n; i++) {
        json_key(w, params->keys[i]);
        write_json(w, params->items[i]);
    }
    for (size_t i = 0; i < t->n_overrides; i++) {
        const char *equals = strchr(t->overrides[i], '=');
        size_t n = equals ? (size_t)(equals - t->overrides[i]) : 0;
        bool there = !equals;
        for (size_t k = i + 1; k < t->n_overrides && !there; k++) /* set again */
            there = !strncmp(t->overrides[k], t->overrides[i], n + 1);
        char *path = mem_text_n(t->overrides[i], n);
        /* One that has parts among the parameters is told by them. */
        for (size_t k = 0; params && k < params->n && !there; k++)
            there = !strncmp(params->keys[k], path, n) && (!params->keys[k][n] || params->keys[k][n] == '.');
        if (!there && text_starts(path, "model.")) json_put_text(w, path, equals + 1);
        mem_free(path);
    }
    json_close(w, '}');
}

/* The plugin files: of a sweep, its own copies. */
static void put_plugins(const trial_origin *from, const json *plugins, json_writer *w)
{
    char *dir = from->sweep ? path_join(from->results, from->sweep) : NULL;
    json_key(w, "plugins");
    json_open(w, '[');
    for (size_t i = 0; plugins && plugins->kind == JSON_ARRAY && i < plugins->n; i++) {
        const json *one = plugins->items[i];
        const char *path = json_get_text(one, "path", ""), *hash = json_get_text(one, "sha256", "");
        char *copy = dir ? copies_path(dir, path, hash) : NULL;
        json_open(w, '{');
        json_put_text(w, "kind", json_get_text(one, "kind", ""));
        json_put_text(w, "name", json_get_text(one, "name", ""));
        json_put_text(w, "path", copy ? copy : path);
        json_put_text(w, "sha256", hash);
        json_close(w, '}');
        mem_free(copy);
    }
    json_close(w, ']');
    mem_free(dir);
}

/* Also of what is never woken. */
void trial_put_described(const trial *t, const book *b, arena *a, json_writer *w)
{
    const json *page = read_page(t, b, a), *planned = json_get(page, "plan");
    const trial_words words = words_of(page, a);
    if (!planned || planned->kind != JSON_OBJECT) return;
    json_put_text(w, "label", words.label);
    put_params(&words, json_get(planned, "params"), w);
}

/* What the supervisor decided, then what planning found out. */
static void describe(const trial *t, const char *name, const trial_origin *from, const json *planned,
                     json_writer *w)
{
    const trial_words *words = &t->open->words;
    json_open(w, '{');
    json_put_text(w, "run", name);
    json_put_text(w, "label", words->label);
    json_put_double(w, "created", now());
    json_put_text(w, "source", from->source);
    json_key(w, "overrides");
    json_open(w, '[');
    for (size_t i = 0; i < words->n_overrides; i++) json_text(w, words->overrides[i]);
    json_close(w, ']');
    json_put_text(w, "sweep", from->sweep);
    json_put_int(w, "trial", from->sweep ? t->config : -1);
    json_put_int(w, "repeat", t->repeat);
    json_put_int(w, "threads", from->threads);
    for (size_t i = 0; i < planned->n; i++) {
        static const char *const apart[] = {"ok", "errors", "spec", "params", "plugins"};
        bool mine = false;
        for (size_t k = 0; k < 5; k++) mine = mine || !strcmp(planned->keys[i], apart[k]);
        if (mine) continue;
        json_key(w, planned->keys[i]);
        write_json(w, planned->items[i]);
    }
    put_params(words, json_get(planned, "params"), w);
    put_plugins(from, json_get(planned, "plugins"), w);
    json_key(w, "metric");
    json_open(w, '{');
    json_put_text(w, "name", from->metric.name);
    json_put_text(w, "goal", from->metric.maximize ? "maximize" : "minimize");
    json_close(w, '}');
    json_close(w, '}');
}

static cvy_status put_file(const char *dir, const char *name, const void *data, size_t n, errors *e)
{
    char *path = path_join(dir, name);
    cvy_status status = file_create(path, data, n, e); /* durable with the first checkpoint */
    mem_free(path);
    return status;
}

static cvy_status make_run(trial *t, const trial_origin *from, errors *e)
{
    const json *planned = t->open ? t->open->plan : NULL;
    if (!planned)
        return errors_add(e, CVY_ERR_RESOURCE, NULL, NULL, "the plan of trial %d cannot be read any more",
                          (int)t->config);
    runs_draft draft = {0};
    cvy_status status = runs_begin(from->results, 'r', from->least, &draft, e);
    if (status != CVY_OK) return status;
    const char *spec = json_get_text(planned, "spec", "");
    json_writer w = {0};
    describe(t, draft.name, from, planned, &w);
    text_char(&w.out, '\n');
    status = put_file(draft.dir, "spec.yaml", spec, strlen(spec), e);
    if (status == CVY_OK) status = put_file(draft.dir, "run.json", text_str(&w.out), w.out.n, e);
    if (status == CVY_OK) status = runs_publish(&draft, e);
    if (status == CVY_OK) {
        t->run = (int32_t)runs_number(draft.name, 'r');
        open_journals(t, from->results);
    }
    text_free(&w.out);
    runs_drop(&draft);
    return status;
}

/* Another sweep that wanted to go on with the same run was first: this one trains its own. */
static void give_up_run(trial *t)
{
    follow_close(t->journals);
    mem_free(t->dir);
    t->journals = NULL;
    t->dir = NULL;
    t->run = 0;
    t->resumed = t->borrowed = t->measured = false;
    t->epoch = t->best_epoch = 0;
    t->took = 0;
}

cvy_status trial_begin(trial *t, const trial_origin *from, errors *e)
{
    trial_wake(t, from);
    if (t->run && t->borrowed && runs_held(t->dir)) give_up_run(t);
    return t->run ? CVY_OK : make_run(t, from, e);
}
