/* Owns the order of a grid's configurations; must not know what the values mean. */
#include "sweep/grid.h"

cvy_status grid_count(const space *s, int64_t repeats, const place *at, size_t *configs, errors *e)
{
    size_t n = 1, trials = 0;
    bool fits = true;
    for (size_t i = 0; i < s->n; i++) fits = fits && size_mul(n, s->parameters[i].n, &n);
    *configs = n;
    if (fits && size_mul(n, (size_t)repeats, &trials) && trials <= GRID_MAX_TRIALS) return CVY_OK;
    text product = {0};
    for (size_t i = 0; i < s->n && i < 20; i++)
        text_printf(&product, "%s%zu", i ? " x " : "", s->parameters[i].n);
    if (s->n > 20) text_add(&product, " x ...");
    if (repeats > 1) text_printf(&product, ", %lld times", (long long)repeats);
    errors_add(e, CVY_ERR_CONFIG, at, "sweep fewer values at a time", "%s are more than %d trials",
               text_str(&product), GRID_MAX_TRIALS);
    text_free(&product);
    return CVY_ERR_CONFIG;
}

size_t grid_choice(const space *s, size_t config, size_t parameter)
{
    for (size_t i = s->n; i-- > parameter + 1;) config /= s->parameters[i].n;
    return config % s->parameters[parameter].n;
}

const char **grid_overrides(const space *s, size_t config, arena *a)
{
    const char **out = arena_array(a, s->n + 1, sizeof *out);
    for (size_t i = 0; i < s->n; i++) {
        const space_parameter *p = &s->parameters[i];
        text t = {0};
        text_printf(&t, "%s=", p->path);
        tree_write_flow(p->values[grid_choice(s, config, i)], &t);
        out[i] = arena_text(a, text_str(&t));
        text_free(&t);
    }
    return out;
}
