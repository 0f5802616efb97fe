/* Owns the order in which a sweep's trials are chosen, trained and given up; must not know processes, nor how a method proposes or a
 * rule decides. */
#include "sweep/agenda.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "sweep/early.h"
#include "sweep/members.h"
#include "sweep/search.h"

/* ---- a list ---- */

static agenda_answer list_next(agenda *g, agenda_task *task, cvy_status *status, errors *e)
{
    (void)e;
    *status = CVY_OK;
    for (size_t i = 0; i < g->n; i++) {
        if (g->trials[i].state != TRIAL_WAITING) continue;
        *task = (agenda_task){.trial = &g->trials[i]};
        g->trials += i + 1; /* what was before is over or handed out */
        g->n -= i + 1;
        g->running++;
        return AGENDA_RUN;
    }
    return g->running ? AGENDA_WAIT : AGENDA_DONE;
}

agenda agenda_list(trial *trials, size_t n)
{
    return (agenda){.trials = trials, .n = n, .next = list_next};
}

/* ---- a sweep ---- */

enum { NO_TWIN = -1 };

/* A configuration. */
typedef struct entry {
    size_t first;   /* of its trials, course->per of them */
    int64_t until;  /* the epoch that they train to now; 0: to their end */
    int64_t epochs; /* of each, planned */
    int64_t twin;   /* the earlier configuration that it comes to the same as */
    bool begun, over, stopped, proposed;
    bool dirty;       /* something happened to one of its trials */
    uint64_t asked;   /* in which state of the sweep its rule was asked last */
    uint64_t hash;    /* the begin of its first trial's config_hash */
    double *values;   /* what its standing points to */
    const char *why;  /* it was stopped early; in the course's memory */
    search_result is; /* once over */
} entry;

typedef struct course {
    agenda face; /* first: this is what the supervisor sees */
    sweep *w;
    const agenda_options *o;
    planner *planner;
    const search_method *method;
    arena memory;
    entry *entries;
    early_standing *all; /* of the same configurations */
    search_result *results;
    size_t n, per;
    size_t open;    /* all before are over */
    size_t begun;   /* all before were begun, none behind */
    size_t checked; /* all before are over and have not met the target */
    bool closed;    /* no more are begun */
    uint64_t now;   /* counts what happened */
    size_t *ended;  /* trials whose end is yet to be told */
    size_t n_ended, cap_ended;
} course;

static trial *member(const course *c, const entry *n, size_t k)
{
    return &c->w->trials[n->first + k];
}

static bool failed(const trial *t)
{
    return t->state == TRIAL_REFUSED || t->state == TRIAL_FAILED || t->state == TRIAL_KILLED;
}

static bool has_all(const trial *t)
{
    return t->state == TRIAL_FINISHED || t->state == TRIAL_KNOWN;
}

static int64_t trained(const trial *t)
{
    return t->journals ? t->journals->epoch : 0;
}

static void tell_end(course *c, const trial *t)
{
    c->ended = MEM_GROW(c->ended, c->n_ended, &c->cap_ended);
    c->ended[c->n_ended++] = (size_t)(t - c->w->trials);
}

/* ---- how far a configuration is ---- */

/* Trials that failed say nothing about the others. */
static void stand(course *c, size_t i)
{
    entry *n = &c->entries[i];
    early_standing *s = &c->all[i];
    int64_t least = -1;
    bool all_have = true;
    for (size_t k = 0; k < c->per; k++) {
        const trial *t = member(c, n, k);
        if (failed(t)) continue;
        int64_t epochs = trained(t);
        if (n->until && epochs > n->until) epochs = n->until;
        if (!has_all(t)) all_have = false;
        if (least < 0 || epochs < least) least = epochs;
    }
    if (least < 0) least = 0;
    if (least > n->epochs) least = n->epochs;
    for (int64_t at = 1; at <= least; at++) {
        double sum = 0;
        size_t of = 0;
        for (size_t k = 0; k < c->per; k++) {
            const trial *t = member(c, n, k);
            if (failed(t)) continue;
            sum += follow_at(t->journals, c->w->metric.name, at);
            of++;
        }
        n->values[at - 1] = of ? sum / (double)of : (double)NAN;
    }
    /* What has no epochs beyond those that count has nothing to be asked about any more. */
    bool ended = all_have;
    for (size_t k = 0; k < c->per && n->until; k++) {
        const trial *t = member(c, n, k);
        if (!failed(t) && trained(t) > n->until) ended = false;
    }
    *s = (early_standing){n->values, least, ended};
    c->now++;
}

static double mean_of(const course *c, const entry *n)
{
    double sum = 0;
    size_t of = 0;
    for (size_t k = 0; k < c->per; k++) {
        const trial *t = member(c, n, k);
        double v = failed(t) ? (double)NAN : trial_value(t, &c->w->metric);
        if (isnan(v)) continue;
        sum += v;
        of++;
    }
    return of ? sum / (double)of : (double)NAN;
}

static void finish(course *c, size_t i)
{
    entry *n = &c->entries[i];
    n->over = true;
    n->is.value = mean_of(c, n);
    n->is.stopped = n->stopped;
    c->all[i].ended = true;
    c->now++;
    for (size_t k = 0; k < c->per; k++) {
        const trial *t = member(c, n, k);
        bool quiet =
            !n->proposed && n->twin == NO_TWIN && (t->state == TRIAL_KNOWN || t->state == TRIAL_REFUSED);
        bool ran = t->state == TRIAL_FINISHED || t->state == TRIAL_FAILED || t->state == TRIAL_KILLED;
        if (!quiet && (!ran || n->twin != NO_TWIN)) tell_end(c, t);
    }
}

static void stop_early(course *c, size_t i)
{
    entry *n = &c->entries[i];
    n->stopped = true;
    n->why = arena_printf(&c->memory, "after epoch %lld of %lld: %s was not among the better ones",
                          (long long)n->until, (long long)n->epochs, c->w->metric.name);
    for (size_t k = 0; k < c->per; k++) {
        trial *t = member(c, n, k);
        if (failed(t)) continue;
        t->state = TRIAL_PRUNED;
        t->until = n->until;
    }
    finish(c, i);
}

/* A configuration that comes to the same as an earlier one takes what that came to. */
static void mirror(course *c, size_t i)
{
    entry *n = &c->entries[i];
    const entry *from = &c->entries[n->twin];
    c->all[i] = c->all[n->twin];
    if (!from->over) return;
    for (size_t k = 0; k < c->per; k++) {
        const trial *other = member(c, from, k);
        trial *t = member(c, n, k);
        if (other->run) trial_take_run(t, c->o->results, other->run);
        if (t->journals) follow_rest(t->journals);
        t->state = other->state == TRIAL_FINISHED ? TRIAL_KNOWN : other->state;
        t->status = other->status;
        t->until = other->until;
        t->cut = other->cut;
        mem_free(t->why);
        t->why = mem_text(other->why);
    }
    n->stopped = from->stopped;
    n->why = from->why;
    finish(c, i);
}

/* ---- beginning a configuration ---- */

static bool meets_target(const space *s, double v)
{
    return s->has_target && !isnan(v) && (s->metric.maximize ? v >= s->target : v <= s->target);
}

typedef enum beginning { BEGUN, LATER, NO_MORE } beginning;

/* Whether what configuration i depends on is known. */
static beginning may_begin(course *c, size_t i)
{
    const space *s = &c->w->space;
    if (c->closed) return NO_MORE;
    if (!c->method->adaptive && !s->has_target) return BEGUN;
    const size_t visible = search_visible(s, i);
    for (; c->checked < visible; c->checked++) {
        const entry *n = &c->entries[c->checked];
        if (!n->over) return LATER;
        c->results[c->checked] = n->is;
        if (!meets_target(s, n->is.value)) continue;
        c->closed = true;
        return NO_MORE;
    }
    return BEGUN;
}

static const char *why_refused(const plan *p)
{
    for (size_t i = 0; i < p->problems.n; i++)
        if (!p->problems.items[i].warning) return p->problems.items[i].what;
    return "it cannot be planned";
}

/* The plans of a configuration's trials, by a child that stays for the next ones. */
static cvy_status plan_members(course *c, entry *n, errors *e)
{
    planning_request *requests = mem_array(c->per, sizeof *requests);
    plan *plans = mem_array(c->per, sizeof *plans);
    for (size_t k = 0; k < c->per; k++) {
        const trial *t = member(c, n, k);
        requests[k] = (planning_request){t->overrides, t->n_overrides, t->seed};
    }
    if (!c->planner) c->planner = planning_open(&c->o->planning);
    cvy_status status = planning_ask(c->planner, requests, c->per, plans, e);
    for (size_t k = 0; k < c->per && status == CVY_OK; k++) {
        trial *t = member(c, n, k);
        t->plan = plans[k];
        t->state = TRIAL_WAITING;
        if (t->plan.status == CVY_OK) {
            t->seed = t->plan.seed;
            sweeps_check_plugins(c->w, t);
        }
        if (t->plan.status == CVY_OK) continue;
        t->state = TRIAL_REFUSED;
        t->status = t->plan.status;
        t->why = mem_text(why_refused(&t->plan));
    }
    mem_free(requests);
    mem_free(plans);
    return status;
}

static cvy_status propose(course *c, size_t i, errors *e)
{
    sweep *w = c->w;
    entry *n = &c->entries[i];
    double *point = arena_array(&c->memory, w->space.n + 1, sizeof *point);
    if (!search_propose(&w->space, w->x->seed, c->results, search_visible(&w->space, i), i, point, e)) {
        c->closed = true;
        return errors_status(e);
    }
    n->is.point = point;
    if (member(c, n, 0)->state != TRIAL_OPEN) return CVY_OK;
    n->proposed = true;
    members_make(w->x, &w->space, point, (int64_t)i, w->overrides, w->n_overrides, &w->memory,
                 member(c, n, 0));
    cvy_status status = plan_members(c, n, e);
    if (status == CVY_OK) status = sweeps_propose(w, member(c, n, 0), c->per, point, e);
    for (size_t k = 0; k < c->per && status == CVY_OK; k++)
        if (member(c, n, k)->state == TRIAL_WAITING)
            sweeps_match_one(w, c->o->results, c->o->known, member(c, n, k));
    return status;
}

static void find_twin(course *c, size_t i)
{
    entry *n = &c->entries[i];
    const char *hash = member(c, n, 0)->plan.config_hash;
    n->twin = NO_TWIN;
    if (!hash) return;
    char head[17] = "";
    memcpy(head, hash, strlen(hash) < 16 ? strlen(hash) : 16);
    n->hash = strtoull(head, NULL, 16);
    for (size_t k = 0; k < i && n->twin == NO_TWIN; k++) {
        const entry *other = &c->entries[k];
        const char *its = member(c, other, 0)->plan.config_hash;
        if (other->hash == n->hash && other->twin == NO_TWIN && its && !strcmp(its, hash))
            n->twin = (int64_t)k;
    }
}

static beginning begin(course *c, size_t i, cvy_status *status, errors *e)
{
    entry *n = &c->entries[i];
    beginning b = may_begin(c, i);
    if (b != BEGUN) return b;
    const double *known = c->w->points ? c->w->points[i] : NULL; /* proposed before a resume */
    n->is.point = known;
    if (!known && c->method->adaptive) *status = propose(c, i, e);
    if (c->closed || *status != CVY_OK) return NO_MORE;
    find_twin(c, i);
    const trial *t = member(c, n, 0);
    n->epochs = t->plan.epochs > 0 ? t->plan.epochs : 1;
    n->values = arena_array(&c->memory, (size_t)n->epochs, sizeof *n->values);
    n->until = early_next(&c->w->space.early, i, c->n, 0, n->epochs);
    if (n->until >= n->epochs) n->until = 0;
    n->begun = n->dirty = true;
    c->begun = i + 1;
    stand(c, i);
    return BEGUN;
}

/* ---- what to do next ---- */

/* A trial that has to go on to where its configuration is now. */
static trial *to_run(const course *c, const entry *n)
{
    if (n->twin != NO_TWIN) return NULL;
    for (size_t k = 0; k < c->per; k++) {
        trial *t = member(c, n, k);
        if (t->state != TRIAL_WAITING && t->state != TRIAL_PAUSED) continue;
        if (!n->until || trained(t) < n->until) return t;
    }
    return NULL;
}

typedef enum position { MOVING, AT_RUNG, AT_END } position;

static position where(const course *c, const entry *n)
{
    bool rung = false;
    for (size_t k = 0; k < c->per; k++) {
        const trial *t = member(c, n, k);
        if (failed(t)) continue;
        if (has_all(t)) {
            rung = rung || (n->until && trained(t) > n->until);
            continue;
        }
        if (t->state != TRIAL_WAITING && t->state != TRIAL_PAUSED) return MOVING;
        if (!n->until || trained(t) < n->until) return MOVING;
        rung = true;
    }
    return rung ? AT_RUNG : AT_END;
}

/* Whether it changed anything. */
static bool ask(course *c, size_t i, bool more, bool force)
{
    entry *n = &c->entries[i];
    const sweep *w = c->w;
    if (n->asked == c->now && !force) return false;
    for (size_t k = 0; k < c->begun; k++)
        if (c->entries[k].twin != NO_TWIN) c->all[k] = c->all[c->entries[k].twin];
    space s = w->space;
    s.metric = w->metric;
    early_verdict v = early_ask(&s.early, &s, c->all, c->begun, more, i, n->until, n->epochs, c->n);
    n->asked = c->now;
    if (v == EARLY_WAIT && force && !more) v = EARLY_GO;
    if (v == EARLY_WAIT) return false;
    if (v == EARLY_STOP) {
        stop_early(c, i);
        return true;
    }
    n->until = early_next(&s.early, i, c->n, n->until, n->epochs);
    if (n->until >= n->epochs) n->until = 0;
    stand(c, i);
    return true;
}

/* One configuration's turn: true when it changed something that others may look at. */
static bool turn(course *c, size_t i)
{
    entry *n = &c->entries[i];
    if (n->twin != NO_TWIN) {
        mirror(c, i);
        return n->over;
    }
    if (n->dirty) stand(c, i);
    n->dirty = false;
    switch (where(c, n)) {
    case AT_END:
        finish(c, i);
        return true;
    case AT_RUNG:
        return ask(c, i, c->begun < c->n && !c->closed, false);
    case MOVING:
        break;
    }
    return false;
}

static bool pop(course *c, agenda_task *task)
{
    if (!c->n_ended) return false;
    size_t at = c->ended[0];
    memmove(c->ended, c->ended + 1, --c->n_ended * sizeof *c->ended);
    trial *t = &c->w->trials[at];
    *task = (agenda_task){.trial = t, .why = c->entries[at / c->per].why};
    return true;
}

/* Rules that wait for what will never come, as halving for a bracket that is larger than what an adaptive method proposes at
 * once: asked again as if no more came, and the first that still waits goes on. */
static bool unlock(course *c)
{
    for (int round = 0; round < 2; round++)
        for (size_t i = c->open; i < c->begun; i++)
            if (!c->entries[i].over && c->entries[i].twin == NO_TWIN && where(c, &c->entries[i]) == AT_RUNG)
                if (ask(c, i, round == 0, round == 1)) return true;
    return false;
}

static bool held(const course *c)
{
    for (size_t i = c->open * c->per; i < c->begun * c->per; i++)
        if (c->w->trials[i].state == TRIAL_STOPPED) return true;
    return false;
}

static void close_rest(course *c)
{
    for (size_t i = c->begun * c->per; i < c->n * c->per; i++)
        if (c->w->trials[i].state == TRIAL_WAITING) c->w->trials[i].state = TRIAL_OPEN;
}

static agenda_answer sweep_next(agenda *g, agenda_task *task, cvy_status *status, errors *e)
{
    course *c = (course *)(void *)g;
    *status = CVY_OK;
    for (;;) {
        bool moved = false;
        if (pop(c, task)) return AGENDA_OVER;
        for (size_t i = c->open; i < c->n; i++) {
            entry *n = &c->entries[i];
            if (!n->over && !n->begun && begin(c, i, status, e) != BEGUN) break;
            while (!n->over && turn(c, i)) moved = true;
            if (n->over && i == c->open) c->open++;
            if (c->n_ended) break;
            trial *t = n->over ? NULL : to_run(c, n);
            if (!t) continue;
            *task = (agenda_task){.trial = t, .until = n->until};
            g->running++;
            return AGENDA_RUN;
        }
        if (*status != CVY_OK) return AGENDA_DONE;
        if (c->n_ended || moved) continue;
        if (g->running) return AGENDA_WAIT;
        if (c->open == c->n || held(c) || !unlock(c)) break;
    }
    if (c->closed) close_rest(c);
    return AGENDA_DONE;
}

void agenda_ended(agenda *g, const trial *t)
{
    g->running--;
    if (g->next != sweep_next) return;
    course *c = (course *)(void *)g;
    c->entries[(size_t)(t - c->w->trials) / c->per].dirty = true;
}

agenda *agenda_sweep(sweep *w, const agenda_options *o)
{
    course *c = mem_alloc(sizeof *c);
    c->face = (agenda){.trials = w->trials, .n = w->n, .next = sweep_next};
    c->w = w;
    c->o = o;
    c->method = search_find(w->space.method);
    c->per = (size_t)w->per;
    c->n = w->n / c->per;
    c->now = 1;
    c->entries = mem_array(c->n + 1, sizeof *c->entries);
    c->all = mem_array(c->n + 1, sizeof *c->all);
    c->results = mem_array(c->n + 1, sizeof *c->results);
    for (size_t i = 0; i < c->n; i++) {
        c->entries[i].first = i * c->per;
        c->entries[i].twin = NO_TWIN;
    }
    return &c->face;
}

void agenda_free(agenda *g)
{
    if (!g) return;
    course *c = (course *)(void *)g;
    planning_close(c->planner);
    arena_free(&c->memory);
    mem_free(c->entries);
    mem_free(c->all);
    mem_free(c->results);
    mem_free(c->ended);
    mem_free(c);
}
