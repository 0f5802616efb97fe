/* Owns how training trials look while they train; must not know where they are read from. */
#include "cli/live.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/memory.h"
#include "cli/progress.h"
#include "cli/results.h"
#include "cli/width.h"
#include "sweep/process.h"

enum { CURVE = 16, BAR = 10, ROWS = 16, LINE_BYTES = 4000 };
#define EVERY 0.25 /* seconds between two drawings */

bool live_unicode(void)
{
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    for (size_t i = 0; i < 3; i++) {
        const char *v = getenv(names[i]);
        if (v && *v)
            return strstr(v, "UTF-8") || strstr(v, "utf8") || strstr(v, "utf-8") || strstr(v, "UTF8");
    }
    return false;
}

/* ---- what it comes to ---- */

typedef struct sums {
    size_t counts[TRIAL_KILLED + 1];
    double images, done, rate; /* planned, trained, per second now */
    bool any;                  /* a best one */
    size_t best;
    follow_point best_at;
} sums;

static double images_of(const live_trial *t)
{
    return (double)t->epochs * (double)t->samples;
}

static double share_of(const live_trial *t)
{
    const double steps = (double)t->epochs * (double)t->steps_per_epoch;
    return t->f && steps > 0 ? fmin(1, (double)t->f->step / steps) : 0;
}

static double rate_of(const live_trial *t)
{
    const follow_point *p = t->f ? follow_last(&t->f->measured, "images_per_second") : NULL;
    return p ? p->value : 0;
}

static bool is_over(trial_state s)
{
    return s == TRIAL_KNOWN || s == TRIAL_REFUSED || s == TRIAL_FINISHED || s == TRIAL_PRUNED ||
           s == TRIAL_FAILED || s == TRIAL_KILLED;
}

static follow_point best_of(const live_board *b, const live_trial *t)
{
    follow_point none = {.epoch = t->best_epoch, .value = t->best};
    if (!t->f) return none;
    const follow_point *p = follow_best(t->f, b->metric.name, b->metric.maximize);
    none.value = (double)NAN;
    return p ? *p : none;
}

static sums sum_up(const live_board *b)
{
    sums s = {0};
    double known = 0, of = 0, open = 0, done = 0;
    for (size_t i = 0; i < b->n; i++) {
        const live_trial t = b->at(b->of, i);
        s.counts[t.state]++;
        const double images = images_of(&t), share = is_over(t.state) ? 1 : share_of(&t);
        if (t.epochs > 0) /* what the others will take, nobody knows yet */
            known += images, of++, s.done += images * share;
        else
            open++, done += share;
        const follow_point p = best_of(b, &t);
        if (!isnan(p.value) &&
            (!s.any || (b->metric.maximize ? p.value > s.best_at.value : p.value < s.best_at.value))) {
            s.any = true;
            s.best = i;
            s.best_at = p;
        }
        if (t.state == TRIAL_RUNNING) s.rate += rate_of(&t);
    }
    const double usual = of > 0 ? known / of : 0;
    s.images = known + open * usual;
    s.done += done * usual;
    return s;
}

/* ---- pieces ---- */

static const follow_metric *curve_of(const live_trial *t, const char *name)
{
    for (size_t i = 0; t->f && i < t->f->epochs.n; i++)
        if (!strcmp(t->f->epochs.items[i].name, name)) return &t->f->epochs.items[i];
    return NULL;
}

/* The last epochs, from the least to the largest of them. */
static void sparkline(text *out, const live_trial *t, const char *name, bool unicode)
{
    static const char *const blocks[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    static const char ascii[] = "_.-~=+*#";
    const follow_metric *m = curve_of(t, name);
    size_t n = m ? m->n : 0, from = n > CURVE ? n - CURVE : 0, width = 0;
    double least = HUGE_VAL, most = -HUGE_VAL;
    for (size_t i = from; i < n; i++) {
        double v = m->points[i].value;
        if (!isfinite(v)) continue;
        least = fmin(least, v);
        most = fmax(most, v);
    }
    for (size_t i = from; i < n; i++, width++) {
        double v = m->points[i].value, at = most > least ? (v - least) / (most - least) : 0.5;
        size_t level = isfinite(v) ? (size_t)(at * 7.999) : 0;
        if (unicode)
            text_add(out, blocks[level]);
        else
            text_char(out, ascii[level]);
    }
    while (width++ < CURVE) text_char(out, ' ');
}

static void bar(text *out, double share, bool unicode)
{
    int full = (int)(share * BAR + 0.5);
    for (int i = 0; i < BAR; i++) text_add(out, i < full ? unicode ? "█" : "#" : unicode ? "░" : ".");
}

static void put_line(text *out, const text *line, size_t width)
{
    text safe = {0};
    text_safe(&safe, text_str(line), LINE_BYTES);
    text_add_n(out, text_str(&safe), width_cut(text_str(&safe), width));
    text_char(out, '\n');
    text_free(&safe);
}

static void head(const live_board *b, const sums *s, text *line)
{
    static const trial_state shown[] = {TRIAL_RUNNING, TRIAL_PAUSED, TRIAL_WAITING,
                                        TRIAL_OPEN,    TRIAL_PRUNED, TRIAL_STOPPED,
                                        TRIAL_REFUSED, TRIAL_FAILED, TRIAL_KILLED};
    size_t done = s->counts[TRIAL_FINISHED] + s->counts[TRIAL_KNOWN] + s->counts[TRIAL_PRUNED];
    text_printf(line, "%s %s: %zu of %zu done", b->name, b->experiment ? b->experiment : "", done, b->n);
    for (size_t i = 0; i < sizeof shown / sizeof *shown; i++)
        if (s->counts[shown[i]])
            text_printf(line, ", %zu %s", s->counts[shown[i]],
                        shown[i] == TRIAL_OPEN ? "to be chosen" : trial_state_name(shown[i]));
    if (b->stopped && !s->counts[TRIAL_RUNNING])
        text_add(line, "; nobody works on it");
    else if (s->rate > 0 && s->images > s->done) {
        text_add(line, ", ");
        results_duration(line, (s->images - s->done) / s->rate);
        text_add(line, " left");
    }
}

static void row(const live_board *b, const live_trial *t, const char *label, size_t label_width, bool unicode,
                text *line)
{
    const follow_point *last = t->f ? follow_last(&t->f->epochs, b->metric.name) : NULL;
    int64_t epoch = t->f ? t->f->epoch : 0;
    size_t taken = width_cut(label, label_width);
    text_printf(line, "%-5s %.*s%*s ", *t->run.s ? t->run.s : "-", (int)taken, label,
                (int)(label_width - width_of(label) < label_width ? label_width - width_of(label) : 0), "");
    bar(line, share_of(t), unicode);
    text_printf(line, " %4lld/%-4lld ", (long long)epoch, (long long)t->epochs);
    sparkline(line, t, b->metric.name, unicode);
    text_char(line, ' ');
    if (last) results_metric(line, b->metric.name, last->value);
    if (rate_of(t) > 0) {
        text_add(line, "  ");
        text_count(line, (int64_t)(rate_of(t) + 0.5));
        text_add(line, " images/s");
    }
}

void live_text(const live_board *b, size_t width, size_t most, bool unicode, bool colour, text *out)
{
    const sums s = sum_up(b);
    text line = {0};
    head(b, &s, &line);
    if (colour) text_add(out, "\033[1m");
    put_line(out, &line, width);
    if (colour) text_add(out, "\033[0m");
    text_free(&line);
    size_t shown = 0, label_width = 0;
    text label = {0};
    for (size_t i = 0; i < b->n; i++) {
        if (b->at(b->of, i).state != TRIAL_RUNNING) continue;
        b->label(b->of, i, &label);
        if (width_of(text_str(&label)) > label_width) label_width = width_of(text_str(&label));
        text_free(&label);
    }
    if (label_width > 28) label_width = 28;
    for (size_t i = 0; i < b->n && shown < most; i++) {
        const live_trial t = b->at(b->of, i);
        if (t.state != TRIAL_RUNNING && b->n > 1) continue;
        b->label(b->of, i, &label);
        row(b, &t, text_str(&label), label_width, unicode, &line);
        text_free(&label);
        put_line(out, &line, width);
        text_free(&line);
        shown++;
    }
    if (!s.any) return;
    text_printf(&line, "best  %s ", b->metric.name);
    results_metric(&line, b->metric.name, s.best_at.value);
    b->label(b->of, s.best, &label);
    text_printf(&line, "  %s%s%s, epoch %lld", b->at(b->of, s.best).run.s, label.n ? " " : "",
                text_str(&label), (long long)s.best_at.epoch);
    text_free(&label);
    put_line(out, &line, width);
    text_free(&line);
}

void live_json(const live_board *b, json_writer *w)
{
    const sums s = sum_up(b);
    json_open(w, '{');
    json_put_text(w, "name", b->name);
    json_put_text(w, "experiment", b->experiment);
    json_put_text(w, "metric", b->metric.name);
    json_put_int(w, "trials", (int64_t)b->n);
    json_key(w, "counts");
    json_open(w, '{');
    for (int i = 0; i <= TRIAL_KILLED; i++)
        if (s.counts[i])
            json_put_int(w, i == TRIAL_KNOWN ? "known" : trial_state_name((trial_state)i),
                         (int64_t)s.counts[i]);
    json_close(w, '}');
    results_put_double(w, "share", s.images > 0 ? s.done / s.images : (double)NAN);
    results_put_double(w, "images_per_second", s.rate);
    results_put_double(w, "seconds_left", s.rate > 0 ? (s.images - s.done) / s.rate : (double)NAN);
    json_put_text(w, "best_run", s.any ? b->at(b->of, s.best).run.s : NULL);
    results_put_double(w, "best", s.any ? s.best_at.value : (double)NAN);
    json_key(w, "running");
    json_open(w, '[');
    for (size_t i = 0; i < b->n; i++) {
        const live_trial one = b->at(b->of, i), *t = &one;
        if (t->state != TRIAL_RUNNING) continue;
        text label = {0};
        b->label(b->of, i, &label);
        json_open(w, '{');
        json_put_text(w, "run", *t->run.s ? t->run.s : NULL);
        json_put_text(w, "label", text_str(&label));
        text_free(&label);
        json_put_int(w, "epoch", t->f ? t->f->epoch : 0);
        json_put_int(w, "epochs", t->epochs);
        results_put_double(w, "share", share_of(t));
        results_put_double(w, "images_per_second", rate_of(t));
        json_key(w, "curve");
        json_open(w, '[');
        const follow_metric *m = curve_of(t, b->metric.name);
        for (size_t k = 0; m && k < m->n; k++) json_double(w, m->points[k].value);
        json_close(w, ']');
        json_close(w, '}');
    }
    json_close(w, ']');
    json_close(w, '}');
}

/* ---- the screen ---- */

live_screen live_open(const common *c)
{
    const char *term = getenv("TERM");
    return (live_screen){.on = isatty(STDERR_FILENO) && !c->quiet && term && strcmp(term, "dumb") != 0};
}

void live_clear(live_screen *s)
{
    if (!s->on || !s->lines) return;
    fprintf(stderr, "\r\033[%zuA\033[J", s->lines);
    fflush(stderr);
    s->lines = 0;
}

void live_draw(live_screen *s, const common *c, const live_board *b, bool now)
{
    if (!s->on || (!now && process_now() - s->drawn < EVERY)) return;
    struct winsize size;
    bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
    size_t width = known ? size.ws_col : 80, height = known && size.ws_row > 4 ? size.ws_row - 3u : ROWS;
    text out = {0};
    live_text(b, width, height < ROWS ? height : ROWS, live_unicode(), cli_colour(c, stderr), &out);
    if (s->lines) fprintf(stderr, "\r\033[%zuA\033[J", s->lines);
    fputs(text_str(&out), stderr);
    fflush(stderr);
    s->lines = 0;
    for (size_t i = 0; i < out.n; i++) s->lines += out.s[i] == '\n';
    text_free(&out);
    s->drawn = process_now();
}
