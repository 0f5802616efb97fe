/* 2-D convolution over maps, in groups, with stride, zero padding and dilation:
 *
 *   y[n,o,i,j] = b[o] + sum over c,u,v of w[o,c,u,v] x[n, c, i s - p + u d, j s - p + v d]
 *
 * LeCun, Bottou, Bengio & Haffner, "Gradient-Based Learning Applied to Document Recognition", Proc. IEEE
 * 1998, section II; groups as in Krizhevsky et al. 2012, dilation as in Yu & Koltun 2016. Like every
 * framework this computes the cross-correlation; `mode: convolution` turns the kernel by 180 degrees. Weights
 * and bias start uniform on [-1/sqrt(fan_in), 1/sqrt(fan_in)], PyTorch's default, fan_in = C/groups Kh Kw. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "convoy/layer.h"

typedef struct conv_config {
    int64_t channels, kernel[2], stride[2], padding[2], dilation[2], groups;
    int32_t bias, mode;
} conv_config;

enum { CROSS_CORRELATION, CONVOLUTION };
static const char *const modes[] = {"cross_correlation", "convolution", NULL};

static const cvy_param conv_params[] = {
    CVY_INT_REQUIRED(conv_config, channels, 1, 1048576, "output channels"),
    CVY_ALSO("filters out_channels num_output num_filters features"),
    CVY_PAIR(conv_config, kernel, "3", 1, 1023, "kernel size, pixels: one number or [height, width]"),
    CVY_ALSO("kernel_size kernel_shape filter_size ksize size"),
    CVY_PAIR(conv_config, stride, "1", 1, 1023, "step between outputs, pixels"),
    CVY_ALSO("strides subsample"),
    CVY_PAIR(conv_config, padding, "0", 0, 1023, "zeros around the input, pixels on each side"),
    CVY_ALSO("pad pads border_mode"),
    CVY_PAIR(conv_config, dilation, "1", 1, 1023, "distance between kernel taps, pixels"),
    CVY_ALSO("dilation_rate dilations atrous_rate"),
    CVY_INT(conv_config, groups, 1, 1, 1048576, "channels are split into this many independent convolutions"),
    CVY_ALSO("group num_groups"),
    CVY_BOOL(conv_config, bias, true, "adds a learned number per output channel"),
    CVY_ALSO("use_bias bias_term"),
    CVY_ENUM(conv_config, mode, cross_correlation, modes,
             "what frameworks call convolution, or the textbook one: the kernel turned by 180 degrees"),
};

/* ---- shapes ---- */

static const char *shape_text(const cvy_shape *s, char text[128])
{
    char *end = text + sprintf(text, "(N");
    for (int i = 1; i < s->rank; i++) end += sprintf(end, ", %" PRId64, s->dim[i]);
    sprintf(end, ")");
    return text;
}

/* Multiplies *product; false when it no longer fits. */
static int multiply(int64_t *product, int64_t factor)
{
    return !__builtin_mul_overflow(*product, factor, product);
}

static void warn_of_dropped(cvy_infer *in, const char *what, int64_t stride, int64_t dropped, int64_t of)
{
    if (dropped == 1)
        in->warn(in, "a stride of %" PRId64 " drops the last %s of %" PRId64, stride, what, of);
    else
        in->warn(in, "a stride of %" PRId64 " drops the last %" PRId64 " %ss of %" PRId64, stride, dropped,
                 what, of);
}

static int conv_infer(cvy_infer *in, const void *config)
{
    const conv_config *c = config;
    const cvy_shape *x = &in->in[0]; // (N, C, H, W)
    char text[128];
    if (x->rank != 4)
        return cvy_fail(
            in,
            "expects maps (N, C, H, W) and got %s; convolve before `flatten`, `global_avg_pool` or `linear`",
            shape_text(x, text));
    const int64_t channels = x->dim[1];
    if (channels % c->groups)
        return cvy_fail(in, "groups: %" PRId64 " does not divide %" PRId64 " input channels", c->groups,
                        channels);
    if (c->channels % c->groups)
        return cvy_fail(in, "groups: %" PRId64 " does not divide channels: %" PRId64, c->groups, c->channels);

    int64_t padded[2], span[2], out[2];
    for (int d = 0; d < 2; d++) {
        padded[d] = x->dim[2 + d] + 2 * c->padding[d];
        span[d] = (c->kernel[d] - 1) * c->dilation[d] + 1;
        out[d] = (padded[d] - span[d]) / c->stride[d] + 1;
    }
    if (span[0] > padded[0] || span[1] > padded[1])
        return cvy_fail(in,
                        "kernel: %" PRId64 "x%" PRId64 "%s spans %" PRId64 "x%" PRId64
                        " pixels, more than the input's %" PRId64 "x%" PRId64 " (%" PRId64 "x%" PRId64
                        " with padding); use a smaller kernel, more padding, or less downsampling before",
                        c->kernel[0], c->kernel[1],
                        c->dilation[0] > 1 || c->dilation[1] > 1 ? " dilated" : "", span[0], span[1],
                        x->dim[2], x->dim[3], padded[0], padded[1]);
    for (int d = 0; d < 2; d++) {
        const int64_t read = (out[d] - 1) * c->stride[d] + span[d] - c->padding[d];
        if (read < x->dim[2 + d] && span[d] >= c->stride[d]) /* 1x1 with stride 2 means to skip pixels */
            warn_of_dropped(in, d == 0 ? "row" : "column", c->stride[d], x->dim[2 + d] - read, x->dim[2 + d]);
    }

    const cvy_shape weight = cvy_shape4(c->channels, channels / c->groups, c->kernel[0], c->kernel[1]);
    int64_t fan_in = 1, macs = 1, bytes = (int64_t)sizeof(double);
    const int fits = multiply(&fan_in, weight.dim[1]) && multiply(&fan_in, weight.dim[2]) &&
                     multiply(&fan_in, weight.dim[3]) && multiply(&macs, fan_in) &&
                     multiply(&macs, c->channels) && multiply(&macs, out[0]) && multiply(&macs, out[1]) &&
                     multiply(&bytes, x->dim[0]) && multiply(&bytes, c->channels) &&
                     multiply(&bytes, out[0]) && multiply(&bytes, out[1]);
    if (!fits)
        return cvy_fail(in,
                        "channels: %" PRId64 " of %" PRId64 "x%" PRId64 " pixels are too large to compute",
                        c->channels, out[0], out[1]);

    in->out = cvy_shape4(x->dim[0], c->channels, out[0], out[1]);
    in->traits = CVY_READS_X;
    in->macs = macs;
    const cvy_init uniform = {CVY_INIT_UNIFORM, 1 / sqrt((double)fan_in)};
    if (in->weight(in, "weight", &weight, uniform)) return 1;
    if (!c->bias) return 0;
    const cvy_shape bias = cvy_shape1(c->channels);
    return in->weight(in, "bias", &bias, uniform);
}

/* ---- plain ---- */

/* One kernel tap along one axis: output positions begin .. end-1 read input position o * stride + offset, the
 * others read padding. */
typedef struct tap {
    int64_t begin, end, offset;
} tap;

static tap tap_of(const conv_config *c, int axis, int64_t k, int64_t in, int64_t out)
{
    const int64_t stride = c->stride[axis];
    const int64_t at = c->mode == CONVOLUTION ? c->kernel[axis] - 1 - k : k;
    tap t = {0, 0, at * c->dilation[axis] - c->padding[axis]};
    if (t.offset < 0) t.begin = (-t.offset + stride - 1) / stride;
    if (t.offset < in) t.end = (in - 1 - t.offset) / stride + 1;
    if (t.end > out) t.end = out;
    return t;
}

typedef struct conv_job {
    const cvy_plain *call;
    const conv_config *c;
    int64_t batch;                            /* N */
    int64_t in_channels, in_group;            /* C, C/groups */
    int64_t out_channels, out_group;          /* O, O/groups */
    int64_t height, width, in_plane;          /* H, W, H W */
    int64_t out_height, out_width, out_plane; /* H', W', H' W' */
    int64_t taps;                             /* Kh Kw */
} conv_job;

static conv_job job_of(const cvy_plain *call, const conv_config *c)
{
    const int64_t *in = call->in[0].dim, *out = call->out->dim;
    const conv_job j = {
        .call = call,
        .c = c,
        .batch = in[0],
        .in_channels = in[1],
        .out_channels = out[1],
        .in_group = in[1] / c->groups,
        .out_group = out[1] / c->groups,
        .height = in[2],
        .width = in[3],
        .in_plane = in[2] * in[3],
        .out_height = out[2],
        .out_width = out[3],
        .out_plane = out[2] * out[3],
        .taps = c->kernel[0] * c->kernel[1],
    };
    return j;
}

/* Output planes (n, o): y = b + sum of w x. */
static void forward_planes(void *ctx, int64_t begin, int64_t end)
{
    const conv_job *j = ctx;
    const conv_config *c = j->c;
    for (int64_t plane = begin; plane < end; plane++) {
        const int64_t n = plane / j->out_channels, o = plane % j->out_channels;
        const int64_t first = o / j->out_group * j->in_group; /* input channel of the group */
        cvy_real *y = j->call->y + plane * j->out_plane;      // (H', W')
        const cvy_real bias = c->bias ? j->call->w[1][o] : 0;
        for (int64_t i = 0; i < j->out_plane; i++) y[i] = bias;
        for (int64_t k = 0; k < j->in_group * j->taps; k++) { /* (channel, u, v) */
            const tap v = tap_of(c, 0, k % j->taps / c->kernel[1], j->height, j->out_height);
            const tap h = tap_of(c, 1, k % c->kernel[1], j->width, j->out_width);
            const cvy_real *x =
                j->call->x[0] + (n * j->in_channels + first + k / j->taps) * j->in_plane; // (H, W)
            const cvy_real w = j->call->w[0][o * j->in_group * j->taps + k];
            for (int64_t row = v.begin; row < v.end; row++) {
                const int64_t from = (row * c->stride[0] + v.offset) * j->width + h.offset;
                const int64_t to = row * j->out_width;
                for (int64_t col = h.begin; col < h.end; col++)
                    y[to + col] += w * x[from + col * c->stride[1]];
            }
        }
    }
}

/* Input planes (n, i): gx = sum over the outputs that read a pixel of w gy. */
static void backward_planes(void *ctx, int64_t begin, int64_t end)
{
    const conv_job *j = ctx;
    const conv_config *c = j->c;
    for (int64_t plane = begin; plane < end; plane++) {
        const int64_t n = plane / j->in_channels, i = plane % j->in_channels;
        const int64_t first = i / j->in_group * j->out_group; /* output channel of the group */
        cvy_real *gx = j->call->gx[0] + plane * j->in_plane;  // (H, W)
        for (int64_t p = 0; p < j->in_plane; p++) gx[p] = 0;
        for (int64_t k = 0; k < j->out_group * j->taps; k++) { /* (output channel, u, v) */
            const tap v = tap_of(c, 0, k % j->taps / c->kernel[1], j->height, j->out_height);
            const tap h = tap_of(c, 1, k % c->kernel[1], j->width, j->out_width);
            const int64_t o = first + k / j->taps;
            const cvy_real *gy = j->call->gy + (n * j->out_channels + o) * j->out_plane; // (H', W')
            const cvy_real w = j->call->w[0][(o * j->in_group + i % j->in_group) * j->taps + k % j->taps];
            for (int64_t row = v.begin; row < v.end; row++) {
                const int64_t from = row * j->out_width;
                const int64_t to = (row * c->stride[0] + v.offset) * j->width + h.offset;
                for (int64_t col = h.begin; col < h.end; col++)
                    gx[to + col * c->stride[1]] += w * gy[from + col];
            }
        }
    }
}

/* Output channels o: gw = sum over the batch of gy x, gb = sum of gy. */
static void backward_weights(void *ctx, int64_t begin, int64_t end)
{
    const conv_job *j = ctx;
    const conv_config *c = j->c;
    for (int64_t o = begin; o < end; o++) {
        const int64_t first = o / j->out_group * j->in_group;
        for (int64_t k = 0; j->call->gw[0] && k < j->in_group * j->taps; k++) { /* (channel, u, v) */
            const tap v = tap_of(c, 0, k % j->taps / c->kernel[1], j->height, j->out_height);
            const tap h = tap_of(c, 1, k % c->kernel[1], j->width, j->out_width);
            double sum = 0;
            for (int64_t n = 0; n < j->batch; n++) {
                const cvy_real *x =
                    j->call->x[0] + (n * j->in_channels + first + k / j->taps) * j->in_plane; // (H, W)
                const cvy_real *gy = j->call->gy + (n * j->out_channels + o) * j->out_plane;  // (H', W')
                for (int64_t row = v.begin; row < v.end; row++) {
                    const int64_t in = (row * c->stride[0] + v.offset) * j->width + h.offset;
                    const int64_t out = row * j->out_width;
                    for (int64_t col = h.begin; col < h.end; col++)
                        sum += (double)gy[out + col] * (double)x[in + col * c->stride[1]];
                }
            }
            j->call->gw[0][o * j->in_group * j->taps + k] = (cvy_real)sum;
        }
        if (!c->bias || !j->call->gw[1]) continue;
        double sum = 0;
        for (int64_t n = 0; n < j->batch; n++)
            for (int64_t i = 0; i < j->out_plane; i++)
                sum += (double)j->call->gy[(n * j->out_channels + o) * j->out_plane + i];
        j->call->gw[1][o] = (cvy_real)sum;
    }
}

static int conv_forward(const cvy_plain *call, const void *config)
{
    conv_job j = job_of(call, config);
    call->host->parallel_for(call->host, j.batch * j.out_channels, 1, forward_planes, &j);
    return 0;
}

static int conv_backward(const cvy_plain *call, const void *config)
{
    conv_job j = job_of(call, config);
    if (call->gx[0]) call->host->parallel_for(call->host, j.batch * j.in_channels, 1, backward_planes, &j);
    call->host->parallel_for(call->host, j.out_channels, 1, backward_weights, &j);
    return 0;
}

/* ---- lower ---- */

static cvy_value conv_lower(cvy_lower *l, const void *config)
{
    const conv_config *c = config;
    const cvy_conv_attr attr = {
        .stride = {c->stride[0], c->stride[1]},
        .dilation = {c->dilation[0], c->dilation[1]},
        .padding = {c->padding[0], c->padding[1], c->padding[0], c->padding[1]},
        .groups = c->groups,
        .flip = c->mode == CONVOLUTION,
    };
    const cvy_value operands[] = {cvy_in(0), cvy_weight(0), cvy_weight(1)};
    return l->op(l, CVY_OP_CONV, operands, c->bias ? 3 : 2, &attr);
}

static const cvy_layer conv_layer = {
    .size = sizeof(cvy_layer),
    .min_in = 1,
    .max_in = 1,
    .infer = conv_infer,
    .forward = conv_forward,
    .backward = conv_backward,
    .lower = conv_lower,
};

CVY_PLUGIN(CVY_LAYER, conv2d, "Conv2d Conv2D conv convolution Convolution Convolution2D convolutional",
           "2-D convolution; weights and bias start uniform on +-1/sqrt(fan_in)",
           "LeCun et al. 1998, section II", conv_config, &conv_layer, CVY_PARAMS(conv_params));
