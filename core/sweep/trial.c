/* Owns how a planned trial becomes a run's folder; must not know processes. */
#include "sweep/trial.h"

#include <string.h>
#include <time.h>

#include "base/file.h"
#include "base/memory.h"
#include "sweep/copies.h"
#include "sweep/runs.h"

void trial_free(trial *t)
{
    plan_free(&t->plan);
    follow_close(t->journals);
    mem_free(t->run);
    mem_free(t->dir);
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

double trial_value(const trial *t, const space_metric *by)
{
    const follow_point *p =
        t->journals ? follow_best_until(t->journals, by->name, by->maximize, t->until) : NULL;
    return p ? p->value : 0.0 / 0.0;
}

space_metric trial_default_metric(const trial *trials, size_t n)
{
    bool accuracy = true, average = true, any = false; /* what all of them log */
    for (size_t i = 0; i < n; i++) {
        if (!trials[i].plan.line) continue;
        accuracy = accuracy && trials[i].plan.accuracy;
        average = average && trials[i].plan.average;
        any = true;
    }
    if (any && average)
        return (space_metric){accuracy ? "val_average_accuracy" : "val_average_loss", accuracy};
    return accuracy ? space_default_metric : (space_metric){"val_loss", false};
}

void trial_take_run(trial *t, const char *results, const char *run)
{
    mem_free(t->run);
    mem_free(t->dir);
    follow_close(t->journals);
    t->run = mem_text(run);
    t->dir = path_join(results, run);
    t->journals = follow_open(t->dir);
    follow_read(t->journals);
}

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
static void put_params(const trial *t, const json *params, json_writer *w)
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

/* What the supervisor decided, then what planning found out. */
static void describe(const trial *t, const char *name, const trial_origin *from, const json *planned,
                     json_writer *w)
{
    json_open(w, '{');
    json_put_text(w, "run", name);
    json_put_text(w, "label", t->label);
    json_put_double(w, "created", now());
    json_put_text(w, "source", from->source);
    json_key(w, "overrides");
    json_open(w, '[');
    for (size_t i = 0; i < t->n_overrides; i++) json_text(w, t->overrides[i]);
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
    put_params(t, json_get(planned, "params"), w);
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
    cvy_status status = file_create(path, data, n, e); /* publishing the draft syncs its folder */
    mem_free(path);
    return status;
}

cvy_status trial_make_run(trial *t, const trial_origin *from, errors *e)
{
    runs_draft draft = {0};
    cvy_status status = runs_begin(from->results, 'r', from->least, &draft, e);
    if (status != CVY_OK) return status;
    arena a = {0};
    const json *planned = json_parse(&a, t->plan.line, strlen(t->plan.line), NULL, NULL);
    const char *spec = json_get_text(planned, "spec", "");
    json_writer w = {0};
    describe(t, draft.name, from, planned, &w);
    text_char(&w.out, '\n');
    status = put_file(draft.dir, "spec.yaml", spec, strlen(spec), e);
    if (status == CVY_OK) status = put_file(draft.dir, "run.json", text_str(&w.out), w.out.n, e);
    if (status == CVY_OK) status = runs_publish(&draft, e);
    if (status == CVY_OK) {
        trial_take_run(t, from->results, draft.name);
        mem_free(t->plan.line); /* it stands in the run's folder now, and there may be thousands of them */
        t->plan.line = NULL;
    }
    text_free(&w.out);
    arena_free(&a);
    runs_drop(&draft);
    return status;
}
