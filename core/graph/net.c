/* Builds the network of primitive layers from the model's items: order, composites, shapes, weights. Must not
 * know batch sizes, layouts or kernels. */
#include "graph/net.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "config/params.h"
#include "graph/net_build.h"

#define STATE_ALIGN 16 /* floats: a tensor starts on a cache line */

void net_shape_text(const cvy_shape *s, text *out)
{
    text_add(out, "(N");
    for (int i = 1; i < s->rank; i++) text_printf(out, ", %lld", (long long)s->dim[i]);
    text_char(out, ')');
}

static void net_tensor_text(const cvy_shape *s, text *out)
{
    text_char(out, '(');
    for (int i = 0; i < s->rank; i++) text_printf(out, i ? ", %lld" : "%lld", (long long)s->dim[i]);
    text_char(out, ')');
}

/* ---- infer ---- */

/* One call of a layer's infer; `declare` is NULL when weights were declared by an earlier call. */
typedef struct inference {
    cvy_infer call;
    host host;
    net *declare;
    const net *net;
    net_node *unit;
    int declared_weights, declared_buffers;
} inference;

/* Weights are made once and serve every batch size and every size of sample. */
static int net_declare_again(inference *i, bool buffer, int nth, const cvy_shape *shape)
{
    const net_node *unit = i->unit;
    if (nth >= (buffer ? unit->n_buffers : unit->n_weights))
        return cvy_fail(&i->call, "declares another number of weights for another input");
    const net_tensor *t =
        buffer ? &i->net->buffers[unit->first_buffer + nth] : &i->net->weights[unit->first_weight + nth];
    if (cvy_shape_same(&t->shape, shape)) return 0;
    text made = {0}, wanted = {0};
    net_tensor_text(&t->shape, &made);
    net_tensor_text(shape, &wanted);
    int failed =
        cvy_fail(&i->call, "is made for one size of input: \"%s\" is %s, and for this input it would be %s",
                 t->name, text_str(&made), text_str(&wanted));
    text_free(&made);
    text_free(&wanted);
    return failed;
}

static int net_declare(inference *i, bool buffer, const char *name, const cvy_shape *shape, cvy_init init)
{
    int nth = buffer ? i->declared_buffers++ : i->declared_weights++;
    int64_t count = 1;
    for (int d = 0; d < shape->rank; d++) {
        if (shape->dim[d] < 1 || __builtin_mul_overflow(count, shape->dim[d], &count) ||
            count > INT64_MAX / 64)
            return cvy_fail(&i->call, "%s has a size that cannot be held", name);
    }
    if (!i->declare) return net_declare_again(i, buffer, nth, shape);
    net *n = i->declare;
    net_tensor t = {.name = arena_printf(&n->memory, "%s.%s", i->unit->path, name),
                    .shape = *shape,
                    .init = init,
                    .count = count};
    if (buffer) {
        t.offset = n->buffer_floats;
        n->buffer_floats += (count + STATE_ALIGN - 1) / STATE_ALIGN * STATE_ALIGN;
        n->buffers = MEM_GROW(n->buffers, n->n_buffers, &n->cap_buffers);
        n->buffers[n->n_buffers++] = t;
        i->unit->n_buffers++;
    } else {
        t.offset = n->weight_floats;
        n->weight_floats += (count + STATE_ALIGN - 1) / STATE_ALIGN * STATE_ALIGN;
        n->weights = MEM_GROW(n->weights, n->n_weights, &n->cap_weights);
        n->weights[n->n_weights++] = t;
        i->unit->n_weights++;
        n->parameters += count;
    }
    return 0;
}

static int net_declare_weight(cvy_infer *in, const char *name, const cvy_shape *shape, cvy_init init)
{
    return net_declare((inference *)in, false, name, shape, init);
}

static int net_declare_buffer(cvy_infer *in, const char *name, const cvy_shape *shape, double value)
{
    return net_declare((inference *)in, true, name, shape, cvy_constant(value));
}

static void net_warn(cvy_infer *in, const char *fmt, ...)
{
    inference *i = (inference *)in;
    if (!i->declare) return;
    va_list ap;
    va_start(ap, fmt);
    text t = {0};
    text_vprintf(&t, fmt, ap);
    va_end(ap);
    errors_warn(i->host.e, &i->host.at, NULL, "%s", text_str(&t));
    text_free(&t);
}

/* Says what each input of a node is, so that a misfit names its producers. */
static void net_explain_inputs(const net *n, const net_node *unit, const cvy_shape *in, errors *e)
{
    text t = {0};
    for (int i = 0; i < unit->n_in; i++) {
        const net_node *from = &n->nodes[unit->in[i]];
        text_printf(&t, "%sinput %d is \"%s\"", i ? "; " : "", i + 1, from->path);
        if (from->plugin) text_printf(&t, " (%s", from->plugin->name);
        if (from->plugin && from->at.line) text_printf(&t, ", line %d", from->at.line);
        if (from->plugin) text_char(&t, ')');
        text_add(&t, " giving ");
        net_shape_text(&in[i], &t);
    }
    if (e->n && !e->items[e->n - 1].hint) e->items[e->n - 1].hint = text_take(&t);
    text_free(&t);
}

static cvy_status net_infer_node(net *declare, const net *n, net_node *unit, const cvy_shape *in,
                                 cvy_shape *out, int64_t *saved, int64_t *scratch, errors *e)
{
    errors_push(e, "layer \"%s\" (%s)", unit->path, unit->plugin->name);
    inference i = {.host = host_make(e, CVY_ERR_CONFIG, &unit->at, 0, unit->path),
                   .declare = declare,
                   .net = n,
                   .unit = unit};
    i.call = (cvy_infer){.host = &i.host.face,
                         .n_in = unit->n_in,
                         .in = in,
                         .weight = net_declare_weight,
                         .buffer = net_declare_buffer,
                         .warn = net_warn};
    size_t before = errors_count(e);
    int failed = 0;
    if (unit->n_in < unit->layer->min_in || (unit->layer->max_in >= 0 && unit->n_in > unit->layer->max_in)) {
        failed = cvy_fail(&i.call, "takes %d input%s and has %d", unit->layer->min_in,
                          unit->layer->min_in == 1 ? "" : " or more", unit->n_in);
    } else {
        failed = unit->layer->infer(&i.call, unit->config);
    }
    cvy_shape y = i.call.out;
    if (failed || errors_count(e) > before) {
        if (errors_count(e) == before) cvy_fail(&i.call, "infer failed without saying why");
        net_explain_inputs(n, unit, in, e);
        errors_pop(e);
        return CVY_ERR_CONFIG;
    }
    bool sane = y.rank >= 1 && y.rank <= CVY_MAX_RANK && y.dim[0] == in[0].dim[0];
    int64_t count = 1;
    for (int d = 0; sane && d < y.rank; d++)
        sane = y.dim[d] >= 1 && !__builtin_mul_overflow(count, y.dim[d], &count) && count < INT64_MAX / 64;
    if (!sane || i.call.saved_bytes < 0 || i.call.scratch_bytes < 0) {
        cvy_fail(&i.call, "infer declared an output shape that cannot be (the batch must stay dimension 0)");
        net_explain_inputs(n, unit, in, e);
        errors_pop(e);
        return CVY_ERR_PLUGIN;
    }
    unit->traits = i.call.traits;
    *out = y;
    if (saved) *saved = i.call.saved_bytes;
    if (scratch) *scratch = i.call.scratch_bytes;
    if (declare) unit->macs = i.call.macs;
    errors_pop(e);
    return CVY_OK;
}

cvy_status net_infer(const net *n, const cvy_shape *sample, int64_t batch, cvy_shape *shapes, int64_t *saved,
                     int64_t *scratch, errors *e)
{
    cvy_shape *own = shapes ? shapes : mem_array(n->n_nodes, sizeof *own);
    own[0] = n->nodes[0].out;
    if (sample) {
        own[0].rank = sample->rank + 1;
        memcpy(own[0].dim + 1, sample->dim, (size_t)sample->rank * sizeof *sample->dim);
    }
    own[0].dim[0] = batch;
    cvy_status status = CVY_OK;
    for (size_t k = 1; k < n->n_nodes && !status; k++) {
        net_node unit = n->nodes[k];
        cvy_shape *in = mem_array((size_t)unit.n_in, sizeof *in);
        for (int i = 0; i < unit.n_in; i++) in[i] = own[unit.in[i]];
        status = net_infer_node(NULL, n, &unit, in, &own[k], saved ? &saved[k] : NULL,
                                scratch ? &scratch[k] : NULL, e);
        mem_free(in);
    }
    if (!shapes) mem_free(own);
    return status;
}

/* ---- adding layers ---- */

int net_add_input(net *n, const char *path, const cvy_shape *batched)
{
    n->nodes = MEM_GROW(n->nodes, n->n_nodes, &n->cap_nodes);
    n->nodes[n->n_nodes] =
        (net_node){.path = arena_text(&n->memory, path), .out = *batched, .at = PLACE_NONE};
    return (int)n->n_nodes++;
}

/* A call of a composite's build. */
typedef struct building {
    cvy_build call;
    host host;
    builder *b;
    const char *path;
    const char *type;
    place at;
    int *nodes; /* net nodes behind the composite's own unit numbers */
    size_t n_nodes, cap_nodes;
    cvy_shape shape; /* what the last shape() call returned */
} building;

/* Messages about a child. Its parameter text is the composite's writing, so a place in that text is none the
 * user can go to: the item in the user's file stands for it. */
static void net_adopt(errors *to, errors *from, const char *where, const place *at)
{
    for (size_t i = 0; i < from->n; i++) {
        message *m = &from->items[i];
        place own = {m->file, m->line, m->column, m->offset, m->source};
        const place *p = m->file && strcmp(m->file, where) == 0 ? at : &own;
        if (m->warning)
            errors_warn(to, p, m->hint, "%s", m->what);
        else
            errors_add(to, m->status, p, m->hint, "%s", m->what);
    }
    errors_free(from);
}

/* The composite's own number for a node of the network. */
static int32_t net_number(building *g, int unit)
{
    if (unit < 0) return -1;
    g->nodes = MEM_GROW(g->nodes, g->n_nodes, &g->cap_nodes);
    g->nodes[g->n_nodes] = unit;
    return (int32_t)g->n_nodes++;
}

static int32_t net_build_child(cvy_build *call, const char *name, const char *type, const int32_t *in,
                               int32_t n_in, const char *fmt, ...)
{
    building *g = (building *)call;
    builder *b = g->b;
    for (int i = 0; i < n_in; i++)
        if (in[i] < 0) return -1;
    va_list ap;
    va_start(ap, fmt);
    text source = {0};
    text_char(&source, '{');
    if (fmt) text_vprintf(&source, fmt, ap);
    text_char(&source, '}');
    va_end(ap);

    int *from = mem_array((size_t)(n_in > 0 ? n_in : 1), sizeof *from);
    bool known = n_in > 0;
    for (int i = 0; i < n_in; i++) {
        known = known && (size_t)in[i] < g->n_nodes;
        from[i] = known ? g->nodes[in[i]] : 0;
    }
    int unit = -1;
    if (!known) {
        cvy_fail(call, "child \"%s\" names a node that does not exist", name);
    } else {
        char *where = mem_printf("parameters that %s gives its child \"%s\"", g->type, name);
        errors *outer = b->e, inner = {0};
        b->e = &inner;
        const node_t *params = tree_read_text(&b->net->memory, where, text_str(&source), source.n, &inner);
        char *path = mem_printf("%s.%s", g->path, name);
        if (params) unit = net_add_layer(b, path, type, params, from, n_in, &g->at);
        b->e = outer;
        net_adopt(outer, &inner, where, &g->at);
        mem_free(path);
        mem_free(where);
    }
    mem_free(from);
    text_free(&source);
    return net_number(g, unit);
}

static int32_t net_build_list(cvy_build *call, const char *name, const cvy_layers *layers, int32_t in)
{
    building *g = (building *)call;
    if (in < 0) return -1;
    if ((size_t)in >= g->n_nodes) {
        cvy_fail(call, "list \"%s\" names a node that does not exist", name);
        return -1;
    }
    if (!layers->list) return in;
    /* The user's own lines: their place and their path say it all, without the composites around them. */
    errors *outer = g->b->e, inner = {0};
    char *path = *name ? mem_printf("%s.%s", g->path, name) : mem_text(g->path);
    g->b->e = &inner;
    int unit = net_add_list(g->b, path, layers->list, g->nodes[in]);
    g->b->e = outer;
    errors_move(outer, &inner);
    mem_free(path);
    return net_number(g, unit);
}

static int net_build_head(cvy_build *call, int32_t unit, double weight)
{
    building *g = (building *)call;
    net *n = g->b->net;
    if (unit < 0) return 1;
    if ((size_t)unit >= g->n_nodes) return cvy_fail(call, "a head at a node that does not exist");
    n->heads = MEM_GROW(n->heads, n->n_heads, &n->cap_heads);
    n->heads[n->n_heads++] = (net_head){.node = g->nodes[unit], .weight = weight};
    return 0;
}

static const cvy_shape *net_build_shape(cvy_build *call, int32_t unit)
{
    building *g = (building *)call;
    if (unit < 0 || (size_t)unit >= g->n_nodes) return NULL;
    g->shape = g->b->net->nodes[g->nodes[unit]].out;
    return &g->shape;
}

static int net_add_composite(builder *b, const char *path, const cvy_descriptor *d, const cvy_layer *layer,
                             const void *config, const int *in, int n_in, const place *at)
{
    building g = {.host = host_make(b->e, CVY_ERR_CONFIG, at, 0, path),
                  .b = b,
                  .path = path,
                  .type = d->name,
                  .at = *at};
    cvy_shape *shapes = mem_array((size_t)n_in, sizeof *shapes);
    for (int i = 0; i < n_in; i++) {
        shapes[i] = b->net->nodes[in[i]].out;
        g.nodes = MEM_GROW(g.nodes, g.n_nodes, &g.cap_nodes);
        g.nodes[g.n_nodes++] = in[i];
    }
    g.call = (cvy_build){.host = &g.host.face,
                         .n_in = n_in,
                         .in = shapes,
                         .layer = net_build_child,
                         .shape = net_build_shape,
                         .layers = net_build_list,
                         .head = net_build_head};
    size_t before = errors_count(b->e);
    errors_push(b->e, "layer \"%s\" (%s)", path, d->name);
    int32_t result = -1;
    if (n_in < layer->min_in || (layer->max_in >= 0 && n_in > layer->max_in))
        cvy_fail(&g.call, "takes %d input%s and has %d", layer->min_in, layer->min_in == 1 ? "" : "s", n_in);
    else
        result = layer->build(&g.call, config);
    if ((result < 0 || (size_t)result >= g.n_nodes) && errors_count(b->e) == before)
        cvy_fail(&g.call, "build returned no node and did not say why");
    errors_pop(b->e);
    int unit = errors_count(b->e) > before ? -1 : g.nodes[result];
    mem_free(g.nodes);
    mem_free(shapes);
    return unit;
}

int net_add_primitive(builder *b, const char *path, const cvy_descriptor *d, const void *config,
                      const int *in, int n_in, const place *at)
{
    net *n = b->net;
    net_node unit = {.path = arena_text(&n->memory, path),
                     .plugin = d,
                     .layer = d->type,
                     .config = config,
                     .at = *at,
                     .n_in = n_in,
                     .in = arena_array(&n->memory, (size_t)n_in, sizeof(int)),
                     .first_weight = (int)n->n_weights,
                     .first_buffer = (int)n->n_buffers};
    memcpy(unit.in, in, (size_t)n_in * sizeof(int));
    cvy_shape *shapes = mem_array((size_t)n_in, sizeof *shapes);
    for (int i = 0; i < n_in; i++) shapes[i] = n->nodes[in[i]].out;
    cvy_status status = net_infer_node(n, n, &unit, shapes, &unit.out, NULL, NULL, b->e);
    mem_free(shapes);
    if (status) return -1;
    n->nodes = MEM_GROW(n->nodes, n->n_nodes, &n->cap_nodes);
    n->nodes[n->n_nodes] = unit;
    n->macs += unit.macs;
    return (int)n->n_nodes++;
}

int net_add_layer(builder *b, const char *path, const char *type, const node_t *params, const int *in,
                  int n_in, const place *at)
{
    net *n = b->net;
    if (n->n_nodes > 20000) {
        errors_add(b->e, CVY_ERR_CONFIG, at, NULL, "layer \"%s\": the network has more than 20,000 layers",
                   path);
        return -1;
    }
    errors_push(b->e, "layer \"%s\"", path);
    const cvy_descriptor *d = registry_find(b->registry, CVY_LAYER, type, at, b->e);
    errors_pop(b->e);
    if (!d) return -1;
    const cvy_layer *layer = d->type;
    errors_push(b->e, "layer \"%s\" (%s)", path, type);
    void *config = params_make(&n->memory, d, params, &b->env, b->e);
    errors_pop(b->e);
    if (!config) return -1;
    if (layer->build) {
        if (++b->depth > 32) {
            errors_add(b->e, CVY_ERR_PLUGIN, at, NULL,
                       "layer \"%s\" (%s): composites nested more than 32 deep", path, type);
            b->depth--;
            return -1;
        }
        int unit = net_add_composite(b, path, d, layer, config, in, n_in, at);
        b->depth--;
        return unit;
    }
    return net_add_primitive(b, path, d, config, in, n_in, at);
}

void net_free(net *n)
{
    if (!n) return;
    mem_free(n->nodes);
    mem_free(n->weights);
    mem_free(n->buffers);
    mem_free(n->heads);
    arena a = n->memory;
    arena_free(&a);
    mem_free(n);
}
