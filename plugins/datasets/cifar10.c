/* CIFAR-10 from its official binary files, mapped into memory and checked at open. */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "convoy/dataset.h"

typedef struct cifar_config {
    const char *path;
} cifar_config;

static const cvy_param cifar_params[] = {
    CVY_STRING(cifar_config, path, "null",
               "folder of the files data_batch_1.bin to data_batch_5.bin and test_batch.bin; null: where "
               "`convoy data "
               "fetch cifar10` puts them"),
    CVY_ALSO("root dir data_dir folder"),
};

enum {
    CLASSES = 10,
    PIXELS = 3 * 32 * 32, /* bytes: the R, G and B planes, rows from the top */
    RECORD = 1 + PIXELS,  /* the label goes first */
    RECORDS = 10000,      /* in a file */
    FILES = 6,
    TEST = 5, /* the file of the test split */
    NAME_MAX_BYTES = 64
};
#define FILE_BYTES ((int64_t)RECORD * RECORDS)

static const char *const file_names[FILES] = {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin",
                                              "data_batch_4.bin", "data_batch_5.bin", "test_batch.bin"};

static const char *const official_names[CLASSES] = {"airplane", "automobile", "bird",  "cat",  "deer",
                                                    "dog",      "frog",       "horse", "ship", "truck"};

typedef struct cifar {
    const unsigned char *data[FILES];
    const char *names[CLASSES];
    char text[CLASSES][NAME_MAX_BYTES + 1];
} cifar;

/* ---- paths ---- */

/* "dir/name", or name alone when it is absolute; malloc'ed; NULL without memory. */
static char *join(const char *dir, const char *name)
{
    if (!dir || !*dir || *name == '/') return strdup(name);
    size_t n = strlen(dir), size = n + strlen(name) + 2;
    char *path = malloc(size);
    if (path) snprintf(path, size, "%s%s%s", dir, dir[n - 1] == '/' ? "" : "/", name);
    return path;
}

static int holds_files(const char *dir)
{
    int found = 0;
    for (int i = 0; i < FILES && !found; i++) {
        char *path = join(dir, file_names[i]);
        found = path && access(path, F_OK) == 0;
        free(path);
    }
    return found;
}

/* ---- files ---- */

/* `other`: a second folder where none of the files was, or NULL. */
static int fail_missing(const cvy_dataset_open *o, const char *path, const char *dir, const char *other)
{
    return cvy_fail_at(o, path, -1,
                       "not found; looked in %s%s%s. Put the six files of the "
                       "official CIFAR-10 binary version there (data_batch_1.bin to data_batch_5.bin and "
                       "test_batch.bin, from cifar-10-binary.tar.gz), or set dataset.path to their folder",
                       dir, other ? " and " : "", other ? other : "");
}

static int map_file(const cvy_dataset_open *o, const char *path, const unsigned char **data)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return cvy_fail_at(o, path, -1, "cannot be opened: %s", strerror(errno));
    struct stat st;
    int rc = 0;
    if (fstat(fd, &st) != 0) {
        rc = cvy_fail_at(o, path, -1, "cannot be read: %s", strerror(errno));
    } else if (!S_ISREG(st.st_mode)) {
        rc = cvy_fail_at(o, path, -1, "is not a regular file");
    } else if (st.st_size != FILE_BYTES) {
        int shorter = st.st_size < FILE_BYTES;
        rc = cvy_fail_at(o, path, shorter ? (int64_t)st.st_size : FILE_BYTES,
                         "the file %s here: expected 30,730,000 bytes (10,000 records of 3,073), found %lld",
                         shorter ? "ends" : "should end", (long long)st.st_size);
    } else {
        void *p = mmap(NULL, (size_t)FILE_BYTES, PROT_READ, MAP_SHARED, fd, 0);
        if (p == MAP_FAILED)
            rc = cvy_fail_at(o, path, -1, "cannot be mapped into memory: %s", strerror(errno));
        else
            *data = p;
    }
    close(fd);
    return rc;
}

static int check_labels(const cvy_dataset_open *o, const char *path, const unsigned char *data)
{
    for (int64_t i = 0; i < RECORDS; i++)
        if (data[i * RECORD] >= CLASSES)
            return cvy_fail_at(o, path, i * RECORD,
                               "record %lld has label %d, expected 0 to 9: not a file of the "
                               "CIFAR-10 binary version, or a damaged one",
                               (long long)i, (int)data[i * RECORD]);
    return 0;
}

/* Class names, one in a line. Anything unexpected leaves the official ones: they serve reports only. */
static int read_names(const char *path, cifar *c)
{
    char text[CLASSES * (NAME_MAX_BYTES + 2) + 64];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return 0;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    if (n <= 0) return 0;
    text[n] = 0;

    char *s = text;
    for (int i = 0; i < CLASSES; i++) {
        size_t length = strcspn(s, "\r\n");
        if (length < 1 || length > NAME_MAX_BYTES || !s[length]) return 0;
        for (size_t k = 0; k < length; k++)
            if (s[k] < ' ' || s[k] > '~') return 0;
        memcpy(c->text[i], s, length);
        c->text[i][length] = 0;
        s += length;
        if (*s == '\r') s++;
        if (*s++ != '\n') return 0;
    }
    return s[strspn(s, "\r\n")] == 0;
}

/* ---- SHA-256 (FIPS 180-4) of the six hexadecimal digests ---- */

static uint32_t rotate(uint32_t x, int n)
{
    return x >> n | x << (32 - n);
}

static void sha256_block(uint32_t h[8], const unsigned char *p)
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
        w[i] = w[i - 16] + (rotate(a, 7) ^ rotate(a, 18) ^ a >> 3) + w[i - 7] +
               (rotate(b, 17) ^ rotate(b, 19) ^ b >> 10);
    }
    memcpy(v, h, sizeof v);
    for (int i = 0; i < 64; i++) {
        uint32_t s1 = rotate(v[4], 6) ^ rotate(v[4], 11) ^ rotate(v[4], 25);
        uint32_t t1 = v[7] + s1 + ((v[4] & v[5]) ^ (~v[4] & v[6])) + k[i] + w[i];
        uint32_t s0 = rotate(v[0], 2) ^ rotate(v[0], 13) ^ rotate(v[0], 22);
        uint32_t t2 = s0 + ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
        memmove(v + 1, v, 7 * sizeof *v);
        v[4] += t1;
        v[0] = t1 + t2;
    }
    for (int i = 0; i < 8; i++) h[i] += v[i];
}

/* n a multiple of 64, so that the padding is a block of its own. */
static void sha256_hex(const unsigned char *data, size_t n, char hex[65])
{
    uint32_t h[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                     0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    unsigned char padding[64] = {0x80};
    for (size_t i = 0; i < n; i += 64) sha256_block(h, data + i);
    for (int i = 0; i < 8; i++) padding[63 - i] = (unsigned char)((uint64_t)n * 8 >> (8 * i));
    sha256_block(h, padding);
    for (int i = 0; i < 8; i++) snprintf(hex + 8 * i, 9, "%08x", (unsigned)h[i]);
}

/* ---- the dataset ---- */

static void cifar_close(void *state)
{
    cifar *c = state;
    if (!c) return;
    for (int i = 0; i < FILES; i++)
        if (c->data[i]) munmap((void *)(uintptr_t)c->data[i], (size_t)FILE_BYTES);
    free(c);
}

/* Maps and checks the files of `dir`, all before the first is hashed, and fills the fingerprint. */
static int open_files(cvy_dataset_open *o, cifar *c, const char *dir, const char *other)
{
    unsigned char digests[FILES * 64];
    for (int i = 0; i < 2 * FILES; i++) {
        int file = i % FILES, rc;
        char hex[65], *path = join(dir, file_names[file]);
        if (!path) return cvy_fail(o, "out of memory");
        if (i >= FILES) {
            rc = o->host->sha256_file(o->host, path, hex);
            if (!rc) memcpy(digests + file * 64, hex, 64);
        } else if (access(path, F_OK) != 0 && (errno == ENOENT || errno == ENOTDIR)) {
            rc = fail_missing(o, path, dir, other);
        } else {
            rc = map_file(o, path, &c->data[file]);
            if (!rc) rc = check_labels(o, path, c->data[file]);
        }
        free(path);
        if (rc) return rc;
    }
    sha256_hex(digests, sizeof digests, o->info.fingerprint);

    char *names = join(dir, "batches.meta.txt");
    int own = names && read_names(names, c);
    free(names);
    for (int i = 0; i < CLASSES; i++) c->names[i] = own ? c->text[i] : official_names[i];
    return 0;
}

static int cifar_open(cvy_dataset_open *o, const void *config, void **state)
{
    const cifar_config *conf = config;
    cifar *c = calloc(1, sizeof *c);
    char *dir = conf->path ? join(o->base_dir, conf->path) : join(o->data_dir, "cifar10");
    char *inner = dir ? join(dir, "cifar-10-batches-bin") : NULL; /* as the official archive unpacks */
    int rc;
    if (c && inner) {
        int here = holds_files(dir), nested = !here && holds_files(inner);
        rc = open_files(o, c, nested ? inner : dir, here || nested ? NULL : inner);
    } else {
        rc = cvy_fail(o, "out of memory");
    }
    free(dir);
    free(inner);
    if (rc) {
        cifar_close(c);
        return rc;
    }

    o->info.n[CVY_TRAIN] = (int64_t)TEST * RECORDS;
    o->info.n[CVY_TEST] = RECORDS;
    o->info.sample = (cvy_shape){3, {3, 32, 32, 0, 0, 0}};
    o->info.element = CVY_U8;
    o->info.classes = CLASSES;
    o->info.class_names = c->names;
    *state = c;
    return 0;
}

static int cifar_read(cvy_dataset_read *r, const void *config, const void *state)
{
    const cifar *c = state;
    int64_t file = r->split == CVY_TEST ? TEST : r->index / RECORDS;
    const unsigned char *record = c->data[file] + r->index % RECORDS * RECORD;
    (void)config;
    r->label = record[0];
    if (r->pixels) memcpy(r->pixels, record + 1, PIXELS);
    return 0;
}

static const cvy_dataset cifar_type = {sizeof(cvy_dataset), cifar_open, cifar_read, cifar_close};

CVY_PLUGIN(CVY_DATASET, cifar10, "CIFAR10 cifar CIFAR-10 cifar-10 cifar_10",
           "60,000 photographs of 32x32 pixels in 10 classes, from the official binary files",
           "Krizhevsky 2009, Learning Multiple Layers of Features from Tiny Images, chapter 3", cifar_config,
           &cifar_type, CVY_PARAMS(cifar_params));
