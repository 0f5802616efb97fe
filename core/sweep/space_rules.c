/* Owns what conditions, constraints and zips mean for a point; must not know how they are written in a file, nor who draws. */
#include "sweep/space_rules.h"

#include <math.h>
#include <string.h>

#include "sweep/expression.h"

size_t space_rules_leader(const space *s, size_t i)
{
    return s->rules && s->rules->leader ? s->rules->leader[i] : i;
}

size_t space_rules_order(const space *s, size_t k)
{
    return s->rules && s->rules->order ? s->rules->order[k] : k;
}

const node *space_rules_looked(const space *s, const space_condition *c, const node *v)
{
    if (s->rules && s->rules->configurations && c->parameter == 0) {
        if (!c->inner) return node_get(v, "name");
        return node_get(space_rules_set(v), c->inner);
    }
    return c->inner ? expression_inner(v, c->inner) : v;
}

bool space_rules_is(const space *s, const space_condition *c, const node *v, const node *wanted)
{
    const node *found = space_rules_looked(s, c, v);
    double a, b;
    if (!found) return false;
    return node_equal(found, wanted) ||
           (node_double(found, &a, NULL) && node_double(wanted, &b, NULL) && a == b);
}

static bool holds(const space *s, const double *point, const space_condition *c)
{
    const space_parameter *p = &s->parameters[c->parameter];
    double at = point[c->parameter], v;
    if (isnan(at)) return false; /* it has no value, so it is none of these */
    for (size_t i = 0; i < c->n; i++) {
        if (p->kind == SPACE_CHOICE ? space_rules_is(s, c, p->values[(size_t)at], c->values[i])
                                    : node_double(c->values[i], &v, NULL) && v == at)
            return true;
    }
    return false;
}

bool space_rules_active(const space *s, const double *point, size_t i)
{
    if (!s->rules || !s->rules->n_when) return true;
    for (size_t k = 0; k < s->rules->n_when[i]; k++)
        if (!holds(s, point, &s->rules->when[i][k])) return false;
    return true;
}

void space_rules_settle(const space *s, double *point)
{
    if (!s->rules) return;
    for (size_t i = 0; i < s->n; i++) point[i] = point[space_rules_leader(s, i)];
    for (size_t k = 0; k < s->n; k++) {
        size_t i = space_rules_order(s, k);
        if (!space_rules_active(s, point, i)) point[i] = (double)NAN;
    }
}

int space_rules_refused(const space *s, const double *point)
{
    for (size_t i = 0; s->rules && i < s->rules->n_where; i++)
        if (!expression_holds(s->rules->where[i].e, s, point)) return (int)i;
    return -1;
}

const node *space_rules_set(const node *configuration)
{
    const node *set = node_get(configuration, "set");
    return set && set->kind == NODE_MAP ? set : configuration;
}

const char *space_rules_name(const node *configuration)
{
    const node *name = node_get(configuration, "name");
    return name && name->kind == NODE_SCALAR ? name->s : NULL;
}
