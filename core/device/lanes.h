/* Vector code written once: the width and the few operations the lane kernels use, on compiler vector types.
 *
 * A core/ops/lane_*.c file is compiled once per instruction set with LANE_ISA=base|avx2|avx512; LANE(name)
 * gives each copy its own symbols. LANES equals the channel block of LANE_LAYOUT, so one vector is one pixel
 * of one block. */
#ifndef DEVICE_LANES_H
#define DEVICE_LANES_H

#include <stdint.h>
#include <string.h>
#ifdef __AVX2__
#include <immintrin.h>
#endif

#define LANE_base       0
#define LANE_avx2       1
#define LANE_avx512     2
#define LANE_CAT2(a, b) a##b
#define LANE_CAT(a, b)  LANE_CAT2(a, b)
#define LANE_CAT3(a, b) LANE_CAT(a, LANE_CAT(_, b))
#define LANE(name)      LANE_CAT3(name, LANE_ISA)
#define LANE_LEVEL      LANE_CAT(LANE_, LANE_ISA)

#if LANE_LEVEL == LANE_avx512
#define LANES       16
#define LANE_LAYOUT LAYOUT_C16
#else
#define LANES       8
#define LANE_LAYOUT LAYOUT_C8
#endif

#define LANE_INLINE static inline __attribute__((always_inline))

typedef float lane __attribute__((vector_size(LANES * 4)));
typedef int32_t lane_mask __attribute__((vector_size(LANES * 4))); /* all ones or zero per element */

LANE_INLINE lane lane_load(const float *p) /* any alignment */
{
    lane v;
    memcpy(&v, p, sizeof v);
    return v;
}

LANE_INLINE void lane_store(float *p, lane v)
{
    memcpy(p, &v, sizeof v);
}

LANE_INLINE lane lane_all(float x)
{
    return x - (lane){0}; /* exact also for -0, so nothing is left of it but the broadcast */
}

LANE_INLINE lane lane_where(lane_mask m, lane a, lane b)
{
    return (lane)(((lane_mask)a & m) | ((lane_mask)b & ~m));
}

/* a b + c, rounded once where the instruction set can (ISO C forbids the compiler to fuse by itself). */
LANE_INLINE lane lane_fma(lane a, lane b, lane c)
{
#if LANE_LEVEL == LANE_avx512
    return (lane)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif LANE_LEVEL == LANE_avx2
    return (lane)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#else
    return a * b + c;
#endif
}

/* x < 0 ? 0 : x; NaN stays NaN. */
LANE_INLINE lane lane_relu(lane x)
{
#if LANE_LEVEL == LANE_avx512
    return (lane)_mm512_max_ps(_mm512_setzero_ps(), (__m512)x);
#elif LANE_LEVEL == LANE_avx2
    return (lane)_mm256_max_ps(_mm256_setzero_ps(), (__m256)x);
#else
    return lane_where(x < 0, (lane){0}, x);
#endif
}

/* y > 0 ? x : 0 */
LANE_INLINE lane lane_gate(lane y, lane x)
{
#if LANE_LEVEL == LANE_avx512
    return (lane)_mm512_maskz_mov_ps(_mm512_cmp_ps_mask((__m512)y, _mm512_setzero_ps(), _CMP_GT_OQ),
                                     (__m512)x);
#else
    return (lane)((lane_mask)x & (y > 0));
#endif
}

/* All ones in the first n elements. */
LANE_INLINE lane_mask lane_first(int64_t n)
{
    lane_mask index;
    for (int i = 0; i < LANES; i++) index[i] = i;
    return index < ((lane_mask){0} + (int32_t)n);
}

#if LANE_LEVEL == LANE_avx512
LANE_INLINE __mmask16 lane_bits_of(int64_t n) /* the first n */
{
    return (__mmask16)(n < LANES ? (1u << n) - 1u : 0xffffu);
}
#endif

/* The first n floats at p, zeros behind; nothing behind them is read. */
LANE_INLINE lane lane_load_first(const float *p, int64_t n)
{
#if LANE_LEVEL == LANE_avx512
    return (lane)_mm512_maskz_loadu_ps(lane_bits_of(n), p);
#elif LANE_LEVEL == LANE_avx2
    return (lane)_mm256_maskload_ps(p, (__m256i)lane_first(n));
#else
    lane v = {0};
    for (int i = 0; i < LANES && i < n; i++) v[i] = p[i];
    return v;
#endif
}

/* Writes the first n, and nothing behind them. */
LANE_INLINE void lane_store_first(float *p, lane v, int64_t n)
{
#if LANE_LEVEL == LANE_avx512
    _mm512_mask_storeu_ps(p, lane_bits_of(n), (__m512)v);
#elif LANE_LEVEL == LANE_avx2
    _mm256_maskstore_ps(p, (__m256i)lane_first(n), (__m256)v);
#else
    for (int i = 0; i < LANES && i < n; i++) p[i] = v[i];
#endif
}

/* DO(0) ... DO(n - 1) for a constant n up to 16, written out: an array indexed by nothing but constants stays
 * in the registers, where compilers that first unroll a loop may have put it into memory already. */
#define LANE_EACH(n, DO)                  \
    do {                                  \
        LANE_EACH4(n, DO, 0, 1, 2, 3)     \
        LANE_EACH4(n, DO, 4, 5, 6, 7)     \
        LANE_EACH4(n, DO, 8, 9, 10, 11)   \
        LANE_EACH4(n, DO, 12, 13, 14, 15) \
    } while (0)
#define LANE_EACH4(n, DO, a, b, c, d) \
    if ((n) > a) {                    \
        DO(a);                        \
    }                                 \
    if ((n) > b) {                    \
        DO(b);                        \
    }                                 \
    if ((n) > c) {                    \
        DO(c);                        \
    }                                 \
    if ((n) > d) {                    \
        DO(d);                        \
    }

#endif
