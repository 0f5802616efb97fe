/* A convolution over a batch as single-threaded oneDNN primitives, one share of the samples per compute
 * thread; must not know where the operands come from.
 *
 * Measured against oneDNN's own threads on two cores, this is 1.1 to 1.3 times as fast on ResNet-20's shapes:
 * nothing waits at barriers inside the primitives, and each core keeps to its own samples. */
#ifndef OPS_ONEDNN_BATCH_H
#define OPS_ONEDNN_BATCH_H

#include "base/error.h"
#include "ops/onednn_compat.h"

typedef struct onednn_batch onednn_batch;

/* How a batch is cut: `shares` contiguous shares as parallel_share() makes them, each in pieces of `piece`
 * samples (0: in one piece). */
typedef struct onednn_cut {
    int64_t samples, piece;
    int shares;
} onednn_cut;

/* Operands of one piece. Which of them are read and which written depends on the pass. */
typedef struct onednn_operands {
    const float *x, *y, *bias;
    void *scratch; /* onednn_batch_scratch() bytes, 64-byte aligned, the caller's alone */
} onednn_operands;

/* The name of the implementation (64 bytes) that would compute every piece, false when only a reference
 * would. */
bool onednn_batch_offered(const onednn_spec *s, const onednn_cut *cut, machine_isa isa, char *implementation);

onednn_batch *onednn_batch_new(const onednn_spec *s, const onednn_cut *cut, machine_isa isa, errors *e);
void onednn_batch_free(onednn_batch *b);
size_t onednn_batch_scratch(const onednn_batch *b);      /* for one share */
size_t onednn_batch_weight_bytes(const onednn_batch *b); /* in the implementation's format */

/* Where the weights of a share (or their gradient) lie, in the implementation's format. */
void onednn_batch_set_weights(onednn_batch *b, int share, float *packed);
/* Computes `samples` (a whole piece or the share's last) of a share, within parallel_alone_begin(). */
void onednn_batch_run(const onednn_batch *b, int share, int64_t samples, const onednn_operands *o);

/* Forward and data pass: dense weights into the implementation's format. Weights pass: its gradient into
 * dense. */
void onednn_batch_reorder(const onednn_batch *b, const float *from, float *to);

#endif
