/* Preloaded into a process, strikes at its Nth call that changes a file below a folder; must not know what the calls are
 * for. STRIKE_IN: the folder, absolute. STRIKE_AT: N, from 1; 0 never. STRIKE_HOW: `kill` before the call; `torn` after
 * half of a write; `full` makes it and all later ones fail with ENOSPC. STRIKE_COUNT: a file that gets, at the end of a
 * process that nothing struck, how many calls there were. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static atomic_int calls;

static void *next(const char *name)
{
    return dlsym(RTLD_NEXT, name);
}

static const char *setting(const char *name)
{
    const char *s = getenv(name);
    return s ? s : "";
}

static bool below(const char *path)
{
    const char *folder = setting("STRIKE_IN");
    return folder[0] && strncmp(path, folder, strlen(folder)) == 0;
}

static bool below_fd(int fd)
{
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n < 0) return false;
    path[n] = 0;
    return below(path);
}

static _Noreturn void die(void)
{
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

/* Counts a call. True: it shall fail. *half: a write shall end in the middle, and the process with it. */
static bool struck(bool counts, bool *half)
{
    if (half) *half = false;
    if (!counts) return false;
    int n = atomic_fetch_add(&calls, 1) + 1, at = atoi(setting("STRIKE_AT"));
    const char *how = setting("STRIKE_HOW");
    if (at <= 0 || n < at) return false;
    if (strcmp(how, "full") == 0) {
        errno = ENOSPC;
        return true;
    }
    if (strcmp(how, "torn") == 0 && half) {
        *half = true;
        return false;
    }
    die();
}

__attribute__((destructor)) static void report(void)
{
    const char *path = setting("STRIKE_COUNT");
    FILE *f = path[0] ? fopen(path, "w") : NULL;
    if (!f) return;
    fprintf(f, "%d\n", atomic_load(&calls));
    fclose(f);
}

ssize_t write(int fd, const void *data, size_t n)
{
    ssize_t (*real)(int, const void *, size_t) = (ssize_t(*)(int, const void *, size_t))next("write");
    bool half;
    if (struck(below_fd(fd), &half)) return -1;
    if (!half) return real(fd, data, n);
    (void)!real(fd, data, n / 2);
    die();
}

ssize_t writev(int fd, const struct iovec *parts, int n)
{
    ssize_t (*real)(int, const struct iovec *, int) =
        (ssize_t(*)(int, const struct iovec *, int))next("writev");
    bool half;
    if (struck(below_fd(fd), &half)) return -1;
    if (!half) return real(fd, parts, n);
    struct iovec cut[8];
    memcpy(cut, parts, (size_t)n * sizeof *cut);
    cut[n - 1].iov_len /= 2;
    (void)!real(fd, cut, n);
    die();
}

int fsync(int fd)
{
    int (*real)(int) = (int (*)(int))next("fsync");
    return struck(below_fd(fd), NULL) ? -1 : real(fd);
}

int fdatasync(int fd)
{
    int (*real)(int) = (int (*)(int))next("fdatasync");
    return struck(below_fd(fd), NULL) ? -1 : real(fd);
}

int rename(const char *from, const char *to)
{
    int (*real)(const char *, const char *) = (int (*)(const char *, const char *))next("rename");
    return struck(below(to), NULL) ? -1 : real(from, to);
}

int mkdir(const char *path, mode_t mode)
{
    int (*real)(const char *, mode_t) = (int (*)(const char *, mode_t))next("mkdir");
    struct stat st;
    if (stat(path, &st) == 0) return real(path, mode);
    return struck(below(path), NULL) ? -1 : real(path, mode);
}

int open(const char *path, int flags, ...)
{
    int (*real)(const char *, int, ...) = (int (*)(const char *, int, ...))next("open");
    va_list ap;
    va_start(ap, flags);
    mode_t mode = flags & O_CREAT ? va_arg(ap, mode_t) : 0;
    va_end(ap);
    if (struck((flags & O_CREAT) && below(path), NULL)) return -1;
    return real(path, flags, mode);
}
