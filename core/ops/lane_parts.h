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

/* The share of a vector that `channels` fill on average. */
static inline double lane_parts_filled(int64_t channels)
{
    return (double)channels / (double)((channels + LANES - 1) / LANES * LANES);
}

/* Time of multiplications done at `efficiency` of the peak, or of the operands' way through memory if that is
 * longer. */
static inline double lane_parts_cost(const op *o, const machine *m, const layout *in, const layout *out,
                                     double efficiency)
{
    double bytes = 0;
    for (int i = 0; i < o->n_in + o->n_out; i++) {
        tensor t = i < o->n_in ? o->in[i] : o->out[i - o->n_in];
        t.layout = i < o->n_in ? in[i] : out[i - o->n_in];
        bytes += (double)tensor_bytes(&t);
    }
    double compute = cost_macs(m, (double)op_macs(o), efficiency), memory = cost_bytes(m, bytes);
    return compute > memory ? compute : memory;
}

extern const kernel LANE(lane_bn_stats), LANE(lane_bn_apply), LANE(lane_bn_bwd);
extern const kernel LANE(lane_conv), LANE(lane_conv_bwd_data), LANE(lane_conv_bwd_weights);
extern const kernel LANE(lane_winograd), LANE(lane_winograd_bwd_data), LANE(lane_winograd_bwd_weights);
extern const kernel LANE(lane_linear), LANE(lane_linear_bwd_data), LANE(lane_linear_bwd_weights);
extern const kernel LANE(lane_activation), LANE(lane_activation_bwd), LANE(lane_add), LANE(lane_dropout);
extern const kernel LANE(lane_pool), LANE(lane_pool_bwd), LANE(lane_global_avg), LANE(lane_global_avg_bwd);
extern const kernel LANE(lane_concat), LANE(lane_slice), LANE(lane_shortcut_pad), LANE(lane_shortcut_pad_bwd);
extern const kernel LANE(lane_bias), LANE(lane_bias_bwd);

#endif
