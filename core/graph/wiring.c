/* Reads the model's list of items, gives every layer its name and inputs, and adds them in an order in which
 * each comes after its inputs. Knows names and places; leaves shapes to net.c. */
#include <stdio.h>
#include <string.h>

#include "graph/net_build.h"

typedef struct wire {
    item item;
    const char *name;
    place at;
    size_t n_in;
    int *in;   /* items; -1: the list's input */
    int mark;  /* 0 new, 1 being visited, 2 added or failed */
    int node;  /* of the output; -1: failed */
    bool read; /* some other layer takes its output */
} wire;

typedef struct wiring {
    builder *b;
    const char *path; /* of the list; "" for the network's own */
    int input;        /* node */
    wire *w;
    size_t n;
} wiring;

static const char *wiring_path(const wiring *g, const wire *w)
{
    return *g->path ? arena_printf(&g->b->net->memory, "%s.%s", g->path, w->name) : w->name;
}

static int wiring_index(const wiring *g, const char *name)
{
    if (strcmp(name, "input") == 0) return -1;
    for (size_t i = 0; i < g->n; i++)
        if (strcmp(g->w[i].name, name) == 0) return (int)i;
    return -2;
}

static bool wiring_names(wiring *g)
{
    errors *e = g->b->e;
    bool ok = true;
    for (size_t i = 0; i < g->n; i++) {
        wire *w = &g->w[i];
        for (const char *c = w->name; *c; c++) {
            bool fine = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') ||
                        *c == '_' || *c == '-';
            if (fine) continue;
            errors_add(e, CVY_ERR_CONFIG, &w->item.name_at, NULL,
                       "layer name \"%s\" may hold letters, digits, '_' and '-' only", w->name);
            ok = false;
            break;
        }
        if (strcmp(w->name, "input") == 0) {
            errors_add(e, CVY_ERR_CONFIG, &w->item.name_at, NULL,
                       "\"input\" is the %s own input; choose another name",
                       *g->path ? "list's" : "network's");
            ok = false;
        }
        for (size_t k = 0; k < i; k++) {
            if (strcmp(g->w[k].name, w->name)) continue;
            errors_add(e, CVY_ERR_CONFIG, w->item.name ? &w->item.name_at : &w->at, NULL,
                       "layer name \"%s\" is taken by the layer on line %d", w->name, g->w[k].at.line);
            ok = false;
            break;
        }
    }
    return ok;
}

static bool wiring_inputs(wiring *g)
{
    errors *e = g->b->e;
    arena *a = &g->b->net->memory;
    bool ok = true;
    for (size_t i = 0; i < g->n; i++) {
        wire *w = &g->w[i];
        if (!w->item.inputs) {
            w->n_in = 1;
            w->in = arena_array(a, 1, sizeof(int));
            w->in[0] = (int)i - 1;
            if (i > 0) g->w[i - 1].read = true;
            continue;
        }
        const node_t *list = w->item.inputs;
        bool one = list->kind == NODE_SCALAR;
        w->n_in = one ? 1 : list->n;
        w->in = arena_array(a, w->n_in + 1, sizeof(int));
        if (w->n_in == 0) {
            errors_add(e, CVY_ERR_CONFIG, &list->at, NULL, "layer \"%s\": inputs is empty",
                       wiring_path(g, w));
            ok = false;
        }
        for (size_t k = 0; k < w->n_in; k++) {
            const node_t *s = one ? list : list->items[k];
            const char *name = NULL;
            if (s->kind != NODE_SCALAR || !node_string(s, &name, e)) {
                if (s->kind != NODE_SCALAR)
                    errors_add(e, CVY_ERR_CONFIG, &s->at, NULL, "layer \"%s\": inputs are names of layers",
                               wiring_path(g, w));
                ok = false;
                continue;
            }
            int from = wiring_index(g, name);
            if (from == -2) {
                const char **names = mem_array(g->n + 1, sizeof *names);
                for (size_t m = 0; m < g->n; m++) names[m] = g->w[m].name;
                names[g->n] = "input";
                const char *near = text_nearest(name, names, g->n + 1);
                char *hint = near ? mem_printf("did you mean \"%s\"?", near)
                                  : mem_printf("name the layer you mean with `name: %s`", name);
                errors_add(e, CVY_ERR_CONFIG, &s->at, hint,
                           "layer \"%s\": no layer named \"%s\" to take as input", wiring_path(g, w), name);
                mem_free(hint);
                mem_free(names);
                ok = false;
                continue;
            }
            w->in[k] = from;
            if (from >= 0) g->w[from].read = true;
        }
    }
    return ok;
}

/* Behind a layer that failed no shapes are known, but a name or a parameter can still be seen to be wrong. */
static void wiring_check_alone(builder *b, const char *path, const wire *w)
{
    errors_push(b->e, "layer \"%s\"", path);
    const cvy_descriptor *d = registry_find(b->registry, CVY_LAYER, w->item.type, &w->at, b->e);
    errors_pop(b->e);
    if (!d) return;
    errors_push(b->e, "layer \"%s\" (%s)", path, w->item.type);
    params_make(&b->net->memory, d, w->item.params, &b->env, b->e);
    errors_pop(b->e);
}

/* Depth-first, so that a layer is added after its inputs; items already come in a good order, so a node's
 * index follows the file where it can. */
static bool wiring_visit(wiring *g, size_t i)
{
    wire *w = &g->w[i];
    if (w->mark == 2) return w->node >= 0;
    if (w->mark == 1) {
        errors_add(g->b->e, CVY_ERR_CONFIG, &w->at, "a network's connections may not form a circle",
                   "layer \"%s\" is, through its inputs, its own input", wiring_path(g, w));
        w->mark = 2;
        return false;
    }
    w->mark = 1;
    bool ok = true;
    int *in = mem_array(w->n_in, sizeof *in);
    for (size_t k = 0; k < w->n_in; k++) {
        if (w->in[k] >= 0) ok = wiring_visit(g, (size_t)w->in[k]) && ok;
        in[k] = w->in[k] < 0 ? g->input : g->w[w->in[k]].node;
    }
    w->mark = 2;
    if (ok)
        w->node =
            net_add_layer(g->b, wiring_path(g, w), w->item.type, w->item.params, in, (int)w->n_in, &w->at);
    else
        wiring_check_alone(g->b, wiring_path(g, w), w);
    mem_free(in);
    return w->node >= 0;
}

int net_add_list(builder *b, const char *path, const node_t *layers, int input)
{
    size_t before = errors_count(b->e);
    if (b->lists++ > 20000) { /* repeats of repeats of nothing add no layers to count */
        errors_add(b->e, CVY_ERR_CONFIG, &layers->at, NULL,
                   "the network has more than 20,000 lists of layers");
        return -1;
    }
    if (layers->n == 0) return input;
    arena *a = &b->net->memory;
    wiring g = {
        .b = b, .path = path, .input = input, .w = mem_array(layers->n, sizeof(wire)), .n = layers->n};
    bool ok = true;
    for (size_t i = 0; i < g.n; i++) {
        wire *w = &g.w[i];
        w->node = -1;
        w->at = layers->items[i]->at;
        ok = item_read(a, layers->items[i], true, &w->item, b->e) && ok;
        if (w->item.type) w->at = w->item.type_at;
        w->name = w->item.name ? w->item.name : arena_printf(a, "%zu", i);
    }
    ok = ok && wiring_names(&g);
    ok = ok && wiring_inputs(&g);
    for (size_t i = 0; ok && i < g.n; i++) wiring_visit(&g, i);
    for (size_t i = 0; ok && i + 1 < g.n; i++)
        if (!g.w[i].read && g.w[i].node >= 0)
            errors_warn(b->e, &g.w[i].at,
                        *path ? "the last layer of the list is its output"
                              : "the last layer of the list is the network's output",
                        "layer \"%s\": nothing takes its output", wiring_path(&g, &g.w[i]));
    int output = errors_count(b->e) > before ? -1 : g.w[g.n - 1].node;
    mem_free(g.w);
    return output;
}

net *net_build(const node_t *layers, const cvy_shape *sample, int classes, registry *r, errors *e)
{
    if (!layers || layers->kind != NODE_LIST || layers->n == 0) {
        errors_add(e, CVY_ERR_CONFIG, layers ? &layers->at : NULL, NULL, "model: expected a list of layers");
        return NULL;
    }
    net *n = mem_alloc(sizeof *n);
    n->classes = classes;
    params_word words[] = {{.word = "classes", .value = classes}};
    if (classes < 1) {
        words[0].unknown = "the dataset has no classes: it gives numbers for each sample";
        words[0].hint = "write how many numbers the network is to give";
    }
    builder b = {.net = n, .registry = r, .env = {.words = words, .n_words = 1}, .e = e};
    cvy_shape batched = {.rank = sample->rank + 1, .dim = {1}};
    for (int i = 0; i < sample->rank; i++) batched.dim[i + 1] = sample->dim[i];
    n->output = net_add_list(&b, "", layers, net_add_input(n, "input", &batched));
    if (n->output >= 0) return n;
    net_free(n);
    return NULL;
}
