/* Maximum of every channel, (N, C, ...) -> (N, C): y[n,c] = max over i,j of x[n,c,i,j].
 *
 * Oquab, Bottou, Laptev & Sivic, "Is Object Localization for Free? Weakly-Supervised Learning with Convolutional
 * Neural Networks", CVPR 2015, section 3. The first maximum takes the gradient and NaN wins over numbers, as in
 * max_pool2d. */
#include <inttypes.h>
#include <math.h>

#include "convoy/layer.h"

static int gmp_infer(cvy_infer *in, const void *config)
{
    (void)config;
    const cvy_shape *x = &in->in[0];
    if (x->rank < 3)
        return cvy_fail(in,
                        "expects maps (N, C, H, W), sequences or volumes and got (N, %" PRId64
                        "); there is nothing left to take the maximum of",
                        x->dim[1]);
    int64_t elements = 1;
    for (int d = 2; d < x->rank; d++)
        if (__builtin_mul_overflow(elements, x->dim[d], &elements) || elements > INT32_MAX)
            return cvy_fail(in, "a channel of more than %" PRId32 " elements is too large to pool",
                            INT32_MAX);
    in->out = cvy_shape2(x->dim[0], x->dim[1]);
    if (__builtin_mul_overflow(x->dim[0], x->dim[1], &in->saved_bytes) ||
        __builtin_mul_overflow(in->saved_bytes, (int64_t)sizeof(int32_t), &in->saved_bytes))
        return cvy_fail(in, "%" PRId64 " channels are too many to pool", x->dim[1]);
    return 0;
}

/* Channels (n, c): y = the maximum, saved = where it was. */
static void forward_part(void *ctx, int64_t begin, int64_t end)
{
    const cvy_plain *call = ctx;
    const int64_t elements = cvy_count(&call->in[0]) / cvy_count(call->out);
    int32_t *saved = call->saved; /* (N, C); none in evaluation */
    for (int64_t channel = begin; channel < end; channel++) {
        const cvy_real *x = call->x[0] + channel * elements;
        int64_t where = 0;
        for (int64_t i = 1; i < elements; i++)
            if (x[i] > x[where] || isnan(x[i])) where = i;
        call->y[channel] = x[where];
        if (saved) saved[channel] = (int32_t)where;
    }
}

static void backward_part(void *ctx, int64_t begin, int64_t end)
{
    const cvy_plain *call = ctx;
    const int64_t elements = cvy_count(&call->in[0]) / cvy_count(call->out);
    const int32_t *saved = call->saved;
    for (int64_t channel = begin; channel < end; channel++) {
        cvy_real *gx = call->gx[0] + channel * elements;
        for (int64_t i = 0; i < elements; i++) gx[i] = 0;
        gx[saved[channel]] = call->gy[channel];
    }
}

static int gmp_forward(const cvy_plain *call, const void *config)
{
    (void)config;
    call->host->parallel_for(call->host, cvy_count(call->out), 1, forward_part, (void *)call);
    return 0;
}

static int gmp_backward(const cvy_plain *call, const void *config)
{
    (void)config;
    if (call->gx[0])
        call->host->parallel_for(call->host, cvy_count(call->out), 1, backward_part, (void *)call);
    return 0;
}

/* One window over everything; sequences and volumes lie as maps of one row. */
static cvy_value gmp_lower(cvy_lower *l, const void *config)
{
    (void)config;
    const cvy_shape *s = &l->in[0];
    cvy_reshape_attr row = {cvy_shape4(s->dim[0], s->dim[1], 1, 1)};
    const cvy_reshape_attr vector = {*l->out};
    for (int d = 2; d < s->rank; d++) row.shape.dim[3] *= s->dim[d];
    cvy_pool_attr all = {.function = CVY_POOL_MAX, .kernel = {1, row.shape.dim[3]}, .stride = {1, 1}};
    cvy_value x = cvy_in(0);
    if (s->rank == 4)
        for (int d = 0; d < 2; d++) all.kernel[d] = s->dim[2 + d];
    else
        x = l->op(l, CVY_OP_RESHAPE, &x, 1, &row);
    x = l->op(l, CVY_OP_POOL, &x, 1, &all);
    return l->op(l, CVY_OP_RESHAPE, &x, 1, &vector);
}

static const cvy_layer gmp_layer = {
    .size = sizeof(cvy_layer),
    .min_in = 1,
    .max_in = 1,
    .infer = gmp_infer,
    .forward = gmp_forward,
    .backward = gmp_backward,
    .lower = gmp_lower,
};

CVY_PLUGIN(CVY_LAYER, global_max_pool,
           "GlobalMaxPooling1D GlobalMaxPooling2D GlobalMaxPooling3D GlobalMaxPool AdaptiveMaxPool2d "
           "global_max_pooling gmp",
           "Maximum over all pixels of a channel: (N, C, ...) -> (N, C)", "Oquab et al. 2015, section 3",
           cvy_no_config, &gmp_layer, CVY_NO_PARAMS);
