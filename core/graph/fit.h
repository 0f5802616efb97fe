/* Whether operands and attributes suit a public operator, and the shape that it makes of them. Only lower.c includes it. */
#ifndef GRAPH_FIT_H
#define GRAPH_FIT_H

#include <stdbool.h>
#include "base/text.h"
#include "convoy/ops.h"

typedef struct fit_operand {
    const cvy_shape *shape; /* of a convolution along one axis the weight with a Kh of 1 */
    bool state;             /* a weight or buffer of the layer, not something computed */
} fit_operand;

/* True with *y. False with *why: "its weight has 5 input channels, and groups of the input 3". attr: as op() is given it. */
bool fit_operator(cvy_op type, const fit_operand *in, int n, const void *attr, cvy_shape *y, text *why);
/* "conv", for messages; NULL for what is no operator. */
const char *fit_name(cvy_op type);

#endif
