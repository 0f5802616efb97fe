/* Maxout: of every group of `pieces` channels the largest number, y[c] = max of x[c p] ... x[c p + p - 1].
 *
 * Goodfellow et al., "Maxout Networks", ICML 2013, equation 2. */
#include "convoy/layer.h"

typedef struct maxout_config {
    int64_t pieces;
} maxout_config;

static const cvy_param maxout_params[] = {
    CVY_INT(maxout_config, pieces, 2, 2, 1024, "channels of a group; one comes out of each"),
    CVY_ALSO("num_pieces k groups"),
};

static int maxout_infer(cvy_infer *in, const void *config)
{
    const maxout_config *c = config;
    const cvy_shape *x = &in->in[0]; // (N, C, ...)
    if (x->rank < 2 || x->dim[1] % c->pieces != 0)
        return cvy_fail(in, "pieces: %d does not divide %d channels", (int)c->pieces, (int)x->dim[1]);
    in->out = *x;
    in->out.dim[1] = x->dim[1] / c->pieces;
    in->traits = CVY_READS_X; /* backward looks again where the largest was */
    return 0;
}

/* Which of the group's numbers, `pixels` apart, is the largest; the first one where several are. */
static int64_t largest(const cvy_real *x, int64_t pieces, int64_t pixels)
{
    int64_t best = 0;
    for (int64_t p = 1; p < pieces; p++)
        if (x[p * pixels] > x[best * pixels]) best = p;
    return best;
}

static int maxout_forward(const cvy_plain *call, const void *config)
{
    const int64_t pieces = ((const maxout_config *)config)->pieces;
    const int64_t groups = call->out->dim[0] * call->out->dim[1]; /* over the whole batch */
    const int64_t pixels = cvy_count(call->out) / groups;
    for (int64_t g = 0; g < groups; g++)
        for (int64_t i = 0; i < pixels; i++) {
            const cvy_real *x = call->x[0] + g * pieces * pixels + i;
            call->y[g * pixels + i] = x[largest(x, pieces, pixels) * pixels];
        }
    return 0;
}

static int maxout_backward(const cvy_plain *call, const void *config)
{
    const int64_t pieces = ((const maxout_config *)config)->pieces;
    const int64_t groups = call->out->dim[0] * call->out->dim[1];
    const int64_t pixels = cvy_count(call->out) / groups;
    if (!call->gx[0]) return 0; /* nobody wants this gradient */
    for (int64_t g = 0; g < groups; g++)
        for (int64_t i = 0; i < pixels; i++) {
            const int64_t at = g * pieces * pixels + i;
            const int64_t best = largest(call->x[0] + at, pieces, pixels);
            for (int64_t p = 0; p < pieces; p++)
                call->gx[0][at + p * pixels] = p == best ? call->gy[g * pixels + i] : 0;
        }
    return 0;
}

static const cvy_layer maxout_layer = {
    .size = sizeof(cvy_layer),
    .min_in = 1,
    .max_in = 1,
    .infer = maxout_infer,
    .forward = maxout_forward,
    .backward = maxout_backward,
};

CVY_PLUGIN(CVY_LAYER, maxout, "Maxout MaxoutDense", "The largest of every group of channels",
           "Goodfellow et al. 2013, equation 2", maxout_config, &maxout_layer, CVY_PARAMS(maxout_params));
