/* Owns an experiment from file to resolved tree: defaults, model files, overrides; must not know plugins. */
#include "config/experiment.h"

#include <errno.h>
#include <string.h>
#include "base/file.h"
#include "config/experiment_check.h"
#include "config/model_file.h"
#include "config/model_include.h"
#include "config/override.h"
#include "config/scalar.h"
#include "config/substitute.h"
#include "config/tree_read.h"

/* What was set since the file was read or the experiment copied: one override, however many paths it has. */
typedef struct setting {
    const char *path;
    node *value;
    place at;
} setting;

typedef struct state {
    experiment face; /* first: this is what callers see */
    node *raw; /* the file with its overrides, ${parameters} still standing; face.root is made from it */
    const char **architectures;
    const char *self; /* the experiment file; NULL when there is none */
    setting *set;
    size_t n_set, cap_set;
} state;

static state *state_of(experiment *x)
{
    return (state *)(void *)x;
}

static const state *state_of_const(const experiment *x)
{
    return (const state *)(const void *)x;
}

static const char *keep(arena *a, char *owned)
{
    const char *kept = arena_text(a, owned);
    mem_free(owned);
    return kept;
}

static state *state_new(const char *file, bool is_file, const char *const *architectures)
{
    state *s = mem_alloc(sizeof *s);
    arena *a = &s->face.memory;
    char *dir = is_file ? path_dir(file) : mem_text(".");
    s->face.file = arena_text(a, file);
    s->face.dir = keep(a, path_absolute(dir));
    s->face.repeats = 1;
    s->self = is_file ? s->face.file : NULL;
    s->face.model_alone = !is_file;
    mem_free(dir);
    size_t n = 0;
    while (architectures && architectures[n]) n++;
    s->architectures = arena_array(a, n + 1, sizeof *s->architectures);
    for (size_t i = 0; i < n; i++) s->architectures[i] = arena_text(a, architectures[i]);
    return s;
}

void experiment_free(experiment *x)
{
    if (!x) return;
    state *s = state_of(x);
    mem_free(s->set);
    arena_free(&s->face.memory);
    mem_free(s);
}

/* ---- the raw tree ---- */

static void put_default(state *s, const char *key, const char *type)
{
    arena *a = &s->face.memory;
    node *given = node_get(s->raw, key);
    if (given && !node_is_null(given)) return;
    place at = given ? given->at : PLACE_FILE(s->face.file);
    node *map = tree_map(a, &at);
    if (type) node_put(a, map, "type", &at, tree_scalar(a, type, true, &at));
    node_put(a, s->raw, key, &at, map);
}

/* Puts in what a file may leave out and brings plugins in single slots to one form, so that paths find them.
 */
static void prepare(state *s)
{
    arena *a = &s->face.memory;
    put_default(s, "dataset", "shapes");
    put_default(s, "loss", "softmax_cross_entropy");
    put_default(s, "train", NULL);
    put_default(s, "init", NULL); /* so that init.from can be set; left out again where it stays empty */
    put_default(s, "eval", NULL); /* as init */
    override_normalise(a, s->raw, "dataset");
    override_normalise(a, s->raw, "loss");
    node *init = node_get(s->raw, "init");
    if (init->kind == NODE_MAP) {
        override_normalise(a, init, "weights");
        override_normalise(a, init, "bias");
    }
    node *train = node_get(s->raw, "train");
    if (train->kind != NODE_MAP) return;
    override_normalise(a, train, "optimizer");
    override_normalise(a, train, "lr_schedule");
}

/* Puts model files in place of their names. */
static cvy_status inline_model(state *s, errors *e)
{
    arena *a = &s->face.memory;
    node *model = node_get(s->raw, "model");
    if (!model) return CVY_OK;
    model_places places = {s->face.dir, s->self, s->architectures};
    if (model_file_named(model)) {
        model = model_file_inline(a, model, &places, e);
        if (!model) return CVY_ERR_CONFIG;
        node_put(a, s->raw, "model", node_key_at(s->raw, "model"), model);
    }
    node *layers = model->kind == NODE_MAP ? node_get(model, "layers") : model;
    return layers && !model_include(a, layers, &places, e) ? CVY_ERR_CONFIG : CVY_OK;
}

/* ---- overrides ---- */

static bool same_base(const char *a, const char *b)
{
    size_t n = override_base(a);
    return n == override_base(b) && strncmp(a, b, n) == 0;
}

static bool inside_base(const char *path, const char *outer)
{
    size_t n = override_base(outer);
    return strncmp(path, outer, n) == 0 && path[n] == '.' && !same_base(path, outer);
}

static cvy_status apply(state *s, const setting *set, errors *e)
{
    const node *model = node_get(s->raw, "model");
    if (text_starts(set->path, "model.") && !same_base(set->path, "model") && model &&
        model_file_named(model)) {
        return CVY_ERR_CONFIG; /* its file could not be read, which was reported */
    }
    arena *a = &s->face.memory;
    /* A copy, because setting inside it later must not change what the override says. */
    if (!override_set(a, &s->raw, set->path, tree_copy(a, set->value), &set->at, e)) return CVY_ERR_CONFIG;
    prepare(s);
    return same_base(set->path, "model") ? inline_model(s, e) : CVY_OK;
}

cvy_status experiment_set(experiment *x, const char *path, const node *value, const place *at, errors *e)
{
    state *s = state_of(x);
    arena *a = &x->memory;
    s->set = MEM_GROW(s->set, s->n_set, &s->cap_set);
    setting *set = &s->set[s->n_set++];
    *set = (setting){arena_text(a, path), tree_copy(a, value), at ? *at : value->at};
    set->at.file = arena_text(a, set->at.file);
    set->at.source = arena_text(a, set->at.source);
    cvy_status status = apply(s, set, e);
    /* What the same override set inside stays, in whatever order it came. */
    for (size_t i = 0; i + 1 < s->n_set && status == CVY_OK; i++) {
        if (inside_base(s->set[i].path, path)) status = apply(s, &s->set[i], e);
    }
    return status;
}

static size_t base_depth(const char *path)
{
    size_t depth = 1, n = override_base(path);
    for (size_t i = 0; i < n; i++) depth += path[i] == '.';
    return depth;
}

/* Outer paths first: what names a model or a plugin comes before what is set inside it. */
static bool apply_all(state *s, const char *const *overrides, size_t n, errors *e)
{
    arena *a = &s->face.memory;
    setting *all = arena_array(a, n ? n : 1, sizeof *all);
    size_t deepest = 1;
    bool ok = true, set_model = false;
    for (size_t i = 0; i < n; i++) {
        all[i].value = override_parse(a, overrides[i], &all[i].path, &all[i].at, e);
        if (!all[i].value)
            ok = false;
        else if (base_depth(all[i].path) > deepest)
            deepest = base_depth(all[i].path);
    }
    for (size_t depth = 1; depth <= deepest; depth++) {
        for (size_t i = 0; i < n; i++) {
            if (!all[i].value || base_depth(all[i].path) != depth) continue;
            set_model = set_model || same_base(all[i].path, "model");
            ok = experiment_set(&s->face, all[i].path, all[i].value, &all[i].at, e) == CVY_OK && ok;
        }
        /* A model that an override names was looked for then. */
        const node *model = node_get(s->raw, "model");
        if (depth == 1 && !(set_model && model && model_file_named(model)))
            ok = inline_model(s, e) == CVY_OK && ok;
    }
    s->n_set = 0; /* a sweep's settings are another override */
    return ok;
}

/* ---- reading ---- */

static experiment *finish(state *s, const char *const *overrides, size_t n_overrides, errors *e)
{
    prepare(s);
    bool ok = apply_all(s, overrides, n_overrides, e);
    /* Resolved even so: the file's own errors belong to the same report. */
    ok = experiment_resolve(&s->face, e) == CVY_OK && ok;
    if (ok) return &s->face;
    experiment_free(&s->face);
    return NULL;
}

/* NULL after reporting. */
static const node *read_experiment(arena *a, const char *file, errors *e)
{
    errno = 0;
    if (!file_exists(file) && errno == ENOENT) {
        place at = PLACE_FILE(file);
        errors_add(e, CVY_ERR_CONFIG, &at, model_file_near(a, file),
                   "cannot read: No such file or directory");
        return NULL;
    }
    const node *root = tree_read_file(a, file, e);
    if (root && root->kind == NODE_MAP && !model_file_is(root)) return root;
    if (root && node_is_null(root)) {
        place at = PLACE_FILE(file);
        errors_add(e, CVY_ERR_CONFIG, &at, "an experiment has at least a `model:`", "the file is empty");
    } else if (root && root->kind == NODE_MAP) {
        place at = PLACE_FILE(file);
        errors_add(e, CVY_ERR_CONFIG, &at, "name it in an experiment's `model:`",
                   "this is a model file, not an experiment");
    } else if (root) {
        errors_add(e, CVY_ERR_CONFIG, &root->at, "an experiment has at least a `model:`",
                   "expected an experiment: a map of keys");
    }
    return NULL;
}

experiment *experiment_read(const char *file, const char *const *overrides, size_t n_overrides,
                            const char *const *architectures, errors *e)
{
    return experiment_read_in(file, NULL, overrides, n_overrides, architectures, e);
}

experiment *experiment_read_in(const char *file, const char *dir, const char *const *overrides,
                               size_t n_overrides, const char *const *architectures, errors *e)
{
    state *s = state_new(file, true, architectures);
    if (dir) s->face.dir = keep(&s->face.memory, path_absolute(dir));
    const node *root = read_experiment(&s->face.memory, file, e);
    if (root) {
        s->raw = tree_copy(&s->face.memory, root); /* aliases become separate: setting one leaves the other */
        return finish(s, overrides, n_overrides, e);
    }
    experiment_free(&s->face);
    return NULL;
}

struct experiment_source {
    arena memory;
    const char *file, *dir;
    const char **architectures;
    const node *root;
};

/* The map's entries, but for one. */
static node *map_without(arena *a, const node *map, const char *key)
{
    node *rest = tree_map(a, &map->at);
    for (size_t i = 0; i < map->n; i++)
        if (strcmp(map->keys[i], key) != 0) node_put(a, rest, map->keys[i], &map->key_at[i], map->items[i]);
    return rest;
}

experiment_source *experiment_open(const char *file, const char *dir, const char *const *architectures,
                                   errors *e)
{
    experiment_source *from = mem_alloc(sizeof *from);
    arena *a = &from->memory;
    size_t n = 0;
    while (architectures && architectures[n]) n++;
    from->architectures = arena_array(a, n + 1, sizeof *from->architectures);
    for (size_t i = 0; i < n; i++) from->architectures[i] = arena_text(a, architectures[i]);
    from->file = arena_text(a, file);
    from->dir = dir ? arena_text(a, dir) : NULL;
    const node *root = read_experiment(a, file, e);
    if (root) {
        from->root = map_without(a, root, "sweep");
        return from;
    }
    experiment_close(from);
    return NULL;
}

experiment *experiment_of(const experiment_source *from, const char *const *overrides, size_t n_overrides,
                          errors *e)
{
    state *s = state_new(from->file, true, from->architectures);
    if (from->dir) s->face.dir = keep(&s->face.memory, path_absolute(from->dir));
    s->raw = tree_copy(&s->face.memory, from->root);
    return finish(s, overrides, n_overrides, e);
}

void experiment_close(experiment_source *from)
{
    if (!from) return;
    arena memory = from->memory;
    arena_free(&memory);
    mem_free(from);
}

experiment *experiment_of_model(const char *name, const char *const *overrides, size_t n_overrides,
                                const char *const *architectures, errors *e)
{
    if (file_exists(name) && !file_is_dir(name) && (text_ends(name, ".yaml") || text_ends(name, ".yml"))) {
        arena scratch = {0};
        node *root = tree_read_file(&scratch, name, e);
        bool model = root && model_file_is(root), failed = !root;
        arena_free(&scratch);
        if (failed) return NULL;
        if (!model) return experiment_read(name, overrides, n_overrides, architectures, e);
    }
    state *s = state_new(name, false, architectures);
    arena *a = &s->face.memory;
    place nowhere = PLACE_NONE;
    s->raw = tree_map(a, &nowhere);
    node_put(a, s->raw, "experiment", &nowhere,
             tree_scalar(a, experiment_default_name(a, name), true, &nowhere));
    node_put(a, s->raw, "model", &nowhere, tree_scalar(a, name, true, &nowhere));
    return finish(s, overrides, n_overrides, e);
}

/* ---- resolving ---- */

/* The parts of the experiment that are read off its tree. */
static void take_model(experiment *x)
{
    const node *model = node_get(x->root, "model");
    const node *type = model ? node_get(model, "type") : NULL;
    x->model_name = type && type->kind == NODE_SCALAR ? type->s : NULL;
    x->model_input = model ? node_get(model, "input") : NULL;
    x->model_classes = 10;
    const node *classes = model ? node_get(model, "classes") : NULL;
    if (classes) node_int(classes, &x->model_classes, NULL);
}

cvy_status experiment_resolve(experiment *x, errors *e)
{
    state *s = state_of(x);
    arena *a = &x->memory;
    bool ok = experiment_check(a, s->raw, x, e);
    node *root = tree_map(a, &s->raw->at);
    size_t n_keys = 0;
    const char *const *keys = experiment_keys(&n_keys);
    for (size_t i = 0; i < n_keys; i++) {
        const node *value = node_get(s->raw, keys[i]);
        const place *at = node_key_at(s->raw, keys[i]);
        if (!value || node_is_null(value)) continue;
        bool may_be_empty = strcmp(keys[i], "init") == 0 || strcmp(keys[i], "eval") == 0;
        if (may_be_empty && value->kind == NODE_MAP && !value->n) continue;
        bool model = strcmp(keys[i], "model") == 0;
        /* a name whose file could not be read, or no model at all: reported already */
        if (model &&
            (value->kind == NODE_SCALAR || (value->kind == NODE_MAP && !node_get(value, "layers")))) {
            ok = false;
            continue;
        }
        node *copy = model ? substitute_params(a, value, e) : tree_copy(a, value);
        if (copy) node_put(a, root, keys[i], at, copy);
        ok = ok && copy;
    }
    if (!ok) return CVY_ERR_CONFIG;
    place at = PLACE_FILE(x->file);
    const char *seed = arena_printf(a, "%llu", (unsigned long long)x->seed);
    node *full = tree_map(a, &root->at); /* name and seed first, given or not */
    node_put(a, full, "experiment", &at, tree_scalar(a, x->name, true, &at));
    node_put(a, full, "seed", &at, tree_scalar(a, seed, false, &at));
    for (size_t i = 0; i < root->n; i++) node_put(a, full, root->keys[i], &root->key_at[i], root->items[i]);
    if (!tree_within_limits(full, e)) return CVY_ERR_CONFIG;
    x->root = full;
    take_model(x);
    return CVY_OK;
}

static experiment *copy_of(const experiment *x, bool bare)
{
    const state *from = state_of_const(x);
    state *s = mem_alloc(sizeof *s);
    arena *a = &s->face.memory;
    size_t n = 0;
    while (from->architectures[n]) n++;
    s->architectures = arena_array(a, n + 1, sizeof *s->architectures);
    for (size_t i = 0; i < n; i++) s->architectures[i] = arena_text(a, from->architectures[i]);
    s->face.file = arena_text(a, x->file);
    s->face.dir = arena_text(a, x->dir);
    s->face.name = arena_text(a, x->name);
    s->face.seed = x->seed;
    s->face.repeats = x->repeats;
    s->face.folds = x->folds;
    s->face.fold = x->fold;
    s->self = from->self ? s->face.file : NULL;
    s->face.model_alone = x->model_alone;
    s->raw = tree_copy(a, bare ? map_without(a, from->raw, "sweep") : from->raw);
    s->face.root = tree_copy(a, bare ? map_without(a, x->root, "sweep") : x->root);
    take_model(&s->face);
    return &s->face;
}

experiment *experiment_copy(const experiment *x)
{
    return copy_of(x, false);
}

experiment *experiment_copy_bare(const experiment *x)
{
    return copy_of(x, true);
}

/* ---- asking ---- */

const node *experiment_get(const experiment *x, const char *path)
{
    /* the arena grows by a scalar at most; nothing that the caller can see changes */
    return override_get(&((experiment *)(uintptr_t)x)->memory, x->root, path);
}

int64_t experiment_members(const experiment *x)
{
    return x->repeats * (x->folds && !x->fold ? x->folds : 1);
}

uint64_t experiment_member(const experiment *x, int64_t member, int64_t *fold)
{
    const int64_t each = x->folds && !x->fold ? x->folds : 1;
    *fold = each > 1 ? member % each + 1 : 0;
    return x->seed + (uint64_t)(member / each);
}

const node *experiment_layers(const experiment *x)
{
    const node *model = node_get(x->root, "model");
    return model->kind == NODE_LIST ? model : node_get(model, "layers");
}
