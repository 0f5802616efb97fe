/* Owns the random numbers, each a pure function of key and counter; must not know what they are drawn for. */
#include "base/philox.h"

#include <math.h>

#include "base/digest.h"

philox_key philox_key_of(uint64_t seed, const char *purpose, const char *name)
{
    /* A digest, so that neighbouring seeds and similar names give unrelated keys; bytes in a fixed order, so
     * that every machine gives the same. */
    unsigned char bytes[8];
    for (int i = 0; i < 8; i++) bytes[i] = (unsigned char)(seed >> (8 * i));
    sha256 s;
    sha256_init(&s);
    sha256_add(&s, bytes, sizeof bytes);
    sha256_text(&s, purpose ? purpose : "");
    sha256_text(&s, name ? name : "");
    char hex[65];
    sha256_hex(&s, hex);
    return (philox_key){{s.h[0], s.h[1]}};
}

void philox_block(philox_key key, uint32_t c0, uint32_t c1, uint32_t c2, uint32_t c3, uint32_t out[4])
{
    uint32_t k0 = key.k[0], k1 = key.k[1];
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * c0, p1 = (uint64_t)0xCD9E8D57u * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)p1;
        c3 = (uint32_t)p0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

/* The compiler makes a copy for each width of registers, and the linker takes the best for the CPU at hand. */
#if defined(__x86_64__) && defined(__GLIBC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__)
#define PHILOX_WIDE __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define PHILOX_WIDE
#endif

enum { SIDE_BY_SIDE = 64 };

/* philox_block() of SIDE_BY_SIDE blocks, round by round. */
PHILOX_WIDE static void philox_many(philox_key key, uint32_t first, uint32_t c1, uint32_t c2, uint32_t c3,
                                    uint32_t *out)
{
    uint32_t a[SIDE_BY_SIDE], b[SIDE_BY_SIDE], c[SIDE_BY_SIDE], d[SIDE_BY_SIDE], k0 = key.k[0], k1 = key.k[1];
    for (uint32_t i = 0; i < SIDE_BY_SIDE; i++) a[i] = first + i, b[i] = c1, c[i] = c2, d[i] = c3;
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < SIDE_BY_SIDE; i++) {
            uint64_t p0 = (uint64_t)0xD2511F53u * a[i], p1 = (uint64_t)0xCD9E8D57u * c[i];
            a[i] = (uint32_t)(p1 >> 32) ^ b[i] ^ k0;
            c[i] = (uint32_t)(p0 >> 32) ^ d[i] ^ k1;
            b[i] = (uint32_t)p1;
            d[i] = (uint32_t)p0;
        }
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    for (int i = 0; i < SIDE_BY_SIDE; i++)
        out[4 * i] = a[i], out[4 * i + 1] = b[i], out[4 * i + 2] = c[i], out[4 * i + 3] = d[i];
}

void philox_blocks(philox_key key, uint32_t c0, int64_t n, uint32_t c1, uint32_t c2, uint32_t c3,
                   uint32_t *out)
{
    for (; n >= SIDE_BY_SIDE; n -= SIDE_BY_SIDE, c0 += SIDE_BY_SIDE, out += 4 * SIDE_BY_SIDE)
        philox_many(key, c0, c1, c2, c3, out);
    for (; n > 0; n--, out += 4) philox_block(key, c0++, c1, c2, c3, out);
}

philox_stream philox_open(philox_key key, uint64_t a, uint32_t b)
{
    return (philox_stream){.key = key, .c1 = b, .c2 = (uint32_t)(a >> 32), .c3 = (uint32_t)a};
}

uint32_t philox_u32(philox_stream *s)
{
    if (!s->have) {
        philox_block(s->key, s->next++, s->c1, s->c2, s->c3, s->block);
        s->have = 4;
    }
    return s->block[4 - s->have--];
}

uint32_t philox_below(philox_stream *s, uint32_t n)
{
    if (!n) return 0;
    /* Lemire, "Fast Random Integer Generation in an Interval", 2019: the high half of u * n, refused where
     * the low half falls into the 2^32 mod n values that would come once too often. */
    uint64_t product = (uint64_t)philox_u32(s) * n;
    if ((uint32_t)product < n) {
        uint32_t excess = (uint32_t)(0 - n) % n;
        while ((uint32_t)product < excess) product = (uint64_t)philox_u32(s) * n;
    }
    return (uint32_t)(product >> 32);
}

float philox_unit(philox_stream *s)
{
    return (float)(philox_u32(s) >> 8) * 0x1p-24f;
}

double philox_normal(philox_stream *s)
{
    double radius = ((double)philox_u32(s) + 1) * 0x1p-32; /* (0, 1]: its logarithm is finite */
    double angle = (double)philox_u32(s) * 0x1p-32;
    return sqrt(-2 * log(radius)) * cos(6.283185307179586476925 * angle);
}
