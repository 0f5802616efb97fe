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
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "convoy/layer.h"
#include "shape_text.h"
#include "wide.h"

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

/* Windows begin .. end - 1 along an axis have their element k inside the input, at window * stride + offset. */
typedef struct pool_element {
    int64_t begin, end, offset;
} pool_element;

static inline pool_element pool_element_of(const pool_axis *a, int64_t k)
{
    pool_element e = {.offset = k * a->dilation - a->before};
    if (e.offset < 0) e.begin = (-e.offset + a->stride - 1) / a->stride;
    if (e.offset < a->in) e.end = (a->in - 1 - e.offset) / a->stride + 1;
    if (e.end > a->out) e.end = a->out;
    return e;
}

/* The elements of a window along an axis that lie inside the input, begin, begin + dilation, ... < end, and how many of the
 * window there are when padding counts. */
typedef struct pool_range {
    int64_t begin, end, counted;
} pool_range;

static inline pool_range pool_range_of(const pool_axis *a, int64_t window)
{
    const int64_t start = window * a->stride - a->before, stop = start + a->span;
    pool_range r = {.begin = start, .end = stop < a->in ? stop : a->in};
    if (start < 0) r.begin = start + (a->dilation - 1 - start) / a->dilation * a->dilation;
    r.counted = (stop < a->in + a->after ? stop : a->in + a->after) - start;
    return r;
}

/* Windows of one slice and row, some of them: left, left + 1, ... */
typedef struct pool_row {
    pool_range depth, height;
    int64_t left, n;
} pool_row;

enum {
    POOL_COLUMNS = 1024,
    POOL_WINDOWS = 256
}; /* of a row, at a time: no window spans more when it has no dilation */

/* Row number `row` of the windows, from window `left` on as many as are taken at a time. */
static inline pool_row pool_row_of(const pool_grid *g, int64_t row, int64_t left)
{
    const pool_axis *a = g->axis;
    pool_row r = {.depth = pool_range_of(&a[0], row / a[1].out),
                  .height = pool_range_of(&a[1], row % a[1].out),
                  .left = left,
                  .n = a[2].out - left};
    if (r.n > POOL_WINDOWS) r.n = POOL_WINDOWS;
    const int64_t most = a[2].span < POOL_COLUMNS ? (POOL_COLUMNS - a[2].span) / a[2].stride + 1 : 1;
    if (r.n > most) r.n = most;
    return r;
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

/* The maxima of a row of windows, and where in the channel they are. */
WIDE static inline void pool_maxima(const pool_grid *g, const pool_row *r, const cvy_real *x,
                                    cvy_real *restrict max, int32_t *restrict where)
{
    const pool_axis *a = g->axis;
    for (int64_t i = 0; i < r->n; i++) {
        const pool_range columns = pool_range_of(&a[2], r->left + i);
        max[i] = -(cvy_real)INFINITY;
        where[i] = (int32_t)((r->depth.begin * a[1].in + r->height.begin) * a[2].in + columns.begin);
    }
    for (int64_t z = r->depth.begin; z < r->depth.end; z += a[0].dilation)
        for (int64_t row = r->height.begin; row < r->height.end; row += a[1].dilation)
            for (int64_t k = 0; k < a[2].kernel; k++) {
                const pool_element e = pool_element_of(&a[2], k);
                const int64_t begin = e.begin > r->left ? e.begin - r->left : 0;
                const int64_t end = e.end - r->left < r->n ? e.end - r->left : r->n;
                const int64_t first = (z * a[1].in + row) * a[2].in + r->left * a[2].stride + e.offset;
                for (int64_t i = begin; i < end; i++) {
                    const cvy_real value = x[first + i * a[2].stride];
                    const int more = (value > max[i]) | (value != value);
                    max[i] = more ? value : max[i];
                    where[i] = more ? (int32_t)(first + i * a[2].stride) : where[i];
                }
            }
}

/* Channels (n, c): y = the maximum, saved = where in the channel it was. */
static inline void pool_max_forward_part(void *ctx, int64_t begin, int64_t end)
{
    const pool_job *j = ctx;
    int32_t *saved = j->call->saved; /* as y; none in evaluation */
    const int64_t out = j->g.axis[2].out, rows = j->g.windows / out;
    cvy_real max[POOL_WINDOWS];
    int32_t where[POOL_WINDOWS];
    for (int64_t line = begin * rows; line < end * rows; line++) {
        const cvy_real *x = j->call->x[0] + line / rows * j->g.elements;
        pool_row r;
        for (int64_t left = 0; left < out; left += r.n) {
            r = pool_row_of(&j->g, line % rows, left);
            pool_maxima(&j->g, &r, x, max, where);
            memcpy(j->call->y + line * out + left, max, (size_t)r.n * sizeof *max);
            if (saved) memcpy(saved + line * out + left, where, (size_t)r.n * sizeof *where);
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

/* The columns that a row of windows sees: begin .. end - 1. */
static inline pool_range pool_columns(const pool_grid *g, const pool_row *r)
{
    pool_range all = pool_range_of(&g->axis[2], r->left);
    all.end = pool_range_of(&g->axis[2], r->left + r->n - 1).end;
    return all;
}

/* The sums of a row of windows: first down the columns, then along the row. */
WIDE static inline void pool_sums(const pool_grid *g, const pool_row *r, const cvy_real *x, double *sum)
{
    const pool_axis *a = g->axis;
    const pool_range seen = pool_columns(g, r);
    double column[POOL_COLUMNS];
    for (int64_t i = seen.begin; i < seen.end; i++) column[i - seen.begin] = 0;
    for (int64_t z = r->depth.begin; z < r->depth.end; z++)
        for (int64_t row = r->height.begin; row < r->height.end; row++) {
            const cvy_real *from = x + (z * a[1].in + row) * a[2].in + seen.begin;
            for (int64_t i = 0; i < seen.end - seen.begin; i++) column[i] += (double)from[i];
        }
    for (int64_t i = 0; i < r->n; i++) sum[i] = 0;
    for (int64_t k = 0; k < a[2].kernel; k++) {
        const pool_element e = pool_element_of(&a[2], k);
        const int64_t begin = e.begin > r->left ? e.begin : r->left;
        const int64_t end = e.end < r->left + r->n ? e.end : r->left + r->n;
        for (int64_t i = begin; i < end; i++)
            sum[i - r->left] += column[i * a[2].stride + e.offset - seen.begin];
    }
}

/* Adds g[i] to every element of window i of a row: first along the row, then down the columns. */
WIDE static inline void pool_spread(const pool_grid *grid, const pool_row *r, const cvy_real *g, cvy_real *gx)
{
    const pool_axis *a = grid->axis;
    const pool_range seen = pool_columns(grid, r);
    cvy_real column[POOL_COLUMNS];
    for (int64_t i = seen.begin; i < seen.end; i++) column[i - seen.begin] = 0;
    for (int64_t k = 0; k < a[2].kernel; k++) {
        const pool_element e = pool_element_of(&a[2], k);
        const int64_t begin = e.begin > r->left ? e.begin : r->left;
        const int64_t end = e.end < r->left + r->n ? e.end : r->left + r->n;
        for (int64_t i = begin; i < end; i++)
            column[i * a[2].stride + e.offset - seen.begin] += g[i - r->left];
    }
    for (int64_t z = r->depth.begin; z < r->depth.end; z++)
        for (int64_t row = r->height.begin; row < r->height.end; row++) {
            cvy_real *to = gx + (z * a[1].in + row) * a[2].in + seen.begin;
            for (int64_t i = 0; i < seen.end - seen.begin; i++) to[i] += column[i];
        }
}

/* What the sums of a row of windows are divided by. */
static inline void pool_divisors(const pool_job *j, const pool_row *r, double *divisor)
{
    const bool all = j->c->count_padding;
    const int64_t others = all ? r->depth.counted * r->height.counted
                               : (r->depth.end - r->depth.begin) * (r->height.end - r->height.begin);
    for (int64_t i = 0; i < r->n; i++) {
        const pool_range w = pool_range_of(&j->g.axis[2], r->left + i);
        divisor[i] = (double)(others * (all ? w.counted : w.end - w.begin));
    }
}

/* Channels (n, c): y = mean of the window. */
static inline void pool_avg_forward_part(void *ctx, int64_t begin, int64_t end)
{
    const pool_job *j = ctx;
    const int64_t out = j->g.axis[2].out, rows = j->g.windows / out;
    double sum[POOL_WINDOWS], divisor[POOL_WINDOWS];
    for (int64_t line = begin * rows; line < end * rows; line++) {
        const cvy_real *x = j->call->x[0] + line / rows * j->g.elements;
        pool_row r;
        for (int64_t left = 0; left < out; left += r.n) {
            r = pool_row_of(&j->g, line % rows, left);
            pool_sums(&j->g, &r, x, sum);
            pool_divisors(j, &r, divisor);
            for (int64_t i = 0; i < r.n; i++)
                j->call->y[line * out + left + i] = (cvy_real)(sum[i] / divisor[i]);
        }
    }
}

/* Channels (n, c): every gy is shared evenly among the elements of its window. */
static inline void pool_avg_backward_part(void *ctx, int64_t begin, int64_t end)
{
    const pool_job *j = ctx;
    const int64_t out = j->g.axis[2].out, rows = j->g.windows / out;
    double divisor[POOL_WINDOWS];
    cvy_real share[POOL_WINDOWS];
    memset(j->call->gx[0] + begin * j->g.elements, 0,
           (size_t)((end - begin) * j->g.elements) * sizeof(cvy_real));
    for (int64_t line = begin * rows; line < end * rows; line++) {
        pool_row r;
        for (int64_t left = 0; left < out; left += r.n) {
            r = pool_row_of(&j->g, line % rows, left);
            pool_divisors(j, &r, divisor);
            for (int64_t i = 0; i < r.n; i++)
                share[i] = j->call->gy[line * out + left + i] / (cvy_real)divisor[i];
            pool_spread(&j->g, &r, share, j->call->gx[0] + line / rows * j->g.elements);
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
