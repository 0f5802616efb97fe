/* A trial server: a process that has loaded what the trials of a sweep have in common, and of which each trial is born as a
 * copy. Starting a program anew, with all its libraries, takes longer than a small trial trains.
 *
 * What is born is a child of the supervisor and not of the server, with the process group, descriptors, cores and signals that
 * process_start() would give it: nobody behind server_start() sees a difference. So a server that dies or hangs takes no trial
 * with it; the others are started by process_start().
 *
 * The server starts no thread: a process of several threads cannot be copied. */
#ifndef SWEEP_SERVER_H
#define SWEEP_SERVER_H

#include "sweep/process.h"

/* ---- the supervisor's end ---- */

typedef struct server server;

/* Starts `PROGRAM trial --serve FD` with the environment that these options stand for: threads, crowded. NULL where it cannot
 * be had, which is no error: there is process_start(). */
server *server_open(const char *program, const process_options *like);
/* As process_start(), by the server. False: it could not, and nothing was started. NULL is fine. */
bool server_start(server *s, const process_options *o, process *p);
/* The server's process, for tests; 0 when there is none (any more). */
pid_t server_pid(const server *s);
void server_close(server *s); /* NULL is fine; trials that it started go on */

/* ---- the server's end ---- */

enum { SERVING_ARGS = 32, SERVING_CORES = 1024 };

/* A child that was asked for. */
typedef struct serving {
    char *argv[SERVING_ARGS + 1]; /* NULL-terminated, as main() gets them */
    int argc;
    int fds[4]; /* input, output, messages, pass; -1: none */
    int cores[SERVING_CORES];
    size_t n_cores;
    char *bytes; /* owned: what argv points into */
} serving;

/* Waits for the next one. False: nobody will ask any more. */
bool serving_wait(int fd, serving *q);
/* In the child, once: becomes what was asked for, and says so to the supervisor. False: it is not waited for any more. */
bool serving_become(int fd, serving *q);
/* Of the copies, the number that fork() gives: 0 in the child, -1 where it cannot be. The child's parent is ours. */
pid_t serving_fork(void);
/* To the supervisor: no child came of it. */
void serving_refuse(int fd);
void serving_free(serving *q); /* closes its descriptors */

#endif
