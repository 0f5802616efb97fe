/* Owns the gnuplot process and how text is quoted for it; must not know what is drawn. */
#include "report/gnuplot.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"

enum {
    SECONDS_MAX = 120,
    SAID_BYTES = 600 /* of gnuplot's complaint, in a message */
};

void gnuplot_quote(text *script, const char *s, size_t most)
{
    size_t n = strlen(s), shown = 0;
    text_char(script, '\'');
    for (size_t i = 0; i < n;) {
        uint32_t code = 0;
        size_t len = text_utf8(s + i, n - i, &code);
        bool plain = len && !text_hidden(code);
        if (!len) len = 1;
        if (plain && shown == most) {
            text_add(script, "...");
            break;
        }
        if (plain) {
            if (code == '\'')
                text_add(script, "\xE2\x80\x99");
            else
                text_add_n(script, s + i, len);
            shown++;
        }
        i += len;
    }
    text_char(script, '\'');
}

/* A file without a name that holds what the child reads or says; -1 on failure. */
static int scratch(const text *content)
{
    FILE *f = tmpfile();
    if (!f) return -1;
    bool ok = !content || fwrite(text_str(content), 1, content->n, f) == content->n;
    int fd = ok && fflush(f) == 0 ? fcntl(fileno(f), F_DUPFD_CLOEXEC, 3) : -1;
    fclose(f);
    if (fd >= 0 && lseek(fd, 0, SEEK_SET) != 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static char *variable(const char *name, const char *otherwise)
{
    const char *value = getenv(name);
    if (!value || !*value) value = otherwise;
    return value ? mem_printf("%s=%s", name, value) : NULL;
}

/* Returns 0 and *pid, or an errno. The script is named to gnuplot although it is its standard input: that one it
 * would read byte by byte, a script of 200,000 points a second longer than the same as a file. */
static int start(pid_t *pid, int in, int out, int err)
{
    static char name[] = "gnuplot", defaults[] = "--default-settings", locale[] = "LC_ALL=C.UTF-8";
    static char input[] = "/dev/stdin";
    char *argv[] = {name, defaults, access(input, R_OK) == 0 ? input : NULL, NULL};
    char *env[4] = {locale, variable("PATH", "/usr/local/bin:/usr/bin:/bin"), variable("HOME", NULL), NULL};
    posix_spawn_file_actions_t files;
    posix_spawnattr_t how;
    sigset_t none, usual;
    sigemptyset(&none);
    sigemptyset(&usual);
    sigaddset(&usual, SIGPIPE);
    sigaddset(&usual, SIGINT);
    sigaddset(&usual, SIGTERM);
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, in, 0);
    posix_spawn_file_actions_adddup2(&files, out, 1);
    posix_spawn_file_actions_adddup2(&files, err, 2);
    posix_spawnattr_init(&how);
    posix_spawnattr_setsigmask(&how, &none);
    posix_spawnattr_setsigdefault(&how, &usual);
    posix_spawnattr_setflags(&how, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    int code = posix_spawnp(pid, name, &files, &how, argv, env);
    posix_spawnattr_destroy(&how);
    posix_spawn_file_actions_destroy(&files);
    mem_free(env[1]);
    mem_free(env[2]);
    return code;
}

/* Whether the child ended by itself with code 0. */
static bool finish(pid_t pid)
{
    int status = 0;
    for (int ms = 0; ms < SECONDS_MAX * 1000; ms += 5) {
        pid_t got = waitpid(pid, &status, WNOHANG);
        if (got == pid) return WIFEXITED(status) && WEXITSTATUS(status) == 0;
        if (got < 0 && errno != EINTR) return false;
        struct timespec pause = {0, 5 * 1000000};
        nanosleep(&pause, NULL);
    }
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    return false;
}

static cvy_status complain(int said, errors *e)
{
    char s[SAID_BYTES + 1] = "";
    ssize_t n = pread(said, s, SAID_BYTES, 0);
    s[n > 0 ? n : 0] = '\0';
    return errors_add(e, CVY_ERR_RESOURCE, NULL, NULL, "gnuplot failed%s%s", *s ? ":\n" : "", s);
}

static cvy_status draw_to(const text *script, int out, errors *e)
{
    int in = scratch(script), said = scratch(NULL);
    cvy_status status = CVY_OK;
    if (in < 0 || said < 0) {
        status =
            errors_add(e, CVY_ERR_RESOURCE, NULL, NULL, "no temporary file for gnuplot: %s", strerror(errno));
    } else {
        pid_t pid = 0;
        int code = start(&pid, in, out, said);
        struct stat st;
        if (code == ENOENT)
            status = errors_add(e, CVY_ERR_CONFIG, NULL, "apt-get install gnuplot-nox",
                                "charts need gnuplot, which is not installed");
        else if (code)
            status = errors_add(e, CVY_ERR_RESOURCE, NULL, NULL, "cannot start gnuplot: %s", strerror(code));
        else if (!finish(pid) || fstat(out, &st) != 0 || !st.st_size)
            status = complain(said, e);
    }
    if (in >= 0) close(in);
    if (said >= 0) close(said);
    return status;
}

cvy_status gnuplot_draw(const text *script, const char *path, errors *e)
{
    char *unfinished = mem_printf("%s.%ld.tmp", path, (long)getpid());
    int out = open(unfinished, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    cvy_status status;
    if (out < 0) {
        int code = errno;
        char *dir = path_dir(path);
        status = file_is_dir(dir) ? errors_add(e, CVY_ERR_RESOURCE, &PLACE_FILE(path), NULL,
                                               "cannot write the chart: %s", strerror(code))
                                  : errors_add(e, CVY_ERR_CONFIG, &PLACE_FILE(path), NULL,
                                               "cannot write the chart: there is no folder %s", dir);
        mem_free(dir);
    } else {
        status = draw_to(script, out, e);
        if (close(out) != 0 && status == CVY_OK)
            status = errors_add(e, CVY_ERR_RESOURCE, &PLACE_FILE(path), NULL, "cannot write the chart");
        if (status == CVY_OK && rename(unfinished, path) != 0)
            status = errors_add(e, CVY_ERR_RESOURCE, &PLACE_FILE(path), NULL, "cannot write the chart: %s",
                                strerror(errno));
        if (status != CVY_OK) unlink(unfinished);
    }
    mem_free(unfinished);
    return status;
}

cvy_status gnuplot_read(const text *script, text *out, errors *e)
{
    const int file = scratch(NULL);
    if (file < 0)
        return errors_add(e, CVY_ERR_RESOURCE, NULL, NULL, "no temporary file for gnuplot: %s",
                          strerror(errno));
    cvy_status status = draw_to(script, file, e);
    char part[1 << 14];
    off_t at = 0;
    for (ssize_t n = 1; status == CVY_OK && n > 0; at += n) {
        n = pread(file, part, sizeof part, at);
        if (n > 0) text_add_n(out, part, (size_t)n);
        if (n < 0)
            status = errors_add(e, CVY_ERR_RESOURCE, NULL, NULL, "cannot read what gnuplot drew: %s",
                                strerror(errno));
    }
    close(file);
    return status;
}
