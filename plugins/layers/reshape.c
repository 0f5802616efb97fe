/* Another shape for the numbers of each sample, which keep their order: (N, 12, 5) -> (N, 3, 4, 5). It moves no
 * numbers about. */
#include <string.h>

#include "convoy/layer.h"
#include "shape_text.h"

typedef struct reshape_config {
    cvy_ints shape;
} reshape_config;

static const cvy_param reshape_params[] = {
    CVY_INTS(reshape_config, shape, "[-1]", -1, 1099511627776,
             "the sample's dimensions, without the batch; one may be -1: as much as is left"),
    CVY_ALSO("size target_shape dims new_shape"),
};

static int reshape_infer(cvy_infer *in, const void *config)
{
    const cvy_ints *want = &((const reshape_config *)config)->shape;
    const cvy_shape *x = &in->in[0];
    const int64_t count = cvy_sample_count(x);
    char from[128], to[128];
    int64_t given = 1;
    int open = -1; /* the axis written as -1 */
    if (want->n < 1 || want->n > CVY_MAX_RANK - 1)
        return cvy_fail(in, "shape: expects 1 to %d dimensions, found %zu", CVY_MAX_RANK - 1, want->n);
    in->out = (cvy_shape){.rank = (int32_t)want->n + 1, .dim = {x->dim[0]}};
    for (size_t i = 0; i < want->n; i++) {
        in->out.dim[i + 1] = want->v[i];
        if (want->v[i] == 0) return cvy_fail(in, "shape: a dimension of 0 leaves nothing");
        if (want->v[i] < 0 && open >= 0) return cvy_fail(in, "shape: only one dimension may be -1");
        if (want->v[i] < 0)
            open = (int)i + 1;
        else if (__builtin_mul_overflow(given, want->v[i], &given))
            return cvy_fail(in, "shape: the dimensions are too large together");
    }
    if (open >= 0) {
        if (count % given)
            return cvy_fail(in,
                            "shape: the dimensions given hold %" PRId64
                            " numbers, which do not divide the %" PRId64 " of a sample of %s",
                            given, count, shape_text(x, from));
        in->out.dim[open] = count / given;
    } else if (given != count) {
        return cvy_fail(in, "shape: %s has %" PRId64 " numbers in a sample, the input %s has %" PRId64,
                        shape_text(&in->out, to), given, shape_text(x, from), count);
    }
    in->traits = CVY_IN_PLACE;
    return 0;
}

static void copy(cvy_real *to, const cvy_real *from, int64_t count)
{
    if (to && to != from) memcpy(to, from, (size_t)count * sizeof(cvy_real));
}

static int reshape_forward(const cvy_plain *call, const void *config)
{
    (void)config;
    copy(call->y, call->x[0], cvy_count(call->out));
    return 0;
}

static int reshape_backward(const cvy_plain *call, const void *config)
{
    (void)config;
    copy(call->gx[0], call->gy, cvy_count(call->out));
    return 0;
}

static cvy_value reshape_lower(cvy_lower *l, const void *config)
{
    (void)config;
    const cvy_value x = cvy_in(0);
    const cvy_reshape_attr attr = {.shape = *l->out};
    return l->op(l, CVY_OP_RESHAPE, &x, 1, &attr);
}

static const cvy_layer reshape_layer = {
    .size = sizeof(cvy_layer),
    .min_in = 1,
    .max_in = 1,
    .infer = reshape_infer,
    .forward = reshape_forward,
    .backward = reshape_backward,
    .lower = reshape_lower,
};

CVY_PLUGIN(CVY_LAYER, reshape, "Reshape view View Unflatten unflatten",
           "Another shape for each sample's numbers, in their order (NCHW)", "", reshape_config,
           &reshape_layer, CVY_PARAMS(reshape_params));
