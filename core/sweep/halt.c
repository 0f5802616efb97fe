/* Owns the way to the process that works in a folder; must not know what it does there. */
#include "sweep/halt.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "sweep/follow.h"
#include "sweep/interrupt.h"
#include "sweep/process.h"
#include "sweep/runs.h"

/* Whether the process has the folder's lock file open: a number may belong to somebody else by now. */
static bool holds(int64_t pid, const char *dir)
{
    char *lock = path_join(dir, "lock"), *real = path_absolute(lock);
    bool found = false;
    for (int fd = 0; fd < 1024 && !found; fd++) {
        char *link = mem_printf("/proc/%lld/fd/%d", (long long)pid, fd), target[4096];
        ssize_t n = readlink(link, target, sizeof target - 1);
        mem_free(link);
        if (n <= 0) continue;
        target[n] = 0;
        found = !strcmp(target, real);
    }
    mem_free(lock);
    mem_free(real);
    return found;
}

cvy_status halt_ask(const char *results, const char *name, char **dir, halt_result *how, errors *e)
{
    *dir = path_join(results, name);
    *how = HALT_IDLE;
    /* A process that was just begun may not have its lock yet. */
    for (int tries = 0; tries < 40; tries++) {
        follow *f = follow_open(*dir);
        follow_read(f);
        int64_t pid = f->pid;
        bool open = f->started > f->exited, held = runs_held(*dir);
        follow_close(f);
        if (!held && !open) return CVY_OK;
        if (!held && (pid <= 0 || kill((pid_t)pid, 0) != 0)) return CVY_OK;
        int handle = pid > 0 ? (int)syscall(SYS_pidfd_open, (pid_t)pid, 0) : -1;
        bool right = held && pid > 0 && holds(pid, *dir);
        int sent = !right        ? -1
                   : handle >= 0 ? (int)syscall(SYS_pidfd_send_signal, handle, SIGTERM, NULL, 0)
                                 : kill((pid_t)pid, SIGTERM);
        int wrong = errno;
        if (handle >= 0) close(handle);
        if (sent == 0) {
            *how = HALT_ASKED;
            return CVY_OK;
        }
        if (right && wrong != ESRCH)
            return errors_add(e, CVY_ERR_RESOURCE, NULL, NULL, "process %lld cannot be asked to stop: %s",
                              (long long)pid, strerror(wrong));
        process_pause(0.05);
    }
    if (!runs_held(*dir)) return CVY_OK;
    return errors_add(e, CVY_ERR_RESOURCE, NULL, "perhaps it runs on another machine or in a container",
                      "%s is being worked on by a process that cannot be found", name);
}

bool halt_wait(const char *dir)
{
    while (runs_held(dir)) {
        if (interrupt_count()) return false;
        process_pause(0.05);
    }
    return true;
}

bool halt_came_to_end(const char *dir)
{
    follow *f = follow_open(dir);
    follow_read(f);
    const bool own = f->end_state && !strcmp(f->end_state, "finished"); /* a run says so in its journal */
    const bool sweep = f->started && !f->attempt && f->exited >= f->started && !f->signal &&
                       (f->code == CVY_OK || f->code == CVY_ERR_SOME);
    follow_close(f);
    return own || sweep;
}
