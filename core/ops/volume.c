/* Owns 3-D convolution, forward and backward: volumes become maps of slices (volume_slices.h), a 2-D kernel computes
 * with them, and its result becomes volumes again; must not know how a 2-D convolution is computed.
 *
 *   forward    y  = close(conv(open(x), w))
 *   data       gx = fold(conv.bwd_data(own(gy), w))
 *   weights    gw = sum over pieces of conv.bwd_weights(open(x), own(gy))
 *
 * It goes through the batch in pieces of some samples, so that the maps, which hold each slice once per tap, stay in the
 * caches and no memory is kept for them beyond a call. Rounding is the 2-D kernel's, over C Kd Kh Kw terms, and in
 * fold a sum of Kd numbers more; sums over pieces are kept in double. */
#include "ops/volume.h"

#include <string.h>
#include "base/memory.h"
#include "base/parallel.h"
#include "ops/volume_slices.h"

/* A piece of the batch as a 2-D convolution. */
typedef struct piece {
    int64_t samples;
    op o;
    tensor in[3], out[2];
    const kernel *kernel;
    kernel_plan made;
    int64_t wide_block, narrow_block; /* channels of a block of the maps of either side */
    size_t packed_at;
} piece;

typedef struct volume {
    volume_slices wide, narrow; /* the wide side opened, the narrow side's own slices */
    int64_t samples;            /* of the batch */
    piece pieces[2];            /* as many samples as most pieces have; what is left over, or none */
    int64_t weights, biases;    /* of their gradients */
    size_t wide_at, narrow_at, rows_at, zeros_at, sums_at, gradients_at, made_at, bytes; /* scratch */
} volume;

static op_type flat_type(op_type t)
{
    return t == OP_CONV3D ? OP_CONV : t == OP_CONV3D_BWD_DATA ? OP_CONV_BWD_DATA : OP_CONV_BWD_WEIGHTS;
}

/* The operands wherever the pass has them. */
static const tensor *side_wide(const op *o)
{
    return o->type == OP_CONV3D_BWD_DATA ? &o->out[0] : &o->in[0];
}

static const tensor *side_narrow(const op *o)
{
    return o->type == OP_CONV3D ? &o->out[0] : o->type == OP_CONV3D_BWD_DATA ? &o->in[0] : &o->in[1];
}

static const tensor *side_weights(const op *o)
{
    return o->type == OP_CONV3D_BWD_WEIGHTS ? &o->out[0] : &o->in[1];
}

/* ---- planning ---- */

static void slices_of(const op *o, volume *v)
{
    const cvy_conv3d_attr *a = &o->attr.conv3d;
    const int64_t *x = side_wide(o)->shape.dim, *y = side_narrow(o)->shape.dim;
    v->samples = x[0];
    v->wide = (volume_slices){.channels = x[1],
                              .depth = x[2],
                              .plane = x[3] * x[4],
                              .places = y[2],
                              .taps = side_weights(o)->shape.dim[2],
                              .stride = a->stride[0],
                              .dilation = a->dilation[0],
                              .before = a->padding[0],
                              .flip = a->flip != 0};
    v->narrow = volume_slices_own(y[1], y[2], y[3] * y[4]);
}

/* The 2-D operator of `samples` samples, its layouts not yet set. */
static void piece_of(const op *o, const volume *v, int64_t samples, piece *p)
{
    const cvy_conv3d_attr *a = &o->attr.conv3d;
    const int64_t *x = side_wide(o)->shape.dim, *y = side_narrow(o)->shape.dim,
                  *k = side_weights(o)->shape.dim;
    *p = (piece){.samples = samples};
    cvy_shape wide = cvy_shape4(samples * v->wide.places, v->wide.channels * v->wide.taps, x[3], x[4]);
    cvy_shape narrow = cvy_shape4(samples * v->wide.places, y[1], y[3], y[4]);
    cvy_shape w = cvy_shape4(k[0], k[1] * k[2], k[3], k[4]), bias = cvy_shape1(y[1]);
    tensor tx = tensor_plain(&wide), ty = tensor_plain(&narrow), tw = tensor_plain(&w),
           tb = tensor_plain(&bias);
    p->o = (op){.type = flat_type(o->type), .n_in = o->n_in, .n_out = o->n_out, .in = p->in, .out = p->out};
    p->o.attr.transposed = o->attr.transposed;
    p->o.attr.conv = (cvy_conv_attr){.stride = {a->stride[1], a->stride[2]},
                                     .dilation = {a->dilation[1], a->dilation[2]},
                                     .padding = {a->padding[1], a->padding[2], a->padding[4], a->padding[5]},
                                     .groups = a->groups,
                                     .flip = a->flip};
    const bool weights = o->type == OP_CONV3D_BWD_WEIGHTS, data = o->type == OP_CONV3D_BWD_DATA;
    p->in[0] = data ? ty : tx;
    p->in[1] = weights ? ty : tw;
    p->in[2] = tb;
    p->out[0] = data ? tx : weights ? tw : ty;
    p->out[1] = tb;
}

typedef enum choice { BY_REFERENCE, BY_DIRECT, BY_LOOSE } choice;

/* The kernel and the layouts that take least time, into *p; the time, or -1 where there is none. */
static double piece_choose(piece *p, const machine *m, choice by)
{
    const kernel *reference[] = {kernel_reference(p->o.type), NULL};
    const kernel *const *k = by == BY_REFERENCE ? reference : kernels_of(p->o.type, m);
    layout in[3], out[2], best_in[3] = {LAYOUT_PLAIN}, best_out[2] = {LAYOUT_PLAIN};
    double least = -1;
    for (; *k; k++)
        for (int i = 0; (by == BY_LOOSE) == (*k)->loose; i++) {
            double cost = (*k)->offer(&p->o, m, i, in, out);
            if (cost < 0) break;
            if (least >= 0 && cost >= least) continue;
            least = cost;
            p->kernel = *k;
            memcpy(best_in, in, sizeof in);
            memcpy(best_out, out, sizeof out);
        }
    if (least < 0) return -1;
    for (int i = 0; i < p->o.n_in; i++) p->in[i].layout = best_in[i];
    for (int i = 0; i < p->o.n_out; i++) p->out[i].layout = best_out[i];
    const bool weights = p->o.type == OP_CONV_BWD_WEIGHTS, data = p->o.type == OP_CONV_BWD_DATA;
    p->wide_block = layout_block(data ? p->out[0].layout : p->in[0].layout);
    p->narrow_block = layout_block(data ? p->in[0].layout : weights ? p->in[1].layout : p->out[0].layout);
    return least;
}

#define MOST_BLOCK 16

/* Samples of a piece: as many as stay in the caches with all their maps. */
static int64_t piece_samples(const volume *v, const machine *m)
{
    int64_t budget = 4 * (int64_t)m->l2_bytes * m->threads, wide = volume_slices_floats(&v->wide, MOST_BLOCK);
    int64_t each = (wide + volume_slices_floats(&v->narrow, MOST_BLOCK)) * (int64_t)sizeof(float);
    int64_t fit = each > 0 ? budget / each : 1;
    if (fit < 1) fit = 1;
    int64_t pieces = (v->samples + fit - 1) / fit;
    return (v->samples + pieces - 1) / pieces;
}

/* Whether all sizes can be computed with. */
static bool sizes_fit(const op *o, const volume *v)
{
    int64_t wide = volume_slices_floats(&v->wide, MOST_BLOCK),
            narrow = volume_slices_floats(&v->narrow, MOST_BLOCK);
    const int64_t most = INT64_MAX / 64, n = v->samples > 0 ? v->samples : 1;
    const int64_t *k = side_weights(o)->shape.dim;
    int64_t weights = 1;
    for (int d = 0; d < 5; d++)
        if (__builtin_mul_overflow(weights, k[d], &weights)) return false;
    return wide >= 0 && narrow >= 0 && wide < most / n && narrow < most / n && weights < most;
}

static double volume_cost(const op *o, const machine *m, choice by)
{
    volume v = {0};
    slices_of(o, &v);
    if (!sizes_fit(o, &v)) return by == BY_REFERENCE ? 1e30 : -1; /* prepare() says so */
    int64_t samples = piece_samples(&v, m), wholes = v.samples / samples, rest = v.samples % samples;
    double cost = 0;
    for (int i = 0; i < (rest ? 2 : 1); i++) {
        piece p;
        piece_of(o, &v, i ? rest : samples, &p);
        double one = piece_choose(&p, m, by);
        if (one < 0) return -1;
        double moved = (double)p.samples * (double)(volume_slices_floats(&v.wide, p.wide_block) +
                                                    volume_slices_floats(&v.narrow, p.narrow_block));
        cost += (i ? 1 : (double)wholes) * (one + cost_bytes(m, 2 * sizeof(float) * moved));
    }
    return cost;
}

static double offer_plain(const op *o, int k, layout *in, layout *out, double cost)
{
    for (int i = 0; i < o->n_in; i++) in[i] = LAYOUT_PLAIN;
    for (int i = 0; i < o->n_out; i++) out[i] = LAYOUT_PLAIN;
    return k > 0 ? -1 : cost;
}

static double reference_offer(const op *o, const machine *m, int k, layout *in, layout *out)
{
    return offer_plain(o, k, in, out, k > 0 ? -1 : volume_cost(o, m, BY_REFERENCE));
}

static double direct_offer(const op *o, const machine *m, int k, layout *in, layout *out)
{
    return offer_plain(o, k, in, out, k > 0 ? -1 : volume_cost(o, m, BY_DIRECT));
}

static double loose_offer(const op *o, const machine *m, int k, layout *in, layout *out)
{
    return offer_plain(o, k, in, out, k > 0 ? -1 : volume_cost(o, m, BY_LOOSE));
}

static void volume_free(void *state)
{
    volume *v = state;
    if (!v) return;
    for (int i = 0; i < 2; i++)
        if (v->pieces[i].kernel && v->pieces[i].kernel->release && v->pieces[i].made.state)
            v->pieces[i].kernel->release(v->pieces[i].made.state);
    mem_free(v);
}

static size_t aligned(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

static size_t take(volume *v, int64_t count, size_t each)
{
    size_t at = v->bytes;
    v->bytes += aligned((size_t)count * each);
    return at;
}

static int64_t most(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static cvy_status volume_prepare(const op *o, const machine *m, choice by, kernel_plan *plan, errors *e)
{
    volume *v = mem_alloc(sizeof *v);
    slices_of(o, v);
    if (!sizes_fit(o, v)) {
        mem_free(v);
        return errors_add(e, CVY_ERR_RESOURCE, NULL, "use fewer channels or smaller volumes",
                          "the slices of a 3-D convolution are too large to compute");
    }
    int64_t samples = piece_samples(v, m), rest = v->samples % samples, wide = 0, narrow = 0, made = 0;
    bool rows = false;
    for (int i = 0; i < (rest ? 2 : 1); i++) {
        piece *p = &v->pieces[i];
        piece_of(o, v, i ? rest : samples, p);
        piece_choose(p, m, by);
        cvy_status status = p->kernel->prepare ? p->kernel->prepare(&p->o, m, &p->made, e) : CVY_OK;
        if (status) {
            volume_free(v);
            return status;
        }
        wide = most(wide, p->samples * volume_slices_floats(&v->wide, p->wide_block));
        narrow = most(narrow, p->samples * volume_slices_floats(&v->narrow, p->narrow_block));
        made = most(made, (int64_t)p->made.scratch);
        rows = rows || p->wide_block > 1;
    }
    v->wide_at = take(v, wide, sizeof(float));
    v->narrow_at = take(v, narrow, sizeof(float));
    if (o->type == OP_CONV3D_BWD_DATA && rows)
        v->rows_at = take(v, samples * volume_slices_floats(&v->wide, 1), sizeof(float));
    v->zeros_at = take(v, most(v->wide.plane, v->narrow.plane), sizeof(float));
    if (o->type == OP_CONV3D_BWD_WEIGHTS) {
        v->weights = cvy_count(&o->out[0].shape);
        v->biases = o->n_out > 1 ? o->in[1].shape.dim[1] : 0;
        v->sums_at = take(v, v->weights + v->biases, sizeof(double));
        v->gradients_at = take(v, v->weights + v->biases + 16, sizeof(float));
    }
    v->made_at = take(v, made, 1);
    *plan = (kernel_plan){.state = v, .scratch = v->bytes};
    for (int i = 0; i < 2; i++) {
        v->pieces[i].packed_at = plan->packed;
        plan->packed += aligned(v->pieces[i].made.packed);
    }
    return CVY_OK;
}

static cvy_status reference_prepare(const op *o, const machine *m, kernel_plan *plan, errors *e)
{
    return volume_prepare(o, m, BY_REFERENCE, plan, e);
}

static cvy_status direct_prepare(const op *o, const machine *m, kernel_plan *plan, errors *e)
{
    return volume_prepare(o, m, BY_DIRECT, plan, e);
}

static cvy_status loose_prepare(const op *o, const machine *m, kernel_plan *plan, errors *e)
{
    return volume_prepare(o, m, BY_LOOSE, plan, e);
}

static void volume_pack(const op *o, void *state, const float *w, void *packed, void *scratch)
{
    (void)o;
    volume *v = state;
    for (int i = 0; i < 2; i++) {
        piece *p = &v->pieces[i];
        if (p->kernel && p->kernel->pack)
            p->kernel->pack(&p->o, p->made.state, w, (char *)packed + p->packed_at,
                            (char *)scratch + v->made_at);
    }
}

/* ---- running ---- */

typedef struct room {
    char *made;
    float *wide, *narrow, *rows, *zeros;
} room;

static room room_of(const volume *v, void *scratch)
{
    char *at = scratch;
    room r = {.made = at + v->made_at,
              .wide = (float *)(void *)(at + v->wide_at),
              .narrow = (float *)(void *)(at + v->narrow_at),
              .rows = (float *)(void *)(at + v->rows_at),
              .zeros = (float *)(void *)(at + v->zeros_at)};
    memset(r.zeros, 0, (size_t)most(v->wide.plane, v->narrow.plane) * sizeof *r.zeros);
    return r;
}

static const piece *piece_at(const volume *v, int64_t sample)
{
    return sample + v->pieces[0].samples <= v->samples ? &v->pieces[0] : &v->pieces[1];
}

static void piece_run(const piece *p, const kernel_args *all, void *const *in, void *const *out,
                      void *scratch)
{
    kernel_args a = {.in = in, .out = out, .scratch = scratch};
    if (p->made.packed) a.packed = (const char *)all->packed + p->packed_at;
    p->kernel->run(&p->o, p->made.state, &a);
}

static int64_t sample_floats(const volume_slices *v)
{
    return v->channels * v->depth * v->plane;
}

static void forward_run(const op *o, void *state, const kernel_args *a)
{
    const volume *v = state;
    const room r = room_of(v, a->scratch);
    const float *x = a->in[0];
    float *y = a->out[0];
    for (int64_t n = 0; n < v->samples;) {
        const piece *p = piece_at(v, n);
        volume_slices_open(&v->wide, p->samples, p->wide_block, x + n * sample_floats(&v->wide), r.zeros,
                           r.wide);
        piece_run(p, a, (void *[]){r.wide, a->in[1], o->n_in > 2 ? a->in[2] : NULL}, (void *[]){r.narrow},
                  r.made);
        volume_slices_close(&v->narrow, p->samples, p->narrow_block, r.narrow,
                            y + n * sample_floats(&v->narrow));
        n += p->samples;
    }
}

static void data_run(const op *o, void *state, const kernel_args *a)
{
    (void)o;
    const volume *v = state;
    const room r = room_of(v, a->scratch);
    const float *gy = a->in[0];
    float *gx = a->out[0];
    for (int64_t n = 0; n < v->samples;) {
        const piece *p = piece_at(v, n);
        volume_slices_open(&v->narrow, p->samples, p->narrow_block, gy + n * sample_floats(&v->narrow),
                           r.zeros, r.narrow);
        piece_run(p, a, (void *[]){r.narrow, a->in[1]}, (void *[]){r.wide}, r.made);
        volume_slices_fold(&v->wide, p->samples, p->wide_block, r.wide, r.rows,
                           gx + n * sample_floats(&v->wide));
        n += p->samples;
    }
}

typedef struct sum_job {
    double *sums;
    const float *part; /* is added; NULL: the sums go to `to` */
    float *to;
    bool first;
} sum_job;

static void sum_part(void *ctx, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const sum_job *j = ctx;
    if (!j->part)
        for (int64_t i = begin; i < end; i++) j->to[i] = (float)j->sums[i];
    else if (j->first)
        for (int64_t i = begin; i < end; i++) j->sums[i] = (double)j->part[i];
    else
        for (int64_t i = begin; i < end; i++) j->sums[i] += (double)j->part[i];
}

static void weights_run(const op *o, void *state, const kernel_args *a)
{
    const volume *v = state;
    const room r = room_of(v, a->scratch);
    const float *x = a->in[0], *gy = a->in[1];
    const int64_t grain = 4096;
    double *sums = (double *)(void *)((char *)a->scratch + v->sums_at);
    float *gradients = (float *)(void *)((char *)a->scratch + v->gradients_at);
    float *biases = gradients + (v->weights + 15) / 16 * 16; /* as aligned as other operands */
    for (int64_t n = 0; n < v->samples;) {
        const piece *p = piece_at(v, n);
        volume_slices_open(&v->wide, p->samples, p->wide_block, x + n * sample_floats(&v->wide), r.zeros,
                           r.wide);
        volume_slices_open(&v->narrow, p->samples, p->narrow_block, gy + n * sample_floats(&v->narrow),
                           r.zeros, r.narrow);
        piece_run(p, a, (void *[]){r.wide, r.narrow}, (void *[]){gradients, v->biases ? biases : NULL},
                  r.made);
        sum_job w = {.sums = sums, .part = gradients, .first = n == 0};
        parallel_for(v->weights, grain, sum_part, &w);
        sum_job b = {.sums = sums + v->weights, .part = biases, .first = n == 0};
        parallel_for(v->biases, grain, sum_part, &b);
        n += p->samples;
    }
    sum_job w = {.sums = sums, .to = a->out[0]}, b = {.sums = sums + v->weights};
    if (o->n_out > 1) b.to = a->out[1];
    if (w.to) parallel_for(v->weights, grain, sum_part, &w);
    if (b.to) parallel_for(v->biases, grain, sum_part, &b);
}

/* ---- the kernels ---- */

/* clang-format off */
#define VOLUME(id, label, kind, how, body, is_loose)                                                            \
    const kernel id = {.name = label, .type = kind, .in_place = -1, .loose = is_loose, .offer = how##_offer,    \
                       .prepare = how##_prepare, .pack = volume_pack, .run = body, .release = volume_free}
#define VOLUME_WEIGHTS(id, label, how, is_loose)                                                                \
    const kernel id = {.name = label, .type = OP_CONV3D_BWD_WEIGHTS, .in_place = -1, .loose = is_loose,         \
                       .offer = how##_offer, .prepare = how##_prepare, .run = weights_run, .release = volume_free}
/* clang-format on */

VOLUME(volume_reference, "reference", OP_CONV3D, reference, forward_run, false);
VOLUME(volume_reference_bwd_data, "reference", OP_CONV3D_BWD_DATA, reference, data_run, false);
VOLUME_WEIGHTS(volume_reference_bwd_weights, "reference", reference, false);

static VOLUME(direct, "slices", OP_CONV3D, direct, forward_run, false);
static VOLUME(direct_data, "slices", OP_CONV3D_BWD_DATA, direct, data_run, false);
static VOLUME_WEIGHTS(direct_weights, "slices", direct, false);
static VOLUME(loose, "slices, winograd", OP_CONV3D, loose, forward_run, true);
static VOLUME(loose_data, "slices, winograd", OP_CONV3D_BWD_DATA, loose, data_run, true);
static VOLUME_WEIGHTS(loose_weights, "slices, winograd", loose, true);

const kernel *const *volume_kernels(op_type t)
{
    static const kernel *const forward[] = {&direct, &loose, NULL},
                               *const data[] = {&direct_data, &loose_data, NULL},
                               *const weights[] = {&direct_weights, &loose_weights, NULL};
    return t == OP_CONV3D               ? forward
           : t == OP_CONV3D_BWD_DATA    ? data
           : t == OP_CONV3D_BWD_WEIGHTS ? weights
                                        : NULL;
}
