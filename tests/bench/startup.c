/* Starts a process that trains and tells when its first training step is through: bench_startup JOURNAL COMMAND ... prints
 * milliseconds of wall and of processor time from the process's start until the journal has its first metrics (log_every: 1).
 * Must not know what is started. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(clockid_t which)
{
    struct timespec t;
    clock_gettime(which, &t);
    return 1e3 * (double)t.tv_sec + 1e-6 * (double)t.tv_nsec;
}

/* Whether the file holds it by now. */
static int holds(const char *path, const char *what)
{
    static char bytes[1 << 20];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    ssize_t n = read(fd, bytes, sizeof bytes);
    close(fd);
    return n > 0 && memmem(bytes, (size_t)n, what, strlen(what)) != NULL;
}

int main(int argc, char **argv)
{
    const double most = 60e3;
    if (argc < 3) {
        fprintf(stderr, "usage: bench_startup JOURNAL COMMAND ...\n");
        return 2;
    }
    const double start = now(CLOCK_MONOTONIC);
    pid_t child = fork();
    if (child < 0) return 1;
    if (child == 0) {
        execvp(argv[2], argv + 2);
        _exit(127);
    }
    clockid_t its;
    double wall = -1, used = -1;
    int status = 0, there = clock_getcpuclockid(child, &its) == 0;
    while (there && waitpid(child, &status, WNOHANG) == 0) {
        wall = now(CLOCK_MONOTONIC) - start;
        if (wall > most) kill(child, SIGKILL);
        used = now(its);
        if (holds(argv[1], "\"t\":\"metrics\"")) {
            waitpid(child, &status, 0);
            printf("%.1f %.1f\n", wall, used);
            return 0;
        }
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    }
    fprintf(stderr, "the process ended, or took too long, without a first step\n");
    return 1;
}
