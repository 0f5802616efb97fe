/* Owns the checks of descriptors and parameter tables beyond what loading refuses; must not know kinds. */
#include "check/parameters.h"

#include <math.h>
#include <string.h>

#include "config/params_table.h"

void parameters_descriptor(specimen *s, verdict *v)
{
    const cvy_descriptor *d = s->d, *t = s->twin;
    if (d->name[strspn(d->name, "abcdefghijklmnopqrstuvwxyz0123456789_")])
        verdict_fail(v, "the name \"%s\" is not small letters, digits and '_'", d->name);
    if (strlen(d->summary) > 200)
        verdict_fail(v, "the summary is longer than a line: %zu bytes", strlen(d->summary));
    if (!t) {
        if (d->kind <= CVY_OPTIMIZER) verdict_note(v, "there is no twin, `plugin check SOURCE.c` builds one");
        return;
    }
    if (t->config_size != d->config_size || t->n_params != d->n_params) {
        verdict_fail(v,
                     "the double twin has another configuration: %zu bytes and %u parameters, not %zu and %u",
                     t->config_size, t->n_params, d->config_size, d->n_params);
        return;
    }
    params_table a = params_of(d, NULL), b = params_of(t, NULL);
    for (size_t i = 0; i < a.n; i++) {
        cvy_param p = params_entry(&a, i), q = params_entry(&b, i);
        if (strcmp(p.name, q.name) != 0 || p.kind != q.kind || p.offset != q.offset)
            verdict_fail(v, "parameter %zu is \"%s\" here and \"%s\" in the double twin", i, p.name, q.name);
    }
}

/* ---- parameters ---- */

/* Fills this one parameter from a map; whether it is accepted. */
static bool accepted(specimen *s, cvy_param *p, const node *map, errors *e)
{
    void *config = arena_alloc(&s->memory, s->d->config_size);
    params_table one = {p, 1, sizeof *p, config};
    return params_fill(&s->memory, &one, 1, map, NULL, e) == CVY_OK;
}

static const node *map_of(specimen *s, const cvy_param *p, double value)
{
    text t = {0};
    place nowhere = PLACE_NONE;
    node *map = tree_map(&s->memory, &nowhere);
    if (p->kind == CVY_PARAM_FLOAT)
        text_double(&t, value);
    else
        text_printf(&t, "%.0f", value);
    node_put(&s->memory, map, arena_text(&s->memory, p->name), &nowhere,
             tree_scalar(&s->memory, text_str(&t), false, &nowhere));
    text_free(&t);
    return map;
}

static void check_outside(specimen *s, cvy_param *p, double value, verdict *v)
{
    errors e = {0};
    if (isfinite(value) && fabs(value) < 9e15 && accepted(s, p, map_of(s, p, value), &e))
        verdict_fail(v, "parameter \"%s\" accepts %g, outside %g to %g", p->name, value, p->min, p->max);
    errors_free(&e);
}

static void check_default(specimen *s, cvy_param *p, verdict *v)
{
    errors e = {0};
    if (!accepted(s, p, NULL, &e)) verdict_errors(v, &e);
    errors_free(&e);
}

void parameters_check(specimen *s, verdict *v)
{
    params_table t = params_of(s->d, NULL);
    size_t n = 0;
    for (size_t i = 0; i < t.n; i++) {
        cvy_param p = params_entry(&t, i);
        if (p.kind == CVY_PARAM_ALSO) continue;
        n++;
        if (!p.help || !*p.help) verdict_fail(v, "parameter \"%s\" has no help text", p.name);
        bool child = p.kind == CVY_PARAM_CHILD || p.kind == CVY_PARAM_CHILDREN;
        if (p.fallback && !child) check_default(s, &p, v);
        if (p.kind != CVY_PARAM_INT && p.kind != CVY_PARAM_FLOAT) continue;
        double step = p.kind == CVY_PARAM_INT ? 1 : 1 + fabs(p.max) * 1e-3;
        if (params_has_max(&p)) check_outside(s, &p, p.max + step, v);
        step = p.kind == CVY_PARAM_INT ? 1 : 1 + fabs(p.min) * 1e-3;
        if (params_has_min(&p)) check_outside(s, &p, p.min - step, v);
    }
    if (!n) verdict_note(v, "it takes none");
}
