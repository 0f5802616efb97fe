/* Owns the questions the commands ask of the database, as SQL over its views; must not know how rows come in
 * or how answers are shown. */
#include "report/query.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "report/store_own.h"

/* Rows collected on the heap, handed over into the arena. */
#define COLLECT(items, n, cap) ((items) = MEM_GROW((items), (n), &(cap)), &(items)[(n)++])

/* A copy of few, so that the rest is not kept; of many the array itself. */
static void *into_arena(arena *a, void *items, size_t n, size_t size)
{
    enum { MANY = 1000 };
    if (n >= MANY) {
        arena_own(a, items);
        return items;
    }
    void *out = arena_array(a, n, size);
    if (n) memcpy(out, items, n * size);
    mem_free(items);
    return out;
}

/* Where a text must be: a view of somebody's own making may leave it out. */
static const char *must(const sql_query *q, int column, arena *a)
{
    const char *t = sql_text(q, column, a);
    return t ? t : "";
}

/* ---- runs ---- */

/* Where a run stands in a sweep, and what counts there, depends on which sweep is asked. */
#define RUN_COLUMNS(of)                                                                               \
    "SELECT name, experiment, " of "sweep, " of                                                       \
    "label, model, dataset, source, config_hash, exact_key, tags,"                                    \
    " state, " of "metric, " of "goal, " of "trial, " of "repeat, seed, parameters, trainable, macs," \
    " epochs, epochs_done, best_epoch, attempts, created, seconds, " of "best, best_val_accuracy,"    \
    " best_val_loss, test_accuracy, test_loss FROM run_summary r "

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec;
}

/* Whether somebody trains in this folder. Only a shared lock is tried, and only for a moment: a trial that
 * starts in it must not find its folder taken. */
static bool is_alive(store *s, const char *run)
{
    char *dir = path_join(s->results, run), *name = path_join(dir, "lock");
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    bool held = fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) != 0;
    if (fd >= 0) close(fd);
    mem_free(dir);
    mem_free(name);
    return held;
}

static const char *true_state(store *s, const query_run *r, errors *e)
{
    enum { STARTING = 10 }; /* seconds until a process must hold its lock */
    if (strcmp(r->state, "running") != 0) return r->state;
    double started = 0;
    sql_query q = sql_ask(&s->db, e, "SELECT max(started) FROM run_attempts WHERE run = ?", "t", r->name);
    if (sql_next(&q, e)) started = sql_double(&q, 0);
    sql_done(&q);
    return now() - started < STARTING || is_alive(s, r->name) ? r->state : "killed";
}

/* Names lead to folders: what a database from elsewhere says is believed only where it is the name of a run or a sweep. */
static void left_out(const store *s, const char *what, size_t n, errors *e)
{
    if (n)
        errors_warn(e, &PLACE_FILE(s->path),
                    "`convoy db rebuild` makes the database again from the run folders",
                    "%zu row%s left out: %s must be called %s", n, n > 1 ? "s" : "", what,
                    *what == 'r' ? "r1, r2, ..." : "s1, s2, ...");
}

static cvy_status collect_runs(store *s, sql_query *q, arena *a, query_run **out, size_t *n, errors *e)
{
    query_run *items = NULL;
    size_t cap = 0, odd = 0;
    *n = 0;
    while (sql_next(q, e)) {
        query_run r = {0};
        const char **texts[] = {&r.name,    &r.experiment, &r.sweep,       &r.label,     &r.model,
                                &r.dataset, &r.source,     &r.config_hash, &r.exact_key, &r.tags,
                                &r.state,   &r.metric,     &r.goal};
        int64_t *ints[] = {&r.trial, &r.repeat, &r.seed,        &r.parameters, &r.trainable,
                           &r.macs,  &r.epochs, &r.epochs_done, &r.best_epoch, &r.attempts};
        double *doubles[] = {&r.created,       &r.seconds,       &r.best,     &r.best_val_accuracy,
                             &r.best_val_loss, &r.test_accuracy, &r.test_loss};
        int column = 0;
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) *texts[i] = sql_text(q, column++, a);
        for (size_t i = 0; i < sizeof ints / sizeof *ints; i++) *ints[i] = sql_int(q, column++, QUERY_NONE);
        for (size_t i = 0; i < sizeof doubles / sizeof *doubles; i++) *doubles[i] = sql_double(q, column++);
        r.number = r.name ? store_number(r.name, 'r') : 0;
        if (!r.state) r.state = "planned";
        if (!r.number || (r.sweep && !store_number(r.sweep, 's')))
            odd++;
        else
            *COLLECT(items, *n, cap) = r;
    }
    cvy_status status = sql_done(q);
    left_out(s, "runs", odd, e);
    for (size_t i = 0; i < *n; i++) items[i].state = true_state(s, &items[i], e);
    *out = into_arena(a, items, *n, sizeof *items);
    return status;
}

static int by_age(const void *a, const void *b)
{
    const query_run *x = a, *y = b;
    if (isnan(x->created) != isnan(y->created)) return isnan(x->created) ? -1 : 1;
    if (x->created < y->created || x->created > y->created) return x->created < y->created ? -1 : 1;
    return (x->number > y->number) - (x->number < y->number);
}

/* Sorted here: they come almost in order, and the database would copy them for it. */
static cvy_status oldest_first(cvy_status status, query_run *runs, size_t n)
{
    bool sorted = true;
    for (size_t i = 1; i < n && sorted; i++) sorted = by_age(&runs[i - 1], &runs[i]) <= 0;
    if (!sorted) qsort(runs, n, sizeof *runs, by_age);
    return status;
}

cvy_status query_runs(store *s, arena *a, query_run **out, size_t *n, errors *e)
{
    sql_query q = sql_ask(&s->db, e, RUN_COLUMNS("r."), "");
    cvy_status status = collect_runs(s, &q, a, out, n, e);
    return oldest_first(status, *out, *n);
}

/* Of thousands of runs most columns would be read for nothing. */
#define LISTED_COLUMNS                                                                                      \
    "SELECT name, experiment, sweep, label, NULL, NULL, NULL, NULL, NULL, tags, state, NULL, NULL, trial,"  \
    " repeat, seed, NULL, NULL, NULL, epochs, epochs_done, best_epoch, attempts, created, seconds, best,"   \
    " best_val_accuracy, best_val_loss, test_accuracy, test_loss FROM run_summary WHERE (NOT ? OR sweep IS" \
    " NULL)"

cvy_status query_listed_runs(store *s, bool single, int64_t most, arena *a, query_run **out, size_t *n,
                             errors *e)
{
    sql_query q = most > 0
                      ? sql_ask(&s->db, e,
                                LISTED_COLUMNS " ORDER BY created DESC, length(name) DESC, name DESC LIMIT ?",
                                "ii", (int64_t)single, most)
                      : sql_ask(&s->db, e, LISTED_COLUMNS, "i", (int64_t)single);
    cvy_status status = collect_runs(s, &q, a, out, n, e);
    return oldest_first(status, *out, *n);
}

cvy_status query_single_runs(store *s, arena *a, query_run **out, size_t *n, errors *e)
{
    sql_query q = sql_ask(&s->db, e, RUN_COLUMNS("r.") "WHERE r.sweep IS NULL", "");
    cvy_status status = collect_runs(s, &q, a, out, n, e);
    return oldest_first(status, *out, *n);
}

cvy_status query_sweep_runs(store *s, const char *sweep, arena *a, query_run **out, size_t *n, errors *e)
{
    sql_query q = sql_ask(&s->db, e,
                          RUN_COLUMNS("k.") "JOIN sweep_runs k ON k.run = r.name WHERE k.sweep = ?"
                                            " ORDER BY k.trial, k.repeat, length(name), name",
                          "t", sweep);
    return collect_runs(s, &q, a, out, n, e);
}

cvy_status query_sweeps(store *s, arena *a, query_sweep **out, size_t *n, errors *e)
{
    query_sweep *items = NULL;
    size_t cap = 0, odd = 0;
    *n = 0;
    sql_query q = sql_ask(
        &s->db, e,
        "SELECT name, experiment, method, metric, goal, best_run, source, tags, trials, runs, finished,"
        " failed, best, created, stopped_early FROM sweep_summary ORDER BY created, length(name), name",
        "");
    while (sql_next(&q, e)) {
        const query_sweep one = {.name = sql_text(&q, 0, a),
                                 .experiment = sql_text(&q, 1, a),
                                 .method = sql_text(&q, 2, a),
                                 .metric = sql_text(&q, 3, a),
                                 .goal = sql_text(&q, 4, a),
                                 .best_run = sql_text(&q, 5, a),
                                 .source = sql_text(&q, 6, a),
                                 .tags = sql_text(&q, 7, a),
                                 .trials = sql_int(&q, 8, QUERY_NONE),
                                 .runs = sql_int(&q, 9, 0),
                                 .finished = sql_int(&q, 10, 0),
                                 .failed = sql_int(&q, 11, 0),
                                 .best = sql_double(&q, 12),
                                 .created = sql_double(&q, 13),
                                 .stopped_early = sql_int(&q, 14, 0)};
        if (one.name && store_number(one.name, 's') && (!one.best_run || store_number(one.best_run, 'r')))
            *COLLECT(items, *n, cap) = one;
        else
            odd++;
    }
    left_out(s, "sweeps", odd, e);
    *out = into_arena(a, items, *n, sizeof *items);
    return sql_done(&q);
}

/* ---- curves ---- */

#define ALL_OF(view) "SELECT metric, step, epoch, value FROM " view " WHERE run = ? ORDER BY metric, step"
#define ONE_OF(view) "SELECT step, epoch, value FROM " view " WHERE run = ? AND metric = ? ORDER BY step"

cvy_status query_curves(store *s, const char *run, query_scope scope, arena *a, query_curve **out, size_t *n,
                        errors *e)
{
    static const char *const questions[] = {[QUERY_STEP] = ALL_OF("step_curves"),
                                            [QUERY_EPOCH] = ALL_OF("curves"),
                                            [QUERY_RUN] = ALL_OF("run_metrics"),
                                            [QUERY_MEASURED] = ALL_OF("measured")};
    query_curve *curves = NULL;
    query_point *points = NULL; /* of the last curve */
    size_t cap = 0, n_points = 0, cap_points = 0;
    *n = 0;
    sql_query q = sql_ask(&s->db, e, questions[scope], "t", run);
    while (sql_next(&q, e)) {
        const char *metric = must(&q, 0, a);
        if (!*n || strcmp(curves[*n - 1].metric, metric) != 0) {
            if (*n) {
                curves[*n - 1].points = into_arena(a, points, n_points, sizeof *points);
                curves[*n - 1].n = n_points;
                points = NULL;
                n_points = cap_points = 0;
            }
            *COLLECT(curves, *n, cap) = (query_curve){.metric = metric};
        }
        *COLLECT(points, n_points, cap_points) =
            (query_point){sql_int(&q, 1, 0), sql_int(&q, 2, 0), sql_double(&q, 3)};
    }
    if (*n) {
        curves[*n - 1].points = into_arena(a, points, n_points, sizeof *points);
        curves[*n - 1].n = n_points;
    }
    *out = into_arena(a, curves, *n, sizeof *curves);
    return sql_done(&q);
}

cvy_status query_curve_of(store *s, const char *run, query_scope scope, const char *metric, arena *a,
                          query_curve *out, errors *e)
{
    query_point *points = NULL;
    size_t cap = 0;
    *out = (query_curve){.metric = metric};
    static const char *const questions[] = {[QUERY_STEP] = ONE_OF("step_curves"),
                                            [QUERY_EPOCH] = ONE_OF("curves"),
                                            [QUERY_RUN] = ONE_OF("run_metrics"),
                                            [QUERY_MEASURED] = ONE_OF("measured")};
    sql_query q = sql_ask(&s->db, e, questions[scope], "tt", run, metric);
    while (sql_next(&q, e))
        *COLLECT(points, out->n, cap) =
            (query_point){sql_int(&q, 0, 0), sql_int(&q, 1, 0), sql_double(&q, 2)};
    out->points = into_arena(a, points, out->n, sizeof *points);
    return sql_done(&q);
}

cvy_status query_metric_names(store *s, const char *run, arena *a, const char ***out, size_t *n, errors *e)
{
    const char **names = NULL;
    size_t cap = 0;
    *n = 0;
    /* Whether there is one point of each name, and no look at the others. */
    sql_query q = sql_ask(&s->db, e,
                          "SELECT n.name FROM metric_names n"
                          " WHERE EXISTS (SELECT 1 FROM curves c WHERE c.run = ?1 AND c.metric = n.name)"
                          " OR EXISTS (SELECT 1 FROM step_curves c WHERE c.run = ?1 AND c.metric = n.name)"
                          " OR EXISTS (SELECT 1 FROM measured c WHERE c.run = ?1 AND c.metric = n.name)"
                          " ORDER BY n.name",
                          "t", run);
    while (sql_next(&q, e)) *COLLECT(names, *n, cap) = must(&q, 0, a);
    *out = into_arena(a, names, *n, sizeof *names);
    return sql_done(&q);
}

/* ---- the rest of a run ---- */

static cvy_status collect_pairs(sql_query *q, arena *a, query_pairs *out, errors *e)
{
    query_pair *items = NULL;
    size_t cap = 0;
    out->n = 0;
    while (sql_next(q, e)) {
        const char *value = sql_text(q, 1, a);
        *COLLECT(items, out->n, cap) = (query_pair){must(q, 0, a), value ? value : ""};
    }
    out->items = into_arena(a, items, out->n, sizeof *items);
    return sql_done(q);
}

/* "[0,3,1]" as numbers; the store's own writing. */
static int64_t *counts_of(const char *s, arena *a, size_t *n)
{
    json *v = s ? json_parse(a, s, strlen(s), NULL, NULL) : NULL;
    *n = v && v->kind == JSON_ARRAY ? v->n : 0;
    int64_t *out = arena_array(a, *n + 1, sizeof *out);
    for (size_t i = 0; i < *n; i++) out[i] = v->items[i]->is_integer ? v->items[i]->integer : 0;
    return out;
}

cvy_status query_histograms(store *s, const char *run, const char *tensor, arena *a, query_histogram **out,
                            size_t *n, errors *e)
{
    query_histogram *items = NULL;
    size_t cap = 0;
    *n = 0;
    sql_query q = sql_ask(&s->db, e,
                          "SELECT tensor, kind, step, epoch, low, high, mean, sd, counts FROM histograms"
                          " WHERE run = ? AND (? IS NULL OR tensor = ?) ORDER BY tensor, kind DESC, step",
                          "ttt", run, tensor, tensor);
    while (sql_next(&q, e)) {
        query_histogram h = {.tensor = must(&q, 0, a),
                             .kind = must(&q, 1, a),
                             .step = sql_int(&q, 2, 0),
                             .epoch = sql_int(&q, 3, 0),
                             .low = sql_double(&q, 4),
                             .high = sql_double(&q, 5),
                             .mean = sql_double(&q, 6),
                             .sd = sql_double(&q, 7)};
        h.counts = counts_of(sql_text(&q, 8, a), a, &h.n);
        *COLLECT(items, *n, cap) = h;
    }
    cvy_status status = sql_done(&q);
    *out = into_arena(a, items, *n, sizeof *items);
    return status;
}

cvy_status query_params(store *s, const char *run, arena *a, query_pairs *out, errors *e)
{
    sql_query q =
        sql_ask(&s->db, e, "SELECT path, value FROM run_params WHERE run = ? ORDER BY path", "t", run);
    return collect_pairs(&q, a, out, e);
}

cvy_status query_trial_params(store *s, const query_run *r, arena *a, query_pairs *out, errors *e)
{
    out->n = 0;
    if (r->sweep) {
        sql_query q =
            sql_ask(&s->db, e,
                    "SELECT path, value FROM trial_params WHERE sweep = ? AND trial = ? AND repeat = ?"
                    " ORDER BY path",
                    "tii", r->sweep, r->trial, r->repeat == QUERY_NONE ? 0 : r->repeat);
        const cvy_status status = collect_pairs(&q, a, out, e);
        if (status != CVY_OK || out->n) return status;
    }
    return query_params(s, r->name, a, out, e);
}

cvy_status query_environment(store *s, const char *run, arena *a, query_pairs *out, errors *e)
{
    sql_query q =
        sql_ask(&s->db, e, "SELECT key, value FROM run_environment WHERE run = ? ORDER BY key", "t", run);
    return collect_pairs(&q, a, out, e);
}

cvy_status query_attempts(store *s, const char *run, arena *a, query_attempt **out, size_t *n, errors *e)
{
    query_attempt *items = NULL;
    size_t cap = 0;
    *n = 0;
    sql_query q = sql_ask(&s->db, e,
                          "SELECT attempt, from_step, end_step, code, signal, state, text, started, seconds"
                          " FROM run_attempts WHERE run = ? ORDER BY attempt",
                          "t", run);
    while (sql_next(&q, e))
        *COLLECT(items, *n, cap) = (query_attempt){.attempt = sql_int(&q, 0, 0),
                                                   .from_step = sql_int(&q, 1, QUERY_NONE),
                                                   .end_step = sql_int(&q, 2, QUERY_NONE),
                                                   .code = sql_int(&q, 3, QUERY_NONE),
                                                   .signal = sql_int(&q, 4, QUERY_NONE),
                                                   .state = must(&q, 5, a),
                                                   .what = sql_text(&q, 6, a),
                                                   .started = sql_double(&q, 7),
                                                   .seconds = sql_double(&q, 8)};
    *out = into_arena(a, items, *n, sizeof *items);
    return sql_done(&q);
}

cvy_status query_events(store *s, const char *owner, arena *a, query_event **out, size_t *n, errors *e)
{
    query_event *items = NULL;
    size_t cap = 0;
    *n = 0;
    sql_query q = sql_ask(
        &s->db, e, "SELECT kind, text, time FROM event_log WHERE owner = ? ORDER BY time, file, offset", "t",
        owner);
    while (sql_next(&q, e))
        *COLLECT(items, *n, cap) = (query_event){must(&q, 0, a), sql_text(&q, 1, a), sql_double(&q, 2)};
    *out = into_arena(a, items, *n, sizeof *items);
    return sql_done(&q);
}

cvy_status query_plugins(store *s, const char *run, arena *a, query_plugin **out, size_t *n, errors *e)
{
    query_plugin *items = NULL;
    size_t cap = 0;
    *n = 0;
    sql_query q = sql_ask(
        &s->db, e, "SELECT kind, name, path, sha256 FROM run_plugins WHERE run = ? ORDER BY kind, name", "t",
        run);
    while (sql_next(&q, e))
        *COLLECT(items, *n, cap) =
            (query_plugin){must(&q, 0, a), must(&q, 1, a), sql_text(&q, 2, a), sql_text(&q, 3, a)};
    *out = into_arena(a, items, *n, sizeof *items);
    return sql_done(&q);
}

cvy_status query_artifacts(store *s, const char *run, arena *a, query_artifact **out, size_t *n, errors *e)
{
    query_artifact *items = NULL;
    size_t cap = 0;
    *n = 0;
    sql_query q = sql_ask(&s->db, e, "SELECT kind, path, step FROM run_artifacts WHERE run = ? ORDER BY path",
                          "t", run);
    while (sql_next(&q, e))
        *COLLECT(items, *n, cap) =
            (query_artifact){must(&q, 0, a), must(&q, 1, a), sql_int(&q, 2, QUERY_NONE)};
    *out = into_arena(a, items, *n, sizeof *items);
    return sql_done(&q);
}
