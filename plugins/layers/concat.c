/* Inputs one after the other along the channels: (N, C_1, ...), (N, C_2, ...) -> (N, C_1 + C_2, ...).
 *
 * Szegedy et al., "Going Deeper with Convolutions", CVPR 2015, figure 2 ("filter concatenation"). */
#include <stdlib.h>
#include <string.h>

#include "convoy/layer.h"
#include "shape_text.h"

/* Equal but for the channels, dim[1]. */
static int fits(const cvy_shape *a, const cvy_shape *b)
{
    for (int i = 0; i < a->rank; i++)
        if (i != 1 && a->dim[i] != b->dim[i]) return 0;
    return a->rank == b->rank;
}

static int concat_infer(cvy_infer *in, const void *config)
{
    (void)config;
    char first[128], other[128];
    in->out = in->in[0];
    if (in->in[0].rank < 2)
        return cvy_fail(
            in, "expects (N, C, ...) and got a batch of single numbers; there are no channels to join");
    for (int32_t k = 1; k < in->n_in; k++) {
        if (!fits(&in->in[0], &in->in[k]))
            return cvy_fail(
                in,
                "input 1 is %s but input %" PRId32
                " is %s; inputs may differ in channels alone, so bring them to one height and width",
                shape_text(&in->in[0], first), k + 1, shape_text(&in->in[k], other));
        if (__builtin_add_overflow(in->out.dim[1], in->in[k].dim[1], &in->out.dim[1]))
            return cvy_fail(in, "the inputs have too many channels together");
    }
    return 0;
}

/* For every sample n and input k: the piece of the output, and of the input, that are the same numbers. */
static int concat_forward(const cvy_plain *call, const void *config)
{
    (void)config;
    cvy_real *y = call->y;
    for (int64_t n = 0; n < call->out->dim[0]; n++)
        for (int32_t k = 0; k < call->n_in; k++) {
            const int64_t count = cvy_sample_count(&call->in[k]);
            memcpy(y, call->x[k] + n * count, (size_t)count * sizeof(cvy_real));
            y += count;
        }
    return 0;
}

static int concat_backward(const cvy_plain *call, const void *config)
{
    (void)config;
    const cvy_real *gy = call->gy;
    for (int64_t n = 0; n < call->out->dim[0]; n++)
        for (int32_t k = 0; k < call->n_in; k++) {
            const int64_t count = cvy_sample_count(&call->in[k]);
            if (call->gx[k]) memcpy(call->gx[k] + n * count, gy, (size_t)count * sizeof(cvy_real));
            gy += count;
        }
    return 0;
}

static cvy_value concat_lower(cvy_lower *l, const void *config)
{
    (void)config;
    cvy_value *operands = malloc((size_t)l->n_in * sizeof *operands);
    if (!operands) return -1;
    for (int32_t k = 0; k < l->n_in; k++) operands[k] = cvy_in(k);
    const cvy_value joined = l->op(l, CVY_OP_CONCAT, operands, l->n_in, NULL);
    free(operands);
    return joined;
}

static const cvy_layer concat_layer = {
    .size = sizeof(cvy_layer),
    .min_in = 2,
    .max_in = -1,
    .infer = concat_infer,
    .forward = concat_forward,
    .backward = concat_backward,
    .lower = concat_lower,
};

CVY_PLUGIN(CVY_LAYER, concat, "Concat Concatenate concatenate cat route", "Inputs joined along the channels",
           "Szegedy et al. 2015, figure 2", cvy_no_config, &concat_layer, CVY_NO_PARAMS);
