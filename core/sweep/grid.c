/* Owns the order of a grid's configurations: all combinations, the last parameter changing fastest. Must not know what the values
 * mean. */
#include <math.h>

#include "sweep/search.h"
#include "sweep/space_rules.h"

/* Ranges without steps were refused when the space was read. */
static cvy_status count(const space *s, size_t *n, errors *e)
{
    *n = 1;
    if (s->rules && s->rules->listed) {
        const space_listed *all = s->rules->listed;
        *n = all->n + all->more;
        const place *at = s->rules->n_where ? &s->rules->where[0].at : s->method_at;
        if (all->exhausted)
            return errors_add(
                e, CVY_ERR_CONFIG, at, "sweep fewer values, or use `method: random` with `run_cap:`",
                "sweep: more than %d combinations would have to be looked at", SPACE_LOOKED_MAX);
        if (all->n) return CVY_OK;
        return errors_add(e, CVY_ERR_CONFIG, at, "allow more", "sweep: where: every combination is refused");
    }
    for (size_t i = 0; i < s->n; i++)
        if (space_rules_leader(s, i) == i && !size_mul(*n, s->parameters[i].n, n)) {
            *n = SIZE_MAX; /* more than can be counted; a run_cap may still make it few */
            break;
        }
    return CVY_OK;
}

static bool propose(const space *s, uint64_t seed, const search_result *results, size_t n_results,
                    size_t config, uint32_t attempt, double *point)
{
    (void)seed;
    (void)results;
    (void)n_results;
    if (attempt) return false;
    if (s->rules && s->rules->listed) {
        const space_listed *all = s->rules->listed;
        if (config >= all->n) return false;
        for (size_t i = 0; i < s->n; i++) {
            uint32_t choice = all->choices[config * s->n + i];
            point[i] = choice == SPACE_ABSENT ? (double)NAN : (double)choice;
        }
        return true;
    }
    for (size_t i = s->n; i-- > 0;) {
        if (space_rules_leader(s, i) != i) continue;
        point[i] = (double)(config % s->parameters[i].n);
        config /= s->parameters[i].n;
    }
    space_rules_settle(s, point);
    return config == 0;
}

const search_method search_grid = {.name = "grid", .count = count, .propose = propose};
