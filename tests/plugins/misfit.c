/* A layer that lowers to a transposed convolution or a bias with operands or attributes that do not fit, for tests of
 * what is said then. */
#include "convoy/layer.h"

typedef struct misfit_config {
    int32_t what;
} misfit_config;

enum { FITS, GROUPS, NO_GROUPS, CHANNELS, RANK, STRIDE, DILATION, SIZE, BIASED, BIAS, TIED };
static const char *const misfits[] = {"fits",     "groups", "no_groups", "channels", "rank", "stride",
                                      "dilation", "size",   "biased",    "bias",     "tied", NULL};

static const cvy_param misfit_params[] = {
    CVY_ENUM(misfit_config, what, fits, misfits, "what is wrong"),
};

static int misfit_infer(cvy_infer *in, const void *config)
{
    const misfit_config *c = config;
    const int64_t channels = in->in[0].dim[1];
    const cvy_shape kernel =
        c->what == RANK ? cvy_shape2(channels, 1) : cvy_shape4(channels + (c->what == CHANNELS), 1, 1, 1);
    const cvy_shape bias = cvy_shape1(1 + (c->what == BIAS));
    in->out = cvy_shape4(in->in[0].dim[0], 1, in->in[0].dim[2], in->in[0].dim[3]);
    return in->weight(in, "weight", &kernel, cvy_constant(1)) ||
           in->weight(in, "bias", &bias, cvy_constant(1));
}

static int misfit_forward(const cvy_plain *c, const void *config)
{
    (void)config;
    return cvy_fail(c, "it is made to be lowered");
}

static cvy_value misfit_lower(cvy_lower *l, const void *config)
{
    const misfit_config *c = config;
    cvy_conv_transpose_attr a = {.conv = {.stride = {1, 1}, .dilation = {1, 1}, .groups = 1},
                                 .size = {l->in[0].dim[2], l->in[0].dim[3]}};
    if (c->what == GROUPS) a.conv.groups = 2; /* of three channels */
    if (c->what == NO_GROUPS) a.conv.groups = 0;
    if (c->what == STRIDE) a.conv.stride[1] = 0;
    if (c->what == DILATION) a.conv.dilation[0] = -1;
    if (c->what == SIZE) a.size[0] = 0;
    const cvy_value operands[] = {cvy_in(0), cvy_weight(0), cvy_weight(1)};
    const cvy_value y = l->op(l, CVY_OP_CONV_TRANSPOSE, operands, c->what == BIASED ? 3 : 2, &a);
    const cvy_value with[] = {y, cvy_weight(1)};
    const cvy_value sum = l->op(l, CVY_OP_BIAS, with, 2, NULL);
    const cvy_value again[] = {sum, cvy_weight(1)};
    return c->what == TIED ? l->op(l, CVY_OP_BIAS, again, 2, NULL) : sum;
}

static const cvy_layer misfit_layer = {
    .size = sizeof(cvy_layer),
    .min_in = 1,
    .max_in = 1,
    .infer = misfit_infer,
    .forward = misfit_forward,
    .backward = misfit_forward,
    .lower = misfit_lower,
};

CVY_PLUGIN(CVY_LAYER, misfit, "", "Lowers to operators that do not fit", "none", misfit_config, &misfit_layer,
           CVY_PARAMS(misfit_params));
