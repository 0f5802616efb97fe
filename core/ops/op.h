/* An operator with its operands: what has to be computed, not how. The public operators of convoy/ops.h, and
 * the ones the core adds (backward passes, conversions, plain layer calls). A transposed convolution and a
 * convolution's gradient with regard to its input are one operator; each pass of one is a pass of the other.
 *
 * Operands, in order (in -> out); [x] is optional and then absent from the end or flagged by the attribute:
 *   CONV               x, w, [bias]                    -> y, [stats (2,C)]   attr.conv; stats when n_out == 2
 *   CONV_BWD_DATA      gy, w                           -> gx                 attr.conv
 *   CONV_BWD_WEIGHTS   x, gy                           -> gw, [gbias]        attr.conv
 *   CONV3D             x, w, [bias]                    -> y                  attr.conv3d
 *   CONV3D_BWD_DATA    gy, w                           -> gx                 attr.conv3d
 *   CONV3D_BWD_WEIGHTS x, gy                           -> gw, [gbias]        attr.conv3d
 *   LINEAR             x (N,F), w (O,F), [bias]        -> y
 *   LINEAR_BWD_DATA    gy, w                           -> gx
 *   LINEAR_BWD_WEIGHTS x, gy                           -> gw, [gbias]
 *   BN_STATS           x                               -> stats (2,C)        mean and biased variance
 *   BN_FROZEN          running_mean, running_var       -> stats (2,C)        evaluation
 *   BN_RUNNING         stats, mean*, var*              -> (none)             attr.bn, attr.count (per channel);
 *                        updates the operands marked * in place, by the unbiased variance
 *   BN_APPLY           x, stats, gamma, beta, [residual] -> y                attr.bn, attr.relu
 *                        y = relu?(gamma (x - mean) / sqrt(var + eps) + beta [+ residual])
 *   BN_BWD             x, gy, stats, gamma, beta, [y]  -> gx, ggamma, gbeta, [gresidual]   attr.bn, attr.relu
 *                        With relu the mask is y > 0 when y is given, else recomputed from x (there is no
 *                        residual then). gresidual is the masked gy. With fixed statistics nothing comes back
 *                        through them: gx = gamma / sqrt(var + eps) masked gy.
 *   ACTIVATION         x                               -> y                  attr.activation
 *   ACTIVATION_BWD     y or x, gy                      -> gx                 attr.activation; op_activation_reads_x()
 *                        says which
 *   POOL               x                               -> y, [index]         attr.pool; max: where in its window the
 *                        maximum is, op_pool_index() bytes per element of y, when n_out == 2
 *   POOL_BWD           gy, [index]                     -> gx
 *   GLOBAL_AVG         x                               -> y (N,C) plain
 *   GLOBAL_AVG_BWD     gy (N,C) plain                  -> gx
 *   ADD                a, b, ...                       -> y
 *   CONCAT             a, b, ...                       -> y
 *   SLICE              gy                              -> ga                 attr.slice: first channel
 *   DROPOUT            x                               -> y                  attr.dropout, attr.key
 *   RESHAPE            x                               -> y                  plain both
 *   SHORTCUT_PAD       x                               -> y                  attr.shortcut
 *   SHORTCUT_PAD_BWD   gy                              -> gx
 *   BIAS               x, bias                         -> y
 *   BIAS_BWD           gy                              -> gbias
 *   CONVERT            x                               -> y                  layouts differ
 *   PLAIN, PLAIN_BWD   a layer's own code; the graph's business
 * w, bias, gamma, beta, stats and their gradients are always plain. Once kernels are chosen, a convolution may be given
 * BN_APPLY's operands x, stats, gamma, beta in the place of its y: attr.through, and kernel.through. */
#ifndef OPS_OP_H
#define OPS_OP_H

#include "base/philox.h"
#include "convoy/ops.h"
#include "device/layout.h"

typedef enum op_type {
    OP_CONV = CVY_OP_CONV,
    OP_LINEAR = CVY_OP_LINEAR,
    OP_BN_STATS = CVY_OP_BN_STATS,
    OP_BN_APPLY = CVY_OP_BN_APPLY,
    OP_ACTIVATION = CVY_OP_ACTIVATION,
    OP_POOL = CVY_OP_POOL,
    OP_GLOBAL_AVG = CVY_OP_GLOBAL_AVG,
    OP_ADD = CVY_OP_ADD,
    OP_CONCAT = CVY_OP_CONCAT,
    OP_DROPOUT = CVY_OP_DROPOUT,
    OP_RESHAPE = CVY_OP_RESHAPE,
    OP_SHORTCUT_PAD = CVY_OP_SHORTCUT_PAD,
    OP_CONV_BWD_DATA = CVY_OP_CONV_TRANSPOSE,
    OP_BIAS = CVY_OP_BIAS,
    OP_CONV3D = CVY_OP_CONV3D,
    OP_CONV3D_BWD_DATA = CVY_OP_CONV3D_TRANSPOSE,
    OP_CONV_BWD_WEIGHTS = CVY_OP_PUBLIC_END,
    OP_CONV3D_BWD_WEIGHTS,
    OP_LINEAR_BWD_DATA,
    OP_LINEAR_BWD_WEIGHTS,
    OP_BN_FROZEN,
    OP_BN_RUNNING,
    OP_BN_BWD,
    OP_ACTIVATION_BWD,
    OP_POOL_BWD,
    OP_GLOBAL_AVG_BWD,
    OP_SLICE,
    OP_SHORTCUT_PAD_BWD,
    OP_BIAS_BWD,
    OP_CONVERT,
    OP_PLAIN,
    OP_PLAIN_BWD,
    OP_TYPES
} op_type;

typedef struct op_attr {
    union {
        cvy_conv_attr conv;
        cvy_conv3d_attr conv3d;
        cvy_bn_attr bn;
        cvy_activation_attr activation;
        cvy_pool_attr pool;
        cvy_dropout_attr dropout;
        cvy_shortcut_attr shortcut;
        struct {
            int64_t first;
        } slice;
    };
    int relu;       /* BN_APPLY, BN_BWD */
    int fixed;      /* BN_APPLY, BN_BWD: the statistics are given, not the batch's */
    int transposed; /* CONV, CONV3D and their gradients: serves a transposed convolution. For names alone. */
    int64_t count;  /* BN_RUNNING */
    struct {
        int stats; /* which operand; 0: none. Behind it gamma and beta */
        int relu;
        double eps;
    } through;      /* CONV and CONV_BWD_WEIGHTS: x is given as it was before this batch normalisation */
    philox_key key; /* DROPOUT */
} op_attr;

typedef struct op {
    op_type type;
    int n_in, n_out;
    tensor *in, *out; /* shapes; layouts are set once planned */
    op_attr attr;
} op;

const char *op_name(op_type t); /* "conv.bwd_data" */
/* The same, but for an activation its function ("gelu", "gelu.bwd"), and what it is to a transposed convolution. */
const char *op_label(const op *o);
/* What is wrong with an activation's attributes, or NULL. */
const char *op_activation_problem(const cvy_activation_attr *a);
/* Whether backward needs x. Otherwise it makes do with y, which the next operator mostly keeps anyway. */
bool op_activation_reads_x(const cvy_activation_attr *a);
int64_t op_macs(const op *o);  /* multiply-accumulates of the whole batch; 0 for the memory-bound ones */
int64_t op_bytes(const op *o); /* operands read and written */

/* Of the forward pass. */
static inline bool op_conv_has_bias(const op *o)
{
    return o->n_in - (o->attr.through.stats ? 3 : 0) > 2;
}

static inline int64_t op_pool_dilation(const cvy_pool_attr *a, int axis)
{
    return a->dilation[axis] > 1 ? a->dilation[axis] : 1;
}

/* Elements from a window's first to its last, both counted. */
static inline int64_t op_pool_span(const cvy_pool_attr *a, int axis)
{
    return op_pool_dilation(a, axis) * (a->kernel[axis] - 1) + 1;
}

/* Bytes of a place in a window. */
static inline int op_pool_index(const cvy_pool_attr *a)
{
    return a->kernel[0] < 257 && a->kernel[1] < 257 && a->kernel[0] * a->kernel[1] < 257 ? 1 : 4;
}

#endif
