/* Owns what can be said of an operator without choosing a kernel: its name, its work, its traffic. */
#include "ops/op.h"

static const char *const names[OP_TYPES] = {
    [OP_CONV] = "conv",
    [OP_LINEAR] = "linear",
    [OP_BN_STATS] = "bn_stats",
    [OP_BN_APPLY] = "bn_apply",
    [OP_ACTIVATION] = "activation",
    [OP_POOL] = "pool",
    [OP_GLOBAL_AVG] = "global_avg",
    [OP_ADD] = "add",
    [OP_CONCAT] = "concat",
    [OP_DROPOUT] = "dropout",
    [OP_RESHAPE] = "reshape",
    [OP_SHORTCUT_PAD] = "shortcut_pad",
    [OP_CONV_BWD_DATA] = "conv.bwd_data",
    [OP_CONV_BWD_WEIGHTS] = "conv.bwd_weights",
    [OP_LINEAR_BWD_DATA] = "linear.bwd_data",
    [OP_LINEAR_BWD_WEIGHTS] = "linear.bwd_weights",
    [OP_BN_FROZEN] = "bn_frozen",
    [OP_BN_RUNNING] = "bn_running",
    [OP_BN_BWD] = "bn.bwd",
    [OP_ACTIVATION_BWD] = "activation.bwd",
    [OP_POOL_BWD] = "pool.bwd",
    [OP_GLOBAL_AVG_BWD] = "global_avg.bwd",
    [OP_SLICE] = "slice",
    [OP_SHORTCUT_PAD_BWD] = "shortcut_pad.bwd",
    [OP_CONVERT] = "convert",
    [OP_PLAIN] = "plain",
    [OP_PLAIN_BWD] = "plain.bwd",
};

const char *op_name(op_type t)
{
    return t > 0 && t < OP_TYPES && names[t] ? names[t] : "?";
}

int64_t op_macs(const op *o)
{
    const cvy_shape *y, *w; /* every output element takes one row of the weights */
    switch (o->type) {
    case OP_CONV:
    case OP_LINEAR:
        y = &o->out[0].shape;
        w = &o->in[1].shape;
        break;
    case OP_CONV_BWD_DATA:
    case OP_LINEAR_BWD_DATA:
        y = &o->in[0].shape;
        w = &o->in[1].shape;
        break;
    case OP_CONV_BWD_WEIGHTS:
    case OP_LINEAR_BWD_WEIGHTS:
        y = &o->in[1].shape;
        w = &o->out[0].shape;
        break;
    default:
        return 0;
    }
    return cvy_count(y) * cvy_sample_count(w);
}

int64_t op_bytes(const op *o)
{
    size_t n = 0;
    for (int i = 0; i < o->n_in; i++) n += tensor_bytes(&o->in[i]);
    for (int i = 0; i < o->n_out; i++) n += tensor_bytes(&o->out[i]);
    return (int64_t)n;
}
