/* Turns layers into forward operators: by their `lower` where they have one, else by a call of their own
 * plain code. Must not know kernels or layouts. */
#include <string.h>

#include "graph/program.h"

typedef struct lowering {
    cvy_lower call;
    host host;
    program *p;
    int unit;
    const int *inputs; /* values */
    int *made;         /* values of operators emitted for this layer, by handle - LOWER_MADE */
    size_t n_made, cap_made;
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

/* Output shape of a public operator. */
static bool lower_shape(const program *p, cvy_op type, const int *in, int n, const op_attr *a, cvy_shape *y)
{
    const cvy_shape *x = &p->values[in[0]].t.shape;
    *y = *x;
    switch (type) {
    case CVY_OP_CONV: {
        if (x->rank != 4 || n < 2) return false;
        const cvy_shape *w = &p->values[in[1]].t.shape;
        y->dim[1] = w->dim[0];
        for (int d = 0; d < 2; d++)
            y->dim[2 + d] = (x->dim[2 + d] + a->conv.padding[d] + a->conv.padding[d + 2] -
                             a->conv.dilation[d] * (w->dim[2 + d] - 1) - 1) /
                                a->conv.stride[d] +
                            1;
        return true;
    }
    case CVY_OP_CONV3D: {
        const cvy_shape *w = &p->values[n > 1 ? in[1] : in[0]].t.shape;
        if (x->rank != 5 || n < 2 || w->rank != 5) return false;
        y->dim[1] = w->dim[0];
        for (int d = 0; d < 3; d++)
            y->dim[2 + d] = (x->dim[2 + d] + a->conv3d.padding[d] + a->conv3d.padding[d + 3] -
                             a->conv3d.dilation[d] * (w->dim[2 + d] - 1) - 1) /
                                a->conv3d.stride[d] +
                            1;
        return true;
    }
    case CVY_OP_BIAS:
        return n == 2 && x->rank >= 2 && cvy_count(&p->values[in[1]].t.shape) == x->dim[1];
    case CVY_OP_POOL:
        if (x->rank != 4) return false;
        for (int d = 0; d < 2; d++)
            y->dim[2 + d] =
                (x->dim[2 + d] + a->pool.padding[d] + a->pool.padding[d + 2] - op_pool_span(&a->pool, d)) /
                    a->pool.stride[d] +
                1;
        return true;
    case CVY_OP_LINEAR:
        if (x->rank != 2 || n < 2) return false;
        *y = cvy_shape2(x->dim[0], p->values[in[1]].t.shape.dim[0]);
        return true;
    case CVY_OP_GLOBAL_AVG:
        *y = cvy_shape2(x->dim[0], x->dim[1]);
        return x->rank >= 3;
    case CVY_OP_CONCAT:
        for (int i = 1; i < n; i++) y->dim[1] += p->values[in[i]].t.shape.dim[1];
        return true;
    case CVY_OP_SHORTCUT_PAD:
        if (x->rank != 4) return false;
        y->dim[1] += a->shortcut.before + a->shortcut.after;
        for (int d = 0; d < 2; d++) y->dim[2 + d] = (x->dim[2 + d] - 1) / a->shortcut.stride[d] + 1;
        return true;
    default:
        return true;
    }
}

/* Output shape of a transposed convolution, whose size is given. */
static bool lower_transposed_shape(const program *p, const int *in, int n, const cvy_conv_transpose_attr *a,
                                   cvy_shape *y)
{
    if (n != 2) return false;
    const cvy_shape *x = &p->values[in[0]].t.shape, *w = &p->values[in[1]].t.shape;
    const int64_t groups = a->conv.groups;
    bool good =
        x->rank == 4 && w->rank == 4 && w->dim[0] == x->dim[1] && groups > 0 && w->dim[0] % groups == 0;
    for (int d = 0; d < 2; d++)
        good = good && a->size[d] > 0 && a->conv.stride[d] > 0 && a->conv.dilation[d] > 0;
    if (good) *y = cvy_shape4(x->dim[0], w->dim[1] * groups, a->size[0], a->size[1]);
    return good;
}

/* The same along three axes. */
static bool lower_transposed3d_shape(const program *p, const int *in, int n,
                                     const cvy_conv3d_transpose_attr *a, cvy_shape *y)
{
    if (n != 2) return false;
    const cvy_shape *x = &p->values[in[0]].t.shape, *w = &p->values[in[1]].t.shape;
    const int64_t groups = a->conv.groups;
    bool good =
        x->rank == 5 && w->rank == 5 && w->dim[0] == x->dim[1] && groups > 0 && w->dim[0] % groups == 0;
    for (int d = 0; d < 3; d++)
        good = good && a->size[d] > 0 && a->conv.stride[d] > 0 && a->conv.dilation[d] > 0;
    if (good) *y = (cvy_shape){5, {x->dim[0], w->dim[1] * groups, a->size[0], a->size[1], a->size[2]}};
    return good;
}

static cvy_value lower_made(lowering *l, int v)
{
    l->made = MEM_GROW(l->made, l->n_made, &l->cap_made);
    l->made[l->n_made] = v;
    return LOWER_MADE + (cvy_value)l->n_made++;
}

static cvy_value lower_op(cvy_lower *call, cvy_op type, const cvy_value *handles, int32_t n, const void *attr)
{
    lowering *l = (lowering *)call;
    program *p = l->p;
    if (l->failed) return -1;
    int in[OP_LOWER_INPUTS + 1];
    bool known = n >= 1 && n <= OP_LOWER_INPUTS;
    for (int i = 0; known && i < n; i++) known = (in[i] = lower_resolve(l, handles[i])) != NO_VALUE;
    if (!known) {
        l->failed = true;
        cvy_fail(call, "lower: an operand does not exist");
        return -1;
    }
    op_attr a = {0};
    cvy_shape y;
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
    case CVY_OP_ACTIVATION: {
        a.activation = *(const cvy_activation_attr *)attr;
        const char *problem = op_activation_problem(&a.activation);
        if (!problem) break;
        l->failed = true;
        cvy_fail(call, "lower: activation %d: %s", (int)a.activation.function, problem);
        return -1;
    }
    case CVY_OP_POOL:
        a.pool = *(const cvy_pool_attr *)attr;
        break;
    case CVY_OP_SHORTCUT_PAD:
        a.shortcut = *(const cvy_shortcut_attr *)attr;
        break;
    case CVY_OP_DROPOUT:
        a.dropout = *(const cvy_dropout_attr *)attr;
        a.key = philox_key_of(p->options.seed, "dropout", p->net->nodes[l->unit].path);
        break;
    case CVY_OP_LINEAR:
    case CVY_OP_GLOBAL_AVG:
    case CVY_OP_ADD:
    case CVY_OP_CONCAT:
    case CVY_OP_RESHAPE:
    case CVY_OP_BIAS:
        break;
    default:
        l->failed = true;
        cvy_fail(call, "lower: %d is no operator", (int)type);
        return -1;
    }
    const tensor *x = &p->values[in[0]].t;
    if ((type == CVY_OP_CONV || type == CVY_OP_CONV_TRANSPOSE) && n > 1 &&
        p->values[in[1]].t.shape.rank == 3) {
        cvy_shape *w = &p->values[in[1]].t.shape; /* kernels over one axis, the horizontal one */
        *w = cvy_shape4(w->dim[0], w->dim[1], 1, w->dim[2]);
    }
    if (type == CVY_OP_BN_STATS) {
        /* Two steps: the statistics, and the running ones moved by them. */
        cvy_shape s = cvy_shape2(2, x->shape.dim[1]);
        tensor t = tensor_plain(&s);
        a.count = cvy_count(&x->shape) / x->shape.dim[1];
        int stats = program_value(p, VALUE_ACTIVATION, &t, 0);
        program_step(p, OP_BN_STATS, &a, in, 1, &stats, 1, l->unit, false);
        int moved[] = {stats, in[1], in[2]};
        program_step(p, OP_BN_RUNNING, &a, moved, 3, NULL, 0, l->unit, false);
        return lower_made(l, stats);
    }
    if (type == CVY_OP_BN_APPLY && n == 5) {
        /* Evaluation: the running statistics stand in for those of the batch. */
        cvy_shape s = cvy_shape2(2, x->shape.dim[1]);
        tensor t = tensor_plain(&s);
        int stats = program_value(p, VALUE_ACTIVATION, &t, 0);
        program_step(p, OP_BN_FROZEN, &a, in + 1, 2, &stats, 1, l->unit, false);
        a.fixed = 1; /* for the gradient, where a plan of training holds a frozen layer */
        in[1] = stats;
        in[2] = in[3];
        in[3] = in[4];
        n = 4;
    }
    bool fits = true;
    if (type == CVY_OP_RESHAPE)
        y = ((const cvy_reshape_attr *)attr)->shape;
    else if (type == CVY_OP_CONV_TRANSPOSE)
        fits = lower_transposed_shape(p, in, n, attr, &y);
    else if (type == CVY_OP_CONV3D_TRANSPOSE)
        fits = lower_transposed3d_shape(p, in, n, attr, &y);
    else
        fits = lower_shape(p, type, in, n, &a, &y);
    if (!fits) {
        l->failed = true;
        cvy_fail(call, "lower: operands do not fit operator %s",
                 op_label(&(op){.type = (op_type)type, .attr = a}));
        return -1;
    }
    tensor t = tensor_plain(&y);
    int out[2] = {program_value(p, VALUE_ACTIVATION, &t, 0), NO_VALUE};
    int n_out = 1;
    if (type == CVY_OP_POOL && a.pool.function == CVY_POOL_MAX && p->options.train) {
        t.element = op_pool_index(&a.pool);
        out[1] = program_value(p, VALUE_ACTIVATION, &t, 0);
        n_out = 2;
    }
    program_step(p, (op_type)type, &a, in, n, out, n_out, l->unit, false);
    return lower_made(l, out[0]);
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
                      .inputs = inputs};
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
            const cvy_shape *said =
                &p->shapes[unit]; /* not memcmp() of all: there is padding behind the rank */
            if (!made || made->rank != said->rank || memcmp(made->dim, said->dim, sizeof made->dim) != 0)
                lower_fail_shape(&l, made, said);
        }
        if (errors_count(e) > before) status = errors_status(e);
        errors_pop(e);
        mem_free(l.made);
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
