/* Tests core/base/file: whole reads, replacement that leaves the old file or the new one and nothing else,
 * locks between processes, trees and paths. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/file.h"
#include "base/memory.h"

#if defined(__SANITIZE_ADDRESS__)
#define CONVOY_ASAN
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CONVOY_ASAN
#endif
#endif

static char *folder; /* this test's own */

static int make_folder(void **state)
{
    (void)state;
    char name[] = "/tmp/convoy-file-XXXXXX";
    if (!mkdtemp(name) || chmod(name, 0755)) return -1;
    folder = mem_text(name);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    errors e = {0};
    int failed = file_remove_tree(folder, &e) != CVY_OK;
    errors_free(&e);
    mem_free(folder);
    return failed;
}

/* In the test's folder; freed with the arena of names. */
static arena names;

static char *in(const char *name)
{
    return arena_printf(&names, "%s/%s", folder, name);
}

static void put(const char *path, const char *content)
{
    errors e = {0};
    assert_int_equal(file_replace(path, content, strlen(content), &e), CVY_OK);
    assert_int_equal(e.n, 0);
}

static bool holds(const char *path, const char *content)
{
    errors e = {0};
    char *s;
    size_t n;
    bool same =
        file_read(path, 1 << 20, &s, &n, &e) == CVY_OK && n == strlen(content) && !memcmp(s, content, n);
    mem_free(s);
    errors_free(&e);
    return same;
}

static int entries(const char *path)
{
    DIR *d = opendir(path);
    int n = 0;
    while (d && readdir(d)) n++;
    if (d) closedir(d);
    return n - 2;
}

/* One error of that status, whose text holds `part`. */
static bool one_error(errors *e, cvy_status status, const char *part)
{
    text t = {0};
    errors_text(e, false, &t);
    bool good = errors_count(e) == 1 && errors_status(e) == status && strstr(text_str(&t), part);
    if (!good) print_message("got: %s", text_str(&t));
    text_free(&t);
    errors_free(e);
    return good;
}

/* Runs fn in a child, which may change limits and users; its return value is the child's exit status. */
static int in_child(int (*fn)(void *), void *ctx)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) _exit(fn(ctx));
    int status = -1;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + status;
}

/* ---- reading ---- */

static void reads_whole(void **state)
{
    (void)state;
    errors e = {0};
    char *s;
    size_t n;
    put(in("a"), "0123456789");
    assert_int_equal(file_read(in("a"), 10, &s, &n, &e), CVY_OK);
    assert_int_equal(n, 10);
    assert_string_equal(s, "0123456789");
    mem_free(s);
    put(in("empty"), "");
    assert_int_equal(file_read(in("empty"), 0, &s, &n, &e), CVY_OK);
    assert_int_equal(n, 0);
    assert_string_equal(s, "");
    mem_free(s);
    /* files that stat() calls empty */
    assert_int_equal(file_read("/proc/self/status", 1 << 20, &s, &n, &e), CVY_OK);
    assert_true(n > 100);
    mem_free(s);
    assert_int_equal(e.n, 0);
}

static void refuses_to_read(void **state)
{
    (void)state;
    errors e = {0};
    char *s;
    size_t n;
    put(in("a"), "0123456789");
    assert_int_equal(file_read(in("a"), 9, &s, &n, &e), CVY_ERR_CONFIG);
    assert_null(s);
    assert_true(one_error(&e, CVY_ERR_CONFIG, "a: 10 bytes are more than the allowed 9"));
    assert_int_equal(file_read("/dev/zero", 100000, &s, &n, &e), CVY_ERR_CONFIG);
    assert_true(one_error(&e, CVY_ERR_CONFIG, "/dev/zero: larger than the allowed 100000 bytes"));
    assert_int_equal(file_read("/proc/self/status", 100, &s, &n, &e), CVY_ERR_CONFIG);
    assert_true(one_error(&e, CVY_ERR_CONFIG, "/proc/self/status: larger than the allowed 100 bytes"));
    assert_int_equal(file_read(in("absent"), 9, &s, &n, &e), CVY_ERR_CONFIG);
    assert_true(one_error(&e, CVY_ERR_CONFIG, "absent: cannot read: No such file"));
    assert_int_equal(file_read(folder, 9999, &s, &n, &e), CVY_ERR_CONFIG);
    assert_true(one_error(&e, CVY_ERR_CONFIG, "cannot read: Is a directory"));
#ifndef CONVOY_ASAN /* which ends the process instead */
    /* a size no machine has, in a file that is all hole */
    const size_t tera4 = (size_t)1 << 42;
    void *had = mem_try(tera4, 1); /* only where memory is promised without limit */
    int fd = open(in("huge"), O_WRONLY | O_CREAT, 0600);
    if (!had && ftruncate(fd, (off_t)tera4) == 0) {
        assert_int_equal(file_read(in("huge"), SIZE_MAX / 2, &s, &n, &e), CVY_ERR_RESOURCE);
        assert_true(one_error(&e, CVY_ERR_RESOURCE, "huge: not enough memory"));
    }
    close(fd);
    mem_free(had);
#endif
}

static void asks(void **state)
{
    (void)state;
    put(in("a"), "12345");
    assert_true(file_exists(in("a")) && file_exists(folder) && !file_exists(in("absent")));
    assert_true(file_is_dir(folder) && !file_is_dir(in("a")) && !file_is_dir(in("absent")));
    assert_int_equal(file_size(in("a")), 5);
    assert_int_equal(file_size(in("absent")), -1);
}

/* ---- replacing ---- */

static void replaces(void **state)
{
    (void)state;
    errors e = {0};
    put(in("f"), "old");
    assert_int_equal(chmod(in("f"), 0640), 0);
    put(in("f"), "new and longer");
    assert_true(holds(in("f"), "new and longer"));
    struct stat st;
    assert_int_equal(stat(in("f"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
    assert_int_equal(entries(folder), 1);
    mode_t mask = umask(027);
    put(in("g"), "x");
    umask(mask);
    assert_int_equal(stat(in("g"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640); /* as any file of this user, not 0600 */
    /* a name as long as names may be has no room for an addition */
    char longest[256];
    memset(longest, 'n', 255);
    longest[255] = '\0';
    put(in(longest), "x");
    assert_true(holds(in(longest), "x"));
    /* a name without a folder */
    char *before = getcwd(NULL, 0);
    assert_int_equal(chdir(folder), 0);
    put("bare", "y");
    assert_int_equal(chdir(before), 0);
    free(before);
    assert_true(holds(in("bare"), "y"));
    errors_free(&e);
}

static int replace_for_ever(void *path)
{
    size_t n = 300000;
    char *a = mem_alloc(n), *b = mem_alloc(n);
    memset(a, 'a', n);
    memset(b, 'b', n);
    for (;;)
        if (file_replace(path, a, n, NULL) || file_replace(path, b, n - 1, NULL)) return 1;
}

static void a_reader_never_sees_a_mixture(void **state)
{
    (void)state;
    const char *path = in("f");
    put(path, "a");
    fflush(NULL);
    pid_t writer = fork();
    if (writer == 0) _exit(replace_for_ever(arena_text(&names, path)));
    int seen_a = 0, seen_b = 0;
    struct timespec pause = {0, 1000000};
    for (int i = 0; i < 3000 && (seen_a < 20 || seen_b < 20); i++) {
        errors e = {0};
        char *s;
        size_t n;
        assert_int_equal(file_read(path, 1 << 20, &s, &n, &e), CVY_OK);
        assert_true(strspn(s, "a") == n || strspn(s, "b") == n);
        assert_true(n == (s[0] == 'b' ? 299999 : 300000) || n == 1);
        *(s[0] == 'a' ? &seen_a : &seen_b) += 1;
        mem_free(s);
        nanosleep(&pause, NULL);
    }
    kill(writer, SIGKILL); /* at any moment, also in the middle of a write */
    waitpid(writer, NULL, 0);
    errors e = {0};
    char *s;
    size_t n;
    assert_int_equal(file_read(path, 1 << 20, &s, &n, &e), CVY_OK);
    assert_true(n == (s[0] == 'b' ? 299999 : 300000));
    mem_free(s);
    assert_true(seen_a && seen_b);
}

/* Exit status 0: refused with `part` in the message, the old file whole, nothing left beside it. */
static int replace_fails(const char *path, const char *part)
{
    char *dir = path_dir(path);
    int before = entries(dir);
    size_t n = 1 << 20;
    char *data = mem_alloc(n);
    errors e = {0};
    if (file_replace(path, data, n, &e) != CVY_ERR_RESOURCE) return 2;
    if (!one_error(&e, CVY_ERR_RESOURCE, part)) return 3;
    if (!holds(path, "old")) return 4;
    return entries(dir) == before ? 0 : 5;
}

static int as_nobody_in_a_readonly_folder(void *path)
{
    if (geteuid() == 0 && (setgid(65534) || setuid(65534))) return 77;
    return replace_fails(path, "f: cannot write: Permission denied");
}

static int beyond_a_size_limit(void *path)
{
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit limit = {100000, 100000}; /* the first write is cut short, the second fails */
    if (setrlimit(RLIMIT_FSIZE, &limit)) return 77;
    return replace_fails(path, "f: cannot write: File too large");
}

static bool write_proc(const char *path, const char *content)
{
    int fd = open(path, O_WRONLY);
    bool good = fd >= 0 && write(fd, content, strlen(content)) == (ssize_t)strlen(content);
    if (fd >= 0) close(fd);
    return good;
}

/* A small disk of this process alone, which any user may have where user namespaces are allowed. */
static bool mount_small_disk(void)
{
    char *uids = arena_printf(&names, "0 %ld 1", (long)geteuid());
    char *gids = arena_printf(&names, "0 %ld 1", (long)getegid());
    return unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 && write_proc("/proc/self/uid_map", uids) &&
           write_proc("/proc/self/setgroups", "deny") && write_proc("/proc/self/gid_map", gids) &&
           mount("tmpfs", folder, "tmpfs", 0, "size=256k") == 0;
}

static int on_a_full_disk(void *ctx)
{
    (void)ctx;
    if (!mount_small_disk()) return 77;
    const char *path = in("f");
    if (file_replace(path, "old", 3, NULL)) return 6;
    return replace_fails(path, "f: cannot write: No space left on device");
}

static void failing_leaves_the_old_file(void **state)
{
    (void)state;
    errors e = {0};
    assert_int_equal(file_make_dirs(in("dir"), &e), CVY_OK);
    char *path = in("dir/f");
    put(path, "old");
    assert_int_equal(chmod(path, 0644), 0);
    assert_int_equal(in_child(beyond_a_size_limit, path), 0);
    assert_true(holds(path, "old"));
    assert_int_equal(chmod(in("dir"), 0555), 0);
    int code = in_child(as_nobody_in_a_readonly_folder, path);
    assert_int_equal(chmod(in("dir"), 0755), 0);
    assert_true(code == 0 || code == 77);
    code = in_child(on_a_full_disk, NULL);
    assert_true(code == 0 || code == 77);
    if (code == 77) print_message("no user namespace here: a full disk was not tried\n");
    assert_int_equal(file_replace(in("absent/f"), "x", 1, &e), CVY_ERR_CONFIG);
    assert_true(one_error(&e, CVY_ERR_CONFIG, "absent/f: cannot write: there is no folder "));
    assert_int_equal(file_replace(in("dir"), "x", 1, &e), CVY_ERR_RESOURCE);
    assert_true(one_error(&e, CVY_ERR_RESOURCE, "dir: cannot write: Is a directory"));
    assert_int_equal(entries(folder), 1);
}

/* ---- folders ---- */

static void makes_dirs(void **state)
{
    (void)state;
    errors e = {0};
    assert_int_equal(file_make_dirs(in("a/b//c/"), &e), CVY_OK);
    assert_true(file_is_dir(in("a/b/c")));
    assert_int_equal(file_make_dirs(in("a/b/c"), &e), CVY_OK);
    assert_int_equal(file_make_dirs("/", &e), CVY_OK);
    assert_int_equal(file_make_dirs(".", &e), CVY_OK);
    put(in("a/file"), "x");
    assert_int_equal(file_make_dirs(in("a/file"), &e), CVY_ERR_RESOURCE);
    assert_true(one_error(&e, CVY_ERR_RESOURCE, "a/file: cannot make the folder: Not a directory"));
    assert_int_equal(file_make_dirs(in("a/file/below"), &e), CVY_ERR_RESOURCE);
    assert_true(one_error(&e, CVY_ERR_RESOURCE, "Not a directory"));
    assert_int_equal(file_make_dirs("", &e), CVY_ERR_RESOURCE);
    assert_true(one_error(&e, CVY_ERR_RESOURCE, "No such file"));
    assert_int_equal(file_sync_dir(folder, &e), CVY_OK);
    assert_int_equal(file_sync_dir(in("absent"), &e), CVY_ERR_RESOURCE);
    assert_true(one_error(&e, CVY_ERR_RESOURCE, "cannot sync the folder"));
}

static void removes_trees(void **state)
{
    (void)state;
    errors e = {0};
    assert_int_equal(file_make_dirs(in("keep"), &e), CVY_OK);
    put(in("keep/me"), "x");
    assert_int_equal(file_make_dirs(in("tree/a/b/c"), &e), CVY_OK);
    for (int i = 0; i < 300; i++) put(arena_printf(&names, "%s/tree/a/%d", folder, i), "x");
    put(in("tree/.hidden"), "x");
    assert_int_equal(symlink(in("keep"), in("tree/link")), 0);
    assert_int_equal(symlink("nowhere", in("tree/dangling")), 0);
    assert_int_equal(mkfifo(in("tree/pipe"), 0600), 0);
    assert_int_equal(file_remove_tree(in("tree"), &e), CVY_OK);
    assert_false(file_exists(in("tree")));
    assert_true(holds(in("keep/me"), "x")); /* no link was followed */
    assert_int_equal(symlink(in("keep"), in("link")), 0);
    assert_int_equal(file_remove_tree(in("link"), &e), CVY_OK);
    assert_true(holds(in("keep/me"), "x"));
    assert_int_equal(file_remove_tree(in("keep/me"), &e), CVY_OK);
    assert_int_equal(file_remove_tree(in("absent"), &e), CVY_OK);
    assert_int_equal(e.n, 0);
}

/* ---- locks ---- */

typedef struct holder {
    pid_t pid;
    int from, to;
} holder;

/* A child that takes the lock, says so, and releases it when told ('u': unlock; 'd': remove the file first).
 */
static holder hold(const char *path)
{
    int to_parent[2], to_child[2];
    assert_int_equal(pipe(to_parent) | pipe(to_child), 0);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        close(to_child[1]); /* or our own copy would keep the end from being seen */
        int fd = file_lock(path, 0, NULL);
        char c = fd >= 0 ? 'y' : 'n';
        if (write(to_parent[1], &c, 1) != 1) _exit(1);
        while (read(to_child[0], &c, 1) == 1) {
            if (c == 'd') unlink(path);
            struct timespec pause = {0, 100000000};
            nanosleep(&pause, NULL);
            file_unlock(fd);
        }
        _exit(0);
    }
    close(to_parent[1]);
    close(to_child[0]);
    char c = '?';
    assert_int_equal(read(to_parent[0], &c, 1), 1);
    assert_int_equal(c, 'y');
    return (holder){pid, to_parent[0], to_child[1]};
}

static void end(holder h)
{
    close(h.to);
    close(h.from);
    waitpid(h.pid, NULL, 0);
}

static int try_lock(void *path)
{
    errors e = {0};
    int fd = file_lock(path, 0, &e);
    return e.n ? 2 : fd < 0;
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void locks_keep_others_out(void **state)
{
    (void)state;
    char *path = in("lock");
    errors e = {0};
    int fd = file_lock(path, 0, &e);
    assert_true(fd >= 0);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_int_equal(in_child(try_lock, path), 1);
    int other =
        open(path, O_RDONLY); /* opening and closing the file must not drop it, as POSIX locks would */
    close(other);
    assert_int_equal(in_child(try_lock, path), 1);
    file_unlock(fd);
    assert_int_equal(in_child(try_lock, path), 0);
    file_unlock(-1);

    holder h = hold(path);
    double start = seconds();
    assert_int_equal(file_lock(path, 0, &e), -1);
    assert_int_equal(file_lock(path, 150, &e), -1);
    assert_true(seconds() - start >= 0.14);
    assert_int_equal(e.n, 0); /* held elsewhere is an answer, not an error */
    assert_int_equal(write(h.to, "u", 1), 1);
    fd = file_lock(path, 20000, &e);
    assert_true(fd >= 0);
    file_unlock(fd);
    end(h);
}

static void locks_die_with_their_process(void **state)
{
    (void)state;
    char *path = in("lock");
    errors e = {0};
    holder h = hold(path);
    assert_int_equal(file_lock(path, 0, &e), -1);
    kill(h.pid, SIGKILL);
    int fd = file_lock(path, 20000, &e);
    assert_true(fd >= 0);
    file_unlock(fd);
    end(h);
}

static void a_removed_lock_is_not_a_lock(void **state)
{
    (void)state;
    char *path = in("lock");
    errors e = {0};
    holder h = hold(path);
    assert_int_equal(write(h.to, "d", 1), 1); /* removes the file while we wait on it, then releases */
    int fd = file_lock(path, 20000, &e);
    assert_true(fd >= 0);
    assert_int_equal(in_child(try_lock, path), 1);
    file_unlock(fd);
    end(h);
}

static void unlocking_frees_it_despite_a_forked_copy(void **state)
{
    (void)state;
    char *path = in("lock");
    int fd = file_lock(path, 0, NULL);
    holder h = hold(in("another")); /* inherits fd */
    file_unlock(fd);
    assert_int_equal(in_child(try_lock, path), 0);
    end(h);
}

static void a_lock_that_cannot_be(void **state)
{
    (void)state;
    errors e = {0};
    assert_int_equal(file_lock(in("absent/lock"), 0, &e), -1);
    assert_true(one_error(&e, CVY_ERR_RESOURCE, "absent/lock: cannot open the lock: No such file"));
}

/* ---- paths ---- */

static void same_and_free(char *got, const char *expected)
{
    assert_string_equal(got, expected);
    mem_free(got);
}

static void paths(void **state)
{
    (void)state;
    same_and_free(path_join("a", "b"), "a/b");
    same_and_free(path_join("a/", "b"), "a/b");
    same_and_free(path_join("a", "/b"), "/b");
    same_and_free(path_join("", "b"), "b");
    same_and_free(path_join("/", "b"), "/b");
    same_and_free(path_dir("a/b"), "a");
    same_and_free(path_dir("a//b"), "a");
    same_and_free(path_dir("a/b/"), "a");
    same_and_free(path_dir("b"), ".");
    same_and_free(path_dir("b/"), ".");
    same_and_free(path_dir(""), ".");
    same_and_free(path_dir("/b"), "/");
    same_and_free(path_dir("/"), "/");
    same_and_free(path_dir("//"), "/");
    assert_string_equal(path_base("a/b.c"), "b.c");
    assert_string_equal(path_base("b.c"), "b.c");
    assert_string_equal(path_base("/b.c"), "b.c");
    assert_string_equal(path_base("a/b/"), "b/");

    char *real = realpath(folder, NULL);
    put(in("a"), "x");
    assert_int_equal(symlink("a", in("s")), 0);
    same_and_free(path_absolute(in("s")), arena_printf(&names, "%s/a", real));
    char *before = getcwd(NULL, 0);
    assert_int_equal(chdir(folder), 0);
    same_and_free(path_absolute("absent/x"), arena_printf(&names, "%s/absent/x", real));
    same_and_free(path_absolute("a"), arena_printf(&names, "%s/a", real));
    assert_int_equal(chdir(before), 0);
    free(before);
    free(real);
    same_and_free(path_absolute("/absent/x"), "/absent/x");

    char *self = path_executable();
    struct stat a, b;
    const int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC); /* not stat(): qemu's answer is qemu */
    assert_true(fd >= 0 && stat(self, &a) == 0 && fstat(fd, &b) == 0 && a.st_ino == b.st_ino);
    close(fd);
    mem_free(self);
}

static void user_paths(void **state)
{
    (void)state;
    setenv("HOME", "/home/somebody", 1);
    unsetenv("XDG_DATA_HOME");
    setenv("XDG_CACHE_HOME", "", 1);
    same_and_free(path_user_data(), "/home/somebody/.local/share/convoy");
    same_and_free(path_user_cache(), "/home/somebody/.cache/convoy");
    setenv("XDG_DATA_HOME", "/data", 1);
    setenv("XDG_CACHE_HOME", "relative", 1); /* by the XDG rules to be ignored */
    same_and_free(path_user_data(), "/data/convoy");
    same_and_free(path_user_cache(), "/home/somebody/.cache/convoy");
    unsetenv("HOME");
    unsetenv("XDG_CACHE_HOME");
    char *cache = path_user_cache();
    assert_true(cache[0] == '/' && text_ends(cache, "/.cache/convoy"));
    mem_free(cache);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, make_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        TEST(reads_whole),
        TEST(refuses_to_read),
        TEST(asks),
        TEST(replaces),
        TEST(a_reader_never_sees_a_mixture),
        TEST(failing_leaves_the_old_file),
        TEST(makes_dirs),
        TEST(removes_trees),
        TEST(locks_keep_others_out),
        TEST(locks_die_with_their_process),
        TEST(a_removed_lock_is_not_a_lock),
        TEST(unlocking_frees_it_despite_a_forked_copy),
        TEST(a_lock_that_cannot_be),
        TEST(paths),
        cmocka_unit_test(user_paths),
    };
    int failed = cmocka_run_group_tests_name("file", tests, NULL, NULL);
    arena_free(&names);
    return failed;
}
