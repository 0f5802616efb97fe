/* Owns the chart of what configurations, or the values of one parameter, came to: mean and interval over the seeds, and each seed. */
#include "report/chart_search.h"

#include <math.h>

#include "report/chart_axis.h"
#include "report/chart_judge.h"
#include "report/factor.h"
#include "report/names.h"
#include "report/spelling.h"

enum {
    LABEL = 40,      /* characters */
    LEVELS = 24,     /* shown without being asked for more */
    NAMES_WIDTH = 70 /* characters of all names beside each other; more, and they go down the side */
};

typedef struct final {
    const chart_judged *j;
    factor f;
    statistics *of; /* one per level shown */
    size_t shown;
    bool down; /* names go down the side */
    arena *a;
} final;

static size_t characters(const char *s)
{
    size_t n = 0;
    for (; *s; s++) n += ((unsigned char)*s & 0xC0) != 0x80;
    return n;
}

/* Bars tell a value by their length, so they begin at 0; where that leaves nothing to see of the differences, there are points. */
static bool bars_tell(const final *c)
{
    double least = (double)INFINITY, low = least, high = -least;
    for (size_t i = 0; i < c->shown; i++) {
        const statistics *s = &c->of[i];
        if (!s->n) continue;
        least = fmin(least, s->mean);
        low = fmin(low, s->n > 1 ? s->mean - s->half : s->mean);
        high = fmax(high, s->n > 1 ? s->mean + s->half : s->mean);
    }
    return !c->down && least >= 0 && high - low >= 0.2 * high;
}

/* The values of the single seeds, beside each other around their level. */
static figure_mark seeds_mark(const final *c)
{
    size_t room = 1;
    for (size_t i = 0; i < c->shown; i++) room += c->f.levels[i].n_means;
    double *at = arena_array(c->a, room, sizeof *at), *v = arena_array(c->a, room, sizeof *v);
    size_t n = 0;
    for (size_t i = 0; i < c->shown; i++)
        for (size_t k = 0; k < c->f.levels[i].n_means; k++) {
            const factor_mean *m = &c->f.levels[i].means[k];
            double off = c->f.n_seeds > 1 ? 0.24 * ((double)m->seed / (double)(c->f.n_seeds - 1) - 0.5) : 0;
            at[n] = (double)(c->down ? c->shown - 1 - i : i) + off;
            v[n++] = m->value;
        }
    figure_mark m = {.kind = FIGURE_POINTS,
                     .label = arena_printf(c->a, "each %s", repeats_noun(&c->f.repeats)),
                     .colour = FIGURE_BLACK,
                     .faint = true,
                     .n = n};
    m.x = c->down ? v : at;
    m.y = c->down ? at : v;
    return m;
}

static size_t add_means(const final *c, bool bars, figure_mark *marks)
{
    const size_t room = c->shown + 1;
    double *at = arena_array(c->a, room, sizeof *at), *mean = arena_array(c->a, room, sizeof *mean),
           *low = arena_array(c->a, room, sizeof *low), *high = arena_array(c->a, room, sizeof *high);
    const char **names = arena_array(c->a, room, sizeof *names);
    size_t n = 0, marked = 0;
    for (size_t i = 0; i < c->shown; i++) {
        const statistics *s = &c->of[i];
        if (!s->n) continue;
        double half = s->n > 1 ? s->half : 0;
        at[n] = (double)(c->down ? c->shown - 1 - i : i);
        mean[n] = s->mean;
        low[n] = s->mean - half;
        high[n] = s->mean + half;
        names[n++] = c->f.levels[i].g.label;
    }
    if (c->down) {
        marks[marked++] = (figure_mark){.kind = FIGURE_SEGMENTS,
                                        .label = c->f.n_seeds > 1 ? "95 % interval" : NULL,
                                        .x = low,
                                        .y = at,
                                        .x2 = high,
                                        .y2 = at,
                                        .n = n};
        marks[marked++] =
            (figure_mark){.kind = FIGURE_POINTS, .label = "mean", .x = mean, .y = at, .names = names, .n = n};
    } else {
        marks[marked++] = (figure_mark){.kind = bars ? FIGURE_BARS : FIGURE_POINTS,
                                        .label = "mean",
                                        .x = at,
                                        .y = mean,
                                        .low = low,
                                        .high = high,
                                        .names = names,
                                        .n = n};
    }
    return marked;
}

/* The best come first, but values that are numbers stand in their own order. */
static void sort_numbers(final *c)
{
    double v, before;
    for (size_t i = 0; i < c->shown; i++)
        if (!spelling_value(c->f.levels[i].g.label, &v)) return;
    for (size_t i = 1; i < c->shown; i++)
        for (size_t k = i; k > 0; k--) {
            if (!spelling_value(c->f.levels[k - 1].g.label, &before) ||
                !spelling_value(c->f.levels[k].g.label, &v) || before <= v)
                break;
            const factor_level l = c->f.levels[k];
            const statistics of = c->of[k];
            c->f.levels[k] = c->f.levels[k - 1];
            c->of[k] = c->of[k - 1];
            c->f.levels[k - 1] = l;
            c->of[k - 1] = of;
        }
}

static const char *caption_of(final *c, bool bars)
{
    text t = {0};
    size_t least = SIZE_MAX, most = 0;
    for (size_t i = 0; i < c->shown; i++) {
        if (c->of[i].n < least) least = c->of[i].n;
        if (c->of[i].n > most) most = c->of[i].n;
    }
    const repeated *of = &c->f.repeats;
    chart_judge_say_mean(&t, of, least, most, "mean and 95 % interval (Student's t)", "no interval");
    if (c->f.n_blocks > 1 && *c->f.across)
        chart_judge_say(&t, "each %s the mean over %s", repeats_noun(of), c->f.across);
    if (!bars) chart_judge_say(&t, "the axis does not begin at 0");
    if (c->shown < c->f.n) chart_judge_say(&t, "the best %zu of %zu", c->shown, c->f.n);
    chart_judge_say_silent(&t, c->j);
    const char *s = arena_text(c->a, text_str(&t));
    text_free(&t);
    return s;
}

cvy_status chart_final(store *s, const chart_request *r, arena *a, figure *out, errors *e)
{
    chart_judged j;
    final c = {.j = &j, .a = a};
    cvy_status status = chart_judge(s, r, a, &j, e);
    if (status == CVY_OK) status = factor_make(s, j.runs, j.n, r->by, judge_best, j.maximize, a, &c.f, e);
    if (status != CVY_OK) return status;
    const size_t most = r->most ? r->most : LEVELS;
    c.of = arena_array(a, c.f.n + 1, sizeof *c.of);
    while (c.shown < c.f.n && c.shown < most) {
        statistics of = factor_statistics(&c.f, &c.f.levels[c.shown], judge_best);
        if (!of.n) break; /* the best come first: nobody behind has a value */
        c.of[c.shown++] = of;
    }
    const char **names = arena_array(a, c.shown + 1, sizeof *names);
    for (size_t i = 0; i < c.shown; i++) names[i] = c.f.levels[i].g.label;
    names_tidy(names, c.shown, a);
    for (size_t i = 0; i < c.shown; i++) c.f.levels[i].g.label = names[i];
    sort_numbers(&c);
    for (size_t i = 0; i < c.shown; i++) names[i] = c.f.levels[i].g.label;
    names_cut(names, c.shown, LABEL, a);
    size_t width = 0;
    for (size_t i = 0; i < c.shown; i++) width += 2 + characters(names[i]);
    c.down = width > NAMES_WIDTH;
    for (size_t i = 0; c.down && i < c.shown; i++) {
        const group *g = &c.f.levels[i].g; /* a run alone can be called by its name too */
        names[c.shown - 1 - i] = g->n == 1 ? arena_printf(a, "%s: %s", g->runs[0]->name, g->label) : g->label;
    }
    if (c.down) names_cut(names, c.shown, LABEL, a);
    /* Bars begin at 0, where no logarithm does. */
    const bool bars = !r->log_y && bars_tell(&c);
    figure_mark *marks = arena_array(a, 4, sizeof *marks);
    figure_panel *p = arena_array(a, 1, sizeof *p);
    p->n = add_means(&c, bars, marks);
    if (c.f.n_seeds > 1) marks[p->n++] = seeds_mark(&c);
    p->marks = marks;
    figure_axis levels = chart_axis_names(c.down ? NULL : r->by, names, c.shown),
                value = chart_axis_plain(j.label);
    levels.low = -0.6;
    levels.high = (double)c.shown - 0.4;
    if (j.unit == 100) value.most = 100;
    if (bars) value.low = 0;
    value.log = r->log_y;
    p->x = c.down ? value : levels;
    p->y = c.down ? levels : value;
    *out = (figure){.title = r->title,
                    .caption = caption_of(&c, bars),
                    .panels = p,
                    .n = 1,
                    .columns = 1,
                    .key = c.f.n_seeds > 1};
    return CVY_OK;
}
