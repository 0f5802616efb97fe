/* Owns which trials run now and what their ends mean; must not know what a trial computes, nor print. */
#include "sweep/supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "journal/record.h"
#include "sweep/interrupt.h"
#include "sweep/process.h"
#include "sweep/server.h"

#define LOOK   0.1 /* seconds between two looks at the journals */
#define RECORD 1.0 /* seconds between two ways to the database */
#define YOUNG  3.0 /* seconds after which a trial waits for the disk itself, and then some */
#define GRACE \
    10.0 /* seconds for a checkpoint, once a trial has had its time; three times that where it did nothing wrong */

typedef struct worker {
    trial *t; /* NULL: idle */
    process child;
    journal *events; /* NULL when they cannot be written */
    int64_t attempt;
    int output;           /* output.txt */
    int64_t output_begin; /* what is before is of earlier attempts */
    int64_t until;        /* epoch; 0: to its end */
    char *limit;          /* what it met: then it did not fail by itself */
    double asked;         /* when it was asked to leave for that, or because another failed; 0: it was not */
    double grace;         /* seconds that it has from then on */
    const int *cores;     /* of its own; NULL: any */
} worker;

typedef struct team {
    const supervise_options *o;
    worker *workers;
    size_t n, running;
    int lifeline, lifeline_end; /* read by the children; held by us */
    bool many;                  /* trials: then a server is worth its start */
    server *server;             /* of which they are born; NULL: each is started by itself */
    int asked;                  /* interrupts already passed on */
    bool failing;               /* a trial failed under fail_fast */
    int *cores;                 /* for all workers; NULL: they are not pinned */
    agenda *agenda;
    double recorded;
    /* What young trials write is made durable for all of them together. */
    double young;   /* until then a trial may write what nobody has waited for */
    bool unsettled; /* there may be such files */
} team;

int64_t supervise_threads(int64_t given, size_t trials, int64_t cores)
{
    if (given > 0) return given;
    return trials > 1 && cores > 1 ? 1 : cores;
}

int64_t supervise_workers(int64_t given, int64_t threads, int64_t cores)
{
    if (given > 0) return given;
    return cores / threads > 1 ? cores / threads : 1;
}

int64_t supervise_fitting(int64_t workers, int64_t bytes, int64_t memory)
{
    enum { PROCESS = 64 << 20 }; /* of libraries, batches and buffers beyond the network's own */
    if (bytes <= 0 || memory <= 0 || bytes > INT64_MAX - PROCESS) return workers;
    int64_t fit = memory / (bytes + PROCESS);
    return fit >= workers ? workers : fit > 1 ? fit : 1;
}

static void tell(const team *m, supervise_news news, const trial *t, errors *warnings)
{
    if (m->o->tell) m->o->tell(m->o->ctx, news, t, warnings);
    if (warnings) errors_free(warnings);
}

/* Errors of what training can do without. */
static void tell_as_warnings(const team *m, const trial *t, errors *found)
{
    errors warnings = {0};
    for (size_t i = 0; i < found->n; i++) {
        const message *one = &found->items[i];
        place at = {one->file, one->line, one->column, one->offset, one->source};
        errors_warn(&warnings, &at, one->hint, "%s", one->what);
    }
    errors_free(found);
    if (warnings.n) tell(m, SUPERVISE_WARNING, t, &warnings);
}

/* Before the database hears of it. Returns how long it took. */
static double settle(team *m)
{
    const double begin = process_now();
    errors found = {0};
    if (!m->unsettled) return 0;
    if (begin > m->young) m->unsettled = false;
    file_sync_all(m->o->origin->results, &found);
    tell_as_warnings(m, NULL, &found);
    return process_now() - begin;
}

static void record(team *m, const char *dir, const trial *t)
{
    errors warnings = {0};
    if (!m->o->recorder) return;
    const double took = recorder_is_due(m->o->recorder) ? settle(m) : 0;
    recorder_take(m->o->recorder, dir, &warnings);
    /* A disk that is slow, or busy with other people's files, is not asked all the time. */
    if (9 * took > RECORD) recorder_rest(m->o->recorder, 9 * took);
    if (warnings.n) tell(m, SUPERVISE_WARNING, t, &warnings);
}

/* ---- starting
 * -------------------------------------------------------------------------------------------------------- */

static cvy_status open_output(worker *w, errors *e)
{
    char *path = path_join(w->t->dir, "output.txt");
    w->output = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    cvy_status status = CVY_OK;
    if (w->output < 0)
        status = errors_add(e, CVY_ERR_RESOURCE, &PLACE_FILE(path), NULL, "cannot be written: %s",
                            strerror(errno));
    else
        w->output_begin = (int64_t)lseek(w->output, 0, SEEK_END);
    mem_free(path);
    return status;
}

static void note_start(team *m, worker *w)
{
    errors found = {0};
    char *path = path_join(w->t->dir, "events");
    w->events = journal_continue(path, &found);
    if (w->events) record_start(w->events, w->attempt, w->child.pid, &found);
    mem_free(path);
    tell_as_warnings(m, w->t, &found);
}

static cvy_status spawn(team *m, worker *w, errors *e)
{
    const supervise_options *o = m->o;
    arena a = {0};
    const char *argv[16];
    size_t n = 0;
    argv[n++] = o->program;
    argv[n++] = "trial";
    argv[n++] = w->t->dir;
    argv[n++] = "--threads";
    argv[n++] = arena_printf(&a, "%lld", (long long)o->threads);
    argv[n++] = "--lifeline";
    argv[n++] = arena_printf(&a, "%d", PROCESS_PASSED);
    argv[n++] = "--grouped";
    if (w->t->inexact) argv[n++] = "--inexact";
    if (w->until) argv[n++] = "--until", argv[n++] = arena_printf(&a, "%lld", (long long)w->until);
    argv[n] = NULL;
    process_options po = {.argv = argv,
                          .input = -1,
                          .output = w->output,
                          .messages = w->output,
                          .pass = m->lifeline,
                          .threads = o->threads,
                          .cores = w->cores,
                          .n_cores = (size_t)o->threads,
                          .crowded = o->workers * o->threads > process_cores()};
    if (m->many && !m->server) m->server = server_open(o->program, &po);
    m->many = m->server != NULL;
    cvy_status status = server_start(m->server, &po, &w->child) ? CVY_OK : process_start(&po, &w->child, e);
    arena_free(&a);
    return status;
}

static cvy_status start(team *m, worker *w, const agenda_task *task, errors *e)
{
    trial *t = task->trial;
    const int32_t before = t->run;
    cvy_status status = trial_begin(t, m->o->origin, e);
    const bool goes_on = t->run == before && (t->state == TRIAL_PAUSED || t->retries > 0);
    if (status != CVY_OK) return status;
    *w = (worker){.t = t, .output = -1, .until = task->until};
    if (m->cores) w->cores = m->cores + (w - m->workers) * m->o->threads;
    follow_read(t->journals);
    w->attempt = t->journals->attempt + 1;
    status = open_output(w, e);
    if (status == CVY_OK) status = spawn(m, w, e);
    if (status != CVY_OK) {
        if (w->output >= 0) close(w->output);
        w->t = NULL;
        return status;
    }
    note_start(m, w);
    m->unsettled = true;
    m->young = process_now() + YOUNG;
    t->state = TRIAL_RUNNING;
    m->running++;
    tell(m, goes_on ? SUPERVISE_CONTINUES : SUPERVISE_STARTED, t, NULL);
    return CVY_OK;
}

/* ---- ending
 * -----------------------------------------------------------------------------------------------------------
 */

/* Why it failed: its own words, else the last it printed, else how the process ended. */
static char *reason(const worker *w, bool own_words)
{
    const follow *f = w->t->journals;
    if (own_words && f->end_text && *f->end_text) return mem_text(f->end_text);
    text why = {0};
    process_describe(&w->child, &why);
    char *words = process_last_words(w->output, w->output_begin);
    if (words) text_printf(&why, ": %s", words);
    mem_free(words);
    return text_take(&why);
}

static void judge(worker *w)
{
    trial *t = w->t;
    const follow *f = t->journals;
    bool spoke = f->attempt >= w->attempt && f->end_state;
    t->status = CVY_ERR_RUN;
    mem_free(t->why);
    t->why = NULL;
    if (spoke && !strcmp(f->end_state, "finished")) { /* whatever happened after it had said so */
        t->state = TRIAL_FINISHED;
        t->status = CVY_OK;
    } else if (w->limit) {
        t->state = TRIAL_KILLED;
        t->why = mem_text(w->limit);
        t->cut = true;
    } else if (w->child.code == CVY_STOPPED && w->until && f->epoch >= w->until) {
        t->state = TRIAL_PAUSED;
        t->status = CVY_OK;
    } else if (w->child.code == CVY_STOPPED || w->child.signal == SIGTERM) {
        t->state = TRIAL_STOPPED; /* SIGTERM ends it where it has nothing to save yet */
        t->status = CVY_STOPPED;
    } else if (w->child.signal) {
        t->state = TRIAL_KILLED;
        t->why = reason(w, false);
    } else if (w->child.code == CVY_OK) {
        t->state = TRIAL_FAILED;
        t->why = mem_text("its process left before training had ended: did a plugin call exit()?");
    } else {
        t->state = TRIAL_FAILED;
        t->status = (cvy_status)w->child.code;
        t->why = reason(w, spoke);
    }
}

/* What may go better another time. A loss that is not finite and a wrong configuration would be the same again, and a limit too. */
static bool worth_trying(const team *m, const worker *w)
{
    const trial *t = w->t;
    if (m->asked || m->failing || w->limit || t->retries >= m->o->retries) return false;
    if (t->state == TRIAL_KILLED) return true;
    return t->state == TRIAL_FAILED && (t->status == CVY_ERR_RESOURCE || t->status == CVY_ERR_PLUGIN);
}

static double grace(const team *m)
{
    return m->o->grace > 0 ? m->o->grace : GRACE;
}

/* Everybody is asked to leave with a checkpoint; who does not is not waited for for ever. */
static void stop_all(team *m)
{
    for (size_t i = 0; i < m->n; i++) {
        worker *w = &m->workers[i];
        if (!w->t) continue;
        process_signal(&w->child, SIGTERM);
        if (w->asked > 0) continue;
        w->asked = process_now();
        w->grace = 3 * grace(m);
    }
}

static void note_end(team *m, worker *w)
{
    errors found = {0};
    const trial *t = w->t;
    if (!w->events) return;
    record_exit(w->events, w->attempt, w->child.code, w->child.signal, w->child.seconds, &found);
    if (t->state == TRIAL_PAUSED || (t->state == TRIAL_KILLED && w->limit))
        record_state(w->events, w->attempt, trial_state_name(t->state), w->limit ? w->limit : "", &found);
    journal_close(w->events);
    tell_as_warnings(m, t, &found);
}

static cvy_status finish(team *m, worker *w, errors *e)
{
    trial *t = w->t;
    t->seconds += w->child.seconds;
    if (follow_read(t->journals)) tell(m, SUPERVISE_PROGRESS, t, NULL);
    judge(w);
    note_end(m, w);
    close(w->output);
    process_free(&w->child);
    m->running--;
    follow_read(t->journals); /* what was just noted */
    trial_measure(t, &m->o->origin->metric);
    const bool again = worth_trying(m, w);
    const agenda_task task = {.trial = t, .until = w->until};
    mem_free(w->limit);
    w->limit = NULL;
    w->t = NULL;
    if (again) {
        t->retries++;
        t->cut = true;
        tell(m, SUPERVISE_RETRY, t, NULL);
        t->state = TRIAL_WAITING;
        mem_free(t->why);
        t->why = NULL;
        return start(m, w, &task, e);
    }
    agenda_ended(m->agenda, t);
    record(m, t->dir, t);
    tell(m, t->state == TRIAL_PAUSED ? SUPERVISE_PAUSED : SUPERVISE_ENDED, t, NULL);
    if (m->o->fail_fast && !m->failing && (t->state == TRIAL_FAILED || t->state == TRIAL_KILLED)) {
        m->failing = true;
        stop_all(m);
    }
    trial_rest(t);
    return CVY_OK;
}

/* A trial whose end was decided without running it. */
static void conclude(team *m, const agenda_task *task)
{
    trial *t = task->trial;
    errors found = {0};
    trial_wake(t, m->o->origin);
    if (t->state == TRIAL_PRUNED && t->dir && follow_state_of(t->journals) != FOLLOW_FINISHED &&
        follow_state_of(t->journals) != FOLLOW_PRUNED) {
        char *path = path_join(t->dir, "events");
        journal *events = journal_continue(path, &found);
        /* The last attempt may have died before it had a journal. */
        const follow *f = t->journals;
        const int64_t attempt = f->attempt > f->started ? f->attempt : f->started;
        if (events) record_state(events, attempt, trial_state_name(t->state), task->why, &found);
        journal_close(events);
        mem_free(path);
        tell_as_warnings(m, t, &found);
        record(m, t->dir, t);
    }
    tell(m, SUPERVISE_ENDED, t, NULL);
    trial_rest(t);
}

/* Time and memory. Resident bytes are looked at ten times a second; an address-space limit would count what is only reserved. */
static void watch_limits(team *m, worker *w)
{
    const supervise_options *o = m->o;
    const double now = process_now();
    if (w->asked > 0) {
        if (now - w->asked <= w->grace) return;
        if (!w->limit) w->limit = mem_printf("did not leave within %g s of being asked to", w->grace);
        process_signal(&w->child, SIGKILL);
        return;
    }
    if (o->timeout > 0 && w->t->seconds + now - w->child.started > o->timeout) {
        w->limit = mem_printf("took more than %g s (--timeout)", o->timeout);
        w->asked = now;
        w->grace = grace(m);
        process_signal(&w->child, SIGTERM);
    } else if (o->memory_limit > 0 && process_resident(&w->child) > o->memory_limit) {
        w->limit = mem_printf("took more than %lld MiB of memory (--memory-limit)",
                              (long long)(o->memory_limit >> 20));
        w->asked = now;
        w->grace = grace(m);
        process_signal(&w->child, SIGKILL);
    }
}

/* Passes interrupts on: the first asks, the second kills. */
static void pass_on(team *m)
{
    interrupt_taken();
    int count = interrupt_count();
    if (count == m->asked) return;
    if (m->asked == 0) tell(m, SUPERVISE_STOPPING, NULL, NULL);
    for (size_t i = 0; i < m->n; i++)
        if (m->workers[i].t) process_signal(&m->workers[i].child, count > 1 ? SIGKILL : SIGTERM);
    m->asked = count;
}

/* ---- the loop
 * ---------------------------------------------------------------------------------------------------------
 */

static void wait_for_news(const team *m, struct pollfd *fds)
{
    nfds_t n = 0;
    fds[n++] = (struct pollfd){interrupt_fd(), POLLIN, 0};
    for (size_t i = 0; i < m->n; i++)
        if (m->workers[i].t) fds[n++] = (struct pollfd){m->workers[i].child.watch, POLLIN, 0};
    poll(fds, n, (int)(1000 * LOOK));
}

static cvy_status look(team *m, errors *e)
{
    cvy_status status = CVY_OK;
    bool time_to_record = process_now() - m->recorded >= RECORD;
    for (size_t i = 0; i < m->n; i++) {
        worker *w = &m->workers[i];
        if (!w->t) continue;
        if (process_ended(&w->child)) {
            cvy_status one = finish(m, w, e);
            if (status == CVY_OK) status = one;
            continue;
        }
        watch_limits(m, w);
        if (follow_read(w->t->journals)) tell(m, SUPERVISE_PROGRESS, w->t, NULL);
        if (time_to_record) record(m, w->t->dir, w->t);
    }
    if (!time_to_record) return status;
    if (m->o->sweep_dir) record(m, m->o->sweep_dir, NULL);
    m->recorded = process_now();
    return status;
}

static worker *idle(team *m)
{
    for (size_t i = 0; i < m->n; i++)
        if (!m->workers[i].t) return &m->workers[i];
    return NULL;
}

/* Each worker its own cores, where there are enough for all. */
static int *own_cores(const supervise_options *o, size_t workers)
{
    size_t wanted = workers * (size_t)o->threads;
    if (!o->pin || !wanted || wanted > 4096) return NULL;
    int *cores = mem_array(wanted, sizeof *cores);
    if (process_core_list(cores, wanted) >= wanted) return cores;
    mem_free(cores);
    return NULL;
}

/* Gives idle workers what the agenda has for them. Whether there is nothing left to do. */
static bool hand_out(team *m, cvy_status *status, errors *e)
{
    while (*status == CVY_OK && !m->asked && !m->failing && m->running < m->n) {
        agenda_task task = {0};
        agenda_answer answer = m->agenda->next(m->agenda, &task, status, e);
        if (*status == CVY_FORCED && interrupt_count() > m->asked) { /* while a trial was planned */
            *status = CVY_OK;                                        /* pass_on() tells of it */
            return false;
        }
        if (answer == AGENDA_DONE) return true;
        if (answer == AGENDA_WAIT) return false;
        if (answer == AGENDA_OVER) {
            conclude(m, &task);
            continue;
        }
        *status = start(m, idle(m), &task, e);
        if (*status != CVY_OK) agenda_ended(m->agenda, task.trial);
        if (interrupt_count()) break;
    }
    return false;
}

cvy_status supervise_agenda(const supervise_options *o, agenda *g, errors *e)
{
    team m = {.o = o, .n = (size_t)o->workers, .agenda = g};
    if (m.n > g->n) m.n = g->n;
    m.lifeline = process_lifeline(&m.lifeline_end, e);
    if (m.lifeline < 0) return CVY_ERR_RESOURCE;
    m.workers = mem_array(m.n + 1, sizeof *m.workers);
    m.cores = own_cores(o, m.n);
    m.many = g->n > 1;
    struct pollfd *fds = mem_array(m.n + 1, sizeof *fds);
    cvy_status status = CVY_OK;
    for (;;) {
        pass_on(&m);
        bool done = hand_out(&m, &status, e);
        if (!m.running && (status != CVY_OK || m.asked || m.failing || done)) break;
        if (!m.running && interrupt_count() > m.asked) continue;
        wait_for_news(&m, fds);
        cvy_status seen = look(&m, e);
        if (status == CVY_OK) status = seen;
    }
    settle(&m);
    if (o->sweep_dir) record(&m, o->sweep_dir, NULL);
    if (o->recorder) {
        errors warnings = {0};
        recorder_flush(o->recorder, &warnings);
        if (warnings.n) tell(&m, SUPERVISE_WARNING, NULL, &warnings);
    }
    server_close(m.server);
    close(m.lifeline);
    close(m.lifeline_end);
    mem_free(m.workers);
    mem_free(m.cores);
    mem_free(fds);
    if (m.asked > 1) return CVY_FORCED;
    if (m.asked && status == CVY_OK) return CVY_STOPPED;
    return status == CVY_OK && m.failing ? CVY_ERR_SOME : status;
}

cvy_status supervise_run(const supervise_options *o, trial *trials, size_t n, errors *e)
{
    agenda g = agenda_list(trials, n);
    return supervise_agenda(o, &g, e);
}
