/* Owns reading, replacing, locking and removing files and their paths; must not know any file's format. */
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <pwd.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/memory.h"

/* What cannot be read is the user's to name rightly, unless the machine itself is short or broken. */
static cvy_status read_failed(const char *path, int error, errors *e)
{
    place at = PLACE_FILE(path);
    bool machine = error == EIO || error == ENOMEM || error == EMFILE || error == ENFILE;
    return errors_add(e, machine ? CVY_ERR_RESOURCE : CVY_ERR_CONFIG, &at, NULL, "cannot read: %s",
                      strerror(error));
}

static cvy_status storage_failed(const char *path, const char *what, int error, errors *e)
{
    place at = PLACE_FILE(path);
    return errors_add(e, CVY_ERR_RESOURCE, &at, NULL, "cannot %s: %s", what, strerror(error));
}

cvy_status file_not_written(const char *path, int error, errors *e)
{
    char *dir = path_dir(path);
    place at = PLACE_FILE(path);
    const bool nowhere = (error == ENOENT || error == ENOTDIR) && !file_is_dir(dir);
    cvy_status status =
        nowhere ? errors_add(e, CVY_ERR_CONFIG, &at, NULL, "cannot write: there is no folder %s", dir)
                : storage_failed(path, "write", error, e);
    mem_free(dir);
    return status;
}

/* ---- reading ---- */

/* Reads to the end: what stat() said is only a first guess, since a file may grow and a pipe has no size. */
static cvy_status read_all(int fd, const char *path, size_t guess, size_t limit, char **out, size_t *n,
                           errors *e)
{
    place at = PLACE_FILE(path);
    size_t cap = guess, used = 0;
    char *s = mem_try(cap, 1);
    while (s) {
        if (used + 1 >= cap) {
            char *larger = cap <= SIZE_MAX / 2 ? mem_try(cap * 2, 1) : NULL;
            if (larger) memcpy(larger, s, used);
            mem_free(s);
            s = larger;
            cap *= 2;
            continue;
        }
        ssize_t got = read(fd, s + used, cap - 1 - used);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) {
            int error = errno;
            mem_free(s);
            return read_failed(path, error, e);
        }
        used += (size_t)got;
        if (used > limit) {
            mem_free(s);
            return errors_add(e, CVY_ERR_CONFIG, &at, NULL, "larger than the allowed %zu bytes", limit);
        }
        if (!got) {
            s[used] = '\0';
            *out = s;
            *n = used;
            return CVY_OK;
        }
    }
    return errors_add(e, CVY_ERR_RESOURCE, &at, NULL, "not enough memory to read it");
}

cvy_status file_read(const char *path, size_t limit, char **out, size_t *n, errors *e)
{
    *out = NULL;
    *n = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return read_failed(path, errno, e);
    struct stat st;
    cvy_status status;
    if (fstat(fd, &st)) {
        status = read_failed(path, errno, e);
    } else if (S_ISREG(st.st_mode) && (uintmax_t)st.st_size > limit) {
        place at = PLACE_FILE(path);
        status = errors_add(e, CVY_ERR_CONFIG, &at, NULL, "%lld bytes are more than the allowed %zu",
                            (long long)st.st_size, limit);
    } else {
        /* Two bytes more: the NUL, and one that lets the end be seen without growing first. */
        size_t guess = S_ISREG(st.st_mode) && st.st_size > 0 ? (size_t)st.st_size + 2 : 4096;
        status = read_all(fd, path, guess, limit, out, n, e);
    }
    close(fd);
    return status;
}

bool file_exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0;
}

bool file_is_dir(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

int64_t file_size(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? (int64_t)st.st_size : -1;
}

/* ---- writing ---- */

static bool write_all(int fd, const char *s, size_t n)
{
    while (n) {
        ssize_t done = write(fd, s, n);
        if (done < 0 && errno == EINTR) continue;
        if (done < 0) return false;
        s += done;
        n -= (size_t)done;
    }
    return true;
}

/* A new file beside `path`. Not mkstemp(), whose mode 0600 would stay on the file that is renamed. */
static int open_temporary(const char *path, char **temporary)
{
    static atomic_uint counter;
    char *dir = path_dir(path);
    int fd = -1;
    /* A name may be left over from a killed process that had our number. */
    for (int attempt = 0; attempt < 100; attempt++) {
        char *name =
            mem_printf(".%.100s.%ld.%u.tmp", path_base(path), (long)getpid(), atomic_fetch_add(&counter, 1));
        *temporary = path_join(dir, name);
        mem_free(name);
        fd = open(*temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
        if (fd >= 0 || errno != EEXIST) break;
        mem_free(*temporary);
        *temporary = NULL;
        errno = EEXIST;
    }
    int error = errno;
    mem_free(dir);
    if (fd < 0) {
        mem_free(*temporary);
        *temporary = NULL;
        errno = error;
    }
    return fd;
}

cvy_status file_replace(const char *path, const void *data, size_t n, errors *e)
{
    char *temporary;
    int fd = open_temporary(path, &temporary);
    if (fd < 0) return file_not_written(path, errno, e);
    struct stat old;
    if (stat(path, &old) == 0 && S_ISREG(old.st_mode)) (void)fchmod(fd, old.st_mode & 07777);
    bool good = write_all(fd, data, n) && fsync(fd) == 0;
    int error = good ? 0 : errno;
    /* A network file system may report a full disk only here. */
    if (close(fd) && good) good = false, error = errno;
    if (good && rename(temporary, path)) good = false, error = errno;
    cvy_status status = CVY_OK;
    if (good) {
        char *dir = path_dir(path);
        status = file_sync_dir(dir, e);
        mem_free(dir);
    } else {
        unlink(temporary);
        status = file_not_written(path, error, e);
    }
    mem_free(temporary);
    return status;
}

cvy_status file_make_dirs(const char *path, errors *e)
{
    char *s = mem_text(path);
    cvy_status status = CVY_OK;
    char *p = s;
    for (bool more = true; more && status == CVY_OK;) {
        while (*p == '/') p++;
        while (*p && *p != '/') p++;
        more = *p != '\0';
        *p = '\0';
        if (mkdir(s, 0777)) {
            int error = errno;
            /* Whatever mkdir() says of a folder that stands (EEXIST, EROFS, EACCES): it stands. */
            if (!file_is_dir(s))
                status = storage_failed(s, "make the folder", error == EEXIST ? ENOTDIR : error, e);
        }
        if (more) *p = '/';
    }
    mem_free(s);
    return status;
}

cvy_status file_create(const char *path, const void *data, size_t n, errors *e)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0) return storage_failed(path, "create", errno, e);
    bool good = write_all(fd, data, n);
    int error = errno;
    if (close(fd) && good) good = false, error = errno;
    return good ? CVY_OK : file_not_written(path, error, e);
}

static cvy_status sync_opened(int fd, const char *path, int (*sync_it)(int), errors *e)
{
    int error = fd < 0 || sync_it(fd) ? errno : 0;
    if (fd >= 0) close(fd);
    /* EINVAL: a file system that has no such thing, and then nothing more can be done. */
    return !error || error == EINVAL || (fd < 0 && error == ENOENT) ? CVY_OK
                                                                    : storage_failed(path, "sync", error, e);
}

cvy_status file_sync(const char *path, errors *e)
{
    return sync_opened(open(path, O_RDONLY | O_CLOEXEC), path, fsync, e);
}

cvy_status file_sync_all(const char *dir, errors *e)
{
    return sync_opened(open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), dir, syncfs, e);
}

cvy_status file_sync_dir(const char *path, errors *e)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return storage_failed(path, "sync the folder", errno, e);
    /* EINVAL: a file system that has no such thing, and then nothing more can be done. */
    int error = fsync(fd) && errno != EINVAL ? errno : 0;
    close(fd);
    return error ? storage_failed(path, "sync the folder", error, e) : CVY_OK;
}

/* Works on open folders and never through a link, so a tree that changes meanwhile cannot lead outside
 * itself. */
static cvy_status remove_at(int dir, const char *name, const char *shown, errors *e)
{
    if (unlinkat(dir, name, 0) == 0 || errno == ENOENT) return CVY_OK;
    int error = errno;
    if (error != EISDIR && error != EPERM) return storage_failed(shown, "remove", error, e);
    int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return storage_failed(shown, "remove", errno == ENOTDIR ? error : errno, e);
    DIR *entries = fdopendir(fd);
    if (!entries) {
        error = errno;
        close(fd);
        return storage_failed(shown, "remove", error, e);
    }
    cvy_status status = CVY_OK;
    const struct dirent *entry;
    while (status == CVY_OK && (errno = 0, entry = readdir(entries))) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
        char *below = path_join(shown, entry->d_name);
        status = remove_at(fd, entry->d_name, below, e);
        mem_free(below);
    }
    if (status == CVY_OK && errno) status = storage_failed(shown, "remove", errno, e);
    closedir(entries);
    if (status == CVY_OK && unlinkat(dir, name, AT_REMOVEDIR) && errno != ENOENT)
        status = storage_failed(shown, "remove", errno, e);
    return status;
}

cvy_status file_remove_tree(const char *path, errors *e)
{
    char *absolute = path_absolute(path);
    bool root = !strcmp(absolute, "/");
    mem_free(absolute);
    if (root) return storage_failed(path, "remove", EBUSY, e);
    return remove_at(AT_FDCWD, path, path, e);
}

/* ---- lock ---- */

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Whether the locked file is still the one at path: it may have been removed while we waited, and a lock on a
 * nameless file keeps nobody out. */
static bool still_there(int fd, const char *path)
{
    struct stat locked, named;
    return fstat(fd, &locked) == 0 && stat(path, &named) == 0 && locked.st_ino == named.st_ino &&
           locked.st_dev == named.st_dev;
}

int file_lock(const char *path, int wait_ms, errors *e)
{
    int64_t until = now_ms() + (wait_ms > 0 ? wait_ms : 0);
    for (;;) {
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
        if (fd < 0) {
            storage_failed(path, "open the lock", errno, e);
            return -1;
        }
        bool held_elsewhere = false;
        /* flock(), since a POSIX lock would vanish with the first close() of the same file anywhere in us. */
        while (flock(fd, LOCK_EX | LOCK_NB)) {
            if (errno == EINTR) continue;
            if (errno != EWOULDBLOCK) {
                storage_failed(path, "lock", errno, e);
                close(fd);
                return -1;
            }
            int64_t left = until - now_ms();
            if (left <= 0) {
                held_elsewhere = true;
                break;
            }
            struct timespec pause = {0, (left < 10 ? left : 10) * 1000000};
            nanosleep(&pause, NULL);
        }
        if (!held_elsewhere && still_there(fd, path)) return fd;
        close(fd);
        if (held_elsewhere) return -1;
    }
}

void file_unlock(int fd)
{
    if (fd < 0) return;
    flock(fd, LOCK_UN); /* a forked child may still hold a copy of the descriptor */
    close(fd);
}

/* ---- paths ---- */

char *path_join(const char *dir, const char *name)
{
    if (name[0] == '/' || !dir[0]) return mem_text(name);
    return mem_printf("%s%s%s", dir, text_ends(dir, "/") ? "" : "/", name);
}

/* Where the last component begins; slashes behind it belong to it. */
static size_t base_at(const char *path)
{
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/') n--;
    while (n && path[n - 1] != '/') n--;
    return n;
}

char *path_dir(const char *path)
{
    if (path[0] == '/' && !path[strspn(path, "/")]) return mem_text("/");
    size_t n = base_at(path);
    if (!n) return mem_text(".");
    while (n > 1 && path[n - 1] == '/') n--;
    return mem_text_n(path, n);
}

const char *path_base(const char *path)
{
    return path + base_at(path);
}

char *path_absolute(const char *path)
{
    char *real = realpath(path, NULL);
    char *cwd = real ? NULL : getcwd(NULL, 0);
    char *result = real ? mem_text(real) : cwd ? path_join(cwd, path) : mem_text(path);
    free(real);
    free(cwd);
    return result;
}

static char *home(void)
{
    const char *set = getenv("HOME");
    if (set && set[0] == '/') return mem_text(set);
    /* A service or a container may run without HOME. */
    struct passwd entry, *found = NULL;
    char buffer[4096];
    if (getpwuid_r(getuid(), &entry, buffer, sizeof buffer, &found) == 0 && found && found->pw_dir)
        return mem_text(found->pw_dir);
    return mem_text("/tmp");
}

static char *user_dir(const char *variable, const char *below_home)
{
    const char *set = getenv(variable);
    if (set && set[0] == '/')
        return path_join(set, "convoy"); /* the XDG rules: a relative one is not valid */
    char *start = home(), *result = mem_printf("%s/%s/convoy", start, below_home);
    mem_free(start);
    return result;
}

char *path_user_data(void)
{
    return user_dir("XDG_DATA_HOME", ".local/share");
}

char *path_user_cache(void)
{
    return user_dir("XDG_CACHE_HOME", ".cache");
}

char *path_executable(void)
{
    char buffer[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", buffer, sizeof buffer);
    return n > 0 && (size_t)n < sizeof buffer ? mem_text_n(buffer, (size_t)n) : NULL;
}

char *path_library(void)
{
    static const char here[] = "here";
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[8192], *found = NULL;
    while (maps && !found && fgets(line, sizeof line, maps)) {
        uintptr_t begin, end;
        int at = 0;
        if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %*s %*s %*s %*s %n", &begin, &end, &at) != 2 || !at)
            continue;
        if ((uintptr_t)here < begin || (uintptr_t)here >= end) continue;
        line[strcspn(line, "\n")] = 0;
        found = mem_text(line + at);
    }
    if (maps) fclose(maps);
    if (found && file_exists(found)) return found;
    mem_free(found);
    return path_executable();
}
