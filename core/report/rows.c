/* Owns how journal records and descriptions become rows; must not know files, cursors or transactions. */
#include "report/rows.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum {
    SCOPE_STEP = 0,
    SCOPE_EPOCH = 1,
    SCOPE_RUN = 2,
    METRICS_KEPT = 256, /* names whose ids are remembered: a file may invent any number */
    NONE = -1           /* absent, where a count or an id is at least 0 */
};

/* ---- events ---- */

cvy_status rows_event(store *s, const rows_source *from, int64_t offset, const char *kind, const char *what,
                      double time, errors *e)
{
    return sql_do(
        &s->db, e,
        "INSERT OR REPLACE INTO events (owner, file, offset, kind, text, time) VALUES (?,?,?,?,?,?)",
        "ttittd", from->owner, from->file, offset, kind, what, time);
}

/* ---- metrics ---- */

static int64_t metric_id(store *s, const char *name, errors *e)
{
    for (size_t i = 0; i < s->n_metrics; i++)
        if (!strcmp(s->metrics[i].name, name)) return s->metrics[i].id;
    if (sql_do(&s->db, e, "INSERT INTO metric_names (name) VALUES (?) ON CONFLICT DO NOTHING", "t", name) !=
        CVY_OK)
        return NONE;
    sql_query q = sql_ask(&s->db, e, "SELECT id FROM metric_names WHERE name = ?", "t", name);
    int64_t id = sql_next(&q, e) ? sql_int(&q, 0, NONE) : NONE;
    if (sql_done(&q) != CVY_OK) return NONE;
    if (s->n_metrics < METRICS_KEPT) {
        s->metrics = MEM_GROW(s->metrics, s->n_metrics, &s->cap_metrics);
        s->metrics[s->n_metrics++] = (store_metric){mem_text(name), id};
    }
    return id;
}

/* One metric value on its way into a row. */
typedef struct row {
    int64_t scope, metric, step, epoch;
    const char *name;
    double value;
} row;

static bool same_value(double a, double b)
{
    return a == b || (isnan(a) && isnan(b));
}

static cvy_status note_divergence(store *s, rows_source *from, const row *r, int64_t offset, int64_t older,
                                  double old_value, errors *e)
{
    if (from->diverged)
        return CVY_OK; /* the first difference of an attempt says it; the rest follow from it */
    from->diverged = true;
    sql_query q =
        sql_ask(&s->db, e, "SELECT 1 FROM events WHERE owner = ? AND file = ? AND kind = 'diverged' LIMIT 1",
                "tt", from->owner, from->file);
    bool noted = sql_next(&q, e);
    cvy_status status = sql_done(&q);
    if (status != CVY_OK || noted) return status;
    text t = {0};
    text_printf(&t, "attempt %lld logged %s = ", (long long)from->attempt, r->name);
    text_double(&t, r->value);
    text_printf(&t, " at step %lld, where attempt %lld had logged ", (long long)r->step, (long long)older);
    text_double(&t, old_value);
    status = rows_event(s, from, offset, "diverged", text_str(&t), from->time, e);
    text_free(&t);
    return status;
}

/* A row logged before: by an earlier attempt, which must have seen the same, or twice by this one. The later
 * wins. */
static cvy_status put_again(store *s, rows_source *from, const row *r, int64_t offset, errors *e)
{
    sql_query q =
        sql_ask(&s->db, e,
                "SELECT value, attempt FROM metrics WHERE run = ? AND scope = ? AND metric = ? AND step = ?",
                "iiii", from->run, r->scope, r->metric, r->step);
    bool found = sql_next(&q, e);
    double value = found ? sql_double(&q, 0) : (double)NAN;
    int64_t attempt = found ? sql_int(&q, 1, 0) : 0;
    cvy_status status = sql_done(&q);
    if (status == CVY_OK && found && attempt != from->attempt && !same_value(value, r->value))
        status = note_divergence(s, from, r, offset, attempt, value, e);
    if (status != CVY_OK) return status;
    return sql_do(&s->db, e,
                  "UPDATE metrics SET value = ?, epoch = ?, attempt = ?"
                  " WHERE run = ? AND scope = ? AND metric = ? AND step = ?",
                  "diiiiii", r->value, r->epoch, from->attempt, from->run, r->scope, r->metric, r->step);
}

static cvy_status put_metric(store *s, rows_source *from, const row *r, int64_t offset, errors *e)
{
    cvy_status status =
        sql_do(&s->db, e,
               "INSERT INTO metrics (run, scope, metric, step, epoch, value, attempt)"
               " VALUES (?,?,?,?,?,?,?) ON CONFLICT DO NOTHING",
               "iiiiidi", from->run, r->scope, r->metric, r->step, r->epoch, r->value, from->attempt);
    if (status != CVY_OK || sql_changes(&s->db)) return status;
    return put_again(s, from, r, offset, e);
}

/* Its rows are a result like the metrics': an attempt that goes the same stretch again must find the same. */
static cvy_status add_histogram(store *s, rows_source *from, const json *v, int64_t offset, errors *e)
{
    const json *counts = json_get(v, "counts");
    const char *tensor = json_get_text(v, "tensor", NULL), *kind = json_get_text(v, "of", NULL);
    const int64_t step = json_get_int(v, "step", NONE);
    if (!tensor || !kind || step < 0 || !counts || counts->kind != JSON_ARRAY)
        return rows_event(s, from, offset, "damaged", "a histogram without tensor, step or counts",
                          from->time, e);
    json_writer w = {0};
    json_open(&w, '[');
    for (size_t i = 0; i < counts->n; i++)
        json_int(&w, counts->items[i]->is_integer ? counts->items[i]->integer : 0);
    json_close(&w, ']');
    sql_query q = sql_ask(&s->db, e,
                          "SELECT sd, attempt FROM histogram_list WHERE run = ? AND tensor = ? AND kind = ?"
                          " AND step = ? AND NOT (counts IS ? AND mean IS ? AND sd IS ?)",
                          "ittitdd", from->run, tensor, kind, step, text_str(&w.out),
                          json_get_double(v, "mean", (double)NAN), json_get_double(v, "sd", (double)NAN));
    const bool differs = sql_next(&q, e);
    const double old_sd = differs ? sql_double(&q, 0) : 0;
    const int64_t older = differs ? sql_int(&q, 1, 0) : 0;
    cvy_status status = sql_done(&q);
    if (!status && differs && older != from->attempt) {
        char *name = mem_printf("the sd of the %s of %s", kind, tensor);
        const row r = {.step = step, .name = name, .value = json_get_double(v, "sd", (double)NAN)};
        status = note_divergence(s, from, &r, offset, older, old_sd, e);
        mem_free(name);
    }
    if (!status)
        status = sql_do(&s->db, e,
                        "INSERT OR REPLACE INTO histogram_list"
                        " (run, tensor, kind, step, epoch, low, high, mean, sd, counts, attempt)"
                        " VALUES (?,?,?,?,?,?,?,?,?,?,?)",
                        "ittiiddddti", from->run, tensor, kind, step, json_get_int(v, "epoch", 0),
                        json_get_double(v, "low", (double)NAN), json_get_double(v, "high", (double)NAN),
                        json_get_double(v, "mean", (double)NAN), json_get_double(v, "sd", (double)NAN),
                        text_str(&w.out), from->attempt);
    text_free(&w.out);
    return status;
}

static int64_t scope_of(const char *scope)
{
    if (!strcmp(scope, "step")) return SCOPE_STEP;
    if (!strcmp(scope, "epoch")) return SCOPE_EPOCH;
    if (!strcmp(scope, "run")) return SCOPE_RUN;
    return NONE;
}

static cvy_status add_metrics(store *s, rows_source *from, const json *v, bool measured, int64_t offset,
                              errors *e)
{
    const json *m = json_get(v, "m");
    row r = {.step = json_get_int(v, "step", NONE), .epoch = json_get_int(v, "epoch", 0)};
    r.scope = measured ? 0 : scope_of(json_get_text(v, "scope", ""));
    if (!m || m->kind != JSON_OBJECT || r.step < 0 || r.scope == NONE)
        return rows_event(s, from, offset, "damaged", "a record of metrics without scope, step or values",
                          from->time, e);
    cvy_status status = CVY_OK;
    for (size_t i = 0; i < m->n && status == CVY_OK; i++) {
        r.name = m->keys[i];
        r.value = json_as_double(m->items[i], (double)NAN);
        r.metric = metric_id(s, r.name, e);
        if (r.metric == NONE) return CVY_ERR_RESOURCE;
        if (measured)
            status =
                sql_do(&s->db, e,
                       "INSERT OR REPLACE INTO timings (run, metric, step, epoch, value) VALUES (?,?,?,?,?)",
                       "iiiid", from->run, r.metric, r.step, r.epoch, r.value);
        else
            status = put_metric(s, from, &r, offset, e);
    }
    return status;
}

/* ---- attempts ---- */

/* Makes the attempt's row where it is not there: its news come from two files, in any order. */
static cvy_status touch_attempt(store *s, const rows_source *from, int64_t attempt, double started, errors *e)
{
    return sql_do(&s->db, e,
                  "INSERT INTO attempts (run, attempt, started) VALUES (?,?,?) ON CONFLICT DO UPDATE SET"
                  " started = min(coalesce(started, excluded.started), coalesce(excluded.started, started))",
                  "iid", from->run, attempt, started);
}

static cvy_status add_segment(store *s, rows_source *from, const json *v, errors *e)
{
    from->from_step = json_get_int(v, "from_step", 0);
    from->time = json_get_double(v, "time", (double)NAN);
    cvy_status status = touch_attempt(s, from, from->attempt, from->time, e);
    if (status != CVY_OK) return status;
    return sql_do(&s->db, e, "UPDATE attempts SET from_step = ?, exact_key = ? WHERE run = ? AND attempt = ?",
                  "itii", from->from_step, json_get_text(v, "exact_key", NULL), from->run, from->attempt);
}

static cvy_status add_start(store *s, const rows_source *from, const json *v, errors *e)
{
    int64_t attempt = json_get_int(v, "attempt", 1);
    cvy_status status = touch_attempt(s, from, attempt, json_get_double(v, "time", (double)NAN), e);
    if (status != CVY_OK) return status;
    /* One that died before it had a journal is begun again under the same number. */
    return sql_do(&s->db, e,
                  "UPDATE attempts SET pid = ?, code = NULL, signal = NULL, ended = NULL"
                  " WHERE run = ? AND attempt = ?",
                  "iii", json_get_int(v, "pid", 0), from->run, attempt);
}

static cvy_status add_exit(store *s, const rows_source *from, const json *v, errors *e)
{
    int64_t attempt = json_get_int(v, "attempt", 1);
    cvy_status status = touch_attempt(s, from, attempt, (double)NAN, e);
    if (status != CVY_OK) return status;
    return sql_do(
        &s->db, e,
        "UPDATE attempts SET code = ?, signal = ?, seconds = ?, ended = ? WHERE run = ? AND attempt = ?",
        "iiddii", json_get_int(v, "code", 0), json_get_int(v, "signal", 0),
        json_get_double(v, "seconds", (double)NAN), json_get_double(v, "time", (double)NAN), from->run,
        attempt);
}

/* Behind the attempt's exit, by the supervisor that saw more in it than the trial could. */
static cvy_status add_ruling(store *s, const rows_source *from, const json *v, errors *e)
{
    int64_t attempt = json_get_int(v, "attempt", 1);
    cvy_status status = touch_attempt(s, from, attempt, (double)NAN, e);
    if (status != CVY_OK) return status;
    return sql_do(&s->db, e, "UPDATE attempts SET ruling = ?, ruling_text = ? WHERE run = ? AND attempt = ?",
                  "ttii", json_get_text(v, "state", NULL), json_get_text(v, "text", NULL), from->run,
                  attempt);
}

static cvy_status add_end(store *s, const rows_source *from, const json *v, errors *e)
{
    const char *state = json_get_text(v, "state", "failed");
    int64_t step = json_get_int(v, "step", 0), finished = !strcmp(state, "finished");
    cvy_status status = touch_attempt(s, from, from->attempt, from->time, e);
    if (status == CVY_OK)
        status =
            sql_do(&s->db, e,
                   "UPDATE attempts SET state = ?, end_step = ?, end_text = ? WHERE run = ? AND attempt = ?",
                   "titii", state, step, json_get_text(v, "text", NULL), from->run, from->attempt);
    /* What earlier attempts logged on the stretch that this one went again, and this one did not, is no part
     * of the run's history (a row logged at the moment of an interruption). */
    if (status == CVY_OK && from->attempt > 1)
        status = sql_do(&s->db, e,
                        "DELETE FROM metrics WHERE run = ? AND attempt < ? AND step > ? AND (step <= ? OR ?)",
                        "iiiii", from->run, from->attempt, from->from_step, step, finished);
    if (status == CVY_OK && from->attempt > 1)
        status = sql_do(
            &s->db, e,
            "DELETE FROM histogram_list WHERE run = ? AND attempt < ? AND step > ? AND (step <= ? OR ?)",
            "iiiii", from->run, from->attempt, from->from_step, step, finished);
    return status;
}

/* ---- the rest ---- */

static cvy_status add_tag(store *s, const rows_source *from, const json *v, errors *e)
{
    return sql_do(&s->db, e, "INSERT OR REPLACE INTO tags (owner, tag, time) VALUES (?,?,?)", "ttd",
                  from->owner, json_get_text(v, "tag", ""), json_get_double(v, "time", (double)NAN));
}

static cvy_status add_artifact(store *s, const rows_source *from, const json *v, errors *e)
{
    return sql_do(&s->db, e, "INSERT OR REPLACE INTO artifacts (run, path, kind, step) VALUES (?,?,?,?)",
                  "itti", from->run, json_get_text(v, "path", ""), json_get_text(v, "kind", NULL),
                  json_get_int(v, "step", 0));
}

static cvy_status add_kernels(store *s, const rows_source *from, const json *v, errors *e)
{
    const json *choices = json_get(v, "choices");
    cvy_status status = CVY_OK;
    for (size_t i = 0; choices && choices->kind == JSON_OBJECT && i < choices->n && status == CVY_OK; i++)
        status = sql_do(&s->db, e, "INSERT OR REPLACE INTO kernels (run, node, choice) VALUES (?,?,?)", "itt",
                        from->run, choices->keys[i],
                        choices->items[i]->kind == JSON_TEXT ? choices->items[i]->s : NULL);
    return status;
}

static cvy_status add_event(store *s, const rows_source *from, const json *v, int64_t offset, errors *e)
{
    return rows_event(s, from, offset, json_get_text(v, "kind", "event"), json_get_text(v, "text", NULL),
                      json_get_double(v, "time", from->time), e);
}

/* What only a run, or only its trial process, can say. */
static cvy_status run_record(store *s, rows_source *from, const json *v, const char *t, int64_t offset,
                             bool *known, errors *e)
{
    *known = true;
    if (from->attempt) {
        if (!strcmp(t, "metrics")) return add_metrics(s, from, v, false, offset, e);
        if (!strcmp(t, "measured")) return add_metrics(s, from, v, true, offset, e);
        if (!strcmp(t, "histogram")) return add_histogram(s, from, v, offset, e);
        if (!strcmp(t, "segment")) return add_segment(s, from, v, e);
        if (!strcmp(t, "end")) return add_end(s, from, v, e);
        if (!strcmp(t, "kernels")) return add_kernels(s, from, v, e);
        if (!strcmp(t, "artifact")) return add_artifact(s, from, v, e);
        if (!strcmp(t, "dataset"))
            return CVY_OK; /* for predictions; its names and numbers are nobody's results */
    } else if (from->run) {
        if (!strcmp(t, "start")) return add_start(s, from, v, e);
        if (!strcmp(t, "exit")) return add_exit(s, from, v, e);
        if (!strcmp(t, "state")) return add_ruling(s, from, v, e);
    }
    *known = false;
    return CVY_OK;
}

cvy_status rows_record(store *s, rows_source *from, const char *payload, size_t n, int64_t offset, errors *e)
{
    arena a = {0};
    const json *v = json_parse(&a, payload, n, NULL, NULL);
    const char *t = json_get_text(v, "t", "");
    bool known = true;
    cvy_status status;
    if (!v || v->kind != JSON_OBJECT) {
        status = rows_event(s, from, offset, "damaged", "a record that is no JSON object", from->time, e);
    } else if (!strcmp(t, "event")) {
        status = add_event(s, from, v, offset, e);
    } else if (!strcmp(t, "evaluation") && !strcmp(from->owner, STORE_EVALUATIONS)) {
        status = rows_evaluation(s, from, v, offset, e);
    } else if (!strcmp(t, "tag")) {
        status = add_tag(s, from, v, e);
    } else {
        status = run_record(s, from, v, t, offset, &known, e);
        if (!strcmp(t, "decision") && !from->run)
            status = rows_member(s, store_number(from->owner, 's'), v, e);
        /* With its plans or parameters it would be a large event, and other rows say all of it. */
        if (!from->run && (!strcmp(t, "proposed") || json_get(v, "params"))) {
            const char *run = json_get_text(v, "run", NULL), *how = json_get_text(v, "how", "");
            known = true;
            text line = {0};
            text_printf(&line, "trial %lld: %s", (long long)json_get_int(v, "trial", -1),
                        json_get_text(v, "label", ""));
            if (run) text_printf(&line, ", %s %s", how, run);
            if (status == CVY_OK)
                status = rows_event(s, from, offset, t, text_str(&line),
                                    json_get_double(v, "time", from->time), e);
            text_free(&line);
        }
        if (!known && status == CVY_OK) /* of a newer Convoy, or a sweep's decision: kept as it is */
            status = rows_event(s, from, offset, t, payload, json_get_double(v, "time", from->time), e);
    }
    arena_free(&a);
    return status;
}
