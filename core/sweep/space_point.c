/* Owns what a point of a space sets in an experiment; must not know how points are chosen. */
#include <math.h>
#include <string.h>

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

/* ---- messages ---- */

size_t space_parameter_at(const space *s, const char *file, int line, int column)
{
    if (!file || line <= 0) return SIZE_MAX;
    for (size_t i = 0; i < s->n; i++) {
        const space_parameter *p = &s->parameters[i];
        for (size_t k = 0; p->kind == SPACE_CHOICE && k < p->n; k++) {
            const place *at = &p->values[k]->at;
            if (at->line == line && at->column == column && at->file && !strcmp(at->file, file)) return i;
        }
    }
    return SIZE_MAX;
}

size_t space_decider(const space *s, size_t i)
{
    const char *path = i < s->n ? s->parameters[i].path : "", *last = strrchr(path, '.');
    const size_t n = last ? (size_t)(last - path) : 0;
    for (size_t k = 0; n && k < s->n; k++) {
        const char *other = s->parameters[k].path;
        const bool around = !strncmp(other, path, n) && (!other[n] || !strcmp(other + n, ".type"));
        if (k != i && around && s->parameters[k].kind == SPACE_CHOICE && s->parameters[k].n <= 64) return k;
    }
    return SIZE_MAX;
}

const char *space_when_hint(const space *s, size_t i, uint64_t lacking, arena *a)
{
    const size_t k = space_decider(s, i);
    if (k == SIZE_MAX) return NULL;
    const space_parameter *p = &s->parameters[k];
    text list = {0};
    size_t n = 0;
    for (size_t v = 0; v < p->n; v++) {
        const node *value = p->values[v];
        const node *type = value->kind == NODE_MAP ? node_get(value, "type") : value;
        if (lacking >> v & 1 || !type || type->kind != NODE_SCALAR) continue;
        text_printf(&list, "%s%s", n++ ? ", " : "", type->s);
    }
    const char *whole = text_ends(p->path, ".type") ? "" : ".type";
    const char *hint =
        n ? arena_printf(a, "not every plugin here has it: write `when: {%s%s: %s%s%s}` beside it", p->path,
                         whole, n > 1 ? "[" : "", text_str(&list), n > 1 ? "]" : "")
          : NULL;
    text_free(&list);
    return hint;
}
