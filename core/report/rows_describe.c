/* Owns how run.json and sweep.json become rows; must not know where they lie. */
#include "report/rows.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"

/* The text of a scalar; NULL for null, lists and objects. */
static const char *scalar_text(const json *v, arena *a)
{
    if (!v) return NULL;
    switch (v->kind) {
    case JSON_TEXT:
        return v->s;
    case JSON_BOOL:
        return v->b ? "true" : "false";
    case JSON_NUMBER: {
        text t = {0};
        if (v->is_integer)
            text_printf(&t, "%lld", (long long)v->integer);
        else
            text_double(&t, v->number);
        const char *out = arena_text(a, text_str(&t));
        text_free(&t);
        return out;
    }
    default:
        return NULL;
    }
}

/* The texts of a list as a JSON array again. */
static const char *list_text(const json *v, arena *a)
{
    if (!v || v->kind != JSON_ARRAY) return NULL;
    json_writer w = {0};
    json_open(&w, '[');
    for (size_t i = 0; i < v->n; i++) json_text(&w, scalar_text(v->items[i], a));
    json_close(&w, ']');
    const char *out = arena_text(a, text_str(&w.out));
    text_free(&w.out);
    return out;
}

/* SQL has NULL for what is not there; a number that must be at least `least` is not there below it. */
static cvy_status set_int(store *s, const char *column_update, int64_t run, const json *v, int64_t least,
                          errors *e)
{
    if (!v || v->kind != JSON_NUMBER || !v->is_integer || v->integer < least) return CVY_OK;
    return sql_do(&s->db, e, column_update, "ii", v->integer, run);
}

static cvy_status add_numbers(store *s, int64_t run, const json *d, errors *e)
{
    const json *parameters = json_get(d, "parameters"), *data = json_get(d, "dataset");
    const char *sweep = json_get_text(d, "sweep", "");
    const struct {
        const char *update;
        const json *value;
        int64_t least;
    } numbers[] = {
        {"UPDATE runs SET trial = ? WHERE number = ?", json_get(d, "trial"), 0},
        {"UPDATE runs SET repeat = ? WHERE number = ?", json_get(d, "repeat"), 0},
        {"UPDATE runs SET seed = ? WHERE number = ?", json_get(d, "seed"), INT64_MIN},
        {"UPDATE runs SET parameters = ? WHERE number = ?", json_get(parameters, "total"), 0},
        {"UPDATE runs SET trainable = ? WHERE number = ?", json_get(parameters, "trainable"), 0},
        {"UPDATE runs SET macs = ? WHERE number = ?", json_get(d, "macs"), 0},
        {"UPDATE runs SET epochs = ? WHERE number = ?", json_get(d, "epochs"), 0},
        {"UPDATE runs SET steps_per_epoch = ? WHERE number = ?", json_get(d, "steps_per_epoch"), 0},
        {"UPDATE runs SET train_samples = ? WHERE number = ?", json_get(data, "train"), 0},
        {"UPDATE runs SET val_samples = ? WHERE number = ?", json_get(data, "validation"), 0},
        {"UPDATE runs SET test_samples = ? WHERE number = ?", json_get(data, "test"), 0},
        {"UPDATE runs SET classes = ? WHERE number = ?", json_get(data, "classes"), 0},
    };
    cvy_status status = CVY_OK;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers && status == CVY_OK; i++)
        status = set_int(s, numbers[i].update, run, numbers[i].value, numbers[i].least, e);
    int64_t in = store_number(sweep, 's');
    if (status == CVY_OK && in)
        status = sql_do(&s->db, e, "UPDATE runs SET sweep = ? WHERE number = ?", "ii", in, run);
    return status;
}

static cvy_status add_lists(store *s, int64_t run, const json *d, arena *a, errors *e)
{
    const json *params = json_get(d, "params"), *environment = json_get(d, "environment"),
               *plugins = json_get(d, "plugins");
    cvy_status status = CVY_OK;
    for (size_t i = 0; params && params->kind == JSON_OBJECT && i < params->n && status == CVY_OK; i++)
        status = sql_do(&s->db, e, "INSERT OR REPLACE INTO params (run, path, value) VALUES (?,?,?)", "itt",
                        run, params->keys[i], scalar_text(params->items[i], a));
    for (size_t i = 0;
         environment && environment->kind == JSON_OBJECT && i < environment->n && status == CVY_OK; i++)
        status = sql_do(&s->db, e, "INSERT OR REPLACE INTO environment (run, key, value) VALUES (?,?,?)",
                        "itt", run, environment->keys[i], scalar_text(environment->items[i], a));
    for (size_t i = 0; plugins && plugins->kind == JSON_ARRAY && i < plugins->n && status == CVY_OK; i++) {
        const json *p = plugins->items[i];
        status = sql_do(&s->db, e,
                        "INSERT OR REPLACE INTO plugins (run, kind, name, path, sha256) VALUES (?,?,?,?,?)",
                        "itttt", run, json_get_text(p, "kind", ""), json_get_text(p, "name", ""),
                        json_get_text(p, "path", NULL), json_get_text(p, "sha256", NULL));
    }
    return status;
}

cvy_status rows_run(store *s, const char *name, const json *d, errors *e)
{
    const json *data = json_get(d, "dataset"), *metric = json_get(d, "metric");
    const int64_t run = store_number(name, 'r');
    arena a = {0};
    cvy_status status = sql_do(
        &s->db, e,
        "INSERT INTO runs (number, name, experiment, label, created, source, base_dir, overrides, "
        "config_hash,"
        " exact_key, model, dataset, fingerprint, metric, goal) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
        "itttdtttttttttt", run, name, json_get_text(d, "experiment", NULL), json_get_text(d, "label", NULL),
        json_get_double(d, "created", (double)NAN), json_get_text(d, "source", NULL),
        json_get_text(d, "base_dir", NULL), list_text(json_get(d, "overrides"), &a),
        json_get_text(d, "config_hash", NULL), json_get_text(d, "exact_key", NULL),
        json_get_text(d, "model", NULL), json_get_text(data, "type", NULL),
        json_get_text(data, "fingerprint", NULL), json_get_text(metric, "name", NULL),
        json_get_text(metric, "goal", NULL));
    if (status == CVY_OK) status = add_numbers(s, run, d, e);
    if (status == CVY_OK) status = add_lists(s, run, d, &a, e);
    arena_free(&a);
    return status;
}

cvy_status rows_member(store *s, int64_t sweep, const json *member, errors *e)
{
    int64_t run = store_number(json_get_text(member, "run", ""), 'r'),
            trial = json_get_int(member, "trial", -1);
    const int64_t repeat = json_get_int(member, "repeat", 0);
    const json *params = json_get(member, "params");
    if (!run || trial < 0) return CVY_OK;
    cvy_status status = sql_do(
        &s->db, e, "INSERT OR REPLACE INTO members (sweep, trial, repeat, run, label) VALUES (?,?,?,?,?)",
        "iiiit", sweep, trial, repeat, run, json_get_text(member, "label", NULL));
    for (size_t i = 0; params && params->kind == JSON_OBJECT && i < params->n && status == CVY_OK; i++)
        if (params->items[i]->kind == JSON_TEXT)
            status = sql_do(
                &s->db, e,
                "INSERT OR REPLACE INTO member_params (sweep, trial, repeat, path, value) VALUES (?,?,?,?,?)",
                "iiitt", sweep, trial, repeat, params->keys[i], params->items[i]->s);
    return status;
}

cvy_status rows_sweep(store *s, const char *name, const json *d, const char *whole, errors *e)
{
    const json *metric = json_get(d, "metric");
    const int64_t number = store_number(name, 's');
    cvy_status status = sql_do(
        &s->db, e,
        "INSERT INTO sweeps (number, name, experiment, source, created, method, metric, goal, description)"
        " VALUES (?,?,?,?,?,?,?,?,?)",
        "itttdtttt", number, name, json_get_text(d, "experiment", NULL), json_get_text(d, "source", NULL),
        json_get_double(d, "created", (double)NAN), json_get_text(d, "method", NULL),
        json_get_text(metric, "name", NULL), json_get_text(metric, "goal", NULL), whole);
    if (status == CVY_OK)
        status =
            set_int(s, "UPDATE sweeps SET trials = ? WHERE number = ?", number, json_get(d, "trials"), 0, e);
    const json *members = json_get(d, "members");
    for (size_t i = 0; members && members->kind == JSON_ARRAY && i < members->n && status == CVY_OK; i++)
        status = rows_member(s, number, members->items[i], e);
    return status;
}
