/* What is known of the pictures below a folder: sizes, checksums, which are damaged. Found out once and kept in an index, which is
 * believed as long as every file and folder still has its size and times. Private to the image_folder dataset; must not know
 * classes. */
#ifndef DATASETS_FOLDER_INDEX_H
#define DATASETS_FOLDER_INDEX_H

#include <stdatomic.h>
#include "convoy/image.h"
#include "folder_scan.h"
#include "folder_store.h"

#define FOLDER_MOST_BYTES  ((int64_t)1 << 30) /* of a picture's file */
#define FOLDER_MOST_PIXELS ((int64_t)1 << 27)

typedef struct folder_index {
    char *root;                  /* absolute, links resolved */
    folder_list list;            /* points into `mapped` where that is there */
    const unsigned char *mapped; /* the index as it lies in the cache */
    int64_t mapped_bytes;
    int64_t bad;           /* files marked FOLDER_BAD */
    unsigned char sum[32]; /* of all names and contents */
} folder_index;

/* The index as a file: this, the folders, the files, the names. */
typedef struct folder_head {
    char magic[8];
    uint64_t checksum; /* of all that follows */
    uint64_t n_dirs, n_files, names_bytes;
    unsigned char root[32]; /* SHA-256 of the folder's path */
    unsigned char sum[32];
} folder_head;
_Static_assert(sizeof(folder_head) == 104, "the head of the index");
#define FOLDER_MAGIC "CVYIDX1\n"

static inline void folder_index_free(folder_index *x)
{
    if (x->mapped)
        files_unmap(x->mapped, x->mapped_bytes);
    else
        folder_list_free(&x->list);
    free(x->root);
    *x = (folder_index){0};
}

/* ---- reading the index ---- */

static inline int folder_names_good(const folder_list *l, const folder_record *r, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        if (r[i].name >= l->names_bytes) return 0;
        const char *name = folder_name(l, &r[i]);
        if (*name == '/' || strncmp(name, "../", 3) == 0 || strstr(name, "/../")) return 0;
        if (i && strcmp(folder_name(l, &r[i - 1]), name) >= 0) return 0;
        if (r[i].flags & ~(uint32_t)FOLDER_ALL_FLAGS || r[i].size < 0) return 0;
        if ((r[i].flags & FOLDER_KNOWN) && !(r[i].flags & FOLDER_BAD) &&
            (r[i].height < 1 || r[i].width < 1 || (int64_t)r[i].height * r[i].width > FOLDER_MOST_PIXELS))
            return 0;
    }
    return 1;
}

/* Whether these bytes are a whole index of this folder; none of them is believed before. */
static inline int folder_index_good(const unsigned char *data, int64_t size, const unsigned char root[32],
                                    folder_list *l, unsigned char sum[32])
{
    folder_head h;
    uint64_t records, bytes, rest;
    if (size < (int64_t)sizeof h) return 0;
    memcpy(&h, data, sizeof h);
    if (memcmp(h.magic, FOLDER_MAGIC, 8) != 0 || memcmp(h.root, root, 32) != 0 || h.n_dirs < 1 ||
        h.names_bytes < 1 || __builtin_add_overflow(h.n_dirs, h.n_files, &records) ||
        __builtin_mul_overflow(records, sizeof(folder_record), &bytes) ||
        __builtin_add_overflow(bytes, h.names_bytes, &rest) || rest != (uint64_t)size - sizeof h ||
        h.checksum != folder_checksum(0, data + 16, (size_t)size - 16))
        return 0;
    /* The map begins a page, and head and records are multiples of 8 bytes. */
    folder_record *r = (folder_record *)(uintptr_t)(data + sizeof h);
    *l = (folder_list){.dirs = r,
                       .files = r + h.n_dirs,
                       .n_dirs = (int64_t)h.n_dirs,
                       .n_files = (int64_t)h.n_files,
                       .names = (char *)(uintptr_t)(data + sizeof h + bytes),
                       .names_bytes = h.names_bytes};
    memcpy(sum, h.sum, 32);
    return l->names[h.names_bytes - 1] == 0 && folder_names_good(l, l->dirs, l->n_dirs) &&
           folder_names_good(l, l->files, l->n_files);
}

/* ---- whether it still holds ---- */

typedef struct folder_check {
    const folder_index *x;
    const folder_record *records;
    int64_t now;
    atomic_int changed;
} folder_check;

static inline void folder_check_share(void *ctx, int64_t begin, int64_t end)
{
    folder_check *c = ctx;
    const size_t n = strlen(c->x->root);
    size_t room = 0;
    char *path = NULL;
    for (int64_t i = begin; i < end && !atomic_load_explicit(&c->changed, memory_order_relaxed); i++) {
        const char *name = folder_name(&c->x->list, &c->records[i]);
        const size_t size = n + strlen(name) + 2;
        struct stat st;
        folder_record now = {0};
        if (size > room) {
            free(path);
            room = 2 * size;
            path = malloc(room);
        }
        if (path) snprintf(path, room, "%s/%s", c->x->root, name);
        const int there = path && stat(path, &st) == 0;
        if (there) folder_stamp(&now, &st, c->now);
        if (!there || !folder_same_stamp(&c->records[i], &now)) atomic_store(&c->changed, 1);
        if (!path) room = 0;
    }
    free(path);
}

static inline int folder_unchanged(const cvy_dataset_open *o, const folder_index *x, const folder_record *r,
                                   int64_t n)
{
    folder_check c = {.x = x, .records = r, .now = folder_now()};
    atomic_init(&c.changed, 0);
    if (n > 0) o->host->parallel_for(o->host, n, 256, folder_check_share, &c);
    return !atomic_load(&c.changed);
}

/* Whether nothing is left to be found out: all known, with `decode` also that all can be decoded, without it that none is bad. */
static inline int folder_complete(const folder_list *l, int decode)
{
    for (int64_t i = 0; i < l->n_files; i++) {
        const uint32_t flags = l->files[i].flags;
        if (!(flags & FOLDER_KNOWN) ||
            (decode ? !(flags & (FOLDER_BAD | FOLDER_DECODED)) : flags & FOLDER_BAD))
            return 0;
    }
    return 1;
}

/* ---- looking at files ---- */

/* A whole file; NULL after reporting. */
static inline unsigned char *folder_read_file(const cvy_host *host, const char *path, size_t *n)
{
    struct stat st;
    unsigned char *s = NULL;
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    *n = 0;
    if (fd < 0 || fstat(fd, &st) != 0) {
        host->fail_at(host, path, -1, "cannot be read: %s", strerror(errno));
    } else if (!S_ISREG(st.st_mode) || st.st_size > FOLDER_MOST_BYTES) {
        host->fail_at(host, path, -1, "not a regular file of at most %lld bytes",
                      (long long)FOLDER_MOST_BYTES);
    } else if (!(s = malloc((size_t)st.st_size + 1))) {
        host->fail_at(host, path, -1, "not enough memory to read it");
    } else {
        while (*n < (size_t)st.st_size) {
            const ssize_t k = read(fd, s + *n, (size_t)st.st_size - *n);
            if (k < 0 && errno == EINTR) continue;
            if (k < 0) {
                host->fail_at(host, path, (int64_t)*n, "cannot be read: %s", strerror(errno));
                free(s);
                s = NULL;
            }
            if (k <= 0) break; /* it became shorter: the decoder will say where it ends */
            *n += (size_t)k;
        }
    }
    if (fd >= 0) close(fd);
    return s;
}

typedef struct folder_look {
    const cvy_dataset_open *o;
    folder_index *x;
    int decode;          /* all of each file, not the header alone */
    atomic_int failures; /* that have nothing to do with what is in a file; reported */
} folder_look;

#define FOLDER_WHY 256 /* bytes in which the host says what is wrong with a picture */

/* report: say what is wrong with it. Else only mark it, since from several threads it would be said in any order. */
static inline void folder_look_at(folder_look *k, folder_record *r, const char *path, int report)
{
    const cvy_host *host = k->o->host;
    size_t n;
    char why[FOLDER_WHY] = "";
    unsigned char *s = folder_read_file(host, path, &n), *pixels = NULL;
    cvy_image image = {.file = path, .bytes = s, .n_bytes = n, .channels = 3, .most = FOLDER_MOST_PIXELS};
    if (!report) image.why = why, image.why_size = sizeof why;
    int rc = s ? host->image_size(host, &image) : -1;
    if (!rc && k->decode) {
        pixels = malloc((size_t)image.height * (size_t)image.width * 3);
        rc = pixels ? host->image_read(host, &image, pixels)
                    : host->fail_at(host, path, -1, "not enough memory to decode it");
    }
    if (rc && !why[0]) {
        atomic_fetch_add(&k->failures, 1);
    } else {
        folder_sha sum = folder_sha_begin();
        folder_sha_add(&sum, s, n);
        folder_sha_end(&sum, r->sha);
        r->flags = (uint32_t)(FOLDER_KNOWN | (rc ? FOLDER_BAD : k->decode ? FOLDER_DECODED : 0));
        r->height = rc ? 0 : (uint32_t)image.stored_height;
        r->width = rc ? 0 : (uint32_t)image.stored_width;
    }
    free(pixels);
    free(s);
}

static inline void folder_look_share(void *ctx, int64_t begin, int64_t end)
{
    folder_look *k = ctx;
    const folder_list *l = &k->x->list;
    for (int64_t i = begin; i < end && !atomic_load_explicit(&k->failures, memory_order_relaxed); i++) {
        folder_record *r = &l->files[i];
        const int known = r->flags & FOLDER_KNOWN, bad = r->flags & FOLDER_BAD,
                  decoded = r->flags & FOLDER_DECODED;
        if (known && (k->decode ? bad || decoded : !bad)) continue;
        char *path = files_join(k->x->root, folder_name(l, r));
        if (path)
            folder_look_at(k, r, path, 0);
        else
            atomic_fetch_add(&k->failures, 1), cvy_fail(k->o, "out of memory");
        free(path);
    }
}

/* The first damaged files, in the order of their names. */
static inline int folder_report_bad(folder_look *k)
{
    enum { MOST = 50 };
    const folder_list *l = &k->x->list;
    int count = 0;
    for (int64_t i = 0; i < l->n_files && count < MOST; i++) {
        if (!(l->files[i].flags & FOLDER_BAD)) continue;
        char *path = files_join(k->x->root, folder_name(l, &l->files[i]));
        if (!path) return cvy_fail(k->o, "out of memory");
        folder_look_at(k, &l->files[i], path, 1);
        count++;
        free(path);
    }
    return count ? -1 : 0;
}

/* ---- making the index ---- */

/* Scanned anew, with what the old index knew of files that are still as they were. */
static inline int folder_renew(const cvy_dataset_open *o, folder_index *x, const folder_list *old)
{
    folder_list fresh = {0};
    int rc = folder_scan(o, x->root, &fresh);
    if (rc) {
        folder_list_free(&fresh);
        return rc;
    }
    for (int64_t i = 0; i < fresh.n_files && old; i++) {
        folder_record *r = &fresh.files[i];
        const folder_record *before = folder_find(old, folder_name(&fresh, r));
        if (!before || !folder_same_stamp(before, r)) continue;
        r->height = before->height;
        r->width = before->width;
        r->flags = before->flags;
        memcpy(r->sha, before->sha, 32);
    }
    x->list = fresh;
    return 0;
}

static inline void folder_sum(folder_index *x)
{
    folder_sha s = folder_sha_begin();
    for (int64_t i = 0; i < x->list.n_files; i++) {
        const folder_record *r = &x->list.files[i];
        const char *name = folder_name(&x->list, r);
        folder_sha_add(&s, name, strlen(name) + 1);
        folder_sha_add(&s, r->flags & FOLDER_BAD ? "bad" : "", 4 - 3 * !(r->flags & FOLDER_BAD));
        folder_sha_add(&s, r->sha, 32);
    }
    folder_sha_end(&s, x->sum);
}

static inline int folder_index_write(const folder_store *store, const folder_index *x,
                                     const unsigned char root[32])
{
    const folder_list *l = &x->list;
    folder_head h = {
        .n_dirs = (uint64_t)l->n_dirs, .n_files = (uint64_t)l->n_files, .names_bytes = l->names_bytes};
    const size_t dirs = (size_t)l->n_dirs * sizeof *l->dirs, files = (size_t)l->n_files * sizeof *l->files,
                 size = sizeof h + dirs + files + l->names_bytes;
    unsigned char *s = malloc(size);
    if (!s) return -1;
    memcpy(h.magic, FOLDER_MAGIC, 8);
    memcpy(h.root, root, 32);
    memcpy(h.sum, x->sum, 32);
    memcpy(s, &h, sizeof h);
    memcpy(s + sizeof h, l->dirs, dirs);
    if (files) memcpy(s + sizeof h + dirs, l->files, files);
    memcpy(s + sizeof h + dirs + files, l->names, l->names_bytes);
    h.checksum = folder_checksum(0, s + 16, size - 16);
    memcpy(s + 8, &h.checksum, 8);
    const int fd = folder_store_begin(store);
    int rc = fd < 0 ? -1 : folder_store_end(store, fd, folder_store_write(fd, s, size, 0));
    free(s);
    return rc;
}

/* Takes the kept index if it is whole, holds and says enough. */
static inline int folder_recall(const cvy_dataset_open *o, folder_index *x, const folder_store *store,
                                const unsigned char root[32], int decode)
{
    folder_store_map(store, &x->mapped, &x->mapped_bytes);
    if (!x->mapped) return 0;
    if (!folder_index_good(x->mapped, x->mapped_bytes, root, &x->list, x->sum)) {
        files_unmap(x->mapped, x->mapped_bytes);
        x->mapped = NULL;
        x->list = (folder_list){0};
        return 0;
    }
    return folder_complete(&x->list, decode) && folder_unchanged(o, x, x->list.dirs, x->list.n_dirs) &&
           folder_unchanged(o, x, x->list.files, x->list.n_files);
}

static inline int folder_build(const cvy_dataset_open *o, folder_index *x, const folder_store *store,
                               const unsigned char root[32], int decode)
{
    const folder_list old = x->list;
    const unsigned char *mapped = x->mapped;
    folder_look look = {.o = o, .x = x, .decode = decode};
    x->mapped = NULL;
    x->list = (folder_list){0};
    int rc = folder_renew(o, x, mapped ? &old : NULL);
    files_unmap(mapped, x->mapped_bytes);
    if (rc) return rc;
    atomic_init(&look.failures, 0);
    if (x->list.n_files > 0) o->host->parallel_for(o->host, x->list.n_files, 1, folder_look_share, &look);
    if (atomic_load(&look.failures)) return -1; /* reported */
    folder_sum(x);
    if (store->path && folder_index_write(store, x, root) != 0 && x->list.n_files >= 10000)
        o->host->warn(
            o->host,
            "what is known of the %lld pictures cannot be kept in %s (%s): all are read again each time",
            (long long)x->list.n_files, store->path, strerror(errno));
    return decode ? 0 : folder_report_bad(&look);
}

/* decode: files that cannot be decoded are marked FOLDER_BAD, for which all are decoded once. Else they are errors, as far as their
 * headers tell. */
static inline int folder_index_open(const cvy_dataset_open *o, folder_index *x, const char *folder,
                                    int decode)
{
    *x = (folder_index){.root = realpath(folder, NULL)};
    if (!x->root) return cvy_fail_at(o, folder, -1, "cannot be opened: %s", strerror(errno));
    folder_store store;
    unsigned char root[32];
    folder_sha key = folder_sha_begin(), copy;
    folder_sha_add(&key, "index 1", 8);
    folder_sha_add(&key, x->root, strlen(x->root) + 1);
    copy = key;
    folder_sha_end(&copy, root);
    folder_store_open(&store, o->cache_dir, &key, ".index");
    int rc = 0;
    if (!folder_recall(o, x, &store, root, decode)) {
        const int alone = store.path && folder_store_lock(&store) == 0;
        int found = 0;
        if (alone) { /* somebody may have made it while this one waited */
            files_unmap(x->mapped, x->mapped_bytes);
            x->mapped = NULL;
            x->list = (folder_list){0};
            found = folder_recall(o, x, &store, root, decode);
        }
        if (!found) rc = folder_build(o, x, &store, root, decode);
    }
    folder_store_close(&store);
    for (int64_t i = 0; i < x->list.n_files && !rc; i++) x->bad += (x->list.files[i].flags & FOLDER_BAD) != 0;
    return rc;
}

#endif
