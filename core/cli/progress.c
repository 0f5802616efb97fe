/* Owns the progress bar; must not know what progresses. */
#include "cli/progress.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "cli/width.h"

#define REDRAW  0.1 /* seconds between two drawings: more is flicker and time taken from training */
#define STRETCH 1.0 /* seconds over which a rate is measured */
#define SMOOTH  0.3 /* weight of the newest stretch */

enum { BAR_LEAST = 10, BAR_MOST = 30 };

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

progress progress_open(const common *c, const char *unit)
{
    const char *term = getenv("TERM");
    bool on = isatty(STDERR_FILENO) && !(c && c->quiet) && term && strcmp(term, "dumb") != 0;
    return (progress){.on = on, .unit = unit, .since = now()};
}

static void measure(progress *p, double t, int64_t done)
{
    double seconds = t - p->since;
    if (done < p->since_done) {
        p->since = t;
        p->since_done = done;
    } else if (seconds >= STRETCH && done > p->since_done) {
        double rate = (double)(done - p->since_done) / seconds;
        p->rate = p->rate > 0 ? p->rate + SMOOTH * (rate - p->rate) : rate;
        p->since = t;
        p->since_done = done;
    }
}

static void add_duration(text *t, double seconds)
{
    if (!(seconds < 3600.0 * 24 * 1000)) {
        text_add(t, "long");
        return;
    }
    long s = (long)(seconds + 0.5);
    if (s >= 24 * 3600)
        text_printf(t, "%ldd %ldh", s / 86400, s / 3600 % 24);
    else if (s >= 3600)
        text_printf(t, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
    else
        text_printf(t, "%ld:%02ld", s / 60, s % 60);
}

static void add_rate(text *t, double rate, const char *unit)
{
    if (rate < 10)
        text_printf(t, "  %.2g %s/s", rate, unit);
    else
        text_add(t, "  "), text_count(t, (int64_t)(rate + 0.5)), text_printf(t, " %s/s", unit);
}

static void add_bar(text *t, double share, size_t cells)
{
    size_t full = (size_t)(share * (double)cells);
    text_add(t, " [");
    for (size_t i = 0; i < cells; i++) text_char(t, i < full ? '#' : '-');
    text_char(t, ']');
}

void progress_line(const progress *p, int64_t done, int64_t total, const char *label, size_t width, text *out)
{
    double share = total > 0 ? (double)done / (double)total : 0;
    share = share < 0 ? 0 : share > 1 ? 1 : share;
    text left = {0}, right = {0};
    text_safe(&left, label, SIZE_MAX);
    if (total > 0) text_printf(&right, " %3d%%", (int)(100 * share));
    if (p->rate > 0) {
        add_rate(&right, p->rate, p->unit);
        if (total > done) {
            text_add(&right, "  ETA ");
            add_duration(&right, (double)(total - done) / p->rate);
        }
    }
    /* The last column stays free: writing it makes some terminals go to the next line. */
    size_t room = width > 1 ? width - 1 : 0, tail = right.n;
    if (tail > room) {
        tail = 0;
        text_free(&right);
    }
    size_t label_width = width_of(text_str(&left)), spare = room - tail;
    if (label_width > spare) {
        left.n = width_cut(text_str(&left), spare);
        left.s[left.n] = 0;
    } else if (spare - label_width >= BAR_LEAST + 3 && total > 0) {
        size_t cells = spare - label_width - 3;
        add_bar(&left, share, cells > BAR_MOST ? BAR_MOST : cells);
    }
    text_add(out, text_str(&left));
    text_add(out, text_str(&right));
    text_free(&left);
    text_free(&right);
}

static size_t terminal_width(void)
{
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

static void put(const text *t)
{
    /* A terminal that has gone away is noticed by others; the bar is not worth a message. */
    (void)!write(STDERR_FILENO, text_str(t), t->n);
}

void progress_update(progress *p, int64_t done, int64_t total, const char *label)
{
    if (!p->on) return;
    double t = now();
    measure(p, t, done);
    if (p->visible && t - p->drawn < REDRAW && done < total) return;
    text line = {0};
    text_char(&line, '\r');
    progress_line(p, done, total, label, terminal_width(), &line);
    text_add(&line, "\x1b[K");
    put(&line);
    text_free(&line);
    p->drawn = t;
    p->visible = true;
}

void progress_clear(progress *p)
{
    if (!p->visible) return;
    text line = {0};
    text_add(&line, "\r\x1b[K");
    put(&line);
    text_free(&line);
    p->visible = false;
}
