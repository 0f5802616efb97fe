/* `convoy watch`: a sweep or a run as it trains, read from its journals; nothing is locked, and leaving changes nothing. */
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "cli/live.h"
#include "journal/journal.h"
#include "sweep/interrupt.h"
#include "sweep/process.h"
#include "sweep/runs.h"
#include "sweep/sweeps.h"

enum { EVERY_MS = 500 };

typedef struct options {
    bool once;
} options;

static const option_row rows[] = {
    OPTION(options, once, 0, OPTION_FLAG, NULL, "print how it stands and leave"),
};

typedef struct watched {
    const common *c;
    arena memory;
    const char *name;
    char *dir;
    sweep *w; /* NULL for a run */
    journal_reader events;
    char *events_path;
    unsigned part;
    follow **runs; /* of the trials; NULL: none yet */
    bool *over;
    live_trial *trials;
    const char **labels; /* of those that were told later; NULL: in the book */
    size_t n, per;
    live_board board;
} watched;

static void take_run(watched *x, size_t i, const char *run)
{
    trial_name name;
    snprintf(name.s, sizeof name.s, "%s", run);
    if (!strcmp(x->trials[i].run.s, name.s)) return;
    follow_close(x->runs[i]);
    char *dir = path_join(x->c->results, run);
    x->runs[i] = follow_open(dir);
    x->over[i] = false;
    x->trials[i].run = name;
    x->trials[i].f = x->runs[i];
    mem_free(dir);
}

/* ---- a sweep ---- */

static void take_event(watched *x, const json *v)
{
    const char *t = json_get_text(v, "t", "");
    int64_t config = json_get_int(v, "trial", -1), repeat = json_get_int(v, "repeat", 0);
    const char *run = json_get_text(v, "run", NULL);
    if (!strcmp(t, "decision") && run) {
        size_t from = 0, to = x->n; /* the first that is not before it: they are in order */
        while (from < to) {
            const size_t middle = (from + to) / 2;
            const trial *one = &x->w->trials[middle];
            if (one->config < config || (one->config == config && one->repeat < repeat))
                from = middle + 1;
            else
                to = middle;
        }
        if (from < x->n && x->w->trials[from].config == config && x->w->trials[from].repeat == repeat)
            take_run(x, from, run);
    } else if (!strcmp(t, "proposed") && x->per) {
        const json *members = json_get(v, "members"), *plans = json_get(v, "plans");
        for (size_t k = 0; members && members->kind == JSON_ARRAY && k < members->n && k < x->per; k++) {
            size_t i = (size_t)config * x->per + k;
            if (config < 0 || i >= x->n) break;
            plan p = {0};
            const json *line = plans && plans->kind == JSON_ARRAY && k < plans->n ? plans->items[k] : NULL;
            x->labels[i] = arena_text(&x->memory, json_get_text(members->items[k], "label", ""));
            x->trials[i].state = TRIAL_WAITING;
            if (!line || line->kind != JSON_TEXT || !plan_read(line->s, line->n, &p)) continue;
            x->trials[i].epochs = p.epochs;
            x->trials[i].steps_per_epoch = p.steps_per_epoch;
            x->trials[i].samples = p.train_samples;
            plan_free(&p);
        }
    }
}

static void read_events(watched *x)
{
    char *base = path_join(x->dir, "events");
    for (;;) {
        arena a = {0};
        while (x->events.fd >= 0 && journal_next(&x->events) == JOURNAL_RECORD) {
            const json *v = json_parse(&a, x->events.payload, x->events.n, NULL, NULL);
            if (v) take_event(x, v);
        }
        arena_free(&a);
        char *next = journal_part(base, x->part + 1);
        journal_reader r;
        if (!next || journal_open(&r, next, 0, NULL) != CVY_OK) {
            mem_free(next);
            break;
        }
        journal_end(&x->events);
        mem_free(x->events_path);
        x->events = r;
        x->events.path = x->events_path = next;
        x->part++;
    }
    mem_free(base);
}

static void open_sweep(watched *x)
{
    sweep *w = x->w;
    x->n = w->n;
    x->per = w->per > 0 ? (size_t)w->per : 0;
    x->board.experiment = w->experiment;
    x->board.metric = w->metric;
    x->trials = mem_array(x->n + 1, sizeof *x->trials);
    for (size_t i = 0; i < x->n; i++) {
        const book_facts *f = trial_facts(&w->trials[i]);
        x->trials[i] = (live_trial){.state = w->trials[i].state,
                                    .epochs = f->epochs,
                                    .steps_per_epoch = f->steps_per_epoch,
                                    .samples = f->train_samples,
                                    .best = (double)NAN};
    }
}

static trial_state state_of(const follow *f, trial_state planned)
{
    static const trial_state states[] = {[FOLLOW_PLANNED] = TRIAL_WAITING,   [FOLLOW_RUNNING] = TRIAL_RUNNING,
                                         [FOLLOW_FINISHED] = TRIAL_FINISHED, [FOLLOW_PAUSED] = TRIAL_PAUSED,
                                         [FOLLOW_PRUNED] = TRIAL_PRUNED,     [FOLLOW_STOPPED] = TRIAL_STOPPED,
                                         [FOLLOW_FAILED] = TRIAL_FAILED,     [FOLLOW_KILLED] = TRIAL_KILLED};
    return f ? states[follow_state_of(f)] : planned;
}

/* ---- either ---- */

static live_trial trial_at(const void *of, size_t i)
{
    return ((const watched *)of)->trials[i];
}

static void label_at(const void *of, size_t i, text *out)
{
    const watched *x = of;
    if (x->labels[i] || !x->w) {
        text_add(out, x->labels[i] ? x->labels[i] : "");
        return;
    }
    arena a = {0};
    text_add(out, trial_read_words(&x->w->trials[i], x->w->book, &a).label);
    arena_free(&a);
}

static bool open_watched(watched *x, errors *e)
{
    x->dir = path_join(x->c->results, x->name);
    x->board.name = x->name;
    x->events.fd = -1;
    const char *first = NULL; /* the label of a run */
    if (x->name[0] == 's') {
        if (!(x->w = sweeps_open(x->c->results, x->name, e))) return false;
        open_sweep(x);
    } else {
        run_info r;
        if (runs_read(x->c->results, x->name, &x->memory, &r, e) != CVY_OK) return false;
        x->n = 1;
        x->board.experiment = r.experiment;
        x->board.metric = (space_metric){r.metric, r.maximize};
        x->trials = mem_array(2, sizeof *x->trials);
        x->trials[0] = (live_trial){.epochs = r.epochs,
                                    .steps_per_epoch = r.steps_per_epoch,
                                    .samples = r.train_samples,
                                    .best = (double)NAN};
        first = r.label;
    }
    x->labels = mem_array(x->n + 1, sizeof *x->labels);
    x->labels[0] = first;
    x->runs = mem_array(x->n + 1, sizeof *x->runs);
    x->over = mem_array(x->n + 1, sizeof *x->over);
    if (!x->w) take_run(x, 0, x->name);
    x->board.at = trial_at;
    x->board.label = label_at;
    x->board.of = x;
    x->board.n = x->n;
    return true;
}

/* Whether anybody still works on it. */
static bool look(watched *x)
{
    if (x->w) read_events(x);
    bool held = runs_held(x->dir);
    for (size_t i = 0; i < x->n; i++) {
        live_trial *t = &x->trials[i];
        if (!x->runs[i] || x->over[i]) continue;
        follow_read(x->runs[i]);
        t->state = state_of(x->runs[i], t->state);
        x->over[i] = t->state == TRIAL_FINISHED || t->state == TRIAL_PRUNED;
        if (t->state != TRIAL_RUNNING) follow_rest(x->runs[i]);
    }
    bool running = held;
    for (size_t i = 0; i < x->n; i++) running = running || x->trials[i].state == TRIAL_RUNNING;
    x->board.stopped = !running;
    return running;
}

static void close_watched(watched *x)
{
    for (size_t i = 0; x->runs && i < x->n; i++) follow_close(x->runs[i]);
    journal_end(&x->events);
    mem_free(x->events_path);
    mem_free(x->runs);
    mem_free(x->over);
    mem_free(x->trials);
    mem_free(x->labels);
    mem_free(x->dir);
    sweeps_close(x->w);
    arena_free(&x->memory);
}

static void print_snapshot(const watched *x)
{
    text out = {0};
    live_text(&x->board, 200, SIZE_MAX, live_unicode(), cli_colour(x->c, stdout), &out);
    cli_print(&out);
    text_free(&out);
}

/* ---- a terminal ---- */

/* True when q was pressed. *keys: there is a terminal to press it at; what is no terminal is somebody else's to read, and one
 * that has ended would be readable for ever. */
static bool pause_for_key(bool *keys)
{
    struct pollfd fds[2] = {{*keys ? STDIN_FILENO : -1, POLLIN, 0}, {interrupt_fd(), POLLIN, 0}};
    char key = 0;
    if (poll(fds, 2, EVERY_MS) <= 0 || !fds[0].revents) return false;
    *keys = (fds[0].revents & POLLIN) && read(STDIN_FILENO, &key, 1) == 1;
    return key == 'q' || key == 'Q';
}

static void watch_screen(watched *x)
{
    struct termios before, raw;
    const bool terminal = isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &before) == 0;
    bool keys = terminal;
    if (terminal) {
        raw = before;
        raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
        tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    }
    live_screen screen = live_open(x->c);
    for (bool running = true; running && !interrupt_count();) {
        running = look(x);
        live_draw(&screen, x->c, &x->board, true);
        if (running && pause_for_key(&keys)) break;
    }
    if (terminal) tcsetattr(STDIN_FILENO, TCSANOW, &before);
}

/* Elsewhere a line for each trial that came to another state, and for each epoch of a run that is alone. */
static void watch_lines(watched *x)
{
    trial_state *told = mem_array(x->n + 1, sizeof *told);
    int64_t epoch = 0;
    for (size_t i = 0; i < x->n; i++) told[i] = x->trials[i].state;
    for (bool running = true; running && !interrupt_count();) {
        running = look(x);
        for (size_t i = 0; i < x->n; i++) {
            const live_trial *t = &x->trials[i];
            const follow_point *p = t->f ? follow_last(&t->f->epochs, x->board.metric.name) : NULL;
            bool changed = told[i] != t->state || (x->n == 1 && t->f && t->f->epoch > epoch);
            if (!changed) continue;
            told[i] = t->state;
            if (t->f) epoch = t->f->epoch;
            text line = {0}, label = {0}, safe = {0};
            label_at(x, i, &label);
            text_printf(&line, "%s %s: %s, epoch %lld/%lld", *t->run.s ? t->run.s : "-", text_str(&label),
                        trial_state_name(t->state), (long long)(t->f ? t->f->epoch : 0),
                        (long long)t->epochs);
            if (p) text_printf(&line, ", %s %.6g", x->board.metric.name, p->value);
            text_safe(&safe, text_str(&line), 4000);
            text_char(&safe, '\n');
            cli_print(&safe);
            cli_flush();
            text_free(&line);
            text_free(&label);
            text_free(&safe);
        }
        if (running) process_pause(EVERY_MS / 1000.0);
    }
    mem_free(told);
    print_snapshot(x);
}

static int run(const command *self, const common *c, void *given, int argc, char **argv)
{
    const options *o = given;
    if (argc > 1) return cli_usage(self, c, "unexpected \"%s\"", argv[1]);
    watched x = {.c = c, .events = {.fd = -1}};
    errors e = {0};
    runs_find(c->results, argc ? argv[0] : "last", &x.memory, &x.name, &e);
    if (x.name && open_watched(&x, &e)) {
        if (c->json || o->once) {
            look(&x);
            json_writer w = {0};
            if (c->json)
                live_json(&x.board, &w), cli_print_json(&w);
            else
                print_snapshot(&x);
        } else {
            interrupt_begin();
            if (live_open(c).on && isatty(STDOUT_FILENO))
                watch_screen(&x);
            else
                watch_lines(&x);
            interrupt_end();
        }
    }
    close_watched(&x);
    return cli_fail(c, &e);
}

const command cmd_watch = {
    .name = "watch",
    .summary = "Look on while a sweep or a run trains; q or Ctrl-C leaves it running",
    .usage = "convoy watch [SWEEP|RUN|last] [--once] [--json]",
    .examples = "convoy watch\n"
                "convoy watch s3\n"
                "convoy watch r12 --once",
    .options = rows,
    .n_options = sizeof rows / sizeof *rows,
    .size = sizeof(options),
    .run = run,
};
