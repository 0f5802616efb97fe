/* How the lane kernels share their work, and the names under which the list finds them. */
#ifndef OPS_LANE_PARTS_H
#define OPS_LANE_PARTS_H

#include "device/lanes.h"
#include "ops/kernel.h"

/* Planes worth a thread's while: below some 16 KiB a second thread costs more than it saves. */
static inline int64_t lane_parts_grain(int64_t pixels)
{
    int64_t worth = 4096 / LANES;
    return pixels >= worth ? 1 : worth / (pixels > 0 ? pixels : 1);
}

extern const kernel LANE(lane_bn_stats), LANE(lane_bn_apply), LANE(lane_bn_bwd);
extern const kernel LANE(lane_conv), LANE(lane_conv_bwd_data), LANE(lane_conv_bwd_weights);
extern const kernel LANE(lane_linear), LANE(lane_linear_bwd_data), LANE(lane_linear_bwd_weights);
extern const kernel LANE(lane_activation), LANE(lane_activation_bwd), LANE(lane_add), LANE(lane_dropout);
extern const kernel LANE(lane_pool), LANE(lane_pool_bwd), LANE(lane_global_avg), LANE(lane_global_avg_bwd);
extern const kernel LANE(lane_concat), LANE(lane_slice), LANE(lane_shortcut_pad), LANE(lane_shortcut_pad_bwd);

#endif
