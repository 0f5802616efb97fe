/* Owns CRC-32C and SHA-256, with the CPU's instructions where it has them; must not know what is being
 * summed. */
#include "base/digest.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

/* ---- CRC-32C ---- */

#define CASTAGNOLI 0x82F63B78u /* reflected */

typedef uint32_t crc_fn(uint32_t crc, const unsigned char *p, size_t n);

static uint32_t crc_table[8][256];

/* Eight bytes a step: entry [k][b] is the effect of byte b with k more bytes behind it. */
static uint32_t crc_by_table(uint32_t crc, const unsigned char *p, size_t n)
{
    for (; n >= 8; p += 8, n -= 8) {
        uint32_t low =
            crc ^ ((uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24);
        crc = crc_table[7][low & 0xFF] ^ crc_table[6][low >> 8 & 0xFF] ^ crc_table[5][low >> 16 & 0xFF] ^
              crc_table[4][low >> 24] ^ crc_table[3][p[4]] ^ crc_table[2][p[5]] ^ crc_table[1][p[6]] ^
              crc_table[0][p[7]];
    }
    for (; n; p++, n--) crc = crc >> 8 ^ crc_table[0][(crc ^ *p) & 0xFF];
    return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t crc_by_sse42(uint32_t crc, const unsigned char *p, size_t n)
{
    uint64_t wide = crc;
    for (; n >= 8; p += 8, n -= 8) {
        uint64_t v;
        memcpy(&v, p, sizeof v);
        wide = _mm_crc32_u64(wide, v);
    }
    crc = (uint32_t)wide;
    for (; n; p++, n--) crc = _mm_crc32_u8(crc, *p);
    return crc;
}
#endif

/* ---- SHA-256 (FIPS 180-4) ---- */

typedef void sha_fn(uint32_t h[8], const unsigned char *p, size_t blocks);

static const _Alignas(16) uint32_t sha_k[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static uint32_t rotate(uint32_t x, int n)
{
    return x >> n | x << (32 - n);
}

static void sha_plain(uint32_t h[8], const unsigned char *p, size_t blocks)
{
    for (; blocks; blocks--, p += 64) {
        uint32_t w[64], v[8];
        for (int i = 0; i < 16; i++)
            w[i] = (uint32_t)p[4 * i] << 24 | (uint32_t)p[4 * i + 1] << 16 | (uint32_t)p[4 * i + 2] << 8 |
                   p[4 * i + 3];
        for (int i = 16; i < 64; i++) {
            uint32_t s0 = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ w[i - 15] >> 3;
            uint32_t s1 = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ w[i - 2] >> 10;
            w[i] = w[i - 16] + s0 + w[i - 7] + s1;
        }
        memcpy(v, h, sizeof v);
        for (int i = 0; i < 64; i++) {
            uint32_t s1 = rotate(v[4], 6) ^ rotate(v[4], 11) ^ rotate(v[4], 25);
            uint32_t t1 = v[7] + s1 + ((v[4] & v[5]) ^ (~v[4] & v[6])) + sha_k[i] + w[i];
            uint32_t s0 = rotate(v[0], 2) ^ rotate(v[0], 13) ^ rotate(v[0], 22);
            uint32_t t2 = s0 + ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
            memmove(v + 1, v, 7 * sizeof *v);
            v[4] += t1;
            v[0] = t1 + t2;
        }
        for (int i = 0; i < 8; i++) h[i] += v[i];
    }
}

#if defined(__x86_64__)
/* The instructions keep the state as (A, B, E, F) and (C, D, G, H) and do two rounds at a time. The message
 * schedule rolls through w[0..3], four words each: group g adds to the group three ahead of it. */
__attribute__((target("sha,sse4.1"))) static void sha_ni(uint32_t h[8], const unsigned char *p, size_t blocks)
{
    const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
    __m128i badc = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(const void *)h), 0xB1);
    __m128i hgfe = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(const void *)(h + 4)), 0x1B);
    __m128i abef = _mm_alignr_epi8(badc, hgfe, 8);
    __m128i cdgh = _mm_blend_epi16(hgfe, badc, 0xF0);
    for (; blocks; blocks--, p += 64) {
        const __m128i abef_before = abef, cdgh_before = cdgh;
        __m128i w[4];
        for (int g = 0; g < 4; g++)
            w[g] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(const void *)(p + 16 * g)), swap);
#if defined(__clang__)
#pragma clang loop unroll(full)
#else
#pragma GCC unroll 16
#endif
        for (int g = 0; g < 16; g++) {
            __m128i words = w[g & 3];
            __m128i sum =
                _mm_add_epi32(words, _mm_load_si128((const __m128i *)(const void *)(sha_k + 4 * g)));
            cdgh = _mm_sha256rnds2_epu32(cdgh, abef, sum);
            abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(sum, 0x0E));
            if (g < 12) {
                __m128i next = _mm_sha256msg1_epu32(words, w[(g + 1) & 3]);
                next = _mm_add_epi32(next, _mm_alignr_epi8(w[(g + 3) & 3], w[(g + 2) & 3], 4));
                w[g & 3] = _mm_sha256msg2_epu32(next, w[(g + 3) & 3]);
            }
        }
        abef = _mm_add_epi32(abef, abef_before);
        cdgh = _mm_add_epi32(cdgh, cdgh_before);
    }
    __m128i feba = _mm_shuffle_epi32(abef, 0x1B), dchg = _mm_shuffle_epi32(cdgh, 0xB1);
    _mm_storeu_si128((__m128i *)(void *)h, _mm_blend_epi16(feba, dchg, 0xF0));
    _mm_storeu_si128((__m128i *)(void *)(h + 4), _mm_alignr_epi8(dchg, feba, 8));
}
#endif

/* ---- choosing ---- */

static crc_fn *crc_best = crc_by_table;
static sha_fn *sha_best = sha_plain;
static pthread_once_t prepared = PTHREAD_ONCE_INIT;

static void prepare(void)
{
    for (uint32_t b = 0; b < 256; b++) {
        uint32_t crc = b;
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? CASTAGNOLI : 0);
        crc_table[0][b] = crc;
    }
    for (int k = 1; k < 8; k++)
        for (int b = 0; b < 256; b++) {
            uint32_t crc = crc_table[k - 1][b];
            crc_table[k][b] = crc >> 8 ^ crc_table[0][crc & 0xFF];
        }
#if defined(__x86_64__)
    /* cpuid itself: __builtin_cpu_supports() of gcc 12 does not know SHA. */
    unsigned a, b, c, d;
    bool sse41 = false;
    if (__get_cpuid(1, &a, &b, &c, &d)) {
        sse41 = c & bit_SSE4_1;
        if (c & bit_SSE4_2) crc_best = crc_by_sse42;
    }
    if (sse41 && __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & bit_SHA)) sha_best = sha_ni;
#endif
}

void digest_use_plain(bool plain)
{
    pthread_once(&prepared, prepare);
    if (plain) {
        crc_best = crc_by_table;
        sha_best = sha_plain;
    } else {
        prepare();
    }
}

uint32_t crc32c(uint32_t crc, const void *data, size_t n)
{
    pthread_once(&prepared, prepare);
    return ~crc_best(~crc, data, n);
}

/* ---- SHA-256, the streaming around the blocks ---- */

void sha256_init(sha256 *s)
{
    pthread_once(&prepared, prepare);
    *s = (sha256){.h = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab,
                        0x5be0cd19}};
}

void sha256_add(sha256 *s, const void *data, size_t n)
{
    if (!n) return; /* nothing may come from nowhere: NULL and 0 */
    const unsigned char *p = data;
    size_t have = (size_t)(s->bytes % 64);
    s->bytes += n;
    if (have) {
        size_t take = n < 64 - have ? n : 64 - have;
        memcpy(s->block + have, p, take);
        p += take;
        n -= take;
        if (have + take < 64) return;
        sha_best(s->h, s->block, 1);
    }
    if (n >= 64) sha_best(s->h, p, n / 64);
    if (n % 64) memcpy(s->block, p + n / 64 * 64, n % 64);
}

void sha256_text(sha256 *s, const char *str)
{
    sha256_add(s, str, strlen(str) + 1);
}

void sha256_hex(sha256 *s, char hex[65])
{
    unsigned char tail[72] = {0x80};
    uint64_t bits = s->bytes * 8;
    size_t have = (size_t)(s->bytes % 64), zeros = (have < 56 ? 56 : 120) - have;
    for (int i = 0; i < 8; i++) tail[zeros + (size_t)i] = (unsigned char)(bits >> (56 - 8 * i));
    sha256_add(s, tail, zeros + 8);
    for (int i = 0; i < 8; i++) snprintf(hex + 8 * i, 9, "%08x", (unsigned)s->h[i]);
}
