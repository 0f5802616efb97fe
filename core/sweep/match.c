/* Owns which run a trial has already; must not know how trials are trained. */
#include <string.h>

#include "base/file.h"
#include "sweep/runs.h"
#include "sweep/sweeps.h"

static bool is_own(const sweep *w, const known_run *r)
{
    return r->sweep && !strcmp(r->sweep, w->name);
}

/* Whether somebody works on the sweep that a run belongs to: then it is trained there, now or soon. */
static bool is_wanted(const sweep *w, const char *results, const known_run *r)
{
    if (!r->sweep || is_own(w, r)) return false;
    char *dir = path_join(results, r->sweep);
    const bool held = runs_held(dir);
    mem_free(dir);
    return held;
}

/* The run that a trial has: of this sweep, or else another of the same configuration that is finished or can
 * go on. */
static bool run_for(const sweep *w, const char *results, const trial *t, known_runs *k, known_run *out)
{
    known_run other;
    bool own = known_find(k, &t->key, w->name, out);
    if (w->again || (own && out->state == FOLLOW_FINISHED)) return own;
    if (!known_find(k, &t->key, NULL, &other)) return own;
    bool continues = !strcmp(other.exact_key, trial_facts(t)->exact_key) && other.state != FOLLOW_RUNNING;
    if (other.state != FOLLOW_FINISHED && (own || !continues || is_wanted(w, results, &other))) return own;
    *out = other;
    return true;
}

void sweeps_match_one(const sweep *w, const char *results, known_runs *k, trial *t)
{
    known_run r;
    if (t->state != TRIAL_WAITING || !run_for(w, results, t, k, &r)) return;
    trial_take_run(t, results, r.name, &w->metric);
    t->borrowed = !is_own(w, &r);
    if (r.state == FOLLOW_FINISHED)
        t->state = TRIAL_KNOWN;
    else
        t->resumed = true;
}

void sweeps_match(sweep *w, const char *results, known_runs *k)
{
    for (size_t i = 0; i < w->n; i++) sweeps_match_one(w, results, k, &w->trials[i]);
}
