/* Owns what each public operator asks of its operands and attributes (convoy/ops.h says it in words); must not know programs. What a
 * plugin got wrong has to stop here: kernels believe their shapes. */
#include "graph/fit.h"

#include <inttypes.h>
#include <string.h>

#include "ops/op.h"

enum { ANY = 1 << 20 };

typedef struct signature {
    const char *name;
    int least, most; /* operands */
    unsigned state;  /* a bit for each that is a weight or a buffer; all others are computed */
    bool attr;
} signature;

static const signature signatures[CVY_OP_PUBLIC_END] = {
    [CVY_OP_CONV] = {"conv", 2, 3, 6, true},
    [CVY_OP_LINEAR] = {"linear", 2, 3, 6, false},
    [CVY_OP_BN_STATS] = {"bn_stats", 3, 3, 6, true},
    [CVY_OP_BN_APPLY] = {"bn_apply", 4, 5, 28, true}, /* of five, the second too */
    [CVY_OP_ACTIVATION] = {"activation", 1, 1, 0, true},
    [CVY_OP_POOL] = {"pool", 1, 1, 0, true},
    [CVY_OP_GLOBAL_AVG] = {"global_avg", 1, 1, 0, false},
    [CVY_OP_ADD] = {"add", 1, ANY, 0, false},
    [CVY_OP_CONCAT] = {"concat", 1, ANY, 0, false},
    [CVY_OP_DROPOUT] = {"dropout", 1, 1, 0, true},
    [CVY_OP_RESHAPE] = {"reshape", 1, 1, 0, true},
    [CVY_OP_SHORTCUT_PAD] = {"shortcut_pad", 1, 1, 0, true},
    [CVY_OP_CONV_TRANSPOSE] = {"conv_transpose", 2, 2, 2, true},
    [CVY_OP_BIAS] = {"bias", 2, 2, 2, false},
    [CVY_OP_CONV3D] = {"conv3d", 2, 3, 6, true},
    [CVY_OP_CONV3D_TRANSPOSE] = {"conv3d_transpose", 2, 2, 2, true},
};

const char *fit_name(cvy_op type)
{
    return type > 0 && type < CVY_OP_PUBLIC_END ? signatures[type].name : NULL;
}

/* ---- what is asked of one thing; false after saying why ---- */

static bool ranked(const fit_operand *in, int i, int32_t rank, text *why)
{
    if (in[i].shape->rank == rank) return true;
    text_printf(why, "operand %d has %d dimensions, and %d are wanted", i, (int)in[i].shape->rank, (int)rank);
    return false;
}

static bool counted(const fit_operand *in, int i, int64_t wanted, text *why)
{
    if (cvy_count(in[i].shape) == wanted) return true;
    text_printf(why, "operand %d has %" PRId64 " elements, and %" PRId64 " are wanted", i,
                cvy_count(in[i].shape), wanted);
    return false;
}

static bool equal_but(const fit_operand *in, int i, int32_t except, text *why)
{
    bool same = in[i].shape->rank == in[0].shape->rank;
    for (int32_t d = 0; same && d < in[0].shape->rank; d++)
        same = d == except || in[i].shape->dim[d] == in[0].shape->dim[d];
    if (!same) text_printf(why, "operand %d has another shape than operand 0", i);
    return same;
}

static bool positive(const char *what, const int64_t *v, int axes, text *why)
{
    for (int d = 0; d < axes; d++) {
        if (v[d] > 0) continue;
        text_printf(why, "the %s is %" PRId64, what, v[d]);
        return false;
    }
    return true;
}

static bool not_negative(const char *what, const int64_t *v, int n, text *why)
{
    for (int d = 0; d < n; d++) {
        if (v[d] >= 0) continue;
        text_printf(why, "the %s is %" PRId64, what, v[d]);
        return false;
    }
    return true;
}

/* Positions of a window that spans so much; 0 after saying that there are none. */
static int64_t places(int64_t size, int64_t before, int64_t after, int64_t span, int64_t stride, text *why)
{
    const int64_t room = size + before + after - span;
    if (room >= 0 && span > 0) return room / stride + 1;
    text_printf(why, "a kernel that spans %" PRId64 " does not fit in %" PRId64, span, size + before + after);
    return 0;
}

/* ---- convolutions, along two or three axes ---- */

typedef struct window {
    const int64_t *stride, *dilation, *padding; /* padding: before, then after, by axis */
    int64_t groups;
    int axes;
} window;

static window window_of(const cvy_conv_attr *a)
{
    return (window){a->stride, a->dilation, a->padding, a->groups, 2};
}

static window window3d_of(const cvy_conv3d_attr *a)
{
    return (window){a->stride, a->dilation, a->padding, a->groups, 3};
}

static bool window_fits(const window *w, const fit_operand *in, text *why)
{
    if (!ranked(in, 0, w->axes + 2, why) || !ranked(in, 1, w->axes + 2, why) ||
        !positive("stride", w->stride, w->axes, why) || !positive("dilation", w->dilation, w->axes, why) ||
        !positive("number of groups", &w->groups, 1, why))
        return false;
    if (in[1].shape->dim[0] % w->groups == 0) return true;
    text_printf(why, "its weight has %" PRId64 " output channels, which %" PRId64 " groups cannot share",
                in[1].shape->dim[0], w->groups);
    return false;
}

static bool conv(const window *w, const fit_operand *in, int n, cvy_shape *y, text *why)
{
    if (!window_fits(w, in, why)) return false;
    const cvy_shape *x = in[0].shape, *k = in[1].shape;
    if (x->dim[1] % w->groups || k->dim[1] != x->dim[1] / w->groups) {
        text_printf(why,
                    "its weight has %" PRId64 " input channels, and the input %" PRId64 " in %" PRId64
                    " group%s",
                    k->dim[1], x->dim[1], w->groups, w->groups == 1 ? "" : "s");
        return false;
    }
    if (!not_negative("padding", w->padding, 2 * w->axes, why) || (n > 2 && !counted(in, 2, k->dim[0], why)))
        return false;
    *y = *x;
    y->dim[1] = k->dim[0];
    for (int d = 0; d < w->axes; d++) {
        y->dim[2 + d] = places(x->dim[2 + d], w->padding[d], w->padding[d + w->axes],
                               w->dilation[d] * (k->dim[2 + d] - 1) + 1, w->stride[d], why);
        if (!y->dim[2 + d]) return false;
    }
    return true;
}

/* Its size is given: with strides, several come to the same input. */
static bool conv_transpose(const window *w, const int64_t *size, const fit_operand *in, cvy_shape *y,
                           text *why)
{
    if (!window_fits(w, in, why) || !positive("output's size", size, w->axes, why)) return false;
    const cvy_shape *x = in[0].shape, *k = in[1].shape;
    if (k->dim[0] != x->dim[1]) {
        text_printf(why, "its weight is of %" PRId64 " input channels, and the input has %" PRId64, k->dim[0],
                    x->dim[1]);
        return false;
    }
    *y = *x;
    y->dim[1] = k->dim[1] * w->groups;
    for (int d = 0; d < w->axes; d++) {
        const int64_t there = places(size[d], w->padding[d], w->padding[d + w->axes],
                                     w->dilation[d] * (k->dim[2 + d] - 1) + 1, w->stride[d], why);
        if (!there) return false;
        if (there < x->dim[2 + d]) { /* more: nobody reaches the rest */
            text_printf(
                why, "a convolution makes %" PRId64 " of the output's %" PRId64 ", and the input is %" PRId64,
                there, size[d], x->dim[2 + d]);
            return false;
        }
        y->dim[2 + d] = size[d];
    }
    return true;
}

/* ---- all others ---- */

static bool pool(const cvy_pool_attr *a, const fit_operand *in, cvy_shape *y, text *why)
{
    if (!ranked(in, 0, 4, why) || !positive("kernel", a->kernel, 2, why) ||
        !positive("stride", a->stride, 2, why) || !not_negative("padding", a->padding, 4, why) ||
        !not_negative("dilation", a->dilation, 2, why))
        return false;
    *y = *in[0].shape;
    for (int d = 0; d < 2; d++) {
        y->dim[2 + d] = places(in[0].shape->dim[2 + d], a->padding[d], a->padding[d + 2], op_pool_span(a, d),
                               a->stride[d], why);
        if (!y->dim[2 + d]) return false;
    }
    return true;
}

static bool linear(const fit_operand *in, int n, cvy_shape *y, text *why)
{
    if (!ranked(in, 0, 2, why) || !ranked(in, 1, 2, why)) return false;
    const cvy_shape *x = in[0].shape, *w = in[1].shape;
    if (w->dim[1] != x->dim[1]) {
        text_printf(why, "its weight is of %" PRId64 " features, and the input has %" PRId64, w->dim[1],
                    x->dim[1]);
        return false;
    }
    *y = cvy_shape2(x->dim[0], w->dim[0]);
    return n < 3 || counted(in, 2, w->dim[0], why);
}

/* Something for each channel in every operand behind the first; the stats of a batch are two. */
static bool by_channel(const fit_operand *in, int n, int64_t first, text *why)
{
    if (in[0].shape->rank < 2) return ranked(in, 0, 2, why);
    for (int i = 1; i < n; i++)
        if (!counted(in, i, in[0].shape->dim[1] * (i == 1 ? first : 1), why)) return false;
    return true;
}

static bool shortcut(const cvy_shortcut_attr *a, const fit_operand *in, cvy_shape *y, text *why)
{
    const int64_t channels[] = {a->before, a->after};
    if (!ranked(in, 0, 4, why) || !positive("stride", a->stride, 2, why) ||
        !not_negative("number of channels", channels, 2, why))
        return false;
    *y = *in[0].shape;
    y->dim[1] += a->before + a->after;
    for (int d = 0; d < 2; d++) y->dim[2 + d] = (y->dim[2 + d] - 1) / a->stride[d] + 1;
    return true;
}

static bool reshape(const cvy_reshape_attr *a, const fit_operand *in, cvy_shape *y, text *why)
{
    *y = a->shape;
    bool good = y->rank >= 1 && y->rank <= CVY_MAX_RANK && positive("new shape", y->dim, (int)y->rank, why);
    if (!good || cvy_count(y) == cvy_count(in[0].shape)) return good;
    text_printf(why, "its new shape has %" PRId64 " elements, and the input %" PRId64, cvy_count(y),
                cvy_count(in[0].shape));
    return false;
}

static bool activation(const cvy_activation_attr *a, text *why)
{
    const char *problem = op_activation_problem(a);
    if (problem) text_printf(why, "function %d: %s", (int)a->function, problem);
    return !problem;
}

static bool signed_for(const signature *s, cvy_op type, const fit_operand *in, int n, const void *attr,
                       text *why)
{
    if (n < s->least || n > s->most) {
        text_printf(why, "%d operand%s, and ", n, n == 1 ? "" : "s");
        if (s->most == ANY)
            text_printf(why, "at least %d wanted", s->least);
        else if (s->most > s->least)
            text_printf(why, "%d or %d wanted", s->least, s->most);
        else
            text_printf(why, "%d wanted", s->least);
        return false;
    }
    if (s->attr && !attr) {
        text_add(why, "it wants attributes, and there are none");
        return false;
    }
    const unsigned state = s->state | (type == CVY_OP_BN_APPLY && n == 5 ? 2u : 0u);
    for (int i = 0; i < n; i++) {
        const bool wanted = i < 16 && (state >> i & 1);
        if (wanted == in[i].state) continue;
        text_printf(why,
                    wanted ? "operand %d has to be a weight or a buffer"
                           : "operand %d may be no weight and no buffer",
                    i);
        return false;
    }
    return true;
}

bool fit_operator(cvy_op type, const fit_operand *in, int n, const void *attr, cvy_shape *y, text *why)
{
    const signature *s = &signatures[type];
    if (!signed_for(s, type, in, n, attr, why)) return false;
    *y = *in[0].shape;
    switch (type) {
    case CVY_OP_CONV: {
        const window w = window_of(attr);
        return conv(&w, in, n, y, why);
    }
    case CVY_OP_CONV3D: {
        const window w = window3d_of(attr);
        return conv(&w, in, n, y, why);
    }
    case CVY_OP_CONV_TRANSPOSE: {
        const cvy_conv_transpose_attr *a = attr;
        const window w = window_of(&a->conv);
        return conv_transpose(&w, a->size, in, y, why);
    }
    case CVY_OP_CONV3D_TRANSPOSE: {
        const cvy_conv3d_transpose_attr *a = attr;
        const window w = window3d_of(&a->conv);
        return conv_transpose(&w, a->size, in, y, why);
    }
    case CVY_OP_LINEAR:
        return linear(in, n, y, why);
    case CVY_OP_BN_STATS:
        *y = cvy_shape2(2, in[0].shape->dim[1]);
        return by_channel(in, n, 1, why);
    case CVY_OP_BN_APPLY:
        return by_channel(in, n, n == 4 ? 2 : 1, why);
    case CVY_OP_BIAS:
        return by_channel(in, n, 1, why);
    case CVY_OP_ACTIVATION:
        return activation(attr, why);
    case CVY_OP_POOL:
        return pool(attr, in, y, why);
    case CVY_OP_GLOBAL_AVG:
        if (in[0].shape->rank < 3) return ranked(in, 0, 3, why);
        *y = cvy_shape2(in[0].shape->dim[0], in[0].shape->dim[1]);
        return true;
    case CVY_OP_ADD:
        for (int i = 1; i < n; i++)
            if (!equal_but(in, i, -1, why)) return false;
        return true;
    case CVY_OP_CONCAT:
        if (in[0].shape->rank < 2) return ranked(in, 0, 2, why);
        for (int i = 1; i < n; i++) {
            if (!equal_but(in, i, 1, why)) return false;
            y->dim[1] += in[i].shape->dim[1];
        }
        return true;
    case CVY_OP_DROPOUT: {
        const double p = ((const cvy_dropout_attr *)attr)->p;
        if (p >= 0 && p < 1) return true;
        text_printf(why, "p is %g, and from 0 to below 1 is wanted", p);
        return false;
    }
    case CVY_OP_RESHAPE:
        return reshape(attr, in, y, why);
    case CVY_OP_SHORTCUT_PAD:
        return shortcut(attr, in, y, why);
    case CVY_OP_PUBLIC_END:
        break;
    }
    return false;
}
