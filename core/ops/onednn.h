/* The kernels made of oneDNN's primitives; must not show its types. Built only where oneDNN was found. */
#ifndef OPS_ONEDNN_H
#define OPS_ONEDNN_H

#include "ops/kernel.h"

/* NULL-terminated, or NULL when oneDNN has nothing for this operator. */
const kernel *const *onednn_kernels(op_type t);

extern const kernel onednn_conv_forward, onednn_conv_data, onednn_conv_weights;
extern const kernel onednn_linear_forward, onednn_linear_data, onednn_linear_weights;

#endif
