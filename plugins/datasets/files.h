/* What datasets of files share: paths, mapping a file into memory, one fingerprint of several files. Private to the
 * plugins of this folder; must not know any format. */
#ifndef DATASETS_FILES_H
#define DATASETS_FILES_H

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "convoy/dataset.h"

/* "dir/name", or name alone when it is absolute; malloc'ed; NULL without memory. */
static inline char *files_join(const char *dir, const char *name)
{
    if (!dir || !*dir || *name == '/') return strdup(name);
    size_t n = strlen(dir), size = n + strlen(name) + 2;
    char *path = malloc(size);
    if (path) snprintf(path, size, "%s%s%s", dir, dir[n - 1] == '/' ? "" : "/", name);
    return path;
}

static inline int files_is_there(const char *path)
{
    return access(path, F_OK) == 0 || (errno != ENOENT && errno != ENOTDIR);
}

/* Whether any of n names is in the folder. */
static inline int files_holds_any(const char *dir, const char *const *names, int n)
{
    int found = 0;
    for (int i = 0; i < n && !found; i++) {
        char *path = files_join(dir, names[i]);
        found = path && access(path, F_OK) == 0;
        free(path);
    }
    return found;
}

/* Opens a regular file for reading, never waiting for a writer of a pipe. */
static inline int files_open(const cvy_dataset_open *o, const char *path, int *fd, int64_t *size)
{
    struct stat st;
    *size = 0;
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (*fd < 0) return cvy_fail_at(o, path, -1, "cannot be opened: %s", strerror(errno));
    int rc = 0;
    if (fstat(*fd, &st) != 0)
        rc = cvy_fail_at(o, path, -1, "cannot be read: %s", strerror(errno));
    else if (!S_ISREG(st.st_mode))
        rc = cvy_fail_at(o, path, -1, "is not a regular file");
    if (rc) {
        close(*fd);
        *fd = -1;
        return rc;
    }
    *size = (int64_t)st.st_size;
    return 0;
}

/* size >= 1 */
static inline int files_map(const cvy_dataset_open *o, const char *path, int fd, int64_t size,
                            const unsigned char **data)
{
    void *p = mmap(NULL, (size_t)size, PROT_READ, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED) return cvy_fail_at(o, path, -1, "cannot be mapped into memory: %s", strerror(errno));
    *data = p;
    return 0;
}

static inline void files_unmap(const unsigned char *data, int64_t size)
{
    if (data) munmap((void *)(uintptr_t)data, (size_t)size);
}

/* ---- SHA-256 (FIPS 180-4) of hexadecimal digests ---- */

static inline uint32_t files_rotate(uint32_t x, int n)
{
    return x >> n | x << (32 - n);
}

static inline void files_sha256_block(uint32_t h[8], const unsigned char *p)
{
    static const uint32_t k[64] = {
        0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
        0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
        0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
        0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
        0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
        0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
        0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
        0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};
    uint32_t w[64], v[8];
    for (int i = 0; i < 16; i++, p += 4)
        w[i] = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
    for (int i = 16; i < 64; i++) {
        uint32_t a = w[i - 15], b = w[i - 2];
        w[i] = w[i - 16] + (files_rotate(a, 7) ^ files_rotate(a, 18) ^ a >> 3) + w[i - 7] +
               (files_rotate(b, 17) ^ files_rotate(b, 19) ^ b >> 10);
    }
    memcpy(v, h, sizeof v);
    for (int i = 0; i < 64; i++) {
        uint32_t s1 = files_rotate(v[4], 6) ^ files_rotate(v[4], 11) ^ files_rotate(v[4], 25);
        uint32_t t1 = v[7] + s1 + ((v[4] & v[5]) ^ (~v[4] & v[6])) + k[i] + w[i];
        uint32_t s0 = files_rotate(v[0], 2) ^ files_rotate(v[0], 13) ^ files_rotate(v[0], 22);
        uint32_t t2 = s0 + ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
        memmove(v + 1, v, 7 * sizeof *v);
        v[4] += t1;
        v[0] = t1 + t2;
    }
    for (int i = 0; i < 8; i++) h[i] += v[i];
}

/* n a multiple of 64, so that the padding is a block of its own. */
static inline void files_sha256_hex(const unsigned char *data, size_t n, char hex[65])
{
    uint32_t h[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                     0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    unsigned char padding[64] = {0x80};
    for (size_t i = 0; i < n; i += 64) files_sha256_block(h, data + i);
    for (int i = 0; i < 8; i++) padding[63 - i] = (unsigned char)((uint64_t)n * 8 >> (8 * i));
    files_sha256_block(h, padding);
    for (int i = 0; i < 8; i++) snprintf(hex + 8 * i, 9, "%08x", (unsigned)h[i]);
}

/* The fingerprint of a dataset: the SHA-256 of its files' own, in hexadecimal and in order. n <= 8 */
static inline int files_fingerprint(cvy_dataset_open *o, const char *const *paths, int n)
{
    unsigned char digests[8 * 64];
    for (int i = 0; i < n; i++) {
        char hex[65];
        int rc = o->host->sha256_file(o->host, paths[i], hex);
        if (rc) return rc;
        memcpy(digests + i * 64, hex, 64);
    }
    files_sha256_hex(digests, (size_t)n * 64, o->info.fingerprint);
    return 0;
}

#endif
