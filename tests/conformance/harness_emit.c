/* What a layer says in terms of others, as text: the operators of lower(), the layers of build(). */
#include "harness.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void add_shape(text *out, const cvy_shape *s)
{
    for (int d = 0; d < s->rank; d++) text_printf(out, "%s%" PRId64, d == 0 ? "(" : ", ", s->dim[d]);
    text_add(out, ")");
}

/* ---- lower ----------------------------------------------------------------------------------------------
 */

typedef struct emitter {
    const rig *r;
    text *out;
    int32_t n;
} emitter;

/* Values that lower() makes are numbered behind the inputs. */
#define FIRST_VALUE 0x1000

static void add_value(text *out, cvy_value v)
{
    if (v == CVY_PLAIN)
        text_add(out, "plain");
    else if (v >= 0x20000)
        text_printf(out, "b%" PRId32, v - 0x20000);
    else if (v >= 0x10000)
        text_printf(out, "w%" PRId32, v - 0x10000);
    else if (v >= FIRST_VALUE)
        text_printf(out, "v%" PRId32, v - FIRST_VALUE);
    else
        text_printf(out, "x%" PRId32, v);
}

static void add_pair(text *out, const char *name, const int64_t v[2])
{
    text_printf(out, " %s %" PRId64 " %" PRId64, name, v[0], v[1]);
}

static void add_four(text *out, const char *name, const int64_t v[4])
{
    text_printf(out, " %s %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64, name, v[0], v[1], v[2], v[3]);
}

static void add_conv(text *out, const cvy_conv_attr *a)
{
    add_pair(out, "stride", a->stride);
    add_pair(out, "dilation", a->dilation);
    add_four(out, "padding", a->padding);
    text_printf(out, " groups %" PRId64 " flip %" PRId32, a->groups, a->flip);
}

static void add_numbers(text *out, const char *name, const int64_t *v, int n)
{
    text_printf(out, " %s", name);
    for (int i = 0; i < n; i++) text_printf(out, " %" PRId64, v[i]);
}

static void add_conv3d(text *out, const cvy_conv3d_attr *a)
{
    add_numbers(out, "stride", a->stride, 3);
    add_numbers(out, "dilation", a->dilation, 3);
    add_numbers(out, "padding", a->padding, 6);
    text_printf(out, " groups %" PRId64 " flip %" PRId32, a->groups, a->flip);
}

static void add_attributes(text *out, cvy_op op, const void *attr)
{
    switch (op) {
    case CVY_OP_CONV:
        add_conv(out, attr);
        break;
    case CVY_OP_CONV_TRANSPOSE: {
        const cvy_conv_transpose_attr *a = attr;
        add_conv(out, &a->conv);
        add_pair(out, "size", a->size);
        break;
    }
    case CVY_OP_CONV3D:
        add_conv3d(out, attr);
        break;
    case CVY_OP_CONV3D_TRANSPOSE: {
        const cvy_conv3d_transpose_attr *a = attr;
        add_conv3d(out, &a->conv);
        add_numbers(out, "size", a->size, 3);
        break;
    }
    case CVY_OP_BN_STATS:
    case CVY_OP_BN_APPLY: {
        const cvy_bn_attr *a = attr;
        text_printf(out, " eps %g momentum %g", a->eps, a->momentum);
        break;
    }
    case CVY_OP_ACTIVATION: {
        const cvy_activation_attr *a = attr;
        text_printf(out, " function %" PRId32, a->function);
        if (a->alpha != 0) text_printf(out, " alpha %g", a->alpha);
        if (a->beta != 0) text_printf(out, " beta %g", a->beta);
        break;
    }
    case CVY_OP_POOL: {
        const cvy_pool_attr *a = attr;
        text_add(out, a->function == CVY_POOL_MAX ? " max" : " avg");
        add_pair(out, "kernel", a->kernel);
        add_pair(out, "stride", a->stride);
        add_four(out, "padding", a->padding);
        text_printf(out, " count_padding %" PRId32, a->count_padding);
        break;
    }
    case CVY_OP_DROPOUT: {
        const cvy_dropout_attr *a = attr;
        text_printf(out, " p %g", a->p);
        break;
    }
    case CVY_OP_RESHAPE: {
        const cvy_reshape_attr *a = attr;
        text_add(out, " ");
        add_shape(out, &a->shape);
        break;
    }
    case CVY_OP_SHORTCUT_PAD: {
        const cvy_shortcut_attr *a = attr;
        add_pair(out, "stride", a->stride);
        text_printf(out, " before %" PRId64 " after %" PRId64, a->before, a->after);
        break;
    }
    default:
        assert_null(attr);
    }
}

static cvy_value emit(cvy_lower *l, cvy_op op, const cvy_value *in, int32_t n, const void *attr)
{
    static const char *const names[CVY_OP_PUBLIC_END] = {
        [CVY_OP_CONV] = "conv",
        [CVY_OP_LINEAR] = "linear",
        [CVY_OP_BN_STATS] = "bn_stats",
        [CVY_OP_BN_APPLY] = "bn_apply",
        [CVY_OP_ACTIVATION] = "act",
        [CVY_OP_POOL] = "pool",
        [CVY_OP_GLOBAL_AVG] = "gap",
        [CVY_OP_ADD] = "add",
        [CVY_OP_CONCAT] = "concat",
        [CVY_OP_DROPOUT] = "dropout",
        [CVY_OP_RESHAPE] = "reshape",
        [CVY_OP_SHORTCUT_PAD] = "shortcut_pad",
        [CVY_OP_CONV_TRANSPOSE] = "conv_transpose",
        [CVY_OP_BIAS] = "bias",
        [CVY_OP_CONV3D] = "conv3d",
        [CVY_OP_CONV3D_TRANSPOSE] = "conv_transpose3d",
    };
    emitter *e = l->core;
    assert_true(op > 0 && op < CVY_OP_PUBLIC_END);
    text_printf(e->out, "v%" PRId32 " = %s(", e->n, names[op]);
    for (int32_t i = 0; i < n; i++) {
        if (i > 0) text_add(e->out, ", ");
        add_value(e->out, in[i]);
    }
    text_add(e->out, ")");
    add_attributes(e->out, op, attr);
    text_add(e->out, "\n");
    return FIRST_VALUE + e->n++;
}

void rig_lower(rig *r, text *out)
{
    cvy_shape in[RIG_MAX];
    for (int32_t k = 0; k < r->n_in; k++) in[k] = r->x[k].shape;
    emitter e = {r, out, 0};
    cvy_lower l = {
        .host = &r->host,
        .core = &e,
        .train = r->train,
        .n_in = r->n_in,
        .in = in,
        .out = &r->y.shape,
        .op = emit,
    };
    const cvy_value v = r->layer->lower(&l, r->config);
    text_add(out, "-> ");
    add_value(out, v);
    text_add(out, "\n");
}

/* ---- build ----------------------------------------------------------------------------------------------
 */

#define MAX_NODES 64

typedef struct builder {
    rig *r;
    text *out;
    int32_t n;
    cvy_shape shape[MAX_NODES];
} builder;

static int ignore_weight(cvy_infer *in, const char *name, const cvy_shape *shape, cvy_init init)
{
    (void)in, (void)name, (void)shape, (void)init;
    return 0;
}

static int ignore_buffer(cvy_infer *in, const char *name, const cvy_shape *shape, double value)
{
    (void)in, (void)name, (void)shape, (void)value;
    return 0;
}

__attribute__((format(printf, 2, 3))) static void ignore_warning(cvy_infer *in, const char *fmt, ...)
{
    (void)in, (void)fmt;
}

__attribute__((format(printf, 6, 7))) static int32_t build_layer(cvy_build *b, const char *name,
                                                                 const char *type, const int32_t *in,
                                                                 int32_t n, const char *fmt, ...)
{
    builder *to = b->core;
    cvy_shape shapes[RIG_MAX];
    assert_true(n <= RIG_MAX && to->n < MAX_NODES);
    for (int32_t i = 0; i < n; i++) {
        if (in[i] < 0) return -1;
        assert_true(in[i] < to->n);
        shapes[i] = to->shape[in[i]];
    }
    char params[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(params, sizeof params, fmt, ap);
    va_end(ap);

    const cvy_descriptor *d = rig_descriptor(type, false);
    const cvy_layer *layer = d->type;
    cvy_infer i = {
        .host = &to->r->host,
        .core = to,
        .n_in = n,
        .in = shapes,
        .weight = ignore_weight,
        .buffer = ignore_buffer,
        .warn = ignore_warning,
    };
    if (layer->infer(&i, rig_config(&to->r->memory, d, params))) return -1;
    text_printf(to->out, "%" PRId32 " = %s %s(", to->n, name, type);
    for (int32_t k = 0; k < n; k++) text_printf(to->out, "%s%" PRId32, k == 0 ? "" : ", ", in[k]);
    text_printf(to->out, params[0] ? ") {%s} " : ")%s ", params);
    add_shape(to->out, &i.out);
    text_add(to->out, "\n");
    to->shape[to->n] = i.out;
    return to->n++;
}

static const cvy_shape *build_shape(cvy_build *b, int32_t node)
{
    builder *to = b->core;
    return node < 0 ? NULL : &to->shape[node];
}

void rig_build(rig *r, int32_t n_in, const cvy_shape *in, text *out)
{
    builder to = {.r = r, .out = out, .n = n_in};
    for (int32_t k = 0; k < n_in; k++) to.shape[k] = in[k];
    cvy_build b = {
        .host = &r->host,
        .core = &to,
        .n_in = n_in,
        .in = in,
        .layer = build_layer,
        .shape = build_shape,
    };
    r->error[0] = 0;
    text_printf(out, "-> %" PRId32 "\n", r->layer->build(&b, r->config));
}
