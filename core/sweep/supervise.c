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

#define LOOK   0.1 /* seconds between two looks at the journals */
#define RECORD 1.0 /* seconds between two ways to the database */

typedef struct worker {
    trial *t; /* NULL: idle */
    process child;
    journal *events; /* NULL when they cannot be written */
    int64_t attempt;
    int output;           /* output.txt */
    int64_t output_begin; /* what is before is of earlier attempts */
} worker;

typedef struct team {
    const supervise_options *o;
    worker *workers;
    size_t n, running;
    int lifeline, lifeline_end; /* read by the children; held by us */
    int asked;                  /* interrupts already passed on */
    double recorded;
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

static void record(team *m, const char *dir, const trial *t)
{
    errors warnings = {0};
    if (!m->o->recorder) return;
    recorder_take(m->o->recorder, dir, &warnings);
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
    const char *argv[12];
    size_t n = 0;
    argv[n++] = o->program;
    argv[n++] = "trial";
    argv[n++] = w->t->dir;
    argv[n++] = "--threads";
    argv[n++] = arena_printf(&a, "%lld", (long long)o->threads);
    argv[n++] = "--lifeline";
    argv[n++] = arena_printf(&a, "%d", PROCESS_PASSED);
    if (w->t->inexact) argv[n++] = "--inexact";
    argv[n] = NULL;
    process_options po = {.argv = argv,
                          .input = -1,
                          .output = w->output,
                          .messages = w->output,
                          .pass = m->lifeline,
                          .threads = o->threads,
                          .crowded = o->workers * o->threads > process_cores()};
    cvy_status status = process_start(&po, &w->child, e);
    arena_free(&a);
    return status;
}

static cvy_status start(team *m, worker *w, trial *t, errors *e)
{
    cvy_status status = t->dir ? CVY_OK : trial_make_run(t, m->o->origin, e);
    if (status != CVY_OK) return status;
    *w = (worker){.t = t, .output = -1};
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
    t->state = TRIAL_RUNNING;
    m->running++;
    tell(m, SUPERVISE_STARTED, t, NULL);
    record(m, t->dir, t);
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

static void finish(team *m, worker *w)
{
    trial *t = w->t;
    errors found = {0};
    t->seconds = w->child.seconds;
    if (w->events) {
        record_exit(w->events, w->attempt, w->child.code, w->child.signal, w->child.seconds, &found);
        journal_close(w->events);
    }
    tell_as_warnings(m, t, &found);
    if (follow_read(t->journals)) tell(m, SUPERVISE_PROGRESS, t, NULL);
    judge(w);
    close(w->output);
    process_free(&w->child);
    w->t = NULL;
    m->running--;
    record(m, t->dir, t);
    tell(m, SUPERVISE_ENDED, t, NULL);
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

static void look(team *m)
{
    bool time_to_record = process_now() - m->recorded >= RECORD;
    for (size_t i = 0; i < m->n; i++) {
        worker *w = &m->workers[i];
        if (!w->t) continue;
        if (process_ended(&w->child)) {
            finish(m, w);
            continue;
        }
        if (follow_read(w->t->journals)) tell(m, SUPERVISE_PROGRESS, w->t, NULL);
        if (time_to_record) record(m, w->t->dir, w->t);
    }
    if (!time_to_record) return;
    if (m->o->sweep_dir) record(m, m->o->sweep_dir, NULL);
    m->recorded = process_now();
}

static worker *idle(team *m)
{
    for (size_t i = 0; i < m->n; i++)
        if (!m->workers[i].t) return &m->workers[i];
    return NULL;
}

cvy_status supervise_run(const supervise_options *o, trial *trials, size_t n, errors *e)
{
    team m = {.o = o, .n = (size_t)o->workers};
    if (m.n > n) m.n = n;
    m.lifeline = process_lifeline(&m.lifeline_end, e);
    if (m.lifeline < 0) return CVY_ERR_RESOURCE;
    m.workers = mem_array(m.n + 1, sizeof *m.workers);
    struct pollfd *fds = mem_array(m.n + 1, sizeof *fds);
    cvy_status status = CVY_OK;
    size_t next = 0;
    for (;;) {
        pass_on(&m);
        while (status == CVY_OK && !m.asked && m.running < m.n && next < n) {
            trial *t = &trials[next++];
            if (t->state == TRIAL_WAITING) status = start(&m, idle(&m), t, e);
            if (interrupt_count()) break;
        }
        if (!m.running && (status != CVY_OK || m.asked || next == n)) break;
        wait_for_news(&m, fds);
        look(&m);
    }
    if (o->sweep_dir) record(&m, o->sweep_dir, NULL);
    close(m.lifeline);
    close(m.lifeline_end);
    mem_free(m.workers);
    mem_free(fds);
    if (m.asked > 1) return CVY_FORCED;
    if (m.asked && status == CVY_OK) return CVY_STOPPED;
    return status;
}
