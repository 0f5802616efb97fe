/* `convoy schema`: the experiment file as JSON Schema (2020-12), for editors. Owns how declared parameters and the
 * file's own keys read there; must not know any plugin. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "cli/cmd_plugin.h"
#include "config/experiment_check.h"
#include "config/params_table.h"
#include "train/schedule.h"
#include "train/settings.h"

static void put_range(json_writer *w, const cvy_param *p)
{
    bool whole = p->kind != CVY_PARAM_FLOAT && p->kind != CVY_PARAM_FLOATS;
    const char *const keys[] = {"minimum", "maximum"};
    const double limits[] = {p->min, p->max};
    const bool has[] = {params_has_min(p), params_has_max(p)};
    for (size_t i = 0; i < 2; i++) {
        if (!has[i]) continue;
        if (whole)
            json_put_int(w, keys[i], (int64_t)limits[i]);
        else
            json_put_double(w, keys[i], limits[i]);
    }
}

static void put_number(json_writer *w, const cvy_param *p, const char *type)
{
    json_open(w, '{');
    json_put_text(w, "type", type);
    put_range(w, p);
    json_close(w, '}');
}

static void put_ref(json_writer *w, const char *name)
{
    char *path = mem_printf("#/$defs/%s", name);
    json_open(w, '{');
    json_put_text(w, "$ref", path);
    json_close(w, '}');
    mem_free(path);
}

/* `"array"` of `items`, into an open object. */
static void put_list(json_writer *w, const cvy_param *p, const char *type)
{
    json_put_text(w, "type", "array");
    json_key(w, "items");
    put_number(w, p, type);
}

static bool nullable(const cvy_param *p)
{
    return p->fallback && !strcmp(p->fallback, "null") &&
           (p->kind == CVY_PARAM_STRING || p->kind == CVY_PARAM_CHILD || p->kind == CVY_PARAM_CHILDREN);
}

/* What the value may be, into an open object. `word` stands for a number of INT parameters; NULL: none does. */
static void put_value(json_writer *w, const cvy_param *p, const char *word)
{
    switch (p->kind) {
    case CVY_PARAM_INT:
        if (!word) {
            json_put_text(w, "type", "integer");
            put_range(w, p);
            break;
        }
        json_key(w, "anyOf");
        json_open(w, '[');
        put_number(w, p, "integer");
        json_open(w, '{');
        json_put_text(w, "const", word);
        json_close(w, '}');
        json_close(w, ']');
        break;
    case CVY_PARAM_FLOAT:
        json_put_text(w, "type", "number");
        put_range(w, p);
        break;
    case CVY_PARAM_BOOL:
        json_put_text(w, "type", "boolean");
        break;
    case CVY_PARAM_STRING:
        json_put_text(w, "type", "string");
        break;
    case CVY_PARAM_ENUM:
        json_key(w, "enum");
        json_open(w, '[');
        for (const char *const *choice = p->choices; choice && *choice; choice++) json_text(w, *choice);
        json_close(w, ']');
        break;
    case CVY_PARAM_PAIR:
        json_key(w, "anyOf");
        json_open(w, '[');
        put_number(w, p, "integer");
        json_open(w, '{');
        put_list(w, p, "integer");
        json_put_int(w, "minItems", 2);
        json_put_int(w, "maxItems", 2);
        json_close(w, '}');
        json_close(w, ']');
        break;
    case CVY_PARAM_INTS:
        put_list(w, p, "integer");
        break;
    case CVY_PARAM_FLOATS:
        put_list(w, p, "number");
        break;
    case CVY_PARAM_CHILD: {
        char *path = mem_printf("#/$defs/%s", plugin_kind_name(p->child));
        json_put_text(w, "$ref", path);
        mem_free(path);
        break;
    }
    case CVY_PARAM_CHILDREN:
        json_put_text(w, "type", "array");
        json_key(w, "items");
        put_ref(w, plugin_kind_name(p->child));
        break;
    default:
        break;
    }
}

static void put_default(json_writer *w, const cvy_param *p)
{
    if (!p->fallback) return;
    arena a = {0};
    const char *why;
    size_t offset;
    bool literal = p->kind == CVY_PARAM_ENUM || p->kind == CVY_PARAM_CHILD || p->kind == CVY_PARAM_STRING;
    if (nullable(p)) {
        json_key(w, "default");
        json_null(w);
    } else if (literal) {
        json_put_text(w, "default", p->fallback);
    } else if (p->kind == CVY_PARAM_FLOAT) {
        json_put_double(w, "default", strtod(p->fallback, NULL));
    } else if (json_parse(&a, p->fallback, strlen(p->fallback), &why, &offset)) {
        json_key(w, "default"); /* YAML in flow style that is JSON too */
        json_raw(w, p->fallback);
    }
    arena_free(&a);
}

static void put_param(json_writer *w, const cvy_param *p, const char *word)
{
    json_key(w, p->name);
    json_open(w, '{');
    if (p->help && *p->help) json_put_text(w, "description", p->help);
    put_default(w, p);
    if (nullable(p)) {
        json_key(w, "anyOf");
        json_open(w, '[');
        json_open(w, '{');
        json_put_text(w, "type", "null");
        json_close(w, '}');
        json_open(w, '{');
        put_value(w, p, word);
        json_close(w, '}');
        json_close(w, ']');
    } else {
        put_value(w, p, word);
    }
    json_close(w, '}');
}

/* The parameters of tables, as properties; "required" behind them. `first`: a required key besides, or NULL. */
static void put_params(json_writer *w, const params_table *tables, size_t n, const char *word)
{
    for (size_t t = 0; t < n; t++)
        for (size_t i = 0; i < tables[t].n; i++) {
            cvy_param p = params_entry(&tables[t], i);
            if (p.kind != CVY_PARAM_ALSO) put_param(w, &p, word);
        }
}

static bool needs_params(const params_table *t)
{
    for (size_t i = 0; i < t->n; i++) {
        cvy_param p = params_entry(t, i);
        if (p.kind != CVY_PARAM_ALSO && !p.fallback) return true;
    }
    return false;
}

static void put_required(json_writer *w, const params_table *t, const char *first)
{
    if (!first && !needs_params(t)) return;
    json_key(w, "required");
    json_open(w, '[');
    if (first) json_text(w, first);
    for (size_t i = 0; i < t->n; i++) {
        cvy_param p = params_entry(t, i);
        if (p.kind != CVY_PARAM_ALSO && !p.fallback) json_text(w, p.name);
    }
    json_close(w, ']');
}

/* `name` and `inputs` of layers. */
static void put_reserved(json_writer *w)
{
    json_key(w, "name");
    json_raw(w, "{\"description\":\"part of dotted paths\",\"type\":\"string\",\"maxLength\":64,"
                "\"pattern\":\"^[A-Za-z0-9_-]*[A-Za-z_][A-Za-z0-9_-]*$\"}");
    json_key(w, "inputs");
    json_raw(w, "{\"description\":\"names of the layers it takes its inputs from; input: the network's own\","
                "\"anyOf\":[{\"type\":\"string\"},{\"type\":\"array\",\"items\":{\"type\":\"string\"},"
                "\"minItems\":1}]}");
}

/* A plugin's parameters in one of the two spellings: with `type` among them, or without. */
static void put_plugin(json_writer *w, const cvy_descriptor *d, bool typed)
{
    params_table tables[] = {params_of(d, NULL), settings_of_data(NULL)};
    char *name = mem_printf("%s.%s%s", plugin_kind_name(d->kind), d->name, typed ? ".typed" : "");
    json_key(w, name);
    mem_free(name);
    json_open(w, '{');
    json_put_text(w, "description", d->summary);
    json_put_text(w, "type", "object");
    json_key(w, "properties");
    json_open(w, '{');
    if (typed) {
        json_key(w, "type");
        json_open(w, '{');
        json_put_text(w, "const", d->name);
        json_close(w, '}');
    }
    if (d->kind == CVY_LAYER) put_reserved(w);
    put_params(w, tables, d->kind == CVY_DATASET ? 2 : 1, d->kind == CVY_LAYER ? "classes" : NULL);
    json_close(w, '}');
    put_required(w, &tables[0], typed ? "type" : NULL);
    json_put_bool(w, "additionalProperties", false);
    json_close(w, '}');
}

static void put_name(json_writer *w, const cvy_descriptor *d)
{
    json_open(w, '{');
    json_put_text(w, "const", d->name);
    json_put_text(w, "description", d->summary);
    json_close(w, '}');
}

/* `conv2d: {...}`; nothing behind the colon where nothing is required. */
static void put_listed(json_writer *w, const cvy_descriptor *d)
{
    params_table t = params_of(d, NULL);
    char *def = mem_printf("%s.%s", plugin_kind_name(d->kind), d->name);
    json_key(w, d->name);
    if (needs_params(&t)) {
        put_ref(w, def);
    } else {
        json_open(w, '{');
        json_key(w, "anyOf");
        json_open(w, '[');
        put_ref(w, def);
        json_raw(w, "{\"type\":\"null\"}");
        json_close(w, ']');
        json_close(w, '}');
    }
    mem_free(def);
}

/* Errors inside a plugin's parameters should be told as such: so not one `anyOf` of all plugins, but a choice by name
 * first. */
static void put_typed_choice(json_writer *w, const cvy_descriptor *d)
{
    char *def = mem_printf("%s.%s.typed", plugin_kind_name(d->kind), d->name);
    json_open(w, '{');
    json_key(w, "if");
    json_open(w, '{');
    json_key(w, "properties");
    json_open(w, '{');
    json_key(w, "type");
    json_open(w, '{');
    json_put_text(w, "const", d->name);
    json_close(w, '}');
    json_close(w, '}');
    json_close(w, '}');
    json_key(w, "then");
    put_ref(w, def);
    json_close(w, '}');
    mem_free(def);
}

typedef struct plugins {
    const cvy_descriptor **v;
    size_t n, cap;
} plugins;

/* One plugin of a kind, in every way to write it. */
static void put_kind(json_writer *w, const plugins *all, uint32_t kind)
{
    json_key(w, plugin_kind_name(kind));
    json_open(w, '{');
    json_key(w, "anyOf");
    json_open(w, '[');
    for (size_t i = 0; i < all->n; i++) {
        params_table t = params_of(all->v[i], NULL);
        if (all->v[i]->kind == kind && !needs_params(&t)) put_name(w, all->v[i]);
    }
    json_open(w, '{');
    json_put_text(w, "type", "object");
    json_key(w, "properties");
    json_open(w, '{');
    for (size_t i = 0; i < all->n; i++)
        if (all->v[i]->kind == kind) put_listed(w, all->v[i]);
    json_close(w, '}');
    json_put_int(w, "minProperties", 1);
    json_put_int(w, "maxProperties", 1);
    json_put_bool(w, "additionalProperties", false);
    json_close(w, '}');
    json_open(w, '{');
    json_put_text(w, "type", "object");
    json_key(w, "properties");
    json_open(w, '{');
    json_key(w, "type");
    json_open(w, '{');
    json_key(w, "enum");
    json_open(w, '[');
    for (size_t i = 0; i < all->n; i++)
        if (all->v[i]->kind == kind) json_text(w, all->v[i]->name);
    json_close(w, ']');
    json_close(w, '}');
    json_close(w, '}');
    json_raw(w, ",\"required\":[\"type\"]" + 1);
    json_key(w, "allOf");
    json_open(w, '[');
    for (size_t i = 0; i < all->n; i++)
        if (all->v[i]->kind == kind) put_typed_choice(w, all->v[i]);
    json_close(w, ']');
    json_close(w, '}');
    json_close(w, ']');
    json_close(w, '}');
}
