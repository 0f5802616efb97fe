/* 2-D convolution whose kernel has a shape: a mask of zeros and ones over its taps, one for all kernels.
 *
 *   y[n,o,i,j] = b[o] + sum over c and those u,v with m[u,v] = 1 of w[o,c,u,v] x[n, c, i s - p + u d, j s - p + v d]
 *
 * With the causal masks an output sees the rows above it and the pixels to its left alone, (b) or not (a) also its own
 * place: van den Oord, Kalchbrenner & Kavukcuoglu, "Pixel Recurrent Neural Networks", ICML 2016, section 3.4, figure 2,
 * for maps whose channels are not ordered among each other. A masked tap is not computed: it has no influence, whatever
 * its weight or the input, and its gradient is 0. The weight tensor is whole all the same, (O, C/groups, Kh, Kw), and
 * counts so as parameters; MACs are those of the taps that are left. Weights and bias start uniform on
 * [-1/sqrt(fan_in), 1/sqrt(fan_in)] with fan_in = C/groups times the taps that are left. */
#include "conv_nd_flat.h"

typedef struct masked_config {
    conv_config conv; /* must be first: the rows of conv_nd.h speak of it */
    int32_t mask;
    cvy_ints taps;
} masked_config;

enum { CROSS, STAR, DIAMOND, CIRCLE, FRAME, CHECKERBOARD, CAUSAL_A, CAUSAL_B, CUSTOM };
static const char *const masks[] = {"cross",        "star",     "diamond",  "circle", "frame",
                                    "checkerboard", "causal_a", "causal_b", "custom", NULL};

static const cvy_param masked_conv2d_params[] = {
    CONV_CHANNELS,
    CONV_WINDOW(CVY_PARAM_PAIR, 2, "pixels", ": one number or [height, width]"),
    CVY_PARAM_(
        masked_config, mask, CVY_PARAM_ENUM, 0, NULL, 0, 0, masks,
        "which taps count: cross is the middle row and column, star the diagonals too, diamond and circle "
        "what lies within those, frame the border, checkerboard every other one and the middle, causal_a "
        "what comes before the middle row by row, causal_b the middle too, custom what `taps` says"),
    CVY_ALSO("mask_type kernel_mask shape"),
    CVY_INTS(masked_config, taps, "[]", 0, 1, "the mask row by row, height times width zeros and ones"),
    CONV_GROUPS,
    CONV_BIAS,
};

/* Whether tap (u, v) counts. The shapes but frame and custom have a middle: sides are odd. */
static bool counts(const masked_config *c, int64_t u, int64_t v)
{
    const int64_t height = c->conv.kernel[0], width = c->conv.kernel[1];
    const int64_t middle[2] = {height / 2, width / 2};
    const int64_t du = u < middle[0] ? middle[0] - u : u - middle[0];
    const int64_t dv = v < middle[1] ? middle[1] - v : v - middle[1];
    switch (c->mask) {
    case CROSS:
        return du == 0 || dv == 0;
    case STAR:
        return du == 0 || dv == 0 || du == dv;
    case DIAMOND:
        return du * middle[1] + dv * middle[0] <= middle[0] * middle[1];
    case CIRCLE: /* the tap's middle is in the ellipse that touches the kernel's sides */
        return 4 * (du * du * width * width + dv * dv * height * height) <= height * height * width * width;
    case FRAME:
        return u == 0 || v == 0 || u == height - 1 || v == width - 1;
    case CHECKERBOARD:
        return (du + dv) % 2 == 0;
    case CAUSAL_A:
        return u < middle[0] || (u == middle[0] && v < middle[1]);
    case CAUSAL_B:
        return u < middle[0] || (u == middle[0] && v <= middle[1]);
    default:
        return c->taps.v[u * width + v] != 0;
    }
}

static int expect_mask(cvy_infer *in, const masked_config *c)
{
    const int64_t height = c->conv.kernel[0], width = c->conv.kernel[1];
    if (c->mask != CUSTOM && c->taps.n)
        return cvy_fail(in, "taps: go with `mask: custom`, not with `mask: %s`; remove one of them",
                        masks[c->mask]);
    if (c->mask == CUSTOM && c->taps.n != (size_t)(height * width))
        return cvy_fail(
            in, "taps: %zu numbers for a kernel of %" PRId64 "x%" PRId64 "; `mask: custom` needs %" PRId64,
            c->taps.n, height, width, height * width);
    if (c->mask != CUSTOM && c->mask != FRAME && (height % 2 == 0 || width % 2 == 0))
        return cvy_fail(in,
                        "mask: %s has a middle, a kernel of %" PRId64 "x%" PRId64 " has none; use odd sizes",
                        masks[c->mask], height, width);
    return 0;
}

static int masked_infer(cvy_infer *in, const void *config)
{
    const masked_config *c = config;
    conv_nd g;
    if (expect_mask(in, c) || conv_nd_shape(in, &c->conv, 2, &g)) return 1;
    int64_t live = 0;
    for (int64_t k = 0; k < g.taps; k++) live += counts(c, k / g.kernel[2], k % g.kernel[2]);
    if (live == 0)
        return cvy_fail(in, "mask: %s leaves no tap of a kernel of %" PRId64 "x%" PRId64, masks[c->mask],
                        g.kernel[1], g.kernel[2]);
    const cvy_shape weight = conv_nd_weight(&g);
    if (conv_nd_declare(in, &g, &weight, live) || conv_flat_declare(in, &g)) return 1;
    in->scratch_bytes += g.taps; /* the mask */
    return 0;
}

/* With the mask laid out behind what the loops need of the call's scratch. */
static conv_nd geometry(const cvy_plain *call, const masked_config *c)
{
    conv_nd g = conv_nd_of(&c->conv, 2, false, call->in, call->out);
    unsigned char *mask = (unsigned char *)call->scratch + conv_flat_bytes(&g);
    for (int64_t k = 0; k < g.taps; k++) mask[k] = counts(c, k / g.kernel[2], k % g.kernel[2]);
    g.mask = mask;
    return g;
}

static int masked_forward(const cvy_plain *call, const void *config)
{
    const conv_nd g = geometry(call, config);
    return conv_flat_forward(call, &g);
}

static int masked_backward(const cvy_plain *call, const void *config)
{
    const conv_nd g = geometry(call, config);
    return conv_flat_backward(call, &g, g.narrow_channels * (g.wide_channels / g.groups));
}

static const cvy_layer masked_layer = {
    .size = sizeof(cvy_layer),
    .min_in = 1,
    .max_in = 1,
    .infer = masked_infer,
    .forward = masked_forward,
    .backward = masked_backward,
};

CVY_PLUGIN(
    CVY_LAYER, masked_conv2d, "MaskedConv2d MaskedConv2D",
    "2-D convolution with a kernel of a given shape; weights and bias start uniform on +-1/sqrt(fan_in)",
    "van den Oord et al. 2016, section 3.4", masked_config, &masked_layer, CVY_PARAMS(masked_conv2d_params));
