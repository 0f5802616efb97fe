/* Owns the list of oneDNN kernels per operator; must not know how any of them works. */
#include "ops/onednn.h"

const kernel *const *onednn_kernels(op_type t)
{
    static const kernel *const conv[] = {&onednn_conv_forward, NULL};
    static const kernel *const conv_data[] = {&onednn_conv_data, NULL};
    static const kernel *const conv_weights[] = {&onednn_conv_weights, NULL};
    static const kernel *const linear[] = {&onednn_linear_forward, NULL};
    static const kernel *const linear_data[] = {&onednn_linear_data, NULL};
    static const kernel *const linear_weights[] = {&onednn_linear_weights, NULL};
    switch (t) {
    case OP_CONV:
        return conv;
    case OP_CONV_BWD_DATA:
        return conv_data;
    case OP_CONV_BWD_WEIGHTS:
        return conv_weights;
    case OP_LINEAR:
        return linear;
    case OP_LINEAR_BWD_DATA:
        return linear_data;
    case OP_LINEAR_BWD_WEIGHTS:
        return linear_weights;
    default:
        return NULL;
    }
}
