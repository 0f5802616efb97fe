/* Owns the operators that only move elements, in plain C: concat, slice, reshape, shortcut_pad; must not know
 * any layout but the plain one. */
#include "ops/reference.h"

#include <string.h>
#include "base/parallel.h"

typedef struct job {
    const op *o;
    const kernel_args *a;
} job;

/* ---- concat and slice: along channels, so one sample's channels of one operand are one run of memory ---- */

static void concat_part(void *ctx, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const job *b = ctx;
    int64_t sample = cvy_sample_count(&b->o->out[0].shape), first = 0;
    for (int k = 0; k < b->o->n_in; k++) {
        int64_t own = cvy_sample_count(&b->o->in[k].shape);
        for (int64_t n = begin; n < end; n++)
            memcpy((float *)b->a->out[0] + n * sample + first, (const float *)b->a->in[k] + n * own,
                   (size_t)own * sizeof(float));
        first += own;
    }
}

static void concat(const op *o, void *state, const kernel_args *a)
{
    (void)state;
    job b = {o, a};
    parallel_for(o->out[0].shape.dim[0], 1, concat_part, &b);
}

static void slice_part(void *ctx, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const job *b = ctx;
    reference_view v = reference_view_of(&b->o->in[0]);
    int64_t own = cvy_sample_count(&b->o->out[0].shape), first = b->o->attr.slice.first * v.plane;
    for (int64_t n = begin; n < end; n++)
        memcpy((float *)b->a->out[0] + n * own, (const float *)b->a->in[0] + n * v.c * v.plane + first,
               (size_t)own * sizeof(float));
}

static void slice(const op *o, void *state, const kernel_args *a)
{
    (void)state;
    job b = {o, a};
    parallel_for(o->out[0].shape.dim[0], 1, slice_part, &b);
}

/* ---- reshape ---- */

static void reshape_part(void *ctx, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const job *b = ctx;
    memcpy((float *)b->a->out[0] + begin, (const float *)b->a->in[0] + begin,
           (size_t)(end - begin) * sizeof(float));
}

static void reshape(const op *o, void *state, const kernel_args *a)
{
    (void)state;
    job b = {o, a};
    if (a->in[0] != a->out[0]) parallel_for(cvy_count(&o->in[0].shape), 4096, reshape_part, &b);
}

/* ---- shortcut_pad: the parameter-free shortcut of He et al. 2016, option A ---- */

static void pad_part(void *ctx, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const job *b = ctx;
    const cvy_shortcut_attr *s = &b->o->attr.shortcut;
    const int64_t *xd = b->o->in[0].shape.dim, *yd = b->o->out[0].shape.dim;
    for (int64_t p = begin; p < end; p++) { /* p = n * C' + c */
        float *y = (float *)b->a->out[0] + p * yd[2] * yd[3];
        int64_t n = p / yd[1], c = p % yd[1] - s->before;
        if (c < 0 || c >= xd[1]) {
            memset(y, 0, (size_t)(yd[2] * yd[3]) * sizeof *y);
            continue;
        }
        const float *x = (const float *)b->a->in[0] + (n * xd[1] + c) * xd[2] * xd[3];
        for (int64_t i = 0; i < yd[2]; i++)
            for (int64_t j = 0; j < yd[3]; j++)
                y[i * yd[3] + j] = x[i * s->stride[0] * xd[3] + j * s->stride[1]];
    }
}

static void pad(const op *o, void *state, const kernel_args *a)
{
    (void)state;
    job b = {o, a};
    parallel_for(o->out[0].shape.dim[0] * o->out[0].shape.dim[1], 1, pad_part, &b);
}

static void pad_bwd_part(void *ctx, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const job *b = ctx;
    const cvy_shortcut_attr *s = &b->o->attr.shortcut;
    const int64_t *xd = b->o->out[0].shape.dim, *yd = b->o->in[0].shape.dim;
    for (int64_t p = begin; p < end; p++) { /* p = n * C + c */
        float *gx = (float *)b->a->out[0] + p * xd[2] * xd[3];
        int64_t n = p / xd[1], c = p % xd[1] + s->before;
        const float *gy = (const float *)b->a->in[0] + (n * yd[1] + c) * yd[2] * yd[3];
        memset(gx, 0, (size_t)(xd[2] * xd[3]) * sizeof *gx);
        for (int64_t i = 0; i < yd[2]; i++)
            for (int64_t j = 0; j < yd[3]; j++)
                gx[i * s->stride[0] * xd[3] + j * s->stride[1]] = gy[i * yd[3] + j];
    }
}

static void pad_bwd(const op *o, void *state, const kernel_args *a)
{
    (void)state;
    job b = {o, a};
    parallel_for(o->out[0].shape.dim[0] * o->out[0].shape.dim[1], 1, pad_bwd_part, &b);
}

/* ---- the kernels ---- */

static double offer(const op *o, const machine *m, int k, layout *in, layout *out)
{
    return k > 0 ? -1 : offer_uniform(o, m, LAYOUT_PLAIN, 1.2, in, out);
}

/* Nothing to do when the planner lets x and y share their memory. */
static double reshape_offer(const op *o, const machine *m, int k, layout *in, layout *out)
{
    return k > 0 ? -1 : offer_uniform(o, m, LAYOUT_PLAIN, 0, in, out);
}

const kernel reference_concat = {
    .name = "reference", .type = OP_CONCAT, .in_place = -1, .offer = offer, .run = concat};
const kernel reference_slice = {
    .name = "reference", .type = OP_SLICE, .in_place = -1, .offer = offer, .run = slice};
const kernel reference_reshape = {
    .name = "reference", .type = OP_RESHAPE, .in_place = 0, .offer = reshape_offer, .run = reshape};
const kernel reference_shortcut_pad = {
    .name = "reference", .type = OP_SHORTCUT_PAD, .in_place = -1, .offer = offer, .run = pad};
const kernel reference_shortcut_pad_bwd = {
    .name = "reference", .type = OP_SHORTCUT_PAD_BWD, .in_place = -1, .offer = offer, .run = pad_bwd};
