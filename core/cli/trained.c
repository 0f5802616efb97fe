/* Owns the way from a run's folder back to its experiment; must not print, nor know what is done with it. */
#include "cli/trained.h"

#include <string.h>

#include "base/digest.h"
#include "base/file.h"

/* ---- plugins ---- */

plugin_request *trained_files(const json *run, arena *a, size_t *n)
{
    const json *list = json_get(run, "plugins");
    size_t most = list && list->kind == JSON_ARRAY ? list->n : 0;
    plugin_request *files = arena_array(a, most + 1, sizeof *files);
    *n = 0;
    for (size_t i = 0; i < most; i++) {
        const char *path = json_get_text(list->items[i], "path", "");
        bool known = !path[0];
        for (size_t k = 0; k < *n; k++) known = known || strcmp(files[k].path, path) == 0;
        if (!known) files[(*n)++] = (plugin_request){path, PLACE_NONE};
    }
    return files;
}

const plugin_entry *trained_changed(const json *list, registry *r)
{
    size_t n;
    const plugin_entry *p = registry_list(r, &n);
    for (size_t i = 0; list && i < list->n; i++) {
        const char *name = json_get_text(list->items[i], "name", ""),
                   *kind = json_get_text(list->items[i], "kind", ""),
                   *hash = json_get_text(list->items[i], "sha256", "");
        for (size_t k = 0; k < n; k++)
            if (p[k].used && !strcmp(p[k].name, name) && !strcmp(plugin_kind_name(p[k].kind), kind) &&
                strcmp(p[k].sha256, hash) != 0)
                return &p[k];
    }
    return NULL;
}

/* A plugin of the run. */
typedef struct wanted {
    uint32_t kind;
    const char *name, *path, *sha256;
} wanted;

/* The files to open: the run's own, and for what overrides may ask beside them all others that take no name of theirs.
 */
typedef struct choice {
    trained *t;
    const trained_options *o;
    registry *search; /* what there is now */
    wanted *own;
    size_t n_own;
    plugin_request *files;
    size_t n, cap;
    text rebuilt; /* names of plugins that came with Convoy and are others now */
    size_t n_rebuilt;
    errors *e;
} choice;

static void choose(choice *h, const char *path)
{
    for (size_t i = 0; i < h->n; i++)
        if (!strcmp(h->files[i].path, path)) return;
    h->files = MEM_GROW(h->files, h->n, &h->cap);
    h->files[h->n++] = (plugin_request){arena_text(&h->t->memory, path), PLACE_NONE};
}

static bool unchanged(const char *path, const char *hash)
{
    char now[65] = "";
    errors quiet = {0};
    bool same = file_exists(path) && !sha256_file_cached(path, now, &quiet) && !strcmp(now, hash);
    errors_free(&quiet);
    return same;
}

/* Whether the plugin came with Convoy when the run was planned: the versions of the user's own stand among the run's
 * parameters. */
static bool came_along(const choice *h, const wanted *w)
{
    const char *key = arena_printf(&h->t->memory, "plugins.%s", w->name);
    return !json_get(json_get(h->t->run.whole, "params"), key);
}

/* The run's own file, or one that holds the same. What came with Convoy changes with it, and one that is built anew is
 * taken with a word about it: whether it still makes the network of the run, the names and shapes of the weights tell.
 * The user's own may have become anything: only under `force` is it taken as it is now. */
static void choose_own(choice *h, const wanted *w)
{
    const bool there = file_exists(w->path);
    const char *other = NULL;
    bool along = false;
    if (unchanged(w->path, w->sha256)) {
        choose(h, w->path);
        return;
    }
    size_t n;
    const plugin_entry *p = registry_list(h->search, &n);
    for (size_t i = 0; i < n; i++) {
        if (p[i].kind != w->kind || strcmp(p[i].name, w->name) != 0 || !p[i].path[0]) continue;
        if (!other) other = p[i].path, along = registry_comes_along(h->search, &p[i]);
        if (!unchanged(p[i].path, w->sha256)) continue;
        choose(h, p[i].path);
        return;
    }
    if (other && along && came_along(h, w)) {
        text_printf(&h->rebuilt, "%s%s", h->n_rebuilt ? ", " : "", w->name);
        h->n_rebuilt++;
        choose(h, other);
        return;
    }
    const place at = PLACE_FILE(w->path);
    const char *what = there ? "has changed since the run was planned" : "is not there any more";
    if (!h->o->force || (!there && !other)) {
        errors_add(h->e, CVY_ERR_PLUGIN, &at,
                   h->o->force ? "name its file with --plugin FILE"
                               : "--force takes it as it is now; the figures may then be others",
                   "%s %s: the plugin %s", plugin_kind_name(w->kind), w->name, what);
        return;
    }
    errors_warn(h->e, &at, NULL, "%s %s: the plugin %s: the figures may differ from those of the run",
                plugin_kind_name(w->kind), w->name, what);
    choose(h, there ? w->path : other);
}

static bool is_own(const choice *h, uint32_t kind, const char *name)
{
    for (size_t i = 0; i < h->n_own; i++)
        if (h->own[i].kind == kind && !strcmp(h->own[i].name, name)) return true;
    return false;
}

static void choose_others(choice *h)
{
    size_t n;
    const plugin_entry *p = registry_list(h->search, &n);
    for (size_t i = 0; i < n; i++) {
        bool own = !p[i].path[0];
        for (size_t k = 0; k < n && !own; k++)
            own = !strcmp(p[k].path, p[i].path) && is_own(h, p[k].kind, p[k].name);
        if (!own) choose(h, p[i].path);
    }
}

static registry *open_plugins(trained *t, const common *c, const trained_options *o, errors *e)
{
    choice h = {.t = t, .o = o, .e = e};
    size_t before = errors_count(e);
    plugin_request *named = arena_array(&t->memory, c->plugin.n + 1, sizeof *named);
    for (size_t i = 0; i < c->plugin.n; i++) named[i] = (plugin_request){c->plugin.items[i], PLACE_NONE};
    h.search = registry_open(named, c->plugin.n, e);
    if (!h.search) return NULL;
    const json *list = json_get(t->run.whole, "plugins");
    size_t most = list && list->kind == JSON_ARRAY ? list->n : 0;
    h.own = arena_array(&t->memory, most + 1, sizeof *h.own);
    for (size_t i = 0; i < most; i++) {
        wanted w = {.name = json_get_text(list->items[i], "name", ""),
                    .path = json_get_text(list->items[i], "path", ""),
                    .sha256 = json_get_text(list->items[i], "sha256", "")};
        bool known = plugin_kind_parse(json_get_text(list->items[i], "kind", ""), &w.kind);
        if (known && w.path[0]) h.own[h.n_own++] = w;
    }
    for (size_t i = 0; i < h.n_own; i++) choose_own(&h, &h.own[i]);
    if (h.n_rebuilt)
        errors_warn(
            e, NULL, NULL,
            "of the plugins that come with Convoy, %zu %s been built anew since the run was planned (%s): "
            "the figures may differ from those of the run",
            h.n_rebuilt, h.n_rebuilt == 1 ? "has" : "have", text_str(&h.rebuilt));
    text_free(&h.rebuilt);
    choose_others(&h);
    registry *r = errors_count(e) == before ? registry_open_only(h.files, h.n, e) : NULL;
    registry_free(h.search);
    mem_free(h.files);
    return r;
}

/* ---- overrides ---- */

bool trained_check_overrides(const trained_options *o, errors *e)
{
    size_t before = errors_count(e);
    for (size_t i = 0; i < o->n_overrides; i++) {
        if (text_starts(o->overrides[i], "dataset.")) continue;
        errors_add(e, CVY_ERR_CONFIG, NULL,
                   "what can be set lies below `dataset.`: dataset.path=FOLDER, dataset.test_limit=1000",
                   "%s: the network and how it was trained are the run's", o->overrides[i]);
    }
    return errors_count(e) == before;
}

static bool sets(const trained_options *o, const char *path)
{
    for (size_t i = 0; i < o->n_overrides; i++)
        if (text_starts(o->overrides[i], path) && o->overrides[i][strlen(path)] == '=') return true;
    return false;
}

/* The images at another size, behind all other steps. */
static bool resize(experiment *x, const trained_options *o, errors *e)
{
    arena *a = &x->memory;
    const place at = PLACE_FILE("--input-size");
    const node *given = experiment_get(x, "dataset.augment");
    const char *step =
        arena_printf(a, "{resize: {size: [%lld, %lld]}}", (long long)o->height, (long long)o->width);
    node *list = tree_list(a, &at), *last = tree_read_text(a, "--input-size", step, strlen(step), e);
    for (size_t i = 0; given && given->kind == NODE_LIST && i < given->n; i++)
        node_append(a, list, tree_copy(a, given->items[i]));
    if (given && given->kind != NODE_LIST && !node_is_null(given)) node_append(a, list, tree_copy(a, given));
    if (!last) return false;
    node_append(a, list, last);
    return experiment_set(x, "dataset.augment", list, &at, e) == CVY_OK && experiment_resolve(x, e) == CVY_OK;
}

/* ---- the dataset ---- */

/* Whether the samples that the run trained on may be others under the overrides. */
static bool trains_on_others(const trained *t, const trained_options *o)
{
    const char *recorded = json_get_text(json_get(t->run.whole, "dataset"), "fingerprint", "");
    size_t harmless = 0;
    bool same_files = recorded[0] && !strcmp(recorded, t->s->data->info.fingerprint);
    for (size_t i = 0; i < o->n_overrides; i++)
        harmless += text_starts(o->overrides[i], "dataset.test_limit=") ||
                    (same_files && text_starts(o->overrides[i], "dataset.path="));
    return harmless < o->n_overrides;
}

/* Those that the run wrote down; false where it wrote none. */
static bool recall_statistics(trained *t)
{
    data *now = t->s->data;
    const cvy_channel_stats *from = &t->card.stats;
    if (!data_card_read(&t->card, t->run.dir) || !from->mean || from->channels != now->info.sample.dim[0])
        return false;
    now->stats = *from;
    return true;
}

/* Mean and deviation of the channels as they were in training, for the dataset that there is now. */
static void keep_statistics(trained *t, const char *spec, errors *e)
{
    if (recall_statistics(t)) return;
    const char *none[] = {NULL};
    errors quiet = {0};
    data *now = t->s->data;
    experiment *x = experiment_read(spec, NULL, 0, none, &quiet);
    setup *s = x ? setup_new(x, t->plugins, t->run.base_dir, SETUP_MODEL, &quiet) : NULL;
    if (s && s->data && !data_prepare(s->data, &quiet) && s->data->stats.mean &&
        s->data->stats.channels == now->info.sample.dim[0]) {
        const cvy_channel_stats *from = &s->data->stats;
        float *mean = arena_array(&now->memory, (size_t)from->channels, sizeof *mean),
              *std = arena_array(&now->memory, (size_t)from->channels, sizeof *std);
        memcpy(mean, from->mean, (size_t)from->channels * sizeof *mean);
        memcpy(std, from->std, (size_t)from->channels * sizeof *std);
        now->stats = (cvy_channel_stats){.channels = from->channels, .mean = mean, .std = std};
    } else if ((!s || !s->data) && !data_prepare(now, e) && now->stats.mean) {
        errors_warn(
            e, &now->at, NULL,
            "the samples that the run was trained on are not there: images are normalized by the statistics "
            "of the training samples found");
    }
    setup_free(s);
    experiment_free(x);
    errors_free(&quiet);
}

static void check_dataset(const trained *t, const trained_options *o, errors *e)
{
    const json *planned = json_get(t->run.whole, "dataset");
    const char *recorded = json_get_text(planned, "fingerprint", "");
    const data *d = t->s->data;
    if (!o->n_overrides && strcmp(recorded, d->info.fingerprint) != 0)
        errors_warn(
            e, &d->at, NULL,
            "the dataset's files have changed since the run was planned: the figures may differ from those "
            "of the run");
    if (sets(o, "dataset.validation") || sets(o, "dataset.train_limit") || sets(o, "dataset.type"))
        errors_warn(
            e, NULL, NULL,
            "the training and validation samples are divided otherwise than in the run: it may have been "
            "trained on some of those it is validated on");
}

/* ---- opening ---- */

static const char *why_weights_may_not_fit(const trained_options *o)
{
    if (o->height)
        return "this network reads images of one size only; one that takes the mean over all positions "
               "(global_avg_pool) where this one has `flatten` reads any: architectures/cifar_fcn.yaml";
    if (o->n_overrides)
        return "the images or the classes of this dataset are others than those it was trained on";
    return NULL;
}

/* The run, its experiment and its plugins; false after reporting. */
static bool begin(trained *t, const common *c, const char *results, const char *run, const trained_options *o,
                  errors *e)
{
    const char *none[] = {NULL};
    *t = (trained){.hint = why_weights_may_not_fit(o)};
    if (runs_read(results, run, &t->memory, &t->run, e) != CVY_OK) return false;
    t->spec = path_join(t->run.dir, "spec.yaml");
    t->x = experiment_read(t->spec, o->overrides, o->n_overrides, none, e);
    if (t->x && (!o->height || resize(t->x, o, e))) t->plugins = open_plugins(t, c, o, e);
    return t->plugins != NULL;
}

bool trained_open(trained *t, const common *c, const char *results, const char *run, const trained_options *o,
                  errors *e)
{
    if (!begin(t, c, results, run, o, e)) return false;
    if (o->height) errors_push(e, "--input-size %lldx%lld", (long long)o->height, (long long)o->width);
    t->s = setup_new(t->x, t->plugins, t->run.base_dir, SETUP_RESUMED, e);
    if (o->height) errors_pop(e);
    if (t->s) check_dataset(t, o, e);
    if (t->s && trains_on_others(t, o)) keep_statistics(t, t->spec, e);
    return t->s != NULL;
}

bool trained_recall(trained *t, const common *c, const char *results, const char *run,
                    const trained_options *o, errors *e)
{
    if (!begin(t, c, results, run, o, e)) return false;
    const bool known = data_card_read(&t->card, t->run.dir);
    if (known && t->card.complete) {
        t->s = setup_recalled(t->x, t->plugins, &t->card, e);
        return t->s != NULL;
    }
    t->s = setup_new(t->x, t->plugins, t->run.base_dir, SETUP_RESUMED, e);
    const bool ready = t->s && data_prepare(t->s->data, e) == CVY_OK;
    if (!ready)
        errors_warn(e, &PLACE_FILE(t->run.dir), NULL, "%s: so the dataset is needed",
                    known
                        ? "what the preprocessing learned from the training samples is not kept with the run"
                        : "the run's folder does not say what its samples are like");
    return ready;
}

void trained_close(trained *t)
{
    setup_free(t->s);
    registry_free(t->plugins);
    experiment_free(t->x);
    data_card_free(&t->card);
    mem_free(t->spec);
    arena_free(&t->memory);
    *t = (trained){0};
}
