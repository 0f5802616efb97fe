/* What the registry knows of the lane kernels, one list per instruction set they were compiled for. */
#ifndef OPS_LANE_H
#define OPS_LANE_H

#include "ops/kernel.h"

/* The lane kernels of an operator, best first, NULL-terminated; NULL when there is none. */
const kernel *const *lane_kernels_base(op_type t);
const kernel *const *lane_kernels_avx2(op_type t);
const kernel *const *lane_kernels_avx512(op_type t);

#endif
