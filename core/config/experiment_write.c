/* Owns how a resolved experiment leaves this room: as a file that reads back equal, and as leaves for the
 * store. */
#include "config/experiment.h"

#include <string.h>
#include "base/file.h"
#include "config/model_file.h"
#include "config/scalar.h"

/* Not part of what one run is. */
static bool left_out(const char *key)
{
    return strcmp(key, "sweep") == 0 || strcmp(key, "repeats") == 0;
}

static node *absolute_plugins(arena *a, const experiment *x, const node *plugins)
{
    node *out = tree_list(a, &plugins->at);
    for (size_t i = 0; i < plugins->n; i++) {
        const node *n = plugins->items[i];
        const char *s = n->s;
        while (text_starts(s, "./")) s += 2;
        char *path = path_join(x->dir, s);
        node_append(a, out, tree_scalar(a, path, true, &n->at));
        mem_free(path);
    }
    return out;
}

void experiment_write(const experiment *x, text *out)
{
    arena a = {0};
    node *root = tree_map(&a, &x->root->at);
    for (size_t i = 0; i < x->root->n; i++) {
        const char *key = x->root->keys[i];
        node *value = x->root->items[i];
        if (left_out(key)) continue;
        if (strcmp(key, "plugins") == 0) value = absolute_plugins(&a, x, value);
        node_put(&a, root, key, &x->root->key_at[i], value);
    }
    tree_write(root, out);
    arena_free(&a);
}

typedef struct leaf_walk {
    void (*fn)(void *ctx, const char *path, const char *value);
    void *ctx;
} leaf_walk;

static void leaves_below(const leaf_walk *walk, const char *path, const node *n)
{
    if (n->kind == NODE_MAP && n->n) {
        for (size_t i = 0; i < n->n; i++) {
            char *inner = mem_printf("%s.%s", path, n->keys[i]);
            leaves_below(walk, inner, n->items[i]);
            mem_free(inner);
        }
        return;
    }
    text value = {0};
    tree_write_flow(n, &value);
    walk->fn(walk->ctx, path, text_str(&value));
    text_free(&value);
}

void experiment_leaves(const experiment *x, void (*fn)(void *ctx, const char *path, const char *value),
                       void *ctx)
{
    leaf_walk walk = {fn, ctx};
    for (size_t i = 0; i < x->root->n; i++) {
        const char *key = x->root->keys[i];
        const node *value = x->root->items[i];
        if (left_out(key) || (value->kind == NODE_MAP && value->n == 0)) continue;
        if (strcmp(key, "model") != 0) {
            leaves_below(&walk, key, value);
            continue;
        }
        fn(ctx, "model", x->model_name ? x->model_name : "custom");
        for (size_t k = 0; value->kind == NODE_MAP && k < value->n; k++) {
            if (!model_file_is_param(value->keys[k])) continue;
            char *path = mem_printf("model.%s", value->keys[k]);
            leaves_below(&walk, path, value->items[k]);
            mem_free(path);
        }
    }
}
