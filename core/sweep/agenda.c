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

enum { NO_TWIN = -1, NOTHING = -1 };

/* A configuration. Its trials are course->per in a row. */
typedef struct entry {
    int32_t until;  /* the epoch that they train to now; 0: to their end */
    int32_t epochs; /* of each, planned */
    int32_t twin;   /* the earlier configuration that it comes to the same as */
    bool begun, over, stopped, proposed;
    bool dirty;                  /* something happened to one of its trials */
    int32_t needs, needs_epochs; /* what its rule waits for: early_need; NOTHING */
    double *curves; /* the metric after each epoch: the mean, then of each trial; NULL where no rule asks */
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
    int32_t *twins; /* begun configurations by their key: an open hash table; -1: free */
    size_t slots;
    char *why; /* of the last trial that was told to be stopped early */
    size_t n, per;
    size_t open;    /* all before are over */
    size_t begun;   /* all before were begun, none behind */
    size_t checked; /* all before are over and have not met the target */
    bool closed;    /* no more are begun */
    size_t *ended;  /* trials whose end is yet to be told */
    size_t n_ended, cap_ended;
} course;

static trial *member(const course *c, const entry *n, size_t k)
{
    return &c->w->trials[(size_t)(n - c->entries) * c->per + k];
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
    return t->measured ? t->epoch : 0;
}

static double *curve_of(const entry *n, size_t k)
{
    return n->curves + (k + 1) * (size_t)n->epochs;
}

/* Takes down what a trial's journals say, for a rule that will ask; they are closed while it does not run. */
static void learn(course *c, entry *n, size_t k)
{
    const trial *t = member(c, n, k);
    if (!n->curves || !t->run) return;
    follow *own = t->journals ? NULL : trial_journals(t, c->o->results);
    const follow *f = own ? own : t->journals;
    double *curve = curve_of(n, k);
    for (int32_t at = 1; at <= n->epochs; at++) curve[at - 1] = follow_at(f, c->w->metric.name, at);
    follow_close(own);
}

static void tell_end(course *c, const trial *t)
{
    c->ended = MEM_GROW(c->ended, c->n_ended, &c->cap_ended);
    c->ended[c->n_ended++] = (size_t)(t - c->w->trials);
}

/* ---- how far a configuration is ---- */

/* How far a trial's values count: not beyond where its configuration is now. */
static int64_t counted(const entry *n, const trial *t)
{
    const int64_t epochs = trained(t);
    return n->until && epochs > n->until ? n->until : epochs;
}

/* Trials that failed count as far as they came: what a configuration had at an epoch stays the same when one of its trials fails
 * behind it. Else those that are compared with it there would depend on who was asked first. */
static void stand(course *c, size_t i)
{
    entry *n = &c->entries[i];
    early_standing *s = &c->all[i];
    int64_t least = -1, before = 0; /* of those that go on; of those that failed the most */
    bool all_have = true;
    for (size_t k = 0; k < c->per; k++) {
        const trial *t = member(c, n, k);
        const int64_t epochs = counted(n, t);
        if (failed(t)) {
            if (epochs > before) before = epochs;
            continue;
        }
        if (!has_all(t)) all_have = false;
        if (least < 0 || epochs < least) least = epochs;
    }
    if (least < 0) least = before;
    if (least > n->epochs) least = n->epochs;
    for (int64_t at = 1; n->curves && at <= least; at++) {
        double sum = 0;
        size_t of = 0;
        for (size_t k = 0; k < c->per; k++) {
            const trial *t = member(c, n, k);
            if (failed(t) && at > counted(n, t)) continue;
            sum += curve_of(n, k)[at - 1];
            of++;
        }
        n->curves[at - 1] = of ? sum / (double)of : (double)NAN;
    }
    /* What has no epochs beyond those that count has nothing to be asked about any more. */
    bool ended = all_have;
    for (size_t k = 0; k < c->per && n->until; k++) {
        const trial *t = member(c, n, k);
        if (!failed(t) && trained(t) > n->until) ended = false;
    }
    *s = (early_standing){.values = n->curves, .epochs = n->curves ? least : 0, .ended = ended};
}

static double mean_of(const course *c, const entry *n)
{
    double sum = 0;
    size_t of = 0;
    for (size_t k = 0; k < c->per; k++) {
        const trial *t = member(c, n, k);
        double v = failed(t) ? (double)NAN : trial_value(t);
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
    c->results[i].value = mean_of(c, n);
    c->results[i].stopped = n->stopped;
    c->all[i].ended = true;
    c->all[i].complete = !n->stopped && !isnan(c->results[i].value);
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
    for (size_t k = 0; k < c->per; k++) {
        trial *t = member(c, n, k);
        if (failed(t)) continue;
        t->state = TRIAL_PRUNED;
        t->until = n->until;
        if (!t->run) continue;
        char *run = mem_text(trial_run_name(t).s); /* measured anew: by the epochs that count */
        trial_take_run(t, c->o->results, run, &c->w->metric);
        mem_free(run);
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
        trial_rest(t);
        t->run = other->run;
        t->borrowed = true; /* its time is counted there */
        t->measured = other->measured;
        t->epoch = other->epoch;
        t->best_epoch = other->best_epoch;
        t->took = other->took;
        t->value = other->value;
        t->val_accuracy = other->val_accuracy;
        t->test_accuracy = other->test_accuracy;
        t->test_loss = other->test_loss;
        t->state = other->state == TRIAL_FINISHED ? TRIAL_KNOWN : other->state;
        t->status = other->status;
        t->until = other->until;
        t->cut = other->cut;
        mem_free(t->why);
        t->why = mem_text(other->why);
    }
    n->stopped = from->stopped;
    n->until = from->until;
    n->epochs = from->epochs;
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
        if (!c->entries[c->checked].over) return LATER;
        if (!meets_target(s, c->results[c->checked].value)) continue;
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
static cvy_status plan_members(course *c, entry *n, const trial_words *words, plan *plans, errors *e)
{
    planning_request *requests = mem_array(c->per, sizeof *requests);
    for (size_t k = 0; k < c->per; k++)
        requests[k] = (planning_request){words[k].overrides, words[k].n_overrides, member(c, n, k)->seed};
    if (!c->planner) c->planner = planning_open(&c->o->planning);
    cvy_status status = planning_ask(c->planner, requests, c->per, plans, e);
    for (size_t k = 0; k < c->per && status == CVY_OK; k++) {
        trial *t = member(c, n, k);
        plan *p = &plans[k];
        if (p->status == CVY_OK) t->seed = p->seed;
        if (p->status == CVY_OK) sweeps_check_plugins(c->w, p);
        t->state = TRIAL_WAITING;
        status = trial_plan(t, &words[k], p, c->w->book, e);
        if (p->status == CVY_OK) continue;
        t->state = TRIAL_REFUSED;
        t->status = p->status;
        mem_free(t->why);
        t->why = mem_text(why_refused(p));
    }
    mem_free(requests);
    return status;
}

static cvy_status choose(course *c, size_t i, const double *point, errors *e)
{
    sweep *w = c->w;
    entry *n = &c->entries[i];
    arena a = {0};
    trial_words *words = arena_array(&a, c->per, sizeof *words);
    plan *plans = mem_array(c->per, sizeof *plans);
    members_make(w->x, (int64_t)i, member(c, n, 0));
    members_words(w->x, &w->space, point, w->overrides, w->n_overrides, &a, words);
    cvy_status status = plan_members(c, n, words, plans, e);
    if (status == CVY_OK) status = sweeps_propose(w, member(c, n, 0), words, plans, c->per, point, e);
    for (size_t k = 0; k < c->per && status == CVY_OK; k++)
        if (member(c, n, k)->state == TRIAL_WAITING)
            sweeps_match_one(w, c->o->results, c->o->known, member(c, n, k));
    for (size_t k = 0; k < c->per; k++) plan_free(&plans[k]);
    mem_free(plans);
    arena_free(&a);
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
    c->results[i].point = point;
    if (member(c, n, 0)->state != TRIAL_OPEN) return CVY_OK;
    n->proposed = true;
    return choose(c, i, point, e);
}

/* The slot of a key: of the configuration there, or free. */
static size_t twin_slot(const course *c, const plan_key *key)
{
    uint64_t h;
    memcpy(&h, key->b, sizeof h);
    size_t at = (size_t)h & (c->slots - 1);
    while (c->twins[at] >= 0 && !plan_key_equal(&member(c, &c->entries[c->twins[at]], 0)->key, key))
        at = (at + 1) & (c->slots - 1);
    return at;
}

/* The first of those that come to the same stands for the others. */
static void find_twin(course *c, size_t i)
{
    entry *n = &c->entries[i];
    const plan_key *key = &member(c, n, 0)->key;
    n->twin = NO_TWIN;
    if (plan_key_none(key)) return;
    const size_t at = twin_slot(c, key);
    if (c->twins[at] >= 0)
        n->twin = c->twins[at];
    else
        c->twins[at] = (int32_t)i;
}

static int32_t next_rung(const course *c, size_t i, int64_t done)
{
    const int64_t epochs = c->entries[i].epochs, next = early_next(&c->w->space.early, i, c->n, done, epochs);
    return next < epochs ? (int32_t)next : 0;
}

static beginning begin(course *c, size_t i, cvy_status *status, errors *e)
{
    entry *n = &c->entries[i];
    beginning b = may_begin(c, i);
    if (b != BEGUN) return b;
    const double *known = c->w->points ? c->w->points[i] : NULL; /* proposed before a resume */
    c->results[i].point = known;
    if (!known && c->method->adaptive) *status = propose(c, i, e);
    if (c->closed || *status != CVY_OK) return NO_MORE;
    find_twin(c, i);
    const trial *t = member(c, n, 0);
    const int64_t epochs = trial_facts(t)->epochs;
    n->epochs = epochs < 1 ? 1 : epochs < INT32_MAX ? (int32_t)epochs : INT32_MAX;
    n->until = next_rung(c, i, 0);
    if (c->w->space.early.kind != EARLY_NONE && n->twin == NO_TWIN)
        n->curves = arena_array(&c->memory, (size_t)n->epochs, (c->per + 1) * sizeof *n->curves);
    for (size_t k = 0; k < c->per; k++) learn(c, n, k);
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

/* Whether what an entry's rule waits for has not come. */
static bool waits(const course *c, const entry *n, bool more)
{
    if (n->needs == NOTHING) return false;
    if ((size_t)n->needs >= c->begun) return more;
    const int32_t twin = c->entries[n->needs].twin;
    const early_standing *s = &c->all[twin != NO_TWIN ? twin : n->needs];
    return !s->ended && s->epochs < n->needs_epochs;
}

/* Whether it changed anything. `force`: it goes on rather than waits. */
static bool ask(course *c, size_t i, bool more, bool force)
{
    entry *n = &c->entries[i];
    const sweep *w = c->w;
    if (!force && waits(c, n, more)) return false;
    for (size_t k = 0; k < c->begun; k++)
        if (c->entries[k].twin != NO_TWIN) c->all[k] = c->all[c->entries[k].twin];
    space s = w->space;
    s.metric = w->metric;
    early_need need;
    early_verdict v = early_ask(&s.early, &s, c->all, c->begun, more, i, n->until, n->epochs, c->n, &need);
    n->needs = v == EARLY_WAIT ? (int32_t)need.config : NOTHING;
    n->needs_epochs = need.epochs < INT32_MAX ? (int32_t)need.epochs : INT32_MAX;
    if (v == EARLY_WAIT && force) v = EARLY_GO;
    if (v == EARLY_WAIT) return false;
    if (v == EARLY_STOP) {
        stop_early(c, i);
        return true;
    }
    n->needs = NOTHING;
    n->until = next_rung(c, i, n->until);
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
    const entry *n = &c->entries[at / c->per];
    mem_free(c->why);
    c->why = NULL;
    if (n->stopped)
        c->why = mem_printf("after epoch %d of %d: %s was not among the better ones", (int)n->until,
                            (int)n->epochs, c->w->metric.name);
    *task = (agenda_task){.trial = &c->w->trials[at], .why = c->why};
    return true;
}

/* Rules that wait for what will never come, as halving for a bracket that is larger than what an adaptive method proposes at
 * once: asked again as if no more came, and the first that still waits goes on. */
static bool unlock(course *c)
{
    for (int round = 0; round < 2; round++)
        for (size_t i = c->open; i < c->begun; i++)
            if (!c->entries[i].over && c->entries[i].twin == NO_TWIN && where(c, &c->entries[i]) == AT_RUNG)
                if (ask(c, i, false, round == 1)) return true;
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
    const size_t at = (size_t)(t - c->w->trials);
    entry *n = &c->entries[at / c->per];
    learn(c, n, at % c->per);
    n->dirty = true;
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
    c->entries = mem_array(c->n + 1, sizeof *c->entries);
    c->all = mem_array(c->n + 1, sizeof *c->all);
    c->results = mem_array(c->n + 1, sizeof *c->results);
    for (size_t i = 0; i < c->n; i++) {
        c->entries[i].twin = NO_TWIN;
        c->entries[i].needs = NOTHING;
        c->results[i].value = (double)NAN;
    }
    c->slots = 16;
    while (c->slots < 2 * c->n) c->slots *= 2;
    c->twins = mem_array(c->slots, sizeof *c->twins);
    for (size_t i = 0; i < c->slots; i++) c->twins[i] = NO_TWIN;
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
    mem_free(c->twins);
    mem_free(c->why);
    mem_free(c->ended);
    mem_free(c);
}
