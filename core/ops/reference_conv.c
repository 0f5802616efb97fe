/* Owns convolution in plain C, forward and backward; must not know any layout but the plain one.
 *
 * y[n,o,i,j] = bias[o] + sum over c, u, v of w[o,c,u,v] x[n, c, i*s - p + u*d, j*s - p + v*d], zeros outside
 * (LeCun et al. 1998, sec. II.A, generalised by stride s, padding p, dilation d and groups). With `flip` w is
 * read from its far corner, as in the mathematicians' convolution. */
#include "ops/reference.h"

#include <string.h>
#include "base/parallel.h"

/* The dimensions, from (x, w, y) whichever of them is an output. */
typedef struct geometry {
    int64_t n, c, h, w;     /* of x */
    int64_t o, oh, ow;      /* of y */
    int64_t cg, og, kh, kw; /* channels of a group, in and out; kernel */
    int64_t sh, sw, dh, dw, top, left;
    bool flip;
} geometry;

static geometry geometry_of(const cvy_conv_attr *a, const tensor *x, const tensor *w, const tensor *y)
{
    return (geometry){
        .n = x->shape.dim[0],
        .c = x->shape.dim[1],
        .h = x->shape.dim[2],
        .w = x->shape.dim[3],
        .o = y->shape.dim[1],
        .oh = y->shape.dim[2],
        .ow = y->shape.dim[3],
        .cg = w->shape.dim[1],
        .og = y->shape.dim[1] / a->groups,
        .kh = w->shape.dim[2],
        .kw = w->shape.dim[3],
        .sh = a->stride[0],
        .sw = a->stride[1],
        .dh = a->dilation[0],
        .dw = a->dilation[1],
        .top = a->padding[0],
        .left = a->padding[1],
        .flip = a->flip != 0,
    };
}

static int64_t weight_index(const geometry *g, int64_t o, int64_t c, int64_t u, int64_t v)
{
    if (g->flip) u = g->kh - 1 - u, v = g->kw - 1 - v;
    return ((o * g->cg + c) * g->kh + u) * g->kw + v;
}

/* The columns j of y in [*from, *to) whose input column j*sw + shift lies in [0, w). */
static void columns(const geometry *g, int64_t shift, int64_t *from, int64_t *to)
{
    *from = shift < 0 ? (-shift + g->sw - 1) / g->sw : 0;
    *to = shift >= g->w ? 0 : (g->w - 1 - shift) / g->sw + 1;
    if (*to > g->ow) *to = g->ow;
}

typedef struct job {
    geometry g;
    const float *x, *w, *bias, *gy;
    float *y, *gx, *gw;
    float *rows; /* one row of ow floats per thread */
} job;

/* ---- forward ---- */

static void forward_part(void *ctx, int64_t begin, int64_t end, int thread)
{
    const job *b = ctx;
    const geometry *g = &b->g;
    float *sum = b->rows + thread * g->ow;
    for (int64_t plane = begin; plane < end; plane++) { /* plane = n * O + o */
        int64_t n = plane / g->o, o = plane % g->o, first = o / g->og * g->cg;
        for (int64_t i = 0; i < g->oh; i++) {
            float *y = b->y + (plane * g->oh + i) * g->ow;
            for (int64_t j = 0; j < g->ow; j++) y[j] = b->bias ? b->bias[o] : 0;
            for (int64_t c = 0; c < g->cg; c++) {
                const float *x = b->x + (n * g->c + first + c) * g->h * g->w;
                memset(sum, 0, (size_t)g->ow * sizeof *sum); /* summed per channel first: less rounding */
                for (int64_t u = 0; u < g->kh; u++) {
                    int64_t r = i * g->sh - g->top + u * g->dh;
                    if (r < 0 || r >= g->h) continue;
                    for (int64_t v = 0; v < g->kw; v++) {
                        int64_t shift = v * g->dw - g->left, from, to;
                        columns(g, shift, &from, &to);
                        const float *row = x + r * g->w + shift;
                        float w = b->w[weight_index(g, o, c, u, v)];
                        if (g->sw == 1)
                            for (int64_t j = from; j < to; j++) sum[j] += w * row[j];
                        else
                            for (int64_t j = from; j < to; j++) sum[j] += w * row[j * g->sw];
                    }
                }
                for (int64_t j = 0; j < g->ow; j++) y[j] += sum[j];
            }
        }
    }
}

static cvy_status forward_prepare(const op *o, const machine *m, kernel_plan *plan, errors *e)
{
    (void)e;
    *plan = (kernel_plan){.scratch = (size_t)m->threads * (size_t)o->out[0].shape.dim[3] * sizeof(float)};
    return CVY_OK;
}

static void forward(const op *o, void *state, const kernel_args *a)
{
    (void)state;
    job b = {.g = geometry_of(&o->attr.conv, &o->in[0], &o->in[1], &o->out[0]),
             .x = a->in[0],
             .w = a->in[1],
             .bias = o->n_in > 2 ? a->in[2] : NULL,
             .y = a->out[0],
             .rows = a->scratch};
    parallel_for(b.g.n * b.g.o, 1, forward_part, &b);
    if (o->n_out > 1 && a->out[1]) reference_stats(reference_view_of(&o->out[0]), b.y, a->out[1]);
}

/* ---- backward, data ---- */

static void data_part(void *ctx, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const job *b = ctx;
    const geometry *g = &b->g;
    for (int64_t plane = begin; plane < end; plane++) { /* plane = n * C + c */
        int64_t n = plane / g->c, c = plane % g->c, group = c / g->cg;
        float *gx = b->gx + plane * g->h * g->w;
        memset(gx, 0, (size_t)(g->h * g->w) * sizeof *gx);
        for (int64_t o = group * g->og; o < (group + 1) * g->og; o++) {
            const float *gy = b->gy + (n * g->o + o) * g->oh * g->ow;
            for (int64_t i = 0; i < g->oh; i++)
                for (int64_t u = 0; u < g->kh; u++) {
                    int64_t r = i * g->sh - g->top + u * g->dh;
                    if (r < 0 || r >= g->h) continue;
                    for (int64_t v = 0; v < g->kw; v++) {
                        int64_t shift = v * g->dw - g->left, from, to;
                        columns(g, shift, &from, &to);
                        float *row = gx + r * g->w + shift;
                        float w = b->w[weight_index(g, o, c % g->cg, u, v)];
                        if (g->sw == 1)
                            for (int64_t j = from; j < to; j++) row[j] += w * gy[i * g->ow + j];
                        else
                            for (int64_t j = from; j < to; j++) row[j * g->sw] += w * gy[i * g->ow + j];
                    }
                }
        }
    }
}

static void data(const op *o, void *state, const kernel_args *a)
{
    (void)state;
    job b = {.g = geometry_of(&o->attr.conv, &o->out[0], &o->in[1], &o->in[0]),
             .gy = a->in[0],
             .w = a->in[1],
             .gx = a->out[0]};
    parallel_for(b.g.n * b.g.c, 1, data_part, &b);
}

/* ---- backward, weights ---- */

static void weights_part(void *ctx, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const job *b = ctx;
    const geometry *g = &b->g;
    for (int64_t p = begin; p < end; p++) { /* p = o * Cg + c */
        int64_t o = p / g->cg, c = p % g->cg, channel = o / g->og * g->cg + c;
        for (int64_t u = 0; u < g->kh; u++)
            for (int64_t v = 0; v < g->kw; v++) {
                int64_t shift = v * g->dw - g->left, from, to;
                columns(g, shift, &from, &to);
                double sum = 0;
                for (int64_t n = 0; n < g->n && from < to; n++) {
                    const float *x = b->x + (n * g->c + channel) * g->h * g->w;
                    const float *gy = b->gy + (n * g->o + o) * g->oh * g->ow;
                    for (int64_t i = 0; i < g->oh; i++) {
                        int64_t r = i * g->sh - g->top + u * g->dh;
                        if (r < 0 || r >= g->h) continue;
                        const float *row = x + r * g->w + shift;
                        if (g->sw == 1)
                            sum += (double)reference_dot(row + from, gy + i * g->ow + from, to - from);
                        else
                            for (int64_t j = from; j < to; j++)
                                sum += (double)(row[j * g->sw] * gy[i * g->ow + j]);
                    }
                }
                b->gw[weight_index(g, o, c, u, v)] = (float)sum;
            }
    }
}

static void weights(const op *o, void *state, const kernel_args *a)
{
    (void)state;
    job b = {.g = geometry_of(&o->attr.conv, &o->in[0], &o->out[0], &o->in[1]),
             .x = a->in[0],
             .gy = a->in[1],
             .gw = a->out[0]};
    if (b.gw) parallel_for(b.g.o * b.g.cg, 1, weights_part, &b);
    if (o->n_out > 1 && a->out[1]) reference_channel_sums(reference_view_of(&o->in[1]), a->in[1], a->out[1]);
}

/* ---- the kernels ---- */

static double offer(const op *o, const machine *m, int k, layout *in, layout *out)
{
    if (k > 0) return -1;
    for (int i = 0; i < o->n_in; i++) in[i] = LAYOUT_PLAIN;
    for (int i = 0; i < o->n_out; i++) out[i] = LAYOUT_PLAIN;
    machine base = *m;
    base.isa = ISA_BASE; /* what this file is compiled for */
    return cost_macs(&base, (double)op_macs(o), 0.25);
}

const kernel reference_conv = {.name = "reference",
                               .type = OP_CONV,
                               .in_place = -1,
                               .offer = offer,
                               .prepare = forward_prepare,
                               .run = forward};
const kernel reference_conv_bwd_data = {
    .name = "reference", .type = OP_CONV_BWD_DATA, .in_place = -1, .offer = offer, .run = data};
const kernel reference_conv_bwd_weights = {
    .name = "reference", .type = OP_CONV_BWD_WEIGHTS, .in_place = -1, .offer = offer, .run = weights};
