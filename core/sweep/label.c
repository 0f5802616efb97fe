/* Owns the short names of configurations; must not know how they are run. */
#include "sweep/label.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "config/item.h"
#include "config/scalar.h"
#include "sweep/space_rules.h"

enum { VALUE_MAX = 40 }; /* bytes shown of a value that is no single word */

/* Slots that hold a plugin or a model: their value needs no name in front. */
static bool names_itself(const char *path)
{
    static const char *const slots[] = {"model", "dataset", "loss", "train.optimizer", "train.lr_schedule"};
    if (text_ends(path, ".type")) return true;
    for (size_t i = 0; i < sizeof slots / sizeof *slots; i++)
        if (!strcmp(path, slots[i])) return true;
    return false;
}

static void add_value(text *out, const node *n)
{
    if (n->kind == NODE_SCALAR && scalar_classify(n) == SCALAR_FLOAT) {
        char *end;
        double v = strtod(n->s, &end); /* as written, 1e-3 and 0.001 would differ */
        if (end != n->s && !*end) {
            text_double(out, v);
            return;
        }
    }
    if (n->kind == NODE_SCALAR) {
        text_safe(out, n->s, VALUE_MAX);
        return;
    }
    text flow = {0};
    tree_write_flow(n, &flow);
    text_safe(out, text_str(&flow), VALUE_MAX);
    text_free(&flow);
}

/* The path's end, as long as it must be to tell it from the other parameters' ends. */
static const char *short_path(const space *s, size_t parameter)
{
    const char *path = s->parameters[parameter].path, *end = path + strlen(path);
    for (const char *from = end;;) {
        while (from > path && from[-1] != '.') from--;
        bool alone = true;
        for (size_t i = 0; i < s->n; i++) {
            const char *other = s->parameters[i].path;
            size_t n = strlen(from), m = strlen(other);
            if (i == parameter || (s->parameters[i].kind == SPACE_CHOICE && s->parameters[i].n < 2)) continue;
            if (m >= n && !strcmp(other + m - n, from) && (m == n || other[m - n - 1] == '.')) alone = false;
        }
        if (alone || from == path) return from;
        from--; /* over the dot */
    }
}

/* Whether every value of the parameter has the same under this key: then it tells nothing. */
static bool constant(const space_parameter *p, const char *key, const node *value)
{
    for (size_t i = 0; i < p->n; i++) {
        const node *other = node_get(p->values[i], key);
        if (!other || !node_equal(other, value)) return false;
    }
    return true;
}

static const char *type_of(arena *a, const node *n, const node **params)
{
    item it;
    *params = NULL;
    if (n->kind == NODE_LIST || !item_read(a, n, false, &it, NULL)) return NULL;
    *params = it.params;
    return it.type;
}

/* The file's own name of a model file's path. */
static const char *model_name(const char *type)
{
    const char *slash = strrchr(type, '/');
    return slash ? slash + 1 : type;
}

/* adam lr=0.001; what all values share is left out, unless nothing else remains. */
static bool add_plugin(text *out, const space_parameter *p, const node *value)
{
    arena a = {0};
    const node *params, *first_params;
    const char *type = type_of(&a, value, &params), *first = type_of(&a, p->values[0], &first_params);
    bool same = first != NULL;
    for (size_t i = 1; i < p->n && same; i++) {
        const node *other_params;
        const char *other = type_of(&a, p->values[i], &other_params);
        same = other && !strcmp(other, first);
    }
    if (type) {
        bool space_before = false;
        if (!same) {
            text_safe(out, model_name(type), VALUE_MAX);
            space_before = true;
        }
        for (size_t i = 0; i < params->n; i++) {
            if (constant(p, params->keys[i], params->items[i])) continue;
            text_printf(out, "%s%s=", space_before ? " " : "", params->keys[i]);
            add_value(out, params->items[i]);
            space_before = true;
        }
        if (!space_before) text_safe(out, model_name(type), VALUE_MAX);
    }
    arena_free(&a);
    return type != NULL;
}

static void add_choice(text *out, const space *s, size_t i, size_t choice)
{
    const space_parameter *p = &s->parameters[i];
    const node *value = p->values[choice];
    if (!strcmp(p->path, "model") && value->kind == NODE_LIST) {
        text_printf(out, "model %zu", choice + 1); /* layers written in place have no name */
        return;
    }
    if (names_itself(p->path) && add_plugin(out, p, value)) return;
    bool typed = value->kind == NODE_MAP && node_get(value, "type");
    if (typed && add_plugin(out, p, value)) return;
    text_printf(out, "%s=", short_path(s, i));
    add_value(out, value);
}

/* One of the list `configurations:`, by its name or its number. */
static void add_configuration(text *out, const node *configuration, size_t choice)
{
    const char *name = space_rules_name(configuration);
    if (name)
        text_safe(out, name, VALUE_MAX);
    else
        text_printf(out, "configuration %zu", choice + 1);
}

void label_of(const space *s, const double *point, text *out)
{
    size_t before = out->n;
    for (size_t i = 0; i < s->n; i++) {
        const space_parameter *p = &s->parameters[i];
        bool choice = p->kind == SPACE_CHOICE;
        if (isnan(point[i]) || (choice && p->n < 2)) continue;
        if (out->n > before) text_add(out, ", ");
        if (choice && i == 0 && s->rules && s->rules->configurations)
            add_configuration(out, p->values[(size_t)point[i]], (size_t)point[i]);
        else if (choice)
            add_choice(out, s, i, (size_t)point[i]);
        else
            text_printf(out, "%s=%.*g", short_path(s, i), p->integer ? 15 : 4, point[i]);
    }
}
