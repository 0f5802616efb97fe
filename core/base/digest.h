/* Checksums: CRC-32C for records, SHA-256 for identity. */
#ifndef BASE_DIGEST_H
#define BASE_DIGEST_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"

uint32_t crc32c(uint32_t crc, const void *data, size_t n); /* start with 0; Castagnoli, reflected */

typedef struct sha256 {
    uint32_t h[8];
    uint64_t bytes;
    unsigned char block[64];
} sha256;

void sha256_init(sha256 *s);
void sha256_add(sha256 *s, const void *data, size_t n);
void sha256_text(sha256 *s, const char *str); /* with its NUL, so that fields cannot run together */
void sha256_hex(sha256 *s, char hex[65]);     /* finishes */

/* digest_file.c */
cvy_status sha256_file(const char *path, char hex[65], errors *e);
/* The same through a cache in the user's cache folder (digests/, a file per path), trusted while size, mtime,
 * ctime, inode and device stand. A file changed within the last seconds is not entered; a cache that cannot
 * be written is no error. */
cvy_status sha256_file_cached(const char *path, char hex[65], errors *e);

/* For tests: the portable code even where the CPU has instructions for it. Not while others are summing. */
void digest_use_plain(bool plain);

#endif
