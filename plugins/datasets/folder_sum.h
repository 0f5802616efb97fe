/* Sums of the image_folder dataset: SHA-256 of what comes in pieces, and a quick checksum of what its own caches hold. Private to
 * that plugin; must not know what is being summed. */
#ifndef DATASETS_FOLDER_SUM_H
#define DATASETS_FOLDER_SUM_H

#include "files.h"

typedef struct folder_sha {
    uint32_t h[8];
    unsigned char block[64];
    uint64_t bytes;
} folder_sha;

static inline folder_sha folder_sha_begin(void)
{
    return (folder_sha){.h = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c,
                              0x1f83d9ab, 0x5be0cd19}};
}

static inline void folder_sha_add(folder_sha *s, const void *data, size_t n)
{
    const unsigned char *p = data;
    const size_t have = (size_t)(s->bytes % 64);
    if (!n) return;
    s->bytes += n;
    if (have) {
        const size_t take = n < 64 - have ? n : 64 - have;
        memcpy(s->block + have, p, take);
        if (have + take < 64) return;
        files_sha256_block(s->h, s->block);
        p += take;
        n -= take;
    }
    for (; n >= 64; p += 64, n -= 64) files_sha256_block(s->h, p);
    if (n) memcpy(s->block, p, n);
}

static inline void folder_sha_end(folder_sha *s, unsigned char sum[32])
{
    static const unsigned char zeros[64];
    unsigned char length[8];
    const uint64_t bits = s->bytes * 8;
    for (int i = 0; i < 8; i++) length[i] = (unsigned char)(bits >> (56 - 8 * i));
    folder_sha_add(s, "\x80", 1);
    const size_t have = (size_t)(s->bytes % 64);
    folder_sha_add(s, zeros, (have <= 56 ? 56 : 120) - have);
    folder_sha_add(s, length, 8);
    for (int i = 0; i < 32; i++) sum[i] = (unsigned char)(s->h[i / 4] >> (24 - i % 4 * 8));
}

static inline void folder_hex(const unsigned char sum[32], char hex[65])
{
    for (int i = 0; i < 32; i++) snprintf(hex + 2 * i, 3, "%02x", sum[i]);
}

/* Finds torn and rotten bytes, at the speed of memory; no defence against anybody. */
static inline uint64_t folder_checksum(uint64_t h, const void *data, size_t n)
{
    const unsigned char *p = data;
    uint64_t lane[4] = {h, h ^ 0x9e3779b97f4a7c15u, ~h, h + 0x632be59bd9b4e019u};
    for (; n >= 32; p += 32, n -= 32)
        for (int k = 0; k < 4; k++) {
            uint64_t word;
            memcpy(&word, p + 8 * k, 8);
            lane[k] = (lane[k] ^ word) * 0xff51afd7ed558ccdu;
            lane[k] ^= lane[k] >> 32;
        }
    for (; n; p++, n--) lane[0] = (lane[0] ^ *p) * 0xc4ceb9fe1a85ec53u, lane[0] ^= lane[0] >> 29;
    for (int k = 1; k < 4; k++) {
        lane[0] = (lane[0] ^ lane[k]) * 0xff51afd7ed558ccdu;
        lane[0] ^= lane[0] >> 32;
    }
    return lane[0];
}

#endif
