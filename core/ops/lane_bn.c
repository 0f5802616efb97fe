/* Owns batch normalisation on the blocked layout; must not know plain tensors.
 *
 *   (N, C/b, H, W, b)   a unit is a group of samples of one channel block:
 *
 *        block 0   block 1
 *   n=0 |~~~~~~~~|~~~~~~~~|    group 0     small maps: several samples, so that a unit is worth a chunk
 *   n=1 |~~~~~~~~|~~~~~~~~|                large maps: one sample
 *   n=2 |~~~~~~~~|~~~~~~~~|    group 1
 *
 * Every unit leaves its partial sums in scratch; one pass then merges a block's units in order, in double. So
 * the sums do not depend on the thread count. Formulas: Ioffe and Szegedy 2015; lane_moments.h for the
 * variance.
 *
 * Rounding, with u = 2^-24, gamma_k = k u / (1 - k u) and r = min(n, 256) + 2, n being the pixels of a channel: the mean
 * within 2 gamma_r mean |x|, the variance within gamma_(r+4) var + 8 gamma_r^2 mean x^2, what is applied within 8 u of its
 * terms' sizes (tests/ops/test_family.c). */
#include "base/parallel.h"
#include "ops/kernel.h"
#include "ops/lane_moments.h"
#include "ops/lane_norm.h"
#include "ops/lane_view.h"
#include "ops/lane_parts.h"

typedef struct units {
    lane_view v;
    int64_t group, groups; /* samples of a unit; units of a block */
} units;

static units units_of(const tensor *t)
{
    units u = {.v = lane_view_of(t)};
    u.group = u.v.pixels < MOMENTS_CHUNK ? MOMENTS_CHUNK / u.v.pixels : 1;
    u.groups = (u.v.n + u.group - 1) / u.group;
    return u;
}

/* Unit `at` counts groups slowest, so that threads walk memory forwards. */
static int64_t unit_samples(const units *u, int64_t at, int64_t *n, int64_t *block)
{
    *n = at / u->v.blocks * u->group;
    *block = at % u->v.blocks;
    return u->v.n - *n < u->group ? u->v.n - *n : u->group;
}

/* ---- statistics ---- */

typedef struct stats_job {
    units u;
    const float *x;
    float *stats;
    moments *partial; /* [unit] */
} stats_job;

static void stats_part(void *ctx, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const stats_job *j = ctx;
    for (int64_t at = begin; at < end; at++) {
        int64_t n, block, count = unit_samples(&j->u, at, &n, &block);
        moments m = {0};
        moments_add(&m, j->x + n * j->u.v.sample + block * j->u.v.plane, count, j->u.v.sample, j->u.v.pixels);
        j->partial[at] = m;
    }
}

static void stats_merge(void *ctx, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const stats_job *j = ctx;
    for (int64_t block = begin; block < end; block++) {
        moments m = {0};
        for (int64_t g = 0; g < j->u.groups; g++) moments_merge(&m, &j->partial[g * j->u.v.blocks + block]);
        moments_write(&m, j->stats, j->u.v.c, block * LANES, lane_view_lanes(&j->u.v, block));
    }
}

static cvy_status stats_prepare(const op *o, const machine *m, kernel_plan *plan, errors *e)
{
    (void)m, (void)e;
    units u = units_of(&o->in[0]);
    *plan = (kernel_plan){.scratch = (size_t)(u.groups * u.v.blocks) * sizeof(moments)};
    return CVY_OK;
}

static void stats_run(const op *o, void *state, const kernel_args *a)
{
    (void)state;
    stats_job j = {.u = units_of(&o->in[0]), .x = a->in[0], .stats = a->out[0], .partial = a->scratch};
    parallel_for(j.u.groups * j.u.v.blocks, 1, stats_part, &j);
    parallel_for(j.u.v.blocks, 4, stats_merge, &j);
}

/* ---- apply ---- */

typedef lane_bn_constants constants;

typedef struct apply_job {
    lane_view v;
    double eps;
    bool relu;
    const float *x, *stats, *gamma, *beta, *residual;
    float *y;
} apply_job;

LANE_INLINE void apply_plane(const float *x, const float *residual, float *y, int64_t pixels,
                             const constants *k, bool relu)
{
    constants c = *k;
    for (int64_t i = 0; i < pixels * LANES; i += LANES) {
        lane t = lane_fma(lane_load(x + i) - c.mean, c.scale, c.beta);
        if (residual) t += lane_load(residual + i);
        lane_store(y + i, relu ? lane_relu(t) : t);
    }
}

static void apply_part(void *ctx, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const apply_job *j = ctx;
    const lane_view *v = &j->v;
    for (int64_t at = end; at-- > begin;) { /* backwards: the end of x is what bn_stats left in the cache */
        constants k = lane_bn_constants_of(v, at % v->blocks, j->eps, j->stats, j->gamma, j->beta);
        const float *x = j->x + at * v->plane, *residual = j->residual ? j->residual + at * v->plane : NULL;
        float *y = j->y + at * v->plane;
        if (residual && j->relu)
            apply_plane(x, residual, y, v->pixels, &k, true);
        else if (residual)
            apply_plane(x, residual, y, v->pixels, &k, false);
        else if (j->relu)
            apply_plane(x, NULL, y, v->pixels, &k, true);
        else
            apply_plane(x, NULL, y, v->pixels, &k, false);
    }
}

static void apply_run(const op *o, void *state, const kernel_args *a)
{
    (void)state;
    apply_job j = {.v = lane_view_of(&o->in[0]),
                   .eps = o->attr.bn.eps,
                   .relu = o->attr.relu != 0,
                   .x = a->in[0],
                   .stats = a->in[1],
                   .gamma = a->in[2],
                   .beta = a->in[3],
                   .residual = o->n_in > 4 ? a->in[4] : NULL,
                   .y = a->out[0]};
    parallel_for(j.v.n * j.v.blocks, lane_parts_grain(j.v.pixels), apply_part, &j);
}

/* ---- backward ---- */

/* Sums of g and of g (x - mean), g being gy where relu let the value through. */
typedef struct sums {
    double g[LANES], product[LANES];
} sums;

typedef struct backward_job {
    units u;
    double eps;
    bool relu, fixed;
    const float *x, *gy, *stats, *gamma, *beta, *y;
    float *gx, *ggamma, *gbeta, *gresidual;
    sums *partial; /* [unit], then [block] in front */
} backward_job;

typedef enum mask { MASK_NONE, MASK_OF_Y, MASK_OF_X } mask;

LANE_INLINE lane masked(lane g, lane d, const float *y, mask how, const constants *k)
{
    if (how == MASK_OF_Y) return lane_gate(lane_load(y), g);
    if (how == MASK_OF_X) return lane_gate(lane_fma(d, k->scale, k->beta), g);
    return g;
}

/* One run of at most a chunk; writes the masked gradient when it is wanted, so that the second pass need not
 * read y. */
LANE_INLINE void reduce_run(const backward_job *j, sums *s, int64_t at, int64_t pixels, const constants *k,
                            mask how, bool keep)
{
    const float *x = j->x + at, *gy = j->gy + at, *y = how == MASK_OF_Y ? j->y + at : NULL;
    float *kept = keep ? j->gresidual + at : NULL;
    constants c = *k;
    lane sum[2] = {{0}}, product[2] = {{0}};
    int64_t i = 0;
    for (; i + 2 <= pixels; i += 2)
        for (int r = 0; r < 2; r++) {
            int64_t e = (i + r) * LANES;
            lane d = lane_load(x + e) - c.mean, g = masked(lane_load(gy + e), d, y + e, how, &c);
            sum[r] += g;
            product[r] = lane_fma(g, d, product[r]);
            if (keep) lane_store(kept + e, g);
        }
    for (; i < pixels; i++) {
        int64_t e = i * LANES;
        lane d = lane_load(x + e) - c.mean, g = masked(lane_load(gy + e), d, y + e, how, &c);
        sum[0] += g;
        product[0] = lane_fma(g, d, product[0]);
        if (keep) lane_store(kept + e, g);
    }
    sum[0] += sum[1];
    product[0] += product[1];
    for (int l = 0; l < LANES; l++) {
        s->g[l] += (double)sum[0][l];
        s->product[l] += (double)product[0][l];
    }
}

LANE_INLINE void reduce_unit(const backward_job *j, sums *s, int64_t n, int64_t count, int64_t block,
                             const constants *k, mask how, bool keep)
{
    const lane_view *v = &j->u.v;
    for (int64_t p = n; p < n + count; p++)
        for (int64_t i = 0; i < v->pixels; i += MOMENTS_CHUNK) {
            int64_t run = v->pixels - i < MOMENTS_CHUNK ? v->pixels - i : MOMENTS_CHUNK;
            reduce_run(j, s, p * v->sample + block * v->plane + i * LANES, run, k, how, keep);
        }
}

static void reduce_part(void *ctx, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const backward_job *j = ctx;
    bool keep = j->gresidual != NULL;
    for (int64_t at = begin; at < end; at++) {
        int64_t n, block, count = unit_samples(&j->u, at, &n, &block);
        constants k = lane_bn_constants_of(&j->u.v, block, j->eps, j->stats, j->gamma, j->beta);
        sums s = {{0}, {0}};
        if (!j->relu && keep)
            reduce_unit(j, &s, n, count, block, &k, MASK_NONE, true);
        else if (!j->relu)
            reduce_unit(j, &s, n, count, block, &k, MASK_NONE, false);
        else if (j->y && keep)
            reduce_unit(j, &s, n, count, block, &k, MASK_OF_Y, true);
        else if (j->y)
            reduce_unit(j, &s, n, count, block, &k, MASK_OF_Y, false);
        else if (keep)
            reduce_unit(j, &s, n, count, block, &k, MASK_OF_X, true);
        else
            reduce_unit(j, &s, n, count, block, &k, MASK_OF_X, false);
        j->partial[j->u.v.blocks + at] = s;
    }
}

static void reduce_merge(void *ctx, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const backward_job *j = ctx;
    const lane_view *v = &j->u.v;
    for (int64_t block = begin; block < end; block++) {
        sums s = {{0}, {0}};
        for (int64_t g = 0; g < j->u.groups; g++) {
            const sums *part = &j->partial[v->blocks + g * v->blocks + block];
            for (int l = 0; l < LANES; l++) {
                s.g[l] += part->g[l];
                s.product[l] += part->product[l];
            }
        }
        j->partial[block] = s;
        constants k = lane_bn_constants_of(v, block, j->eps, j->stats, j->gamma, j->beta);
        for (int64_t l = 0; l < lane_view_lanes(v, block); l++) {
            if (j->gbeta) j->gbeta[block * LANES + l] = (float)s.g[l];
            if (j->ggamma) j->ggamma[block * LANES + l] = (float)(s.product[l] * (double)k.inverse[l]);
        }
    }
}

/* gx = gamma inverse (g - sum(g) / m - (x - mean) inverse^2 sum(g (x - mean)) / m) */
LANE_INLINE void gradient_plane(const backward_job *j, int64_t at, const constants *k, lane shift, lane slope,
                                mask how)
{
    const float *x = j->x + at, *y = how == MASK_OF_Y ? j->y + at : NULL;
    const float *gy = (j->gresidual ? j->gresidual : j->gy) + at;
    float *gx = j->gx + at;
    constants c = *k;
    for (int64_t e = 0; e < j->u.v.plane; e += LANES) {
        lane d = lane_load(x + e) - c.mean, g = masked(lane_load(gy + e), d, y + e, how, &c);
        lane_store(gx + e, c.scale * lane_fma(d, slope, g - shift));
    }
}

static void gradient_part(void *ctx, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const backward_job *j = ctx;
    const lane_view *v = &j->u.v;
    double count = (double)(v->n * v->pixels);
    for (int64_t at = end; at-- > begin;) { /* backwards: what the first pass read last */
        int64_t block = at % v->blocks;
        constants k = lane_bn_constants_of(v, block, j->eps, j->stats, j->gamma, j->beta);
        const sums *s = &j->partial[block];
        lane shift = {0}, slope = {0};
        for (int l = 0; l < LANES && !j->fixed; l++) {
            shift[l] = (float)(s->g[l] / count);
            slope[l] = (float)(-s->product[l] * (double)k.inverse[l] * (double)k.inverse[l] / count);
        }
        if (j->gresidual || !j->relu)
            gradient_plane(j, at * v->plane, &k, shift, slope, MASK_NONE);
        else if (j->y)
            gradient_plane(j, at * v->plane, &k, shift, slope, MASK_OF_Y);
        else
            gradient_plane(j, at * v->plane, &k, shift, slope, MASK_OF_X);
    }
}

static cvy_status backward_prepare(const op *o, const machine *m, kernel_plan *plan, errors *e)
{
    (void)m, (void)e;
    units u = units_of(&o->in[0]);
    *plan = (kernel_plan){.scratch = (size_t)((u.groups + 1) * u.v.blocks) * sizeof(sums)};
    return CVY_OK;
}

static void backward_run(const op *o, void *state, const kernel_args *a)
{
    (void)state;
    backward_job j = {.u = units_of(&o->in[0]),
                      .eps = o->attr.bn.eps,
                      .relu = o->attr.relu != 0,
                      .fixed = o->attr.fixed != 0,
                      .x = a->in[0],
                      .gy = a->in[1],
                      .stats = a->in[2],
                      .gamma = a->in[3],
                      .beta = a->in[4],
                      .y = o->n_in > 5 ? a->in[5] : NULL,
                      .gx = a->out[0],
                      .ggamma = a->out[1],
                      .gbeta = a->out[2],
                      .gresidual = o->n_out > 3 ? a->out[3] : NULL,
                      .partial = a->scratch};
    if (!j.fixed || j.ggamma || j.gbeta || j.gresidual) { /* the sums are wanted, or the masked gradient is */
        parallel_for(j.u.groups * j.u.v.blocks, 1, reduce_part, &j);
        parallel_for(j.u.v.blocks, 4, reduce_merge, &j);
    }
    if (j.gx) parallel_for(j.u.v.n * j.u.v.blocks, lane_parts_grain(j.u.v.pixels), gradient_part, &j);
}

/* ---- the kernels ---- */

static double offer(const op *o, const machine *m, int k, layout *in, layout *out)
{
    return k > 0 ? -1 : offer_uniform(o, m, LANE_LAYOUT, 1, in, out);
}

static double backward_offer(const op *o, const machine *m, int k, layout *in, layout *out)
{
    return k > 0 ? -1 : offer_uniform(o, m, LANE_LAYOUT, 1.7, in, out);
}

const kernel LANE(lane_bn_stats) = {.name = "lanes",
                                    .type = OP_BN_STATS,
                                    .in_place = -1,
                                    .offer = offer,
                                    .prepare = stats_prepare,
                                    .run = stats_run};
const kernel LANE(lane_bn_apply) = {
    .name = "lanes", .type = OP_BN_APPLY, .in_place = 0, .offer = offer, .run = apply_run};
const kernel LANE(lane_bn_bwd) = {.name = "lanes",
                                  .type = OP_BN_BWD,
                                  .in_place = 1,
                                  .offer = backward_offer,
                                  .prepare = backward_prepare,
                                  .run = backward_run};
