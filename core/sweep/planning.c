/* Owns the planning child: what it is asked, how its answers are read, what becomes of it when it crashes or
 * hangs. Must not know what a plan says. */
#include "sweep/planning.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/memory.h"
#include "sweep/interrupt.h"
#include "sweep/process.h"

enum {
    LINE_MAX_BYTES = 64 << 20,
    NOISE_MAX = 1 << 20, /* bytes of lines that are no answers, before the child is given up */
    FRUITLESS_MAX = 3    /* children in a row that answer nothing: the rest would not either */
};

typedef struct session {
    const planning_options *o;
    const planning_many *many; /* whose plans they are; NULL: `plans` */
    plan *plans;
    size_t n, done; /* trials answered */
    errors *e;      /* for those who take them */
    bool unwanted;
    /* the child at work */
    process child;
    int output, talk; /* its standard output; a file with its standard error */
    text pending;     /* of a line */
    size_t noise, answered;
    double heard; /* when its last line came */
} session;

/* ---- asking ---- */

static int memory_file(const char *name, errors *e)
{
    int fd = memfd_create(name, MFD_CLOEXEC);
    if (fd < 0)
        errors_add(e, CVY_ERR_RESOURCE, NULL, NULL, "cannot make a file in memory: %s", strerror(errno));
    return fd;
}

static void put_question(json_writer *w, const planning_request *r)
{
    json_open(w, '{');
    json_key(w, "overrides");
    json_open(w, '[');
    for (size_t k = 0; k < r->n; k++) json_text(w, r->overrides[k]);
    json_close(w, ']');
    if (r->seed >= 0) json_put_int(w, "seed", r->seed);
    json_close(w, '}');
}

/* What was written so far goes into the file, but for its last byte: the writer of JSON goes by it. -1 after reporting, and closing
 * the file. */
static int put_away(int fd, text *out, errors *e)
{
    const char last[2] = {out->s[out->n - 1], '\0'};
    for (size_t written = 0; fd >= 0 && written < out->n - 1;) {
        ssize_t got = write(fd, out->s + written, out->n - 1 - written);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) {
            errors_add(e, CVY_ERR_RESOURCE, NULL, NULL, "cannot write to a file in memory: %s",
                       strerror(errno));
            close(fd);
            fd = -1;
        } else {
            written += (size_t)got;
        }
    }
    text_free(out);
    text_add(out, last);
    return fd;
}

/* The questions from number `from` on, in a file that is read from its begin. A pipe could fill and block
 * both sides. */
static int questions(const planning_many *m, size_t from, errors *e)
{
    enum { PIECE = 1 << 16 };
    json_writer w = {0};
    int fd = memory_file("convoy-questions", e);
    json_open(&w, '[');
    for (size_t i = from; i < m->n && fd >= 0; i++) {
        planning_request r = {0};
        m->ask(m->ctx, i, &r);
        put_question(&w, &r);
        if (w.out.n >= PIECE) fd = put_away(fd, &w.out, e);
    }
    json_close(&w, ']');
    text_char(&w.out, '\n');
    fd = put_away(fd, &w.out, e);
    text_free(&w.out);
    if (fd >= 0) lseek(fd, 0, SEEK_SET);
    return fd;
}

static const char **arguments(const planning_options *o, bool stays, arena *a)
{
    const char **argv = arena_array(a, 2 * o->n_plugins + 14, sizeof *argv);
    size_t n = 0;
    argv[n++] = o->program;
    argv[n++] = "planner";
    for (size_t i = 0; i < o->n_plugins; i++) {
        argv[n++] = "--plugin";
        argv[n++] = o->plugins[i];
    }
    argv[n++] = "--threads";
    argv[n++] = arena_printf(a, "%lld", (long long)o->threads);
    if (stays) argv[n++] = "--stream";
    if (o->probe) argv[n++] = "--probe";
    if (o->base) argv[n++] = "--base", argv[n++] = o->base;
    argv[n++] = "--"; /* a file may be called -x.yaml */
    argv[n++] = o->file;
    return argv;
}

/* `input`: what the child reads, closed here. */
static cvy_status start(session *s, int input, bool stays, errors *e)
{
    int ends[2] = {-1, -1};
    s->talk = input < 0 ? -1 : memory_file("convoy-talk", e);
    if (s->talk >= 0 && pipe2(ends, O_CLOEXEC) != 0)
        errors_add(e, CVY_ERR_RESOURCE, NULL, NULL, "cannot make a pipe: %s", strerror(errno));
    cvy_status status = CVY_ERR_RESOURCE;
    if (ends[0] >= 0) {
        arena a = {0};
        process_options po = {.argv = arguments(s->o, stays, &a),
                              .input = input,
                              .output = ends[1],
                              .messages = s->talk,
                              .pass = -1,
                              .threads = s->o->threads};
        status = process_start(&po, &s->child, e);
        arena_free(&a);
        close(ends[1]);
    }
    if (input >= 0) close(input);
    s->output = ends[0];
    s->heard = process_now();
    s->noise = s->answered = 0;
    return status;
}

static void end(session *s)
{
    process_signal(&s->child, SIGKILL);
    while (!process_wait(&s->child, 1)) {
    }
    process_free(&s->child);
    if (s->output >= 0) close(s->output);
    if (s->talk >= 0) close(s->talk);
    s->output = s->talk = -1;
    text_free(&s->pending);
}

/* ---- listening ---- */

static void deliver(session *s, plan p)
{
    const size_t i = s->done++;
    if (!s->many)
        s->plans[i] = p;
    else if (s->unwanted)
        plan_free(&p);
    else
        s->unwanted = !s->many->take(s->many->ctx, i, &p, s->e);
}

static void take_line(session *s, const char *line, size_t n)
{
    plan p;
    if (s->done < s->n && plan_read(line, n, &p)) {
        deliver(s, p);
        s->answered++;
        s->heard = process_now();
        if (s->o->progress) s->o->progress(s->o->ctx, s->done, s->n);
    } else {
        s->noise += n + 1; /* a plugin that prints must not spoil the answers around it */
    }
}

/* Whatever the child has said. False once it has closed its output, or when a read fails. */
static bool listen(session *s)
{
    char piece[1 << 16];
    ssize_t got = read(s->output, piece, sizeof piece);
    if (got < 0) return errno == EINTR || errno == EAGAIN;
    if (got == 0) return false;
    const char *at = piece, *stop = piece + got;
    for (const char *newline; (newline = memchr(at, '\n', (size_t)(stop - at))) != NULL; at = newline + 1) {
        text_add_n(&s->pending, at, (size_t)(newline - at));
        take_line(s, text_str(&s->pending), s->pending.n);
        text_free(&s->pending);
    }
    text_add_n(&s->pending, at, (size_t)(stop - at));
    return true;
}

typedef enum ending { ENDED, HUNG, BABBLED, INTERRUPTED, UNWANTED } ending;

/* Until the child ends, or nothing good is to be expected of it any more. */
static ending hear(session *s)
{
    double patience = s->o->patience > 0 ? s->o->patience : PLANNING_PATIENCE;
    while (s->done < s->n) {
        if (interrupt_count()) return INTERRUPTED;
        if (s->unwanted) return UNWANTED;
        double left = s->heard + patience - process_now();
        if (left <= 0) return HUNG;
        struct pollfd fds[2] = {{s->output, POLLIN, 0}, {interrupt_fd(), POLLIN, 0}};
        int ready = poll(fds, 2, left < 1 ? (int)(1000 * left) + 1 : 1000);
        if (ready > 0 && fds[0].revents && !listen(s)) return ENDED;
        if (s->noise > NOISE_MAX || s->pending.n > LINE_MAX_BYTES) return BABBLED;
    }
    return ENDED;
}

/* ---- what went wrong ---- */

static plan verdict(session *s, ending how)
{
    double patience = s->o->patience > 0 ? s->o->patience : PLANNING_PATIENCE;
    if (how == HUNG)
        return plan_failed(CVY_ERR_PLUGIN, "an endless loop in a plugin? CONVOY_PLAN_SECONDS waits longer",
                           "planning took more than %g s and was stopped", patience);
    char *words = process_last_words(s->talk, 0), *hint = words ? mem_printf("it said: %s", words) : NULL;
    text why = {0};
    process_describe(&s->child, &why);
    plan p =
        how == BABBLED ? plan_failed(CVY_ERR_PLUGIN, hint, "planning printed what is no plan and was stopped")
        : s->child.signal
            ? plan_failed(CVY_ERR_PLUGIN, hint, "plugin crashed while planning: %s", text_str(&why))
        : s->child.code == CVY_ERR_RESOURCE
            ? plan_failed(CVY_ERR_RESOURCE, hint, "planning ran out of memory or storage: %s", text_str(&why))
            : plan_failed(CVY_ERR_PLUGIN, hint, "planning ended early: %s", text_str(&why));
    text_free(&why);
    mem_free(words);
    mem_free(hint);
    return p;
}

cvy_status planning_each(const planning_options *o, const planning_many *m, errors *e)
{
    session s = {.o = o, .many = m, .n = m->n, .e = e, .output = -1, .talk = -1};
    size_t fruitless = 0;
    while (s.done < s.n) {
        if (start(&s, questions(m, s.done, e), false, e) != CVY_OK) {
            end(&s);
            return CVY_ERR_RESOURCE;
        }
        ending how = hear(&s);
        if (how == INTERRUPTED || s.unwanted) {
            end(&s);
            if (s.unwanted) return errors_status(e) ? errors_status(e) : CVY_ERR_RESOURCE;
            return errors_add(e, CVY_FORCED, NULL, NULL, "interrupted while planning: nothing was begun");
        }
        /* Its end is worth a moment: how it ended is what there is to say. */
        if (how == ENDED && s.done < s.n) process_wait(&s.child, 5);
        if (s.done < s.n && how != ENDED) process_signal(&s.child, SIGKILL);
        if (s.done < s.n) {
            while (!process_wait(&s.child, 1)) process_signal(&s.child, SIGKILL);
            fruitless = s.answered ? 0 : fruitless + 1;
            size_t cost = fruitless >= FRUITLESS_MAX ? s.n - s.done : 1;
            while (cost--) deliver(&s, verdict(&s, how));
            if (o->progress) o->progress(o->ctx, s.done, s.n);
        } else {
            process_wait(&s.child, 2);
        }
        end(&s);
    }
    if (s.unwanted) return errors_status(e) ? errors_status(e) : CVY_ERR_RESOURCE;
    return CVY_OK;
}

/* Questions and plans that lie in arrays. */
typedef struct lists {
    const planning_request *requests;
    plan *plans;
} lists;

static void ask_list(void *ctx, size_t i, planning_request *out)
{
    *out = ((const lists *)ctx)->requests[i];
}

static bool take_list(void *ctx, size_t i, plan *p, errors *e)
{
    (void)e;
    ((const lists *)ctx)->plans[i] = *p;
    return true;
}

cvy_status planning_run(const planning_options *o, const planning_request *requests, size_t n, plan *plans,
                        errors *e)
{
    lists l = {requests, plans};
    const planning_many m = {.n = n, .ask = ask_list, .take = take_list, .ctx = &l};
    for (size_t i = 0; i < n; i++) plans[i] = (plan){0};
    return planning_each(o, &m, e);
}

/* ---- a child that stays ---- */

struct planner {
    planning_options o;
    session s;
    int questions; /* write end of what the child reads; -1: there is no child */
};

planner *planning_open(const planning_options *o)
{
    planner *p = mem_alloc(sizeof *p);
    p->o = *o;
    p->o.progress = NULL;
    p->s = (session){.o = &p->o, .output = -1, .talk = -1};
    p->questions = -1;
    return p;
}

static cvy_status begin_child(planner *p, errors *e)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return errors_add(e, CVY_ERR_RESOURCE, NULL, NULL, "cannot make a pipe: %s", strerror(errno));
    cvy_status status = start(&p->s, ends[0], true, e);
    if (status == CVY_OK) {
        p->questions = ends[1];
        return CVY_OK;
    }
    close(ends[1]);
    end(&p->s);
    return status;
}

static void end_child(planner *p)
{
    if (p->questions < 0) return;
    close(p->questions);
    p->questions = -1;
    end(&p->s);
}

/* False when nobody reads any more. */
static bool put_line(const planner *p, const planning_request *r)
{
    json_writer w = {0};
    put_question(&w, r);
    text_char(&w.out, '\n');
    size_t written = 0;
    while (written < w.out.n) {
        ssize_t got = write(p->questions, w.out.s + written, w.out.n - written);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) break;
        written += (size_t)got;
    }
    bool whole = written == w.out.n;
    text_free(&w.out);
    return whole;
}

static cvy_status ask_one(planner *p, const planning_request *r, plan *out, errors *e)
{
    session *s = &p->s;
    if (p->questions < 0 && begin_child(p, e) != CVY_OK) return CVY_ERR_RESOURCE;
    s->plans = out;
    s->n = 1;
    s->done = s->noise = s->answered = 0;
    s->heard = process_now();
    ending how = put_line(p, r) ? hear(s) : ENDED;
    if (s->done) return CVY_OK;
    if (how == INTERRUPTED) {
        end_child(p);
        return CVY_FORCED;
    }
    if (how == ENDED) process_wait(&s->child, 5);
    process_signal(&s->child, SIGKILL);
    while (!process_wait(&s->child, 1)) process_signal(&s->child, SIGKILL);
    *out = verdict(s, how);
    end_child(p);
    return CVY_OK;
}

cvy_status planning_ask(planner *p, const planning_request *requests, size_t n, plan *plans, errors *e)
{
    cvy_status status = CVY_OK;
    for (size_t i = 0; i < n; i++) plans[i] = (plan){0};
    struct sigaction ignore = {.sa_handler = SIG_IGN}, before;
    sigaction(SIGPIPE, &ignore, &before); /* of a child that has just died */
    for (size_t i = 0; i < n && status == CVY_OK; i++) status = ask_one(p, &requests[i], &plans[i], e);
    sigaction(SIGPIPE, &before, NULL);
    return status;
}

void planning_close(planner *p)
{
    if (!p) return;
    end_child(p);
    mem_free(p);
}
