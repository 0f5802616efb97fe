/* Appends the backward steps: reverse order, each operator by its own rule, gradients of a value with several
 * readers summed. Must not know kernels or layouts. */
#include <string.h>

#include "graph/program.h"

typedef struct differentiation {
    program *p;
    bool *needs; /* per value: something trainable, or watched, lies upstream */
    int **parts; /* per value: gradients given so far by its readers */
    size_t *n_parts, *cap_parts;
    size_t n; /* forward values; later ones are gradients */
} differentiation;

static void autodiff_give(differentiation *d, int v, int gradient)
{
    if (gradient == NO_VALUE) return;
    d->parts[v] = MEM_GROW(d->parts[v], d->n_parts[v], &d->cap_parts[v]);
    d->parts[v][d->n_parts[v]++] = gradient;
}

/* The complete gradient of v: all its readers have been differentiated. */
static int autodiff_take(differentiation *d, int v, int unit)
{
    size_t n = d->n_parts[v];
    if (n == 0) return NO_VALUE;
    if (n == 1) return d->parts[v][0];
    tensor t = d->p->values[v].t;
    int sum = program_value(d->p, VALUE_ACTIVATION, &t, 0);
    program_step(d->p, OP_ADD, NULL, d->parts[v], (int)n, &sum, 1, unit, true);
    d->parts[v][0] = sum; /* for whoever takes it again */
    d->n_parts[v] = 1;
    return sum;
}

static int autodiff_gradient(differentiation *d, int v)
{
    program *p = d->p;
    if (v == NO_VALUE || !d->needs[v]) return NO_VALUE;
    tensor t = p->values[v].t;
    if (p->values[v].kind == VALUE_WEIGHT) return program_value(p, VALUE_GRADIENT, &t, p->values[v].offset);
    return program_value(p, VALUE_ACTIVATION, &t, 0);
}

static void autodiff_step(differentiation *d, const instruction *s, int gy)
{
    program *p = d->p;
    const int *in = s->in;
    bool any = false;
    for (int i = 0; i < s->n_in; i++) any = any || d->needs[in[i]];
    if (!any) return;
    op_attr a = s->o.attr;
    switch (s->o.type) {
    case OP_CONV:
    case OP_CONV3D:
    case OP_LINEAR: {
        const bool linear = s->o.type == OP_LINEAR, volume = s->o.type == OP_CONV3D;
        const op_type weights = linear   ? OP_LINEAR_BWD_WEIGHTS
                                : volume ? OP_CONV3D_BWD_WEIGHTS
                                         : OP_CONV_BWD_WEIGHTS;
        const op_type data = linear ? OP_LINEAR_BWD_DATA : volume ? OP_CONV3D_BWD_DATA : OP_CONV_BWD_DATA;
        int out[2] = {autodiff_gradient(d, in[1]), s->n_in > 2 ? autodiff_gradient(d, in[2]) : NO_VALUE};
        int reads[2] = {in[0], gy};
        if (out[0] == NO_VALUE && out[1] != NO_VALUE) {
            /* The bias alone is trained, and kernels make both: what comes of the weights is thrown away. */
            tensor t = p->values[in[1]].t;
            out[0] = program_value(p, VALUE_ACTIVATION, &t, 0);
        }
        if (out[0] != NO_VALUE)
            program_step(p, weights, &a, reads, 2, out, out[1] != NO_VALUE ? 2 : 1, s->unit, true);
        int gx = autodiff_gradient(d, in[0]), with[2] = {gy, in[1]};
        if (gx != NO_VALUE) program_step(p, data, &a, with, 2, &gx, 1, s->unit, true);
        autodiff_give(d, in[0], gx);
        return;
    }
    case OP_CONV_BWD_DATA:
    case OP_CONV3D_BWD_DATA: { /* a transposed convolution, y in the place of the convolution's input */
        const bool volume = s->o.type == OP_CONV3D_BWD_DATA;
        int gw = autodiff_gradient(d, in[1]), reads[2] = {gy, in[0]};
        if (gw != NO_VALUE)
            program_step(p, volume ? OP_CONV3D_BWD_WEIGHTS : OP_CONV_BWD_WEIGHTS, &a, reads, 2, &gw, 1,
                         s->unit, true);
        int gx = autodiff_gradient(d, in[0]), with[2] = {gy, in[1]};
        if (gx != NO_VALUE) program_step(p, volume ? OP_CONV3D : OP_CONV, &a, with, 2, &gx, 1, s->unit, true);
        autodiff_give(d, in[0], gx);
        return;
    }
    case OP_BIAS: {
        int gbias = autodiff_gradient(d, in[1]);
        if (gbias != NO_VALUE) program_step(p, OP_BIAS_BWD, &a, &gy, 1, &gbias, 1, s->unit, true);
        if (d->needs[in[0]]) autodiff_give(d, in[0], gy);
        return;
    }
    case OP_BN_APPLY: {
        bool residual = s->n_in == 5;
        int reads[6] = {in[0], gy, in[1], in[2], in[3], s->out[0]};
        int out[4] = {autodiff_gradient(d, in[0]), autodiff_gradient(d, in[2]), autodiff_gradient(d, in[3]),
                      residual ? autodiff_gradient(d, in[4]) : NO_VALUE};
        int gradient = out[3];
        if (residual && !a.relu) {
            /* Without a mask the residual's gradient is gy itself. */
            gradient = gy;
            out[3] = NO_VALUE;
        }
        if (out[0] != NO_VALUE || out[1] != NO_VALUE || out[2] != NO_VALUE || out[3] != NO_VALUE)
            program_step(p, OP_BN_BWD, &a, reads, a.relu && residual ? 6 : 5, out, a.relu && residual ? 4 : 3,
                         s->unit, true);
        autodiff_give(d, in[0], out[0]);
        if (residual && d->needs[in[4]]) autodiff_give(d, in[4], gradient);
        return;
    }
    case OP_ACTIVATION: {
        int reads[2] = {op_activation_reads_x(&a.activation) ? in[0] : s->out[0], gy};
        int gx = autodiff_gradient(d, in[0]);
        program_step(p, OP_ACTIVATION_BWD, &a, reads, 2, &gx, 1, s->unit, true);
        autodiff_give(d, in[0], gx);
        return;
    }
    case OP_POOL: {
        int reads[2] = {gy, s->n_out > 1 ? s->out[1] : NO_VALUE}, gx = autodiff_gradient(d, in[0]);
        program_step(p, OP_POOL_BWD, &a, reads, s->n_out > 1 ? 2 : 1, &gx, 1, s->unit, true);
        autodiff_give(d, in[0], gx);
        return;
    }
    case OP_GLOBAL_AVG:
    case OP_SHORTCUT_PAD:
    case OP_DROPOUT:
    case OP_RESHAPE: {
        op_type back = s->o.type == OP_GLOBAL_AVG     ? OP_GLOBAL_AVG_BWD
                       : s->o.type == OP_SHORTCUT_PAD ? OP_SHORTCUT_PAD_BWD
                                                      : s->o.type;
        int gx = autodiff_gradient(d, in[0]);
        program_step(p, back, &a, &gy, 1, &gx, 1, s->unit, true);
        autodiff_give(d, in[0], gx);
        return;
    }
    case OP_ADD:
        for (int i = 0; i < s->n_in; i++)
            if (d->needs[in[i]]) autodiff_give(d, in[i], gy);
        return;
    case OP_CONCAT: {
        int64_t first = 0;
        for (int i = 0; i < s->n_in; i++) {
            int gx = autodiff_gradient(d, in[i]);
            a.slice.first = first;
            if (gx != NO_VALUE) program_step(p, OP_SLICE, &a, &gy, 1, &gx, 1, s->unit, true);
            autodiff_give(d, in[i], gx);
            first += p->values[in[i]].t.shape.dim[1];
        }
        return;
    }
    case OP_PLAIN: {
        /* in: gy, [x...] [y] weights..., [saved]; out: gx..., gw... as plain.c unpacks them. */
        const net_node *n = &p->net->nodes[s->unit];
        if (n->traits & CVY_NO_BACKWARD) return;
        const size_t most = 3 + (size_t)n->n_in + (size_t)n->n_weights + (size_t)n->n_buffers;
        int *reads = arena_array(&p->memory, most, sizeof *reads), n_reads = 0,
            *out = arena_array(&p->memory, most, sizeof *out), n_out = 0;
        reads[n_reads++] = gy;
        if (n->traits & CVY_READS_X)
            for (int i = 0; i < n->n_in; i++) reads[n_reads++] = in[i];
        if (n->traits & CVY_READS_Y) reads[n_reads++] = s->out[0];
        for (int i = 0; i < n->n_weights + n->n_buffers; i++) reads[n_reads++] = in[n->n_in + i];
        if (s->n_out > 1) reads[n_reads++] = s->out[1];
        for (int i = 0; i < n->n_in + n->n_weights; i++) out[n_out++] = autodiff_gradient(d, in[i]);
        program_step(p, OP_PLAIN_BWD, NULL, reads, n_reads, out, n_out, s->unit, true);
        for (int i = 0; i < n->n_in; i++) autodiff_give(d, in[i], out[i]);
        return;
    }
    default:
        return; /* statistics: their gradient is part of bn_bwd */
    }
}

static bool autodiff_watches(const program *p, int v)
{
    for (size_t i = 0; i < p->n_ends; i++)
        if (p->ends[i].watched && p->ends[i].value == v) return true;
    return false;
}

cvy_status autodiff(program *p, errors *e)
{
    differentiation d = {.p = p, .n = p->n_values};
    d.needs = mem_array(d.n, sizeof *d.needs);
    d.parts = mem_array(d.n, sizeof *d.parts);
    d.n_parts = mem_array(d.n, sizeof *d.n_parts);
    d.cap_parts = mem_array(d.n, sizeof *d.cap_parts);
    p->n_forward = p->n_steps;
    for (size_t v = 0; v < d.n; v++) d.needs[v] = p->values[v].kind == VALUE_WEIGHT && !p->values[v].frozen;
    for (size_t i = 0; i < p->n_ends; i++)
        if (p->ends[i].watched) d.needs[p->ends[i].value] = true;
    for (size_t i = 0; i < p->n_forward; i++) {
        const instruction *s = &p->steps[i];
        bool needs = false;
        for (int k = 0; k < s->n_in; k++) needs = needs || d.needs[s->in[k]];
        if (s->o.type == OP_PLAIN && (p->net->nodes[s->unit].traits & CVY_NO_BACKWARD)) needs = false;
        for (int k = 0; k < s->n_out; k++) d.needs[s->out[k]] = needs || autodiff_watches(p, s->out[k]);
    }
    bool trains = false;
    for (size_t i = 0; i < p->n_ends; i++) {
        ending *end = &p->ends[i];
        if (end->watched) continue;
        tensor t = p->values[end->value].t;
        end->gradient = program_value(p, VALUE_ACTIVATION, &t, 0);
        if (d.needs[end->value]) autodiff_give(&d, end->value, end->gradient), trains = true;
    }
    cvy_status status = CVY_OK;
    if (!trains && !p->options.n_watched) {
        status = errors_add(e, CVY_ERR_CONFIG, NULL, "add a layer with weights",
                            "the network has nothing to train");
    } else {
        for (size_t i = p->n_forward; i-- > 0;) {
            instruction s = p->steps[i]; /* a copy: the array grows */
            int y = s.n_out ? s.out[0] : NO_VALUE;
            if (y == NO_VALUE || !d.needs[y]) continue;
            int gy = autodiff_take(&d, y, s.unit);
            if (gy != NO_VALUE) autodiff_step(&d, &s, gy);
        }
        for (size_t i = 0; i < p->n_ends; i++)
            if (p->ends[i].watched)
                p->ends[i].gradient = autodiff_take(&d, p->ends[i].value, p->ends[i].unit);
    }
    for (size_t v = 0; v < d.n; v++) mem_free(d.parts[v]);
    mem_free(d.parts);
    mem_free(d.n_parts);
    mem_free(d.cap_parts);
    mem_free(d.needs);
    return status;
}
