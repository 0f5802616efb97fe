/* Pooling over windows along one to three spatial axes: what max_pool1d, 2d and 3d, avg_pool1d, 2d and 3d and subsample
 * share. Owns where windows lie, what is said of shapes that do not fit, the plain loops and the operators; must not
 * know which plugin asks.
 *
 * The rules are PyTorch's. Along an axis of `in` elements window i begins at i stride - before and spans
 * dilation (kernel - 1) + 1. Without ceil_mode all windows lie inside the padded input. With it one more may hang over
 * the end, if it begins inside the input or the padding before it: what lies beyond the padding is minus infinity to a
 * maximum and does not count in a mean. The first maximum takes the gradient, NaN wins over numbers. */
#ifndef POOL_ND_H
#define POOL_ND_H

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "convoy/layer.h"
#include "shape_text.h"

/* Of the arrays the first numbers are used, one for each spatial axis. */
typedef struct pool_config {
    int64_t kernel[3];
    int64_t stride[3];   /* 0: the kernel */
    int64_t dilation[3]; /* 0, where a plugin has none: 1 */
    cvy_padding padding;
    int32_t ceil_mode, count_padding;
} pool_config;

#define POOL_STRIDE_HELP "step between windows; 0: the window's size"
#define POOL_CEIL_HELP   "whether a last window may hang over the end rather than drop what is left"

/* ---- where windows lie ---- */

typedef struct pool_axis {
    int64_t in, out; /* elements, windows; out < 1: no window fits */
    int64_t kernel, stride, dilation, span;
    int64_t before, after; /* padding */
    int64_t beyond;        /* what the last window needs behind the padding */
} pool_axis;

static inline pool_axis pool_axis_of(const pool_config *c, int axis, int64_t in)
{
    pool_axis a = {.in = in, .kernel = c->kernel[axis]};
    a.stride = c->stride[axis] ? c->stride[axis] : a.kernel;
    a.dilation = c->dilation[axis] ? c->dilation[axis] : 1;
    a.span = a.dilation * (a.kernel - 1) + 1;
    cvy_pad(&c->padding, axis, in, a.span, a.stride, &a.before, &a.after);
    const int64_t padded = in + a.before + a.after;
    const int64_t last =
        padded - a.span + (c->ceil_mode ? a.stride - 1 : 0); /* where a window may begin at most */
    a.out = last < 0 ? 0 : last / a.stride + 1;
    if (a.out > 0 && c->ceil_mode && (a.out - 1) * a.stride >= in + a.before) a.out--;
    a.beyond = (a.out - 1) * a.stride + a.span - padded;
    if (a.out < 1 || a.beyond < 0) a.beyond = 0;
    return a;
}

/* The axes of maps (N, C, ...); what is missing in front of the last is one element with one window. */
typedef struct pool_grid {
    pool_axis axis[3];
    int64_t elements, windows; /* of one channel */
} pool_grid;

static inline pool_grid pool_grid_of(const pool_config *c, const cvy_shape *x)
{
    pool_grid g = {.elements = 1, .windows = 1};
    const int first = 5 - x->rank; /* of the three */
    for (int d = 0; d < 3; d++) {
        const pool_axis one = {.in = 1, .out = 1, .kernel = 1, .stride = 1, .dilation = 1, .span = 1};
        g.axis[d] = d < first ? one : pool_axis_of(c, d - first, x->dim[2 + d - first]);
        g.elements *= g.axis[d].in;
        g.windows *= g.axis[d].out;
    }
    return g;
}

/* The elements of a window that lie inside the input, begin, begin + dilation, ... < end, and how many of the window
 * there are when padding counts. */
typedef struct pool_box {
    int64_t begin[3], end[3], counted;
} pool_box;

static inline pool_box pool_box_of(const pool_grid *g, int64_t window)
{
    pool_box b = {.counted = 1};
    for (int d = 2; d >= 0; d--) {
        const pool_axis *a = &g->axis[d];
        const int64_t start = window % a->out * a->stride - a->before, stop = start + a->span;
        window /= a->out;
        b.begin[d] = start < 0 ? start + (a->dilation - 1 - start) / a->dilation * a->dilation : start;
        b.end[d] = stop < a->in ? stop : a->in;
        b.counted *= (stop < a->in + a->after ? stop : a->in + a->after) - start;
    }
    return b;
}

/* ---- shapes ---- */

/* "3x5" */
static inline const char *pool_sizes_text(const int64_t *v, int axes, char text[64])
{
    char *end = text;
    for (int d = 0; d < axes; d++) end += sprintf(end, d ? "x%" PRId64 : "%" PRId64, v[d]);
    return text;
}

static inline int pool_fail_kernel(cvy_infer *in, const pool_config *c, int axes)
{
    char kernel[64], spans[64], size[64], padded[64], dilated[96] = "";
    int64_t span[3], around[3];
    int wide = 0;
    for (int d = 0; d < axes; d++) {
        const pool_axis a = pool_axis_of(c, d, in->in[0].dim[2 + d]);
        span[d] = a.span;
        around[d] = a.in + a.before + a.after;
        wide |= a.dilation > 1;
    }
    if (wide) sprintf(dilated, " dilated spans %s and", pool_sizes_text(span, axes, spans));
    return cvy_fail(
        in,
        "kernel: %s%s is larger than the input's %s with padding (%s); use a smaller kernel or less "
        "pooling before",
        pool_sizes_text(c->kernel, axes, kernel), dilated, pool_sizes_text(in->in[0].dim + 2, axes, size),
        pool_sizes_text(around, axes, padded));
}

/* Padding may not fill a window. Half of one is always fine, but for a dilated one, which can straddle a short
 * input. */
static inline int pool_check_padding(cvy_infer *in, const pool_config *c, const pool_axis *a)
{
    const int64_t most = a->before > a->after ? a->before : a->after;
    if (c->padding.mode == CVY_PAD_GIVEN && 2 * most > a->span)
        return cvy_fail(in,
                        "padding: %" PRId64 " is more than half of the %skernel's %" PRId64
                        "; such windows would see padding alone",
                        most, a->dilation > 1 ? "dilated " : "", a->span);
    for (int64_t i = 0; a->in < a->dilation && i < a->out && i * a->stride < a->before; i++)
        if ((i * a->stride - a->before) % a->dilation + a->dilation >= a->in &&
            (i * a->stride - a->before) % a->dilation != 0)
            return cvy_fail(
                in,
                "dilation: %" PRId64 " steps over all %" PRId64
                " elements of the input, so that a window would see padding alone; use less dilation or "
                "no padding",
                a->dilation, a->in);
    return 0;
}

static inline void pool_warn_of_dropped(cvy_infer *in, const pool_axis *a, const char *what)
{
    const int64_t read = (a->out - 1) * a->stride + a->span - a->before, dropped = a->in - read;
    if (dropped < 1 || a->span < a->stride) return;
    if (dropped == 1)
        in->warn(in, "a stride of %" PRId64 " drops the last %s of %" PRId64, a->stride, what, a->in);
    else
        in->warn(in, "a stride of %" PRId64 " drops the last %" PRId64 " %ss of %" PRId64, a->stride, dropped,
                 what, a->in);
}

/* Shapes of pooling along `axes` axes. With `index` the place of every maximum is kept for backward. */
static inline int pool_infer(cvy_infer *in, const pool_config *c, int axes, int index)
{
    static const char *const nouns[][3] = {{"sequences (N, C, L)", "sequences", "elements"},
                                           {"maps (N, C, H, W)", "maps", "pixels"},
                                           {"volumes (N, C, D, H, W)", "volumes", "voxels"}};
    static const char *const lines[][3] = {{"element"}, {"row", "column"}, {"slice", "row", "column"}};
    const cvy_shape *x = &in->in[0];
    char text[128];
    if (x->rank != axes + 2)
        return cvy_fail(in, "expects %s and got %s; pool before `flatten`, `global_avg_pool` or `linear`",
                        nouns[axes - 1][0], shape_text(x, text));
    cvy_shape y = *x;
    int64_t elements = 1, count = x->dim[0];
    int large = __builtin_mul_overflow(count, x->dim[1], &count);
    for (int d = 0; d < axes; d++) {
        const pool_axis a = pool_axis_of(c, d, x->dim[2 + d]);
        if (pool_check_padding(in, c, &a)) return 1;
        if (a.out < 1) return pool_fail_kernel(in, c, axes);
        pool_warn_of_dropped(in, &a, lines[axes - 1][d]);
        y.dim[2 + d] = a.out;
        large |= __builtin_mul_overflow(elements, a.in, &elements);
        large |= __builtin_mul_overflow(count, a.out, &count);
    }
    int64_t bytes;
    large |= __builtin_mul_overflow(count, (int64_t)sizeof(double), &bytes);
    if (large || (index && elements > INT32_MAX))
        return cvy_fail(in, "%s of %s %s are too large to pool", nouns[axes - 1][1],
                        pool_sizes_text(x->dim + 2, axes, text), nouns[axes - 1][2]);
    in->out = y;
    if (index) in->saved_bytes = count * (int64_t)sizeof(int32_t);
    return 0;
}

/* ---- plain: maximum ---- */

typedef struct pool_job {
    const cvy_plain *call;
    const pool_config *c;
    pool_grid g;
} pool_job;

static inline int pool_run(const cvy_plain *call, const void *config, void (*part)(void *, int64_t, int64_t))
{
    pool_job j = {call, config, pool_grid_of(config, &call->in[0])};
    call->host->parallel_for(call->host, call->out->dim[0] * call->out->dim[1], 1, part, &j);
    return 0;
}

/* The maximum of a channel's window, and in *where which of its elements that is. */
static inline cvy_real pool_maximum(const pool_grid *g, const pool_box *b, const cvy_real *x, int64_t *where)
{
    const pool_axis *a = g->axis;
    cvy_real max = -(cvy_real)INFINITY;
    *where = (b->begin[0] * a[1].in + b->begin[1]) * a[2].in + b->begin[2];
    for (int64_t z = b->begin[0]; z < b->end[0]; z += a[0].dilation)
        for (int64_t row = b->begin[1]; row < b->end[1]; row += a[1].dilation)
            for (int64_t col = b->begin[2]; col < b->end[2]; col += a[2].dilation) {
                const int64_t at = (z * a[1].in + row) * a[2].in + col;
                if (x[at] > max || isnan(x[at])) {
                    max = x[at];
                    *where = at;
                }
            }
    return max;
}

/* Channels (n, c): y = the maximum, saved = where in the channel it was. */
static inline void pool_max_forward_part(void *ctx, int64_t begin, int64_t end)
{
    const pool_job *j = ctx;
    int32_t *saved = j->call->saved; /* as y; none in evaluation */
    for (int64_t channel = begin; channel < end; channel++) {
        const cvy_real *x = j->call->x[0] + channel * j->g.elements;
        for (int64_t i = 0; i < j->g.windows; i++) {
            const pool_box b = pool_box_of(&j->g, i);
            int64_t where;
            j->call->y[channel * j->g.windows + i] = pool_maximum(&j->g, &b, x, &where);
            if (saved) saved[channel * j->g.windows + i] = (int32_t)where;
        }
    }
}

/* Channels (n, c): every gy goes to the element that was the maximum. */
static inline void pool_max_backward_part(void *ctx, int64_t begin, int64_t end)
{
    const pool_job *j = ctx;
    const int32_t *saved = j->call->saved;
    for (int64_t channel = begin; channel < end; channel++) {
        cvy_real *gx = j->call->gx[0] + channel * j->g.elements;
        for (int64_t i = 0; i < j->g.elements; i++) gx[i] = 0;
        for (int64_t o = channel * j->g.windows; o < (channel + 1) * j->g.windows; o++)
            gx[saved[o]] += j->call->gy[o];
    }
}

static inline int pool_max_forward(const cvy_plain *call, const void *config)
{
    return pool_run(call, config, pool_max_forward_part);
}

static inline int pool_max_backward(const cvy_plain *call, const void *config)
{
    return call->gx[0] ? pool_run(call, config, pool_max_backward_part) : 0;
}

/* ---- plain: mean ---- */

/* The sum of a channel's window. */
static inline double pool_sum(const pool_grid *g, const pool_box *b, const cvy_real *x)
{
    double sum = 0;
    for (int64_t z = b->begin[0]; z < b->end[0]; z++)
        for (int64_t row = b->begin[1]; row < b->end[1]; row++)
            for (int64_t col = b->begin[2]; col < b->end[2]; col++)
                sum += (double)x[(z * g->axis[1].in + row) * g->axis[2].in + col];
    return sum;
}

/* Adds g to every element of a channel's window. */
static inline void pool_spread(const pool_grid *grid, const pool_box *b, cvy_real g, cvy_real *gx)
{
    for (int64_t z = b->begin[0]; z < b->end[0]; z++)
        for (int64_t row = b->begin[1]; row < b->end[1]; row++)
            for (int64_t col = b->begin[2]; col < b->end[2]; col++)
                gx[(z * grid->axis[1].in + row) * grid->axis[2].in + col] += g;
}

static inline int64_t pool_divisor(const pool_job *j, const pool_box *b)
{
    if (j->c->count_padding) return b->counted;
    return (b->end[0] - b->begin[0]) * (b->end[1] - b->begin[1]) * (b->end[2] - b->begin[2]);
}

/* Channels (n, c): y = mean of the window. */
static inline void pool_avg_forward_part(void *ctx, int64_t begin, int64_t end)
{
    const pool_job *j = ctx;
    for (int64_t channel = begin; channel < end; channel++) {
        const cvy_real *x = j->call->x[0] + channel * j->g.elements;
        for (int64_t i = 0; i < j->g.windows; i++) {
            const pool_box b = pool_box_of(&j->g, i);
            j->call->y[channel * j->g.windows + i] =
                (cvy_real)(pool_sum(&j->g, &b, x) / (double)pool_divisor(j, &b));
        }
    }
}

/* Channels (n, c): every gy is shared evenly among the elements of its window. */
static inline void pool_avg_backward_part(void *ctx, int64_t begin, int64_t end)
{
    const pool_job *j = ctx;
    for (int64_t channel = begin; channel < end; channel++) {
        cvy_real *gx = j->call->gx[0] + channel * j->g.elements;
        for (int64_t i = 0; i < j->g.elements; i++) gx[i] = 0;
        for (int64_t i = 0; i < j->g.windows; i++) {
            const pool_box b = pool_box_of(&j->g, i);
            pool_spread(&j->g, &b, j->call->gy[channel * j->g.windows + i] / (cvy_real)pool_divisor(j, &b),
                        gx);
        }
    }
}

static inline int pool_avg_forward(const cvy_plain *call, const void *config)
{
    return pool_run(call, config, pool_avg_forward_part);
}

static inline int pool_avg_backward(const cvy_plain *call, const void *config)
{
    return call->gx[0] ? pool_run(call, config, pool_avg_backward_part) : 0;
}

/* ---- lower ---- */

/* Maps (N, C, H, W) as they are; sequences (N, C, L) as maps of one row. */
static inline cvy_value pool_lower(cvy_lower *l, const void *config, cvy_pool function)
{
    const pool_config *c = config;
    const cvy_shape *s = &l->in[0];
    const pool_grid g = pool_grid_of(c, s);
    const int counts = function == CVY_POOL_AVG && c->count_padding;
    cvy_pool_attr attr = {.function = (int32_t)function, .count_padding = counts};
    for (int d = 0; d < 2; d++) {
        const pool_axis *a = &g.axis[1 + d];
        attr.kernel[d] = a->kernel;
        attr.stride[d] = a->stride;
        attr.dilation[d] = a->dilation;
        attr.padding[d] = a->before;
        attr.padding[d + 2] = a->after + a->beyond;
        attr.beyond[d] = a->beyond;
    }
    cvy_value x = cvy_in(0);
    if (s->rank == 4) return l->op(l, CVY_OP_POOL, &x, 1, &attr);
    const cvy_reshape_attr row = {cvy_shape4(s->dim[0], s->dim[1], 1, s->dim[2])}, sequence = {*l->out};
    x = l->op(l, CVY_OP_RESHAPE, &x, 1, &row);
    x = l->op(l, CVY_OP_POOL, &x, 1, &attr);
    return l->op(l, CVY_OP_RESHAPE, &x, 1, &sequence);
}

static inline cvy_value pool_max_lower(cvy_lower *l, const void *config)
{
    return pool_lower(l, config, CVY_POOL_MAX);
}

static inline cvy_value pool_avg_lower(cvy_lower *l, const void *config)
{
    return pool_lower(l, config, CVY_POOL_AVG);
}

#endif
