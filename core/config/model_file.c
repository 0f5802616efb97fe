/* Owns finding and reading model files (architectures) and their parameters; must not know layers or plugins.
 */
#include "config/model_file.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "config/scalar.h"
#include "config/suggest.h"

static const char *const KEYS[] = {"input", "classes", "params", "layers", "summary", "source"};
static const char *const RESERVED[] = {"type", "input", "classes", "params", "layers", "summary", "source"};

/* For what the model is made when no dataset says it. */
static const char *const SIZES[] = {"input", "classes"};

static bool among(const char *key, const char *const *keys, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(key, keys[i]) == 0) return true;
    }
    return false;
}

bool model_file_is_param(const char *key)
{
    return !among(key, RESERVED, sizeof RESERVED / sizeof *RESERVED);
}

bool model_file_named(const node *model)
{
    if (model->kind == NODE_SCALAR) return !node_is_null(model);
    return model->kind == NODE_MAP && node_get(model, "type") && !node_get(model, "layers");
}

bool model_file_is(const node *root)
{
    return root->kind == NODE_MAP && node_get(root, "layers") && !node_get(root, "model") &&
           !node_get(root, "experiment");
}

/* ---- finding ---- */

static bool is_path(const char *name)
{
    return strchr(name, '/') || text_ends(name, ".yaml") || text_ends(name, ".yml");
}

static bool same_file(const char *a, const char *b)
{
    char *x = path_absolute(a), *y = path_absolute(b);
    bool same = strcmp(x, y) == 0;
    mem_free(x);
    mem_free(y);
    return same;
}

static const char *joined(arena *a, const char *dir, const char *name)
{
    char *path = path_join(dir, name);
    const char *kept = arena_text(a, path);
    mem_free(path);
    return kept;
}

/* Names of the *.yaml files of a folder, to suggest from. */
typedef struct names {
    const char **items;
    size_t n, cap;
} names;

static void collect_names(arena *a, const char *dir, names *out)
{
    DIR *d = opendir(dir);
    if (!d) return;
    for (struct dirent *entry; (entry = readdir(d)) != NULL;) {
        size_t n = strlen(entry->d_name);
        if (n <= 5 || !text_ends(entry->d_name, ".yaml")) continue;
        out->items = MEM_GROW(out->items, out->n, &out->cap);
        out->items[out->n++] = arena_text_n(a, entry->d_name, n - 5);
    }
    closedir(d);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

const char *model_file_near(arena *a, const char *file)
{
    names known = {0};
    char *dir = path_dir(file);
    const char *base = path_base(file);
    const size_t n = strlen(base), end = n > 5 && text_ends(base, ".yaml")  ? 5
                                         : n > 4 && text_ends(base, ".yml") ? 4
                                                                            : 0;
    const char *word = arena_text_n(a, base, n - end), *near = NULL;
    collect_names(a, dir, &known);
    if (known.n) qsort(known.items, known.n, sizeof *known.items, by_text);
    for (size_t i = 0; i < known.n && !near; i++)
        if (!strcmp(known.items[i], word)) near = word; /* without its ending */
    if (!near && known.n) near = suggest_whole(word, known.items, known.n);
    if (!near && known.n) near = text_nearest(word, known.items, known.n);
    const char *hint =
        near ? arena_printf(a, "did you mean `%.*s%s.yaml`?", (int)(base - file), file, near) : NULL;
    mem_free(known.items);
    mem_free(dir);
    return hint;
}

static void report_missing(arena *a, const char *name, const place *at, const model_places *places, errors *e)
{
    text folders = {0};
    names known = {0};
    text_add(&folders, places->dir);
    for (const char *const *dir = places->architectures; dir && *dir; dir++) {
        text_printf(&folders, ", %s", *dir);
        collect_names(a, *dir, &known);
    }
    /* beside the experiment mostly experiments are found: good for a near name, not for a list */
    size_t listed = known.n;
    collect_names(a, places->dir, &known);
    if (listed) qsort(known.items, listed, sizeof *known.items, by_text);
    const char *whole = suggest_whole(name, known.items, known.n);
    const char *hint =
        whole ? arena_printf(a, "did you mean `%s`?", whole) : suggest_near(a, name, known.items, known.n);
    if (!hint && listed && listed <= 30) hint = suggest_from(a, "there are", name, known.items, listed);
    const char *shown = suggest_shown(a, name);
    errors_add(e, CVY_ERR_CONFIG, at, hint, "no model \"%s\": there is no %s.yaml in %s", shown, shown,
               text_str(&folders));
    mem_free(known.items);
    text_free(&folders);
}

static node *read_path(arena *a, const char *name, const place *at, const model_places *places, errors *e)
{
    const char *inside = name;
    while (text_starts(inside, "./")) inside += 2;
    const char *path = joined(a, places->dir, inside);
    if (!file_exists(path) && file_exists(name)) path = name; /* a shell completes from the current folder */
    if (!file_exists(path)) {
        errors_add(e, CVY_ERR_CONFIG, at, NULL, "no model file \"%s\"", suggest_shown(a, path));
        return NULL;
    }
    node *root = tree_read_file(a, path, e);
    if (!root || model_file_is(root) || root->kind != NODE_MAP || !node_get(root, "model")) return root;
    errors_add(e, CVY_ERR_CONFIG, at, "a model file has `layers:`", "%s is an experiment, not a model", path);
    return NULL;
}

static node *read_named(arena *a, const char *name, const place *at, const model_places *places, errors *e)
{
    if (is_path(name)) return read_path(a, name, at, places, e);
    const char *file = arena_printf(a, "%s.yaml", name);
    const char *beside = joined(a, places->dir, file);
    if (file_exists(beside) && !(places->self && same_file(beside, places->self))) {
        /* An experiment may carry its model's name; only a model file counts. */
        node *root = tree_read_file(a, beside, e);
        if (!root || root->kind != NODE_MAP || !node_get(root, "model")) return root;
    }
    for (const char *const *dir = places->architectures; dir && *dir; dir++) {
        const char *path = joined(a, *dir, file);
        if (file_exists(path)) return tree_read_file(a, path, e);
    }
    report_missing(a, name, at, places, e);
    return NULL;
}

/* ---- reading ---- */

static bool check_classes(const node *classes, errors *e)
{
    int64_t v = 0;
    errors_push(e, "classes");
    bool ok = node_int(classes, &v, e);
    if (ok && (v < 1 || v > 1 << 20)) {
        errors_add(e, CVY_ERR_CONFIG, &classes->at, NULL, "%lld is not between 1 and %d", (long long)v,
                   1 << 20);
        ok = false;
    }
    errors_pop(e);
    return ok;
}

bool model_file_check_input(const node *input, errors *e)
{
    bool ok = input->kind == NODE_LIST && input->n >= 1 && input->n <= 4;
    if (!ok) {
        errors_add(e, CVY_ERR_CONFIG, &input->at, "as in [3, 32, 32], or [1, 128] for sequences",
                   "input: expected [channels, height, width]");
        return false;
    }
    errors_push(e, "input");
    for (size_t i = 0; i < input->n; i++) {
        int64_t v = 1;
        bool good = node_int(input->items[i], &v, e);
        if (good && (v < 1 || v > 1 << 20)) {
            errors_add(e, CVY_ERR_CONFIG, &input->items[i]->at, NULL, "%lld is not between 1 and %d",
                       (long long)v, 1 << 20);
            good = false;
        }
        ok = ok && good;
    }
    errors_pop(e);
    return ok;
}

static bool check_params(const node *params, errors *e)
{
    if (node_is_null(params)) return true;
    if (params->kind != NODE_MAP) {
        errors_add(e, CVY_ERR_CONFIG, &params->at, "as in params: {depth: 3}",
                   "params: expected a map of names and defaults");
        return false;
    }
    bool ok = true;
    for (size_t i = 0; i < params->n; i++) {
        const char *key = params->keys[i];
        if (!model_file_is_param(key)) {
            errors_add(e, CVY_ERR_CONFIG, &params->key_at[i], "choose another name",
                       "params: `%s` has a meaning of its own in `model:`", key);
            ok = false;
        } else if (params->items[i]->kind != NODE_SCALAR) {
            errors_add(e, CVY_ERR_CONFIG, &params->items[i]->at, NULL,
                       "params: %s: expected one value, found a %s", key,
                       params->items[i]->kind == NODE_LIST ? "list" : "map");
            ok = false;
        }
    }
    return ok;
}

static bool check_file(arena *a, const node *root, errors *e)
{
    bool ok = true;
    if (root->kind != NODE_MAP) {
        errors_add(e, CVY_ERR_CONFIG, &root->at, NULL, "expected a model file with `layers:`");
        return false;
    }
    for (size_t i = 0; i < root->n; i++) {
        const char *key = root->keys[i], *s;
        const node *value = root->items[i];
        if (!among(key, KEYS, sizeof KEYS / sizeof *KEYS)) {
            const char *hint = suggest_from(a, "a model file has", key, KEYS, sizeof KEYS / sizeof *KEYS);
            errors_add(e, CVY_ERR_CONFIG, &root->key_at[i], hint, "unknown key \"%s\"",
                       suggest_shown(a, key));
            ok = false;
        } else if (strcmp(key, "input") == 0) {
            ok = model_file_check_input(value, e) && ok;
        } else if (strcmp(key, "classes") == 0) {
            ok = check_classes(value, e) && ok;
        } else if (strcmp(key, "params") == 0) {
            ok = check_params(value, e) && ok;
        } else if (strcmp(key, "layers") == 0) {
            if (value->kind == NODE_LIST) continue;
            errors_add(e, CVY_ERR_CONFIG, &value->at, NULL, "layers: expected a list of layers");
            ok = false;
        } else {
            errors_push(e, "%s", key);
            ok = node_string(value, &s, e) && ok;
            errors_pop(e);
        }
    }
    if (!node_get(root, "layers")) {
        errors_add(e, CVY_ERR_CONFIG, &root->at, NULL, "a model file needs `layers:`");
        ok = false;
    }
    return ok;
}

/* Puts the parameters that the experiment gives over the file's defaults. */
static bool put_given(arena *a, const node *given, const char *name, node *model, errors *e)
{
    bool ok = true;
    names known = {0};
    for (size_t i = 0; i < model->n; i++) {
        if (!model_file_is_param(model->keys[i])) continue;
        known.items = MEM_GROW(known.items, known.n, &known.cap);
        known.items[known.n++] = model->keys[i];
    }
    for (size_t i = 0; i < given->n; i++) {
        const char *key = given->keys[i];
        if (strcmp(key, "type") == 0) continue;
        if (model_file_is_param(key) && node_get(model, key)) {
            if (given->items[i]->kind == NODE_SCALAR) {
                node_put(a, model, key, &given->key_at[i], given->items[i]);
                continue;
            }
            errors_add(e, CVY_ERR_CONFIG, &given->items[i]->at, NULL, "%s: expected one value, found a %s",
                       key, given->items[i]->kind == NODE_LIST ? "list" : "map");
        } else {
            const char *hint = suggest_from(a, "it has", key, known.items, known.n);
            errors_add(e, CVY_ERR_CONFIG, &given->key_at[i], hint ? hint : "it has none",
                       "unknown parameter \"%s\" of the model `%s`", suggest_shown(a, key), name);
        }
        ok = false;
    }
    mem_free(known.items);
    return ok;
}

/* The name by which the model goes on: of a path, the file's without folder and ending. */
static const char *short_name(arena *a, const char *name)
{
    if (!is_path(name)) return name;
    const char *base = path_base(name);
    size_t n = strlen(base);
    if (n > 5 && text_ends(base, ".yaml"))
        n -= 5;
    else if (n > 4 && text_ends(base, ".yml"))
        n -= 4;
    return arena_text_n(a, base, n);
}

node *model_file_inline(arena *a, const node *model, const model_places *places, errors *e)
{
    const node *type = model->kind == NODE_MAP ? node_get(model, "type") : model;
    const char *name = NULL;
    errors_push(e, "model");
    bool ok = node_string(type, &name, e);
    if (ok && (!name[0] || strlen(name) > 1000)) {
        errors_add(e, CVY_ERR_CONFIG, &type->at, NULL, "expected the name of a model");
        ok = false;
    }
    node *root = ok ? read_named(a, name, &type->at, places, e) : NULL;
    errors_pop(e);
    if (!root || !check_file(a, root, e)) return NULL;
    root = tree_copy(a, root); /* aliases become separate, so that setting one leaves the other */
    node *out = tree_map(a, &model->at);
    node_put(a, out, "type", &type->at, tree_scalar(a, short_name(a, name), true, &type->at));
    node *params = node_get(root, "params");
    for (size_t i = 0; i < sizeof SIZES / sizeof *SIZES; i++) {
        node *size = node_get(root, SIZES[i]);
        if (size) node_put(a, out, SIZES[i], node_key_at(root, SIZES[i]), size);
    }
    for (size_t i = 0; params && i < params->n; i++) {
        node_put(a, out, params->keys[i], &params->key_at[i], params->items[i]);
    }
    if (model->kind == NODE_MAP) {
        errors_push(e, "model");
        ok = put_given(a, model, short_name(a, name), out, e);
        errors_pop(e);
    }
    node_put(a, out, "layers", node_key_at(root, "layers"), node_get(root, "layers"));
    return ok ? out : NULL;
}
