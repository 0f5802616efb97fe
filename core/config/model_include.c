/* Owns putting model files in the place of their names inside lists of layers; must not know what layers are. */
#include "config/model_include.h"

#include <string.h>
#include "base/file.h"
#include "config/substitute.h"

/* The files between the experiment and here, innermost first. */
typedef struct chain {
    const char *file;
    const struct chain *outer;
    int depth;
} chain;

enum { INCLUDE_DEPTH_MAX = 16 };

typedef struct including {
    arena *a;
    const model_places *places;
    errors *e;
} including;

static bool expand(including *g, node *layers, const chain *outer);

static bool within(const chain *c, const char *file)
{
    char *path = path_absolute(file);
    bool found = false;
    for (; c && !found; c = c->outer) {
        char *other = path_absolute(c->file);
        found = strcmp(path, other) == 0;
        mem_free(other);
    }
    mem_free(path);
    return found;
}

static void report_circle(including *g, const chain *c, const char *file, const place *at)
{
    text way = {0};
    text_add(&way, path_base(file));
    for (; c; c = c->outer) {
        char *further = mem_printf("%s -> %s", path_base(c->file), text_str(&way));
        text_free(&way);
        text_add(&way, further);
        mem_free(further);
    }
    errors_add(g->e, CVY_ERR_CONFIG, at, NULL, "a model file includes itself: %s", text_str(&way));
    text_free(&way);
}

/* The layers of the model that `named` asks for, with its parameters put in; those given as ${...} of the outer model
 * are still to be. */
static node *included(including *g, const node *named, const chain *outer)
{
    model_places places = *g->places;
    const char *dir = NULL;
    if (outer) { /* a model file's neighbours come before the experiment's */
        char *own = path_dir(outer->file);
        dir = arena_text(g->a, own);
        mem_free(own);
        places.dir = dir;
    }
    node *model = model_file_inline(g->a, named, &places, g->e);
    if (!model) return NULL;
    node *filled = substitute_params(g->a, model, g->e);
    node *layers = filled ? node_get(filled, "layers") : NULL;
    if (!layers) return NULL;
    const char *file = node_get(model, "layers")->at.file;
    chain here = {file, outer, outer ? outer->depth + 1 : 1};
    if (within(outer, file)) {
        report_circle(g, outer, file, &named->at);
        return NULL;
    }
    if (here.depth > INCLUDE_DEPTH_MAX) {
        errors_add(g->e, CVY_ERR_CONFIG, &named->at, NULL, "model files included more than %d deep",
                   INCLUDE_DEPTH_MAX);
        return NULL;
    }
    return expand(g, layers, &here) ? layers : NULL;
}

/* {sequential: {layers: [...], name: ..., inputs: ...}} in the place of {model: ...}. */
static bool replace(including *g, node *one, const chain *outer)
{
    node *value = one->items[0];
    const place *at = &one->key_at[0];
    node *named = value, *params = tree_map(g->a, at);
    if (value->kind == NODE_MAP) {
        named = tree_map(g->a, &value->at);
        for (size_t i = 0; i < value->n; i++) {
            bool layer = !strcmp(value->keys[i], "name") || !strcmp(value->keys[i], "inputs");
            node_put(g->a, layer ? params : named, value->keys[i], &value->key_at[i], value->items[i]);
        }
        if (!node_get(named, "type")) {
            errors_add(g->e, CVY_ERR_CONFIG, &value->at, "write model: {type: NAME}",
                       "model: which one is not said");
            return false;
        }
    }
    node *layers = included(g, named, outer);
    if (!layers) return false;
    node_put(g->a, params, "layers", at, layers);
    one->keys[0] = arena_text(g->a, "sequential");
    one->items[0] = params;
    return true;
}

static bool expand(including *g, node *layers, const chain *outer)
{
    bool ok = true;
    for (size_t i = 0; layers->kind == NODE_LIST && i < layers->n; i++) {
        node *one = layers->items[i];
        if (one->kind != NODE_MAP) continue;
        if (one->n == 1 && !strcmp(one->keys[0], "model")) {
            ok = replace(g, one, outer) && ok;
            continue;
        }
        /* {repeat: {layers: [...]}} or {type: repeat, layers: [...]} */
        node *params = one->n == 1 && one->items[0]->kind == NODE_MAP ? one->items[0] : one;
        node *inner = node_get(params, "layers");
        if (inner) ok = expand(g, inner, outer) && ok;
    }
    return ok;
}

bool model_include(arena *a, node *layers, const model_places *places, errors *e)
{
    including g = {a, places, e};
    const char *file = layers->at.file;
    chain own = {file, NULL, 0};
    return expand(&g, layers, file && file_exists(file) ? &own : NULL);
}
