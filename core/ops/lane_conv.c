/* Owns the hand-written direct convolution on the blocked layout, forward and backward to the data (groups =
 * 1); must not know the innermost loops, nor how the input is padded.
 *
 * Both directions are the same sum: output place (r, q) gathers input values at tap offsets, times packed weights.
 *
 *   forward    y[o] at (r, q):   taps (u d - p, v d - p) of x at (r s, q s)
 *   backward   gx[c] at (r s + a, q s + b), one pass per phase (a, b): the taps u with u d = a + p modulo s reach
 *              gy at (r + (a + p - u d) / s, ...), so no zeros are ever multiplied
 *
 * Per pass the weights lie in the order of use:
 *   [pair of output blocks][input block][tap][input lane][output block of the pair][output lane]
 *
 * A unit of work is a strip of rows of one sample (or several whole small maps), copied with its padding into the
 * second-level cache and then read by all output channels.
 *
 * Where things are while a unit is computed:
 *
 *   registers   a tile of 1 or 2 output blocks by up to 16 pixels of a row, over all input channels and taps
 *   first level the rows under the tile and the weights of one input block, used again by the row's next tiles
 *   second      the unit's copy of x, at most half of it, read once by each pair of output blocks
 *
 *   x, y   [N][C/b][H][W][b]      copy   [sample of the group][C/b][row of the strip][column][b], zeros around
 *
 * Parallel are the units and, where these are few, shares of their output blocks: a thread owns all outputs that it
 * writes, and no sum is ever split between threads.
 *
 * Rounding: a sum of k = C Kh Kw products (and the bias) one after another, within gamma_k sum |x w|, gamma_k = k u /
 * (1 - k u), u = 2^-24; tests/ops/test_family.c holds it to this, and its rms to 0.6 u sqrt(k) rms sqrt(y^2 + sum (x w)^2). */
#include <assert.h>

#include "base/memory.h"
#include "base/parallel.h"
#include "ops/lane_conv_source.h"
#include "ops/lane_conv_tile.h"
#include "ops/lane_moments.h"
#include "ops/lane_parts.h"

typedef struct pass {
    int64_t rows, columns; /* outputs */
    int64_t origin[2];     /* output place (r, q) is pixel r * spread + origin */
    int64_t first;         /* its taps in state.taps: a grid of taps[0] x taps[1] */
    int64_t taps[2];
    int64_t weights; /* its weights in what is packed */
} pass;

typedef struct tap {
    int64_t u, v, row, column; /* place in the kernel as stored in w; offset in the input */
} tap;

typedef struct conv {
    conv_source source;
    lane_view y;       /* the output's view */
    int64_t spread[2]; /* pixels between neighbouring output places of a pass */
    int64_t n_passes, n_taps;
    pass *passes;
    tap *taps;
    int64_t *offsets; /* of the taps, floats */
    int64_t splits;   /* shares of the output blocks of a unit, for when units are few */
    int64_t groups, strips, pairs;
    size_t norm_at, moments_at, copies_at, copy_bytes; /* scratch */
    int threads;
} conv;

static size_t aligned(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

/* ---- planning ---- */

static void conv_free(void *state)
{
    conv *k = state;
    if (!k) return;
    mem_free(k->passes);
    mem_free(k->taps);
    mem_free(k->offsets);
    mem_free(k);
}

static tap tap_of(const cvy_conv_attr *a, const int64_t *w, int64_t u, int64_t v)
{
    return (tap){a->flip ? w[2] - 1 - u : u, a->flip ? w[3] - 1 - v : v, 0, 0};
}

static void plan_forward(conv *k, const cvy_conv_attr *a, const int64_t *w)
{
    k->n_passes = 1;
    k->passes = mem_array(1, sizeof *k->passes);
    k->passes[0] = (pass){.rows = k->y.h, .columns = k->y.w, .taps = {w[2], w[3]}};
    k->spread[0] = k->spread[1] = 1;
    for (int64_t u = 0; u < w[2]; u++)
        for (int64_t v = 0; v < w[3]; v++) {
            tap t = tap_of(a, w, u, v);
            t.row = u * a->dilation[0] - a->padding[0];
            t.column = v * a->dilation[1] - a->padding[1];
            k->taps[k->n_taps++] = t;
        }
}

static void plan_backward(conv *k, const cvy_conv_attr *a, const int64_t *w)
{
    const int64_t *s = a->stride, *d = a->dilation, *p = a->padding;
    int64_t phases[2] = {s[0] < k->y.h ? s[0] : k->y.h, s[1] < k->y.w ? s[1] : k->y.w};
    k->passes = mem_array((size_t)(phases[0] * phases[1]), sizeof *k->passes);
    k->spread[0] = s[0];
    k->spread[1] = s[1];
    for (int64_t i = 0; i < phases[0]; i++)
        for (int64_t j = 0; j < phases[1]; j++) {
            pass *at = &k->passes[k->n_passes++];
            *at = (pass){.rows = (k->y.h - i + s[0] - 1) / s[0],
                         .columns = (k->y.w - j + s[1] - 1) / s[1],
                         .origin = {i, j},
                         .first = k->n_taps};
            for (int64_t u = 0; u < w[2]; u++) {
                int64_t row = i + p[0] - u * d[0];
                if (row % s[0] != 0) continue;
                at->taps[0]++;
                at->taps[1] = 0;
                for (int64_t v = 0; v < w[3]; v++) {
                    int64_t column = j + p[1] - v * d[1];
                    if (column % s[1] != 0) continue;
                    at->taps[1]++;
                    tap t = tap_of(a, w, u, v);
                    t.row = row / s[0];
                    t.column = column / s[1];
                    k->taps[k->n_taps++] = t;
                }
            }
            if (!at->taps[1]) at->taps[0] = 0; /* a grid without columns has no rows: zeros are written */
        }
}

static int64_t tap_count(const pass *p)
{
    return p->taps[0] * p->taps[1];
}

static void least_and_most(const conv *k, int64_t least[2], int64_t most[2])
{
    for (int64_t i = 0; i < k->n_taps; i++) {
        int64_t offset[2] = {k->taps[i].row, k->taps[i].column};
        for (int d = 0; d < 2; d++) {
            if (i == 0 || offset[d] < least[d]) least[d] = offset[d];
            if (i == 0 || offset[d] > most[d]) most[d] = offset[d];
        }
    }
}

/* A row of so few columns that tiles of it would leave the multipliers waiting for their own results. */
static bool narrow(const pass *p)
{
    return 4 * p->columns < 3 * TILE_LIST;
}

/* x: what is read, y: what is written, w: the weights' shape. */
static cvy_status conv_prepare(const op *o, const machine *m, const tensor *x, const tensor *y,
                               const int64_t *w, bool backward, bool stats, size_t through, kernel_plan *plan)
{
    const cvy_conv_attr *a = &o->attr.conv;
    conv *k = mem_alloc(sizeof *k);
    k->y = lane_view_of(y);
    k->taps = mem_array((size_t)(w[2] * w[3]), sizeof *k->taps);
    k->offsets = mem_array((size_t)(w[2] * w[3]), sizeof *k->offsets);
    if (backward)
        plan_backward(k, a, w);
    else
        plan_forward(k, a, w);
    int64_t least[2] = {0, 0}, most[2] = {0, 0}, one[2] = {1, 1};
    least_and_most(k, least, most);
    /* Pass 0 is the largest. */
    k->source = LANE(conv_source_of)(x, backward ? one : a->stride, least, most, k->passes[0].rows,
                                     k->passes[0].columns, m->l2_bytes / 2,
                                     narrow(&k->passes[0]) ? TILE_LIST : 1, through > 0);
    for (int64_t i = 0; i < k->n_taps; i++)
        k->offsets[i] = LANE(conv_source_tap)(&k->source, k->taps[i].row, k->taps[i].column);
    const conv_source *s = &k->source;
    k->groups = (s->n + s->group - 1) / s->group;
    k->strips = (k->passes[0].rows + s->strip - 1) / s->strip;
    k->pairs = (k->y.blocks + TILE_BLOCKS - 1) / TILE_BLOCKS;
    int64_t wanted = 2 * m->threads, units = k->groups * k->strips;
    k->splits = units >= wanted ? 1 : (wanted + units - 1) / units;
    if (k->splits > k->pairs) k->splits = k->pairs;

    for (int64_t i = 0, at = 0; i < k->n_passes; i++) {
        k->passes[i].weights = at;
        at += k->y.blocks * LANES * s->c * tap_count(&k->passes[i]);
    }
    k->threads = m->threads;
    k->copy_bytes = aligned(LANE(conv_source_bytes)(s));
    k->norm_at = aligned((size_t)(k->y.blocks * LANES) * sizeof(float));
    k->moments_at = k->norm_at + through;
    k->copies_at = k->moments_at;
    if (stats) k->copies_at += aligned((size_t)(k->groups * k->strips * k->y.blocks) * sizeof(moments));
    *plan = (kernel_plan){k, k->copies_at + (size_t)m->threads * k->copy_bytes,
                          (size_t)(k->y.blocks * LANES * s->c * k->n_taps) * sizeof(float)};
    return CVY_OK;
}

/* ---- packing ---- */

typedef struct pack_job {
    const conv *k;
    const float *w;
    float *to;
    int64_t in_step, out_step,
        kw; /* floats of w between input channels, between output channels; kernel columns */
} pack_job;

static void pack_part(void *ctx, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const pack_job *j = ctx;
    const conv *k = j->k;
    int64_t channels = k->source.c;
    for (int64_t pair = begin; pair < end; pair++)
        for (int64_t i = 0; i < k->n_passes; i++) {
            const pass *p = &k->passes[i];
            int64_t first = pair * TILE_BLOCKS,
                    blocks = k->y.blocks - first < TILE_BLOCKS ? k->y.blocks - first : TILE_BLOCKS;
            float *to = j->to + p->weights + first * LANES * channels * tap_count(p);
            for (int64_t c0 = 0; c0 < channels; c0 += k->source.unit)
                for (int64_t t = p->first; t < p->first + tap_count(p); t++)
                    for (int64_t c = c0; c < c0 + k->source.unit && c < channels; c++) {
                        const float *w = j->w + c * j->in_step + k->taps[t].u * j->kw + k->taps[t].v;
                        for (int64_t o = first * LANES; o < (first + blocks) * LANES; o++)
                            *to++ = o < k->y.c ? w[o * j->out_step] : 0;
                    }
        }
}

static void forward_pack(const op *o, void *state, const float *w, void *packed, void *scratch)
{
    (void)scratch;
    const int64_t *d = o->in[1].shape.dim;
    pack_job j = {state, w, packed, d[2] * d[3], d[1] * d[2] * d[3], d[3]};
    parallel_for(j.k->pairs, 1, pack_part, &j);
}

static void backward_pack(const op *o, void *state, const float *w, void *packed, void *scratch)
{
    (void)scratch;
    const int64_t *d = o->in[1].shape.dim;
    pack_job j = {state, w, packed, d[1] * d[2] * d[3], d[2] * d[3], d[3]};
    parallel_for(j.k->pairs, 1, pack_part, &j);
}

/* ---- running ---- */

typedef struct conv_job {
    const conv *k;
    const float *x, *weights, *bias;
    float *y, *stats;
    lane_norm norm;
    moments *partial; /* [group][strip][block]; NULL when not wanted */
    char *copies;
} conv_job;

/* What one call of one pass works on: rows [r0, r1) of `samples` samples, whose places begin at x. */
typedef struct span {
    const float *x;
    float *y; /* of the first sample and the pair's first block */
    int64_t samples, r0, r1;
} span;

/* The taps of which the input of an output row or column lies on the map. */
static void valid_taps(const conv *k, const pass *p, int64_t output, int dimension, int64_t range[2])
{
    const conv_source *s = &k->source;
    int64_t extent = dimension ? s->w : s->h;
    range[0] = range[1] = 0;
    for (int64_t i = 0; i < p->taps[dimension];
         i++) { /* offsets rise or fall along the grid: one stretch is valid */
        const tap *t = &k->taps[p->first + (dimension ? i : i * p->taps[1])];
        int64_t at = output * s->step[dimension] + (dimension ? t->column : t->row);
        if (at < 0 || at >= extent) continue;
        if (range[1] == 0) range[0] = i;
        range[1] = i + 1;
    }
}

static void run_rows(const conv *k, const pass *p, tile *t, int blocks, const span *s)
{
    int64_t most = blocks > 1 ? TILE_TWO : TILE_ONE, tiles = (p->columns + most - 1) / most;
    int64_t x_step = k->source.step[0] * k->source.row, y_row = k->y.w * LANES;
    bool plain = k->source.unit == 1;
    for (int64_t r = s->r0; r < s->r1; r++) {
        valid_taps(k, p, r, 0, t->u);
        for (int64_t n = 0; n < s->samples; n++) {
            const float *x = s->x + n * k->source.sample + (r - s->r0) * x_step;
            float *y =
                s->y + n * k->y.sample + (r * k->spread[0] + p->origin[0]) * y_row + p->origin[1] * LANES;
            for (int64_t i = 0, q = 0; i < tiles; i++) { /* tiles as equal as can be */
                int64_t end = p->columns * (i + 1) / tiles;
                LANE(tile_row)(blocks, (int)(end - q), plain)(t, x + q * k->source.unit, y + q * t->y_step);
                q = end;
            }
        }
    }
}

/* Narrow maps: a tile is one place of several samples, so that taps on padding are left out. On a map of 4 x
 * 4 they are a third of a 3 x 3 kernel's. */
static void run_places(const conv *k, const pass *p, tile *t, int blocks, const span *s, int64_t samples)
{
    int64_t x_step = k->source.step[0] * k->source.row, y_row = k->spread[0] * k->y.w * LANES;
    int64_t from[TILE_LIST], to[TILE_LIST];
    tile_list_fn *fn = LANE(tile_list)(blocks);
    for (int64_t n = 0; n < samples; n += TILE_LIST) {
        int64_t have = samples - n < TILE_LIST ? samples - n : TILE_LIST;
        for (int64_t i = 0; i < TILE_LIST; i++) {
            int64_t sample = n + (i < have ? i : 0); /* a tile is computed whole, whatever is kept of it */
            from[i] = sample * k->source.sample;
            to[i] = sample * k->y.sample;
        }
        for (int64_t r = s->r0; r < s->r1; r++) {
            valid_taps(k, p, r, 0, t->u);
            for (int64_t q = 0; q < p->columns; q++) {
                valid_taps(k, p, q, 1, t->v);
                float *y =
                    s->y + p->origin[0] * k->y.w * LANES + p->origin[1] * LANES + r * y_row + q * t->y_step;
                fn(t, s->x + (r - s->r0) * x_step + q * k->source.unit, from, y, to, have);
            }
        }
    }
}

/* The same for samples too few to fill a tile: pixels of several places share it, with all taps. */
static void run_list(const conv *k, const pass *p, tile *t, int blocks, const span *s, int64_t first)
{
    int64_t x_step = k->source.step[0] * k->source.row, y_row = k->spread[0] * k->y.w * LANES;
    int64_t from[TILE_LIST] = {0}, to[TILE_LIST] = {0}, have = 0;
    float *y = s->y + p->origin[0] * k->y.w * LANES + p->origin[1] * LANES;
    tile_list_fn *fn = LANE(tile_list)(blocks);
    for (int64_t n = first; n < s->samples; n++)
        for (int64_t r = s->r0; r < s->r1; r++)
            for (int64_t q = 0; q < p->columns; q++) {
                from[have] = n * k->source.sample + (r - s->r0) * x_step + q * k->source.unit;
                to[have] = n * k->y.sample + r * y_row + q * t->y_step;
                if (++have < TILE_LIST) continue;
                fn(t, s->x, from, y, to, have);
                have = 0;
            }
    if (have > 0)
        fn(t, s->x, from, y, to, have); /* the rest of from[] is of the tile before, or zero: valid */
}

static void run_pass(const conv *k, const pass *p, tile *t, int blocks, const span *s)
{
    t->u[1] = t->rows;
    t->v[1] = t->columns;
    if (!narrow(p)) {
        run_rows(k, p, t, blocks, s);
        return;
    }
    int64_t rest = s->samples % TILE_LIST, tiled = s->samples - (2 * rest < TILE_LIST ? rest : 0);
    if (tiled > 0) run_places(k, p, t, blocks, s, tiled);
    if (tiled == s->samples) return;
    t->u[0] = t->v[0] = 0;
    t->u[1] = t->rows;
    t->v[1] = t->columns;
    run_list(k, p, t, blocks, s, tiled);
}

static void run_unit(const conv_job *j, int64_t unit, char *copy)
{
    const conv *k = j->k;
    const conv_source *s = &k->source;
    int64_t share = unit % k->splits, strip = unit / k->splits % k->strips,
            group = unit / k->splits / k->strips;
    int64_t n0 = group * s->group, samples = s->n - n0 < s->group ? s->n - n0 : s->group;
    int64_t r0 = strip * s->strip,
            rows = k->passes[0].rows - r0 < s->strip ? k->passes[0].rows - r0 : s->strip;
    span at = {.samples = samples, .r0 = r0};
    at.x =
        LANE(conv_source_fill)(s, j->x, (float *)(void *)copy, n0, samples, r0, rows, 0, s->blocks, &j->norm);

    for (int64_t pair = k->pairs * share / k->splits; pair < k->pairs * (share + 1) / k->splits; pair++) {
        int64_t block = pair * TILE_BLOCKS;
        int blocks = k->y.blocks - block < TILE_BLOCKS ? (int)(k->y.blocks - block) : TILE_BLOCKS;
        at.y = j->y + n0 * k->y.sample + block * k->y.plane;
        for (int64_t i = 0; i < k->n_passes; i++) {
            const pass *p = &k->passes[i];
            tile t = {.w = j->weights + p->weights + block * LANES * s->c * tap_count(p),
                      .bias = j->bias ? j->bias + block * LANES : NULL,
                      .taps = k->offsets + p->first,
                      .rows = p->taps[0],
                      .columns = p->taps[1],
                      .unit = s->unit,
                      .blocks = s->blocks,
                      .last = s->c - (s->blocks - 1) * s->unit,
                      .pitch = s->block,
                      .y_step = k->spread[1] * LANES,
                      .y_block = k->y.plane};
            at.r1 = r0 + rows < p->rows ? r0 + rows : p->rows;
            run_pass(k, p, &t, blocks, &at);
        }
        for (int b = 0; j->partial && b < blocks; b++) { /* while these rows are in the cache */
            moments m = {0};
            moments_add(&m, at.y + b * k->y.plane + r0 * k->y.w * LANES, samples, k->y.sample, rows * k->y.w);
            j->partial[(group * k->strips + strip) * k->y.blocks + block + b] = m;
        }
    }
}

static void conv_part(void *ctx, int64_t begin, int64_t end, int thread)
{
    const conv_job *j = ctx;
    assert(thread < j->k->threads);
    char *copy = j->copies + (size_t)thread * j->k->copy_bytes;
    LANE(conv_source_clear)(&j->k->source, (float *)(void *)copy);
    for (int64_t unit = begin; unit < end; unit++) run_unit(j, unit, copy);
}

static void merge_part(void *ctx, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const conv_job *j = ctx;
    const conv *k = j->k;
    for (int64_t block = begin; block < end; block++) {
        moments m = {0};
        for (int64_t u = 0; u < k->groups * k->strips; u++)
            moments_merge(&m, &j->partial[u * k->y.blocks + block]);
        moments_write(&m, j->stats, k->y.c, block * LANES, lane_view_lanes(&k->y, block));
    }
}

/* through: x's view where it is normalised while it is read. */
static void conv_run(const op *o, const conv *k, const kernel_args *a, const float *bias, float *stats,
                     const lane_view *through)
{
    void *scratch = a->scratch;
    char *at = scratch;
    conv_job j = {.k = k,
                  .x = a->in[0],
                  .weights = a->packed,
                  .y = a->out[0],
                  .stats = stats,
                  .copies = at + k->copies_at};
    if (through) j.norm = lane_norm_of(o, a, through, at + k->norm_at);
    if (bias) {
        float *padded = scratch;
        for (int64_t c = 0; c < k->y.blocks * LANES; c++) padded[c] = c < k->y.c ? bias[c] : 0;
        j.bias = padded;
    }
    if (stats) j.partial = (moments *)(void *)(at + k->moments_at);
    parallel_for(k->groups * k->strips * k->splits, 1, conv_part, &j);
    if (stats) parallel_for(k->y.blocks, 4, merge_part, &j);
}

/* ---- the kernels ---- */

static cvy_status forward_prepare(const op *o, const machine *m, kernel_plan *plan, errors *e)
{
    (void)e;
    const lane_view x = lane_view_of(&o->in[0]);
    return conv_prepare(o, m, &o->in[0], &o->out[0], o->in[1].shape.dim, false, o->n_out > 1,
                        lane_norm_bytes(o, &x), plan);
}

static void forward_run(const op *o, void *state, const kernel_args *a)
{
    const lane_view x = lane_view_of(&o->in[0]);
    conv_run(o, state, a, op_conv_has_bias(o) ? a->in[2] : NULL, o->n_out > 1 ? a->out[1] : NULL,
             o->attr.through.stats ? &x : NULL);
}

static cvy_status backward_prepare(const op *o, const machine *m, kernel_plan *plan, errors *e)
{
    (void)e;
    return conv_prepare(o, m, &o->in[0], &o->out[0], o->in[1].shape.dim, true, false, 0, plan);
}

static void backward_run(const op *o, void *state, const kernel_args *a)
{
    (void)o;
    conv_run(o, state, a, NULL, NULL, NULL);
}

/* Measured over ResNet-20's and VGG's shapes with AVX-512 (one block of outputs: loads limit; a plain input:
 * a loop per channel and tap), as a share of the peak; multiplications with lanes beyond the output's
 * channels are lost. */
static double efficiency(int64_t channels_out, bool plain)
{
    bool single = channels_out <= LANES;
    return (plain ? (single ? 0.55 : 0.65) : (single ? 0.75 : 0.88)) * lane_parts_filled(channels_out);
}

static double forward_offer(const op *o, const machine *m, int k, layout *in, layout *out)
{
    if (k > 1 || o->attr.conv.groups != 1) return -1;
    for (int i = 0; i < o->n_in; i++) in[i] = LAYOUT_PLAIN;
    for (int i = 0; i < o->n_out; i++) out[i] = LAYOUT_PLAIN;
    out[0] = LANE_LAYOUT;
    if (k == 0) in[0] = LANE_LAYOUT;
    return lane_parts_cost(o, m, in, out, efficiency(o->out[0].shape.dim[1], k == 1));
}

static double backward_offer(const op *o, const machine *m, int k, layout *in, layout *out)
{
    if (k > 0 || o->attr.conv.groups != 1) return -1;
    in[0] = out[0] = LANE_LAYOUT;
    in[1] = LAYOUT_PLAIN;
    bool strided = o->attr.conv.stride[0] > 1 || o->attr.conv.stride[1] > 1;
    return lane_parts_cost(o, m, in, out, efficiency(o->out[0].shape.dim[1], false) * (strided ? 0.85 : 1));
}

const kernel LANE(lane_conv) = {.name = "lanes",
                                .type = OP_CONV,
                                .in_place = -1,
                                .through = true,
                                .offer = forward_offer,
                                .prepare = forward_prepare,
                                .pack = forward_pack,
                                .run = forward_run,
                                .release = conv_free};
const kernel LANE(lane_conv_bwd_data) = {.name = "lanes",
                                         .type = OP_CONV_BWD_DATA,
                                         .in_place = -1,
                                         .offer = backward_offer,
                                         .prepare = backward_prepare,
                                         .pack = backward_pack,
                                         .run = backward_run,
                                         .release = conv_free};
