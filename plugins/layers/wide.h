/* Loops for wide registers, in plain C: of a function marked WIDE there are copies for AVX-512 and AVX2 beside the one that
 * every CPU runs, and the linker takes the best for the CPU at hand. Sums are taken of WIDE_LANES numbers side by side, in
 * cvy_real for WIDE_TERMS of each and of those in double. Nothing is fused or reordered by the compiler, so that all copies
 * give the same bits. Knows no layer. */
#ifndef LAYERS_WIDE_H
#define LAYERS_WIDE_H

#include "convoy/plugin.h"

#if defined(__x86_64__) && defined(__GLIBC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__)
#define WIDE __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define WIDE
#endif

enum {
    WIDE_LANES =
        32, /* fewer than that and the compiler takes the inner loop apart before it sees vectors in it */
    WIDE_TERMS = 32
};

static inline double wide_sum(const cvy_real part[WIDE_LANES])
{
    double s[WIDE_LANES];
    for (int k = 0; k < WIDE_LANES; k++) s[k] = (double)part[k];
    for (int half = WIDE_LANES / 2; half > 0; half /= 2)
        for (int k = 0; k < half; k++) s[k] += s[k + half];
    return s[0];
}

#endif
