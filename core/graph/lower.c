/* Turns layers into forward operators: by their `lower` where they have one, else by a call of their own
 * plain code. Must not know kernels or layouts. */
#include <stdio.h>
#include <string.h>

#include "graph/fit.h"
#include "graph/program.h"

typedef struct lowering {
    cvy_lower call;
    host host;
    program *p;
    int unit;
    const int *inputs; /* values */
    int *made;         /* values of operators emitted for this layer, by handle - LOWER_MADE */
    size_t n_made, cap_made;
    bool *read; /* per weight: an operator of this layer reads it */
    bool failed;
} lowering;

#define LOWER_WEIGHT 0x10000
#define LOWER_BUFFER 0x20000
#define LOWER_MADE   0x40000

static int lower_state_value(program *p, const net_tensor *t, value_kind kind)
{
    tensor plain = tensor_plain(&t->shape);
    int v = program_value(p, kind, &plain, t->offset);
    p->values[v].frozen = t->frozen;
    return v;
}

static int lower_resolve(lowering *l, cvy_value handle)
{
    const net_node *n = &l->p->net->nodes[l->unit];
    if (handle < 0) return NO_VALUE;
    if (handle >= LOWER_MADE) {
        size_t i = (size_t)(handle - LOWER_MADE);
        return i < l->n_made ? l->made[i] : NO_VALUE;
    }
    if (handle >= LOWER_BUFFER) {
        int i = handle - LOWER_BUFFER;
        if (i >= n->n_buffers) return NO_VALUE;
        return lower_state_value(l->p, &l->p->net->buffers[n->first_buffer + i], VALUE_BUFFER);
    }
    if (handle >= LOWER_WEIGHT) {
        int i = handle - LOWER_WEIGHT;
        if (i >= n->n_weights) return NO_VALUE;
        return lower_state_value(l->p, &l->p->net->weights[n->first_weight + i], VALUE_WEIGHT);
    }
    return handle < n->n_in ? l->inputs[handle] : NO_VALUE;
}

static cvy_value lower_made(lowering *l, int v)
{
    l->made = MEM_GROW(l->made, l->n_made, &l->cap_made);
    l->made[l->n_made] = v;
    return LOWER_MADE + (cvy_value)l->n_made++;
}

/* -1, for the plugin to hand on. */
static cvy_value lower_refuse(lowering *l, const char *what, const char *why)
{
    l->failed = true;
    cvy_fail(&l->call, "lower: %s%s%s", what, *what ? ": " : "", why);
    return -1;
}

/* The operands as values and as what they are; false after reporting. */
static bool lower_operands(lowering *l, cvy_op type, const cvy_value *handles, int n, int *in,
                           fit_operand *as)
{
    const program *p = l->p;
    const net_node *self = &p->net->nodes[l->unit];
    for (int i = 0; i < n; i++) {
        text why = {0};
        in[i] = lower_resolve(l, handles[i]);
        if (in[i] == NO_VALUE) {
            text_printf(&why, "operand %d does not exist", i);
        } else if (handles[i] >= LOWER_WEIGHT && handles[i] < LOWER_BUFFER) {
            bool *read = &l->read[handles[i] - LOWER_WEIGHT];
            /* Each reader writes its gradient, at one place. */
            if (*read && p->options.train && !p->values[in[i]].frozen)
                text_printf(&why, "weight \"%s\" is read by another operator already: one alone can train it",
                            p->net->weights[self->first_weight + handles[i] - LOWER_WEIGHT].name);
            *read = true;
        }
        if (why.n) lower_refuse(l, fit_name(type), text_str(&why));
        text_free(&why);
        if (l->failed) return false;
    }
    for (int i = 0; i < n; i++) { /* resolving may move the values */
        cvy_shape *shape = &p->values[in[i]].t.shape;
        if (i == 1 && (type == CVY_OP_CONV || type == CVY_OP_CONV_TRANSPOSE) && shape->rank == 3)
            *shape = cvy_shape4(shape->dim[0], shape->dim[1], 1,
                                shape->dim[2]); /* along one axis, the horizontal one */
        as[i] = (fit_operand){shape, handles[i] >= LOWER_WEIGHT && handles[i] < LOWER_MADE};
    }
    return true;
}

static op_attr lower_attr(const lowering *l, cvy_op type, const void *attr)
{
    op_attr a = {0};
    switch (type) {
    case CVY_OP_CONV:
        a.conv = *(const cvy_conv_attr *)attr;
        break;
    case CVY_OP_CONV_TRANSPOSE:
        a.conv = ((const cvy_conv_transpose_attr *)attr)->conv;
        a.transposed = 1;
        break;
    case CVY_OP_CONV3D:
        a.conv3d = *(const cvy_conv3d_attr *)attr;
        break;
    case CVY_OP_CONV3D_TRANSPOSE:
        a.conv3d = ((const cvy_conv3d_transpose_attr *)attr)->conv;
        a.transposed = 1;
        break;
    case CVY_OP_BN_STATS:
    case CVY_OP_BN_APPLY:
        a.bn = *(const cvy_bn_attr *)attr;
        break;
    case CVY_OP_ACTIVATION:
        a.activation = *(const cvy_activation_attr *)attr;
        break;
    case CVY_OP_POOL:
        a.pool = *(const cvy_pool_attr *)attr;
        break;
    case CVY_OP_SHORTCUT_PAD:
        a.shortcut = *(const cvy_shortcut_attr *)attr;
        break;
    case CVY_OP_DROPOUT:
        a.dropout = *(const cvy_dropout_attr *)attr;
        a.key = philox_key_of(l->p->options.seed, "dropout", l->p->net->nodes[l->unit].path);
        break;
    default:
        break;
    }
    return a;
}

static int lower_stats_value(program *p, const cvy_shape *x)
{
    cvy_shape s = cvy_shape2(2, x->dim[1]);
    tensor t = tensor_plain(&s);
    return program_value(p, VALUE_ACTIVATION, &t, 0);
}

/* Two steps: the statistics, and the running ones moved by them. */
static int lower_bn_stats(lowering *l, op_attr *a, const int *in)
{
    program *p = l->p;
    const cvy_shape x = p->values[in[0]].t.shape;
    a->count = cvy_count(&x) / x.dim[1];
    int stats = lower_stats_value(p, &x), moved[] = {stats, in[1], in[2]};
    program_step(p, OP_BN_STATS, a, in, 1, &stats, 1, l->unit, false);
    program_step(p, OP_BN_RUNNING, a, moved, 3, NULL, 0, l->unit, false);
    return stats;
}

/* Evaluation: the running statistics stand in for those of the batch. Five operands become four. */
static void lower_bn_frozen(lowering *l, op_attr *a, int *in)
{
    program *p = l->p;
    const cvy_shape x = p->values[in[0]].t.shape;
    int stats = lower_stats_value(p, &x);
    program_step(p, OP_BN_FROZEN, a, in + 1, 2, &stats, 1, l->unit, false);
    a->fixed = 1; /* for the gradient, where a plan of training holds a frozen layer */
    in[1] = stats;
    in[2] = in[3];
    in[3] = in[4];
}

static cvy_value lower_op(cvy_lower *call, cvy_op type, const cvy_value *handles, int32_t n, const void *attr)
{
    lowering *l = (lowering *)call;
    program *p = l->p;
    if (l->failed) return -1;
    if (!fit_name(type)) {
        char what[40];
        snprintf(what, sizeof what, "%d is no operator", (int)type);
        return lower_refuse(l, "", what);
    }
    const size_t most = n > 0 ? (size_t)n : 0;
    arena own = {0};
    int *in = arena_array(&own, most + 1, sizeof *in);
    fit_operand *as = arena_array(&own, most + 1, sizeof *as);
    text why = {0};
    cvy_shape y;
    cvy_value made = -1;
    if (!lower_operands(l, type, handles, n, in, as)) {
    } else if (!fit_operator(type, as, n, attr, &y, &why)) {
        lower_refuse(l, fit_name(type), text_str(&why));
    } else {
        op_attr a = lower_attr(l, type, attr);
        int out[2] = {NO_VALUE, NO_VALUE}, n_out = 1;
        if (type == CVY_OP_BN_STATS) {
            out[0] = lower_bn_stats(l, &a, in);
        } else {
            if (type == CVY_OP_BN_APPLY && n == 5) {
                lower_bn_frozen(l, &a, in);
                n = 4;
            }
            tensor t = tensor_plain(&y);
            out[0] = program_value(p, VALUE_ACTIVATION, &t, 0);
            if (type == CVY_OP_POOL && a.pool.function == CVY_POOL_MAX && p->options.train) {
                t.element = op_pool_index(&a.pool);
                out[1] = program_value(p, VALUE_ACTIVATION, &t, 0);
                n_out = 2;
            }
            program_step(p, (op_type)type, &a, in, n, out, n_out, l->unit, false);
        }
        made = lower_made(l, out[0]);
    }
    text_free(&why);
    arena_free(&own);
    return made;
}

/* The layer's own code as one step: in: inputs then weights then buffers; out: y [, saved]. */
static int lower_plain(program *p, int unit, const int *inputs)
{
    const net_node *n = &p->net->nodes[unit];
    int n_in = n->n_in + n->n_weights + n->n_buffers;
    int *in = mem_array((size_t)n_in, sizeof *in), out[2], n_out = 1;
    memcpy(in, inputs, (size_t)n->n_in * sizeof *in);
    for (int i = 0; i < n->n_weights; i++)
        in[n->n_in + i] = lower_state_value(p, &p->net->weights[n->first_weight + i], VALUE_WEIGHT);
    for (int i = 0; i < n->n_buffers; i++)
        in[n->n_in + n->n_weights + i] =
            lower_state_value(p, &p->net->buffers[n->first_buffer + i], VALUE_BUFFER);
    tensor t = tensor_plain(&p->shapes[unit]);
    out[0] = program_value(p, VALUE_ACTIVATION, &t, 0);
    if (p->options.train && p->saved[unit] > 0) {
        cvy_shape bytes = cvy_shape1(p->saved[unit]);
        tensor s = tensor_plain(&bytes);
        s.element = 1;
        out[1] = program_value(p, VALUE_ACTIVATION, &s, 0);
        n_out = 2;
    }
    program_step(p, OP_PLAIN, NULL, in, n_in, out, n_out, unit, false);
    mem_free(in);
    return out[0];
}

static void lower_fail_shape(lowering *l, const cvy_shape *made, const cvy_shape *said)
{
    text gave = {0}, declared = {0};
    if (made) net_shape_text(made, &gave);
    net_shape_text(said, &declared);
    cvy_fail(&l->call, "lower gives another output shape than infer declared: %s, not %s",
             made ? text_str(&gave) : "none", text_str(&declared));
    text_free(&gave);
    text_free(&declared);
}

static cvy_status lower_node(program *p, int unit, errors *e)
{
    const net_node *n = &p->net->nodes[unit];
    int *inputs = mem_array((size_t)n->n_in, sizeof *inputs);
    cvy_shape *shapes = mem_array((size_t)n->n_in, sizeof *shapes);
    for (int i = 0; i < n->n_in; i++) {
        inputs[i] = p->node_value[n->in[i]];
        shapes[i] = p->shapes[n->in[i]];
    }
    cvy_status status = CVY_OK;
    int result = NO_VALUE;
    if (!n->layer->lower || p->options.plain || program_draw(p, unit)) {
        result = lower_plain(p, unit, inputs);
    } else {
        lowering l = {.host = host_make(e, CVY_ERR_PLUGIN, &n->at, p->options.seed, n->path),
                      .p = p,
                      .unit = unit,
                      .inputs = inputs,
                      .read = mem_array((size_t)n->n_weights + 1, sizeof(bool))};
        l.call = (cvy_lower){.host = &l.host.face,
                             .train = p->options.train && !n->evaluates,
                             .n_in = n->n_in,
                             .in = shapes,
                             .out = &p->shapes[unit],
                             .op = lower_op};
        errors_push(e, "layer \"%s\" (%s)", n->path, n->plugin->name);
        size_t before = errors_count(e);
        cvy_value handle = n->layer->lower(&l.call, n->config);
        if (handle == CVY_PLAIN && !l.n_made) {
            result = lower_plain(p, unit, inputs);
        } else if (errors_count(e) == before) {
            result = lower_resolve(&l, handle);
            const cvy_shape *made = result == NO_VALUE ? NULL : &p->values[result].t.shape;
            const cvy_shape *said = &p->shapes[unit];
            if (!made || !cvy_shape_same(made, said)) lower_fail_shape(&l, made, said);
        }
        if (errors_count(e) > before) status = errors_status(e);
        errors_pop(e);
        mem_free(l.made);
        mem_free(l.read);
    }
    p->node_value[unit] = result;
    mem_free(inputs);
    mem_free(shapes);
    return status;
}

cvy_status lower_net(program *p, errors *e)
{
    const net *n = p->net;
    tensor x = tensor_plain(&p->shapes[0]);
    p->input = program_value(p, VALUE_INPUT, &x, 0);
    const size_t n_lossy = 1 + (p->options.train ? n->n_heads : 0);
    p->n_ends = n_lossy + p->options.n_watched;
    p->ends = arena_array(&p->memory, p->n_ends, sizeof *p->ends);
    p->ends[0] = (ending){.unit = n->output, .gradient = NO_VALUE, .weight = 1};
    for (size_t i = 1; i < n_lossy; i++)
        p->ends[i] =
            (ending){.unit = n->heads[i - 1].node, .gradient = NO_VALUE, .weight = n->heads[i - 1].weight};
    for (size_t i = n_lossy; i < p->n_ends; i++)
        p->ends[i] = (ending){.unit = p->options.watched[i - n_lossy], .gradient = NO_VALUE, .watched = true};

    bool *needed = mem_array(n->n_nodes, sizeof *needed);
    for (size_t i = 0; i < p->n_ends; i++) needed[p->ends[i].unit] = true;
    for (size_t i = n->n_nodes; i-- > 1;) /* nodes come after their inputs */
        for (int k = 0; needed[i] && k < n->nodes[i].n_in; k++) needed[n->nodes[i].in[k]] = true;

    p->node_value = arena_array(&p->memory, n->n_nodes, sizeof(int));
    p->node_value[0] = p->input;
    cvy_status status = CVY_OK;
    for (size_t i = 1; i < n->n_nodes && !status; i++) {
        p->node_value[i] = NO_VALUE;
        if (needed[i]) status = lower_node(p, (int)i, e);
    }
    mem_free(needed);
    for (size_t i = 0; i < p->n_ends && !status; i++) p->ends[i].value = p->node_value[p->ends[i].unit];
    return status;
}
