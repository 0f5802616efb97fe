/* Owns the way from a command's operands to an opened dataset; must not print, nor know what is done with it. */
#include "cli/data_subject.h"

#include <string.h>

#include "base/file.h"
#include "cli/places.h"
#include "config/override.h"
#include "config/params_table.h"
#include "convoy/dataset.h"
#include "train/setup.h"

bool data_subject_is_file(const char *operand)
{
    return text_ends(operand, ".yaml") || text_ends(operand, ".yml") || strchr(operand, '/');
}

int data_subject_operands(const command *self, const common *c, int argc, char **argv)
{
    if (argc < 1 || cli_is_override(argv[0]))
        return cli_usage(self, c, "which dataset? Give its name, or an experiment's file");
    for (int i = 1; i < argc; i++)
        if (!cli_is_override(argv[i]))
            return cli_usage(self, c, "unexpected \"%s\": one dataset at a time, then PATH=VALUE", argv[i]);
    return CVY_OK;
}

static const cvy_descriptor *find_child(void *ctx, uint32_t kind, const char *name, const place *at,
                                        errors *e)
{
    return registry_find(ctx, kind, name, at, e);
}

/* The `dataset:` of a NAME, with its overrides. */
static const node *slot_of_name(data_subject *u, int argc, char **argv, errors *e)
{
    arena *a = &u->memory;
    place nowhere = PLACE_NONE;
    node *root = tree_map(a, &nowhere), *slot = tree_map(a, &nowhere);
    node_put(a, slot, "type", &nowhere, tree_scalar(a, argv[0], true, &nowhere));
    node_put(a, slot, "validation", &nowhere, tree_scalar(a, "0", false, &nowhere));
    node_put(a, root, "dataset", &nowhere, slot);
    node_put(a, root, "seed", &nowhere, tree_scalar(a, "1", false, &nowhere));
    for (int i = 1; i < argc; i++) {
        const char *path = NULL;
        place at = PLACE_NONE;
        node *value = override_parse(a, argv[i], &path, &at, e);
        if (!value) return NULL;
        if (!text_starts(path, "dataset.") && strcmp(path, "seed") != 0) {
            errors_add(e, CVY_ERR_CONFIG, &at, "dataset.path=DIR, for one",
                       "only dataset.* and seed are meant here");
            return NULL;
        }
        if (!override_set(a, &root, path, value, &at, e)) return NULL;
    }
    int64_t seed = 1;
    if (!node_int(node_get(root, "seed"), &seed, e)) return NULL;
    u->seed = (uint64_t)seed;
    u->base_dir = ".";
    return node_get(root, "dataset");
}

static const node *slot_of_file(data_subject *u, int argc, char **argv, errors *e)
{
    u->x = experiment_read(argv[0], (const char *const *)(argv + 1), (size_t)(argc - 1),
                           places_architectures(), e);
    if (!u->x) return NULL;
    u->seed = u->x->seed;
    u->base_dir = u->x->dir;
    return node_get(u->x->root, "dataset");
}

static bool fill(data_subject *u, const node *slot, errors *e)
{
    item one;
    if (!item_read(&u->memory, slot, false, &one, e)) return false;
    u->plugin = registry_find(u->plugins, CVY_DATASET, one.type, &one.type_at, e);
    if (!u->plugin) return false;
    void *config = arena_alloc(&u->memory, u->plugin->config_size);
    params_table tables[] = {params_of(u->plugin, config), settings_of_data(&u->settings)};
    params_env env = {.find = find_child, .ctx = u->plugins};
    errors_push(e, "dataset (%s)", u->plugin->name);
    cvy_status status = params_fill(&u->memory, tables, 2, one.params, &env, e);
    errors_pop(e);
    u->config = config;
    u->at = one.type_at;
    if (u->x && u->x->folds) { /* a file with folds is looked at as its first */
        u->settings.folds = u->x->folds;
        u->settings.fold = u->x->fold ? u->x->fold : 1;
        u->settings.validation = 0;
    }
    return !status;
}

bool data_subject_read(data_subject *u, const common *c, int argc, char **argv, errors *e)
{
    *u = (data_subject){0};
    bool file = data_subject_is_file(argv[0]);
    const node *slot = file ? slot_of_file(u, argc, argv, e) : slot_of_name(u, argc, argv, e);
    if (!slot) {
        if (!errors_count(e)) errors_add(e, CVY_ERR_CONFIG, NULL, NULL, "%s has no dataset", argv[0]);
        return false;
    }
    size_t n = 0, before = errors_count(e);
    const plugin_request *files = NULL;
    if (u->x) {
        files = setup_plugins(u->x, c->plugin.items, c->plugin.n, &u->memory, &n, e);
    } else {
        plugin_request *own = arena_array(&u->memory, c->plugin.n + 1, sizeof *own);
        for (size_t i = 0; i < c->plugin.n; i++) own[n++] = (plugin_request){c->plugin.items[i], PLACE_NONE};
        files = own;
    }
    if (errors_count(e) == before) u->plugins = registry_open(files, n, e);
    return u->plugins && fill(u, slot, e);
}

bool data_subject_open(data_subject *u, errors *e)
{
    u->data = data_open(u->plugin, u->config, &u->settings, u->seed, u->base_dir, &u->at, e);
    return u->data != NULL;
}

void data_subject_close(data_subject *u)
{
    data_close(u->data);
    registry_free(u->plugins);
    experiment_free(u->x);
    arena_free(&u->memory);
    *u = (data_subject){0};
}

bool data_subject_label(const data *d, data_part part, int64_t i, int32_t *label, errors *e)
{
    host h = host_make(e, CVY_ERR_CONFIG, &d->at, d->seed, NULL);
    cvy_dataset_read r = {.host = &h.face,
                          .split = part == DATA_TEST ? CVY_TEST : CVY_TRAIN,
                          .index = d->index[part][i],
                          .label = -1};
    *label = -1;
    if (d->info.classes < 1) return true;
    size_t before = errors_count(e);
    if (d->type->read(&r, d->config, d->opened)) {
        if (errors_count(e) == before) cvy_fail(&r, "read failed without saying why");
        return false;
    }
    *label = r.label >= 0 && r.label < d->info.classes ? r.label : -1;
    return true;
}

/* ---- places ---- */

char *data_subject_folder(const char *to)
{
    return to ? path_absolute(to) : path_user_data();
}

/* The first parameter that is a path and was given; *any: whether there is one at all. */
static const char *path_param(const data_subject *u, bool *any)
{
    params_table t = params_of(u->plugin, (void *)(uintptr_t)u->config);
    *any = false;
    for (size_t i = 0; i < t.n; i++) {
        cvy_param p = params_entry(&t, i);
        const char *value;
        if (p.kind != CVY_PARAM_STRING || (strcmp(p.name, "path") != 0 && !text_ends(p.name, "_path")))
            continue;
        *any = true;
        memcpy(&value, (const char *)u->config + p.offset, sizeof value);
        if (value) return value;
    }
    return NULL;
}

const char *data_subject_place(data_subject *u)
{
    bool any;
    const char *given = path_param(u, &any);
    if (!any) return NULL;
    char *folder = data_subject_folder(NULL),
         *place_ = given ? path_join(u->base_dir, given) : path_join(folder, u->plugin->name);
    const char *kept = arena_text(&u->memory, place_);
    mem_free(place_);
    mem_free(folder);
    return kept;
}

/* ---- recipes ---- */

bool recipes_open(recipes *r, errors *e)
{
    *r = (recipes){0};
    r->built_in = recipe_built_in(&r->memory, &r->n_built_in, e);
    return r->built_in != NULL;
}

void recipes_close(recipes *r)
{
    arena_free(&r->memory);
}

static const recipe *from_file(recipes *r, const char *path, const char *name, errors *e)
{
    size_t n = 0;
    const recipe *list = recipe_read(&r->memory, path, &n, e), *found = recipe_find(list, n, name);
    if (list && !found) {
        const char **names = arena_array(&r->memory, n, sizeof *names);
        for (size_t i = 0; i < n; i++) names[i] = list[i].name;
        const char *near = text_nearest(name, names, n);
        place at = PLACE_FILE(path);
        char *hint = near ? mem_printf("did you mean `%s`?", near)
                          : mem_text("the keys of the file are datasets' names");
        errors_add(e, CVY_ERR_CONFIG, &at, hint, "has no recipe for \"%s\"", name);
        mem_free(hint);
    }
    return found;
}

/* mydata.so -> mydata.recipe.yaml, or NAME.recipe.yaml in the same folder. */
static const recipe *from_plugin(recipes *r, registry *plugins, const char *name, errors *e)
{
    size_t n;
    const plugin_entry *entries = registry_list(plugins, &n);
    const recipe *found = NULL;
    for (size_t i = 0; i < n && !found; i++) {
        const plugin_entry *p = &entries[i];
        if (p->kind != CVY_DATASET || strcmp(p->name, name) != 0 || !text_ends(p->path, ".so")) continue;
        char *dir = path_dir(p->path), *stem = mem_text_n(p->path, strlen(p->path) - 3);
        char *paths[] = {mem_printf("%s.recipe.yaml", stem), mem_printf("%s/%s.recipe.yaml", dir, name)};
        for (size_t k = 0; k < 2; k++) {
            if (!found && file_exists(paths[k])) found = from_file(r, paths[k], name, e);
            mem_free(paths[k]);
            if (errors_count(e)) break;
        }
        mem_free(dir);
        mem_free(stem);
    }
    return found;
}

const recipe *recipes_for(recipes *r, registry *plugins, const char *file, const char *name, errors *e)
{
    if (file) return from_file(r, file, name, e);
    size_t before = errors_count(e);
    const recipe *own = from_plugin(r, plugins, name, e);
    if (own || errors_count(e) > before) return own;
    return recipe_find(r->built_in, r->n_built_in, name);
}

void data_subject_bytes(int64_t bytes, text *out)
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
    double v = (double)bytes;
    size_t u = 0;
    while (v >= 999.5 && u + 1 < sizeof units / sizeof *units) v /= 1000, u++;
    text_printf(out, v < 10 && u ? "%.1f %s" : "%.0f %s", v, units[u]);
}
