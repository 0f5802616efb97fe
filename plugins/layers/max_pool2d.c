/* Maximum over windows: y[n,c,i,j] = max over u < Kh, v < Kw of x[n, c, i s - p + u, j s - p + v].
 *
 * Scherer, Mueller & Behnke, "Evaluation of Pooling Operations in Convolutional Architectures for Object
 * Recognition", ICANN 2010. Padding counts as minus infinity, the first maximum takes the gradient and NaN
 * wins over numbers, as in PyTorch; pool_nd.h has the rules of windows at the edges. */
#include "pool_nd.h"

static const cvy_param max_pool2d_params[] = {
    CVY_PAIR(pool_config, kernel, "2", 1, 1023, "window size, pixels: one number or [height, width]"),
    CVY_ALSO("kernel_size pool_size kernel_shape ksize size"),
    CVY_PAIR(pool_config, stride, "0", 0, 1023, POOL_STRIDE_HELP),
    CVY_ALSO("strides"),
    CVY_PADDING(pool_config, padding, "0", 2, 511,
                "minus infinity around the input, pixels, at most half the window on a side: one number, "
                "[vertical, horizontal], [top, left, bottom, right], same or valid"),
    CVY_ALSO("pad pads"),
    CVY_PAIR(pool_config, dilation, "1", 1, 1023, "distance between the elements of a window"),
    CVY_ALSO("dilations dilation_rate"),
    CVY_BOOL(pool_config, ceil_mode, false, POOL_CEIL_HELP),
};

static int max_pool2d_infer(cvy_infer *in, const void *config)
{
    return pool_infer(in, config, 2, 1);
}

static const cvy_layer max_pool2d_layer = {
    .size = sizeof(cvy_layer),
    .min_in = 1,
    .max_in = 1,
    .infer = max_pool2d_infer,
    .forward = pool_max_forward,
    .backward = pool_max_backward,
    .lower = pool_max_lower,
};

CVY_PLUGIN(CVY_LAYER, max_pool2d, "MaxPool2d MaxPooling2D MaxPool maxpool max_pool max_pooling2d",
           "Maximum over windows of pixels", "Scherer et al. 2010", pool_config, &max_pool2d_layer,
           CVY_PARAMS(max_pool2d_params));
