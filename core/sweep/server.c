/* Owns the talk between supervisor and trial server, and how the server's copies come to be the supervisor's children. Must not
 * know what a trial is. */
#include "sweep/server.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/text.h"

#define PATIENCE 10.0 /* seconds for a copy; a machine that swaps takes one or two */

enum { REQUEST_MAX = 1 << 16, N_FDS = 4 };

/* What stands in front of a request's cores and arguments. */
typedef struct head {
    uint32_t n_args, n_cores;
    uint32_t fds; /* bit i: fds[i] comes along */
} head;

struct server {
    process child;
    int socket;
};

/* ---- the supervisor's end ---- */

server *server_open(const char *program, const process_options *like)
{
    int ends[2];
    /* Messages stay apart, and the end of one side is seen by the other. */
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return NULL;
    text number = {0}, threads = {0};
    text_printf(&number, "%d", PROCESS_PASSED);
    text_printf(&threads, "%lld", (long long)like->threads);
    const char *argv[] = {program, "trial", "--serve", text_str(&number), "--threads", text_str(&threads),
                          NULL};
    process_options o = {.argv = argv,
                         .input = -1,
                         .output = -1,
                         .messages = -1,
                         .pass = ends[1],
                         .threads = like->threads,
                         .crowded = like->crowded,
                         .bound = true}; /* once, and not in every copy */
    server *s = mem_alloc(sizeof *s);
    s->socket = ends[0];
    errors found = {0};
    const bool started = process_start(&o, &s->child, &found) == CVY_OK;
    errors_free(&found);
    text_free(&number);
    text_free(&threads);
    close(ends[1]);
    if (started) return s;
    close(s->socket);
    mem_free(s);
    return NULL;
}

pid_t server_pid(const server *s)
{
    return s && s->socket >= 0 ? s->child.pid : 0;
}

/* There is nothing in it to be saved. */
static void give_up(server *s)
{
    if (s->socket < 0) return;
    close(s->socket);
    s->socket = -1;
    process_signal(&s->child, SIGKILL);
    while (!process_wait(&s->child, 1)) {
    }
    process_free(&s->child);
}

static bool send_request(const server *s, const process_options *o)
{
    const int fds[N_FDS] = {o->input, o->output, o->messages, o->pass};
    int given[N_FDS], n = 0;
    head h = {.n_cores = o->cores ? (uint32_t)o->n_cores : 0};
    text t = {0};
    union {
        char bytes[CMSG_SPACE(N_FDS * sizeof(int))];
        struct cmsghdr align;
    } control = {0};
    for (int i = 0; i < N_FDS; i++)
        if (fds[i] >= 0) given[n++] = fds[i], h.fds |= 1u << i;
    while (o->argv[h.n_args]) h.n_args++;
    text_add_n(&t, (const char *)&h, sizeof h);
    if (h.n_cores) text_add_n(&t, (const char *)o->cores, h.n_cores * sizeof(int));
    for (uint32_t i = 0; i < h.n_args; i++) text_add_n(&t, o->argv[i], strlen(o->argv[i]) + 1);
    bool sent = h.n_args <= SERVING_ARGS && h.n_cores <= SERVING_CORES && t.n <= REQUEST_MAX;
    if (sent) {
        struct iovec part = {t.s, t.n};
        struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1};
        if (n) {
            m.msg_control = control.bytes;
            m.msg_controllen = CMSG_SPACE((size_t)n * sizeof(int));
            struct cmsghdr *c = CMSG_FIRSTHDR(&m);
            c->cmsg_level = SOL_SOCKET;
            c->cmsg_type = SCM_RIGHTS;
            c->cmsg_len = CMSG_LEN((size_t)n * sizeof(int));
            memcpy(CMSG_DATA(c), given, (size_t)n * sizeof(int));
        }
        ssize_t got;
        while ((got = sendmsg(s->socket, &m, MSG_NOSIGNAL)) < 0 && errno == EINTR) {
        }
        sent = got == (ssize_t)t.n;
    }
    text_free(&t);
    return sent;
}

/* The number of the child; 0: there is none, -1: nothing was heard. */
static pid_t hear(const server *s, double until)
{
    for (;;) {
        const double left = until - process_now();
        struct pollfd p = {s->socket, POLLIN, 0};
        const int ready = poll(&p, 1, left > 0 ? (int)(1000 * left) + 1 : 0);
        if (ready < 0 && errno == EINTR) continue;
        int32_t pid = 0;
        const ssize_t got = ready > 0 ? recv(s->socket, &pid, sizeof pid, MSG_DONTWAIT) : -1;
        if (got == (ssize_t)sizeof pid) return (pid_t)pid;
        if (got < 0 && ready > 0 && errno == EINTR) continue;
        return -1;
    }
}

bool server_start(server *s, const process_options *o, process *p)
{
    if (!s || s->socket < 0) return false;
    *p = (process){.watch = -1};
    const double begin = process_now();
    pid_t pid = send_request(s, o) ? hear(s, begin + PATIENCE) : -1;
    if (pid < 0) {
        /* Once nobody can be heard any more, a copy that comes late notices: what it had said before is still there. */
        shutdown(s->socket, SHUT_RD);
        pid = hear(s, 0);
        give_up(s);
    }
    if (pid <= 0) return false;
    p->pid = pid;
    p->started = begin;
    p->watch = (int)syscall(SYS_pidfd_open, pid, 0);
    return true;
}

void server_close(server *s)
{
    if (!s) return;
    give_up(s);
    mem_free(s);
}

/* ---- the server's end ---- */

void serving_free(serving *q)
{
    for (int i = 0; i < N_FDS; i++)
        if (q->fds[i] >= 0) close(q->fds[i]);
    mem_free(q->bytes);
    *q = (serving){.fds = {-1, -1, -1, -1}};
}

/* Whether the message is one of ours, and put in place. */
static bool unpack(serving *q, size_t n, const int *given, size_t n_given)
{
    head h;
    if (n < sizeof h) return false;
    memcpy(&h, q->bytes, sizeof h);
    size_t at = sizeof h, taken = 0;
    for (int i = 0; i < N_FDS; i++) {
        if (!(h.fds & 1u << i)) continue;
        if (taken == n_given) return false;
        q->fds[i] = given[taken++];
    }
    if (h.n_args < 1 || h.n_args > SERVING_ARGS || h.n_cores > SERVING_CORES) return false;
    if (n - at < h.n_cores * sizeof(int)) return false;
    memcpy(q->cores, q->bytes + at, h.n_cores * sizeof(int));
    q->n_cores = h.n_cores;
    at += h.n_cores * sizeof(int);
    for (uint32_t i = 0; i < h.n_args; i++) {
        const char *end = memchr(q->bytes + at, '\0', n - at);
        if (!end) return false;
        q->argv[q->argc++] = q->bytes + at;
        at = (size_t)(end - q->bytes) + 1;
    }
    return at == n && taken == n_given;
}

bool serving_wait(int fd, serving *q)
{
    *q = (serving){.fds = {-1, -1, -1, -1}};
    q->bytes = mem_alloc(REQUEST_MAX);
    union {
        char bytes[CMSG_SPACE(N_FDS * sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec part = {q->bytes, REQUEST_MAX};
    struct msghdr m = {.msg_iov = &part,
                       .msg_iovlen = 1,
                       .msg_control = control.bytes,
                       .msg_controllen = sizeof control.bytes};
    ssize_t got;
    while ((got = recvmsg(fd, &m, MSG_CMSG_CLOEXEC)) < 0 && errno == EINTR) {
    }
    int given[N_FDS];
    size_t n_given = 0;
    struct cmsghdr *c = got > 0 ? CMSG_FIRSTHDR(&m) : NULL;
    if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
        n_given = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        memcpy(given, CMSG_DATA(c), n_given * sizeof(int));
    }
    if (got > 0 && !(m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) && unpack(q, (size_t)got, given, n_given))
        return true;
    serving_free(q);
    return false;
}

pid_t serving_fork(void)
{
    /* fork() has no such flag. What it does beyond the system call is for processes of several threads; and the C library asks
     * the kernel for a thread's number where it matters. */
    return (pid_t)syscall(SYS_clone, (unsigned long)(CLONE_PARENT | SIGCHLD), NULL, NULL, NULL, 0UL);
}

static bool say(int fd, int32_t pid)
{
    ssize_t got;
    while ((got = send(fd, &pid, sizeof pid, MSG_NOSIGNAL)) < 0 && errno == EINTR) {
    }
    return got == (ssize_t)sizeof pid;
}

void serving_refuse(int fd)
{
    say(fd, 0);
}

bool serving_become(int fd, serving *q)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    for (size_t i = 0; i < q->n_cores; i++)
        if (q->cores[i] >= 0 && q->cores[i] < CPU_SETSIZE) CPU_SET((size_t)q->cores[i], &set);
    if (q->n_cores) sched_setaffinity(0, sizeof set, &set); /* where it cannot be, all of ours */
    if (setpgid(0, 0) != 0) return false;
    /* 0 to 2 are /dev/null here, as they are for whom nothing else was asked. */
    for (int i = 0; i < 3; i++)
        if (q->fds[i] >= 0 && dup2(q->fds[i], i) < 0) return false;
    const int pass = q->fds[3];
    q->fds[3] = -1;
    for (int i = 0; i < 3; i++) {
        if (q->fds[i] >= 0) close(q->fds[i]);
        q->fds[i] = -1;
    }
    /* Last, and by itself: from here on a supervisor knows of it, or there is none that would ever hear. */
    if (!say(fd, (int32_t)getpid())) return false;
    close(fd);
    if (pass < 0 || pass == PROCESS_PASSED) return true;
    const bool there = dup2(pass, PROCESS_PASSED) == PROCESS_PASSED;
    close(pass);
    return there;
}
