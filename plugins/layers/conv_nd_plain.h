/* The plain loops of most convolutions: gathering from the wide side to the narrow one, spreading back, and the gradient
 * of the weights. Knows shapes as conv_nd.h has them, and no layer; nor masks and tables, which conv_nd_flat.h is for.
 *
 * A convolution gathers: the narrow y is a sum over the wide x. Its gradient spreads: the wide gx is a sum over the
 * narrow gy. Each row of a result is computed by one thread, in one order. */
#ifndef LAYERS_CONV_ND_PLAIN_H
#define LAYERS_CONV_ND_PLAIN_H

#include "conv_nd.h"

typedef struct conv_job {
    const cvy_plain *call;
    const conv_nd *g;
    const conv_tap *taps[3]; /* per axis and k */
    bool spread;             /* from narrow to wide; else from wide to narrow */
    const cvy_real *from, *w, *bias;
    cvy_real *to;
    const cvy_real *wide, *narrow; /* for the weights' gradient */
    cvy_real *gw;
} conv_job;

/* The taps go to the beginning of the call's scratch, conv_nd_scratch() bytes. */
static inline conv_job conv_nd_job(const cvy_plain *call, const conv_nd *g)
{
    conv_job j = {.call = call, .g = g, .w = call->w[0]};
    conv_tap *at = call->scratch;
    for (int d = 0; d < 3; d++) {
        j.taps[d] = at;
        for (int64_t k = 0; k < g->kernel[d]; k++) *at++ = conv_nd_tap(g, d, k);
    }
    return j;
}

/* Which kernel ties two channels of one group. */
static inline int64_t conv_nd_kernel(const conv_nd *g, int64_t narrow, int64_t wide)
{
    const int64_t group = g->wide_channels / g->groups;
    return narrow * group + wide % group;
}

/* The place along an axis that `at` of the result reads through a tap; -1: none. */
static inline int64_t conv_nd_source(const conv_job *j, int axis, int64_t k, int64_t at)
{
    const conv_tap *t = &j->taps[axis][k];
    const int64_t stride = j->g->stride[axis];
    if (!j->spread) return at >= t->begin && at < t->end ? at * stride + t->offset : -1;
    const int64_t ahead = at - t->offset;
    if (ahead < 0 || ahead % stride) return -1;
    return ahead / stride >= t->begin && ahead / stride < t->end ? ahead / stride : -1;
}

/* Columns left .. right-1 of a row of the result, gathered from a row of the input through one tap. */
static inline void conv_nd_gather(const conv_job *j, const conv_tap *t, cvy_real w, const cvy_real *from,
                                  int64_t left, int64_t right, cvy_real *part)
{
    const int64_t stride = j->g->stride[2], offset = t->offset;
    const int64_t begin = t->begin > left ? t->begin : left, end = t->end < right ? t->end : right;
    for (int64_t i = begin; i < end; i++) part[i - left] += w * from[i * stride + offset];
}

/* The same, spread over them. */
static inline void conv_nd_spread(const conv_job *j, const conv_tap *t, cvy_real w, const cvy_real *from,
                                  int64_t left, int64_t right, cvy_real *part)
{
    const int64_t stride = j->g->stride[2], offset = t->offset;
    int64_t begin = t->begin, end = t->end;
    if (left > 0 || right < j->g->wide[2]) { /* divisions that most rows are too short to need */
        const int64_t first = left > offset ? (left - offset + stride - 1) / stride : 0;
        const int64_t last = right > offset ? (right - 1 - offset) / stride + 1 : 0;
        if (begin < first) begin = first;
        if (end > last) end = last;
    }
    for (int64_t i = begin; i < end; i++) part[i * stride + offset - left] += w * from[i];
}

/* One kernel's share of them: `from` is a channel of the input, `depth` and `height` say which row of the result. */
static inline void conv_nd_add(const conv_job *j, const cvy_real *w, const cvy_real *from, int64_t depth,
                               int64_t height, int64_t left, int64_t right, cvy_real *part)
{
    const conv_nd *g = j->g;
    const int64_t *size = j->spread ? g->narrow : g->wide; // (D, H, W)
    for (int64_t a = 0; a < g->kernel[0]; a++) {
        const int64_t d = conv_nd_source(j, 0, a, depth);
        for (int64_t u = 0; d >= 0 && u < g->kernel[1]; u++) {
            const int64_t h = conv_nd_source(j, 1, u, height), k = (a * g->kernel[1] + u) * g->kernel[2];
            if (h < 0) continue;
            const cvy_real *row = from + (d * size[1] + h) * size[2]; // (W)
            for (int64_t v = 0; v < g->kernel[2]; v++)
                (j->spread ? conv_nd_spread : conv_nd_gather)(j, &j->taps[2][v], w[k + v], row, left, right,
                                                              part);
        }
    }
}

enum { CONV_COLUMNS = 512 }; /* computed together, on the stack */

/* Rows (n, channel, d, h) of the result: the bias and the sum over channels. A kernel is summed in cvy_real, the kernels
 * in double. */
static inline void conv_nd_rows(void *ctx, int64_t begin, int64_t end)
{
    const conv_job *j = ctx;
    const conv_nd *g = j->g;
    const int64_t *to = j->spread ? g->wide : g->narrow, *from = j->spread ? g->narrow : g->wide; // (D, H, W)
    const int64_t to_channels = j->spread ? g->wide_channels : g->narrow_channels;
    const int64_t from_channels = j->spread ? g->narrow_channels : g->wide_channels;
    const int64_t to_group = to_channels / g->groups, from_group = from_channels / g->groups;
    for (int64_t row = begin; row < end; row++) {
        const int64_t plane = row / (to[0] * to[1]), depth = row / to[1] % to[0], height = row % to[1];
        const int64_t n = plane / to_channels, channel = plane % to_channels;
        const int64_t first = channel / to_group * from_group;
        for (int64_t left = 0; left < to[2]; left += CONV_COLUMNS) {
            const int64_t columns = to[2] - left < CONV_COLUMNS ? to[2] - left : CONV_COLUMNS;
            double sum[CONV_COLUMNS];
            cvy_real part[CONV_COLUMNS];
            for (int64_t i = 0; i < columns; i++) sum[i] = j->bias ? (double)j->bias[channel] : 0;
            for (int64_t c = first; c < first + from_group; c++) {
                const int64_t kernel =
                    j->spread ? conv_nd_kernel(g, c, channel) : conv_nd_kernel(g, channel, c);
                memset(part, 0, (size_t)columns * sizeof *part);
                conv_nd_add(j, j->w + kernel * g->taps,
                            j->from + (n * from_channels + c) * from[0] * from[1] * from[2], depth, height,
                            left, left + columns, part);
                for (int64_t i = 0; i < columns; i++) sum[i] += (double)part[i];
            }
            for (int64_t i = 0; i < columns; i++) j->to[row * to[2] + left + i] = (cvy_real)sum[i];
        }
    }
}

/* Four sums at a time, which do not wait for each other. */
static inline double conv_nd_dot(const cvy_real *narrow, const cvy_real *wide, int64_t stride, int64_t n)
{
    double sum[4] = {0};
    int64_t i = 0;
    for (; i + 4 <= n; i += 4)
        for (int64_t k = 0; k < 4; k++) sum[k] += (double)narrow[i + k] * (double)wide[(i + k) * stride];
    for (; i < n; i++) sum[0] += (double)narrow[i] * (double)wide[i * stride];
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

/* The gradient of one weight: `narrow` and `wide` are the channels that its kernel ties, of sample 0. */
static inline double conv_nd_tap_gradient(const conv_job *j, const cvy_real *narrow, const cvy_real *wide,
                                          int64_t a, int64_t u, int64_t v)
{
    const conv_nd *g = j->g;
    const conv_tap *depth = &j->taps[0][a], *height = &j->taps[1][u], *width = &j->taps[2][v];
    const int64_t columns = width->end - width->begin;
    double sum = 0;
    for (int64_t n = 0; n < g->batch && columns > 0; n++) {
        for (int64_t d = depth->begin; d < depth->end; d++)
            for (int64_t h = height->begin; h < height->end; h++) {
                const int64_t row = d * g->narrow[1] + h;
                const int64_t met =
                    (d * g->stride[0] + depth->offset) * g->wide[1] + h * g->stride[1] + height->offset;
                sum += conv_nd_dot(narrow + row * g->narrow[2] + width->begin,
                                   wide + met * g->wide[2] + width->begin * g->stride[2] + width->offset,
                                   g->stride[2], columns);
            }
        narrow += g->narrow_channels * g->narrow[0] * g->narrow[1] * g->narrow[2];
        wide += g->wide_channels * g->wide[0] * g->wide[1] * g->wide[2];
    }
    return sum;
}

/* Kernels (narrow channel, wide channel of its group): gw = sum over the batch and the places of narrow times wide. */
static inline void conv_nd_weights(void *ctx, int64_t begin, int64_t end)
{
    const conv_job *j = ctx;
    const conv_nd *g = j->g;
    const int64_t wide_group = g->wide_channels / g->groups, narrow_group = g->narrow_channels / g->groups;
    for (int64_t pair = begin; pair < end; pair++) {
        const int64_t o = pair / wide_group, c = o / narrow_group * wide_group + pair % wide_group;
        const cvy_real *narrow = j->narrow + o * g->narrow[0] * g->narrow[1] * g->narrow[2];
        const cvy_real *wide = j->wide + c * g->wide[0] * g->wide[1] * g->wide[2];
        cvy_real *gw = j->gw + conv_nd_kernel(g, o, c) * g->taps;
        for (int64_t a = 0, k = 0; a < g->kernel[0]; a++)
            for (int64_t u = 0; u < g->kernel[1]; u++)
                for (int64_t v = 0; v < g->kernel[2]; v++, k++)
                    gw[k] = (cvy_real)conv_nd_tap_gradient(j, narrow, wide, a, u, v);
    }
}

/* Output channels: gb = sum of gy. */
static inline void conv_nd_bias(void *ctx, int64_t begin, int64_t end)
{
    const cvy_plain *call = ((const conv_job *)ctx)->call;
    const int64_t channels = call->out->dim[1], plane = cvy_sample_count(call->out) / channels;
    for (int64_t o = begin; o < end; o++) {
        double sum = 0;
        for (int64_t n = 0; n < call->out->dim[0]; n++)
            for (int64_t i = 0; i < plane; i++) sum += (double)call->gy[(n * channels + o) * plane + i];
        call->gw[1][o] = (cvy_real)sum;
    }
}

static inline void conv_nd_run(conv_job *j)
{
    const conv_nd *g = j->g;
    const int64_t rows = j->spread ? g->wide_channels * g->wide[0] * g->wide[1]
                                   : g->narrow_channels * g->narrow[0] * g->narrow[1];
    j->call->host->parallel_for(j->call->host, g->batch * rows, 1, conv_nd_rows, j);
}

static inline int conv_nd_forward(const cvy_plain *call, const conv_nd *g)
{
    conv_job j = conv_nd_job(call, g);
    j.spread = g->transposed;
    j.from = call->x[0];
    j.bias = g->bias ? call->w[1] : NULL;
    j.to = call->y;
    conv_nd_run(&j);
    return 0;
}

static inline int conv_nd_backward(const cvy_plain *call, const conv_nd *g)
{
    conv_job j = conv_nd_job(call, g);
    j.spread = !g->transposed;
    j.from = call->gy;
    j.to = call->gx[0];
    if (j.to) conv_nd_run(&j);
    j.wide = g->transposed ? call->gy : call->x[0];
    j.narrow = g->transposed ? call->x[0] : call->gy;
    j.gw = call->gw[0];
    if (j.gw)
        call->host->parallel_for(call->host, g->narrow_channels * (g->wide_channels / g->groups), 1,
                                 conv_nd_weights, &j);
    if (g->bias && call->gw[1]) call->host->parallel_for(call->host, call->out->dim[1], 1, conv_nd_bias, &j);
    return 0;
}

#endif
