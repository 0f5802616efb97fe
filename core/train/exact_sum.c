/* Owns the fixed-point number behind a sum that does not depend on the order of what is added; must not know what that is. */
#include "train/exact_sum.h"

#include <math.h>
#include <string.h>

enum {
    LIMB = 32,      /* bits */
    FRACTION = 52,  /* bits of a double */
    LOWEST = 1074,  /* the lowest limb's lowest bit is worth 2^-1074 */
    LOOSE = 1 << 28 /* so many numbers of below 2^34 fit above a limb */
};
static const int64_t BASE = (int64_t)1 << LIMB;

/* Every limb but the last, which has the sign, into 0 ... 2^32 - 1. */
static void exact_sum_carry(int64_t limbs[EXACT_SUM_LIMBS])
{
    for (int i = 0; i + 1 < EXACT_SUM_LIMBS; i++) {
        int64_t low = limbs[i] % BASE;
        if (low < 0) low += BASE;
        limbs[i + 1] += (limbs[i] - low) / BASE;
        limbs[i] = low;
    }
}

void exact_sum_add(exact_sum *s, double v)
{
    s->n++;
    if (!isfinite(v)) {
        s->nan = s->nan || isnan(v);
        s->plus = s->plus || (!isnan(v) && v > 0);
        s->minus = s->minus || (!isnan(v) && v < 0);
        return;
    }
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    const int exponent = (int)(bits >> FRACTION & 0x7FF);
    const uint64_t fraction = bits & (((uint64_t)1 << FRACTION) - 1);
    const uint64_t whole = exponent ? fraction | (uint64_t)1 << FRACTION : fraction;
    const int at = exponent ? exponent - 1 : 0, limb = at / LIMB, shift = at % LIMB;
    const uint64_t mask = (uint64_t)BASE - 1;
    const uint64_t low = (whole & mask) << shift, high = (whole >> LIMB) << shift;
    const int64_t parts[] = {(int64_t)(low & mask), (int64_t)((low >> LIMB) + (high & mask)),
                             (int64_t)(high >> LIMB)};
    for (int i = 0; i < 3; i++) s->limbs[limb + i] += bits >> 63 ? -parts[i] : parts[i];
    if (++s->loose < LOOSE) return;
    exact_sum_carry(s->limbs);
    s->loose = 0;
}

double exact_sum_mean(const exact_sum *s)
{
    if (!s->n || s->nan || (s->plus && s->minus)) return (double)NAN;
    if (s->plus || s->minus) return s->plus ? (double)INFINITY : -(double)INFINITY;
    int64_t limbs[EXACT_SUM_LIMBS];
    memcpy(limbs, s->limbs, sizeof limbs);
    exact_sum_carry(limbs);
    const bool minus = limbs[EXACT_SUM_LIMBS - 1] < 0;
    if (minus) {
        for (int i = 0; i < EXACT_SUM_LIMBS; i++) limbs[i] = -limbs[i];
        exact_sum_carry(limbs);
    }
    int top = EXACT_SUM_LIMBS - 1;
    while (top > 0 && !limbs[top]) top--;
    if (!limbs[top]) return 0;
    /* The 64 highest bits; whether anything is below them counts for rounding only, and so does as the lowest one. */
    const uint64_t first = (uint64_t)limbs[top], second = top > 0 ? (uint64_t)limbs[top - 1] : 0,
                   third = top > 1 ? (uint64_t)limbs[top - 2] : 0;
    const int lead = __builtin_clzll(first) - LIMB;
    uint64_t bits = (first << LIMB | second) << lead | third >> (LIMB - lead);
    bool below = (third << lead & (uint64_t)(BASE - 1)) != 0;
    for (int i = 0; i < top - 2 && !below; i++) below = limbs[i] != 0;
    if (below) bits |= 1;
    const double mean = ldexp((double)bits / (double)s->n, LIMB * (top - 1) - lead - LOWEST);
    return minus ? -mean : mean;
}
