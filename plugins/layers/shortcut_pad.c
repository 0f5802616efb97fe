/* Shortcut without weights: every stride-th pixel, and zero channels around the input's so that there are
 * `channels`.
 *
 * He, Zhang, Ren & Sun, "Deep Residual Learning for Image Recognition", CVPR 2016, section 3.3, option A:
 * y[n, b + c, i, j] = x[n, c, i s, j s], b = (channels - C) / 2 rounded down, and zero elsewhere. */
#include <inttypes.h>
#include <stdio.h>

#include "convoy/layer.h"

typedef struct pad_config {
    int64_t channels, stride[2];
} pad_config;

static const cvy_param pad_params[] = {
    CVY_INT_REQUIRED(pad_config, channels, 1, 1048576, "output channels, zero ones included"),
    CVY_ALSO("filters out_channels"),
    CVY_PAIR(pad_config, stride, "1", 1, 1023, "step between the pixels kept"),
    CVY_ALSO("strides"),
};

static const char *shape_text(const cvy_shape *s, char text[128])
{
    char *end = text + sprintf(text, "(N");
    for (int i = 1; i < s->rank; i++) end += sprintf(end, ", %" PRId64, s->dim[i]);
    sprintf(end, ")");
    return text;
}

static int pad_infer(cvy_infer *in, const void *config)
{
    const pad_config *c = config;
    const cvy_shape *x = &in->in[0]; // (N, C, H, W)
    char text[128];
    if (x->rank != 4)
        return cvy_fail(in,
                        "expects maps (N, C, H, W) and got %s; use it before `flatten` or `global_avg_pool`",
                        shape_text(x, text));
    if (c->channels < x->dim[1])
        return cvy_fail(in,
                        "channels: %" PRId64 " is below the input's %" PRId64
                        "; padding only adds channels, a 1x1 conv2d can remove them",
                        c->channels, x->dim[1]);
    in->out = cvy_shape4(x->dim[0], c->channels, (x->dim[2] - 1) / c->stride[0] + 1,
                         (x->dim[3] - 1) / c->stride[1] + 1);
    int64_t bytes = (int64_t)sizeof(double);
    for (int d = 0; d < 4; d++)
        if (__builtin_mul_overflow(bytes, in->out.dim[d], &bytes))
            return cvy_fail(
                in, "channels: %" PRId64 " of %" PRId64 "x%" PRId64 " pixels are too large to compute",
                c->channels, in->out.dim[2], in->out.dim[3]);
    return 0;
}

static int64_t before(const cvy_shape *in, const pad_config *c)
{
    return (c->channels - in->dim[1]) / 2;
}

static int pad_forward(const cvy_plain *call, const void *config)
{
    const pad_config *c = config;
    const int64_t *in = call->in[0].dim, *out = call->out->dim;
    const int64_t first = before(&call->in[0], c), count = cvy_count(call->out);
    for (int64_t i = 0; i < count; i++) call->y[i] = 0;
    for (int64_t n = 0; n < in[0]; n++) {
        for (int64_t k = 0; k < in[1]; k++) {
            const cvy_real *x = call->x[0] + (n * in[1] + k) * in[2] * in[3];   // (H, W)
            cvy_real *y = call->y + (n * out[1] + first + k) * out[2] * out[3]; // (H', W')
            for (int64_t row = 0; row < out[2]; row++)
                for (int64_t col = 0; col < out[3]; col++)
                    y[row * out[3] + col] = x[row * c->stride[0] * in[3] + col * c->stride[1]];
        }
    }
    return 0;
}

static int pad_backward(const cvy_plain *call, const void *config)
{
    if (!call->gx[0]) return 0;
    const pad_config *c = config;
    const int64_t *in = call->in[0].dim, *out = call->out->dim;
    const int64_t first = before(&call->in[0], c), count = cvy_count(&call->in[0]);
    for (int64_t i = 0; i < count; i++) call->gx[0][i] = 0;
    for (int64_t n = 0; n < in[0]; n++) {
        for (int64_t k = 0; k < in[1]; k++) {
            cvy_real *gx = call->gx[0] + (n * in[1] + k) * in[2] * in[3];               // (H, W)
            const cvy_real *gy = call->gy + (n * out[1] + first + k) * out[2] * out[3]; // (H', W')
            for (int64_t row = 0; row < out[2]; row++)
                for (int64_t col = 0; col < out[3]; col++)
                    gx[row * c->stride[0] * in[3] + col * c->stride[1]] = gy[row * out[3] + col];
        }
    }
    return 0;
}

static cvy_value pad_lower(cvy_lower *l, const void *config)
{
    const pad_config *c = config;
    const int64_t first = before(&l->in[0], c);
    const cvy_shortcut_attr attr = {
        .stride = {c->stride[0], c->stride[1]},
        .before = first,
        .after = c->channels - l->in[0].dim[1] - first,
    };
    const cvy_value x = cvy_in(0);
    return l->op(l, CVY_OP_SHORTCUT_PAD, &x, 1, &attr);
}

static const cvy_layer pad_layer = {
    .size = sizeof(cvy_layer),
    .min_in = 1,
    .max_in = 1,
    .infer = pad_infer,
    .forward = pad_forward,
    .backward = pad_backward,
    .lower = pad_lower,
};

CVY_PLUGIN(CVY_LAYER, shortcut_pad, "zero_pad_shortcut pad_shortcut option_a",
           "Shortcut without weights: strided pixels, zero channels added",
           "He et al. 2016, section 3.3, option A", pad_config, &pad_layer, CVY_PARAMS(pad_params));
