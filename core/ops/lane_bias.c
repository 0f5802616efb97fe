/* Owns the bias of a channel and its gradient as vectors; must not know which operator's output it is added to.
 *
 * Every plane leaves its sum in scratch; a channel's are then added up in the order of the samples, so that they do not
 * depend on the thread count. Within a plane, a few pixels in float at a time, in double beyond.
 *
 * Rounding: forward one; a sum of n elements within gamma_min(n, 256) sum |x|, and one more for the result. */
#include "ops/lane_bias.h"

#include "base/parallel.h"
#include "ops/lane_parts.h"

#define CHUNK 256 /* vectors summed in float */

typedef struct bias_job {
    lane_view v;    /* of maps in blocks */
    int64_t c, row; /* of a plain tensor: channels, elements of a plane */
    const float *x, *bias;
    float *y;
    double *partial; /* per plane: a number, in blocks a vector */
} bias_job;

/* ---- forward ---- */

static void add_blocks(void *ctx, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const bias_job *j = ctx;
    for (int64_t at = begin; at < end; at++) { /* at = n * blocks + block */
        const int64_t block = at % j->v.blocks;
        const lane bias = lane_load_first(j->bias + block * LANES, lane_view_lanes(&j->v, block));
        const float *x = j->x + at * j->v.plane;
        float *y = j->y + at * j->v.plane;
        for (int64_t i = 0; i < j->v.plane; i += LANES) lane_store(y + i, lane_load(x + i) + bias);
    }
}

static void add_planes(void *ctx, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const bias_job *j = ctx;
    for (int64_t at = begin; at < end; at++) { /* at = n * C + c */
        const float bias = j->bias[at % j->c], *x = j->x + at * j->row;
        float *y = j->y + at * j->row;
        int64_t i = 0;
        for (; i + LANES <= j->row; i += LANES) lane_store(y + i, lane_load(x + i) + bias);
        for (; i < j->row; i++) y[i] = x[i] + bias;
    }
}

/* Elements of a channel's plane in a sample. */
static int64_t row_of(const tensor *t)
{
    return cvy_sample_count(&t->shape) / t->shape.dim[1];
}

static void add_run(const op *o, void *state, const kernel_args *a)
{
    (void)state;
    const tensor *t = &o->in[0];
    bias_job j = {.x = a->in[0], .bias = a->in[1], .y = a->out[0]};
    if (t->layout == LANE_LAYOUT) {
        j.v = lane_view_of(t);
        parallel_for(j.v.n * j.v.blocks, lane_parts_grain(j.v.pixels), add_blocks, &j);
        return;
    }
    j.c = t->shape.dim[1];
    j.row = row_of(t);
    parallel_for(t->shape.dim[0] * j.c, lane_parts_grain(j.row / LANES), add_planes, &j);
}

/* ---- backward ---- */

static void sum_blocks(void *ctx, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const bias_job *j = ctx;
    for (int64_t at = begin; at < end; at++) { /* at = n * blocks + block */
        const float *x = j->x + at * j->v.plane;
        double *to = j->partial + at * LANES;
        for (int l = 0; l < LANES; l++) to[l] = 0;
        for (int64_t i = 0; i < j->v.pixels; i += CHUNK) {
            lane s[2] = {{0}};
            int64_t end_of = j->v.pixels - i < CHUNK ? j->v.pixels : i + CHUNK, p = i;
            for (; p + 2 <= end_of; p += 2)
                for (int c = 0; c < 2; c++) s[c] += lane_load(x + (p + c) * LANES);
            if (p < end_of) s[0] += lane_load(x + p * LANES);
            s[0] += s[1];
            for (int l = 0; l < LANES; l++) to[l] += (double)s[0][l];
        }
    }
}

void LANE(lane_bias_sums)(const lane_view *v, const float *x, double *partial, float *sums)
{
    bias_job j = {.v = *v, .x = x, .partial = partial};
    parallel_for(v->n * v->blocks, lane_parts_grain(v->pixels), sum_blocks, &j);
    for (int64_t c = 0; c < v->c; c++) {
        double sum = 0;
        for (int64_t n = 0; n < v->n; n++) sum += partial[n * v->blocks * LANES + c];
        sums[c] = (float)sum;
    }
}

static void sum_planes(void *ctx, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const bias_job *j = ctx;
    for (int64_t at = begin; at < end; at++) { /* at = n * C + c */
        const float *x = j->x + at * j->row;
        double sum = 0;
        int64_t i = 0;
        while (i + LANES <= j->row) {
            const int64_t whole = j->row - i < CHUNK * LANES ? (j->row - i) / LANES * LANES : CHUNK * LANES;
            lane s = {0};
            for (const int64_t stop = i + whole; i < stop; i += LANES) s += lane_load(x + i);
            for (int l = 0; l < LANES; l++) sum += (double)s[l];
        }
        for (; i < j->row; i++) sum += (double)x[i];
        j->partial[at] = sum;
    }
}

static cvy_status backward_prepare(const op *o, const machine *m, kernel_plan *plan, errors *e)
{
    (void)m, (void)e;
    const tensor *t = &o->in[0];
    size_t bytes = (size_t)(t->shape.dim[0] * t->shape.dim[1]) * sizeof(double);
    if (t->layout == LANE_LAYOUT) {
        const lane_view v = lane_view_of(t);
        bytes = lane_bias_bytes(&v);
    }
    *plan = (kernel_plan){.scratch = bytes};
    return CVY_OK;
}

static void backward_run(const op *o, void *state, const kernel_args *a)
{
    (void)state;
    const tensor *t = &o->in[0];
    if (t->layout == LANE_LAYOUT) {
        const lane_view v = lane_view_of(t);
        LANE(lane_bias_sums)(&v, a->in[0], a->scratch, a->out[0]);
        return;
    }
    bias_job j = {.c = t->shape.dim[1], .row = row_of(t), .x = a->in[0], .partial = a->scratch};
    const int64_t batch = t->shape.dim[0];
    float *sums = a->out[0];
    parallel_for(batch * j.c, lane_parts_grain(j.row / LANES), sum_planes, &j);
    for (int64_t c = 0; c < j.c; c++) {
        double sum = 0;
        for (int64_t n = 0; n < batch; n++) sum += j.partial[n * j.c + c];
        sums[c] = (float)sum;
    }
}

/* ---- the kernels ---- */

/* Of (N, C) a plane is a single number: the reference does that as well. */
static double offer(const op *o, const machine *m, int k, layout *in, layout *out)
{
    const bool map = o->in[0].shape.rank == 4;
    if (o->in[0].shape.rank < 3 || k > map) return -1;
    return offer_uniform(o, m, map && k == 0 ? LANE_LAYOUT : LAYOUT_PLAIN, 1, in, out);
}

const kernel LANE(lane_bias) = {
    .name = "lanes", .type = OP_BIAS, .in_place = 0, .offer = offer, .run = add_run};
const kernel LANE(lane_bias_bwd) = {.name = "lanes",
                                    .type = OP_BIAS_BWD,
                                    .in_place = -1,
                                    .offer = offer,
                                    .prepare = backward_prepare,
                                    .run = backward_run};
