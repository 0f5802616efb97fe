/* Mean over windows of sequences: y[n,c,i] = 1/D sum over u < K of x[n, c, i s - p + u].
 *
 * LeCun et al., "Gradient-Based Learning Applied to Document Recognition", Proc. IEEE 1998, section II.B
 * (there with a learned scale: `subsample`). The divisor D is the window's size with `count_padding`, PyTorch's
 * default, else the elements inside the input; pool_nd.h has the rules of windows at the edges. */
#include "pool_nd.h"

static const cvy_param avg_pool1d_params[] = {
    CVY_INT(pool_config, kernel, 2, 1, 1023, "window size, elements"),
    CVY_ALSO("kernel_size pool_size kernel_shape ksize size"),
    CVY_INT(pool_config, stride, 0, 0, 1023, POOL_STRIDE_HELP),
    CVY_ALSO("strides"),
    CVY_PADDING(pool_config, padding, "0", 1, 511,
                "zeros around the input, elements, at most half the window on a side: one number, [before, "
                "after], same or valid"),
    CVY_ALSO("pad pads"),
    CVY_BOOL(pool_config, ceil_mode, false, POOL_CEIL_HELP),
    CVY_BOOL(pool_config, count_padding, true, "whether the mean counts the padding's zeros"),
    CVY_ALSO("count_include_pad count_include_padding"),
};

static int avg_pool1d_infer(cvy_infer *in, const void *config)
{
    return pool_infer(in, config, 1, 0);
}

static const cvy_layer avg_pool1d_layer = {
    .size = sizeof(cvy_layer),
    .min_in = 1,
    .max_in = 1,
    .infer = avg_pool1d_infer,
    .forward = pool_avg_forward,
    .backward = pool_avg_backward,
    .lower = pool_avg_lower,
};

CVY_PLUGIN(CVY_LAYER, avg_pool1d, "AvgPool1d AveragePooling1D average_pooling1d",
           "Mean over windows of elements", "LeCun et al. 1998, section II.B", pool_config, &avg_pool1d_layer,
           CVY_PARAMS(avg_pool1d_params));
