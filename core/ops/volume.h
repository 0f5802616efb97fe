/* The kernels of 3-D convolutions, by those of 2-D ones. */
#ifndef OPS_VOLUME_H
#define OPS_VOLUME_H

#include "ops/kernel.h"

/* By the reference kernels: right for everything that the operators allow. */
extern const kernel volume_reference, volume_reference_bwd_data, volume_reference_bwd_weights;
/* By the best kernel of the machine. NULL-terminated. */
const kernel *const *volume_kernels(op_type t);

#endif
