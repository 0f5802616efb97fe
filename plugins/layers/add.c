/* Sum of two or more inputs of one shape: y = x_1 + x_2 + ...; what joins a shortcut to its residual.
 *
 * He, Zhang, Ren & Sun, "Deep Residual Learning for Image Recognition", CVPR 2016, equation 1. */
#include <stdlib.h>
#include <string.h>

#include "convoy/layer.h"
#include "shape_text.h"

static int same_shape(const cvy_shape *a, const cvy_shape *b)
{
    for (int i = 0; i < a->rank; i++)
        if (a->dim[i] != b->dim[i]) return 0;
    return a->rank == b->rank;
}

static int add_infer(cvy_infer *in, const void *config)
{
    (void)config;
    char first[128], other[128];
    for (int32_t i = 1; i < in->n_in; i++)
        if (!same_shape(&in->in[0], &in->in[i]))
            return cvy_fail(
                in,
                "input 1 is %s but input %" PRId32
                " is %s; all inputs need one shape (a 1x1 conv2d or shortcut_pad changes channels and size)",
                shape_text(&in->in[0], first), i + 1, shape_text(&in->in[i], other));
    in->out = in->in[0];
    in->traits = CVY_IN_PLACE;
    return 0;
}

static int add_forward(const cvy_plain *call, const void *config)
{
    (void)config;
    const int64_t count = cvy_count(call->out);
    for (int64_t i = 0; i < count; i++) {
        cvy_real sum = call->x[0][i];
        for (int32_t k = 1; k < call->n_in; k++) sum += call->x[k][i];
        call->y[i] = sum;
    }
    return 0;
}

static int add_backward(const cvy_plain *call, const void *config)
{
    (void)config;
    const size_t bytes = (size_t)cvy_count(call->out) * sizeof(cvy_real);
    for (int32_t k = 0; k < call->n_in; k++)
        if (call->gx[k] && call->gx[k] != call->gy) memcpy(call->gx[k], call->gy, bytes);
    return 0;
}

static cvy_value add_lower(cvy_lower *l, const void *config)
{
    (void)config;
    cvy_value *operands = malloc((size_t)l->n_in * sizeof *operands);
    if (!operands) return -1;
    for (int32_t k = 0; k < l->n_in; k++) operands[k] = cvy_in(k);
    const cvy_value sum = l->op(l, CVY_OP_ADD, operands, l->n_in, NULL);
    free(operands);
    return sum;
}

static const cvy_layer add_layer = {
    .size = sizeof(cvy_layer),
    .min_in = 2,
    .max_in = -1,
    .infer = add_infer,
    .forward = add_forward,
    .backward = add_backward,
    .lower = add_lower,
};

CVY_PLUGIN(CVY_LAYER, add, "Add sum Sum Eltwise shortcut plus", "Sum of inputs of one shape",
           "He et al. 2016, equation 1", cvy_no_config, &add_layer, CVY_NO_PARAMS);
