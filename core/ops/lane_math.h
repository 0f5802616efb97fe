/* The elementary functions of the lane kernels: exponential, logistic, tanh and the normal distribution, as vectors. Must
 * not know operators.
 *
 * Every function takes any float and treats each element by itself, so its result depends neither on what stands beside
 * it nor on where a vector begins. NaN gives NaN. The bounds are units in the last place (ulp), below 2^-126 units of
 * 2^-149, against the exact result over all floats; tests/ops/test_activation.c holds the functions to them.
 *
 * Exponentials: Cody & Waite, "Software Manual for the Elementary Functions", 1980, chapter 6: x = n ln 2 + r with ln 2 in
 * two pieces, the first so short that n times it is exact; e^r by the polynomial of Moshier's Cephes library (expf,
 * release 2.2), whose relative error is below 2^-28 for |r| <= ln 2 / 2. */
#ifndef OPS_LANE_MATH_H
#define OPS_LANE_MATH_H

#include "device/lanes.h"

typedef uint32_t lane_bits __attribute__((vector_size(LANES * 4)));

LANE_INLINE lane lane_abs(lane x)
{
    return (lane)((lane_bits)x & 0x7FFFFFFFu);
}

/* The magnitude of a, which has no sign, with the sign of b. */
LANE_INLINE lane lane_signed(lane a, lane b)
{
    return (lane)((lane_bits)a | ((lane_bits)b & 0x80000000u));
}

/* x < low ? low : x; NaN stays NaN. */
LANE_INLINE lane lane_at_least(lane x, float low)
{
#if LANE_LEVEL == LANE_avx512
    return (lane)_mm512_max_ps(_mm512_set1_ps(low), (__m512)x);
#elif LANE_LEVEL == LANE_avx2
    return (lane)_mm256_max_ps(_mm256_set1_ps(low), (__m256)x);
#else
    return lane_where(x < low, lane_all(low), x);
#endif
}

/* x > high ? high : x; NaN stays NaN. */
LANE_INLINE lane lane_at_most(lane x, float high)
{
#if LANE_LEVEL == LANE_avx512
    return (lane)_mm512_min_ps(_mm512_set1_ps(high), (__m512)x);
#elif LANE_LEVEL == LANE_avx2
    return (lane)_mm256_min_ps(_mm256_set1_ps(high), (__m256)x);
#else
    return lane_where(x > high, lane_all(high), x);
#endif
}

/* e^r - 1 for r = x - n ln 2 + low, n being the whole number next to x / ln 2, and n in the low bits of *n_bits. The
 * number added and taken away again leaves no room for a fraction: what rounds is the sum's last bit. */
LANE_INLINE lane lane_reduced_expm1(lane x, lane low, lane_bits *n_bits)
{
    const float magic = 12582912.0f; /* 1.5 * 2^23; its nine lowest bits are zeros */
    const lane shifted = lane_fma(x, lane_all(1.44269504088896341f), lane_all(magic));
    const lane n = shifted - magic;
    const lane r = lane_fma(n, lane_all(2.12194440e-4f), lane_fma(n, lane_all(-0.693359375f), x)) + low;
    lane p = lane_all(1.9875691500e-4f);
    p = lane_fma(p, r, lane_all(1.3981999507e-3f));
    p = lane_fma(p, r, lane_all(8.3334519073e-3f));
    p = lane_fma(p, r, lane_all(4.1665795894e-2f));
    p = lane_fma(p, r, lane_all(1.6666665459e-1f));
    p = lane_fma(p, r, lane_all(5.0000001201e-1f));
    *n_bits = (lane_bits)shifted;
    return lane_fma(p, r * r, r);
}

/* e^(x + low) for x <= 0 and a low far below x, to 2 ulp. 2^n is multiplied in two steps, the second one exact or the one
 * rounding to a number below 2^-126. */
LANE_INLINE lane lane_exp_sum(lane x, lane low)
{
    lane_bits n;
    const lane p = lane_reduced_expm1(lane_at_least(x, -104), low, &n) + 1.0f; /* e^-104 rounds to 0 */
    return p * (lane)((n + (127 + 64)) << 23) * 0x1p-64f;
}

LANE_INLINE lane lane_exp(lane x) /* x <= 0 */
{
    return lane_exp_sum(x, (lane){0});
}

/* e^x - 1 for x <= 0, to 1 ulp, and in *e e^x itself, down to e^-30, which is nothing beside 1. */
LANE_INLINE lane lane_expm1(lane x, lane *e)
{
    lane_bits n;
    const lane p = lane_reduced_expm1(lane_at_least(x, -30), (lane){0}, &n);
    const lane scale = (lane)((n + 127) << 23);
    *e = lane_fma(scale, p, scale);
    return lane_fma(scale, p, scale - 1.0f);
}

/* The logistic function 1 / (1 + e^-x), to 3 ulp, where it is above 1/2 to 2, and its slope e^-x / (1 + e^-x)^2, to
 * 6. By e^-|x|, which cannot overflow and keeps small results exact. */
LANE_INLINE lane lane_logistic(lane x, lane *slope)
{
    const lane z = lane_exp(-lane_abs(x)), q = 1.0f / (1.0f + z), small = z * q;
    *slope = small * q;
    return lane_where(x < 0, small, 1.0f - small);
}

/* To 3 ulp, where it is beyond +-1/2 to 2. With e = e^(-2|x|) it is (1 - e) / (1 + e); near 1, where the slope will be
 * taken from it, 1 - 2 e / (1 + e) is the more exact form. */
LANE_INLINE lane lane_tanh(lane x)
{
    const lane a = lane_abs(x);
    lane e;
    const lane z = lane_expm1(-2.0f * a, &e);
    const lane_mask near = a > 0.55f;
    const lane q = lane_where(near, e + e, -z) / (1.0f + e);
    return lane_signed(lane_where(near, 1.0f - q, q), x);
}

/* The standard normal distribution: its mass up to x, to 8 ulp, where it is above 1/2 to 4, and its density at x, to 3.
 *
 * The smaller mass at a = |x| is e^(-a^2/2) t P(t - 1/2) with t = K / (a + K): a smooth function of t, as in Shepherd &
 * Laframboise, "Chebyshev Approximation of (1 + 2x) exp(x^2) erfc x in 0 <= x < infinity", Mathematics of Computation 36
 * (1981). K and the polynomial are fitted for the smallest relative error on 0 <= a <= 14.5 (2^-26; where the mass is
 * zero in float it does not matter). a^2 is taken apart into an exact square and a rest, since e^x has the absolute error
 * of x as its relative one. */
LANE_INLINE lane lane_normal(lane x, lane *density)
{
    const float k = 3.75f;
    const lane a = lane_at_most(lane_abs(x), 16); /* infinity has no rest */
    const lane head = (lane)((lane_bits)a & 0xFFFFF000u);
    const lane e = lane_exp_sum(-0.5f * head * head, -0.5f * (a - head) * (a + head));
    const lane t = k / (a + k), s = t - 0.5f;
    lane p = lane_all(0.030272804f);
    p = lane_fma(p, s, lane_all(-0.01739526f));
    p = lane_fma(p, s, lane_all(-0.07115128f));
    p = lane_fma(p, s, lane_all(-0.010240622f));
    p = lane_fma(p, s, lane_all(0.15996803f));
    p = lane_fma(p, s, lane_all(0.32324445f));
    p = lane_fma(p, s, lane_all(0.3764689f));
    p = lane_fma(p, s, lane_all(0.3137004f));
    p = lane_fma(p, s, lane_all(0.20007841f));
    const lane small = e * (t * p);
    *density = e * 0.398942280401432678f; /* 1 / sqrt(2 pi) */
    return lane_where(x < 0, small, 1.0f - small);
}

#endif
