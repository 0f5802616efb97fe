/* Mean over as many windows as are asked for, whatever the input's size: along an axis of `in` elements, window i of
 * `out` is the elements from floor(i in / out) up to but not including ceil((i + 1) in / out).
 *
 * He, Zhang, Ren & Sun, "Spatial Pyramid Pooling in Deep Convolutional Networks for Visual Recognition", TPAMI 2015,
 * appendix A; PyTorch's AdaptiveAvgPool1d to 3d. Windows overlap where `out` does not divide `in`, and repeat
 * elements where it is larger. */
#include <inttypes.h>
#include <stdio.h>

#include "convoy/layer.h"
#include "wide.h"

typedef struct adaptive_config {
    cvy_ints output;
} adaptive_config;

static const cvy_param adaptive_params[] = {
    CVY_INTS(
        adaptive_config, output, "[1]", 0, 65536,
        "elements of the output: [7] along every axis, or one number for each, [7, 5]; 0: as the input's"),
    CVY_ALSO("output_size size"),
};

/* ---- where windows lie ---- */

/* Up to three axes; what is missing in front of the last is one element with one window. */
typedef struct grid {
    int64_t in[3], out[3], elements, windows;
} grid;

static grid grid_of(const cvy_shape *x, const cvy_shape *y)
{
    grid g = {.in = {1, 1, 1}, .out = {1, 1, 1}, .elements = 1, .windows = 1};
    for (int d = 2; d < x->rank; d++) {
        g.in[3 - x->rank + d] = x->dim[d];
        g.out[3 - x->rank + d] = y->dim[d];
        g.elements *= x->dim[d];
        g.windows *= y->dim[d];
    }
    return g;
}

typedef struct box {
    int64_t begin[3], end[3], count;
} box;

static box box_of(const grid *g, int64_t window)
{
    box b = {.count = 1};
    for (int d = 2; d >= 0; d--) {
        const int64_t i = window % g->out[d];
        window /= g->out[d];
        b.begin[d] = i * g->in[d] / g->out[d];
        b.end[d] = ((i + 1) * g->in[d] + g->out[d] - 1) / g->out[d];
        b.count *= b.end[d] - b.begin[d];
    }
    return b;
}

/* ---- shapes ---- */

static int adaptive_infer(cvy_infer *in, const void *config)
{
    const adaptive_config *c = config;
    const cvy_shape *x = &in->in[0];
    const int axes = x->rank - 2;
    if (x->rank < 3 || x->rank > 5)
        return cvy_fail(
            in,
            "expects sequences (N, C, L), maps (N, C, H, W) or volumes (N, C, D, H, W), and got a rank of "
            "%" PRId32 "; pool before `flatten`, `global_avg_pool` or `linear`",
            x->rank);
    if (c->output.n != 1 && c->output.n != (size_t)axes)
        return cvy_fail(
            in, "output: has %zu numbers, but the input has %d spatial axes; write one number for all, or %d",
            c->output.n, axes, axes);
    in->out = *x;
    int64_t count = x->dim[0], bytes;
    int large = __builtin_mul_overflow(count, x->dim[1], &count);
    for (int d = 0; d < axes; d++) {
        const int64_t wanted = c->output.v[c->output.n == 1 ? 0 : d], size = x->dim[2 + d];
        int64_t reach;
        in->out.dim[2 + d] = wanted ? wanted : size;
        large |= __builtin_mul_overflow(size + 1, in->out.dim[2 + d] + 1, &reach);
        large |= __builtin_mul_overflow(count, in->out.dim[2 + d], &count);
    }
    if (large || __builtin_mul_overflow(count, (int64_t)sizeof(double), &bytes))
        return cvy_fail(in, "the output would be too large to compute");
    return 0;
}

/* ---- plain ---- */

typedef struct job {
    const cvy_plain *call;
    grid g;
} job;

#define SOME 512 /* columns at a time */

/* Columns left .. left + n - 1 of a channel, each summed over the slices and rows of a box. */
WIDE static void sum_columns(const grid *g, const box *b, const cvy_real *x, int64_t left, int64_t n,
                             double *column)
{
    for (int64_t i = 0; i < n; i++) column[i] = 0;
    for (int64_t z = b->begin[0]; z < b->end[0]; z++)
        for (int64_t row = b->begin[1]; row < b->end[1]; row++) {
            const cvy_real *from = x + (z * g->in[1] + row) * g->in[2] + left;
            for (int64_t i = 0; i < n; i++) column[i] += (double)from[i];
        }
}

/* A row of windows from `window` on, the last axis' all: y = means, of sums first down the columns, then along the row. */
static void forward_row(const grid *g, int64_t window, const cvy_real *x, cvy_real *y)
{
    double column[SOME];
    int64_t left = 0, right = 0; /* the columns that are there */
    for (int64_t i = 0; i < g->out[2]; i++) {
        const box b = box_of(g, window + i);
        double sum = 0;
        for (int64_t at = b.begin[2]; at < b.end[2];) {
            if (at < left || at >= right) {
                left = at;
                right = g->in[2] - left < SOME ? g->in[2] : left + SOME;
                sum_columns(g, &b, x, left, right - left, column);
            }
            for (; at < b.end[2] && at < right; at++) sum += column[at - left];
        }
        y[i] = (cvy_real)(sum / (double)b.count);
    }
}

/* Channels (n, c): y = mean of the window. */
static void forward_part(void *ctx, int64_t begin, int64_t end)
{
    const job *j = ctx;
    for (int64_t channel = begin; channel < end; channel++)
        for (int64_t i = 0; i < j->g.windows; i += j->g.out[2])
            forward_row(&j->g, i, j->call->x[0] + channel * j->g.elements,
                        j->call->y + channel * j->g.windows + i);
}

WIDE static void add_columns(const grid *g, const box *b, const cvy_real *column, int64_t left, int64_t n,
                             cvy_real *gx)
{
    for (int64_t z = b->begin[0]; z < b->end[0]; z++)
        for (int64_t row = b->begin[1]; row < b->end[1]; row++) {
            cvy_real *to = gx + (z * g->in[1] + row) * g->in[2] + left;
            for (int64_t i = 0; i < n; i++) to[i] += column[i];
        }
}

/* Every gy of a row of windows is shared evenly among the elements of its window. */
static void backward_row(const grid *g, int64_t window, const cvy_real *gy, cvy_real *gx)
{
    cvy_real column[SOME];
    for (int64_t left = 0; left < g->in[2]; left += SOME) {
        const int64_t n = g->in[2] - left < SOME ? g->in[2] - left : SOME;
        box b = {.count = 0};
        for (int64_t i = 0; i < n; i++) column[i] = 0;
        for (int64_t i = 0; i < g->out[2]; i++) {
            b = box_of(g, window + i);
            const cvy_real share = gy[i] / (cvy_real)b.count;
            const int64_t first = b.begin[2] > left ? b.begin[2] : left;
            for (int64_t at = first; at < b.end[2] && at < left + n; at++) column[at - left] += share;
        }
        add_columns(g, &b, column, left, n, gx); /* slices and rows are those of every window of the row */
    }
}

/* Channels (n, c): gx. */
static void backward_part(void *ctx, int64_t begin, int64_t end)
{
    const job *j = ctx;
    for (int64_t channel = begin; channel < end; channel++) {
        cvy_real *gx = j->call->gx[0] + channel * j->g.elements;
        for (int64_t i = 0; i < j->g.elements; i++) gx[i] = 0;
        for (int64_t i = 0; i < j->g.windows; i += j->g.out[2])
            backward_row(&j->g, i, j->call->gy + channel * j->g.windows + i, gx);
    }
}

static int adaptive_forward(const cvy_plain *call, const void *config)
{
    (void)config;
    job j = {call, grid_of(&call->in[0], call->out)};
    call->host->parallel_for(call->host, call->out->dim[0] * call->out->dim[1], 1, forward_part, &j);
    return 0;
}

static int adaptive_backward(const cvy_plain *call, const void *config)
{
    (void)config;
    if (!call->gx[0]) return 0;
    job j = {call, grid_of(&call->in[0], call->out)};
    call->host->parallel_for(call->host, call->out->dim[0] * call->out->dim[1], 1, backward_part, &j);
    return 0;
}

static const cvy_layer adaptive_layer = {
    .size = sizeof(cvy_layer),
    .min_in = 1,
    .max_in = 1,
    .infer = adaptive_infer,
    .forward = adaptive_forward,
    .backward = adaptive_backward,
};

CVY_PLUGIN(
    CVY_LAYER, adaptive_avg_pool,
    "AdaptiveAvgPool1d AdaptiveAvgPool2d AdaptiveAvgPool3d AdaptiveAveragePooling2D adaptive_avg_pool2d",
    "Mean over windows such that the output has a given size", "He et al. 2015, appendix A", adaptive_config,
    &adaptive_layer, CVY_PARAMS(adaptive_params));
