/* An optimizer together with those it wraps, as one: their state arrays, what they take of a tensor, their parameters.
 * Knows no tensors. */
#ifndef TRAIN_WRAPPED_H
#define TRAIN_WRAPPED_H

#include "base/memory.h"
#include "config/params.h"
#include "convoy/optimizer.h"

/* How many state arrays are needed, and the names of the first CVY_MAX_SLOTS: "average", "lookahead.slow",
 * "lookahead.adam.mean". */
size_t wrapped_slots(const cvy_child *optimizer, arena *a, const char *names[CVY_MAX_SLOTS]);
/* Whether one of them is an average of the weights. */
bool wrapped_averages(const cvy_child *optimizer);
/* Whether a state array of that name holds averaged weights: CVY_SLOT_AVERAGE, its own or that of one it wraps. */
bool wrapped_is_average(const char *slot);
/* Whether all of them may be called on pieces of a tensor. */
bool wrapped_elementwise(const cvy_child *optimizer);
/* A parameter of the outermost that has it; false when none has. */
bool wrapped_number(const cvy_child *optimizer, const char *name, double *v);
/* The configuration with every `weight_decay` in it 0. */
const void *wrapped_without_decay(const cvy_child *optimizer, arena *a);

#endif
