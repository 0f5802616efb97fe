/* Owns what can be said of an operator without choosing a kernel: its name, its work, its traffic. */
#include "ops/op.h"

#include <math.h>

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
    [OP_BIAS] = "bias",
    [OP_CONV3D] = "conv3d",
    [OP_CONV3D_BWD_DATA] = "conv3d.bwd_data",
    [OP_CONV3D_BWD_WEIGHTS] = "conv3d.bwd_weights",
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
    [OP_BIAS_BWD] = "bias.bwd",
    [OP_CONVERT] = "convert",
    [OP_PLAIN] = "plain",
    [OP_PLAIN_BWD] = "plain.bwd",
};

const char *op_name(op_type t)
{
    return t > 0 && t < OP_TYPES && names[t] ? names[t] : "?";
}

/* ---- activations ---- */

static const struct {
    const char *name, *backward;
} activations[CVY_ACTIVATION_END] = {
    [CVY_RELU] = {"relu", "relu.bwd"},
    [CVY_LEAKY_RELU] = {"leaky_relu", "leaky_relu.bwd"},
    [CVY_ELU] = {"elu", "elu.bwd"},
    [CVY_GELU] = {"gelu", "gelu.bwd"},
    [CVY_GELU_TANH] = {"gelu_tanh", "gelu_tanh.bwd"},
    [CVY_SILU] = {"silu", "silu.bwd"},
    [CVY_SIGMOID] = {"sigmoid", "sigmoid.bwd"},
    [CVY_TANH] = {"tanh", "tanh.bwd"},
    [CVY_SCALED_TANH] = {"scaled_tanh", "scaled_tanh.bwd"},
};

const char *op_label(const op *o)
{
    const int32_t f = o->attr.activation.function;
    const bool known = f > 0 && f < CVY_ACTIVATION_END;
    if (o->type == OP_ACTIVATION && known) return activations[f].name;
    if (o->type == OP_ACTIVATION_BWD && known) return activations[f].backward;
    if (o->attr.transposed && o->type == OP_CONV_BWD_DATA) return "conv_transpose";
    if (o->attr.transposed && o->type == OP_CONV) return "conv_transpose.bwd_data";
    if (o->attr.transposed && o->type == OP_CONV_BWD_WEIGHTS) return "conv_transpose.bwd_weights";
    if (o->attr.transposed && o->type == OP_CONV3D_BWD_DATA) return "conv_transpose3d";
    if (o->attr.transposed && o->type == OP_CONV3D) return "conv_transpose3d.bwd_data";
    if (o->attr.transposed && o->type == OP_CONV3D_BWD_WEIGHTS) return "conv_transpose3d.bwd_weights";
    return op_name(o->type);
}

const char *op_activation_problem(const cvy_activation_attr *a)
{
    if (a->function <= 0 || a->function >= CVY_ACTIVATION_END) return "no such function";
    switch (a->function) {
    case CVY_LEAKY_RELU:
        return isfinite(a->alpha) ? NULL : "alpha is not a number";
    case CVY_ELU:
        return isfinite(a->alpha) && a->alpha >= 0 ? NULL : "elu's alpha is at least 0";
    case CVY_SCALED_TANH:
        return isfinite(a->alpha) && a->alpha > 0 && isfinite(a->beta) ? NULL
                                                                       : "scaled tanh's alpha is above 0";
    default:
        return NULL;
    }
}

bool op_activation_reads_x(const cvy_activation_attr *a)
{
    switch (a->function) {
    case CVY_GELU:
    case CVY_GELU_TANH:
    case CVY_SILU:
        return true; /* they fall and rise: two x have one y */
    case CVY_LEAKY_RELU:
        return a->alpha < 0;
    default:
        return false;
    }
}

/* ---- work ---- */

int64_t op_macs(const op *o)
{
    const cvy_shape *y, *w; /* every output element takes one row of the weights */
    switch (o->type) {
    case OP_CONV:
    case OP_CONV3D:
    case OP_LINEAR:
        y = &o->out[0].shape;
        w = &o->in[1].shape;
        break;
    case OP_CONV_BWD_DATA:
    case OP_CONV3D_BWD_DATA:
    case OP_LINEAR_BWD_DATA:
        y = &o->in[0].shape;
        w = &o->in[1].shape;
        break;
    case OP_CONV_BWD_WEIGHTS:
    case OP_CONV3D_BWD_WEIGHTS:
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
