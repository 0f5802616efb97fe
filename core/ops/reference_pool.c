/* Owns pooling in plain C, forward and backward; must not know any layout but the plain one.
 *
 * A maximum is found as PyTorch finds it: the first of equals wins, a NaN beats all before it. Its index is
 * its place in the window, row-major over kernel[0] x kernel[1], padding counted; one byte, or an int32 where
 * the index operand has elements of four bytes (windows above 256 elements). */
#include "ops/reference.h"

#include <math.h>
#include <string.h>
#include "base/parallel.h"

typedef struct job {
    const cvy_pool_attr *at;
    int64_t h, w, oh, ow; /* of x and y */
    int64_t dr, dc;       /* dilation */
    reference_view v;     /* of x; plane = h * w */
    const float *x, *gy;
    float *y, *gx;
    unsigned char *index; /* one of the two */
    int32_t *wide;
} job;

/* The part of a window that lies on the map: rows r0, r0 + dilation, ... < r1, columns c0, ... < c1; (r, c) is the
 * window's own corner. */
typedef struct window {
    int64_t r, c, r0, r1, c0, c1;
} window;

/* The first element of a window from `start` on that is not in front of the map. */
static int64_t first_of(int64_t start, int64_t dilation)
{
    return start < 0 ? start + (dilation - 1 - start) / dilation * dilation : start;
}

static window window_of(const job *b, int64_t i, int64_t j)
{
    const cvy_pool_attr *a = b->at;
    window s = {.r = i * a->stride[0] - a->padding[0], .c = j * a->stride[1] - a->padding[1]};
    s.r0 = first_of(s.r, b->dr);
    s.c0 = first_of(s.c, b->dc);
    s.r1 = s.r + op_pool_span(a, 0) < b->h ? s.r + op_pool_span(a, 0) : b->h;
    s.c1 = s.c + op_pool_span(a, 1) < b->w ? s.c + op_pool_span(a, 1) : b->w;
    return s;
}

/* Elements of a mean's window along an axis of `size` elements, padding counted but not what lies beyond it. */
static int64_t counted(const cvy_pool_attr *a, int axis, int64_t start, int64_t size)
{
    int64_t left = size + a->padding[axis + 2] - a->beyond[axis] - start;
    return left < a->kernel[axis] ? left : a->kernel[axis];
}

static float divisor(const job *b, const window *s)
{
    if (b->at->count_padding) return (float)(counted(b->at, 0, s->r, b->h) * counted(b->at, 1, s->c, b->w));
    int64_t n = s->r1 > s->r0 && s->c1 > s->c0 ? (s->r1 - s->r0) * (s->c1 - s->c0) : 1;
    return (float)n;
}

static void forward_part(void *ctx, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const job *b = ctx;
    for (int64_t p = begin; p < end; p++) { /* p = n * C + c */
        const float *x = b->x + p * b->v.plane;
        for (int64_t i = 0; i < b->oh; i++)
            for (int64_t j = 0; j < b->ow; j++) {
                int64_t out = (p * b->oh + i) * b->ow + j;
                window s = window_of(b, i, j);
                if (b->at->function == CVY_POOL_AVG) {
                    double sum = 0;
                    for (int64_t r = s.r0; r < s.r1; r += b->dr)
                        for (int64_t c = s.c0; c < s.c1; c += b->dc) sum += (double)x[r * b->w + c];
                    b->y[out] = (float)(sum / (double)divisor(b, &s));
                    continue;
                }
                float best = -INFINITY;
                int64_t where = (s.r0 - s.r) / b->dr * b->at->kernel[1] + (s.c0 - s.c) / b->dc;
                for (int64_t r = s.r0; r < s.r1; r += b->dr)
                    for (int64_t c = s.c0; c < s.c1; c += b->dc) {
                        float t = x[r * b->w + c];
                        if (!(t > best || t != t)) continue;
                        best = t;
                        where = (r - s.r) / b->dr * b->at->kernel[1] + (c - s.c) / b->dc;
                    }
                b->y[out] = best;
                if (b->index) b->index[out] = (unsigned char)where;
                if (b->wide) b->wide[out] = (int32_t)where;
            }
    }
}

static void backward_part(void *ctx, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const job *b = ctx;
    for (int64_t p = begin; p < end; p++) {
        float *gx = b->gx + p * b->v.plane;
        memset(gx, 0, (size_t)b->v.plane * sizeof *gx);
        for (int64_t i = 0; i < b->oh; i++)
            for (int64_t j = 0; j < b->ow; j++) {
                int64_t out = (p * b->oh + i) * b->ow + j;
                window s = window_of(b, i, j);
                if (b->at->function == CVY_POOL_AVG) {
                    float g = b->gy[out] / divisor(b, &s);
                    for (int64_t r = s.r0; r < s.r1; r += b->dr)
                        for (int64_t c = s.c0; c < s.c1; c += b->dc) gx[r * b->w + c] += g;
                    continue;
                }
                int64_t where = b->index ? b->index[out] : b->wide[out];
                int64_t r = s.r + where / b->at->kernel[1] * b->dr,
                        c = s.c + where % b->at->kernel[1] * b->dc;
                if (r >= s.r0 && r < s.r1 && c >= s.c0 && c < s.c1) gx[r * b->w + c] += b->gy[out];
            }
    }
}

static void set_index(job *b, const tensor *t, void *p)
{
    if (t->element == 1)
        b->index = p;
    else
        b->wide = p;
}

static job job_of(const op *o, const tensor *x, const tensor *y)
{
    return (job){.at = &o->attr.pool,
                 .h = x->shape.dim[2],
                 .w = x->shape.dim[3],
                 .oh = y->shape.dim[2],
                 .ow = y->shape.dim[3],
                 .dr = op_pool_dilation(&o->attr.pool, 0),
                 .dc = op_pool_dilation(&o->attr.pool, 1),
                 .v = reference_view_of(x)};
}

static void forward(const op *o, void *state, const kernel_args *a)
{
    (void)state;
    job b = job_of(o, &o->in[0], &o->out[0]);
    b.x = a->in[0];
    b.y = a->out[0];
    if (o->n_out > 1) set_index(&b, &o->out[1], a->out[1]);
    parallel_for(b.v.n * b.v.c, 1, forward_part, &b);
}

static void backward(const op *o, void *state, const kernel_args *a)
{
    (void)state;
    job b = job_of(o, &o->out[0], &o->in[0]);
    b.gy = a->in[0];
    b.gx = a->out[0];
    if (o->n_in > 1) set_index(&b, &o->in[1], a->in[1]);
    parallel_for(b.v.n * b.v.c, 1, backward_part, &b);
}

/* ---- global average: (N, C, ...) -> (N, C) ---- */

static void average_part(void *ctx, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const job *b = ctx;
    for (int64_t p = begin; p < end; p++) {
        double sum = 0;
        for (int64_t i = 0; i < b->v.plane; i++) sum += (double)b->x[p * b->v.plane + i];
        b->y[p] = (float)(sum / (double)b->v.plane);
    }
}

static void average(const op *o, void *state, const kernel_args *a)
{
    (void)state;
    job b = {.v = reference_view_of(&o->in[0]), .x = a->in[0], .y = a->out[0]};
    parallel_for(b.v.n * b.v.c, 16, average_part, &b);
}

static void spread_part(void *ctx, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const job *b = ctx;
    for (int64_t p = begin; p < end; p++) {
        float g = b->gy[p] / (float)b->v.plane;
        for (int64_t i = 0; i < b->v.plane; i++) b->gx[p * b->v.plane + i] = g;
    }
}

static void spread(const op *o, void *state, const kernel_args *a)
{
    (void)state;
    job b = {.v = reference_view_of(&o->out[0]), .gy = a->in[0], .gx = a->out[0]};
    parallel_for(b.v.n * b.v.c, 16, spread_part, &b);
}

/* ---- the kernels ---- */

static double offer(const op *o, const machine *m, int k, layout *in, layout *out)
{
    return k > 0 ? -1 : offer_uniform(o, m, LAYOUT_PLAIN, 3, in, out);
}

const kernel reference_pool = {
    .name = "reference", .type = OP_POOL, .in_place = -1, .offer = offer, .run = forward};
const kernel reference_pool_bwd = {
    .name = "reference", .type = OP_POOL_BWD, .in_place = -1, .offer = offer, .run = backward};
const kernel reference_global_avg = {
    .name = "reference", .type = OP_GLOBAL_AVG, .in_place = -1, .offer = offer, .run = average};
const kernel reference_global_avg_bwd = {
    .name = "reference", .type = OP_GLOBAL_AVG_BWD, .in_place = -1, .offer = offer, .run = spread};
