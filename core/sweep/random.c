/* Owns random search: every configuration drawn for itself. Must not know the other methods.
 *
 * A configuration may be drawn twice where values are few, as W&B does; equal configurations are trained once. */
#include "sweep/random.h"

#include "sweep/distribution.h"
#include "sweep/search.h"
#include "sweep/space_rules.h"

double random_unit(philox_stream *r)
{
    uint64_t high = philox_u32(r) >> 5, low = philox_u32(r) >> 6; /* 27 and 26 bits */
    return ((double)(high << 26 | low) + 0.5) * 0x1p-53;
}

philox_stream random_open(uint64_t seed, const char *purpose, const char *path, size_t config,
                          uint32_t attempt)
{
    return philox_open(philox_key_of(seed, purpose, path), config, attempt);
}

void random_draw(const space *s, uint64_t seed, size_t config, uint32_t attempt, double *point)
{
    for (size_t i = 0; i < s->n; i++) {
        if (space_rules_leader(s, i) != i) continue;
        philox_stream r = random_open(seed, "sweep", s->parameters[i].path, config, attempt);
        point[i] = distribution_quantile(&s->parameters[i], random_unit(&r));
    }
    space_rules_settle(s, point);
}

cvy_status random_count(const space *s, size_t *n, errors *e)
{
    *n = 0;
    if (s->run_cap > 0) return CVY_OK;
    return errors_add(e, CVY_ERR_CONFIG, s->method_at, "as in run_cap: 50",
                      "sweep: method %s draws as long as it is let: `run_cap:` is missing", s->method);
}

static bool propose(const space *s, uint64_t seed, const search_result *results, size_t n_results,
                    size_t config, uint32_t attempt, double *point)
{
    (void)results;
    (void)n_results;
    random_draw(s, seed, config, attempt, point);
    return true;
}

const search_method search_random = {.name = "random", .count = random_count, .propose = propose};
