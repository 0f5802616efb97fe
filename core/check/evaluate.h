/* One layer, loss or optimizer computed on the tensors of a file, for comparison with another framework number by
 * number. Reads and writes nothing itself. */
#ifndef CHECK_EVALUATE_H
#define CHECK_EVALUATE_H

#include "check/exchange.h"
#include "config/tree.h"
#include "plugin/registry.h"

typedef struct evaluation {
    const char *name;   /* of the plugin */
    const node *params; /* NULL: all defaults */
    bool plain;         /* the layer's own code instead of the lowered form */
    bool train;
    bool masked; /* set when a given mask made a layer use its own code */
} evaluation;

/* in.NAME (in the order of the file), param.PATH, buf.PATH [, gout.y, mask.PATH] ->
 * out.y, bufout.PATH [, gin.NAME, gparam.PATH when gout.y is given]. PATH as in a network, below the layer. A mask
 * holds 0 (dropped) and 1 (kept); its shape is what the drawing layer's help says: (N, ...) for masks of every sample,
 * that of the output for dropout, or without the batch for one mask that all samples share. For a layer that is not
 * made of others any PATH does. */
cvy_status evaluate_layer(registry *r, evaluation *v, exchange *x);
/* in.x, const.target (class indices of shape (N), or a tensor of the shape of in.x) -> out.y, a single number, and
 * gin.x. */
cvy_status evaluate_loss(registry *r, const evaluation *v, exchange *x);
/* w0, grads (steps, shape of w0...) -> traj (steps + 1, ...), the weights before and after each update. */
cvy_status evaluate_optimizer(registry *r, const evaluation *v, exchange *x);

#endif
