/* Owns the hand-written fully connected product, forward and backward; must not know maps, only rows.
 *
 * Forward and backward to the data are convolutions of a single tap whose pixels are the samples: the tiles of
 * lane_conv_tile.c do them, with the weights packed once per update so that a vector holds neighbouring outputs:
 *
 *   y  (N,O): [pair of blocks of O][F][block of the pair][lane]
 *   gx (N,F): [pair of blocks of F][O][block of the pair][lane]
 *
 * The gradient of the weights needs no packing: a row of gw gathers gy[n][o] times a row of x.
 *
 * Rounding: as lane_conv.c's, the terms being F, O or N. */
#include "ops/lane_conv_tile.h"

#include "base/memory.h"
#include "base/parallel.h"
#include "ops/lane_parts.h"

/* ---- y = x w^T + b and gx = gy w
 * ---------------------------------------------------------------------------------------- */

typedef struct product {
    int64_t samples, from, to; /* features read and written per sample */
    int64_t pairs;             /* of blocks of what is written */
} product;

static void product_free(void *state)
{
    mem_free(state);
}

static cvy_status product_prepare(const op *o, const machine *m, kernel_plan *plan, errors *e)
{
    (void)m, (void)e;
    const int64_t *w = o->in[1].shape.dim;
    product *k = mem_alloc(sizeof *k);
    k->samples = o->in[0].shape.dim[0];
    k->from = o->type == OP_LINEAR ? w[1] : w[0];
    k->to = o->type == OP_LINEAR ? w[0] : w[1];
    int64_t blocks = (k->to + LANES - 1) / LANES;
    k->pairs = (blocks + TILE_BLOCKS - 1) / TILE_BLOCKS;
    *plan = (kernel_plan){k, 0, (size_t)(blocks * LANES * k->from) * sizeof(float)};
    return CVY_OK;
}

typedef struct pack_job {
    const product *k;
    const float *w;
    float *to;
    int64_t from_step, to_step; /* floats of w between features read, written */
} pack_job;

static int64_t blocks_of(const product *k, int64_t pair)
{
    int64_t blocks = (k->to + LANES - 1) / LANES - pair * TILE_BLOCKS;
    return blocks < TILE_BLOCKS ? blocks : TILE_BLOCKS;
}

static void pack_part(void *ctx, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const pack_job *j = ctx;
    const product *k = j->k;
    for (int64_t pair = begin; pair < end; pair++) {
        int64_t first = pair * TILE_BLOCKS * LANES, width = blocks_of(k, pair) * LANES;
        int64_t real = k->to - first < width ? k->to - first : width;
        float *to = j->to + first * k->from;
        for (int64_t i0 = 0; i0 < k->from; i0 += LANES) { /* a square at a time: one side is strided */
            int64_t i1 = i0 + LANES < k->from ? i0 + LANES : k->from;
            for (int64_t l = 0; l < width; l++)
                for (int64_t i = i0; i < i1; i++)
                    to[i * width + l] = l < real ? j->w[i * j->from_step + (first + l) * j->to_step] : 0;
        }
    }
}

static void product_pack(const op *o, void *state, const float *w, void *packed, void *scratch)
{
    (void)scratch;
    pack_job j = {state, w, packed, 1, o->in[1].shape.dim[1]};
    if (o->type != OP_LINEAR) {
        j.from_step = j.to_step;
        j.to_step = 1;
    }
    parallel_for(j.k->pairs, 1, pack_part, &j);
}

typedef struct product_job {
    const product *k;
    const float *x, *weights, *bias;
    float *y;
} product_job;

/* Samples [n, n + count) of one pair of blocks. */
static void product_tile(const product_job *j, int64_t pair, int64_t n, int64_t count)
{
    static const int64_t only[1] = {0};
    const product *k = j->k;
    int64_t first = pair * TILE_BLOCKS * LANES, blocks = blocks_of(k, pair), width = blocks * LANES;
    float bias[TILE_BLOCKS * LANES] = {0}, edge[TILE_LIST * TILE_BLOCKS * LANES];
    int64_t from[TILE_LIST], to[TILE_LIST], real = k->to - first < width ? k->to - first : width;
    for (int64_t l = 0; j->bias && l < real; l++) bias[l] = j->bias[first + l];
    for (int64_t i = 0; i < TILE_LIST; i++) {
        from[i] = (i < count ? i : 0) * k->from;
        to[i] = i * (real < width ? width : k->to);
    }
    tile t = {.w = j->weights + first * k->from,
              .bias = bias,
              .taps = only,
              .u = {0, 1},
              .v = {0, 1},
              .rows = 1,
              .columns = 1,
              .unit = LANES,
              .blocks = 1,
              .last = k->from,
              .y_block = LANES};
    float *y = j->y + n * k->to + first;
    LANE(tile_list)((int)blocks)(&t, j->x + n * k->from, from, real < width ? edge : y, to, count);
    for (int64_t i = 0; real < width && i < count; i++)
        memcpy(y + i * k->to, edge + i * width, (size_t)real * sizeof *y);
}

static void product_part(void *ctx, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const product_job *j = ctx;
    int64_t tiles = (j->k->samples + TILE_LIST - 1) / TILE_LIST;
    for (int64_t at = begin; at < end; at++) { /* samples run fastest: the pair's weights stay in the cache */
        int64_t n = at % tiles * TILE_LIST, rest = j->k->samples - n;
        product_tile(j, at / tiles, n, rest < TILE_LIST ? rest : TILE_LIST);
    }
}

static void product_run(const op *o, void *state, const kernel_args *a)
{
    product_job j = {.k = state,
                     .x = a->in[0],
                     .weights = a->packed,
                     .bias = o->n_in > 2 ? a->in[2] : NULL,
                     .y = a->out[0]};
    parallel_for(j.k->pairs * ((j.k->samples + TILE_LIST - 1) / TILE_LIST), 1, product_part, &j);
}

/* ---- gw = gy^T x, gbias
 * ------------------------------------------------------------------------------------------------- */

#define ROWS (TILE_BLOCKS > 1 ? TILE_LIST : 4) /* of gw in a tile of two vectors */

typedef struct weights_job {
    int64_t n, f, o;
    const float *x, *gy;
    float *gw, *gbias;
} weights_job;

LANE_INLINE void weights_tile(int rows, const weights_job *j, int64_t o, int64_t f, lane a[ROWS][2])
{
    for (int r = 0; r < rows; r++) a[r][0] = a[r][1] = (lane){0};
    const float *x = j->x + f, *gy = j->gy + o;
    for (int64_t n = 0; n < j->n; n++, x += j->f, gy += j->o) {
        lane x0 = lane_load(x), x1 = lane_load(x + LANES);
        for (int r = 0; r < rows; r++) {
            lane g = lane_all(gy[r]);
            a[r][0] = lane_fma(g, x0, a[r][0]);
            a[r][1] = lane_fma(g, x1, a[r][1]);
        }
    }
}

static void weights_rows(const weights_job *j, int64_t o)
{
    int64_t f = 0, rows = j->o - o < ROWS ? j->o - o : ROWS;
    for (; f + 2 * LANES <= j->f; f += 2 * LANES) {
        lane a[ROWS][2];
        if (rows == ROWS)
            weights_tile(ROWS, j, o, f, a);
        else
            for (int64_t r = 0; r < rows; r++) weights_tile(1, j, o + r, f, a + r);
        for (int64_t r = 0; r < rows; r++) {
            lane_store(j->gw + (o + r) * j->f + f, a[r][0]);
            lane_store(j->gw + (o + r) * j->f + f + LANES, a[r][1]);
        }
    }
    for (int64_t r = o; r < o + rows; r++) { /* what two vectors leave over */
        float *gw = j->gw + r * j->f;
        for (int64_t i = f; i < j->f; i++) gw[i] = 0;
        for (int64_t n = 0; n < j->n; n++)
            for (int64_t i = f; i < j->f; i++) gw[i] += j->gy[n * j->o + r] * j->x[n * j->f + i];
    }
}

static void weights_part(void *ctx, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const weights_job *j = ctx;
    for (int64_t at = begin; at < end; at++) {
        int64_t o = at * ROWS;
        if (j->gw) weights_rows(j, o);
        for (int64_t r = o; j->gbias && r < o + ROWS && r < j->o; r++) {
            double sum = 0;
            for (int64_t n = 0; n < j->n; n++) sum += (double)j->gy[n * j->o + r];
            j->gbias[r] = (float)sum;
        }
    }
}

static void weights_run(const op *o, void *state, const kernel_args *a)
{
    (void)state;
    weights_job j = {.n = o->in[0].shape.dim[0],
                     .f = o->in[0].shape.dim[1],
                     .o = o->in[1].shape.dim[1],
                     .x = a->in[0],
                     .gy = a->in[1],
                     .gw = a->out[0],
                     .gbias = o->n_out > 1 ? a->out[1] : NULL};
    parallel_for((j.o + ROWS - 1) / ROWS, 1, weights_part, &j);
}

/* ---- the kernels
 * -------------------------------------------------------------------------------------------------------- */

static double offer(const op *o, const machine *m, int k, layout *in, layout *out)
{
    if (k > 0) return -1;
    offer_uniform(o, m, LAYOUT_PLAIN, 1, in, out);
    bool weights = o->type == OP_LINEAR_BWD_WEIGHTS;
    int64_t across = o->type == OP_LINEAR ? o->in[1].shape.dim[0]
                     : weights            ? o->out[0].shape.dim[1]
                                          : o->in[1].shape.dim[1];
    double packing = weights ? 0 : cost_bytes(m, 2 * (double)tensor_bytes(&o->in[1]));
    return packing + lane_parts_cost(o, m, in, out, (weights ? 0.6 : 0.75) * lane_parts_filled(across));
}

const kernel LANE(lane_linear) = {.name = "lanes",
                                  .type = OP_LINEAR,
                                  .in_place = -1,
                                  .offer = offer,
                                  .prepare = product_prepare,
                                  .pack = product_pack,
                                  .run = product_run,
                                  .release = product_free};
const kernel LANE(lane_linear_bwd_data) = {.name = "lanes",
                                           .type = OP_LINEAR_BWD_DATA,
                                           .in_place = -1,
                                           .offer = offer,
                                           .prepare = product_prepare,
                                           .pack = product_pack,
                                           .run = product_run,
                                           .release = product_free};
const kernel LANE(lane_linear_bwd_weights) = {
    .name = "lanes", .type = OP_LINEAR_BWD_WEIGHTS, .in_place = -1, .offer = offer, .run = weights_run};
