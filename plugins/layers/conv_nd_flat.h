/* Convolutions whose taps or connections are chosen, as sums of shifted planes. Knows shapes, masks and tables as conv_nd.h has
 * them, and no layer.
 *
 * A wide channel is copied with its padding, and for strides s taken apart into the s phases of each axis. Then what tap k meets
 * at all places i of the narrow side is one run of numbers, beginning at the tap's shift in its phase:
 *
 *   narrow[i] = sum of w[k] wide[phase of k][shift of k + i],    wide[phase][i] = sum of w[k] narrow[i - shift of k]
 *
 * over the taps (of that phase), i counting the numbers of a phase row by row. Phases are wider than the narrow side: what
 * comes out at their last columns is dropped, and the narrow side's gradient has zeros there. So the loops are long whatever
 * the width of a map, and a tap that does not count costs nothing. Of a sum, runs of WIDE_TERMS or one kernel are added up in
 * cvy_real and those in double. */
#ifndef LAYERS_CONV_ND_FLAT_H
#define LAYERS_CONV_ND_FLAT_H

#include "conv_nd.h"
#include "products.h"
#include "sums.h"

enum {
    FLAT_MANY = 512, /* numbers of the result summed together */
    FLAT_NUMBERS =
        1 << 17 /* of both sides, copied at a time if that is more than a sample: they stay in the cache */
};

typedef struct conv_flat_tap {
    int64_t k, phase, shift;
} conv_flat_tap;

/* The copies have the samples of a channel beside each other: (wide channels, phases, samples, plane) and (narrow channels,
 * samples, plane), with some room behind a channel, which is read and not used, and `reach` zeros before a narrow one. */
typedef struct conv_flat {
    const cvy_plain *call;
    const conv_nd *g;
    int64_t size[3], plane, phases;   /* of a phase; its numbers; how many there are */
    int64_t reach, filled;            /* the largest shift; numbers from the first narrow place to the last */
    int64_t some, run;                /* samples copied at a time, and their numbers in a phase */
    int64_t wide_pitch, narrow_pitch; /* from a channel to the next */
    int64_t first, samples;           /* those that are copied */
    int64_t n_taps;                   /* that count, phase by phase */
    conv_flat_tap *taps;
    cvy_real *wide, *narrow; /* the copies */
    double *sums;            /* (kernels, n_taps), of the weights' gradients */
} conv_flat;

/* ---- what is where ---- */

static inline conv_flat conv_flat_of(const conv_nd *g)
{
    conv_flat f = {.g = g, .plane = 1, .phases = 1};
    for (int d = 0; d < 3; d++) {
        const int64_t shift = (g->span[d] - 1) / g->stride[d];
        f.size[d] = g->narrow[d] + shift;
        f.plane *= f.size[d];
        f.reach = f.reach * f.size[d] + shift;
        f.filled = f.filled * f.size[d] + g->narrow[d] - 1;
        f.phases *= g->stride[d];
    }
    f.filled++;
    const int64_t sample = (g->wide_channels * f.phases + g->narrow_channels) * f.plane;
    f.some = FLAT_NUMBERS / sample;
    if (f.some > g->batch) f.some = g->batch;
    if (f.some < 1) f.some = 1;
    f.run = f.some * f.plane;
    f.wide_pitch = f.phases * f.run + WIDE_LANES;
    f.narrow_pitch = f.reach + f.run + WIDE_LANES;
    return f;
}

/* Bytes of scratch, a multiple of 8; -1 when they cannot be counted. */
static inline int64_t conv_flat_bytes(const conv_nd *g)
{
    const int64_t kernels = g->narrow_channels * (g->wide_channels / g->groups);
    int64_t wide = 4 * g->wide_channels, narrow = 4 * g->narrow_channels, sums = kernels;
    bool fits = conv_nd_multiply(&sums, g->taps * (int64_t)sizeof(double));
    for (int d = 0; d < 3; d++) { /* with room to spare, so that conv_flat_of() may multiply unchecked */
        const int64_t size = g->narrow[d] + (g->span[d] - 1) / g->stride[d] + WIDE_LANES;
        fits = fits && conv_nd_multiply(&wide, size) && conv_nd_multiply(&wide, g->stride[d]) &&
               conv_nd_multiply(&narrow, 2 * size);
    }
    int64_t all;
    fits = fits && !__builtin_add_overflow(wide, narrow, &all) && conv_nd_multiply(&all, sizeof(double)) &&
           !__builtin_add_overflow(all, sums, &all) &&
           !__builtin_add_overflow(all, g->taps * (int64_t)sizeof(conv_flat_tap), &all);
    if (!fits) return -1;
    const conv_flat f = conv_flat_of(g);
    const int64_t numbers = g->wide_channels * f.wide_pitch + g->narrow_channels * f.narrow_pitch;
    return g->taps * (int64_t)sizeof(conv_flat_tap) + sums +
           (numbers * (int64_t)sizeof(cvy_real) + 7) / 8 * 8;
}

/* Adds to `in` what the loops need; nonzero after reporting. */
static inline int conv_flat_declare(cvy_infer *in, const conv_nd *g)
{
    const int64_t bytes = conv_flat_bytes(g);
    conv_text size;
    if (bytes < 0)
        return cvy_fail(in, "channels: %" PRId64 " of %s %s are too large to compute", in->out.dim[1],
                        conv_nd_sizes(g, g->narrow, size), conv_words[g->axes].unit);
    in->scratch_bytes = bytes;
    return 0;
}

/* Taps k, k + step, ... of an axis are of one phase. */
static inline int64_t conv_flat_step(const conv_nd *g, int axis)
{
    int64_t a = g->stride[axis], b = g->dilation[axis];
    while (b) {
        const int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return g->stride[axis] / a; /* a: the greatest common divisor */
}

static inline void conv_flat_add_tap(conv_flat *f, const int64_t at[3])
{
    const conv_nd *g = f->g;
    conv_flat_tap t = {(at[0] * g->kernel[1] + at[1]) * g->kernel[2] + at[2], 0, 0};
    if (g->mask && !g->mask[t.k]) return;
    for (int d = 0; d < 3; d++) {
        const int64_t met = conv_nd_tap(g, d, at[d]).offset + g->before[d];
        t.phase = t.phase * g->stride[d] + met % g->stride[d];
        t.shift = t.shift * f->size[d] + met / g->stride[d];
    }
    f->taps[f->n_taps++] = t;
}

/* With its memory in the call's scratch, and the taps. */
static inline conv_flat conv_flat_open(const cvy_plain *call, const conv_nd *g)
{
    conv_flat f = conv_flat_of(g);
    const int64_t kernels = g->narrow_channels * (g->wide_channels / g->groups);
    f.call = call;
    f.taps = call->scratch;
    f.sums = (double *)(f.taps + g->taps);
    f.wide = (cvy_real *)(f.sums + kernels * g->taps);
    f.narrow = f.wide + g->wide_channels * f.wide_pitch;
    int64_t step[3], first[3], at[3];
    for (int d = 0; d < 3; d++) step[d] = conv_flat_step(g, d);
    for (first[0] = 0; first[0] < step[0] && first[0] < g->kernel[0]; first[0]++)
        for (first[1] = 0; first[1] < step[1] && first[1] < g->kernel[1]; first[1]++)
            for (first[2] = 0; first[2] < step[2] && first[2] < g->kernel[2]; first[2]++)
                for (at[0] = first[0]; at[0] < g->kernel[0]; at[0] += step[0])
                    for (at[1] = first[1]; at[1] < g->kernel[1]; at[1] += step[1])
                        for (at[2] = first[2]; at[2] < g->kernel[2]; at[2] += step[2])
                            conv_flat_add_tap(&f, at);
    return f;
}

/* Which kernel ties two channels of one group; -1: none. */
static inline int64_t conv_flat_kernel(const conv_nd *g, int64_t narrow, int64_t wide)
{
    if (g->index) return g->index[narrow * g->wide_channels + wide];
    const int64_t group = g->wide_channels / g->groups;
    return narrow * group + wide % group;
}

/* Along an axis, numbers begin .. end - 1 of a phase are places l step + offset of the side itself; the others are padding, or
 * columns that are dropped. */
typedef struct conv_flat_axis {
    int64_t step, offset, begin, end, size; /* size: of the side */
} conv_flat_axis;

static inline void conv_flat_phase(const conv_flat *f, int64_t phase, conv_flat_axis axis[3])
{
    for (int d = 2; d >= 0; d--) {
        conv_flat_axis a = {.step = f->g->stride[d], .size = f->g->wide[d]};
        a.offset = phase % a.step - f->g->before[d];
        if (a.offset < 0) a.begin = (-a.offset + a.step - 1) / a.step;
        if (a.offset < a.size) a.end = (a.size - 1 - a.offset) / a.step + 1;
        if (a.end > f->size[d]) a.end = f->size[d];
        axis[d] = a;
        phase /= a.step;
    }
}

/* ---- copies ---- */

/* Wide channels of the samples at hand. */
static inline void conv_flat_copy_wide(void *ctx, int64_t begin, int64_t end)
{
    const conv_flat *f = ctx;
    const conv_nd *g = f->g;
    for (int64_t channel = begin; channel < end; channel++) {
        const cvy_real *x =
            f->call->x[0] + (f->first * g->wide_channels + channel) * g->wide[0] * g->wide[1] * g->wide[2];
        for (int64_t phase = 0; phase < f->phases; phase++) {
            cvy_real *to = f->wide + channel % g->wide_channels * f->wide_pitch + phase * f->run +
                           channel / g->wide_channels * f->plane;
            memset(to, 0, (size_t)f->plane * sizeof *to);
            conv_flat_axis a[3];
            conv_flat_phase(f, phase, a);
            for (int64_t d = a[0].begin; d < a[0].end; d++)
                for (int64_t h = a[1].begin; h < a[1].end; h++) {
                    const int64_t row =
                        (d * a[0].step + a[0].offset) * a[1].size + h * a[1].step + a[1].offset;
                    const cvy_real *from = x + row * a[2].size + a[2].offset;
                    cvy_real *put = to + (d * f->size[1] + h) * f->size[2];
                    for (int64_t i = a[2].begin; i < a[2].end; i++) put[i] = from[i * a[2].step];
                }
        }
    }
}

/* Narrow channels of the samples at hand, of the gradient. */
static inline void conv_flat_copy_narrow(void *ctx, int64_t begin, int64_t end)
{
    const conv_flat *f = ctx;
    const conv_nd *g = f->g;
    const int64_t *size = g->narrow;
    for (int64_t channel = begin; channel < end; channel++) {
        const cvy_real *gy =
            f->call->gy + (f->first * g->narrow_channels + channel) * size[0] * size[1] * size[2];
        const int64_t n = channel / g->narrow_channels;
        cvy_real *to = f->narrow + channel % g->narrow_channels * f->narrow_pitch;
        if (n == 0) memset(to, 0, (size_t)f->reach * sizeof *to);
        to += f->reach + n * f->plane;
        memset(to, 0, (size_t)f->plane * sizeof *to);
        for (int64_t d = 0; d < size[0]; d++)
            for (int64_t h = 0; h < size[1]; h++, gy += size[2])
                memcpy(to + (d * f->size[1] + h) * f->size[2], gy, (size_t)size[2] * sizeof *to);
    }
}

/* ---- sums of shifted planes ---- */

/* Channels first, first + 1, ... of one side, `channels` of them, to channel `own` of the other. Only a tap's `at` differs
 * between forward and backward: what lies where is `from` + `at`. */
typedef struct conv_flat_sum {
    const conv_nd *g;
    const cvy_real *w, *from; /* from: channel `first` */
    int64_t pitch, first, channels, own;
    bool spread;
    const conv_flat_tap *taps;
    int64_t n_taps;
    int64_t run, reach; /* as in conv_flat; the one or the other */
} conv_flat_sum;

/* What is added to a run of numbers next. */
typedef struct conv_flat_terms {
    cvy_real factor[PRODUCTS_TERMS];
    const cvy_real *v[PRODUCTS_TERMS];
    int n;
} conv_flat_terms;

static inline void conv_flat_add(conv_flat_terms *t, int64_t n, cvy_real *part)
{
    for (int k = t->n; k < PRODUCTS_TERMS; k++) { /* nothing, times something that is read anyway */
        t->factor[k] = 0;
        t->v[k] = t->v[0];
    }
    products_add(t->factor, t->v, n, part);
    t->n = 0;
}

/* Numbers at .. at + n - 1, n being FLAT_MANY at most; what lies behind is read up to a multiple of WIDE_LANES. */
static inline void conv_flat_add_channels(const conv_flat_sum *s, int64_t at, int64_t n, double *sum)
{
    const int64_t width = (n + WIDE_LANES - 1) / WIDE_LANES * WIDE_LANES;
    cvy_real part[FLAT_MANY];
    int64_t terms = 0;
    conv_flat_terms next = {.n = 0};
    memset(part, 0, (size_t)width * sizeof *part);
    memset(sum, 0, (size_t)width * sizeof *sum);
    for (int64_t c = 0; c < s->channels; c++) {
        const int64_t kernel = s->spread ? conv_flat_kernel(s->g, s->first + c, s->own)
                                         : conv_flat_kernel(s->g, s->own, s->first + c);
        if (kernel < 0) continue;
        const cvy_real *w = s->w + kernel * s->g->taps, *from = s->from + c * s->pitch + at;
        for (int64_t t = 0; t < s->n_taps; t++) {
            const conv_flat_tap *tap = &s->taps[t];
            next.factor[next.n] = w[tap->k];
            next.v[next.n++] = from + (s->spread ? s->reach - tap->shift : tap->phase * s->run + tap->shift);
            if (next.n == PRODUCTS_TERMS) conv_flat_add(&next, width, part);
        }
        terms += s->n_taps;
        if (terms < WIDE_TERMS) continue;
        if (next.n) conv_flat_add(&next, width, part);
        products_to_double(part, width, sum);
        memset(part, 0, (size_t)width * sizeof *part);
        terms = 0;
    }
    if (next.n) conv_flat_add(&next, width, part);
    products_to_double(part, width, sum);
}

/* Where numbers of a phase go. */
typedef struct conv_flat_target {
    cvy_real *to;
    double bias;
    conv_flat_axis axis[3];
} conv_flat_target;

/* n numbers of row (d, h) of a phase, from its column `left` on. */
static inline void conv_flat_store(const conv_flat_target *t, int64_t d, int64_t h, int64_t left, int64_t n,
                                   const double *sum)
{
    const conv_flat_axis *a = t->axis;
    if (d < a[0].begin || d >= a[0].end || h < a[1].begin || h >= a[1].end) return;
    const int64_t row = (d * a[0].step + a[0].offset) * a[1].size + h * a[1].step + a[1].offset;
    const int64_t begin = a[2].begin > left ? a[2].begin : left,
                  end = a[2].end < left + n ? a[2].end : left + n;
    cvy_real *to = t->to + row * a[2].size + a[2].offset;
    for (int64_t i = begin; i < end; i++) to[i * a[2].step] = (cvy_real)(sum[i - left] + t->bias);
}

/* The first `count` numbers of a phase, summed and stored. */
static inline void conv_flat_run(const conv_flat *f, const conv_flat_sum *s, const conv_flat_target *t,
                                 int64_t count)
{
    double sum[FLAT_MANY];
    int64_t d = 0, h = 0, w = 0; /* where the next number lies */
    for (int64_t at = 0; at < count;) {
        const int64_t n = count - at < FLAT_MANY ? count - at : FLAT_MANY;
        conv_flat_add_channels(s, at, n, sum);
        at += n;
        for (int64_t i = 0; i < n;) {
            const int64_t some = f->size[2] - w < n - i ? f->size[2] - w : n - i;
            conv_flat_store(t, d, h, w, some, sum + i);
            i += some;
            w += some;
            if (w < f->size[2]) continue;
            w = 0;
            if (++h < f->size[1]) continue;
            h = 0;
            d++;
        }
    }
}

/* Narrow channels of the samples at hand: y. */
static inline void conv_flat_gather(void *ctx, int64_t begin, int64_t end)
{
    const conv_flat *f = ctx;
    const conv_nd *g = f->g;
    const int64_t from_group = g->wide_channels / g->groups, to_group = g->narrow_channels / g->groups;
    for (int64_t channel = begin; channel < end; channel++) {
        const int64_t n = channel / g->narrow_channels, o = channel % g->narrow_channels;
        conv_flat_sum s = {.g = g,
                           .w = f->call->w[0],
                           .pitch = f->wide_pitch,
                           .first = o / to_group * from_group,
                           .channels = from_group,
                           .own = o,
                           .taps = f->taps,
                           .n_taps = f->n_taps,
                           .run = f->run};
        s.from = f->wide + s.first * f->wide_pitch + n * f->plane;
        conv_flat_target t = {.bias = g->bias ? (double)f->call->w[1][o] : 0};
        t.to = f->call->y +
               (f->first * g->narrow_channels + channel) * g->narrow[0] * g->narrow[1] * g->narrow[2];
        for (int d = 0; d < 3; d++) t.axis[d] = (conv_flat_axis){1, 0, 0, g->narrow[d], g->narrow[d]};
        conv_flat_run(f, &s, &t, f->filled);
    }
}

/* Wide channels of the samples at hand: gx, phase by phase. */
static inline void conv_flat_spread(void *ctx, int64_t begin, int64_t end)
{
    const conv_flat *f = ctx;
    const conv_nd *g = f->g;
    const int64_t from_group = g->narrow_channels / g->groups, to_group = g->wide_channels / g->groups;
    const int64_t count = g->wide[0] * g->wide[1] * g->wide[2];
    for (int64_t channel = begin; channel < end; channel++) {
        const int64_t n = channel / g->wide_channels, c = channel % g->wide_channels;
        conv_flat_sum s = {.g = g,
                           .w = f->call->w[0],
                           .pitch = f->narrow_pitch,
                           .first = c / to_group * from_group,
                           .channels = from_group,
                           .own = c,
                           .spread = true,
                           .reach = f->reach};
        s.from = f->narrow + s.first * f->narrow_pitch + n * f->plane;
        conv_flat_target t = {.to = f->call->gx[0] + (f->first * g->wide_channels + channel) * count};
        memset(t.to, 0, (size_t)count * sizeof *t.to); /* what no tap meets */
        for (int64_t first = 0; first < f->n_taps; first += s.n_taps) {
            const int64_t phase = f->taps[first].phase;
            s.taps = f->taps + first;
            for (s.n_taps = 1; first + s.n_taps < f->n_taps && s.taps[s.n_taps].phase == phase;) s.n_taps++;
            conv_flat_phase(f, phase, t.axis);
            conv_flat_run(f, &s, &t, f->plane);
        }
    }
}

/* Narrow channels: their weights' gradients, added up over the samples at hand, which are one run: between the places of two
 * of them the narrow side has zeros. */
static inline void conv_flat_weights(void *ctx, int64_t begin, int64_t end)
{
    const conv_flat *f = ctx;
    const conv_nd *g = f->g;
    const int64_t wide_group = g->wide_channels / g->groups, narrow_group = g->narrow_channels / g->groups;
    const int64_t count = (f->samples - 1) * f->plane + f->filled;
    for (int64_t pair = begin * wide_group; pair < end * wide_group; pair++) {
        const int64_t o = pair / wide_group, c = o / narrow_group * wide_group + pair % wide_group;
        const int64_t kernel = conv_flat_kernel(g, o, c);
        if (kernel < 0) continue;
        const cvy_real *narrow = f->narrow + o * f->narrow_pitch + f->reach;
        const cvy_real *wide = f->wide + c * f->wide_pitch;
        for (int64_t t = 0; t < f->n_taps; t += PRODUCTS_TERMS) {
            const cvy_real *met[PRODUCTS_TERMS];
            double sum[PRODUCTS_TERMS];
            for (int64_t r = 0; r < PRODUCTS_TERMS; r++) {
                const conv_flat_tap *tap = &f->taps[t + r < f->n_taps ? t + r : f->n_taps - 1];
                met[r] = wide + tap->phase * f->run + tap->shift;
            }
            products_dots(met, narrow, count, sum);
            for (int64_t r = 0; r < PRODUCTS_TERMS && t + r < f->n_taps; r++)
                f->sums[kernel * f->n_taps + t + r] += sum[r];
        }
    }
}

/* Output channels: gb = sum of gy. */
static inline void conv_flat_bias(void *ctx, int64_t begin, int64_t end)
{
    const cvy_plain *call = ((const conv_flat *)ctx)->call;
    const int64_t channels = call->out->dim[1], plane = cvy_sample_count(call->out) / channels;
    for (int64_t o = begin; o < end; o++) {
        double sum = 0;
        for (int64_t n = 0; n < call->out->dim[0]; n++)
            sum += sums_of(call->gy + (n * channels + o) * plane, plane);
        call->gw[1][o] = (cvy_real)sum;
    }
}

/* ---- a layer's calls ---- */

/* kernels: in the weight tensor. */
static inline void conv_flat_write_weights(const conv_flat *f, int64_t kernels)
{
    cvy_real *gw = f->call->gw[0];
    memset(gw, 0, (size_t)(kernels * f->g->taps) * sizeof *gw); /* taps that do not count */
    for (int64_t i = 0; i < kernels; i++)
        for (int64_t t = 0; t < f->n_taps; t++)
            gw[i * f->g->taps + f->taps[t].k] = (cvy_real)f->sums[i * f->n_taps + t];
}

static inline int64_t conv_flat_samples(conv_flat *f)
{
    f->samples = f->g->batch - f->first < f->some ? f->g->batch - f->first : f->some;
    return f->samples;
}

static inline int conv_flat_forward(const cvy_plain *call, const conv_nd *g)
{
    const cvy_host *host = call->host;
    conv_flat f = conv_flat_open(call, g);
    for (; f.first < g->batch; f.first += f.some) {
        const int64_t n = conv_flat_samples(&f);
        host->parallel_for(host, n * g->wide_channels, 1, conv_flat_copy_wide, &f);
        host->parallel_for(host, n * g->narrow_channels, 1, conv_flat_gather, &f);
    }
    return 0;
}

static inline int conv_flat_backward(const cvy_plain *call, const conv_nd *g, int64_t kernels)
{
    const cvy_host *host = call->host;
    conv_flat f = conv_flat_open(call, g);
    memset(f.sums, 0, (size_t)(kernels * f.n_taps) * sizeof *f.sums);
    for (; f.first < g->batch; f.first += f.some) {
        const int64_t n = conv_flat_samples(&f);
        host->parallel_for(host, n * g->narrow_channels, 1, conv_flat_copy_narrow, &f);
        if (call->gx[0]) host->parallel_for(host, n * g->wide_channels, 1, conv_flat_spread, &f);
        if (!call->gw[0]) continue;
        host->parallel_for(host, n * g->wide_channels, 1, conv_flat_copy_wide, &f);
        host->parallel_for(host, g->narrow_channels, 1, conv_flat_weights, &f);
    }
    if (call->gw[0]) conv_flat_write_weights(&f, kernels);
    if (g->bias && call->gw[1]) host->parallel_for(host, call->out->dim[1], 1, conv_flat_bias, &f);
    return 0;
}

#endif
