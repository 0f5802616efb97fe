/* Where the image_folder dataset keeps what it found out: files below the user's cache folder, each made by one process under a
 * lock, put in place by a rename and shared by all. Private to that plugin; must not know what is in them. */
#ifndef DATASETS_FOLDER_STORE_H
#define DATASETS_FOLDER_STORE_H

#include <sys/file.h>
#include "folder_sum.h"

typedef struct folder_store {
    char *path, *fresh, *lock; /* the file; the one being made; the lock of those who make it */
    int locked;                /* descriptor, or -1 */
} folder_store;

static inline void folder_store_close(folder_store *s)
{
    if (s->locked >= 0) close(s->locked); /* which unlocks it */
    free(s->path);
    free(s->fresh);
    free(s->lock);
    *s = (folder_store){.locked = -1};
}

static inline char *folder_store_name(const char *dir, const char *name, const char *ending)
{
    const size_t n = strlen(dir) + strlen(name) + strlen(ending) + 2;
    char *path = malloc(n);
    if (path) snprintf(path, n, "%s/%s%s", dir, name, ending);
    return path;
}

static inline int folder_make_dirs(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        const int failed = mkdir(path, 0777) != 0 && errno != EEXIST;
        *slash = '/';
        if (failed) return -1;
    }
    return mkdir(path, 0777) != 0 && errno != EEXIST ? -1 : 0;
}

/* A file named after `kind` and `key`. Without a cache folder, or memory, s->path stays NULL. */
static inline void folder_store_open(folder_store *s, const char *cache_dir, const folder_sha *key,
                                     const char *kind)
{
    unsigned char sum[32];
    char name[65];
    folder_sha k = *key;
    *s = (folder_store){.locked = -1};
    char *dir = cache_dir ? files_join(cache_dir, "image_folder") : NULL;
    folder_sha_end(&k, sum);
    folder_hex(sum, name);
    if (dir) {
        s->path = folder_store_name(dir, name, kind);
        s->fresh = folder_store_name(dir, name, ".new");
        s->lock = folder_store_name(dir, name, ".lock");
    }
    if (!dir || !s->path || !s->fresh || !s->lock) folder_store_close(s);
    free(dir);
}

/* Waits until nobody else makes this file. -1 with errno: it cannot be made here. */
static inline int folder_store_lock(folder_store *s)
{
    char *slash = s->lock ? strrchr(s->lock, '/') : NULL;
    if (!slash) return errno = ENOENT, -1;
    *slash = 0;
    const int failed = folder_make_dirs(s->lock);
    *slash = '/';
    if (failed) return -1;
    s->locked = open(s->lock, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (s->locked < 0) return -1;
    while (flock(s->locked, LOCK_EX) != 0)
        if (errno != EINTR) return -1;
    return 0;
}

/* The file being made, empty: what a killed process left of it is taken over. */
static inline int folder_store_begin(const folder_store *s)
{
    return open(s->fresh, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);
}

static inline int folder_store_write(int fd, const void *data, size_t n, int64_t at)
{
    for (const unsigned char *p = data; n;) {
        const ssize_t k = pwrite(fd, p, n, (off_t)at);
        if (k < 0 && errno == EINTR) continue;
        if (k <= 0) return -1;
        p += k;
        n -= (size_t)k;
        at += k;
    }
    return 0;
}

/* Puts the file in its place, or removes it. -1 with errno: it is not there. */
static inline int folder_store_end(const folder_store *s, int fd, int failed)
{
    int why = errno;
    if (close(fd) != 0 && !failed) failed = 1, why = errno;
    if (!failed && rename(s->fresh, s->path) == 0) return 0;
    if (!failed) why = errno;
    unlink(s->fresh);
    errno = why;
    return -1;
}

/* The file in memory; *data stays NULL when there is none that can be had. */
static inline void folder_store_map(const folder_store *s, const unsigned char **data, int64_t *size)
{
    struct stat st;
    *data = NULL;
    const int fd = s->path ? open(s->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
    if (fd < 0) return;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0) {
        void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
        if (p != MAP_FAILED) *data = p, *size = (int64_t)st.st_size;
    }
    close(fd);
}

#endif
