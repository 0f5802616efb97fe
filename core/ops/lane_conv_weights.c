/* Owns the gradient of the hand-written convolution's weights (groups = 1) and of its bias; must not know how the
 * input is padded.
 *
 *   gw[o][c][u][v] = sum over n, i, j of gy[n][o][i][j] x[n][c][i s + u d - p][j s + v d - p]
 *
 *          gy0  gy1      per output pixel: one vector of gy per output block, and the pixel's input channels x
 *   c0 ->  a00  a01      broadcast. The accumulators, a few channels by one or two blocks of one tap, stay in the
 *   c1 ->  a10  a11      registers over a chunk of pixels small enough for the first-level cache, which serves all
 *   ...                  taps in turn; then they are added to a sum in the order of the packed weights.
 *
 * Threads share the samples, each with sums of its own that are added up at the end in order; or, where the weights
 * are large, they share the pairs of channel blocks. Of a plain input (pictures) the channels of all taps make one
 * list.
 *
 * Rounding: as lane_conv.c's, the terms being the N H' W' places of the output. */
#include <assert.h>

#include "base/memory.h"
#include "base/parallel.h"
#include "ops/lane_bias.h"
#include "ops/lane_conv_source.h"
#include "ops/lane_parts.h"

#if LANE_LEVEL == LANE_avx512
#define PAIR    2  /* output blocks of an accumulator tile at most */
#define IN_ONE  16 /* input channels of a tile of one block */
#define IN_TWO  8  /* of two */
#define IN_LIST 8  /* of a plain input */
#elif LANE_LEVEL == LANE_avx2
#define PAIR    2
#define IN_ONE  8
#define IN_TWO  4
#define IN_LIST 4
#else
#define PAIR    1
#define IN_ONE  4
#define IN_TWO  4
#define IN_LIST 4
#endif
#define CHUNK_BYTES (28 << 10) /* of x and gy together: most of a first-level cache */
#define SMALL_BYTES (1 << 20)  /* weights of which every thread may have sums of its own */

typedef struct weights {
    conv_source source;
    lane_view y; /* of gy */
    int64_t n_taps;
    int64_t *offsets; /* of the taps; of a plain input, of every (channel, tap) */
    int64_t kh, kw;
    bool flip;
    int64_t pairs, columns; /* grid of work: pairs of output blocks x input blocks (1 for a plain input) */
    int64_t groups, strips;
    int64_t chunk; /* rows of a chunk; with whole maps, `together` samples of them */
    int64_t together;
    int64_t n_shares, b_shares; /* of the samples' copies, of the grid */
    size_t sum_bytes, copy_bytes, norm_at, bias_at, copies_at;
    int threads;
} weights;

/* ---- the innermost loops
 * --------------------------------------------------------------------------------------------- */

typedef struct chunk {
    int64_t samples, rows, columns;
    int64_t x_sample, x_row, y_sample, y_row, y_block; /* floats */
} chunk;

/* Adds to sum [channel][block][lane] for `channels` channels, at x[0 ...] of a pixel or (list) at x + list[];
 * `unit` floats from pixel to pixel. */
LANE_INLINE void accumulate(int blocks, int channels, int64_t unit, const chunk *k, const float *x,
                            const int64_t *list, const float *gy, float *sum, int64_t kept)
{
    lane a[2][16];
#define BEGIN(i) a[0][i] = a[1][i] = (lane){0}
    LANE_EACH(channels, BEGIN);
    for (int64_t n = 0; n < k->samples; n++)
        for (int64_t r = 0; r < k->rows; r++) {
            const float *px = x + n * k->x_sample + r * k->x_row, *g = gy + n * k->y_sample + r * k->y_row;
            const float *at[16];
#define AIM(i) at[i] = list ? px + list[i] : px + i
            LANE_EACH(channels, AIM);
            for (int64_t q = 0; q < k->columns; q++, g += LANES) {
                lane g0 = lane_load(g), g1 = blocks > 1 ? lane_load(g + k->y_block) : g0;
#define STEP(i)                                                \
    lane value = lane_all(list ? at[i][q] : px[q * unit + i]); \
    a[0][i] = lane_fma(value, g0, a[0][i]);                    \
    if (blocks > 1) a[1][i] = lane_fma(value, g1, a[1][i])
                LANE_EACH(channels, STEP);
            }
        }
#define FINISH(i)                                          \
    float *to = sum + i * blocks * LANES;                  \
    if (i < kept) lane_store(to, lane_load(to) + a[0][i]); \
    if (i < kept && blocks > 1) lane_store(to + LANES, lane_load(to + LANES) + a[1][i])
    LANE_EACH(channels, FINISH);
}

static void tap_one(const chunk *k, const float *x, const float *gy, float *sum, int64_t kept)
{
    accumulate(1, IN_ONE, LANES, k, x, NULL, gy, sum, kept);
}

static void list_one(const chunk *k, const float *x, const int64_t *list, const float *gy, float *sum,
                     int64_t kept)
{
    accumulate(1, IN_LIST, 1, k, x, list, gy, sum, kept);
}

#if PAIR > 1
static void tap_two(const chunk *k, const float *x, const float *gy, float *sum, int64_t kept)
{
    accumulate(2, IN_TWO, LANES, k, x, NULL, gy, sum, kept);
}

static void list_two(const chunk *k, const float *x, const int64_t *list, const float *gy, float *sum,
                     int64_t kept)
{
    accumulate(2, IN_LIST, 1, k, x, list, gy, sum, kept);
}
#else
#define tap_two  tap_one
#define list_two list_one
#endif

/* ---- planning
 * -------------------------------------------------------------------------------------------------------- */

static size_t aligned(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

static void weights_free(void *state)
{
    weights *k = state;
    if (!k) return;
    mem_free(k->offsets);
    mem_free(k);
}

static void plan_offsets(weights *k, const cvy_conv_attr *a)
{
    int64_t lists = k->source.unit == 1 ? k->source.c : 1;
    k->offsets = mem_array((size_t)(lists * k->n_taps), sizeof *k->offsets);
    int64_t *at = k->offsets;
    for (int64_t c = 0; c < lists; c++)
        for (int64_t u = 0; u < k->kh; u++)
            for (int64_t v = 0; v < k->kw; v++)
                *at++ = c * k->source.block + LANE(conv_source_tap)(&k->source,
                                                                    u * a->dilation[0] - a->padding[0],
                                                                    v * a->dilation[1] - a->padding[1]);
}

static void plan_shares(weights *k, int threads)
{
    int64_t copies = k->groups * k->strips, grid = k->pairs * k->columns;
    if (k->sum_bytes <= SMALL_BYTES) {
        k->n_shares = copies < threads ? copies : threads;
        k->b_shares = (threads + k->n_shares - 1) / k->n_shares;
        if (k->b_shares > grid) k->b_shares = grid;
    } else {
        k->b_shares = grid < threads ? grid : threads;
        k->n_shares = (threads + k->b_shares - 1) / k->b_shares;
        if (k->n_shares > copies) k->n_shares = copies;
    }
}

static void plan_chunks(weights *k)
{
    const conv_source *s = &k->source;
    int64_t x_row = s->step[0] * s->row * (s->unit == 1 ? s->blocks : 1), y_row = k->y.w * LANES * PAIR;
    int64_t bytes = (x_row + y_row) * (int64_t)sizeof(float);
    int64_t rows = CHUNK_BYTES / bytes > 1 ? CHUNK_BYTES / bytes : 1;
    k->chunk = rows < s->strip ? rows : s->strip;
    k->together = k->chunk == k->y.h && rows / k->y.h > 1 ? rows / k->y.h : 1;
}

static cvy_status weights_prepare(const op *o, const machine *m, kernel_plan *plan, errors *e)
{
    (void)e;
    const cvy_conv_attr *a = &o->attr.conv;
    const int64_t *w = o->out[0].shape.dim;
    weights *k = mem_alloc(sizeof *k);
    k->y = lane_view_of(&o->in[1]);
    k->kh = w[2];
    k->kw = w[3];
    k->n_taps = w[2] * w[3];
    k->flip = a->flip != 0;
    int64_t least[2], most[2];
    for (int d = 0; d < 2; d++) {
        least[d] = -a->padding[d];
        most[d] = (w[2 + d] - 1) * a->dilation[d] - a->padding[d];
    }
    k->source = LANE(conv_source_of)(&o->in[0], a->stride, least, most, k->y.h, k->y.w, m->l2_bytes / 2, 1,
                                     o->attr.through.stats != 0);
    const conv_source *s = &k->source;
    plan_offsets(k, a);
    k->groups = (s->n + s->group - 1) / s->group;
    k->strips = (k->y.h + s->strip - 1) / s->strip;
    k->pairs = (k->y.blocks + PAIR - 1) / PAIR;
    k->columns = s->unit == 1 ? 1 : s->blocks;
    k->sum_bytes = aligned((size_t)(k->y.blocks * LANES * s->c * k->n_taps) * sizeof(float));
    k->threads = m->threads;
    plan_shares(k, m->threads);
    plan_chunks(k);
    const lane_view x = lane_view_of(&o->in[0]);
    k->norm_at = (size_t)k->n_shares * k->sum_bytes;
    k->bias_at = k->norm_at + lane_norm_bytes(o, &x);
    k->copies_at = k->bias_at;
    if (o->n_out > 1) k->copies_at += aligned(lane_bias_bytes(&k->y));
    k->copy_bytes = aligned(LANE(conv_source_bytes)(s));
    *plan = (kernel_plan){.state = k, .scratch = k->copies_at + (size_t)m->threads * k->copy_bytes};
    return CVY_OK;
}

/* ---- running
 * ---------------------------------------------------------------------------------------------------------
 */

typedef struct weights_job {
    const weights *k;
    const float *x, *gy;
    float *gw, *sums;
    lane_norm norm;
    char *copies;
} weights_job;

/* Where the sums of a pair of output blocks and an input block begin. */
static int64_t sum_at(const weights *k, int64_t pair, int64_t column)
{
    int64_t block = pair * PAIR, blocks = k->y.blocks - block < PAIR ? k->y.blocks - block : PAIR;
    return (block * k->source.c + column * LANES * blocks) * k->n_taps * LANES;
}

/* All taps and channels of one input block over one chunk. */
static void run_chunk(const weights *k, const chunk *c, const float *x, const float *gy, float *sum,
                      int blocks, int64_t column)
{
    const conv_source *s = &k->source;
    if (s->unit == 1) {
        int64_t all = s->c * k->n_taps;
        for (int64_t i = 0; i < all; i += IN_LIST) {
            int64_t list[IN_LIST], kept = all - i < IN_LIST ? all - i : IN_LIST;
            for (int64_t l = 0; l < IN_LIST; l++) list[l] = k->offsets[i + (l < kept ? l : 0)];
            (blocks > 1 ? list_two : list_one)(c, x, list, gy, sum + i * blocks * LANES, kept);
        }
        return;
    }
    int64_t channels = s->c - column * LANES < LANES ? s->c - column * LANES : LANES;
    int64_t each = blocks > 1 ? IN_TWO : IN_ONE;
    for (int64_t t = 0; t < k->n_taps; t++)
        for (int64_t i = 0; i < channels; i += each) {
            int64_t kept = channels - i < each ? channels - i : each;
            float *to = sum + (t * channels + i) * blocks * LANES;
            (blocks > 1 ? tap_two : tap_one)(c, x + k->offsets[t] + i, gy, to, kept);
        }
}

/* One copy's worth of samples and rows for grid cells [first, last). */
static void run_copy(const weights_job *j, int64_t copy_index, int64_t first, int64_t last, float *sums,
                     float *copy)
{
    const weights *k = j->k;
    const conv_source *s = &k->source;
    int64_t group = copy_index / k->strips, strip = copy_index % k->strips;
    int64_t n0 = group * s->group, samples = s->n - n0 < s->group ? s->n - n0 : s->group;
    int64_t r0 = strip * s->strip, rows = k->y.h - r0 < s->strip ? k->y.h - r0 : s->strip;
    int64_t b0 = first / k->pairs, b1 = (last - 1) / k->pairs + 1;
    if (s->unit == 1) b0 = 0, b1 = s->blocks;
    const float *x = LANE(conv_source_fill)(s, j->x, copy, n0, samples, r0, rows, b0, b1, &j->norm);
    chunk c = {.columns = k->y.w,
               .x_sample = s->sample,
               .x_row = s->step[0] * s->row,
               .y_sample = k->y.sample,
               .y_row = k->y.w * LANES,
               .y_block = k->y.plane};
    for (int64_t cell = first; cell < last; cell++) {
        int64_t column = cell / k->pairs, pair = cell % k->pairs, block = pair * PAIR;
        int blocks = k->y.blocks - block < PAIR ? (int)(k->y.blocks - block) : PAIR;
        const float *gy = j->gy + n0 * k->y.sample + block * k->y.plane + r0 * c.y_row;
        float *sum = sums + sum_at(k, pair, column);
        for (int64_t n = 0; n < samples; n += k->together)
            for (int64_t r = 0; r < rows; r += k->chunk) {
                c.samples = samples - n < k->together ? samples - n : k->together;
                c.rows = rows - r < k->chunk ? rows - r : k->chunk;
                run_chunk(k, &c, x + n * c.x_sample + column * s->block + r * c.x_row,
                          gy + n * c.y_sample + r * c.y_row, sum, blocks, column);
            }
    }
}

static void share_part(void *ctx, int64_t begin, int64_t end, int thread)
{
    const weights_job *j = ctx;
    const weights *k = j->k;
    assert(thread < k->threads);
    float *copy = (float *)(void *)(j->copies + (size_t)thread * k->copy_bytes);
    LANE(conv_source_clear)(&k->source, copy);
    int64_t grid = k->pairs * k->columns, copies = k->groups * k->strips;
    for (int64_t share = begin; share < end; share++) {
        int64_t n = share / k->b_shares, b = share % k->b_shares;
        int64_t first = grid * b / k->b_shares, last = grid * (b + 1) / k->b_shares;
        float *sums = j->sums + (size_t)n * k->sum_bytes / sizeof(float);
        for (int64_t cell = first; cell < last; cell++) {
            int64_t column = cell / k->pairs, pair = cell % k->pairs;
            int64_t blocks = k->y.blocks - pair * PAIR < PAIR ? k->y.blocks - pair * PAIR : PAIR;
            int64_t channels = k->source.unit == 1                    ? k->source.c
                               : k->source.c - column * LANES < LANES ? k->source.c - column * LANES
                                                                      : LANES;
            memset(sums + sum_at(k, pair, column), 0,
                   (size_t)(channels * k->n_taps * blocks * LANES) * sizeof *sums);
        }
        for (int64_t i = copies * n / k->n_shares; i < copies * (n + 1) / k->n_shares; i++)
            run_copy(j, i, first, last, sums, copy);
    }
}

/* Adds the shares up and puts the weights back into their plain order. */
static void merge_part(void *ctx, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const weights_job *j = ctx;
    const weights *k = j->k;
    int64_t unit = k->source.unit, channels = k->source.c;
    for (int64_t o = begin; o < end; o++) {
        int64_t block = o / LANES, pair = block / PAIR, blocks = k->y.blocks - pair * PAIR;
        if (blocks > PAIR) blocks = PAIR;
        const float *from = j->sums + sum_at(k, pair, 0) + block % PAIR * LANES + o % LANES;
        for (int64_t c0 = 0; c0 < channels; c0 += unit)
            for (int64_t t = 0; t < k->n_taps; t++)
                for (int64_t c = c0; c < c0 + unit && c < channels; c++, from += blocks * LANES) {
                    float sum = from[0];
                    for (int64_t n = 1; n < k->n_shares; n++)
                        sum += from[(size_t)n * k->sum_bytes / sizeof *from];
                    j->gw[(o * channels + c) * k->n_taps + (k->flip ? k->n_taps - 1 - t : t)] = sum;
                }
    }
}

static void weights_run(const op *o, void *state, const kernel_args *a)
{
    const weights *k = state;
    char *at = a->scratch;
    weights_job j = {.k = k,
                     .x = a->in[0],
                     .gy = a->in[1],
                     .gw = a->out[0],
                     .sums = a->scratch,
                     .copies = at + k->copies_at};
    const lane_view x = lane_view_of(&o->in[0]);
    j.norm = lane_norm_of(o, a, &x, at + k->norm_at);
    if (j.gw) {
        parallel_for(k->n_shares * k->b_shares, 1, share_part, &j);
        parallel_for(k->y.c, 1, merge_part, &j);
    }
    if (o->n_out > 1 && a->out[1])
        LANE(lane_bias_sums)(&k->y, j.gy, (double *)(void *)(at + k->bias_at), a->out[1]);
}

/* ---- the kernel
 * ------------------------------------------------------------------------------------------------------ */

static double offer(const op *o, const machine *m, int k, layout *in, layout *out)
{
    if (k > 1 || o->attr.conv.groups != 1) return -1;
    int64_t channels = o->in[0].shape.dim[1], outputs = o->in[1].shape.dim[1];
    if (k == 1 && channels > 4) return -1; /* a plain input is worth it for pictures only */
    for (int i = 0; i < o->n_out; i++) out[i] = LAYOUT_PLAIN;
    in[0] = k == 0 ? LANE_LAYOUT : LAYOUT_PLAIN;
    in[1] = LANE_LAYOUT;
    double efficiency = outputs <= LANES ? 0.72 : 0.8;
    if (k == 0) efficiency *= (double)channels / (double)((channels + IN_TWO - 1) / IN_TWO * IN_TWO);
    if (k == 1) efficiency *= 0.75;
    return lane_parts_cost(o, m, in, out, efficiency * lane_parts_filled(outputs));
}

const kernel LANE(lane_conv_bwd_weights) = {.name = "lanes",
                                            .type = OP_CONV_BWD_WEIGHTS,
                                            .in_place = -1,
                                            .through = true,
                                            .offer = offer,
                                            .prepare = weights_prepare,
                                            .run = weights_run,
                                            .release = weights_free};
