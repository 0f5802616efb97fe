/* A kernel: one way to compute one operator. Kernels say which layouts they take at what cost; the planner
 * chooses. */
#ifndef OPS_KERNEL_H
#define OPS_KERNEL_H

#include "base/error.h"
#include "device/machine.h"
#include "ops/op.h"

/* What one execution gets. Pointers follow the order of the op's operands; an output not wanted is NULL. */
typedef struct kernel_args {
    void *const *in;
    void *const *out;
    void *scratch;        /* kernel_plan.scratch bytes, 64-byte aligned, shared by all ops in turn */
    const void *packed;   /* where pack() has put the weights; NULL without it */
    uint64_t step;        /* of training: counts random masks */
    int64_t first_sample; /* of this batch within the global batch */
} kernel_args;

/* What a kernel has made ready for one op with its layouts. */
typedef struct kernel_plan {
    void *state;    /* the kernel's own; may be NULL */
    size_t scratch; /* bytes wanted in kernel_args.scratch, and by pack() */
    size_t packed;  /* bytes that pack() fills; who runs the kernel says where, and for how long */
} kernel_plan;

typedef struct kernel {
    const char *name; /* "reference", "onednn", "lanes": shown by `model --layouts` and `profile`, recorded */
    op_type type;
    int in_place; /* out[0] may be the memory of in[in_place] when the layouts agree; -1: never */
    bool through; /* takes attr.through */
    bool loose;   /* rounds more than the direct sum: left out where results are held close to it */
    /* The k-th combination of layouts (k = 0, 1, ...) in which this kernel takes the op on this machine:
     * writes the layout of every operand and returns the estimated time in nanoseconds; negative when there
     * is no k-th. */
    double (*offer)(const op *o, const machine *m, int k, layout *in, layout *out);
    /* Makes ready for o, whose layouts are set. NULL: nothing to prepare. */
    cvy_status (*prepare)(const op *o, const machine *m, kernel_plan *plan, errors *e);
    /* Called before each run where the packed weights have no place of their own (in training), else when the weights (operand 1)
     * have changed, with the bytes that prepare wanted for what is
     * packed and for scratch, both 64-byte aligned. NULL: reads them as they are. */
    void (*pack)(const op *o, void *state, const float *w, void *packed, void *scratch);
    void (*run)(const op *o, void *state, const kernel_args *a);
    void (*release)(void *state);
} kernel;

/* All kernels of an operator on this machine, NULL-terminated, the reference last. */
const kernel *const *kernels_of(op_type t, const machine *m);
const kernel *kernel_reference(op_type t);

/* The compiled-in cost rules, nanoseconds. */
double cost_macs(const machine *m, double macs,
                 double efficiency);               /* share of the peak that the kernel reaches */
double cost_bytes(const machine *m, double bytes); /* streamed through memory */

/* Offers of the usual memory-bound kind: all rank-4 operands of one layout, the others plain. Cost from
 * op_bytes(). */
double offer_uniform(const op *o, const machine *m, layout l, double factor, layout *in, layout *out);

#endif
