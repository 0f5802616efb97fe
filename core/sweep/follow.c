/* Owns what a run's journals and events come to; must not know who waits for it, nor the database. */
#include "sweep/follow.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "journal/journal.h"
#include "sweep/runs.h"

/* Where reading stands. */
struct follow_files {
    char *journal, *events; /* the files being read; NULL: none yet */
    journal_reader journal_at, events_at;
    unsigned part; /* of the events */
    uint64_t journal_from,
        events_from; /* where to go on after a rest; 0: they are open, or there were none */
};

static const char *const state_names[] = {"planned",       "running", "finished", "paused",
                                          "stopped early", "stopped", "failed",   "killed"};

const char *follow_state_name(follow_state s)
{
    return state_names[s];
}

follow *follow_open(const char *dir)
{
    follow *f = mem_alloc(sizeof *f);
    f->dir = mem_text(dir);
    f->files = mem_alloc(sizeof *f->files);
    f->files->journal_at.fd = f->files->events_at.fd = -1;
    return f;
}

static void set_free(follow_set *s)
{
    for (size_t i = 0; i < s->n; i++) {
        mem_free(s->items[i].name);
        mem_free(s->items[i].points);
    }
    mem_free(s->items);
    *s = (follow_set){0};
}

void follow_close(follow *f)
{
    if (!f) return;
    journal_end(&f->files->journal_at);
    journal_end(&f->files->events_at);
    mem_free(f->files->journal);
    mem_free(f->files->events);
    mem_free(f->files);
    set_free(&f->epochs);
    set_free(&f->whole);
    set_free(&f->steps);
    set_free(&f->measured);
    mem_free(f->ruling);
    mem_free(f->ruling_text);
    mem_free(f->exact_key);
    mem_free(f->end_state);
    mem_free(f->end_text);
    mem_free(f->dir);
    mem_free(f);
}

/* ---- metrics ---- */

static follow_metric *metric_of(follow_set *s, const char *name)
{
    for (size_t i = 0; i < s->n; i++)
        if (!strcmp(s->items[i].name, name)) return &s->items[i];
    s->items = MEM_GROW(s->items, s->n, &s->cap);
    s->items[s->n] = (follow_metric){.name = mem_text(name)};
    return &s->items[s->n++];
}

static void put(follow_set *s, const char *name, follow_point p, bool all)
{
    follow_metric *m = metric_of(s, name);
    if (!all) m->n = 0;
    while (m->n && m->points[m->n - 1].step >= p.step) m->n--;
    m->points = MEM_GROW(m->points, m->n, &m->cap);
    m->points[m->n++] = p;
}

/* A later attempt's rows replace those behind the step it resumed from. */
static void forget_after(follow_set *s, int64_t step)
{
    for (size_t i = 0; i < s->n; i++) {
        follow_metric *m = &s->items[i];
        while (m->n && m->points[m->n - 1].step > step) m->n--;
    }
}

const follow_point *follow_last(const follow_set *s, const char *name)
{
    for (size_t i = 0; i < s->n; i++)
        if (!strcmp(s->items[i].name, name) && s->items[i].n) return &s->items[i].points[s->items[i].n - 1];
    return NULL;
}

double follow_at(const follow *f, const char *name, int64_t epoch)
{
    for (size_t i = 0; i < f->epochs.n; i++) {
        const follow_metric *m = &f->epochs.items[i];
        if (strcmp(m->name, name) != 0) continue;
        for (size_t k = m->n; k-- > 0 && m->points[k].epoch >= epoch;)
            if (m->points[k].epoch == epoch) return m->points[k].value;
    }
    return 0.0 / 0.0;
}

const follow_point *follow_best(const follow *f, const char *name, bool maximize)
{
    return follow_best_until(f, name, maximize, 0);
}

const follow_point *follow_best_until(const follow *f, const char *name, bool maximize, int64_t epochs)
{
    const follow_point *best = NULL;
    for (size_t i = 0; i < f->epochs.n; i++) {
        const follow_metric *m = &f->epochs.items[i];
        if (strcmp(m->name, name) != 0) continue;
        for (size_t k = 0; k < m->n; k++) {
            double v = m->points[k].value;
            if (v != v) continue; /* nan is never best */
            if (epochs && m->points[k].epoch > epochs) continue;
            if (!best || (maximize ? v > best->value : v < best->value)) best = &m->points[k];
        }
    }
    return best ? best : follow_last(&f->whole, name);
}

/* ---- records ---- */

static void take_metrics(follow *f, const json *v, bool measured)
{
    const json *m = json_get(v, "m");
    const char *scope = measured ? "measured" : json_get_text(v, "scope", "");
    follow_point p = {json_get_int(v, "step", 0), json_get_int(v, "epoch", 0), 0};
    follow_set *s = !strcmp(scope, "epoch")      ? &f->epochs
                    : !strcmp(scope, "run")      ? &f->whole
                    : !strcmp(scope, "step")     ? &f->steps
                    : !strcmp(scope, "measured") ? &f->measured
                                                 : NULL;
    if (!s || !m || m->kind != JSON_OBJECT) return;
    if (p.step > f->step) f->step = p.step;
    if (s == &f->epochs && p.epoch > f->epoch) f->epoch = p.epoch;
    for (size_t i = 0; i < m->n; i++) {
        p.value = json_as_double(m->items[i], 0.0 / 0.0);
        put(s, m->keys[i], p, s != &f->steps);
    }
}

static void set_text(char **at, const char *s)
{
    mem_free(*at);
    *at = mem_text(s);
}

static void take_record(follow *f, const json *v)
{
    const char *t = json_get_text(v, "t", "");
    if (!strcmp(t, "segment")) {
        int64_t from = json_get_int(v, "from_step", 0);
        set_text(&f->exact_key, json_get_text(v, "exact_key", ""));
        forget_after(&f->epochs, from);
        forget_after(&f->whole, from);
        forget_after(&f->measured, from);
        f->step = from;
        f->epoch = 0;
        for (size_t i = 0; i < f->epochs.n; i++) {
            const follow_metric *m = &f->epochs.items[i];
            if (m->n && m->points[m->n - 1].epoch > f->epoch) f->epoch = m->points[m->n - 1].epoch;
        }
    } else if (!strcmp(t, "metrics")) {
        take_metrics(f, v, false);
    } else if (!strcmp(t, "measured")) {
        take_metrics(f, v, true);
    } else if (!strcmp(t, "end")) {
        set_text(&f->end_state, json_get_text(v, "state", "failed"));
        set_text(&f->end_text, json_get_text(v, "text", ""));
        int64_t step = json_get_int(v, "step", f->step);
        if (step > f->step) f->step = step;
    }
}

static void take_event(follow *f, const json *v)
{
    const char *t = json_get_text(v, "t", "");
    if (!strcmp(t, "start")) {
        f->started = json_get_int(v, "attempt", f->started + 1);
        f->pid = json_get_int(v, "pid", 0);
        f->since = json_get_double(v, "time", 0);
        f->exited =
            f->exited == f->started ? f->started - 1 : f->exited; /* begun again under the same number */
    } else if (!strcmp(t, "exit")) {
        f->exited = json_get_int(v, "attempt", f->started);
        f->code = (int)json_get_int(v, "code", 0);
        f->signal = (int)json_get_int(v, "signal", 0);
        double seconds = json_get_double(v, "seconds", 0);
        if (seconds > 0) f->seconds += seconds;
    } else if (!strcmp(t, "state")) {
        f->ruled = json_get_int(v, "attempt", 0);
        set_text(&f->ruling, json_get_text(v, "state", ""));
        set_text(&f->ruling_text, json_get_text(v, "text", ""));
    }
}

static bool drain(follow *f, journal_reader *r, void (*take)(follow *, const json *))
{
    bool any = false;
    arena a = {0};
    while (journal_next(r) == JOURNAL_RECORD) {
        const json *v = json_parse(&a, r->payload, r->n, NULL, NULL);
        if (v) take(f, v);
        arena_free(&a);
        any = true;
    }
    return any;
}

/* ---- files ---- */

static bool read_journals(follow *f)
{
    struct follow_files *files = f->files;
    bool any = false;
    for (;;) {
        if (files->journal_at.fd >= 0) any = drain(f, &files->journal_at, take_record) || any;
        char *next = mem_printf("%s/journal.%lld", f->dir, (long long)f->attempt + 1);
        journal_reader r;
        if (!file_exists(next) || journal_open(&r, next, 0, NULL) != CVY_OK) {
            mem_free(next);
            return any;
        }
        journal_end(&files->journal_at);
        mem_free(files->journal);
        files->journal = next;
        files->journal_at = r;
        files->journal_at.path = next;
        f->attempt++;
        set_text(&f->end_state, NULL);
        set_text(&f->end_text, NULL);
        any = true;
    }
}

static bool read_events(follow *f)
{
    struct follow_files *files = f->files;
    bool any = false;
    char *base = path_join(f->dir, "events");
    for (;;) {
        if (files->events_at.fd >= 0) any = drain(f, &files->events_at, take_event) || any;
        char *next = journal_part(base, files->part + 1);
        journal_reader r;
        if (!next || journal_open(&r, next, 0, NULL) != CVY_OK) {
            mem_free(next);
            break;
        }
        journal_end(&files->events_at);
        mem_free(files->events);
        files->events = next;
        files->events_at = r;
        files->events_at.path = next;
        files->part++;
    }
    mem_free(base);
    return any;
}

/* A reader closed at `at`; the chunk it had read is worth 64 KiB. */
static uint64_t lay_down(journal_reader *r)
{
    if (r->fd < 0) return 0;
    uint64_t at = r->offset;
    journal_end(r);
    return at;
}

static void take_up(journal_reader *r, const char *path, uint64_t *at)
{
    journal_reader again;
    if (*at && path && journal_open(&again, path, *at, NULL) == CVY_OK) *r = again, r->path = path;
    *at = 0;
}

/* Thousands of trials are at rest at a time. */
static void set_fit(follow_set *s)
{
    for (size_t i = 0; i < s->n; i++) {
        follow_metric *m = &s->items[i];
        if (m->cap == m->n || !m->n) continue;
        m->points = mem_resize(m->points, m->n, sizeof *m->points);
        m->cap = m->n;
    }
    if (s->n && s->cap != s->n) s->items = mem_resize(s->items, s->n, sizeof *s->items), s->cap = s->n;
}

void follow_rest(follow *f)
{
    struct follow_files *files = f->files;
    if (files->journal_at.fd >= 0) files->journal_from = lay_down(&files->journal_at);
    if (files->events_at.fd >= 0) files->events_from = lay_down(&files->events_at);
    set_free(&f->steps);
    set_free(&f->measured);
    set_fit(&f->epochs);
    set_fit(&f->whole);
}

bool follow_read(follow *f)
{
    take_up(&f->files->journal_at, f->files->journal, &f->files->journal_from);
    take_up(&f->files->events_at, f->files->events, &f->files->events_from);
    bool events = read_events(f);
    return read_journals(f) || events;
}

/* ---- state ---- */

static follow_state said(const follow *f)
{
    if (!strcmp(f->end_state, "finished")) return FOLLOW_FINISHED;
    return strcmp(f->end_state, "stopped") ? FOLLOW_FAILED : FOLLOW_STOPPED;
}

/* Begun a moment ago: the process may not have reached its lock. */
static bool starting(const follow *f)
{
    enum { SECONDS = 10 };
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec - f->since < SECONDS && f->pid > 0 && kill((pid_t)f->pid, 0) == 0;
}

follow_state follow_state_of(const follow *f)
{
    bool newer_begun = f->started > f->attempt; /* an attempt that has no journal yet, or never had */
    if (f->end_state && !strcmp(f->end_state, "finished")) return FOLLOW_FINISHED;
    if (runs_held(f->dir)) return FOLLOW_RUNNING;
    if (f->ruled && f->ruled >= f->attempt && f->ruled >= f->started) {
        if (!strcmp(f->ruling, "paused")) return FOLLOW_PAUSED;
        if (!strcmp(f->ruling, "stopped early")) return FOLLOW_PRUNED;
        if (!strcmp(f->ruling, "killed")) return FOLLOW_KILLED;
    }
    if (f->end_state && !newer_begun) return said(f);
    if (!f->attempt && !f->started) return FOLLOW_PLANNED;
    if (f->exited >= f->started && f->exited >= f->attempt) {
        if (f->signal) return FOLLOW_KILLED;
        return f->code == CVY_STOPPED ? FOLLOW_STOPPED : FOLLOW_FAILED;
    }
    return f->exited < f->started && starting(f) ? FOLLOW_RUNNING : FOLLOW_KILLED;
}
