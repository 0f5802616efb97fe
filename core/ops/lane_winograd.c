/* Owns Winograd's convolution of 3 x 3 kernels (stride, dilation and groups 1), forward and backward to the
 * data, on the blocked layout; must not know the transforms' arithmetic.
 *
 * Output is cut into tiles of 4 x 4 pixels, each read from 6 x 6 of the input (F(4x4, 3x3), Lavin and Gray 2016):
 * 36 multiplications where the direct sum takes 144, and everything between the transforms is 36 products of
 * matrices, one for each place p of a tile:
 *
 *   x --B^T d B--> V[p][input block][tile][lane]        U[p] = G g G^T, made by pack:
 *                       |  M[p] = V[p] U[p]             [p][pair of output blocks][input block][input lane]
 *   y <-A^T m A--- M[p][output block][tile][lane]          [output block of the pair][output lane]
 *
 * A unit of work is some rows of tiles of one sample, or several whole small maps: enough tiles that U, too large
 * for the second-level cache with many channels, is worth its way there, and few enough that V and M stay in it.
 * The products are the direct kernel's loops for a 1 x 1 convolution. M is made and used up for a few pairs of
 * output blocks at a time. Backward to the data is the same with the kernels turned and transposed, its padding
 * being 2 less the padding. Parallel are the units: a thread owns the outputs of its own.
 *
 * Rounding: lane_winograd_transform.c's bound, gamma_(C+27) of the tile's sizes. */
#include <assert.h>

#include "base/memory.h"
#include "base/parallel.h"
#include "ops/lane_conv_tile.h"
#include "ops/lane_moments.h"
#include "ops/lane_parts.h"
#include "ops/lane_winograd.h"

typedef struct winograd {
    lane_view x, y;    /* what is read and written */
    int64_t corner[2]; /* first pixel of the first input tile, row and column: minus the padding */
    bool turned;       /* tap (u, v) is the kernel's (2 - u, 2 - v) */
    winograd_units units;
    int64_t pairs, chunk;              /* pairs of output blocks; those of which M is held at once */
    int64_t v_place, m_place, u_place; /* floats from place to place in V, M and U */
    size_t weights_bytes;
    size_t moments_at, rooms_at,
        room_bytes; /* scratch: padded bias, moments, a room with V and M per thread */
    size_t norm_at; /* scratch too */
    int threads;
} winograd;

static size_t aligned(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

/* ---- planning ---- */

static void winograd_free(void *state)
{
    mem_free(state);
}

#define PAIRS_AT_ONCE 8

static void plan_shape(winograd *k, const machine *m)
{
    k->pairs = winograd_shares(k->y.blocks, TILE_BLOCKS);
    k->u_place = k->y.blocks * LANES * k->x.c;
    k->weights_bytes = (size_t)(WINOGRAD_PLACES * k->u_place) * sizeof(float);
    /* Measured on channels from 16 to 512; a third more or less costs little. */
    int64_t most = k->weights_bytes > (size_t)m->l2_bytes ? 64 : 24;
    k->units = LANE(winograd_units_of)(&k->y, most, m->threads);
}

static cvy_status winograd_prepare(const op *o, const machine *m, bool backward, kernel_plan *plan)
{
    const cvy_conv_attr *a = &o->attr.conv;
    winograd *k = mem_alloc(sizeof *k);
    *k = (winograd){.x = lane_view_of(&o->in[0]), .y = lane_view_of(&o->out[0]), .threads = m->threads};
    for (int d = 0; d < 2; d++) k->corner[d] = backward ? a->padding[d] - 2 : -a->padding[d];
    k->turned = (a->flip != 0) != backward;
    plan_shape(k, m);
    k->chunk = winograd_least(k->pairs, PAIRS_AT_ONCE);
    k->v_place = k->x.blocks * k->units.tiles * LANES + WINOGRAD_PAD;
    k->m_place = k->chunk * TILE_BLOCKS * k->units.tiles * LANES + WINOGRAD_PAD;
    k->room_bytes = aligned((size_t)(WINOGRAD_PLACES * (k->v_place + k->m_place)) * sizeof(float));
    k->norm_at = aligned((size_t)(k->y.blocks * LANES) * sizeof(float));
    k->moments_at = k->norm_at + lane_norm_bytes(o, &k->x);
    k->rooms_at = k->moments_at;
    if (o->n_out > 1) k->rooms_at += aligned((size_t)(k->units.n * k->y.blocks) * sizeof(moments));
    *plan = (kernel_plan){k, k->rooms_at + (size_t)m->threads * k->room_bytes, k->weights_bytes};
    return CVY_OK;
}

/* ---- packing ---- */

typedef struct pack_job {
    const winograd *k;
    const float *w;
    float *to;
    int64_t in_step, out_step; /* floats of w between input channels, between output channels */
} pack_job;

static void pack_block(const pack_job *j, int64_t block, int64_t c, float *to)
{
    const winograd *k = j->k;
    float g[9][LANES];
    int64_t lanes = lane_view_lanes(&k->y, block);
    if (lanes < LANES) memset(g, 0, sizeof g);
    const float *w = j->w + block * LANES * j->out_step + c * j->in_step;
    for (int64_t l = 0; l < lanes; l++, w += j->out_step)
        for (int t = 0; t < 9; t++) g[t][l] = w[k->turned ? 8 - t : t];
    LANE(winograd_kernel)((const float(*)[LANES])g, to, k->u_place);
}

static void pack_part(void *ctx, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const pack_job *j = ctx;
    const winograd *k = j->k;
    for (int64_t pair = begin; pair < end; pair++) {
        int64_t first = pair * TILE_BLOCKS, blocks = winograd_least(k->y.blocks - first, TILE_BLOCKS);
        float *to = j->to + first * LANES * k->x.c;
        for (int64_t c = 0; c < k->x.c; c++)
            for (int64_t b = 0; b < blocks; b++, to += LANES) pack_block(j, first + b, c, to);
    }
}

static void forward_pack(const op *o, void *state, const float *w, void *packed, void *scratch)
{
    (void)scratch;
    pack_job j = {state, w, packed, 9, o->in[1].shape.dim[1] * 9};
    parallel_for(j.k->pairs, 1, pack_part, &j);
}

static void backward_pack(const op *o, void *state, const float *w, void *packed, void *scratch)
{
    (void)scratch;
    pack_job j = {state, w, packed, o->in[1].shape.dim[1] * 9, 9};
    parallel_for(j.k->pairs, 1, pack_part, &j);
}

/* ---- running ---- */

typedef struct winograd_job {
    const winograd *k;
    const float *x, *weights, *bias; /* the bias padded to whole blocks */
    float *y, *stats;
    lane_norm norm;
    moments *partial; /* [group][strip][block]; NULL when not wanted */
    char *rooms;
} winograd_job;

static void unit_products(const winograd_job *j, const winograd_unit *u, int64_t pair0, int64_t pair1,
                          const float *v, float *m)
{
    const winograd *k = j->k;
    static const int64_t here = 0;
    tile t = {.taps = &here,
              .u = {0, 1},
              .v = {0, 1},
              .rows = 1,
              .columns = 1,
              .unit = LANES,
              .blocks = k->x.blocks,
              .last = k->x.c - (k->x.blocks - 1) * LANES,
              .pitch = u->tiles * LANES,
              .y_step = LANES,
              .y_block = u->tiles * LANES};
    for (int64_t p = 0; p < WINOGRAD_PLACES; p++, v += k->v_place, m += k->m_place)
        for (int64_t pair = pair0; pair < pair1; pair++) {
            int64_t block = pair * TILE_BLOCKS;
            int blocks = (int)winograd_least(k->y.blocks - block, TILE_BLOCKS);
            int64_t pieces = winograd_shares(u->tiles, blocks > 1 ? TILE_TWO : TILE_ONE);
            float *to = m + (pair - pair0) * TILE_BLOCKS * u->tiles * LANES;
            t.w = j->weights + p * k->u_place + block * LANES * k->x.c;
            for (int64_t i = 0, q = 0; i < pieces; i++) { /* as equal as can be */
                int64_t end = u->tiles * (i + 1) / pieces;
                LANE(tile_row)(blocks, (int)(end - q), false)(&t, v + q * LANES, to + q * LANES);
                q = end;
            }
        }
}

static void unit_output(const winograd_job *j, const winograd_unit *u, int64_t block0, int64_t block1,
                        const float *m)
{
    const winograd *k = j->k;
    for (int64_t block = block0; block < block1; block++, m += u->tiles * LANES) {
        float *y = j->y + u->n0 * k->y.sample + block * k->y.plane;
        for (int64_t n = 0; n < u->samples; n++)
            for (int64_t r = 0; r < u->rows; r++) LANE(winograd_output)
        (m + (n * u->rows + r) * k->units.columns * LANES, k->m_place, k->units.columns,
         j->bias ? j->bias + block * LANES : NULL, y + n * k->y.sample, k->y.h, k->y.w,
         (u->row0 + r) * WINOGRAD_OUT);
        if (!j->partial) continue;
        moments sum = {0}; /* while these rows are in the cache */
        int64_t first = u->row0 * WINOGRAD_OUT, rows = winograd_least(k->y.h - first, u->rows * WINOGRAD_OUT);
        moments_add(&sum, y + first * k->y.w * LANES, u->samples, k->y.sample, rows * k->y.w);
        j->partial[u->index * k->y.blocks + block] = sum;
    }
}

static void winograd_part(void *ctx, int64_t begin, int64_t end, int thread)
{
    const winograd_job *j = ctx;
    const winograd *k = j->k;
    assert(thread < k->threads);
    float *v = (float *)(void *)(j->rooms + (size_t)thread * k->room_bytes);
    float *m = v + WINOGRAD_PLACES * k->v_place;
    for (int64_t index = begin; index < end; index++) {
        winograd_unit u = winograd_unit_at(&k->units, index);
        LANE(winograd_read)(&k->x, &k->units, &u, k->corner, 0, k->x.blocks, j->x, &j->norm, v, k->v_place);
        for (int64_t pair = 0; pair < k->pairs; pair += k->chunk) {
            int64_t stop = winograd_least(k->pairs, pair + k->chunk);
            unit_products(j, &u, pair, stop, v, m);
            unit_output(j, &u, pair * TILE_BLOCKS, winograd_least(k->y.blocks, stop * TILE_BLOCKS), m);
        }
    }
}

static void merge_part(void *ctx, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const winograd_job *j = ctx;
    const winograd *k = j->k;
    for (int64_t block = begin; block < end; block++) {
        moments m = {0};
        for (int64_t u = 0; u < k->units.n; u++) moments_merge(&m, &j->partial[u * k->y.blocks + block]);
        moments_write(&m, j->stats, k->y.c, block * LANES, lane_view_lanes(&k->y, block));
    }
}

static void winograd_run(const op *o, void *state, const kernel_args *a)
{
    const winograd *k = state;
    char *at = a->scratch;
    winograd_job j = {.k = k, .x = a->in[0], .weights = a->packed, .y = a->out[0], .rooms = at + k->rooms_at};
    j.norm = lane_norm_of(o, a, &k->x, at + k->norm_at);
    if (op_conv_has_bias(o)) {
        float *padded = a->scratch;
        const float *bias = a->in[2];
        for (int64_t c = 0; c < k->y.blocks * LANES; c++) padded[c] = c < k->y.c ? bias[c] : 0;
        j.bias = padded;
    }
    if (o->n_out > 1) {
        j.stats = a->out[1];
        j.partial = (moments *)(void *)(at + k->moments_at);
    }
    parallel_for(k->units.n, 1, winograd_part, &j);
    if (j.stats) parallel_for(k->y.blocks, 4, merge_part, &j);
}

/* ---- the kernels ---- */

static cvy_status forward_prepare(const op *o, const machine *m, kernel_plan *plan, errors *e)
{
    (void)e;
    return winograd_prepare(o, m, false, plan);
}

static cvy_status backward_prepare(const op *o, const machine *m, kernel_plan *plan, errors *e)
{
    (void)e;
    return winograd_prepare(o, m, true, plan);
}

#define EFFICIENCY 0.75 /* of the products, as a share of the peak */

/* Within 15 % of what was measured with AVX-512 and AVX2 for 16 to 512 channels, as a share of the direct kernel's
 * planned time. */
static double winograd_cost(const op *o, const machine *m)
{
    winograd k = {.x = lane_view_of(&o->in[0]), .y = lane_view_of(&o->out[0])};
    plan_shape(&k, m);
    double tiles = (double)(k.units.tiles * k.units.n), idle = winograd_idle(&k.units, m->threads);
    double filled =
        k.units.tiles < 8 ? (double)k.units.tiles / 8 : 1; /* or sums wait for their own results */
    double compute = cost_macs(m, tiles * (double)(WINOGRAD_PLACES * k.u_place), EFFICIENCY * filled);
    double transforms = WINOGRAD_NS * LANES * tiles * (double)(k.x.blocks + k.y.blocks) / (double)m->threads;
    return WINOGRAD_MARGIN *
           ((compute + transforms) * idle + cost_bytes(m, (double)k.weights_bytes)); /* with pack's */
}

static double winograd_offer(const op *o, const machine *m, int k, layout *in, layout *out)
{
    if (k > 0 || !winograd_takes(o, o->in[1].shape.dim)) return -1;
    for (int i = 0; i < o->n_in; i++) in[i] = LAYOUT_PLAIN;
    for (int i = 0; i < o->n_out; i++) out[i] = LAYOUT_PLAIN;
    in[0] = out[0] = LANE_LAYOUT;
    double compute = winograd_cost(o, m), memory = lane_parts_cost(o, m, in, out, 100);
    return compute > memory ? compute : memory;
}

const kernel LANE(lane_winograd) = {.name = "winograd",
                                    .type = OP_CONV,
                                    .in_place = -1,
                                    .through = true,
                                    .loose = true,
                                    .offer = winograd_offer,
                                    .prepare = forward_prepare,
                                    .pack = forward_pack,
                                    .run = winograd_run,
                                    .release = winograd_free};
const kernel LANE(lane_winograd_bwd_data) = {.name = "winograd",
                                             .type = OP_CONV_BWD_DATA,
                                             .in_place = -1,
                                             .loose = true,
                                             .offer = winograd_offer,
                                             .prepare = backward_prepare,
                                             .pack = backward_pack,
                                             .run = winograd_run,
                                             .release = winograd_free};
