/* Owns the list of kernels of every operator: oneDNN's, the lane kernels of the machine's instruction set,
 * the reference; must not choose among them. */
#include "ops/kernel.h"

#include <assert.h>
#include <pthread.h>
#include "ops/lane.h"
#include "ops/reference.h"
#include "ops/volume.h"
#ifdef CONVOY_ONEDNN
#include "ops/onednn.h"
#endif

static const kernel *const references[OP_TYPES] = {
    [OP_CONV] = &reference_conv,
    [OP_LINEAR] = &reference_linear,
    [OP_BN_STATS] = &reference_bn_stats,
    [OP_BN_APPLY] = &reference_bn_apply,
    [OP_ACTIVATION] = &reference_activation,
    [OP_POOL] = &reference_pool,
    [OP_GLOBAL_AVG] = &reference_global_avg,
    [OP_ADD] = &reference_add,
    [OP_CONCAT] = &reference_concat,
    [OP_DROPOUT] = &reference_dropout,
    [OP_RESHAPE] = &reference_reshape,
    [OP_SHORTCUT_PAD] = &reference_shortcut_pad,
    [OP_BIAS] = &reference_bias,
    [OP_CONV3D] = &volume_reference,
    [OP_CONV3D_BWD_DATA] = &volume_reference_bwd_data,
    [OP_CONV3D_BWD_WEIGHTS] = &volume_reference_bwd_weights,
    [OP_CONV_BWD_DATA] = &reference_conv_bwd_data,
    [OP_CONV_BWD_WEIGHTS] = &reference_conv_bwd_weights,
    [OP_LINEAR_BWD_DATA] = &reference_linear_bwd_data,
    [OP_LINEAR_BWD_WEIGHTS] = &reference_linear_bwd_weights,
    [OP_BN_FROZEN] = &reference_bn_frozen,
    [OP_BN_RUNNING] = &reference_bn_running,
    [OP_BN_BWD] = &reference_bn_bwd,
    [OP_ACTIVATION_BWD] = &reference_activation_bwd,
    [OP_POOL_BWD] = &reference_pool_bwd,
    [OP_GLOBAL_AVG_BWD] = &reference_global_avg_bwd,
    [OP_SLICE] = &reference_slice,
    [OP_SHORTCUT_PAD_BWD] = &reference_shortcut_pad_bwd,
    [OP_BIAS_BWD] = &reference_bias_bwd,
    [OP_CONVERT] = &convert_kernel,
};

#define ISAS      3
#define MOST_EACH 16

static const kernel *table[ISAS][OP_TYPES][MOST_EACH];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static const kernel **append(const kernel **at, const kernel *const *from)
{
    while (from && *from) *at++ = *from++;
    return at;
}

static const kernel *const *lanes_of(int isa, op_type t)
{
#ifdef LANE_X86
    if (isa == ISA_AVX512) return lane_kernels_avx512(t);
    if (isa == ISA_AVX2) return lane_kernels_avx2(t);
#endif
    (void)isa;
    return lane_kernels_base(t);
}

static void fill(void)
{
    for (int isa = 0; isa < ISAS; isa++)
        for (op_type t = 0; t < OP_TYPES; t++) {
            const kernel **at = table[isa][t];
#ifdef CONVOY_ONEDNN
            at = append(at, onednn_kernels(t));
#endif
            at = append(at, lanes_of(isa, t));
            at = append(at, volume_kernels(t));
            if (references[t]) *at++ = references[t];
            assert(at < table[isa][t] + MOST_EACH); /* the NULL behind the last is still there */
        }
}

const kernel *const *kernels_of(op_type t, const machine *m)
{
    pthread_once(&once, fill);
    return (const kernel *const *)table[m->isa][t];
}

const kernel *kernel_reference(op_type t)
{
    return references[t];
}
