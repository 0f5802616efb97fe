/* `convoy schema`: the experiment file as JSON Schema (2020-12), for editors. Owns how declared parameters and the
 * file's own keys read there; must not know any plugin. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "cli/cmd_plugin.h"
#include "cli/schema_sweep.h"
#include "config/experiment_check.h"
#include "config/params_table.h"
#include "train/initialiser.h"
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
           (p->kind == CVY_PARAM_STRING || p->kind == CVY_PARAM_CHILD || p->kind == CVY_PARAM_CHILDREN ||
            p->kind == PARAMS_NODE);
}

static void put_one_or_list(json_writer *w, const cvy_param *p, const char *type)
{
    json_key(w, "anyOf");
    json_open(w, '[');
    put_number(w, p, type);
    json_open(w, '{');
    put_list(w, p, type);
    json_close(w, '}');
    json_close(w, ']');
}

static void put_lengths(json_writer *w, const cvy_param *p, uint32_t n)
{
    json_open(w, '{');
    put_list(w, p, "integer");
    json_put_int(w, "minItems", n);
    json_put_int(w, "maxItems", n);
    json_close(w, '}');
}

/* One number, or one for each axis; of padding also for each side, or a word. */
static void put_per_axis(json_writer *w, const cvy_param *p)
{
    static const char *const words[] = {"same", "valid", NULL};
    bool padding = p->kind == CVY_PARAM_PADDING;
    uint32_t axes = padding ? p->child : p->kind == CVY_PARAM_PAIR ? 2 : 3;
    json_key(w, "anyOf");
    json_open(w, '[');
    put_number(w, p, "integer");
    put_lengths(w, p, axes);
    if (padding) {
        put_lengths(w, p, 2 * axes);
        json_open(w, '{');
        json_key(w, "enum");
        json_open(w, '[');
        for (const char *const *word = words; *word; word++) json_text(w, *word);
        json_close(w, ']');
        json_close(w, '}');
    }
    json_close(w, ']');
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
    case CVY_PARAM_TRIPLE:
    case CVY_PARAM_PADDING:
        put_per_axis(w, p);
        break;
    case CVY_PARAM_LAYERS:
        json_put_text(w, "type", "array");
        json_key(w, "items");
        put_ref(w, plugin_kind_name(CVY_LAYER));
        break;
    case CVY_PARAM_INTS:
        put_one_or_list(w, p, "integer");
        break;
    case CVY_PARAM_FLOATS:
        put_one_or_list(w, p, "number");
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

/* The parameters of tables, as properties. */
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

/* `first`: a required key besides, or NULL. */
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

/* Names are letters, digits and _ here, so they need no quoting. */
static void put_json(json_writer *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void put_json(json_writer *w, const char *fmt, ...)
{
    text t = {0};
    va_list ap;
    va_start(ap, fmt);
    text_vprintf(&t, fmt, ap);
    va_end(ap);
    json_raw(w, text_str(&t));
    text_free(&t);
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
    const char *kind = plugin_kind_name(d->kind);
    json_key(w, d->name);
    if (needs_params(&t))
        put_json(w, "{\"$ref\":\"#/$defs/%s.%s\"}", kind, d->name);
    else
        put_json(w, "{\"anyOf\":[{\"$ref\":\"#/$defs/%s.%s\"},{\"type\":\"null\"}]}", kind, d->name);
}

/* Errors inside a plugin's parameters should be told as such: so not one `anyOf` of all plugins, but a choice by name
 * first. */
static void put_typed_choice(json_writer *w, const cvy_descriptor *d)
{
    put_json(
        w,
        "{\"if\":{\"properties\":{\"type\":{\"const\":\"%s\"}}},\"then\":{\"$ref\":\"#/$defs/%s.%s.typed\"}}",
        d->name, plugin_kind_name(d->kind), d->name);
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
    json_key(w, "required");
    json_raw(w, "[\"type\"]");
    json_key(w, "allOf");
    json_open(w, '[');
    for (size_t i = 0; i < all->n; i++)
        if (all->v[i]->kind == kind) put_typed_choice(w, all->v[i]);
    json_close(w, ']');
    json_close(w, '}');
    json_close(w, ']');
    json_close(w, '}');
}

/* ---- the file ---- */

/* The keys of the file itself, checked by config/experiment_check.c and sweep/space.c. */
static const struct {
    const char *key, *schema;
} own_keys[] = {
    {"experiment", "{\"description\":\"the name under which runs are found; without it the file's name\","
                   "\"type\":\"string\",\"minLength\":1,\"maxLength\":100,\"pattern\":\"^[^/]*$\"}"},
    {"seed", "{\"description\":\"decides every random number of a run\",\"type\":\"integer\",\"minimum\":0,"
             "\"default\":1}"},
    {"plugins", "{\"description\":\"files of plugins, relative to this file\",\"type\":[\"array\",\"null\"],"
                "\"items\":{\"type\":\"string\"}}"},
    {"dataset", "{\"description\":\"a dataset plugin with its parameters and those of the split\","
                "\"$ref\":\"#/$defs/dataset\"}"},
    {"model",
     "{\"description\":\"a list of layers, or the name of a model file\",\"$ref\":\"#/$defs/model\"}"},
    {"init", "{\"description\":\"how weights start, and what is frozen\",\"anyOf\":[{\"$ref\":"
             "\"#/$defs/init\"},{\"type\":\"null\"}]}"},
    {"loss", "{\"description\":\"a loss plugin\",\"$ref\":\"#/$defs/loss\"}"},
    {"train", "{\"description\":\"how the network is trained\",\"$ref\":\"#/$defs/train\"}"},
    {"eval", "{\"description\":\"test-time augmentation: what is averaged over\",\"anyOf\":[{\"$ref\":"
             "\"#/$defs/eval\"},{\"type\":\"null\"}]}"},
    {"folds", "{\"description\":\"cross-validation: a run for each part of the training set, which it is "
              "validated on and "
              "not trained\",\"type\":[\"integer\",\"null\"],\"minimum\":2,\"maximum\":1000}"},
    {"fold",
     "{\"description\":\"trains this fold alone, from 1\",\"type\":[\"integer\",\"null\"],\"minimum\":1,"
     "\"maximum\":1000}"},
    {"repeats", "{\"description\":\"seeds that each configuration is trained with: seed, seed + 1, ...\","
                "\"type\":\"integer\",\"minimum\":1,\"maximum\":1000,\"default\":1}"},
    {"sweep", "{\"description\":\"what varies, for convoy sweep\",\"anyOf\":[{\"$ref\":\"#/$defs/sweep\"},"
              "{\"type\":\"null\"}]}"},
};

static const char *const model_def =
    "{\"anyOf\":[{\"type\":\"string\",\"minLength\":1},"
    "{\"type\":\"array\",\"minItems\":1,\"items\":{\"$ref\":\"#/$defs/layer\"}},"
    "{\"type\":\"object\",\"required\":[\"layers\"],\"properties\":{\"type\":{\"type\":\"string\"},"
    "\"input\":{\"type\":\"array\",\"items\":{\"type\":\"integer\",\"minimum\":1}},"
    "\"layers\":{\"type\":\"array\",\"minItems\":1,\"items\":{\"$ref\":\"#/$defs/layer\"}}}},"
    "{\"type\":\"object\",\"required\":[\"type\"],\"not\":{\"required\":[\"layers\"]},\"properties\":"
    "{\"type\":{\"type\":\"string\",\"description\":\"name of a model file; its params beside it\"}}}]}";

/* Read by train/init.c. */
static const char *const init_def =
    "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{"
    "\"from\":{\"description\":\"a safetensors file, relative to this one: weights by their names\",\"type\":"
    "[\"string\",\"null\"],\"minLength\":1},"
    "\"map\":{\"description\":\"our names to theirs, * standing for the same on both sides; null: left as "
    "initialised, and not "
    "missed\",\"type\":[\"object\",\"null\"],\"additionalProperties\":{\"type\":[\"string\","
    "\"null\"]}},"
    "\"strict\":{\"description\":\"every tensor of the network is in the file, and none besides\",\"type\":"
    "\"boolean\",\"default\":true},"
    "\"freeze\":{\"description\":\"patterns over the names of weights and buffers that stay as they are, as "
    "stem.*\",\"anyOf\":[{\"type\":\"null\"},{\"type\":\"string\"},{\"type\":\"array\",\"items\":"
    "{\"type\":\"string\"}}]},"
    "\"weights\":{\"description\":\"how kernels and matrices "
    "start\",\"anyOf\":[{\"type\":\"null\"},{\"$ref\":"
    "\"#/$defs/initialiser\"}]},"
    "\"bias\":{\"description\":\"how weights called bias start\",\"anyOf\":[{\"type\":\"null\"},{\"$ref\":"
    "\"#/$defs/initialiser\"}]},"
    "\"rules\":{\"description\":\"initialisers of single weights, each with `match`, a pattern over their "
    "names; the "
    "first that matches "
    "counts\",\"type\":[\"array\",\"null\"],\"items\":{\"type\":\"object\",\"minProperties\":1}}}}";

static void put_settings(json_writer *w, const char *key, params_table t)
{
    json_key(w, key);
    json_open(w, '{');
    json_put_text(w, "type", "object");
    json_key(w, "properties");
    json_open(w, '{');
    for (size_t i = 0; i < t.n; i++) {
        cvy_param p = params_entry(&t, i);
        if (p.kind != CVY_PARAM_ALSO) put_param(w, &p, strcmp(p.name, "batch_size") == 0 ? "all" : NULL);
    }
    json_close(w, '}');
    json_put_bool(w, "additionalProperties", false);
    json_close(w, '}');
}

static void put_schema(json_writer *w, const plugins *all)
{
    json_open(w, '{');
    json_put_text(w, "$schema", "https://json-schema.org/draft/2020-12/schema");
    json_put_text(w, "title", "Convoy experiment");
    json_put_text(w, "type", "object");
    json_key(w, "required");
    json_raw(w, "[\"model\"]");
    json_put_bool(w, "additionalProperties", false);
    json_key(w, "properties");
    json_open(w, '{');
    size_t n;
    const char *const *keys = experiment_keys(&n);
    for (size_t i = 0; i < n; i++) {
        const char *schema = "true"; /* a key that this file has not heard of may hold anything */
        for (size_t k = 0; k < sizeof own_keys / sizeof *own_keys; k++)
            if (!strcmp(keys[i], own_keys[k].key)) schema = own_keys[k].schema;
        json_key(w, keys[i]);
        json_raw(w, schema);
    }
    json_close(w, '}');
    json_key(w, "$defs");
    json_open(w, '{');
    json_key(w, "model");
    json_raw(w, model_def);
    json_key(w, "init");
    json_raw(w, init_def);
    json_key(w, "sweep");
    json_raw(w, schema_sweep);
    json_key(w, "sweep.parameters");
    json_raw(w, schema_sweep_parameters);
    put_settings(w, "train", settings_of_train(NULL));
    put_settings(w, "eval", settings_of_eval(NULL));
    for (uint32_t kind = CVY_LAYER; kind <= CVY_INITIALISER; kind++) put_kind(w, all, kind);
    for (size_t i = 0; i < all->n; i++)
        for (int typed = 0; typed < 2; typed++) put_plugin(w, all->v[i], typed);
    json_close(w, '}');
    json_close(w, '}');
}

/* ---- the command ---- */

/* Every plugin, loaded. A name that two files have is an error here as everywhere. */
static plugins load_all(registry *r, errors *e)
{
    plugins all = {0};
    size_t n;
    schedule_register(r);
    initialiser_register(r);
    const plugin_entry *entries = registry_list(r, &n);
    for (size_t i = 0; i < n; i++) {
        if (i && entries[i].kind == entries[i - 1].kind && !strcmp(entries[i].name, entries[i - 1].name))
            continue;
        const cvy_descriptor *d = registry_find(r, entries[i].kind, entries[i].name, NULL, e);
        if (!d) continue;
        all.v = MEM_GROW(all.v, all.n, &all.cap);
        all.v[all.n++] = d;
    }
    return all;
}

static int run(const command *self, const common *c, void *options, int argc, char **argv)
{
    (void)options;
    if (argc) return cli_usage(self, c, "unexpected \"%s\"", argv[0]);
    errors e = {0};
    registry *r = cmd_plugin_registry(c, &e);
    if (r) {
        plugins all = load_all(r, &e);
        json_writer w = {0};
        put_schema(&w, &all);
        if (errors_count(&e))
            text_free(&w.out);
        else
            cli_print_json(&w);
        mem_free(all.v);
    }
    registry_free(r);
    return cli_fail(c, &e);
}

const command cmd_schema = {
    .name = "schema",
    .summary = "Print the JSON Schema of the experiment file, for editors",
    .usage = "convoy schema",
    .examples = "convoy schema > convoy.schema.json\n"
                "sed -i '1i # yaml-language-server: $schema=convoy.schema.json' experiment.yaml\n"
                "convoy schema --plugin ./maxout.so > convoy.schema.json",
    .run = run,
};
