/* Owns child processes: how they are started, watched and ended. Must not know what they do. */
#include "sweep/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/memory.h"

extern char **environ;

double process_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void process_pause(double seconds)
{
    struct timespec t = {(time_t)seconds, (long)(1e9 * (seconds - (double)(time_t)seconds))};
    nanosleep(&t, NULL); /* a signal may cut it short: whoever pauses looks again */
}

int64_t process_cores(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0) return CPU_COUNT(&set);
    long n = sysconf(_SC_NPROCESSORS_ONLN); /* beyond 1024 cores */
    return n > 0 ? n : 1;
}

size_t process_core_list(int *out, size_t most)
{
    cpu_set_t set;
    size_t n = 0;
    if (sched_getaffinity(0, sizeof set, &set) != 0) return 0;
    for (int i = 0; i < CPU_SETSIZE; i++) {
        if (!CPU_ISSET((size_t)i, &set)) continue;
        if (n < most) out[n] = i;
        n++;
    }
    return n;
}

int64_t process_resident(const process *p)
{
    char path[64], line[128];
    long long whole = 0, resident = 0;
    if (!p->pid || p->ended) return 0;
    snprintf(path, sizeof path, "/proc/%lld/statm", (long long)p->pid);
    FILE *f = fopen(path, "re");
    if (f && fgets(line, sizeof line, f) && sscanf(line, "%lld %lld", &whole, &resident) != 2) resident = 0;
    if (f) fclose(f);
    return resident * sysconf(_SC_PAGESIZE);
}

int64_t process_memory(void)
{
    FILE *f = fopen("/proc/meminfo", "re");
    char line[128];
    long long kib = 0;
    while (f && !kib && fgets(line, sizeof line, f)) sscanf(line, "MemAvailable: %lld kB", &kib);
    if (f) fclose(f);
    return kib > 0 && kib < INT64_MAX / 1024 ? kib * 1024 : 0;
}

int process_lifeline(int *write_end, errors *e)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        errors_add(e, CVY_ERR_RESOURCE, NULL, NULL, "cannot make a pipe: %s", strerror(errno));
        return -1;
    }
    *write_end = ends[1];
    return ends[0];
}

/* ---- the environment ---- */

typedef struct variable {
    const char *name, *value; /* NULL: taken away */
    bool weak;                /* the user's own setting stays */
} variable;

enum { MAX_VARIABLES = 12 };

static size_t variables_for(const process_options *o, char number[24], variable *v)
{
    size_t n = 0;
    if (o->bound) v[n++] = (variable){"LD_BIND_NOW", "1", true};
    if (o->threads <= 0) return n;
    text t = {0};
    text_printf(&t, "%lld", (long long)o->threads);
    memcpy(number, text_str(&t), t.n + 1);
    text_free(&t);
    v[n++] = (variable){"OMP_NUM_THREADS", number, false};
    /* The split of the work is part of the promise of equal bits: no library may use fewer threads than
     * asked. */
    v[n++] = (variable){"OMP_DYNAMIC", "false", false};
    v[n++] = (variable){"OMP_THREAD_LIMIT", NULL, false};
    /* Bound threads would have all trials on the first cores. */
    v[n++] = (variable){"OMP_PROC_BIND", "false", true};
    v[n++] = (variable){"OMP_PLACES", NULL, false};
    if (o->crowded) {
        v[n++] = (variable){"OMP_WAIT_POLICY", "passive", true};
        v[n++] = (variable){"GOMP_SPINCOUNT", "0", true};
        v[n++] = (variable){"KMP_BLOCKTIME", "0", true};
    } else {
        /* Some 30 us bridge most gaps between two operators. libgomp's own 300000 let a loop of two threads take six
         * times as long (12.5 s for 2.1 s) as soon as other processes want the cores too. */
        v[n++] = (variable){"GOMP_SPINCOUNT", "1000", true};
        v[n++] = (variable){"KMP_BLOCKTIME", "1", true};
    }
    v[n++] = (variable){"KMP_AFFINITY", "disabled", true};
    return n;
}

static const char *value_of(const char *entry, const char *name)
{
    size_t n = strlen(name);
    return strncmp(entry, name, n) == 0 && entry[n] == '=' ? entry + n + 1 : NULL;
}

/* environ with the variables over it, as an array of texts in the arena. */
static char **environment(const variable *v, size_t n, arena *a)
{
    size_t have = 0, out = 0;
    while (environ && environ[have]) have++;
    char **list = arena_array(a, have + n + 1, sizeof *list);
    bool kept[MAX_VARIABLES] = {false};
    for (size_t i = 0; i < have; i++) {
        bool mine = false;
        for (size_t k = 0; k < n; k++) {
            if (!value_of(environ[i], v[k].name)) continue;
            kept[k] = v[k].weak;
            mine = !v[k].weak;
        }
        if (!mine) list[out++] = environ[i];
    }
    for (size_t k = 0; k < n; k++)
        if (v[k].value && !kept[k]) list[out++] = arena_printf(a, "%s=%s", v[k].name, v[k].value);
    return list;
}

/* ---- starting ---- */

static int add_descriptors(posix_spawn_file_actions_t *actions, const process_options *o)
{
    const int from[] = {o->input, o->output, o->messages};
    int wrong = 0;
    for (int fd = 0; fd < 3 && !wrong; fd++)
        wrong = from[fd] >= 0
                    ? posix_spawn_file_actions_adddup2(actions, from[fd], fd)
                    : posix_spawn_file_actions_addopen(actions, fd, "/dev/null", fd ? O_WRONLY : O_RDONLY, 0);
    /* Last, since any of the others may stand on this number in us. */
    if (!wrong && o->pass >= 0) wrong = posix_spawn_file_actions_adddup2(actions, o->pass, PROCESS_PASSED);
    return wrong;
}

/* A group of its own keeps the terminal's Ctrl-C away, which is the supervisor's to pass on. Signals are as
 * after a login, whatever is handled or blocked here. */
static int set_attributes(posix_spawnattr_t *attributes)
{
    static const int usual[] = {SIGPIPE, SIGINT, SIGTERM, SIGHUP, SIGCHLD};
    sigset_t defaults, none;
    sigemptyset(&none);
    sigemptyset(&defaults);
    for (size_t i = 0; i < sizeof usual / sizeof *usual; i++) {
        struct sigaction now;
        if (sigaction(usual[i], NULL, &now) == 0 && now.sa_handler == SIG_IGN) continue; /* nohup's stays */
        sigaddset(&defaults, usual[i]);
    }
    int wrong = posix_spawnattr_setsigdefault(attributes, &defaults);
    if (!wrong) wrong = posix_spawnattr_setsigmask(attributes, &none);
    if (!wrong) wrong = posix_spawnattr_setpgroup(attributes, 0);
    if (!wrong)
        wrong = posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK |
                                                         POSIX_SPAWN_SETPGROUP);
    return wrong;
}

/* Children are born with their parent's cores: ours are others for a moment. False where that cannot be. */
static bool lend_cores(const process_options *o, cpu_set_t *own)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    if (!o->cores || !o->n_cores || sched_getaffinity(0, sizeof *own, own) != 0) return false;
    for (size_t i = 0; i < o->n_cores; i++)
        if (o->cores[i] >= 0 && o->cores[i] < CPU_SETSIZE) CPU_SET((size_t)o->cores[i], &set);
    return sched_setaffinity(0, sizeof set, &set) == 0;
}

cvy_status process_start(const process_options *o, process *p, errors *e)
{
    *p = (process){.watch = -1};
    arena a = {0};
    char number[24];
    variable variables[MAX_VARIABLES];
    char **env = environment(variables, variables_for(o, number, variables), &a);
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    int wrong = add_descriptors(&actions, o);
    if (!wrong) wrong = set_attributes(&attributes);
    pid_t pid = 0;
    double begin = process_now();
    if (!wrong) {
        char *const *argv = (char *const *)(uintptr_t)o->argv; /* posix_spawn changes nothing in them */
        cpu_set_t own;
        const bool lent = lend_cores(o, &own);
        wrong = posix_spawn(&pid, o->argv[0], &actions, &attributes, argv, env);
        if (lent) sched_setaffinity(0, sizeof own, &own);
    }
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    arena_free(&a);
    if (wrong)
        return errors_add(e, CVY_ERR_RESOURCE, NULL, NULL, "%s: cannot be started: %s", o->argv[0],
                          strerror(wrong));
    p->pid = pid;
    p->started = begin;
    p->watch = (int)syscall(SYS_pidfd_open, pid, 0); /* close-on-exec by itself */
    return CVY_OK;
}

/* ---- watching and ending ---- */

bool process_ended(process *p)
{
    if (p->ended || !p->pid) return true;
    int status;
    pid_t got;
    while ((got = waitpid(p->pid, &status, WNOHANG)) < 0 && errno == EINTR) {
    }
    if (got == 0) return false;
    p->ended = true;
    p->seconds = process_now() - p->started;
    if (got < 0) return true; /* somebody else took it: nothing is known of its end */
    if (WIFSIGNALED(status))
        p->signal = WTERMSIG(status);
    else
        p->code = WEXITSTATUS(status);
    return true;
}

bool process_wait(process *p, double seconds)
{
    double until = process_now() + seconds;
    while (!process_ended(p)) {
        double left = until - process_now();
        if (left <= 0) return false;
        struct pollfd fd = {p->watch, POLLIN, 0};
        double step = p->watch >= 0 ? 1 : 0.01;
        poll(&fd, 1, (int)(1000 * (left < step ? left : step)) + 1);
    }
    return true;
}

void process_signal(const process *p, int number)
{
    if (!p->pid || p->ended) return;
    kill(number == SIGKILL ? -p->pid : p->pid, number);
}

void process_stop(process *p, double grace)
{
    process_signal(p, SIGTERM);
    if (process_wait(p, grace)) return;
    process_signal(p, SIGKILL);
    while (!process_wait(p, 1)) {
    }
}

void process_free(process *p)
{
    if (p->watch >= 0) close(p->watch);
    *p = (process){.watch = -1};
}

/* ---- words ---- */

/* Not strsignal(): its words depend on the system and the language. */
static const struct {
    int number;
    const char *words;
} signal_words[] = {
    {SIGSEGV, "segmentation fault"},
    {SIGABRT, "aborted"},
    {SIGBUS, "bus error: an unaligned or vanished piece of memory"},
    {SIGFPE, "arithmetic error, as a division by zero"},
    {SIGILL, "illegal instruction"},
    {SIGKILL, "killed, perhaps for want of memory"},
    {SIGTERM, "terminated"},
    {SIGINT, "interrupted"},
    {SIGHUP, "hung up"},
    {SIGPIPE, "broken pipe"},
    {SIGXCPU, "limit of processor time"},
    {SIGXFSZ, "limit of file size"},
    {SIGSYS, "forbidden system call"},
    {SIGTRAP, "trap"},
};

void process_describe(const process *p, text *out)
{
    if (!p->signal) {
        text_printf(out, "exit code %d", p->code);
        return;
    }
    text_printf(out, "signal %d", p->signal);
    for (size_t i = 0; i < sizeof signal_words / sizeof *signal_words; i++)
        if (signal_words[i].number == p->signal) text_printf(out, " (%s)", signal_words[i].words);
}

char *process_last_words(int fd, int64_t from)
{
    enum { MOST = 400 };
    char bytes[MOST + 1];
    off_t size = lseek(fd, 0, SEEK_END);
    if (size <= from) return NULL;
    off_t begin = size - from > MOST ? size - MOST : (off_t)from;
    ssize_t got = pread(fd, bytes, MOST, begin);
    while (got > 0 && strchr("\n\r\t ", bytes[got - 1])) got--;
    if (got <= 0) return NULL;
    bytes[got] = 0;
    const char *newline = strchr(bytes, '\n');
    text flat = {0}, safe = {0};
    text_add(&flat, begin > from && newline ? newline + 1 : bytes); /* not from the middle of a line */
    for (size_t i = 0; i < flat.n; i++)
        if (flat.s[i] == '\n' || flat.s[i] == '\t') flat.s[i] = ' ';
    text_safe(&safe, text_str(&flat), SIZE_MAX);
    text_free(&flat);
    return text_take(&safe);
}
