/* MD5 (RFC 1321), for checksums that others published; not for anything that has to be safe. */
#ifndef FETCH_MD5_H
#define FETCH_MD5_H

#include <stddef.h>
#include <stdint.h>

typedef struct md5 {
    uint32_t h[4];
    uint64_t bytes;
    unsigned char block[64];
} md5;

void md5_init(md5 *s);
void md5_add(md5 *s, const void *data, size_t n);
void md5_hex(md5 *s, char hex[33]); /* finishes */

#endif
