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

/* ---- a rule per operator: given the gradient gy of the step's output it appends the steps that make those of its inputs ---- */

typedef void autodiff_rule(differentiation *d, const instruction *s, int gy);

/* Where one backward step makes the gradient of the one input. */
static void autodiff_single(differentiation *d, const instruction *s, op_type back, const int *reads,
                            int n_reads)
{
    int gx = autodiff_gradient(d, s->in[0]);
    program_step(d->p, back, &s->o.attr, reads, n_reads, &gx, 1, s->unit, true);
    autodiff_give(d, s->in[0], gx);
}

/* in: x, weights, [bias]. The operator `weights` makes the gradients of weights and bias from x and gy. */
static void autodiff_weights(differentiation *d, const instruction *s, int gy, op_type weights)
{
    program *p = d->p;
    const int *in = s->in;
    int out[2] = {autodiff_gradient(d, in[1]), s->n_in > 2 ? autodiff_gradient(d, in[2]) : NO_VALUE};
    int reads[2] = {in[0], gy};
    if (out[0] == NO_VALUE && out[1] != NO_VALUE) {
        /* The bias alone is trained, and kernels make both: what comes of the weights is thrown away. */
        tensor t = p->values[in[1]].t;
        out[0] = program_value(p, VALUE_ACTIVATION, &t, 0);
    }
    if (out[0] != NO_VALUE)
        program_step(p, weights, &s->o.attr, reads, 2, out, out[1] != NO_VALUE ? 2 : 1, s->unit, true);
}

/* in: x, weights, .... The operator `back` makes the gradient of x from gy and the weights. */
static void autodiff_data(differentiation *d, const instruction *s, int gy, op_type back)
{
    int gx = autodiff_gradient(d, s->in[0]), reads[2] = {gy, s->in[1]};
    if (gx != NO_VALUE) program_step(d->p, back, &s->o.attr, reads, 2, &gx, 1, s->unit, true);
    autodiff_give(d, s->in[0], gx);
}

static void autodiff_conv(differentiation *d, const instruction *s, int gy)
{
    autodiff_weights(d, s, gy, OP_CONV_BWD_WEIGHTS);
    autodiff_data(d, s, gy, OP_CONV_BWD_DATA);
}

static void autodiff_conv3d(differentiation *d, const instruction *s, int gy)
{
    autodiff_weights(d, s, gy, OP_CONV3D_BWD_WEIGHTS);
    autodiff_data(d, s, gy, OP_CONV3D_BWD_DATA);
}

static void autodiff_linear(differentiation *d, const instruction *s, int gy)
{
    autodiff_weights(d, s, gy, OP_LINEAR_BWD_WEIGHTS);
    autodiff_data(d, s, gy, OP_LINEAR_BWD_DATA);
}

/* Of a transposed convolution: as autodiff_weights(), with y in the place of the convolution's input. */
static void autodiff_transposed_weights(differentiation *d, const instruction *s, int gy, op_type weights)
{
    int gw = autodiff_gradient(d, s->in[1]), reads[2] = {gy, s->in[0]};
    if (gw != NO_VALUE) program_step(d->p, weights, &s->o.attr, reads, 2, &gw, 1, s->unit, true);
}

static void autodiff_conv_transpose(differentiation *d, const instruction *s, int gy)
{
    autodiff_transposed_weights(d, s, gy, OP_CONV_BWD_WEIGHTS);
    autodiff_data(d, s, gy, OP_CONV);
}

static void autodiff_conv3d_transpose(differentiation *d, const instruction *s, int gy)
{
    autodiff_transposed_weights(d, s, gy, OP_CONV3D_BWD_WEIGHTS);
    autodiff_data(d, s, gy, OP_CONV3D);
}

static void autodiff_bias(differentiation *d, const instruction *s, int gy)
{
    int gbias = autodiff_gradient(d, s->in[1]);
    if (gbias != NO_VALUE) program_step(d->p, OP_BIAS_BWD, &s->o.attr, &gy, 1, &gbias, 1, s->unit, true);
    if (d->needs[s->in[0]]) autodiff_give(d, s->in[0], gy);
}

static void autodiff_bn_apply(differentiation *d, const instruction *s, int gy)
{
    const int *in = s->in;
    const bool residual = s->n_in == 5, masked = residual && s->o.attr.relu;
    int reads[6] = {in[0], gy, in[1], in[2], in[3], s->out[0]};
    int out[4] = {autodiff_gradient(d, in[0]), autodiff_gradient(d, in[2]), autodiff_gradient(d, in[3]),
                  residual ? autodiff_gradient(d, in[4]) : NO_VALUE};
    int gradient = out[3];
    if (residual && !masked) {
        /* Without a mask the residual's gradient is gy itself. */
        gradient = gy;
        out[3] = NO_VALUE;
    }
    if (out[0] != NO_VALUE || out[1] != NO_VALUE || out[2] != NO_VALUE || out[3] != NO_VALUE)
        program_step(d->p, OP_BN_BWD, &s->o.attr, reads, masked ? 6 : 5, out, masked ? 4 : 3, s->unit, true);
    autodiff_give(d, in[0], out[0]);
    if (residual && d->needs[in[4]]) autodiff_give(d, in[4], gradient);
}

static void autodiff_activation(differentiation *d, const instruction *s, int gy)
{
    const int reads[2] = {op_activation_reads_x(&s->o.attr.activation) ? s->in[0] : s->out[0], gy};
    autodiff_single(d, s, OP_ACTIVATION_BWD, reads, 2);
}

static void autodiff_pool(differentiation *d, const instruction *s, int gy)
{
    const int reads[2] = {gy, s->n_out > 1 ? s->out[1] : NO_VALUE};
    autodiff_single(d, s, OP_POOL_BWD, reads, s->n_out > 1 ? 2 : 1);
}

static void autodiff_global_avg(differentiation *d, const instruction *s, int gy)
{
    autodiff_single(d, s, OP_GLOBAL_AVG_BWD, &gy, 1);
}

static void autodiff_shortcut_pad(differentiation *d, const instruction *s, int gy)
{
    autodiff_single(d, s, OP_SHORTCUT_PAD_BWD, &gy, 1);
}

/* Operators whose gradient they make themselves: dropout by the same mask, reshape by the other shape. */
static void autodiff_itself(differentiation *d, const instruction *s, int gy)
{
    autodiff_single(d, s, s->o.type, &gy, 1);
}

static void autodiff_add(differentiation *d, const instruction *s, int gy)
{
    for (int i = 0; i < s->n_in; i++)
        if (d->needs[s->in[i]]) autodiff_give(d, s->in[i], gy);
}

static void autodiff_concat(differentiation *d, const instruction *s, int gy)
{
    op_attr a = s->o.attr;
    int64_t first = 0;
    for (int i = 0; i < s->n_in; i++) {
        int gx = autodiff_gradient(d, s->in[i]);
        a.slice.first = first;
        if (gx != NO_VALUE) program_step(d->p, OP_SLICE, &a, &gy, 1, &gx, 1, s->unit, true);
        autodiff_give(d, s->in[i], gx);
        first += d->p->values[s->in[i]].t.shape.dim[1];
    }
}

/* in: gy, [x...] [y] weights..., [saved]; out: gx..., gw... as plain.c unpacks them. */
static void autodiff_plain(differentiation *d, const instruction *s, int gy)
{
    program *p = d->p;
    const int *in = s->in;
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
}

/* Those without a rule are statistics: their gradient is part of OP_BN_BWD's. */
static autodiff_rule *const autodiff_rules[OP_TYPES] = {
    [OP_CONV] = autodiff_conv,
    [OP_CONV3D] = autodiff_conv3d,
    [OP_LINEAR] = autodiff_linear,
    [OP_CONV_BWD_DATA] = autodiff_conv_transpose,
    [OP_CONV3D_BWD_DATA] = autodiff_conv3d_transpose,
    [OP_BIAS] = autodiff_bias,
    [OP_BN_APPLY] = autodiff_bn_apply,
    [OP_ACTIVATION] = autodiff_activation,
    [OP_POOL] = autodiff_pool,
    [OP_GLOBAL_AVG] = autodiff_global_avg,
    [OP_SHORTCUT_PAD] = autodiff_shortcut_pad,
    [OP_DROPOUT] = autodiff_itself,
    [OP_RESHAPE] = autodiff_itself,
    [OP_ADD] = autodiff_add,
    [OP_CONCAT] = autodiff_concat,
    [OP_PLAIN] = autodiff_plain,
};

/* s: a copy of the step, since the program's array grows. */
static void autodiff_step(differentiation *d, const instruction *s, int gy)
{
    bool any = false;
    for (int i = 0; i < s->n_in; i++) any = any || d->needs[s->in[i]];
    if (any && autodiff_rules[s->o.type]) autodiff_rules[s->o.type](d, s, gy);
}

static bool autodiff_watches(const program *p, int v)
{
    for (size_t i = 0; i < p->n_ends; i++)
        if (p->ends[i].watched && p->ends[i].value == v) return true;
    return false;
}

/* ---- the pass ---- */

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
            const instruction s = p->steps[i]; /* a copy: the array grows */
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
