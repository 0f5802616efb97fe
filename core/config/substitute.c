/* Owns replacing ${parameters} in the layers of a model; must not know where the model came from. */
#include "config/substitute.h"

#include <string.h>
#include "config/model_file.h"
#include "config/scalar.h"
#include "config/suggest.h"

enum { SUBSTITUTE_BYTES_MAX = 1 << 20 }; /* of text put in: the limit of a file */

typedef struct substitution {
    arena *a;
    const node *model; /* whose keys are the parameters */
    size_t bytes;
    bool failed;
    errors *e;
} substitution;

static void report_unknown(substitution *s, const char *name, const place *at)
{
    const char **known = arena_array(s->a, s->model->n + 1, sizeof *known);
    size_t n = 0;
    for (size_t i = 0; i < s->model->n; i++) {
        if (s->model->kind == NODE_MAP && model_file_is_param(s->model->keys[i]))
            known[n++] = s->model->keys[i];
    }
    const char *hint = suggest_from(s->a, "the model has", name, known, n);
    const char *shown = suggest_shown(s->a, name);
    errors_add(s->e, CVY_ERR_CONFIG, at, hint ? hint : "only model files have parameters, under `params:`",
               "unknown parameter \"%s\" in ${%s}", shown, shown);
    s->failed = true;
}

static const node *parameter(substitution *s, const char *name, const place *at)
{
    const node *value = model_file_is_param(name) ? node_get(s->model, name) : NULL;
    if (!value) report_unknown(s, name, at);
    return value;
}

/* A scalar of its own; its texts live as long as the arena does. */
static node *same(substitution *s, const node *n)
{
    node *copy = arena_alloc(s->a, sizeof *copy);
    *copy = *n;
    return copy;
}

static node *scalar(substitution *s, const node *n)
{
    const char *from = strstr(n->s, "${");
    size_t length = strlen(n->s);
    if (from == n->s && strchr(from, '}') == n->s + length - 1 && length > 3) {
        const node *value = parameter(s, arena_text_n(s->a, n->s + 2, length - 3), &n->at);
        s->bytes += value ? strlen(value->s) : 0;
        return value ? same(s, value) : NULL;
    }
    text out = {0};
    const char *done = n->s;
    for (; from; from = strstr(done, "${")) {
        const char *end = strchr(from, '}');
        if (!end) {
            errors_add(s->e, CVY_ERR_CONFIG, &n->at, "write ${name}", "`${` is not closed");
            s->failed = true;
            break;
        }
        const node *value = parameter(s, arena_text_n(s->a, from + 2, (size_t)(end - from) - 2), &n->at);
        text_add_n(&out, done, (size_t)(from - done));
        if (value) text_add(&out, value->s);
        done = end + 1;
        if (s->bytes + out.n > SUBSTITUTE_BYTES_MAX) break;
    }
    text_add(&out, done);
    s->bytes += out.n;
    node *result = tree_scalar(s->a, text_str(&out), true, &n->at);
    text_free(&out);
    return result;
}

static node *replaced(substitution *s, const node *n)
{
    if (s->bytes > SUBSTITUTE_BYTES_MAX) {
        if (!s->failed)
            errors_add(s->e, CVY_ERR_CONFIG, &n->at, NULL, "parameters put in more than 1 MiB of text");
        s->failed = true;
        return NULL;
    }
    if (n->kind == NODE_SCALAR) return strstr(n->s, "${") ? scalar(s, n) : same(s, n);
    node *out = n->kind == NODE_LIST ? tree_list(s->a, &n->at) : tree_map(s->a, &n->at);
    for (size_t i = 0; i < n->n; i++) {
        node *inner = replaced(s, n->items[i]);
        if (!inner) continue;
        if (n->kind == NODE_LIST)
            node_append(s->a, out, inner);
        else
            node_put(s->a, out, n->keys[i], &n->key_at[i], inner);
    }
    return out;
}

node *substitute_params(arena *a, const node *model, errors *e)
{
    substitution s = {.a = a, .model = model, .e = e};
    if (model->kind != NODE_MAP) {
        node *out = replaced(&s, model);
        return s.failed ? NULL : out;
    }
    node *out = tree_map(a, &model->at);
    for (size_t i = 0; i < model->n; i++) {
        const char *key = model->keys[i];
        if (model_file_is_param(key) && model->items[i]->kind != NODE_SCALAR) {
            errors_add(e, CVY_ERR_CONFIG, &model->items[i]->at, NULL,
                       "model: %s: expected one value, found a %s", key,
                       model->items[i]->kind == NODE_LIST ? "list" : "map");
            s.failed = true;
            continue;
        }
        node *value =
            strcmp(key, "layers") == 0 ? replaced(&s, model->items[i]) : tree_copy(a, model->items[i]);
        if (value) node_put(a, out, key, &model->key_at[i], value);
    }
    return s.failed ? NULL : out;
}
