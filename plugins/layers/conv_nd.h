/* What the convolutions share, over one to three spatial axes: parameters, shapes, weights, operators. Knows no single
 * layer and no loops, which are in conv_nd_plain.h.
 *
 * Every convolution ties a wide side to a narrow one, by kernels of taps k along each axis:
 *
 *   place i of the narrow side  --k-->  place i s - p + k d of the wide side
 *
 * A convolution has the wide side as its input, a transposed one as its output; they are otherwise the same (Dumoulin & Visin, "A guide to
 * convolution arithmetic for deep learning", 2016, section 4). */
#ifndef LAYERS_CONV_ND_H
#define LAYERS_CONV_ND_H

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "shape_text.h"

/* ---- parameters ---- */

/* Of all the layers; each declares those that it has, and as many axes. */
typedef struct conv_config {
    int64_t channels, kernel[3], stride[3], dilation[3], groups, output_padding[3], multiplier;
    cvy_padding padding;
    int32_t bias, mode;
} conv_config;

enum { CONV_CROSS_CORRELATION, CONV_CONVOLUTION };
static const char *const conv_modes[] = {"cross_correlation", "convolution", NULL};

#define CONV_CHANNELS                                                       \
    CVY_INT_REQUIRED(conv_config, channels, 1, 1048576, "output channels"), \
        CVY_ALSO("filters out_channels num_output num_filters features")
/* kind: CVY_PARAM_INT, _PAIR or _TRIPLE; unit: "pixels"; sizes: how to write several */
#define CONV_KERNEL(kind, unit, sizes)                                                        \
    CVY_PARAM_(conv_config, kernel, kind, 0, "3", 1, 1023, NULL, "kernel size, " unit sizes), \
        CVY_ALSO("kernel_size kernel_shape filter_size ksize size")
#define CONV_STRIDE(kind, help) \
    CVY_PARAM_(conv_config, stride, kind, 0, "1", 1, 1023, NULL, help), CVY_ALSO("strides subsample")
#define CONV_PADDING(axes, help) \
    CVY_PADDING(conv_config, padding, "0", axes, 1023, help), CVY_ALSO("pad pads border_mode")
#define CONV_DILATION(kind, unit)                                                                          \
    CVY_PARAM_(conv_config, dilation, kind, 0, "1", 1, 1023, NULL, "distance between kernel taps, " unit), \
        CVY_ALSO("dilation_rate dilations atrous_rate")
#define CONV_WINDOW(kind, axes, unit, sizes)                                          \
    CONV_KERNEL(kind, unit, sizes), CONV_STRIDE(kind, "step between outputs, " unit), \
        CONV_PADDING(axes, "zeros around the input, " unit), CONV_DILATION(kind, unit)
#define CONV_TRANSPOSED_WINDOW(kind, axes, unit, sizes)                                                   \
    CONV_KERNEL(kind, unit, sizes),                                                                       \
        CONV_STRIDE(kind, "step in the output from one input to the next, " unit),                        \
        CONV_PADDING(axes,                                                                                \
                     "what the output loses at its edges, " unit "; `same` makes it input times stride"), \
        CVY_PARAM_(conv_config, output_padding, kind, 0, "0", 0, 1022, NULL,                              \
                   "what the output gains at its end, " unit "; less than the stride or the dilation"),   \
        CVY_ALSO("output_pad adj"), CONV_DILATION(kind, unit)
#define CONV_GROUPS                                                        \
    CVY_INT(conv_config, groups, 1, 1, 1048576,                            \
            "channels are split into this many independent convolutions"), \
        CVY_ALSO("group num_groups")
#define CONV_BIAS                                                                  \
    CVY_BOOL(conv_config, bias, true, "adds a learned number per output channel"), \
        CVY_ALSO("use_bias bias_term")
#define CONV_MODE                                              \
    CVY_ENUM(conv_config, mode, cross_correlation, conv_modes, \
             "what frameworks call convolution, or the textbook one: the kernel turned by 180 degrees")

/* ---- geometry ---- */

/* A convolution on given shapes. Triples are (depth, height, width); axes that the layer has not come first and are 1
 * long. */
typedef struct conv_nd {
    int axes; /* 1 to 3 */
    bool transposed, bias, flip;
    int64_t batch, groups;
    int64_t kernel[3], stride[3], dilation[3], span[3]; /* span: a dilated kernel's whole reach */
    int64_t before[3], after[3];                        /* padding of the wide side */
    int64_t wide[3], narrow[3];
    int64_t wide_channels, narrow_channels;
    int64_t taps;              /* of a kernel */
    const unsigned char *mask; /* per tap: 0 has no influence; NULL: all count */
    const int64_t
        *index; /* per narrow and wide channel: which kernel, or -1; NULL: all in their group, in order */
} conv_nd;

/* x and y are the layer's input and output; y is not looked at when NULL. */
static inline conv_nd conv_nd_of(const conv_config *c, int axes, bool transposed, const cvy_shape *x,
                                 const cvy_shape *y)
{
    const cvy_shape *wide = transposed ? y : x, *narrow = transposed ? x : y;
    conv_nd g = {.axes = axes,
                 .transposed = transposed,
                 .bias = c->bias != 0,
                 .flip = c->mode == CONV_CONVOLUTION,
                 .batch = x->dim[0],
                 .groups = c->groups,
                 .wide_channels = wide ? wide->dim[1] : 0,
                 .narrow_channels = narrow ? narrow->dim[1] : 0,
                 .taps = 1};
    for (int d = 0; d < 3; d++) {
        const int own = d - (3 - axes); /* the layer's axis */
        const bool has = own >= 0;
        g.kernel[d] = has ? c->kernel[own] : 1;
        g.stride[d] = has ? c->stride[own] : 1;
        g.dilation[d] = has ? c->dilation[own] : 1;
        g.span[d] = (g.kernel[d] - 1) * g.dilation[d] + 1;
        g.taps *= g.kernel[d];
        g.wide[d] = has && wide ? wide->dim[2 + own] : 1;
        g.narrow[d] = has && narrow ? narrow->dim[2 + own] : 1;
        if (has && wide)
            cvy_pad(&c->padding, own, g.wide[d], g.span[d], g.stride[d], &g.before[d], &g.after[d]);
    }
    return g;
}

/* One kernel tap along one axis: narrow places begin .. end-1 meet wide place i * stride + offset, the others meet
 * padding. */
typedef struct conv_tap {
    int64_t begin, end, offset;
} conv_tap;

static inline conv_tap conv_nd_tap(const conv_nd *g, int axis, int64_t k)
{
    const int64_t stride = g->stride[axis], wide = g->wide[axis];
    const int64_t at = g->flip ? g->kernel[axis] - 1 - k : k;
    conv_tap t = {0, 0, at * g->dilation[axis] - g->before[axis]};
    if (t.offset < 0) t.begin = (-t.offset + stride - 1) / stride;
    if (t.offset < wide) t.end = (wide - 1 - t.offset) / stride + 1;
    if (t.end > g->narrow[axis]) t.end = g->narrow[axis];
    return t;
}

/* Bytes of scratch that the loops need, where they keep the taps. */
static inline int64_t conv_nd_scratch(const conv_nd *g)
{
    return (g->kernel[0] + g->kernel[1] + g->kernel[2]) * (int64_t)sizeof(conv_tap);
}

/* ---- infer ---- */

static const struct conv_words {
    const char *input, *unit, *last[3]; /* last: along (depth, height, width) */
} conv_words[] = {{"", "", {"", "", ""}},
                  {"sequences (N, C, L)", "steps", {"", "", "step"}},
                  {"maps (N, C, H, W)", "pixels", {"", "row", "column"}},
                  {"volumes (N, C, D, H, W)", "voxels", {"slice", "row", "column"}}};

typedef char conv_text[128];

/* "7x5" */
static inline const char *conv_nd_sizes(const conv_nd *g, const int64_t v[3], conv_text text)
{
    char *end = text;
    for (int d = 3 - g->axes; d < 3; d++)
        end += sprintf(end, "%s%" PRId64, d == 3 - g->axes ? "" : "x", v[d]);
    return text;
}

static inline int conv_nd_expect(cvy_infer *in, int axes)
{
    const cvy_shape *x = &in->in[0];
    if (x->rank == axes + 2) return 0;
    char text[128];
    shape_text(x, text);
    if (x->rank > 2 && x->rank < 6)
        return cvy_fail(in, "expects %s and got %s; use the layer for %d spatial ax%s",
                        conv_words[axes].input, text, x->rank - 2, x->rank == 3 ? "is" : "es");
    return cvy_fail(in, "expects %s and got %s; convolve before `flatten`, `global_avg_pool` or `linear`",
                    conv_words[axes].input, text);
}

static inline int conv_nd_expect_groups(cvy_infer *in, const conv_config *c)
{
    const int64_t channels = in->in[0].dim[1];
    if (channels % c->groups)
        return cvy_fail(in, "groups: %" PRId64 " does not divide %" PRId64 " input channels", c->groups,
                        channels);
    if (c->channels % c->groups)
        return cvy_fail(in, "groups: %" PRId64 " does not divide channels: %" PRId64, c->groups, c->channels);
    return 0;
}

static inline void conv_nd_warn_of_dropped(cvy_infer *in, const char *what, int64_t stride, int64_t dropped,
                                           int64_t of)
{
    if (dropped == 1)
        in->warn(in, "a stride of %" PRId64 " drops the last %s of %" PRId64, stride, what, of);
    else
        in->warn(in, "a stride of %" PRId64 " drops the last %" PRId64 " %ss of %" PRId64, stride, dropped,
                 what, of);
}

/* A convolution's output shape into in->out and the whole into *g; nonzero after reporting. */
static inline int conv_nd_shape(cvy_infer *in, const conv_config *c, int axes, conv_nd *g)
{
    const cvy_shape *x = &in->in[0];
    if (conv_nd_expect(in, axes) || conv_nd_expect_groups(in, c)) return 1;
    *g = conv_nd_of(c, axes, false, x, NULL);
    int64_t padded[3];
    bool fits = true;
    for (int d = 0; d < 3; d++) {
        padded[d] = g->wide[d] + g->before[d] + g->after[d];
        fits = fits && g->span[d] <= padded[d];
    }
    conv_text kernel, span, size, with;
    if (!fits)
        return cvy_fail(in,
                        "kernel: %s%s spans %s %s, more than the input's %s (%s with padding); use a smaller "
                        "kernel, more padding, or less downsampling before",
                        conv_nd_sizes(g, g->kernel, kernel),
                        memcmp(g->kernel, g->span, sizeof g->span) ? " dilated" : "",
                        conv_nd_sizes(g, g->span, span), conv_words[axes].unit,
                        conv_nd_sizes(g, g->wide, size), conv_nd_sizes(g, padded, with));
    in->out = *x;
    in->out.dim[1] = c->channels;
    for (int d = 3 - axes; d < 3; d++) {
        const int64_t out = (padded[d] - g->span[d]) / g->stride[d] + 1;
        const int64_t read = (out - 1) * g->stride[d] + g->span[d] - g->before[d];
        if (read < g->wide[d] && g->span[d] >= g->stride[d]) /* 1x1 with stride 2 means to skip pixels */
            conv_nd_warn_of_dropped(in, conv_words[axes].last[d], g->stride[d], g->wide[d] - read,
                                    g->wide[d]);
        in->out.dim[d + axes - 1] = out;
    }
    *g = conv_nd_of(c, axes, false, x, &in->out);
    return 0;
}

/* The same of a transposed convolution. */
static inline int conv_nd_transposed_shape(cvy_infer *in, const conv_config *c, int axes, conv_nd *g)
{
    const cvy_shape *x = &in->in[0];
    if (conv_nd_expect(in, axes) || conv_nd_expect_groups(in, c)) return 1;
    const conv_nd narrow = conv_nd_of(c, axes, true, x, NULL);
    const bool same = c->padding.mode == CVY_PAD_SAME;
    in->out = *x;
    in->out.dim[1] = c->channels;
    for (int own = 0; own < axes; own++) {
        const int d = own + 3 - axes;
        const int64_t extra = c->output_padding[own];
        int64_t *out = &in->out.dim[2 + own];
        if (same && extra)
            return cvy_fail(in,
                            "output_padding: %" PRId64
                            " does not go with `padding: same`, which makes the output input times stride",
                            extra);
        if (extra >= narrow.stride[d] && extra >= narrow.dilation[d])
            return cvy_fail(in,
                            "output_padding: %" PRId64 " must be smaller than the stride of %" PRId64
                            " or the dilation of %" PRId64
                            "; what lies beyond is out of every kernel's reach",
                            extra, narrow.stride[d], narrow.dilation[d]);
        if (__builtin_mul_overflow(same ? *out : *out - 1, narrow.stride[d], out) || *out > INT64_MAX / 2)
            return cvy_fail(in, "stride: %" PRId64 " makes the output too large to compute",
                            narrow.stride[d]);
        if (same) continue;
        *out += narrow.span[d] + extra - c->padding.before[own] - c->padding.after[own];
        if (*out < 1)
            return cvy_fail(in,
                            "padding: %" PRId64 " and %" PRId64 " take away all %" PRId64
                            " %s of the output; use less padding",
                            c->padding.before[own], c->padding.after[own],
                            *out + c->padding.before[own] + c->padding.after[own], conv_words[axes].unit);
    }
    *g = conv_nd_of(c, axes, true, x, &in->out);
    return 0;
}

/* Multiplies *product; false when it no longer fits. */
static inline bool conv_nd_multiply(int64_t *product, int64_t factor)
{
    return !__builtin_mul_overflow(*product, factor, product);
}

/* Declares the weights, of shape (..., kernel), and the bias, and the rest of `in`. `live` taps of a kernel count. All
 * start uniform on +-1/sqrt(fan_in), PyTorch's default, fan_in being the weights of a narrow channel: so it is for
 * transposed convolutions in PyTorch too. */
static inline int conv_nd_declare(cvy_infer *in, const conv_nd *g, const cvy_shape *weight, int64_t live)
{
    int64_t weights = g->taps, macs = live, bytes = (int64_t)sizeof(double);
    bool fits = true;
    for (int i = 0; i < weight->rank - g->axes; i++) /* kernels */
        fits = fits && conv_nd_multiply(&weights, weight->dim[i]) && conv_nd_multiply(&macs, weight->dim[i]);
    const double fan_in = fits ? (double)macs / (double)g->narrow_channels : 1;
    for (int d = 0; d < 3; d++) fits = fits && conv_nd_multiply(&macs, g->narrow[d]);
    for (int i = 0; i < in->out.rank; i++) fits = fits && conv_nd_multiply(&bytes, in->out.dim[i]);
    conv_text out;
    if (!fits)
        return cvy_fail(in, "channels: %" PRId64 " of %s %s are too large to compute", in->out.dim[1],
                        conv_nd_sizes(g, g->transposed ? g->wide : g->narrow, out), conv_words[g->axes].unit);
    in->traits = CVY_READS_X;
    in->macs = macs;
    in->scratch_bytes = conv_nd_scratch(g);
    const cvy_init uniform = {CVY_INIT_UNIFORM, 1 / sqrt(fan_in)};
    if (in->weight(in, "weight", weight, uniform)) return 1;
    if (!g->bias) return 0;
    const cvy_shape bias = cvy_shape1(in->out.dim[1]);
    return in->weight(in, "bias", &bias, uniform);
}

/* (narrow channels, wide channels of a group, kernel): PyTorch's order in both directions. */
static inline cvy_shape conv_nd_weight(const conv_nd *g)
{
    cvy_shape w = cvy_shape2(g->narrow_channels, g->wide_channels / g->groups);
    for (int d = 3 - g->axes; d < 3; d++) w.dim[w.rank++] = g->kernel[d];
    return w;
}

static inline int conv_nd_infer(cvy_infer *in, const conv_config *c, int axes)
{
    conv_nd g;
    if (conv_nd_shape(in, c, axes, &g)) return 1;
    const cvy_shape weight = conv_nd_weight(&g);
    return conv_nd_declare(in, &g, &weight, g.taps);
}

static inline int conv_nd_transposed_infer(cvy_infer *in, const conv_config *c, int axes)
{
    conv_nd g;
    if (conv_nd_transposed_shape(in, c, axes, &g)) return 1;
    const cvy_shape weight = conv_nd_weight(&g);
    return conv_nd_declare(in, &g, &weight, g.taps);
}

/* ---- lower ---- */

static inline cvy_conv3d_attr conv_nd_volume(const conv_nd *g)
{
    cvy_conv3d_attr attr = {.groups = g->groups, .flip = g->flip};
    for (int d = 0; d < 3; d++) {
        attr.stride[d] = g->stride[d];
        attr.dilation[d] = g->dilation[d];
        attr.padding[d] = g->before[d];
        attr.padding[d + 3] = g->after[d];
    }
    return attr;
}

static inline cvy_value conv_nd_lower(cvy_lower *l, const conv_nd *g)
{
    const cvy_conv3d_attr volume = conv_nd_volume(g);
    const cvy_conv_attr attr = {
        .stride = {g->stride[1], g->stride[2]},
        .dilation = {g->dilation[1], g->dilation[2]},
        .padding = {g->before[1], g->before[2], g->after[1], g->after[2]},
        .groups = g->groups,
        .flip = g->flip,
    };
    cvy_value operands[] = {cvy_in(0), cvy_weight(0), cvy_weight(1)};
    if (g->axes == 3) return l->op(l, CVY_OP_CONV3D, operands, g->bias ? 3 : 2, &volume);
    if (g->axes == 2) return l->op(l, CVY_OP_CONV, operands, g->bias ? 3 : 2, &attr);
    const cvy_reshape_attr line = {cvy_shape4(l->in[0].dim[0], l->in[0].dim[1], 1, l->in[0].dim[2])};
    operands[0] = l->op(l, CVY_OP_RESHAPE, operands, 1, &line);
    const cvy_value y = l->op(l, CVY_OP_CONV, operands, g->bias ? 3 : 2, &attr);
    const cvy_reshape_attr sequence = {*l->out};
    return l->op(l, CVY_OP_RESHAPE, &y, 1, &sequence);
}

/* A transposed convolution, of two or three axes. */
static inline cvy_value conv_nd_transposed_lower(cvy_lower *l, const conv_nd *g)
{
    const cvy_conv_transpose_attr attr = {
        .conv = {.stride = {g->stride[1], g->stride[2]},
                 .dilation = {g->dilation[1], g->dilation[2]},
                 .padding = {g->before[1], g->before[2], g->after[1], g->after[2]},
                 .groups = g->groups},
        .size = {g->wide[1], g->wide[2]},
    };
    const cvy_value operands[] = {cvy_in(0), cvy_weight(0)};
    const cvy_conv3d_transpose_attr volume = {conv_nd_volume(g), {g->wide[0], g->wide[1], g->wide[2]}};
    const cvy_value y = g->axes == 3 ? l->op(l, CVY_OP_CONV3D_TRANSPOSE, operands, 2, &volume)
                                     : l->op(l, CVY_OP_CONV_TRANSPOSE, operands, 2, &attr);
    const cvy_value with[] = {y, cvy_weight(1)};
    return g->bias ? l->op(l, CVY_OP_BIAS, with, 2, NULL) : y;
}

/* ---- build ---- */

/* Padding as it is written in an experiment: "same" or "[0, 1, 0, 1]". */
static inline const char *conv_nd_padding(const cvy_padding *p, int axes, conv_text text)
{
    if (p->mode == CVY_PAD_SAME) return "same";
    char *end = text;
    for (int i = 0; i < 2 * axes; i++)
        end += sprintf(end, "%s%" PRId64, i ? ", " : "[", i < axes ? p->before[i] : p->after[i - axes]);
    sprintf(end, "]");
    return text;
}

#endif
