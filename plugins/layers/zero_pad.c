/* Zeros around the spatial axes of (N, C, L), (N, C, H, W) or (N, C, D, H, W). Convolutions and pooling pad by
 * themselves; this is for what they cannot do, like pixels on one side alone. */
#include <string.h>

#include "convoy/layer.h"
#include "shape_text.h"

typedef struct pad_config {
    cvy_ints padding;
} pad_config;

static const cvy_param pad_params[] = {
    CVY_INTS(pad_config, padding, NULL, 0, 1048576,
             "zeros: [all sides], one number per spatial axis for both its sides, or all befores and then "
             "all afters: "
             "[top, left, bottom, right]"),
    CVY_ALSO("pad pads paddings"),
};

/* Zeros before and after spatial axis `axis` of `axes`. */
static void sides(const pad_config *c, int axes, int axis, int64_t *before, int64_t *after)
{
    const int64_t *v = c->padding.v;
    const int each = c->padding.n > 1, apart = c->padding.n == (size_t)(2 * axes);
    *before = v[each || apart ? axis : 0];
    *after = apart ? v[axes + axis] : *before;
}

static int pad_infer(cvy_infer *in, const void *config)
{
    static const char *const wanted[] = {"[all] or [before, after]",
                                         "[all], [vertical, horizontal] or [top, left, "
                                         "bottom, right]",
                                         "[all], [depth, vertical, horizontal] or [front, top, left, "
                                         "back, bottom, right]"};
    const pad_config *c = config;
    const cvy_shape *x = &in->in[0];
    const int axes = x->rank - 2;
    char text[128];
    if (axes < 1 || axes > 3)
        return cvy_fail(in, "expects (N, C, L), (N, C, H, W) or (N, C, D, H, W) and got %s",
                        shape_text(x, text));
    if (c->padding.n != 1 && c->padding.n != (size_t)axes && c->padding.n != (size_t)(2 * axes))
        return cvy_fail(in, "padding: expects %s for %s, found a list of %zu", wanted[axes - 1],
                        shape_text(x, text), c->padding.n);
    in->out = *x;
    int64_t bytes = (int64_t)sizeof(double), before, after;
    for (int d = 0; d < x->rank; d++) {
        if (d >= 2) {
            sides(c, axes, d - 2, &before, &after);
            if (__builtin_add_overflow(in->out.dim[d], before + after, &in->out.dim[d])) bytes = INT64_MAX;
        }
        if (__builtin_mul_overflow(bytes, in->out.dim[d], &bytes))
            return cvy_fail(in, "padding: %s is too large to compute with so many zeros",
                            shape_text(x, text));
    }
    return 0;
}

/* Every shape as (N C, D, H, W). */
typedef struct pad_job {
    const cvy_plain *call;
    int64_t planes, in[3], out[3], before[3];
} pad_job;

static pad_job job_of(const cvy_plain *call, const pad_config *c)
{
    const cvy_shape *x = &call->in[0];
    const int axes = x->rank - 2;
    pad_job j = {.call = call, .planes = x->dim[0] * x->dim[1], .in = {1, 1, 1}, .out = {1, 1, 1}};
    for (int a = 0; a < axes; a++) {
        const int at = 3 - axes + a;
        int64_t after;
        sides(c, axes, a, &j.before[at], &after);
        j.in[at] = x->dim[2 + a];
        j.out[at] = call->out->dim[2 + a];
    }
    return j;
}

/* The piece of the output that row (d, h) of the input's plane is. */
static int64_t place_of(const pad_job *j, int64_t plane, int64_t d, int64_t h)
{
    return ((plane * j->out[0] + d + j->before[0]) * j->out[1] + h + j->before[1]) * j->out[2] + j->before[2];
}

static void forward_planes(void *ctx, int64_t begin, int64_t end)
{
    const pad_job *j = ctx;
    const int64_t size = j->out[0] * j->out[1] * j->out[2];
    const cvy_real *x = j->call->x[0] + begin * j->in[0] * j->in[1] * j->in[2];
    for (int64_t i = begin * size; i < end * size; i++) j->call->y[i] = 0;
    for (int64_t plane = begin; plane < end; plane++)
        for (int64_t d = 0; d < j->in[0]; d++)
            for (int64_t h = 0; h < j->in[1]; h++, x += j->in[2])
                memcpy(j->call->y + place_of(j, plane, d, h), x, (size_t)j->in[2] * sizeof(cvy_real));
}

static void backward_planes(void *ctx, int64_t begin, int64_t end)
{
    const pad_job *j = ctx;
    cvy_real *gx = j->call->gx[0] + begin * j->in[0] * j->in[1] * j->in[2];
    for (int64_t plane = begin; plane < end; plane++)
        for (int64_t d = 0; d < j->in[0]; d++)
            for (int64_t h = 0; h < j->in[1]; h++, gx += j->in[2])
                memcpy(gx, j->call->gy + place_of(j, plane, d, h), (size_t)j->in[2] * sizeof(cvy_real));
}

static int pad_forward(const cvy_plain *call, const void *config)
{
    pad_job j = job_of(call, config);
    call->host->parallel_for(call->host, j.planes, 1, forward_planes, &j);
    return 0;
}

static int pad_backward(const cvy_plain *call, const void *config)
{
    if (!call->gx[0]) return 0;
    pad_job j = job_of(call, config);
    call->host->parallel_for(call->host, j.planes, 1, backward_planes, &j);
    return 0;
}

static const cvy_layer pad_layer = {
    .size = sizeof(cvy_layer),
    .min_in = 1,
    .max_in = 1,
    .infer = pad_infer,
    .forward = pad_forward,
    .backward = pad_backward,
};

CVY_PLUGIN(
    CVY_LAYER, zero_pad,
    "ZeroPad1d ZeroPad2d ZeroPad3d ConstantPad2d ZeroPadding1D ZeroPadding2D ZeroPadding3D pad Pad zeropad",
    "Zeros around the one to three spatial axes", "", pad_config, &pad_layer, CVY_PARAMS(pad_params));
