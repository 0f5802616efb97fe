/* Owns dotted paths: what they find in an experiment and what setting them means; must not know plugins or
 * files. */
#include "config/override.h"

#include <stdlib.h>
#include <string.h>
#include "config/experiment_check.h"
#include "config/item.h"
#include "config/model_file.h"
#include "config/scalar.h"
#include "config/suggest.h"
#include "config/tree_read.h"

enum { PATH_SEGMENTS_MAX = 64 };

typedef struct segments {
    const char *s[PATH_SEGMENTS_MAX];
    size_t n;
} segments;

/* Where a walk stands. */
typedef struct spot {
    node **slot;   /* holds the node, so that it can be replaced */
    bool in_list;  /* an item: `name: {...}` may stand here */
    size_t depth;  /* segments walked */
    bool in_model; /* below `model` */
} spot;

/* False when the path is empty, has an empty part or too many. */
static bool split(arena *a, const char *path, segments *out)
{
    out->n = 0;
    for (const char *s = path;; s++) {
        size_t length = strcspn(s, ".");
        if (length == 0 || out->n == PATH_SEGMENTS_MAX) return false;
        out->s[out->n++] = arena_text_n(a, s, length);
        s += length;
        if (!*s) return true;
    }
}

static bool position(const char *s, size_t *i)
{
    if (!*s || strspn(s, "0123456789") != strlen(s) || strlen(s) > 6) return false;
    *i = (size_t)strtoul(s, NULL, 10);
    return true;
}

/* ---- items in lists ---- */

/* `name: {...}` or `name:`, the form of lists. */
static bool short_form(const node *n)
{
    return n->kind == NODE_MAP && n->n == 1 && strcmp(n->keys[0], "type") != 0 &&
           (n->items[0]->kind == NODE_MAP || node_is_null(n->items[0]));
}

static const char *item_type(const node *n)
{
    if (n->kind == NODE_SCALAR) return scalar_classify(n) == SCALAR_TEXT ? n->s : NULL;
    if (short_form(n)) return n->keys[0];
    const node *type = node_get(n, "type");
    return type && type->kind == NODE_SCALAR ? type->s : NULL;
}

static const char *item_name(const node *n)
{
    const node *params = short_form(n) ? n->items[0] : n;
    const node *name = node_get(params, "name");
    return name && name->kind == NODE_SCALAR ? name->s : NULL;
}

/* Index of an item by layer name, by position, by type where only one is of it; SIZE_MAX when there is none.
 */
static size_t find_item(const node *list, const char *segment)
{
    size_t i, found = SIZE_MAX, count = 0;
    for (i = 0; i < list->n; i++) {
        const char *name = item_name(list->items[i]);
        if (name && strcmp(name, segment) == 0) return i;
    }
    if (position(segment, &i)) return i < list->n ? i : SIZE_MAX;
    for (i = 0; i < list->n; i++) {
        const char *type = item_type(list->items[i]);
        if (!type || strcmp(type, segment) != 0) continue;
        found = i;
        count++;
    }
    return count == 1 ? found : SIZE_MAX;
}

/* ---- walking ---- */

/* The layers inside a map of the model: of the model itself, or of a layer that is made of layers. */
static node *layers_of(const spot *at)
{
    node *layers = at->in_model ? node_get(*at->slot, "layers") : NULL;
    return layers && layers->kind == NODE_LIST ? layers : NULL;
}

/* The slot of a child, NULL when there is none. Layers inside are found through their map, behind its parameters. */
static node **child(const spot *at, const char *segment)
{
    node *n = *at->slot;
    if (n->kind == NODE_LIST) {
        size_t i = find_item(n, segment);
        return i == SIZE_MAX ? NULL : &n->items[i];
    }
    if (n->kind != NODE_MAP) return NULL;
    for (size_t i = 0; i < n->n; i++) {
        if (strcmp(n->keys[i], segment) == 0) return &n->items[i];
    }
    node *layers = layers_of(at);
    if (layers) {
        size_t i = find_item(layers, segment);
        return i == SIZE_MAX ? NULL : &layers->items[i];
    }
    return NULL;
}

/* Whether a child found at this spot stands in a list. */
static bool child_in_list(const spot *at, const char *segment)
{
    const node *n = *at->slot;
    return n->kind == NODE_LIST || (at->in_model && !node_get(n, segment));
}

static spot below(const spot *at, node **slot, const char *segment)
{
    bool in_model = at->depth == 0 ? strcmp(segment, "model") == 0 : at->in_model;
    return (spot){slot, child_in_list(at, segment), at->depth + 1, in_model};
}

const node *override_get(arena *a, const node *root, const char *path)
{
    segments seg;
    if (!split(a, path, &seg)) return NULL;
    node *top = (node *)(uintptr_t)root; /* nothing is changed */
    spot at = {&top, false, 0, false};
    for (size_t i = 0; i < seg.n; i++) {
        node *n = *at.slot;
        bool named = n->kind == NODE_SCALAR || (at.in_list && short_form(n));
        if (named && i + 1 == seg.n && strcmp(seg.s[i], "type") == 0) {
            const char *type = item_type(n);
            return type ? tree_scalar(a, type, true, n->kind == NODE_MAP ? &n->key_at[0] : &n->at) : NULL;
        }
        if (at.in_list && short_form(n)) at.slot = &n->items[0];
        node **slot = child(&at, seg.s[i]);
        if (!slot) return NULL;
        at = below(&at, slot, seg.s[i]);
    }
    return *at.slot;
}

/* ---- setting ---- */

/* Makes room to go below the node: a bare name becomes a plugin with parameters. False: it is a plain value.
 */
static bool enter(arena *a, spot *at)
{
    node *n = *at->slot;
    if (n->kind == NODE_SCALAR) {
        bool nothing = node_is_null(n);
        if (!nothing && scalar_classify(n) != SCALAR_TEXT) return false;
        node *map = tree_map(a, &n->at);
        *at->slot = map;
        if (nothing) return true;
        if (!at->in_list) {
            node_put(a, map, "type", &n->at, n);
            return true;
        }
        node_put(a, map, n->s, &n->at, tree_map(a, &n->at));
        n = map;
    }
    if (at->in_list && short_form(n)) {
        if (n->items[0]->kind != NODE_MAP) n->items[0] = tree_map(a, &n->key_at[0]);
        at->slot = &n->items[0];
    }
    return true;
}

/* Every name that could stand behind this spot, for suggestions. */
static size_t names_below(arena *a, const spot *at, const char ***out)
{
    const node *n = *at->slot;
    const node *layers = n->kind == NODE_MAP ? layers_of(at) : NULL;
    const node *list = n->kind == NODE_LIST ? n : layers;
    const char **names = arena_array(a, n->n + 2 * (list ? list->n : 0) + 1, sizeof *names);
    size_t count = 0;
    for (size_t i = 0; n->kind == NODE_MAP && i < n->n; i++) {
        if (n->items[i] != layers) names[count++] = n->keys[i];
    }
    for (size_t i = 0; list && i < list->n; i++) {
        const char *name = item_name(list->items[i]), *type = item_type(list->items[i]);
        if (name) names[count++] = name;
        if (type) names[count++] = type;
    }
    *out = names;
    return count;
}

static const char *joined(arena *a, const segments *seg, size_t n)
{
    text path = {0};
    for (size_t i = 0; i < n; i++) text_printf(&path, "%s%s", i ? "." : "", seg->s[i]);
    const char *kept = suggest_shown(a, text_str(&path));
    text_free(&path);
    return kept;
}

/* A layer's name is the author's own word, so a type that looks like it was hardly meant: without a near name, all there is
 * to address layers by. */
static const char *model_hint(arena *a, const spot *model, const char *segment)
{
    enum { SHOWN = 30 };
    const node *n = *model->slot, *list = n->kind == NODE_LIST ? n : layers_of(model);
    const size_t most = (n->kind == NODE_MAP ? n->n : 0) + (list ? list->n : 0);
    const char **names = arena_array(a, most + 1, sizeof *names);
    size_t count = 0, shown = 0;
    for (size_t i = 0; n->kind == NODE_MAP && i < n->n; i++)
        if (model_file_is_param(n->keys[i])) names[count++] = n->keys[i];
    for (size_t i = 0; list && i < list->n; i++)
        if (item_name(list->items[i])) names[count++] = item_name(list->items[i]);
    const char *near = suggest_near(a, segment, names, count);
    if (near) return near;
    text all = {0};
    for (; shown < count && shown < SHOWN; shown++)
        text_printf(&all, "%s%s", shown ? ", " : "", suggest_shown(a, names[shown]));
    for (size_t i = 0; list && i < list->n && shown < SHOWN; i++) {
        const char *type = item_type(list->items[i]);
        if (!type || item_name(list->items[i])) continue;
        const bool alone = find_item(list, type) == i;
        const char *seen = suggest_shown(a, type), *comma = shown++ ? ", " : "";
        if (alone)
            text_printf(&all, "%s%s", comma, seen);
        else
            text_printf(&all, "%s%zu (%s)", comma, i, seen);
    }
    const char *hint =
        shown ? arena_printf(a, "there are %s%s", text_str(&all), shown == SHOWN ? ", ..." : "") : NULL;
    text_free(&all);
    return hint;
}

static bool report_absent(arena *a, const spot *where, const segments *seg, const place *at, errors *e)
{
    const char *segment = seg->s[where->depth], **names = NULL;
    const node *n = *where->slot;
    size_t i, count = names_below(a, where, &names);
    const char *hint = suggest_near(a, segment, names, count);
    const char *means = where->depth == 0 ? experiment_means(segment) : NULL;
    if (means) hint = arena_printf(a, "did you mean `%s`?", means);
    const char *parent = where->depth ? joined(a, seg, where->depth) : "the file";
    const char *shown = suggest_shown(a, segment);
    if (where->in_model && where->depth == 1) {
        hint = model_hint(a, where, segment);
        errors_add(e, CVY_ERR_CONFIG, at, hint, "the model has no parameter, layer name or position `%s`",
                   shown);
    } else if (n->kind == NODE_LIST && position(segment, &i)) {
        errors_add(e, CVY_ERR_CONFIG, at, "positions count from 0", "`%s` has %zu items, no position %s",
                   parent, n->n, shown);
    } else if (n->kind == NODE_LIST) {
        size_t same = 0;
        for (i = 0; i < n->n; i++) {
            const char *type = item_type(n->items[i]);
            same += type && strcmp(type, segment) == 0;
        }
        if (same > 1) hint = "address it by position, from 0";
        errors_add(e, CVY_ERR_CONFIG, at, hint, same > 1 ? "`%s` has more than one `%s`" : "`%s` has no `%s`",
                   parent, shown);
    } else {
        if (!hint && where->depth + 1 < seg->n) {
            hint = arena_printf(a, "set it as a whole, as in %s={type: NAME, %s: ...}",
                                joined(a, seg, where->depth + 1), suggest_shown(a, seg->s[seg->n - 1]));
        }
        errors_add(e, CVY_ERR_CONFIG, at, hint, "%s%s%s has no `%s`", where->depth ? "`" : "", parent,
                   where->depth ? "`" : "", shown);
    }
    return false;
}

/* A new value for an item of a list: a plugin, or the parameters alone for the one that stands there. A layer
 * keeps its name and inputs, which other layers refer to, and a rule of init.rules the names it is for. */
static void replace_item(arena *a, const spot *at, node *value)
{
    node *old = *at->slot;
    const char *type = item_type(old);
    bool whole = value->kind != NODE_MAP || node_get(value, "type") || short_form(value) || !type;
    node *now = value;
    if (!whole) {
        now = tree_map(a, &value->at);
        node_put(a, now, type, &value->at, value);
    }
    *at->slot = now;
    const node *was = short_form(old) ? old->items[0] : old;
    if (was->kind != NODE_MAP || !item_type(now)) return;
    static const char *const kept[] = {"name", "inputs", "match"};
    for (size_t i = at->in_model ? 0 : 2; i < (at->in_model ? 2 : 3); i++) {
        node *k = node_get(was, kept[i]);
        const node *params = short_form(now) ? now->items[0] : now;
        if (!k || node_get(params, kept[i])) continue;
        spot inside = *at;
        if (enter(a, &inside)) node_put(a, *inside.slot, kept[i], node_key_at(was, kept[i]), k);
        now = *at->slot;
    }
}

bool override_set(arena *a, node **root, const char *path, node *value, const place *at, errors *e)
{
    segments seg;
    if (!split(a, path, &seg)) {
        errors_add(e, CVY_ERR_CONFIG, at, "paths look like train.optimizer.lr", "`%s` is not a path",
                   suggest_shown(a, path));
        return false;
    }
    if (seg.n > 1 && strcmp(seg.s[seg.n - 1], "type") == 0) seg.n--; /* siblings go with the type */
    spot here = {root, false, 0, false};
    for (size_t i = 0;; i++) {
        const char *segment = seg.s[i];
        bool last = i + 1 == seg.n;
        if (!enter(a, &here)) {
            errors_add(e, CVY_ERR_CONFIG, at, NULL, "`%s` is a value, there is no `%s` in it",
                       joined(a, &seg, i), suggest_shown(a, segment));
            return false;
        }
        node **slot = child(&here, segment);
        node *n = *here.slot;
        bool model_map = here.depth == 1 && here.in_model && node_get(n, "layers");
        if (!slot) {
            if (!last || n->kind != NODE_MAP || model_map) return report_absent(a, &here, &seg, at, e);
            node_put(a, n, segment, at, value);
            return true;
        }
        spot next = below(&here, slot, segment);
        if (!last) {
            here = next;
        } else if (next.in_list) {
            replace_item(a, &next, value);
            return true;
        } else {
            node_put(a, n, segment, at, value);
            return true;
        }
    }
}

size_t override_base(const char *path)
{
    size_t n = strlen(path);
    return n > 5 && strcmp(path + n - 5, ".type") == 0 ? n - 5 : n;
}

node *override_parse(arena *a, const char *s, const char **path, place *at, errors *e)
{
    const char *file = arena_printf(a, "--set %s", suggest_shown(a, s));
    *at = PLACE_FILE(file);
    const char *equals = strchr(s, '=');
    if (!equals || equals == s) {
        errors_add(e, CVY_ERR_CONFIG, at, "as in train.epochs=2", "expected path=value");
        return NULL;
    }
    size_t n = (size_t)(equals - s);
    while (n && s[n - 1] == ' ') n--;
    *path = arena_text_n(a, s, n);
    node *value = tree_read_value(a, file, equals + 1, strlen(equals + 1), false, e);
    return value ? tree_copy(a, value) : NULL;
}

void override_normalise(arena *a, node *map, const char *key)
{
    node *n = node_get(map, key);
    item it;
    if (!n || node_get(n, "type") || !item_read(a, n, false, &it, NULL)) return;
    node *typed = tree_map(a, &n->at);
    node_put(a, typed, "type", &it.type_at, tree_scalar(a, it.type, true, &it.type_at));
    for (size_t i = 0; i < it.params->n; i++) {
        node_put(a, typed, it.params->keys[i], &it.params->key_at[i], it.params->items[i]);
    }
    node_put(a, map, key, node_key_at(map, key), typed);
}
