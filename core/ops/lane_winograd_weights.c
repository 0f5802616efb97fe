/* Owns the gradient of the weights by Winograd's method (3 x 3, stride, dilation and groups 1) and of their bias;
 * must not know the transforms' arithmetic.
 *
 *   x  --B^T d B--> V[p][input block][tile][lane]       S[p] += V[p]^T Y[p] over a unit's tiles
 *   gy --A y A^T--> Y[p][output block][tile][lane]      [p][pair of output blocks][input block][input lane]
 *                                                           [output block of the pair][output lane]
 *   gw <-G^T S G--- S, when all units are through
 *
 * The innermost loop is the direct kernel's: input channels by one or two blocks of outputs in registers, over a
 * unit's tiles. Threads share the units and have sums of their own, which are added up in order; or, where the sums
 * are large, they share the input blocks.
 *
 * Rounding: lane_winograd_transform.c's bound, gamma_(n+28) of the sizes summed over n tiles. */
#include <assert.h>

#include "base/memory.h"
#include "base/parallel.h"
#include "ops/lane_bias.h"
#include "ops/lane_parts.h"
#include "ops/lane_winograd.h"

#if LANE_LEVEL == LANE_avx512
#define PAIR   2  /* output blocks of an accumulator tile at most */
#define IN_ONE 16 /* input channels of a tile of one block */
#define IN_TWO 8  /* of two */
#elif LANE_LEVEL == LANE_avx2
#define PAIR   2
#define IN_ONE 8
#define IN_TWO 4
#else
#define PAIR   1
#define IN_ONE 4
#define IN_TWO 4
#endif
#define SMALL_BYTES (1 << 20) /* sums of which every thread may have its own */

typedef struct gradient {
    lane_view x, y;
    int64_t corner[2];
    bool flip;
    winograd_units units;
    int64_t pairs;
    int64_t n_shares, b_shares;        /* of the units, of the input blocks */
    int64_t v_place, y_place, s_place; /* floats from place to place */
    size_t sum_bytes, norm_at, bias_at, rooms_at, room_bytes;
    int threads;
} gradient;

static size_t aligned(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

/* ---- planning ---- */

static gradient plan_gradient(const op *o, const machine *m)
{
    gradient k = {.x = lane_view_of(&o->in[0]), .y = lane_view_of(&o->in[1]), .threads = m->threads};
    for (int d = 0; d < 2; d++) k.corner[d] = -o->attr.conv.padding[d];
    k.flip = o->attr.conv.flip != 0;
    k.pairs = winograd_shares(k.y.blocks, PAIR);
    k.s_place = k.y.blocks * LANES * k.x.c + WINOGRAD_PAD;
    k.sum_bytes = aligned((size_t)(WINOGRAD_PLACES * k.s_place) * sizeof(float));
    bool small = k.sum_bytes <= SMALL_BYTES;
    /* Sums are read and written once per unit. */
    k.units = LANE(winograd_units_of)(&k.y, small ? 48 : 96, m->threads);
    k.b_shares = small ? 1 : winograd_least(k.x.blocks, m->threads);
    k.n_shares = winograd_least(k.units.n, winograd_shares(m->threads, k.b_shares));
    k.v_place = winograd_shares(k.x.blocks, k.b_shares) * k.units.tiles * LANES + WINOGRAD_PAD;
    k.y_place = k.y.blocks * k.units.tiles * LANES + WINOGRAD_PAD;
    return k;
}

static cvy_status gradient_prepare(const op *o, const machine *m, kernel_plan *plan, errors *e)
{
    (void)e;
    gradient *k = mem_alloc(sizeof *k);
    *k = plan_gradient(o, m);
    k->norm_at = (size_t)k->n_shares * k->sum_bytes;
    k->bias_at = k->norm_at + lane_norm_bytes(o, &k->x);
    k->rooms_at = k->bias_at;
    if (o->n_out > 1) k->rooms_at += aligned(lane_bias_bytes(&k->y));
    k->room_bytes = aligned((size_t)(WINOGRAD_PLACES * (k->v_place + k->y_place)) * sizeof(float));
    *plan = (kernel_plan){.state = k, .scratch = k->rooms_at + (size_t)m->threads * k->room_bytes};
    return CVY_OK;
}

static void gradient_free(void *state)
{
    mem_free(state);
}

/* ---- products ---- */

/* To sum [channel][block][lane], over `tiles` tiles, for `channels` channels from v on. more: added to what is
 * there. */
LANE_INLINE void multiply(int blocks, int channels, int64_t tiles, const float *v, const float *y,
                          int64_t y_block, float *sum, int64_t kept, bool more)
{
    lane a[2][16];
#define BEGIN(i) a[0][i] = a[1][i] = (lane){0}
    LANE_EACH(channels, BEGIN);
    for (int64_t t = 0; t < tiles; t++, v += LANES, y += LANES) {
        lane y0 = lane_load(y), y1 = blocks > 1 ? lane_load(y + y_block) : y0;
#define STEP(i)                             \
    lane value = lane_all(v[i]);            \
    a[0][i] = lane_fma(value, y0, a[0][i]); \
    if (blocks > 1) a[1][i] = lane_fma(value, y1, a[1][i])
        LANE_EACH(channels, STEP);
    }
#define FINISH(i)                                                           \
    float *to = sum + i * blocks * LANES;                                   \
    if (i < kept) lane_store(to, more ? lane_load(to) + a[0][i] : a[0][i]); \
    if (i < kept && blocks > 1) lane_store(to + LANES, more ? lane_load(to + LANES) + a[1][i] : a[1][i])
    LANE_EACH(channels, FINISH);
}

static void multiply_one(int64_t tiles, const float *v, const float *y, float *sum, int64_t kept, bool more)
{
    multiply(1, IN_ONE, tiles, v, y, 0, sum, kept, more);
}

#if PAIR > 1
static void multiply_two(int64_t tiles, const float *v, const float *y, float *sum, int64_t kept, bool more)
{
    multiply(2, IN_TWO, tiles, v, y, tiles * LANES, sum, kept, more);
}
#else
#define multiply_two multiply_one
#endif

/* ---- running ---- */

typedef struct gradient_job {
    const gradient *k;
    const float *x, *gy;
    float *gw, *sums;
    lane_norm norm;
    char *rooms;
} gradient_job;

/* Where the sums of a pair of output blocks and an input block begin, of a place. */
static int64_t sum_at(const gradient *k, int64_t pair, int64_t column)
{
    return (pair * PAIR * k->x.c + column * LANES * winograd_least(k->y.blocks - pair * PAIR, PAIR)) * LANES;
}

static void read_gradient(const gradient_job *j, const winograd_unit *u, float *to)
{
    const gradient *k = j->k;
    for (int64_t block = 0; block < k->y.blocks; block++)
        for (int64_t n = 0; n < u->samples; n++)
            for (int64_t r = 0; r < u->rows; r++, to += k->units.columns * LANES) LANE(winograd_gradient)
    (j->gy + (u->n0 + n) * k->y.sample + block * k->y.plane, k->y.h, k->y.w, (u->row0 + r) * WINOGRAD_OUT,
     k->units.columns, to, k->y_place);
}

/* Input blocks [first, last) with all outputs, whose places are at v and y. */
static void run_unit(const gradient *k, int64_t tiles, int64_t first, int64_t last, const float *v,
                     const float *y, float *sums, bool more)
{
    for (int64_t p = 0; p < WINOGRAD_PLACES; p++, v += k->v_place, y += k->y_place, sums += k->s_place)
        for (int64_t pair = 0; pair < k->pairs; pair++)
            for (int64_t column = first; column < last; column++) {
                bool two = k->y.blocks - pair * PAIR > 1 && PAIR > 1;
                int64_t channels = lane_view_lanes(&k->x, column), each = two ? IN_TWO : IN_ONE;
                float *to = sums + sum_at(k, pair, column);
                const float *from = v + (column - first) * tiles * LANES,
                            *at = y + pair * PAIR * tiles * LANES;
                for (int64_t i = 0; i < channels; i += each, to += each * (two ? 2 : 1) * LANES)
                    (two ? multiply_two : multiply_one)(tiles, from + i, at, to, channels - i, more);
            }
}

static void share_part(void *ctx, int64_t begin, int64_t end, int thread)
{
    const gradient_job *j = ctx;
    const gradient *k = j->k;
    assert(thread < k->threads);
    float *v = (float *)(void *)(j->rooms + (size_t)thread * k->room_bytes);
    float *y = v + WINOGRAD_PLACES * k->v_place;
    for (int64_t share = begin; share < end; share++) {
        int64_t n = share / k->b_shares, b = share % k->b_shares;
        int64_t first = k->x.blocks * b / k->b_shares, last = k->x.blocks * (b + 1) / k->b_shares;
        int64_t from = k->units.n * n / k->n_shares, to = k->units.n * (n + 1) / k->n_shares;
        float *sums = j->sums + (size_t)n * k->sum_bytes / sizeof(float);
        for (int64_t i = from; i < to; i++) {
            winograd_unit u = winograd_unit_at(&k->units, i);
            LANE(winograd_read)(&k->x, &k->units, &u, k->corner, first, last, j->x, &j->norm, v, k->v_place);
            read_gradient(j, &u, y);
            run_unit(k, u.tiles, first, last, v, y, sums, i > from);
        }
    }
}

/* Adds the shares up and turns places into weights. */
static void merge_part(void *ctx, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const gradient_job *j = ctx;
    const gradient *k = j->k;
    for (int64_t at = begin; at < end; at++) { /* at = block * channels + c */
        int64_t block = at / k->x.c, c = at % k->x.c, pair = block / PAIR;
        int64_t blocks = winograd_least(k->y.blocks - pair * PAIR, PAIR);
        float *from = j->sums + sum_at(k, pair, 0) + (c * blocks + block % PAIR) * LANES, g[9][LANES];
        for (int64_t n = 1; n < k->n_shares; n++)
            for (int64_t p = 0; p < WINOGRAD_PLACES; p++) {
                float *to = from + p * k->s_place;
                lane_store(to, lane_load(to) + lane_load(to + (size_t)n * k->sum_bytes / sizeof *to));
            }
        LANE(winograd_kernel_gradient)(from, k->s_place, g);
        for (int64_t l = 0; l < lane_view_lanes(&k->y, block); l++)
            for (int t = 0; t < 9; t++)
                j->gw[((block * LANES + l) * k->x.c + c) * 9 + (k->flip ? 8 - t : t)] = g[t][l];
    }
}

static void gradient_run(const op *o, void *state, const kernel_args *a)
{
    const gradient *k = state;
    char *at = a->scratch;
    gradient_job j = {.k = k,
                      .x = a->in[0],
                      .gy = a->in[1],
                      .gw = a->out[0],
                      .sums = a->scratch,
                      .norm = lane_norm_of(o, a, &k->x, at + k->norm_at),
                      .rooms = at + k->rooms_at};
    if (j.gw) {
        parallel_for(k->n_shares * k->b_shares, 1, share_part, &j);
        parallel_for(k->y.blocks * k->x.c, 16, merge_part, &j);
    }
    if (o->n_out > 1 && a->out[1])
        LANE(lane_bias_sums)(&k->y, j.gy, (double *)(void *)(at + k->bias_at), a->out[1]);
}

/* ---- the kernel ---- */

#define EFFICIENCY 0.7 /* of the products, as a share of the peak */

static double gradient_offer(const op *o, const machine *m, int k, layout *in, layout *out)
{
    if (k > 0 || !winograd_takes(o, o->out[0].shape.dim)) return -1;
    for (int i = 0; i < o->n_out; i++) out[i] = LAYOUT_PLAIN;
    in[0] = in[1] = LANE_LAYOUT;
    gradient g = plan_gradient(o, m);
    double tiles = (double)(g.units.tiles * g.units.n), idle = winograd_idle(&g.units, m->threads);
    double in_filled = (double)g.x.c / (double)((g.x.c + IN_TWO - 1) / IN_TWO * IN_TWO);
    double compute = cost_macs(m, tiles * (double)(WINOGRAD_PLACES * g.s_place), EFFICIENCY * in_filled);
    double transforms =
        WINOGRAD_NS * LANES * tiles * (double)(g.x.blocks + g.y.blocks * g.b_shares) / (double)m->threads;
    double sums = cost_bytes(m, (double)g.sum_bytes * (double)(g.n_shares + 2));
    double time = WINOGRAD_MARGIN * ((compute + transforms) * idle + sums);
    double memory = lane_parts_cost(o, m, in, out, 100);
    return time > memory ? time : memory;
}

const kernel LANE(lane_winograd_bwd_weights) = {.name = "winograd",
                                                .type = OP_CONV_BWD_WEIGHTS,
                                                .in_place = -1,
                                                .through = true,
                                                .loose = true,
                                                .offer = gradient_offer,
                                                .prepare = gradient_prepare,
                                                .run = gradient_run,
                                                .release = gradient_free};
