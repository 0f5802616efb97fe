/* Owns reading entries of parameter tables across builds, and their ranges; must not fill or print values. */
#include "config/params_table.h"

#include <math.h>
#include <string.h>

cvy_param params_entry(const params_table *t, size_t i)
{
    cvy_param p = {0};
    memcpy(&p, (const char *)t->params + i * t->param_size,
           t->param_size < sizeof p ? t->param_size : sizeof p);
    return p;
}

size_t params_field_size(uint32_t kind)
{
    switch (kind) {
    case CVY_PARAM_INT:
        return sizeof(int64_t);
    case CVY_PARAM_FLOAT:
        return sizeof(double);
    case CVY_PARAM_BOOL:
        return sizeof(int32_t);
    case CVY_PARAM_STRING:
        return sizeof(const char *);
    case CVY_PARAM_ENUM:
        return sizeof(int32_t);
    case CVY_PARAM_PAIR:
        return 2 * sizeof(int64_t);
    case CVY_PARAM_TRIPLE:
        return 3 * sizeof(int64_t);
    case CVY_PARAM_PADDING:
        return sizeof(cvy_padding);
    case CVY_PARAM_LAYERS:
        return sizeof(cvy_layers);
    case PARAMS_NODE:
        return sizeof(const node *);
    case CVY_PARAM_INTS:
        return sizeof(cvy_ints);
    case CVY_PARAM_FLOATS:
        return sizeof(cvy_floats);
    case CVY_PARAM_CHILD:
        return sizeof(cvy_child);
    case CVY_PARAM_CHILDREN:
        return sizeof(cvy_children);
    default:
        return 0;
    }
}

bool params_ranged(const cvy_param *p)
{
    return p->kind == CVY_PARAM_INT || p->kind == CVY_PARAM_FLOAT || p->kind == CVY_PARAM_PAIR ||
           p->kind == CVY_PARAM_TRIPLE || p->kind == CVY_PARAM_PADDING || p->kind == CVY_PARAM_INTS ||
           p->kind == CVY_PARAM_FLOATS;
}

/* Limits as far out as an int64_t reaches, or the largest doubles, are "no limit" in C's words. */
bool params_has_min(const cvy_param *p)
{
    return params_ranged(p) &&
           p->min > (p->kind == CVY_PARAM_FLOAT || p->kind == CVY_PARAM_FLOATS ? -1e300 : -9.2e18);
}

bool params_has_max(const cvy_param *p)
{
    return params_ranged(p) &&
           p->max < (p->kind == CVY_PARAM_FLOAT || p->kind == CVY_PARAM_FLOATS ? 1e300 : 9.2e18);
}

void params_limit(const cvy_param *p, double limit, text *out)
{
    if (p->kind != CVY_PARAM_FLOAT && p->kind != CVY_PARAM_FLOATS && fabs(limit) < 9.2e18) {
        text_printf(out, "%.0f", limit);
    } else {
        text_double(out, limit);
    }
}
