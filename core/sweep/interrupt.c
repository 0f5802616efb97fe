/* Owns what asks this process to stop: signals, as a count and a readable descriptor. Must not know what is
 * stopped. */
#include "sweep/interrupt.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <unistd.h>

static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
enum { N_SIGNALS = sizeof signals / sizeof *signals };

static volatile sig_atomic_t count;
static int ends[2] = {-1, -1}; /* a pipe to ourselves: poll() cannot miss what came just before it */
static struct sigaction before[N_SIGNALS];

static void handler(int number)
{
    int saved = errno;
    (void)number;
    if (count < 1000) count++;
    (void)!write(ends[1], "", 1);
    errno = saved;
}

void interrupt_begin(void)
{
    if (ends[0] >= 0) return;
    count = 0;
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
        ends[0] = ends[1] = -1; /* the count still works, only later: poll() ends by EINTR */
    }
    /* Without SA_RESTART: whoever waits is to look at the count. */
    struct sigaction mine = {.sa_handler = handler};
    sigfillset(&mine.sa_mask);
    for (int i = 0; i < N_SIGNALS; i++) {
        sigaction(signals[i], NULL, &before[i]);
        if (before[i].sa_handler != SIG_IGN) sigaction(signals[i], &mine, NULL);
    }
}

void interrupt_end(void)
{
    for (int i = 0; i < N_SIGNALS; i++) sigaction(signals[i], &before[i], NULL);
    for (int i = 0; i < 2; i++) {
        if (ends[i] >= 0) close(ends[i]);
        ends[i] = -1;
    }
    count = 0;
}

int interrupt_count(void)
{
    return (int)count;
}

int interrupt_fd(void)
{
    return ends[0];
}

void interrupt_taken(void)
{
    char bytes[64];
    while (ends[0] >= 0 && read(ends[0], bytes, sizeof bytes) > 0) {
    }
}
