/* Owns what a point of a space sets in an experiment; must not know how points are chosen. */
#include <math.h>

#include "sweep/space.h"
#include "sweep/space_rules.h"

/* A number that was drawn, as it is written: reading it gives the same number. */
static const node *number(const space_parameter *p, double v, arena *a)
{
    text t = {0};
    if (p->integer && fabs(v) < 9e15)
        text_printf(&t, "%lld", (long long)v);
    else
        text_double(&t, v);
    const node *n = tree_scalar(a, arena_text(a, text_str(&t)), false, &p->at);
    text_free(&t);
    return n;
}

space_setting *space_settings(const space *s, const double *point, arena *a, size_t *n)
{
    size_t most = s->n;
    if (s->rules && s->rules->configurations)
        most += space_rules_set(s->parameters[0].values[(size_t)point[0]])->n;
    space_setting *out = arena_array(a, most + 1, sizeof *out);
    *n = 0;
    for (size_t i = 0; i < s->n; i++) {
        const space_parameter *p = &s->parameters[i];
        if (isnan(point[i])) continue;
        const node *value = p->kind == SPACE_CHOICE ? p->values[(size_t)point[i]] : number(p, point[i], a);
        if (i == 0 && s->rules && s->rules->configurations) {
            const node *set = space_rules_set(value);
            for (size_t k = 0; k < set->n; k++)
                out[(*n)++] = (space_setting){set->keys[k], set->items[k], set->items[k]->at};
        } else {
            out[(*n)++] = (space_setting){p->path, value, value->at};
        }
    }
    return out;
}

const char **space_overrides(const space *s, const double *point, arena *a, size_t *n)
{
    const space_setting *all = space_settings(s, point, a, n);
    const char **out = arena_array(a, *n + 1, sizeof *out);
    for (size_t i = 0; i < *n; i++) {
        text t = {0};
        text_printf(&t, "%s=", all[i].path);
        tree_write_flow(all[i].value, &t);
        out[i] = arena_text(a, text_str(&t));
        text_free(&t);
    }
    return out;
}
