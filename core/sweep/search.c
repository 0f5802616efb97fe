/* Owns which method a space has and how a refused proposal is made again; must not know how a method proposes. */
#include "sweep/search.h"

#include <math.h>
#include <string.h>

#include "sweep/space_rules.h"

enum { ATTEMPTS = 1000 }; /* proposals that `where` may refuse one after another */

static const search_method *const methods[] = {&search_grid, &search_random, &search_sobol, &search_tpe};

const search_method *search_find(const char *name)
{
    if (!strcmp(name, "bayes")) return &search_tpe;
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        if (!strcmp(methods[i]->name, name)) return methods[i];
    return NULL;
}

static cvy_status too_many(const space *s, size_t n, int64_t repeats, const place *at, errors *e)
{
    text product = {0};
    if (s->run_cap > 0) {
        text_printf(&product, "%zu configurations", n);
    } else if (s->rules && s->rules->listed) {
        text_add(&product, "the combinations under these conditions");
    } else {
        size_t shown = 0;
        for (size_t i = 0; i < s->n && shown < 20; i++) {
            if (space_rules_leader(s, i) != i) continue;
            text_printf(&product, "%s%zu", shown++ ? " x " : "", s->parameters[i].n);
        }
        if (s->n > 20) text_add(&product, " x ...");
    }
    if (repeats > 1) text_printf(&product, ", %lld times", (long long)repeats);
    const char *hint = s->run_cap > 0
                           ? "lower `run_cap:`"
                           : "sweep fewer values at a time, or draw from them: `method: random` with "
                             "`run_cap:`";
    errors_add(e, CVY_ERR_CONFIG, at, hint, "%s are more than %d trials", text_str(&product),
               SEARCH_MAX_TRIALS);
    text_free(&product);
    return CVY_ERR_CONFIG;
}

/* Whether anything is left of a space that is drawn from: better told now than at the first draw. */
static cvy_status try_draw(const space *s, errors *e)
{
    if (!s->rules || !s->rules->n_where) return CVY_OK;
    double *point = mem_array(s->n + 1, sizeof *point);
    bool found = search_propose(s, 0, NULL, 0, 0, point, e);
    mem_free(point);
    return found ? CVY_OK : CVY_ERR_CONFIG;
}

cvy_status search_count(const space *s, int64_t repeats, const place *at, size_t *configs, errors *e)
{
    const search_method *m = search_find(s->method);
    size_t n = 0, trials = 0;
    *configs = 0;
    cvy_status status = m ? m->count(s, &n, e) : CVY_ERR_CONFIG;
    if (status != CVY_OK) return status;
    if (s->run_cap > 0 && (!n || (uint64_t)s->run_cap < n)) n = (size_t)s->run_cap;
    *configs = n;
    if (!size_mul(n, (size_t)repeats, &trials) || trials > SEARCH_MAX_TRIALS)
        return too_many(s, n, repeats, at, e);
    return m == &search_grid ? CVY_OK : try_draw(s, e);
}

size_t search_visible(const space *s, size_t config)
{
    size_t behind = s->parallelism > 1 ? (size_t)s->parallelism : 1;
    return config >= behind ? config - behind + 1 : 0;
}

static void nothing_left(const space *s, int which, errors *e)
{
    const space_where *w = which >= 0 ? &s->rules->where[which] : NULL;
    errors_add(e, CVY_ERR_CONFIG, w ? &w->at : s->method_at, w ? "allow more" : NULL,
               w ? "sweep: where: %d configurations that were tried in a row are refused"
                 : "sweep: there are no more configurations after %d",
               ATTEMPTS);
}

bool search_propose(const space *s, uint64_t seed, const search_result *results, size_t n_results,
                    size_t config, double *point, errors *e)
{
    const search_method *m = search_find(s->method);
    size_t visible = m->adaptive ? search_visible(s, config) : 0;
    if (visible > n_results) visible = n_results;
    int refused = -1;
    for (uint32_t attempt = 0; attempt < ATTEMPTS; attempt++) {
        if (!m->propose(s, seed, results, visible, config, attempt, point)) break;
        refused = space_rules_refused(s, point);
        if (refused < 0) return true;
    }
    nothing_left(s, refused, e);
    return false;
}
