/* Mean over windows of volumes: y[n,c,h,i,j] = 1/D sum over t < Kd, u < Kh, v < Kw of
 * x[n, c, h s - p + t, i s - p + u, j s - p + v].
 *
 * LeCun et al., "Gradient-Based Learning Applied to Document Recognition", Proc. IEEE 1998, section II.B
 * (there with a learned scale: `subsample`). The divisor D is the window's size with `count_padding`, PyTorch's
 * default, else the voxels inside the input; pool_nd.h has the rules of windows at the edges. */
#include "pool_nd.h"

static const cvy_param avg_pool3d_params[] = {
    CVY_TRIPLE(pool_config, kernel, "2", 1, 1023,
               "window size, voxels: one number or [depth, height, width]"),
    CVY_ALSO("kernel_size pool_size kernel_shape ksize size"),
    CVY_TRIPLE(pool_config, stride, "0", 0, 1023, POOL_STRIDE_HELP),
    CVY_ALSO("strides"),
    CVY_PADDING(pool_config, padding, "0", 3, 511,
                "zeros around the input, voxels, at most half the window on a side: one number, [depth, "
                "vertical, horizontal], [front, top, left, back, bottom, right], same or valid"),
    CVY_ALSO("pad pads"),
    CVY_BOOL(pool_config, ceil_mode, false, POOL_CEIL_HELP),
    CVY_BOOL(pool_config, count_padding, true, "whether the mean counts the padding's zeros"),
    CVY_ALSO("count_include_pad count_include_padding"),
};

static int avg_pool3d_infer(cvy_infer *in, const void *config)
{
    return pool_infer(in, config, 3, 0);
}

static const cvy_layer avg_pool3d_layer = {
    .size = sizeof(cvy_layer),
    .min_in = 1,
    .max_in = 1,
    .infer = avg_pool3d_infer,
    .forward = pool_avg_forward,
    .backward = pool_avg_backward,
};

CVY_PLUGIN(CVY_LAYER, avg_pool3d, "AvgPool3d AveragePooling3D average_pooling3d",
           "Mean over windows of voxels", "LeCun et al. 1998, section II.B", pool_config, &avg_pool3d_layer,
           CVY_PARAMS(avg_pool3d_params));
