/* Owns pooling on the blocked layout: maximum, average, global average, and their gradients; must not know
 * plain maps.
 *
 * A lane is one pixel of one channel block, so a window is a handful of whole vectors and every channel finds
 * its own maximum and index. The usual windows (2x2, 3x3) are compiled with their size known; windows that
 * hang over the edge take the path with run-time bounds. As in reference_pool.c the first of equal maxima
 * wins and a NaN beats all before it. A window's index has to fit a byte: larger windows are not offered, nor dilated
 * ones. A maximum is exact; a mean of k numbers is off by at most k + 2 roundings of the mean of their sizes. */
#include <math.h>

#include "base/parallel.h"
#include "ops/kernel.h"
#include "ops/lane_parts.h"
#include "ops/lane_view.h"

typedef unsigned char lane_bytes __attribute__((vector_size(LANES)));

typedef struct pool_job {
    const cvy_pool_attr *at;
    lane_view x, y;
    const float *in;
    float *out;
    unsigned char *index;
} pool_job;

/* The part of window (i, j) on the map: rows u0..u1, columns v0..v1 of the window, whose corner is at (r, c).
 */
typedef struct window {
    int64_t r, c, u0, u1, v0, v1;
    bool inside;
} window;

LANE_INLINE window window_of(const pool_job *b, int64_t i, int64_t j)
{
    const cvy_pool_attr *a = b->at;
    window s = {.r = i * a->stride[0] - a->padding[0], .c = j * a->stride[1] - a->padding[1]};
    s.u0 = s.r < 0 ? -s.r : 0;
    s.v0 = s.c < 0 ? -s.c : 0;
    s.u1 = b->x.h - s.r < a->kernel[0] ? b->x.h - s.r : a->kernel[0];
    s.v1 = b->x.w - s.c < a->kernel[1] ? b->x.w - s.c : a->kernel[1];
    s.inside = !s.u0 && !s.v0 && s.u1 == a->kernel[0] && s.v1 == a->kernel[1];
    return s;
}

/* Elements of a mean's window along an axis of `size` elements, padding counted but not what lies beyond it. */
LANE_INLINE int64_t counted(const cvy_pool_attr *a, int axis, int64_t start, int64_t size)
{
    int64_t left = size + a->padding[axis + 2] - a->beyond[axis] - start;
    return left < a->kernel[axis] ? left : a->kernel[axis];
}

LANE_INLINE float share_of(const pool_job *b, const window *s)
{
    if (s->inside) return 1 / (float)(b->at->kernel[0] * b->at->kernel[1]);
    if (b->at->count_padding)
        return 1 / (float)(counted(b->at, 0, s->r, b->x.h) * counted(b->at, 1, s->c, b->x.w));
    return s->u1 > s->u0 && s->v1 > s->v0 ? 1 / (float)((s->u1 - s->u0) * (s->v1 - s->v0)) : 1;
}

static lane_bytes bytes_load(const unsigned char *p)
{
    lane_bytes b;
    memcpy(&b, p, sizeof b);
    return b;
}

/* Takes t where it beats best, or is NaN. */
LANE_INLINE void take(lane *best, lane_mask *where, lane t, int32_t at)
{
#if LANE_LEVEL == LANE_avx512
    __mmask16 k = (__mmask16)(_mm512_cmp_ps_mask((__m512)t, (__m512)*best, _CMP_GT_OQ) |
                              _mm512_cmp_ps_mask((__m512)t, (__m512)t, _CMP_UNORD_Q));
    *best = (lane)_mm512_mask_mov_ps((__m512)*best, k, (__m512)t);
    *where = (lane_mask)_mm512_mask_mov_epi32((__m512i)*where, k, _mm512_set1_epi32(at));
#else
    lane_mask k = (t > *best) | (t != t);
    *best = lane_where(k, t, *best);
    *where = (k & at) | (~k & *where);
#endif
}

/* ---- forward ---- */

/* One window: rows u0..u1 and columns v0..v1 of it, `kw` wide as indices count, `x` at its corner. */
LANE_INLINE void max_window(const float *x, int64_t row, const window *s, int64_t kw, lane best, float *y,
                            unsigned char *index)
{
    lane_mask where = (lane_mask){0} + (int32_t)(s->u0 * kw + s->v0);
    for (int64_t u = s->u0; u < s->u1; u++)
        for (int64_t v = s->v0; v < s->v1; v++)
            take(&best, &where, lane_load(x + u * row + v * LANES), (int32_t)(u * kw + v));
    lane_store(y, best);
    if (!index) return;
    lane_bytes narrow = __builtin_convertvector(where, lane_bytes);
    memcpy(index, &narrow, sizeof narrow);
}

LANE_INLINE void avg_window(const float *x, int64_t row, const window *s, float share, float *y)
{
    lane sum = {0};
    for (int64_t u = s->u0; u < s->u1; u++)
        for (int64_t v = s->v0; v < s->v1; v++) sum += lane_load(x + u * row + v * LANES);
    lane_store(y, sum * share);
}

/* One row of windows. kh and kw are the window, constants where the caller knows them: windows inside the map
 * then unroll. `least` starts a maximum: minus infinity, zero in the lanes beyond C. */
LANE_INLINE void forward_row(const pool_job *b, const float *x, float *y, unsigned char *index, int64_t i,
                             int64_t kh, int64_t kw, lane least)
{
    int64_t row = b->x.w * LANES;
    const window full = {.u1 = kh, .v1 = kw};
    for (int64_t j = 0; j < b->y.w; j++) {
        window s = window_of(b, i, j);
        const float *corner = x + s.r * row + s.c * LANES;
        float *to = y + j * LANES;
        unsigned char *where = index ? index + j * LANES : NULL;
        if (b->at->function == CVY_POOL_AVG && s.inside)
            avg_window(corner, row, &full, share_of(b, &s), to);
        else if (b->at->function == CVY_POOL_AVG)
            avg_window(corner, row, &s, share_of(b, &s), to);
        else if (s.inside)
            max_window(corner, row, &full, kw, least, to, where);
        else
            max_window(corner, row, &s, kw, least, to, where);
    }
}

static void forward_part(void *ctx, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const pool_job *b = ctx;
    int64_t kh = b->at->kernel[0], kw = b->at->kernel[1], width = b->y.w * LANES;
    for (int64_t at = begin; at < end; at++) { /* at = n * blocks + block */
        const float *x = b->in + at * b->x.plane;
        lane_mask real = lane_first(lane_view_lanes(&b->y, at % b->y.blocks));
        lane least = lane_where(real, lane_all(-INFINITY), (lane){0});
        for (int64_t i = 0; i < b->y.h; i++) {
            int64_t out = at * b->y.plane + i * width;
            unsigned char *index = b->index ? b->index + out : NULL;
            if (kh == 2 && kw == 2)
                forward_row(b, x, b->out + out, index, i, 2, 2, least);
            else if (kh == 3 && kw == 3)
                forward_row(b, x, b->out + out, index, i, 3, 3, least);
            else
                forward_row(b, x, b->out + out, index, i, kh, kw, least);
        }
    }
}

static void forward_run(const op *o, void *state, const kernel_args *a)
{
    (void)state;
    pool_job b = {.at = &o->attr.pool,
                  .x = lane_view_of(&o->in[0]),
                  .y = lane_view_of(&o->out[0]),
                  .in = a->in[0],
                  .out = a->out[0],
                  .index = o->n_out > 1 ? a->out[1] : NULL};
    parallel_for(b.y.n * b.y.blocks, lane_parts_grain(b.x.pixels), forward_part, &b);
}

/* ---- backward: in = gy, out = gx ---- */

/* Gives g to the pixel of its maximum, lane by lane. Windows that lie apart write each pixel once and need
 * not add. */
LANE_INLINE void max_spread(float *gx, int64_t row, const window *s, int64_t kw, lane g, lane_mask where,
                            bool add)
{
    for (int64_t u = s->u0; u < s->u1; u++)
        for (int64_t v = s->v0; v < s->v1; v++) {
            float *to = gx + u * row + v * LANES;
            lane t = (lane)((lane_mask)g & (where == (int32_t)(u * kw + v)));
            lane_store(to, add ? lane_load(to) + t : t);
        }
}

LANE_INLINE void avg_spread(float *gx, int64_t row, const window *s, lane g, bool add)
{
    for (int64_t u = s->u0; u < s->u1; u++)
        for (int64_t v = s->v0; v < s->v1; v++) {
            float *to = gx + u * row + v * LANES;
            lane_store(to, add ? lane_load(to) + g : g);
        }
}

LANE_INLINE void backward_row(const pool_job *b, float *gx, const float *gy, const unsigned char *index,
                              int64_t i, int64_t kh, int64_t kw, bool add)
{
    int64_t row = b->x.w * LANES;
    const window full = {.u1 = kh, .v1 = kw};
    for (int64_t j = 0; j < b->y.w; j++) {
        window s = window_of(b, i, j);
        float *corner = gx + s.r * row + s.c * LANES;
        lane g = lane_load(gy + j * LANES);
        if (b->at->function == CVY_POOL_AVG) {
            g *= share_of(b, &s);
            if (s.inside)
                avg_spread(corner, row, &full, g, add);
            else
                avg_spread(corner, row, &s, g, add);
            continue;
        }
        lane_mask where = __builtin_convertvector(bytes_load(index + j * LANES), lane_mask);
        if (s.inside)
            max_spread(corner, row, &full, kw, g, where, add);
        else
            max_spread(corner, row, &s, kw, g, where, add);
    }
}

static void backward_part(void *ctx, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const pool_job *b = ctx;
    const cvy_pool_attr *a = b->at;
    int64_t kh = a->kernel[0], kw = a->kernel[1], width = b->y.w * LANES;
    bool apart = a->stride[0] >= kh && a->stride[1] >= kw;
    bool covered = apart && a->stride[0] == kh && a->stride[1] == kw &&
                   b->y.h * kh - a->padding[0] >= b->x.h && b->y.w * kw - a->padding[1] >= b->x.w;
    for (int64_t at = begin; at < end; at++) {
        float *gx = b->out + at * b->x.plane;
        if (!covered) memset(gx, 0, (size_t)b->x.plane * sizeof *gx);
        for (int64_t i = 0; i < b->y.h; i++) {
            int64_t in = at * b->y.plane + i * width;
            const unsigned char *index = b->index ? b->index + in : NULL;
            if (kh == 2 && kw == 2 && apart)
                backward_row(b, gx, b->in + in, index, i, 2, 2, false);
            else if (kh == 3 && kw == 3 && !apart)
                backward_row(b, gx, b->in + in, index, i, 3, 3, true);
            else
                backward_row(b, gx, b->in + in, index, i, kh, kw, !apart);
        }
    }
}

static void backward_run(const op *o, void *state, const kernel_args *a)
{
    (void)state;
    pool_job b = {.at = &o->attr.pool,
                  .x = lane_view_of(&o->out[0]),
                  .y = lane_view_of(&o->in[0]),
                  .in = a->in[0],
                  .out = a->out[0],
                  .index = o->n_in > 1 ? a->in[1] : NULL};
    parallel_for(b.x.n * b.x.blocks, lane_parts_grain(b.x.pixels), backward_part, &b);
}

/* ---- global average: blocked (N, C, H, W) <-> plain (N, C) ---- */

#define RUN 256 /* pixels summed in float before they go on in double */

typedef struct average_job {
    lane_view v;
    const float *in;
    float *out;
} average_job;

static void average_part(void *ctx, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const average_job *b = ctx;
    for (int64_t at = begin; at < end; at++) {
        const float *x = b->in + at * b->v.plane;
        double total[LANES] = {0};
        for (int64_t from = 0; from < b->v.pixels; from += RUN) {
            int64_t to = b->v.pixels - from < RUN ? b->v.pixels : from + RUN, i = from;
            lane s[4] = {{0}};
            for (; i + 4 <= to; i += 4)
                for (int k = 0; k < 4; k++) s[k] += lane_load(x + (i + k) * LANES);
            for (; i < to; i++) s[0] += lane_load(x + i * LANES);
            lane sum = (s[0] + s[1]) + (s[2] + s[3]);
            for (int l = 0; l < LANES; l++) total[l] += (double)sum[l];
        }
        int64_t n = at / b->v.blocks, block = at % b->v.blocks;
        for (int64_t l = 0; l < lane_view_lanes(&b->v, block); l++)
            b->out[n * b->v.c + block * LANES + l] = (float)(total[l] / (double)b->v.pixels);
    }
}

static void average_run(const op *o, void *state, const kernel_args *a)
{
    (void)state;
    average_job b = {lane_view_of(&o->in[0]), a->in[0], a->out[0]};
    parallel_for(b.v.n * b.v.blocks, lane_parts_grain(b.v.pixels), average_part, &b);
}

static void spread_part(void *ctx, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const average_job *b = ctx;
    for (int64_t at = begin; at < end; at++) {
        int64_t n = at / b->v.blocks, block = at % b->v.blocks;
        lane g = lane_load_first(b->in + n * b->v.c + block * LANES, lane_view_lanes(&b->v, block));
        g /= lane_all((float)b->v.pixels);
        for (int64_t e = 0; e < b->v.plane; e += LANES) lane_store(b->out + at * b->v.plane + e, g);
    }
}

static void spread_run(const op *o, void *state, const kernel_args *a)
{
    (void)state;
    average_job b = {lane_view_of(&o->out[0]), a->in[0], a->out[0]};
    parallel_for(b.v.n * b.v.blocks, lane_parts_grain(b.v.pixels), spread_part, &b);
}

/* ---- the kernels ---- */

static double offer(const op *o, const machine *m, int k, layout *in, layout *out)
{
    return k > 0 ? -1 : offer_uniform(o, m, LANE_LAYOUT, 1, in, out);
}

static double pool_offer(const op *o, const machine *m, int k, layout *in, layout *out)
{
    const cvy_pool_attr *a = &o->attr.pool;
    if (k > 0 || op_pool_dilation(a, 0) > 1 || op_pool_dilation(a, 1) > 1) return -1;
    if (a->function == CVY_POOL_MAX && op_pool_index(a) > 1) return -1;
    return offer_uniform(o, m, LANE_LAYOUT, 1.2, in, out);
}

const kernel LANE(lane_pool) = {
    .name = "lanes", .type = OP_POOL, .in_place = -1, .offer = pool_offer, .run = forward_run};
const kernel LANE(lane_pool_bwd) = {
    .name = "lanes", .type = OP_POOL_BWD, .in_place = -1, .offer = pool_offer, .run = backward_run};
const kernel LANE(lane_global_avg) = {
    .name = "lanes", .type = OP_GLOBAL_AVG, .in_place = -1, .offer = offer, .run = average_run};
const kernel LANE(lane_global_avg_bwd) = {
    .name = "lanes", .type = OP_GLOBAL_AVG_BWD, .in_place = -1, .offer = offer, .run = spread_run};
