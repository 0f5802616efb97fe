/* Owns the convolution kernels that oneDNN computes; must not know its version, nor how a primitive is run.
 */
#include "ops/onednn.h"

#include <string.h>
#include "base/memory.h"
#include "base/parallel.h"
#include "ops/onednn_batch.h"
#include "ops/onednn_stats.h"

/* ---- what the op asks for ---- */

static onednn_pass pass_of(const op *o)
{
    return o->type == OP_CONV ? ONEDNN_FORWARD : o->type == OP_CONV_BWD_DATA ? ONEDNN_DATA : ONEDNN_WEIGHTS;
}

/* The tensors of the input side, the output side and the weights, wherever the pass has them. */
static const tensor *side_x(const op *o)
{
    return o->type == OP_CONV_BWD_DATA ? &o->out[0] : &o->in[0];
}

static const tensor *side_y(const op *o)
{
    return o->type == OP_CONV ? &o->out[0] : o->type == OP_CONV_BWD_DATA ? &o->in[0] : &o->in[1];
}

static const tensor *side_w(const op *o)
{
    return o->type == OP_CONV_BWD_WEIGHTS ? &o->out[0] : &o->in[1];
}

static bool with_bias(const op *o)
{
    return o->type == OP_CONV ? o->n_in == 3 : o->type == OP_CONV_BWD_WEIGHTS ? o->n_out == 2 : false;
}

static bool with_stats(const op *o)
{
    return o->type == OP_CONV && o->n_out == 2;
}

static onednn_spec spec_of(const op *o, layout x, layout y)
{
    const cvy_conv_attr *a = &o->attr.conv;
    const int64_t *dx = side_x(o)->shape.dim, *dy = side_y(o)->shape.dim, *dw = side_w(o)->shape.dim;
    onednn_spec s = {
        .pass = pass_of(o),
        .bias = with_bias(o),
        .images = dx[0],
        .groups = a->groups,
        .channels_in = dx[1],
        .channels_out = dy[1],
        .size_in = {dx[2], dx[3]},
        .size_out = {dy[2], dy[3]},
        .kernel = {dw[2], dw[3]},
        .x = x,
        .y = y,
    };
    memcpy(s.stride, a->stride, sizeof s.stride);
    memcpy(s.dilation, a->dilation, sizeof s.dilation);
    memcpy(s.padding, a->padding, sizeof s.padding);
    return s;
}

static int64_t padded(int64_t channels, layout l)
{
    int64_t b = layout_block(l);
    return (channels + b - 1) / b * b;
}

/* Elements of one sample. */
static int64_t sample_x(const onednn_spec *s)
{
    return padded(s->channels_in, s->x) * s->size_in[0] * s->size_in[1];
}

static int64_t sample_y(const onednn_spec *s)
{
    return padded(s->channels_out, s->y) * s->size_out[0] * s->size_out[1];
}

/* ---- how it is computed ---- */

/* The primitive that stands for the op, and how the batch is cut for it. */
typedef struct way {
    onednn_spec spec;
    onednn_cut cut;
    bool swapped; /* the forward pass by a data primitive, or the other way round */
} way;

/* With stride 1 the forward pass of a convolution is the data pass of another one: input and output sides and
 * weights exchanged, windows turned by 180 degrees, and the padding that is left. */
static bool swappable(const onednn_spec *s)
{
    if (s->pass == ONEDNN_WEIGHTS || s->bias || s->groups != 1 || s->stride[0] != 1 || s->stride[1] != 1)
        return false;
    for (int i = 0; i < 4; i++)
        if (s->padding[i] > (s->kernel[i % 2] - 1) * s->dilation[i % 2]) return false;
    return s->x == LAYOUT_C16 && s->y == LAYOUT_C16;
}

static onednn_spec swap(const onednn_spec *s)
{
    onednn_spec t = *s;
    t.pass = s->pass == ONEDNN_FORWARD ? ONEDNN_DATA : ONEDNN_FORWARD;
    t.channels_in = s->channels_out;
    t.channels_out = s->channels_in;
    t.x = s->y;
    t.y = s->x;
    memcpy(t.size_in, s->size_out, sizeof t.size_in);
    memcpy(t.size_out, s->size_in, sizeof t.size_out);
    for (int i = 0; i < 4; i++) t.padding[i] = (s->kernel[i % 2] - 1) * s->dilation[i % 2] - s->padding[i];
    return t;
}

/* Of oneDNN's AVX-512 kernels the forward one does badly on rows longer than its register tile of 28 pixels,
 * unless it sees a single sample (it takes another tile then: 1.15 to 1.6 times as fast), and the data one
 * leaves out the taps that fall into the padding, which on maps of a few pixels are many (1.1 to 1.4 times).
 */
static way way_of(const op *o, const machine *m, layout x, layout y)
{
    way w = {.spec = spec_of(o, x, y), .cut = {.shares = m->threads > 1 ? m->threads : 1}};
    const onednn_spec *s = &w.spec;
    w.cut.samples = s->images;
    if (swappable(s)) {
        int64_t width = s->pass == ONEDNN_FORWARD ? s->size_out[1] : s->size_in[1];
        bool few = s->channels_in <= 32 && s->channels_out <= 32, window = s->kernel[1] > 1;
        onednn_pass better = window && width <= 6 ? ONEDNN_DATA
                             : few && width > 32  ? ONEDNN_FORWARD
                                                  : s->pass;
        w.swapped = better != s->pass;
        if (w.swapped) w.spec = swap(s);
    }
    bool wide = s->size_out[1] > 28 && s->stride[1] == 1 && s->channels_in >= 16 && s->channels_out <= 32;
    if (s->pass == ONEDNN_FORWARD && wide && s->y == LAYOUT_C16) {
        w.cut.piece = 1;
    } else if (with_stats(o)) {
        /* The outputs of a piece have to be in the level-2 cache still when their statistics are taken. */
        int64_t bytes = (s->pass == ONEDNN_FORWARD ? sample_y(s) : sample_x(s)) * 4;
        w.cut.piece = bytes < m->l2_bytes ? m->l2_bytes / bytes : 1;
    }
    return w;
}

/* ---- offers ---- */

/* Shares of the machine's peak, measured on two cores with AVX-512 over ResNet-20's shapes
 * (tests/bench/bench_conv), of the multiplications that are really done, those with padded channels included.
 */
static double efficiency(const onednn_spec *s, const char *implementation)
{
    double channels = (double)s->channels_out / (double)s->groups;
    bool strided = s->stride[0] > 1 || s->stride[1] > 1;
    if (strstr(implementation, "gemm")) /* im2col and a product, a sample at a time */
        return s->pass == ONEDNN_FORWARD ? 0.7 * channels / (channels + 28)
               : s->pass == ONEDNN_DATA  ? 0.65 * channels / (channels + 40)
                                         : 0.8 * channels / (channels + 70);
    if (strstr(implementation, "dw")) return 0.35;
    if (s->x == LAYOUT_PLAIN) return 0.65;
    return s->pass == ONEDNN_FORWARD ? 0.9 : s->pass == ONEDNN_WEIGHTS ? 0.82 : strided ? 0.72 : 0.92;
}

/* Bytes read and written; of an input that the stride steps over only what the windows see. */
static double traffic(const op *o)
{
    const cvy_conv_attr *a = &o->attr.conv;
    const int64_t *window = &side_w(o)->shape.dim[2];
    double seen = 1;
    for (int i = 0; i < 2; i++)
        if (window[i] < a->stride[i]) seen *= (double)window[i] / (double)a->stride[i];
    double skipped = pass_of(o) == ONEDNN_DATA ? 0 : (1 - seen) * (double)tensor_bytes(side_x(o));
    return (double)op_bytes(o) - skipped;
}

static double cost_of(const op *o, const machine *m, const onednn_spec *s, const char *implementation)
{
    double macs = (double)op_macs(o);
    /* Depthwise convolutions pad the channels once, not on both sides. */
    macs *= (double)padded(s->channels_out, s->y) / (double)s->channels_out;
    if (s->groups == 1) macs *= (double)padded(s->channels_in, s->x) / (double)s->channels_in;
    double compute = cost_macs(m, macs, efficiency(s, implementation)), memory = cost_bytes(m, traffic(o));
    return compute > memory ? compute : memory;
}

static double offer(const op *o, const machine *m, int k, layout *in, layout *out)
{
    layout blocked = m->block == 16 ? LAYOUT_C16 : LAYOUT_C8;
    /* Images of few channels stay plain: oneDNN's first-layer kernels read them so. */
    const layout pairs[3][2] = {{blocked, blocked}, {LAYOUT_PLAIN, blocked}, {LAYOUT_PLAIN, LAYOUT_PLAIN}};
    if (side_x(o)->shape.rank != 4) return -1;
    for (int i = 0; i < 3; i++) {
        layout x = pairs[i][0], y = pairs[i][1];
        char implementation[64];
        if (with_stats(o) && y == LAYOUT_PLAIN) continue;
        way w = way_of(o, m, x, y);
        if (!onednn_batch_offered(&w.spec, &w.cut, m->isa, implementation)) continue;
        if (k-- > 0) continue;
        for (int n = 0; n < o->n_in; n++) in[n] = LAYOUT_PLAIN;
        for (int n = 0; n < o->n_out; n++) out[n] = LAYOUT_PLAIN;
        *(o->type == OP_CONV_BWD_DATA ? &out[0] : &in[0]) = x;
        *(o->type == OP_CONV ? &out[0] : o->type == OP_CONV_BWD_DATA ? &in[0] : &in[1]) = y;
        return cost_of(o, m, &w.spec, implementation);
    }
    return -1;
}

/* ---- state ---- */

typedef struct state {
    way way;
    onednn_batch *batch;
    float *packed;                 /* weights in oneDNN's format, as its primitives know their place */
    bool arranged;                 /* exchanged or turned on the way there */
    size_t share_scratch;          /* oneDNN's, per share */
    size_t share_gradient;         /* weights pass: floats of a share's packed gradient */
    int64_t outputs, inputs, taps; /* of the op's weights; inputs of a group */
    bool turned;                   /* between a convolution and the cross-correlation that oneDNN computes */
    onednn_stats *stats;           /* NULL: not wanted */
} state;

static void release(void *p)
{
    state *s = p;
    if (!s) return;
    onednn_batch_free(s->batch);
    onednn_stats_free(s->stats);
    mem_free(s);
}

static cvy_status prepare(const op *o, const machine *m, kernel_plan *plan, errors *e)
{
    state *s = mem_alloc(sizeof *s);
    const tensor *w = side_w(o), *y = side_y(o);
    s->way = way_of(o, m, side_x(o)->layout, y->layout);
    s->outputs = w->shape.dim[0];
    s->inputs = w->shape.dim[1];
    s->taps = w->shape.dim[2] * w->shape.dim[3];
    s->turned = (o->attr.conv.flip != 0) != s->way.swapped;
    s->arranged = s->turned || s->way.swapped;
    s->batch = onednn_batch_new(&s->way.spec, &s->way.cut, m->isa, e);
    if (!s->batch) {
        release(s);
        return errors_status(e) ? errors_status(e) : CVY_ERR_RESOURCE;
    }
    s->share_scratch = onednn_batch_scratch(s->batch);
    size_t per_share = s->share_scratch;
    if (pass_of(o) == ONEDNN_WEIGHTS) {
        s->share_gradient = onednn_batch_weight_bytes(s->batch) / sizeof(float);
        per_share += s->share_gradient * sizeof(float);
        if (with_bias(o)) per_share += (size_t)padded(s->outputs, LAYOUT_C16) * sizeof(float);
    }
    plan->scratch = per_share * (size_t)s->way.cut.shares;
    if (with_stats(o)) {
        int64_t pixels = y->shape.dim[2] * y->shape.dim[3];
        s->stats = onednn_stats_new(y->layout, s->outputs, pixels, s->way.cut.shares, m->isa);
        plan->scratch += onednn_stats_scratch(s->stats);
    }
    if (pass_of(o) != ONEDNN_WEIGHTS) {
        size_t arranged = s->arranged ? (size_t)(s->outputs * s->inputs * s->taps) * sizeof(float) : 0;
        plan->packed = onednn_batch_weight_bytes(s->batch);
        if (plan->scratch < arranged) plan->scratch = arranged; /* while packing */
    }
    plan->state = s;
    return CVY_OK;
}

typedef struct arrangement {
    const state *s;
    const float *from;
    float *to;
} arrangement;

/* Windows turned, and with `swapped` inputs and outputs exchanged, in tiles so that neither side is read or
 * written a window here and a window there. */
static void arrange_tiles(void *ctx, int64_t begin, int64_t end, int thread)
{
    enum { TILE = 16 };
    const arrangement *a = ctx;
    const state *s = a->s;
    int64_t outputs = s->outputs, inputs = s->inputs, taps = s->taps;
    (void)thread;
    for (int64_t tile = 0; tile < inputs; tile += TILE)
        for (int64_t o = begin; o < end; o++)
            for (int64_t i = tile; i < inputs && i < tile + TILE; i++) {
                const float *from = a->from + (o * inputs + i) * taps;
                float *to = a->to + (s->way.swapped ? i * outputs + o : o * inputs + i) * taps;
                for (int64_t t = 0; t < taps; t++) to[t] = from[s->turned ? taps - 1 - t : t];
            }
}

static void turn_in_place(float *w, int64_t windows, int64_t taps)
{
    for (int64_t k = 0; k < windows; k++, w += taps)
        for (int64_t i = 0, j = taps - 1; i < j; i++, j--) {
            float kept = w[i];
            w[i] = w[j];
            w[j] = kept;
        }
}

static void pack(const op *o, void *p, const float *w, void *packed, void *scratch)
{
    state *s = p;
    (void)o;
    arrangement a = {s, w, scratch};
    if (s->arranged) parallel_for(s->outputs, 64, arrange_tiles, &a);
    onednn_batch_reorder(s->batch, s->arranged ? a.to : w, packed);
    if (s->packed == packed) return;
    s->packed = packed;
    for (int i = 0; i < s->way.cut.shares; i++) onednn_batch_set_weights(s->batch, i, packed);
}

/* ---- forward and data passes ---- */

typedef struct work {
    const state *s;
    const float *source, *result, *bias;
    char *scratch;
    onednn_stats_sum *sums; /* of the shares, with statistics only */
} work;

static void run_share(const work *w, int share)
{
    const onednn_spec *spec = &w->s->way.spec;
    const onednn_cut *cut = &w->s->way.cut;
    bool forward = spec->pass == ONEDNN_FORWARD;
    int64_t begin, end, from = sample_x(spec), to = sample_y(spec);
    if (!forward) from = sample_y(spec), to = sample_x(spec);
    parallel_share(cut->samples, 1, cut->shares, share, &begin, &end);
    int64_t piece = cut->piece > 0 ? cut->piece : end - begin;
    void *scratch = w->scratch + (size_t)share * w->s->share_scratch;
    for (int64_t i = begin; i < end; i += piece) {
        int64_t samples = end - i < piece ? end - i : piece;
        const float *source = w->source + i * from, *result = w->result + i * to;
        onednn_operands operands = {forward ? source : result, forward ? result : source, w->bias, scratch};
        onednn_batch_run(w->s->batch, share, samples, &operands);
        if (w->sums) onednn_stats_add(w->s->stats, &w->sums[share], result, samples);
    }
}

/* The loop runs over shares, not samples: which samples are a share was fixed with the primitives. */
static void run_shares(void *ctx, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    int begun = parallel_alone_begin();
    for (int64_t share = begin; share < end; share++) run_share(ctx, (int)share);
    parallel_alone_end(begun);
}

static void run(const op *o, void *p, const kernel_args *a)
{
    const state *s = p;
    work w = {.s = s, .source = a->in[0], .result = a->out[0], .scratch = a->scratch};
    if (with_bias(o)) w.bias = a->in[2];
    if (s->stats && a->out[1])
        w.sums = onednn_stats_begin(s->stats, w.scratch + (size_t)s->way.cut.shares * s->share_scratch);
    parallel_for(s->way.cut.shares, 1, run_shares, &w);
    if (w.sums) onednn_stats_end(s->stats, w.sums, a->out[1]);
}

/* ---- weights pass ---- */

typedef struct gradient_work {
    state *s;
    const float *x, *y;
    char *scratch;
    float *weights, *bias; /* [shares] of share_gradient and of channels */
    int64_t channels;
} gradient_work;

static void gradient_shares(void *ctx, int64_t first, int64_t last, int thread)
{
    const gradient_work *w = ctx;
    const state *s = w->s;
    int begun = parallel_alone_begin();
    (void)thread;
    for (int64_t share = first; share < last; share++) {
        int64_t begin, end;
        float *weights = w->weights + (size_t)share * s->share_gradient,
              *bias = w->bias + share * w->channels;
        parallel_share(s->way.cut.samples, 1, s->way.cut.shares, (int)share, &begin, &end);
        if (begin == end) { /* fewer samples than threads */
            memset(weights, 0, s->share_gradient * sizeof(float));
            if (s->way.spec.bias) memset(bias, 0, (size_t)w->channels * sizeof(float));
            continue;
        }
        onednn_batch_set_weights(s->batch, (int)share, weights);
        onednn_operands operands = {w->x + begin * sample_x(&s->way.spec),
                                    w->y + begin * sample_y(&s->way.spec), bias,
                                    w->scratch + (size_t)share * s->share_scratch};
        onednn_batch_run(s->batch, (int)share, end - begin, &operands);
    }
    parallel_alone_end(begun);
}

/* Adds the other shares to share 0, always in their order. */
static void add_shares(void *ctx, int64_t begin, int64_t end, int thread)
{
    const gradient_work *w = ctx;
    (void)thread;
    for (int share = 1; share < w->s->way.cut.shares; share++) {
        const float *other = w->weights + (size_t)share * w->s->share_gradient;
        for (int64_t i = begin; i < end; i++) w->weights[i] += other[i];
    }
}

static void run_weights(const op *o, void *p, const kernel_args *a)
{
    state *s = p;
    float *gw = a->out[0], *gbias = o->n_out == 2 ? a->out[1] : NULL;
    int64_t shares = s->way.cut.shares;
    gradient_work w = {.s = s, .x = a->in[0], .y = a->in[1], .scratch = a->scratch};
    w.weights = (float *)(void *)(w.scratch + (size_t)shares * s->share_scratch);
    w.bias = w.weights + (size_t)shares * s->share_gradient;
    w.channels = padded(s->outputs, LAYOUT_C16);
    parallel_for(shares, 1, gradient_shares, &w);
    if (gw) {
        if (shares > 1) parallel_for((int64_t)s->share_gradient, 4096, add_shares, &w);
        onednn_batch_reorder(s->batch, w.weights, gw);
        if (s->turned) turn_in_place(gw, s->outputs * s->inputs, s->taps);
    }
    for (int64_t c = 0; gbias && c < s->outputs; c++) {
        gbias[c] = 0;
        for (int64_t share = 0; share < shares; share++) gbias[c] += w.bias[share * w.channels + c];
    }
}

const kernel onednn_conv_forward = {
    .name = "onednn",
    .type = OP_CONV,
    .in_place = -1,
    .offer = offer,
    .prepare = prepare,
    .pack = pack,
    .run = run,
    .release = release,
};

const kernel onednn_conv_data = {
    .name = "onednn",
    .type = OP_CONV_BWD_DATA,
    .in_place = -1,
    .offer = offer,
    .prepare = prepare,
    .pack = pack,
    .run = run,
    .release = release,
};

const kernel onednn_conv_weights = {
    .name = "onednn",
    .type = OP_CONV_BWD_WEIGHTS,
    .in_place = -1,
    .offer = offer,
    .prepare = prepare,
    .run = run_weights,
    .release = release,
};
