/* Owns the list of lane kernels of one instruction set; must not choose among them. */
#include "ops/lane.h"

#include "ops/lane_parts.h"

#define MOST 3 /* of one operator, with the NULL behind them */

const kernel *const *LANE(lane_kernels)(op_type t)
{
    static const kernel *const lists[OP_TYPES][MOST] = {
        [OP_CONV] = {&LANE(lane_conv), &LANE(lane_winograd)},
        [OP_CONV_BWD_DATA] = {&LANE(lane_conv_bwd_data), &LANE(lane_winograd_bwd_data)},
        [OP_CONV_BWD_WEIGHTS] = {&LANE(lane_conv_bwd_weights), &LANE(lane_winograd_bwd_weights)},
        [OP_LINEAR] = {&LANE(lane_linear)},
        [OP_LINEAR_BWD_DATA] = {&LANE(lane_linear_bwd_data)},
        [OP_LINEAR_BWD_WEIGHTS] = {&LANE(lane_linear_bwd_weights)},
        [OP_BN_STATS] = {&LANE(lane_bn_stats)},
        [OP_BN_APPLY] = {&LANE(lane_bn_apply)},
        [OP_BN_BWD] = {&LANE(lane_bn_bwd)},
        [OP_ACTIVATION] = {&LANE(lane_activation)},
        [OP_ACTIVATION_BWD] = {&LANE(lane_activation_bwd)},
        [OP_ADD] = {&LANE(lane_add)},
        [OP_DROPOUT] = {&LANE(lane_dropout)},
        [OP_POOL] = {&LANE(lane_pool)},
        [OP_POOL_BWD] = {&LANE(lane_pool_bwd)},
        [OP_GLOBAL_AVG] = {&LANE(lane_global_avg)},
        [OP_GLOBAL_AVG_BWD] = {&LANE(lane_global_avg_bwd)},
        [OP_CONCAT] = {&LANE(lane_concat)},
        [OP_SLICE] = {&LANE(lane_slice)},
        [OP_SHORTCUT_PAD] = {&LANE(lane_shortcut_pad)},
        [OP_SHORTCUT_PAD_BWD] = {&LANE(lane_shortcut_pad_bwd)},
        [OP_BIAS] = {&LANE(lane_bias)},
        [OP_BIAS_BWD] = {&LANE(lane_bias_bwd)},
    };
    return lists[t][0] ? lists[t] : NULL;
}
