/* Walks from an optimizer to those it wraps, by their declared parameters. Must not know what they compute. */
#include "train/wrapped.h"

#include <string.h>

#include "config/params_table.h"

static params_table wrapped_params(const cvy_child *o)
{
    return params_of(o->plugin, (void *)(uintptr_t)o->config);
}

/* The i-th parameter as a wrapped optimizer; NULL when it is something else. */
static const cvy_child *wrapped_child(const params_table *t, size_t i)
{
    cvy_param p = params_entry(t, i);
    if (p.kind != CVY_PARAM_CHILD || p.child != CVY_OPTIMIZER) return NULL;
    const cvy_child *c = (const void *)((const char *)t->config + p.offset);
    return c->plugin ? c : NULL;
}

typedef struct wrapped_names {
    arena *a;
    const char **names;
    size_t n;
} wrapped_names;

static void wrapped_add(wrapped_names *w, const cvy_child *o, const char *prefix)
{
    const char *const *own = ((const cvy_optimizer *)o->plugin->type)->slots(o->config);
    for (; own && *own; own++, w->n++)
        if (w->n < CVY_MAX_SLOTS) w->names[w->n] = arena_printf(w->a, "%s%s", prefix, *own);
    params_table t = wrapped_params(o);
    for (size_t i = 0; i < t.n; i++) {
        const cvy_child *c = wrapped_child(&t, i);
        if (c) wrapped_add(w, c, arena_printf(w->a, "%s%s.", prefix, c->plugin->name));
    }
}

size_t wrapped_slots(const cvy_child *optimizer, arena *a, const char *names[CVY_MAX_SLOTS])
{
    wrapped_names w = {a, names, 0};
    wrapped_add(&w, optimizer, "");
    return w.n;
}

bool wrapped_is_average(const char *slot)
{
    const char *dot = strrchr(slot, '.');
    return strcmp(dot ? dot + 1 : slot, CVY_SLOT_AVERAGE) == 0;
}

bool wrapped_elementwise(const cvy_child *optimizer)
{
    params_table t = wrapped_params(optimizer);
    bool all = ((const cvy_optimizer *)optimizer->plugin->type)->elementwise != 0;
    for (size_t i = 0; all && i < t.n; i++) {
        const cvy_child *c = wrapped_child(&t, i);
        if (c) all = wrapped_elementwise(c);
    }
    return all;
}

bool wrapped_number(const cvy_child *optimizer, const char *name, double *v)
{
    params_table t = wrapped_params(optimizer);
    if (params_number(&t, name, v)) return true;
    for (size_t i = 0; i < t.n; i++) {
        const cvy_child *c = wrapped_child(&t, i);
        if (c && wrapped_number(c, name, v)) return true;
    }
    return false;
}

const void *wrapped_without_decay(const cvy_child *optimizer, arena *a)
{
    char *copy = arena_alloc(a, optimizer->plugin->config_size);
    memcpy(copy, optimizer->config, optimizer->plugin->config_size);
    params_table t = params_of(optimizer->plugin, copy);
    for (size_t i = 0; i < t.n; i++) {
        cvy_param p = params_entry(&t, i);
        const cvy_child *c = wrapped_child(&t, i);
        const double none = 0;
        if (c) {
            cvy_child inner = {c->plugin, wrapped_without_decay(c, a)};
            memcpy(copy + p.offset, &inner, sizeof inner);
        } else if (p.kind == CVY_PARAM_FLOAT && strcmp(p.name, "weight_decay") == 0) {
            memcpy(copy + p.offset, &none, sizeof none);
        }
    }
    return copy;
}

bool wrapped_averages(const cvy_child *optimizer)
{
    arena a = {0};
    const char *names[CVY_MAX_SLOTS];
    size_t n = wrapped_slots(optimizer, &a, names);
    bool any = false;
    for (size_t i = 0; i < n && i < CVY_MAX_SLOTS; i++) any = any || wrapped_is_average(names[i]);
    arena_free(&a);
    return any;
}
