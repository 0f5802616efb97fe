/* Owns the sums of files and the cache of them in the user's cache folder; must not know how is summed. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/stamp.h"

static cvy_status read_failed(const char *path, int error, errors *e)
{
    place at = PLACE_FILE(path);
    return errors_add(e, error == EIO || error == ENOMEM ? CVY_ERR_RESOURCE : CVY_ERR_CONFIG, &at, NULL,
                      "cannot read: %s", strerror(error));
}

/* Hashes to the end of fd, which belongs to the caller. */
static cvy_status sum(int fd, const char *path, char hex[65], errors *e)
{
    enum { CHUNK = 64 << 10 }; /* most files are small, and a process sums many of them */
    unsigned char *chunk = mem_alloc(CHUNK);
    cvy_status status = CVY_OK;
    sha256 s;
    sha256_init(&s);
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    for (;;) {
        ssize_t got = read(fd, chunk, CHUNK);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) status = read_failed(path, errno, e);
        if (got <= 0) break;
        sha256_add(&s, chunk, (size_t)got);
    }
    if (status == CVY_OK) sha256_hex(&s, hex);
    mem_free(chunk);
    return status;
}

cvy_status sha256_file(const char *path, char hex[65], errors *e)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return read_failed(path, errno, e);
    cvy_status status = sum(fd, path, hex, e);
    close(fd);
    return status;
}

/* Everything that changes when the file does; what a cache entry begins with. */
static char *identity(const char *absolute, const file_stamp *stamp)
{
    const struct stat *st = &stamp->at;
    return mem_printf(
        "convoy digest 1\n%s\n%lld bytes, modified %lld.%09ld, changed %lld.%09ld, inode %llu on %llu\n",
        absolute, (long long)st->st_size, (long long)st->st_mtim.tv_sec, st->st_mtim.tv_nsec,
        (long long)st->st_ctim.tv_sec, st->st_ctim.tv_nsec, (unsigned long long)st->st_ino,
        (unsigned long long)st->st_dev);
}

/* One entry per path, so that a changed file replaces its old one and the folder does not grow. */
static char *entry_path(const char *absolute)
{
    char name[65];
    sha256 s;
    sha256_init(&s);
    sha256_text(&s, absolute);
    sha256_hex(&s, name);
    char *cache = path_user_cache(), *path = mem_printf("%s/digests/%s", cache, name);
    mem_free(cache);
    return path;
}

static bool recall(const char *entry, const char *key, char hex[65])
{
    char *s;
    size_t n, key_n = strlen(key);
    errors quiet = {0};
    bool good = file_read(entry, 64 * 1024, &s, &n, &quiet) == CVY_OK && n == key_n + 65 &&
                text_starts(s, key) && s[n - 1] == '\n' && strspn(s + key_n, "0123456789abcdef") == 64;
    if (good) {
        memcpy(hex, s + key_n, 64);
        hex[64] = '\0';
    }
    mem_free(s);
    errors_free(&quiet);
    return good;
}

static void remember(const char *entry, const char *key, const char *hex)
{
    errors quiet = {0};
    char *dir = path_dir(entry), *content = mem_printf("%s%s\n", key, hex);
    if (file_make_dirs(dir, &quiet) == CVY_OK) (void)file_replace(entry, content, strlen(content), &quiet);
    mem_free(content);
    mem_free(dir);
    errors_free(&quiet);
}

cvy_status sha256_file_cached(const char *path, char hex[65], errors *e)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return read_failed(path, errno, e);
    file_stamp before, after;
    cvy_status status = CVY_OK;
    if (!file_stamp_open(fd, &before)) {
        status = read_failed(path, errno, e);
    } else if (!S_ISREG(before.at.st_mode)) {
        status = sum(fd, path, hex, e);
    } else {
        char *absolute = path_absolute(path), *key = identity(absolute, &before),
             *entry = entry_path(absolute);
        if (!recall(entry, key, hex)) {
            status = sum(fd, path, hex, e);
            if (status == CVY_OK && file_stamp_settled(&before, true) && file_stamp_open(fd, &after) &&
                file_stamp_same(&before, &after))
                remember(entry, key, hex);
        }
        mem_free(absolute);
        mem_free(key);
        mem_free(entry);
    }
    close(fd);
    return status;
}
