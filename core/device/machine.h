/* What this machine can do, as the planner's rules need it. Found once; never a timing. */
#ifndef DEVICE_MACHINE_H
#define DEVICE_MACHINE_H

#include "base/text.h"

typedef enum machine_isa { ISA_BASE, ISA_AVX2, ISA_AVX512 } machine_isa; /* AVX2 means with FMA */

typedef struct machine {
    machine_isa isa;
    int threads;   /* compute threads, from parallel_threads() */
    int block;     /* channels of a block in the layout own kernels and oneDNN like here: 16 or 8 */
    long l2_bytes; /* per core */
} machine;

/* CONVOY_ISA=base|avx2|avx512 lowers the instruction set (for tests); asking for more than there is does
 * nothing. */
machine machine_here(void);
const char *machine_isa_name(machine_isa isa);
/* CPU model, ISA, threads, oneDNN version: one line each `key=value`, for the environment record and the
 * exact key. */
void machine_describe(const machine *m, text *out);

#endif
