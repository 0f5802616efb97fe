/* Numbers that are not finite: whether there are any, and where the first of them came from. */
#ifndef TRAIN_FINITE_H
#define TRAIN_FINITE_H

#include "graph/plan.h"
#include "train/loader.h"

/* No infinity and no NaN among n numbers: one pass, shared by the threads. */
bool finite_all(const float *v, int64_t n);

/* The first weight or else buffer that is not finite; NULL: all are. *buffer says which it is. */
const net_tensor *finite_tensor(const state *s, bool *buffer);

/* Why the loss of a training batch is not finite, in words to follow "the loss is not a number": the batch, a weight, the first
 * layer's output or the loss itself. The plan has just done its forward pass on it, which is done again. */
void finite_why_loss(plan *p, const state *s, const batch *b, int64_t floats, int64_t step, text *out);
/* Why a gradient is not finite, in words to follow "a gradient is not finite": the forward pass is as it was, and the gradients
 * at the ends are there again. */
void finite_why_gradient(plan *p, const state *s, text *out);

#endif
