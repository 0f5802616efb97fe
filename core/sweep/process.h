/* A child process: started in a group of its own, watched without blocking, stopped, and its end put into
 * words. */
#ifndef SWEEP_PROCESS_H
#define SWEEP_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/error.h"

enum { PROCESS_PASSED = 3 }; /* the number under which the child finds the descriptor passed to it */

typedef struct process {
    pid_t pid;      /* 0: none */
    int watch;      /* readable once it has ended; -1 where the kernel has no such descriptor */
    double started; /* on process_now() */
    bool ended;
    int code;       /* exit code; 0 when a signal ended it */
    int signal;     /* 0: it left by itself */
    double seconds; /* its life, once ended */
} process;

typedef struct process_options {
    const char *const *argv;     /* NULL-terminated; argv[0] is the program's file */
    int input, output, messages; /* descriptors that become 0, 1, 2; -1: /dev/null */
    int pass;                    /* becomes PROCESS_PASSED; -1: none */
    int64_t threads;             /* for OpenMP; 0 leaves the environment as it is */
    const int *cores;            /* that it may run on, n_cores of them; NULL: all of ours */
    size_t n_cores;
    bool crowded; /* more threads than cores will run: waiting must not spin */
    bool bound;   /* what its libraries call of each other is looked up at once, and not at the first call */
} process_options;

cvy_status process_start(const process_options *o, process *p, errors *e);
/* Whether it has ended; never waits. The child's remains are taken away once it has. */
bool process_ended(process *p);
/* Waits up to `seconds` for its end. */
bool process_wait(process *p, double seconds);
/* To the child alone (SIGTERM), or with everything it started (SIGKILL). */
void process_signal(const process *p, int number);
/* SIGTERM, up to `grace` seconds, SIGKILL; returns when it has ended. */
void process_stop(process *p, double grace);
void process_free(process *p); /* of one that has ended */

/* "exit code 5", "signal 11 (segmentation fault)" */
void process_describe(const process *p, text *out);
/* The last lines of what a child printed into a file, from `from` on, as one line; NULL when it was silent.
 */
char *process_last_words(int fd, int64_t from);
/* Seconds of a clock that nobody sets. */
double process_now(void);
void process_pause(double seconds);
/* Cores that this process may use. */
int64_t process_cores(void);
/* Which these are; fills at most `most`, returns how many there are. */
size_t process_core_list(int *out, size_t most);
/* Bytes that a process has resident; 0 when it cannot be told. */
int64_t process_resident(const process *p);
/* Bytes of memory that can be had without swapping; 0 when it cannot be told. */
int64_t process_memory(void);

/* A pipe whose end of file tells every child that its supervisor is gone: the children get the read end, and
 * nobody but this process has the write end. Returns the read end; -1 after reporting. */
int process_lifeline(int *write_end, errors *e);

#endif
