/* Decoded pictures of a folder in one file, made once and then mapped by every process that trains on them. Private to the
 * image_folder dataset; must not know classes or splits. */
#ifndef DATASETS_FOLDER_CACHE_H
#define DATASETS_FOLDER_CACHE_H

#include "folder_pixels.h"

typedef struct folder_cache {
    const unsigned char *mapped; /* NULL: none, every picture is decoded when it is read */
    int64_t mapped_bytes;
    int64_t *at;            /* n_files + 1: where each sample begins, from the first on */
    const uint64_t *sums;   /* of each sample */
    const unsigned char *x; /* the first sample */
} folder_cache;

/* The file: this, the sums, and from a page's begin on the samples. */
typedef struct folder_cache_head {
    char magic[8];
    uint64_t n, bytes;
    uint64_t checksum;     /* of the key */
    unsigned char key[32]; /* SHA-256 of what the samples are made of: contents, names, form */
} folder_cache_head;
_Static_assert(sizeof(folder_cache_head) == 64, "the head of a cache");
#define FOLDER_CACHE_MAGIC "CVYPIX1\n"
#define FOLDER_PAGE        ((int64_t)4096)

static inline void folder_cache_free(folder_cache *c)
{
    files_unmap(c->mapped, c->mapped_bytes);
    free(c->at);
    *c = (folder_cache){0};
}

/* The bytes of one sample; 0: it is none. */
static inline int64_t folder_record_bytes(const folder_form *f, const folder_record *r)
{
    folder_size s;
    if ((r->flags & FOLDER_BAD) || folder_size_of(f, r->height, r->width, &s)) return 0;
    return folder_sample_bytes(f, &s);
}

/* All of them together; -1: more than can be counted. */
static inline int64_t folder_cache_bytes(const folder_form *f, const folder_index *x)
{
    int64_t sum = 0;
    for (int64_t i = 0; i < x->list.n_files; i++)
        if (__builtin_add_overflow(sum, folder_record_bytes(f, &x->list.files[i]), &sum) ||
            sum > INT64_MAX / 2)
            return -1;
    return sum;
}

static inline int64_t folder_cache_start(int64_t n)
{
    return ((int64_t)sizeof(folder_cache_head) + n * 8 + FOLDER_PAGE - 1) / FOLDER_PAGE * FOLDER_PAGE;
}

/* Takes the file if it is this folder's, as it is now, in this form. */
static inline int folder_cache_recall(folder_cache *c, const folder_store *store, int64_t n,
                                      const unsigned char key[32])
{
    folder_cache_head h;
    const int64_t start = folder_cache_start(n);
    folder_store_map(store, &c->mapped, &c->mapped_bytes);
    if (!c->mapped) return 0;
    if (c->mapped_bytes == start + c->at[n]) {
        memcpy(&h, c->mapped, sizeof h);
        if (!memcmp(h.magic, FOLDER_CACHE_MAGIC, 8) && h.n == (uint64_t)n && h.bytes == (uint64_t)c->at[n] &&
            !memcmp(h.key, key, 32) && h.checksum == folder_checksum(0, h.key, 32)) {
            c->sums = (const uint64_t *)(const void *)(c->mapped + sizeof h);
            c->x = c->mapped + start;
            return 1;
        }
    }
    files_unmap(c->mapped, c->mapped_bytes);
    c->mapped = NULL;
    return 0;
}

typedef struct folder_filling {
    const cvy_dataset_open *o;
    const folder_form *form;
    const folder_index *x;
    const folder_cache *c;
    uint64_t *sums;
    int fd;
    int64_t start;
    unsigned char *damaged;       /* (n): could not be decoded */
    atomic_int failures, storage; /* other failures, reported; an errno */
} folder_filling;

/* The first damaged pictures, in the order of their names. */
static inline int folder_report_damaged(const folder_filling *k)
{
    enum { MOST = 50 };
    int count = 0;
    for (int64_t i = 0; i < k->x->list.n_files && count < MOST; i++) {
        const folder_record *r = &k->x->list.files[i];
        const size_t bytes = (size_t)(k->c->at[i + 1] - k->c->at[i]);
        folder_size s;
        if (!k->damaged[i] || folder_size_of(k->form, r->height, r->width, &s)) continue;
        uint8_t *y = malloc(bytes);
        count++;
        if (!y || !folder_decode(k->o->host, k->form, k->x, r, &s, y, NULL))
            cvy_fail(k->o, "%s could not be decoded", folder_name(&k->x->list, r));
        free(y);
    }
    return count ? -1 : 0;
}

static inline void folder_fill_share(void *ctx, int64_t begin, int64_t end)
{
    folder_filling *k = ctx;
    const cvy_host *host = k->o->host;
    int64_t room = 0;
    uint8_t *y = NULL;
    for (int64_t i = begin; i < end && !atomic_load_explicit(&k->storage, memory_order_relaxed) &&
                            !atomic_load_explicit(&k->failures, memory_order_relaxed);
         i++) {
        const folder_record *r = &k->x->list.files[i];
        const int64_t bytes = k->c->at[i + 1] - k->c->at[i];
        folder_size s;
        if (!bytes || folder_size_of(k->form, r->height, r->width, &s)) continue;
        if (bytes > room) {
            free(y);
            y = malloc((size_t)bytes);
            room = y ? bytes : 0;
            if (!y) host->fail(host, "not enough memory for a picture");
        }
        char why[FOLDER_WHY] = "";
        if (!y || folder_decode(host, k->form, k->x, r, &s, y, why)) {
            if (why[0])
                k->damaged[i] = 1;
            else
                atomic_fetch_add(&k->failures, 1);
            continue;
        }
        k->sums[i] = folder_checksum((uint64_t)i, y, (size_t)bytes);
        if (folder_store_write(k->fd, y, (size_t)bytes, k->start + k->c->at[i]) != 0)
            atomic_store(&k->storage, errno ? errno : ENOSPC);
    }
    free(y);
}

/* 0 also when there is no room for it: then it is said, and done without. */
static inline int folder_cache_build(const cvy_dataset_open *o, const folder_form *form,
                                     const folder_index *x, folder_cache *c, const folder_store *store,
                                     const unsigned char key[32])
{
    const int64_t n = x->list.n_files;
    folder_filling k = {.o = o, .form = form, .x = x, .c = c, .start = folder_cache_start(n)};
    folder_cache_head h = {.n = (uint64_t)n, .bytes = (uint64_t)c->at[n]};
    atomic_init(&k.failures, 0);
    atomic_init(&k.storage, 0);
    memcpy(h.magic, FOLDER_CACHE_MAGIC, 8);
    memcpy(h.key, key, 32);
    h.checksum = folder_checksum(0, h.key, 32);
    k.sums = calloc((size_t)n + 1, sizeof *k.sums);
    k.damaged = calloc((size_t)n + 1, 1);
    if (!k.sums || !k.damaged) {
        free(k.sums);
        free(k.damaged);
        return cvy_fail(o, "not enough memory for %lld pictures", (long long)n);
    }
    k.fd = folder_store_begin(store);
    int why = k.fd < 0 ? errno : 0;
    /* All of it is taken first, so that a full disk is known before the work is done. */
    if (!why) why = posix_fallocate(k.fd, 0, (off_t)(k.start + c->at[n]));
    if (why == EINVAL || why == EOPNOTSUPP || why == ENOSYS)
        why = ftruncate(k.fd, (off_t)(k.start + c->at[n])) != 0 ? errno : 0;
    if (!why) o->host->parallel_for(o->host, n, 1, folder_fill_share, &k);
    if (!why) why = atomic_load(&k.storage);
    const int failed = atomic_load(&k.failures) != 0 || (!why && folder_report_damaged(&k));
    if (!why && !failed &&
        (folder_store_write(k.fd, k.sums, (size_t)n * sizeof *k.sums, (int64_t)sizeof h) != 0 ||
         folder_store_write(k.fd, &h, sizeof h, 0) != 0))
        why = errno;
    free(k.sums);
    free(k.damaged);
    if (k.fd >= 0) {
        errno = why;
        if (folder_store_end(store, k.fd, why || failed) != 0 && !failed && !why) why = errno;
    }
    if (why && !failed)
        o->host->warn(
            o->host,
            "the decoded pictures (%lld MiB) cannot be kept in %s (%s): each is decoded whenever it is read, "
            "which is slower; make room there, or write `cache: false`",
            (long long)(c->at[n] >> 20), store->path, strerror(why));
    return failed ? -1 : 0;
}

static inline int folder_cache_open(const cvy_dataset_open *o, const folder_form *form, const folder_index *x,
                                    folder_cache *c)
{
    const int64_t n = x->list.n_files;
    unsigned char content[32];
    folder_store store;
    folder_sha name = folder_sha_begin(), key;
    folder_sha_add(&name, "pixels 1", 9);
    folder_sha_add(&name, x->root, strlen(x->root) + 1);
    folder_sha_add(&name, &form->channels, sizeof form->channels);
    folder_sha_add(&name, form->resize, sizeof form->resize);
    folder_sha_add(&name, form->crop, sizeof form->crop);
    folder_sha_add(&name, &form->draft, sizeof form->draft);
    key = name;
    folder_sha_add(&key, x->sum, 32);
    folder_sha_end(&key, content);
    *c = (folder_cache){.at = calloc((size_t)n + 1, sizeof *c->at)};
    if (!c->at) return cvy_fail(o, "not enough memory for %lld pictures", (long long)n);
    for (int64_t i = 0; i < n; i++) c->at[i + 1] = c->at[i] + folder_record_bytes(form, &x->list.files[i]);
    folder_store_open(&store, o->cache_dir, &name, ".pixels");
    int rc = 0;
    if (store.path && !folder_cache_recall(c, &store, n, content)) {
        if (folder_store_lock(&store) != 0)
            o->host->warn(
                o->host,
                "the decoded pictures cannot be kept in %s (%s): each is decoded whenever it is read",
                store.path, strerror(errno));
        else if (!folder_cache_recall(c, &store, n, content)) { /* nobody made it while this one waited */
            rc = folder_cache_build(o, form, x, c, &store, content);
            if (!rc) folder_cache_recall(c, &store, n, content);
        }
    }
    folder_store_close(&store);
    return rc;
}

/* The sample of a file; 0: it is not there, or no longer what was written. */
static inline int folder_cache_get(const folder_cache *c, int64_t file, uint8_t *y)
{
    if (!c->mapped) return 0;
    const size_t n = (size_t)(c->at[file + 1] - c->at[file]);
    const unsigned char *x = c->x + c->at[file];
    if (c->sums[file] != folder_checksum((uint64_t)file, x, n)) return 0;
    memcpy(y, x, n);
    return 1;
}

#endif
