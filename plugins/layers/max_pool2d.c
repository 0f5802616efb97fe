/* Maximum over windows: y[n,c,i,j] = max over u < Kh, v < Kw of x[n, c, i s - p + u, j s - p + v].
 *
 * Scherer, Mueller & Behnke, "Evaluation of Pooling Operations in Convolutional Architectures for Object
 * Recognition", ICANN 2010. Padding counts as minus infinity, the first maximum takes the gradient and NaN
 * wins over numbers, as in PyTorch. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "convoy/layer.h"

typedef struct pool_config {
    int64_t kernel[2], stride[2], padding[2];
} pool_config;

static const cvy_param pool_params[] = {
    CVY_PAIR(pool_config, kernel, "2", 1, 1023, "window size, pixels: one number or [height, width]"),
    CVY_ALSO("kernel_size pool_size kernel_shape ksize size"),
    CVY_PAIR(pool_config, stride, "0", 0, 1023, "step between windows, pixels; 0: the window's size"),
    CVY_ALSO("strides"),
    CVY_PAIR(pool_config, padding, "0", 0, 511,
             "pixels of minus infinity on each side, at most half the window"),
    CVY_ALSO("pad pads"),
};

static int64_t stride_of(const pool_config *c, int axis)
{
    return c->stride[axis] ? c->stride[axis] : c->kernel[axis];
}

/* ---- shapes ---- */

static const char *shape_text(const cvy_shape *s, char text[128])
{
    char *end = text + sprintf(text, "(N");
    for (int i = 1; i < s->rank; i++) end += sprintf(end, ", %" PRId64, s->dim[i]);
    sprintf(end, ")");
    return text;
}

static void warn_of_dropped(cvy_infer *in, const char *what, int64_t stride, int64_t dropped, int64_t of)
{
    if (dropped == 1)
        in->warn(in, "a stride of %" PRId64 " drops the last %s of %" PRId64, stride, what, of);
    else
        in->warn(in, "a stride of %" PRId64 " drops the last %" PRId64 " %ss of %" PRId64, stride, dropped,
                 what, of);
}

/* Output height and width into out[2]. */
static int window_shape(cvy_infer *in, const pool_config *c, int64_t out[2])
{
    const cvy_shape *x = &in->in[0]; // (N, C, H, W)
    char text[128];
    if (x->rank != 4)
        return cvy_fail(
            in, "expects maps (N, C, H, W) and got %s; pool before `flatten`, `global_avg_pool` or `linear`",
            shape_text(x, text));
    for (int d = 0; d < 2; d++) {
        const int64_t size = x->dim[2 + d], padded = size + 2 * c->padding[d];
        if (2 * c->padding[d] > c->kernel[d])
            return cvy_fail(in,
                            "padding: %" PRId64 " is more than half of the kernel's %" PRId64
                            "; such windows would see padding alone",
                            c->padding[d], c->kernel[d]);
        if (c->kernel[d] > padded)
            return cvy_fail(in,
                            "kernel: %" PRId64 "x%" PRId64 " is larger than the input's %" PRId64 "x%" PRId64
                            " with padding (%" PRId64 "x%" PRId64
                            "); use a smaller kernel or less pooling before",
                            c->kernel[0], c->kernel[1], x->dim[2], x->dim[3], x->dim[2] + 2 * c->padding[0],
                            x->dim[3] + 2 * c->padding[1]);
        const int64_t stride = stride_of(c, d);
        out[d] = (padded - c->kernel[d]) / stride + 1;
        const int64_t read = (out[d] - 1) * stride + c->kernel[d] - c->padding[d];
        if (read < size && c->kernel[d] >= stride)
            warn_of_dropped(in, d == 0 ? "row" : "column", stride, size - read, size);
    }
    return 0;
}

static int pool_infer(cvy_infer *in, const void *config)
{
    const cvy_shape *x = &in->in[0];
    int64_t out[2];
    if (window_shape(in, config, out)) return 1;
    in->out = cvy_shape4(x->dim[0], x->dim[1], out[0], out[1]);

    int64_t plane;
    if (__builtin_mul_overflow(x->dim[2], x->dim[3], &plane) || plane > INT32_MAX ||
        __builtin_mul_overflow(cvy_count(&in->out), (int64_t)sizeof(int32_t), &in->saved_bytes))
        return cvy_fail(in, "maps of %" PRId64 "x%" PRId64 " pixels are too large to pool", x->dim[2],
                        x->dim[3]);
    return 0;
}

/* ---- plain ---- */

typedef struct pool_job {
    const cvy_plain *call;
    const pool_config *c;
    int64_t height, width, out_height, out_width; /* H, W, H', W' */
} pool_job;

static pool_job job_of(const cvy_plain *call, const pool_config *c)
{
    const pool_job j = {
        call, c, call->in[0].dim[2], call->in[0].dim[3], call->out->dim[2], call->out->dim[3]};
    return j;
}

/* The part of window `at` along one axis that lies inside the input: pixels *begin .. *end-1. */
static void window(const pool_config *c, int axis, int64_t at, int64_t size, int64_t *begin, int64_t *end)
{
    *begin = at * stride_of(c, axis) - c->padding[axis];
    *end = *begin + c->kernel[axis];
    if (*begin < 0) *begin = 0;
    if (*end > size) *end = size;
}

/* Planes (n, c): y = the maximum, saved = where in the input plane it was. */
static void forward_planes(void *ctx, int64_t begin, int64_t end)
{
    const pool_job *j = ctx;
    int32_t *saved = j->call->saved; /* (N, C, H', W'); none in evaluation */
    for (int64_t plane = begin; plane < end; plane++) {
        const cvy_real *x = j->call->x[0] + plane * j->height * j->width; // (H, W)
        for (int64_t i = 0; i < j->out_height * j->out_width; i++) {
            int64_t top, bottom, left, right;
            window(j->c, 0, i / j->out_width, j->height, &top, &bottom);
            window(j->c, 1, i % j->out_width, j->width, &left, &right);
            cvy_real max = -(cvy_real)INFINITY;
            int64_t argmax = top * j->width + left;
            for (int64_t row = top; row < bottom; row++)
                for (int64_t col = left; col < right; col++) {
                    const int64_t at = row * j->width + col;
                    if (x[at] > max || isnan(x[at])) {
                        max = x[at];
                        argmax = at;
                    }
                }
            const int64_t o = plane * j->out_height * j->out_width + i;
            j->call->y[o] = max;
            if (saved) saved[o] = (int32_t)argmax;
        }
    }
}

/* Planes (n, c): every gy goes to the pixel that was the maximum. */
static void backward_planes(void *ctx, int64_t begin, int64_t end)
{
    const pool_job *j = ctx;
    const int64_t pixels = j->height * j->width, windows = j->out_height * j->out_width;
    const int32_t *saved = j->call->saved;
    for (int64_t plane = begin; plane < end; plane++) {
        cvy_real *gx = j->call->gx[0] + plane * pixels; // (H, W)
        for (int64_t p = 0; p < pixels; p++) gx[p] = 0;
        for (int64_t o = plane * windows; o < (plane + 1) * windows; o++) gx[saved[o]] += j->call->gy[o];
    }
}

static int pool_forward(const cvy_plain *call, const void *config)
{
    pool_job j = job_of(call, config);
    call->host->parallel_for(call->host, call->out->dim[0] * call->out->dim[1], 1, forward_planes, &j);
    return 0;
}

static int pool_backward(const cvy_plain *call, const void *config)
{
    if (!call->gx[0]) return 0;
    pool_job j = job_of(call, config);
    call->host->parallel_for(call->host, call->out->dim[0] * call->out->dim[1], 1, backward_planes, &j);
    return 0;
}

/* ---- lower ---- */

static cvy_value pool_lower(cvy_lower *l, const void *config)
{
    const pool_config *c = config;
    const cvy_pool_attr attr = {
        .function = CVY_POOL_MAX,
        .kernel = {c->kernel[0], c->kernel[1]},
        .stride = {stride_of(c, 0), stride_of(c, 1)},
        .padding = {c->padding[0], c->padding[1], c->padding[0], c->padding[1]},
    };
    const cvy_value x = cvy_in(0);
    return l->op(l, CVY_OP_POOL, &x, 1, &attr);
}

static const cvy_layer pool_layer = {
    .size = sizeof(cvy_layer),
    .min_in = 1,
    .max_in = 1,
    .infer = pool_infer,
    .forward = pool_forward,
    .backward = pool_backward,
    .lower = pool_lower,
};

CVY_PLUGIN(CVY_LAYER, max_pool2d, "MaxPool2d MaxPooling2D MaxPool maxpool max_pool max_pooling2d",
           "Maximum over windows of pixels", "Scherer et al. 2010", pool_config, &pool_layer,
           CVY_PARAMS(pool_params));
