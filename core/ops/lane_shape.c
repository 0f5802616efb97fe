/* Owns the operators that move whole channels between blocked tensors: concat, slice, shortcut_pad and its
 * gradient; must not know plain maps.
 *
 * All four copy a range of channels of one tensor to another place of another. Cut at the block borders of
 * both, the range falls into runs of lanes:
 *
 *   source      |.. a b c d|e f g h|i j ....|     run = (source block and lane, target block and lane,
 * length) target  |....... a b c d e|f g h i j|...|
 *
 * A run of a whole block is a copy of vectors; a shorter one copies some lanes of every pixel. Lanes of the
 * target that no run reaches are zero: a target block that one run does not fill is cleared first. */
#include "base/parallel.h"
#include "ops/kernel.h"
#include "ops/lane_parts.h"
#include "ops/lane_view.h"

/* How pixels map: target row i takes source row i * down[0] (gather), or source row i goes to target row i *
 * up[0]. */
typedef struct steps {
    int64_t down[2], up[2];
    int64_t rows, columns; /* pixels copied */
} steps;

LANE_INLINE void copy_lanes(const float *x, int64_t x_row, float *y, int64_t y_row, const steps *s,
                            int64_t lanes)
{
    for (int64_t i = 0; i < s->rows; i++) {
        const float *from = x + i * s->down[0] * x_row;
        float *to = y + i * s->up[0] * y_row;
        for (int64_t j = 0; j < s->columns; j++)
            memcpy(to + j * s->up[1] * LANES, from + j * s->down[1] * LANES, (size_t)lanes * sizeof *to);
    }
}

/* The same for a number of lanes that is not known here: a call of memcpy for every pixel would take ten times as long. */
static void copy_some(const float *x, int64_t x_row, float *y, int64_t y_row, const steps *s, int64_t lanes)
{
    for (int64_t i = 0; i < s->rows; i++) {
        const float *from = x + i * s->down[0] * x_row;
        float *to = y + i * s->up[0] * y_row;
        for (int64_t j = 0; j < s->columns; j++)
            lane_store_first(to + j * s->up[1] * LANES, lane_load_first(from + j * s->down[1] * LANES, lanes),
                             lanes);
    }
}

/* Copies channels [first, first + count) of x's sample to channels [at, ...) of target block `block` of y's
 * sample, as far as they fall into that block. */
static void copy_into_block(const lane_view *xv, const float *x, int64_t first, int64_t count,
                            const lane_view *yv, float *y, int64_t at, int64_t block, const steps *s)
{
    int64_t c = at > block * LANES ? at : block * LANES;
    int64_t end = at + count < (block + 1) * LANES ? at + count : (block + 1) * LANES;
    while (c < end) {
        int64_t source = first + c - at, from = source % LANES, to = c % LANES;
        int64_t run = end - c < LANES - from ? end - c : LANES - from;
        const float *px = x + source / LANES * xv->plane + from;
        float *py = y + block * yv->plane + to;
        if (run == LANES && xv->pixels == yv->pixels && s->down[0] == 1 && s->down[1] == 1)
            memcpy(py, px, (size_t)xv->plane * sizeof *py);
        else if (run == LANES)
            copy_lanes(px, xv->w * LANES, py, yv->w * LANES, s, LANES);
        else if (run == LANES / 2)
            copy_lanes(px, xv->w * LANES, py, yv->w * LANES, s, LANES / 2);
        else
            copy_some(px, xv->w * LANES, py, yv->w * LANES, s, run);
        c += run;
    }
}

static void clear_block(const lane_view *v, float *y, int64_t block)
{
    memset(y + block * v->plane, 0, (size_t)v->plane * sizeof *y);
}

/* True when channels [at, at + count) leave no lane of the block untouched. */
static bool fills(int64_t at, int64_t count, int64_t block)
{
    return at <= block * LANES && at + count >= (block + 1) * LANES;
}

static steps same(const lane_view *v)
{
    return (steps){{1, 1}, {1, 1}, v->h, v->w};
}

typedef struct job {
    const op *o;
    const kernel_args *a;
} job;

/* ---- concat ---- */

static void concat_part(void *ctx, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const job *b = ctx;
    lane_view yv = lane_view_of(&b->o->out[0]);
    steps s = same(&yv);
    for (int64_t unit = begin; unit < end; unit++) {
        int64_t n = unit / yv.blocks, block = unit % yv.blocks, at = 0;
        float *y = (float *)b->a->out[0] + n * yv.sample;
        if (lane_view_lanes(&yv, block) < LANES) clear_block(&yv, y, block);
        for (int k = 0; k < b->o->n_in && at < (block + 1) * LANES; k++) {
            lane_view xv = lane_view_of(&b->o->in[k]);
            if (at + xv.c > block * LANES)
                copy_into_block(&xv, (const float *)b->a->in[k] + n * xv.sample, 0, xv.c, &yv, y, at, block,
                                &s);
            at += xv.c;
        }
    }
}

static void concat_run(const op *o, void *state, const kernel_args *a)
{
    (void)state;
    job b = {o, a};
    lane_view yv = lane_view_of(&o->out[0]);
    parallel_for(yv.n * yv.blocks, lane_parts_grain(yv.pixels), concat_part, &b);
}

/* ---- slice ---- */

static void slice_part(void *ctx, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const job *b = ctx;
    lane_view xv = lane_view_of(&b->o->in[0]), yv = lane_view_of(&b->o->out[0]);
    steps s = same(&yv);
    for (int64_t unit = begin; unit < end; unit++) {
        int64_t n = unit / yv.blocks, block = unit % yv.blocks;
        float *y = (float *)b->a->out[0] + n * yv.sample;
        if (!fills(0, yv.c, block)) clear_block(&yv, y, block);
        copy_into_block(&xv, (const float *)b->a->in[0] + n * xv.sample, b->o->attr.slice.first, yv.c, &yv, y,
                        0, block, &s);
    }
}

static void slice_run(const op *o, void *state, const kernel_args *a)
{
    (void)state;
    job b = {o, a};
    lane_view yv = lane_view_of(&o->out[0]);
    parallel_for(yv.n * yv.blocks, lane_parts_grain(yv.pixels), slice_part, &b);
}

/* ---- shortcut_pad ---- */

static void pad_part(void *ctx, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const job *b = ctx;
    const cvy_shortcut_attr *at = &b->o->attr.shortcut;
    lane_view xv = lane_view_of(&b->o->in[0]), yv = lane_view_of(&b->o->out[0]);
    steps s = {{at->stride[0], at->stride[1]}, {1, 1}, yv.h, yv.w};
    for (int64_t unit = begin; unit < end; unit++) {
        int64_t n = unit / yv.blocks, block = unit % yv.blocks;
        float *y = (float *)b->a->out[0] + n * yv.sample;
        if (!fills(at->before, xv.c, block)) clear_block(&yv, y, block);
        copy_into_block(&xv, (const float *)b->a->in[0] + n * xv.sample, 0, xv.c, &yv, y, at->before, block,
                        &s);
    }
}

static void pad_run(const op *o, void *state, const kernel_args *a)
{
    (void)state;
    job b = {o, a};
    lane_view yv = lane_view_of(&o->out[0]);
    parallel_for(yv.n * yv.blocks, lane_parts_grain(yv.pixels), pad_part, &b);
}

static void pad_bwd_part(void *ctx, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const job *b = ctx;
    const cvy_shortcut_attr *at = &b->o->attr.shortcut;
    lane_view yv = lane_view_of(&b->o->in[0]), xv = lane_view_of(&b->o->out[0]); /* gy, gx */
    steps s = {{1, 1}, {at->stride[0], at->stride[1]}, yv.h, yv.w};
    bool dense = at->stride[0] == 1 && at->stride[1] == 1;
    for (int64_t unit = begin; unit < end; unit++) {
        int64_t n = unit / xv.blocks, block = unit % xv.blocks;
        float *gx = (float *)b->a->out[0] + n * xv.sample;
        if (!dense || !fills(0, xv.c, block)) clear_block(&xv, gx, block);
        copy_into_block(&yv, (const float *)b->a->in[0] + n * yv.sample, at->before, xv.c, &xv, gx, 0, block,
                        &s);
    }
}

static void pad_bwd_run(const op *o, void *state, const kernel_args *a)
{
    (void)state;
    job b = {o, a};
    lane_view xv = lane_view_of(&o->out[0]);
    parallel_for(xv.n * xv.blocks, lane_parts_grain(xv.pixels), pad_bwd_part, &b);
}

/* ---- the kernels ---- */

static double offer(const op *o, const machine *m, int k, layout *in, layout *out)
{
    if (k > 0) return -1;
    bool whole = true; /* whole blocks only? */
    if (o->type == OP_CONCAT)
        for (int i = 0; i + 1 < o->n_in; i++) whole &= o->in[i].shape.dim[1] % LANES == 0;
    else if (o->type == OP_SLICE)
        whole = o->attr.slice.first % LANES == 0;
    else
        whole = o->attr.shortcut.before % LANES == 0;
    return offer_uniform(o, m, LANE_LAYOUT, whole ? 1 : 2, in, out);
}

const kernel LANE(lane_concat) = {
    .name = "lanes", .type = OP_CONCAT, .in_place = -1, .offer = offer, .run = concat_run};
const kernel LANE(lane_slice) = {
    .name = "lanes", .type = OP_SLICE, .in_place = -1, .offer = offer, .run = slice_run};
const kernel LANE(lane_shortcut_pad) = {
    .name = "lanes", .type = OP_SHORTCUT_PAD, .in_place = -1, .offer = offer, .run = pad_run};
const kernel LANE(lane_shortcut_pad_bwd) = {
    .name = "lanes", .type = OP_SHORTCUT_PAD_BWD, .in_place = -1, .offer = offer, .run = pad_bwd_run};
