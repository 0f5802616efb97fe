/* Owns the chart of what a result costs: the metric against time, parameters and MACs, and the front where nobody is better for less. */
#include "report/chart_search.h"

#include <math.h>
#include <stdint.h>

#include "report/chart_axis.h"
#include "report/chart_judge.h"
#include "report/factor.h"
#include "report/measure.h"
#include "report/names.h"

enum {
    COSTS = 3,
    LEVELS = 60,
    COLOURED = 7 /* at most, with a colour each that the key names */
};

static groups_value *const costs[COSTS] = {measure_seconds, measure_parameters, measure_macs};

typedef struct cost {
    const chart_judged *j;
    factor f;
    size_t shown;
    double *cost[COSTS], *mean, *half; /* one per level */
    int *colour;                       /* one per level; FIGURE_GREY: among the others */
    figure_axis axes[COSTS];
    arena *a;
} cost;

static bool on_front(const factor_level *l, int which)
{
    return which == 0 ? l->front_time : which == 1 ? l->front_parameters : l->front_macs;
}

static bool has_point(const cost *c, int which, size_t i)
{
    return isfinite(c->cost[which][i]) && isfinite(c->mean[i]);
}

/* Levels of the front from the cheapest on. */
static size_t front_of(const cost *c, int which, size_t *order)
{
    size_t n = 0;
    for (size_t i = 0; i < c->shown; i++) {
        if (!on_front(&c->f.levels[i], which) || !has_point(c, which, i)) continue;
        size_t k = n++;
        while (k > 0 && c->cost[which][order[k - 1]] > c->cost[which][i]) order[k] = order[k - 1], k--;
        order[k] = i;
    }
    return n;
}

static figure_mark front_line(const cost *c, int which, const size_t *order, size_t n)
{
    double *x = arena_array(c->a, n + 1, sizeof *x), *y = arena_array(c->a, n + 1, sizeof *y);
    for (size_t i = 0; i < n; i++) {
        x[i] = c->cost[which][order[i]];
        y[i] = c->mean[order[i]];
    }
    return (figure_mark){.kind = FIGURE_STEPS,
                         .label = "Pareto front",
                         .colour = FIGURE_BLACK,
                         .dashed = true,
                         .x = x,
                         .y = y,
                         .n = n};
}

/* Some levels as one mark. */
static figure_mark points(const cost *c, int which, const size_t *levels, size_t n)
{
    double *x = arena_array(c->a, n + 1, sizeof *x), *y = arena_array(c->a, n + 1, sizeof *y),
           *low = arena_array(c->a, n + 1, sizeof *low), *high = arena_array(c->a, n + 1, sizeof *high);
    const char **names = arena_array(c->a, n + 1, sizeof *names);
    for (size_t i = 0; i < n; i++) {
        size_t l = levels[i];
        x[i] = c->cost[which][l];
        y[i] = c->mean[l];
        low[i] = c->half[l] > 0 ? y[i] - c->half[l] : (double)NAN; /* one seed has no interval */
        high[i] = c->half[l] > 0 ? y[i] + c->half[l] : (double)NAN;
        names[i] = c->f.levels[l].g.label;
    }
    return (figure_mark){
        .kind = FIGURE_POINTS, .x = x, .y = y, .low = low, .high = high, .names = names, .n = n};
}

/* Each its own where there are few; else those on a front, the best first. */
static void give_colours(cost *c, const chart_request *r)
{
    const group *coloured[COLOURED];
    int given[COLOURED];
    size_t at[COLOURED], n = 0;
    c->colour = arena_array(c->a, c->shown + 1, sizeof *c->colour);
    for (size_t i = 0; i < c->shown; i++) {
        const factor_level *l = &c->f.levels[i];
        const bool front = l->front_time || l->front_parameters || l->front_macs;
        c->colour[i] = FIGURE_GREY;
        if (n == COLOURED || !(front || c->shown <= COLOURED)) continue;
        coloured[n] = &l->g;
        at[n++] = i;
    }
    chart_colours_give(r->colours, r->by, coloured, n, given);
    for (size_t i = 0; i < n; i++) c->colour[at[i]] = given[i];
}

static void fill_panel(const cost *c, int which, figure_panel *p)
{
    const size_t room = c->shown + 5;
    figure_mark *marks = arena_array(c->a, room, sizeof *marks);
    size_t *front = mem_array(c->shown + 1, sizeof *front), *others = mem_array(c->shown + 1, sizeof *others);
    size_t n_front = front_of(c, which, front), n_others = 0;
    *p = (figure_panel){.x = c->axes[which], .y = chart_axis_plain(c->j->label), .marks = marks};
    if (n_front > 1) marks[p->n++] = front_line(c, which, front, n_front);
    for (int front_too = 0; front_too < 2; front_too++) {
        n_others = 0;
        for (size_t i = 0; i < c->shown; i++)
            if (has_point(c, which, i) && c->colour[i] < 0 &&
                on_front(&c->f.levels[i], which) == (front_too == 1))
                others[n_others++] = i;
        if (!n_others) continue;
        marks[p->n] = points(c, which, others, n_others);
        marks[p->n].label = "others";
        marks[p->n].colour = FIGURE_GREY;
        marks[p->n++].circled = front_too == 1;
    }
    for (size_t i = 0; i < c->shown; i++) {
        if (!has_point(c, which, i) || c->colour[i] < 0) continue;
        marks[p->n] = points(c, which, &i, 1);
        marks[p->n].label = c->f.levels[i].g.label;
        marks[p->n].colour = c->colour[i];
        marks[p->n].names = NULL; /* the key has them */
        marks[p->n++].circled = c->shown > 1 && on_front(&c->f.levels[i], which);
    }
    if (!n_front) p->said = which == 0 ? "no time was measured" : "not known of these runs";
    mem_free(front);
    mem_free(others);
}

static void tidy_labels(cost *c)
{
    const char **labels = mem_array(c->shown + 1, sizeof *labels);
    for (size_t i = 0; i < c->shown; i++) labels[i] = c->f.levels[i].g.label;
    names_tidy(labels, c->shown, c->a);
    for (size_t i = 0; i < c->shown; i++) c->f.levels[i].g.label = labels[i];
    mem_free(labels);
}

static const char *caption_of(const cost *c)
{
    text t = {0};
    const repeated *of = &c->f.repeats;
    size_t least = SIZE_MAX, most = 0;
    for (size_t i = 0; i < c->shown; i++) {
        const size_t n = c->f.levels[i].n_means;
        if (n && n < least) least = n; /* what has no value is no point */
        if (n > most) most = n;
    }
    chart_judge_say_mean(&t, of, least, most, "mean and 95 % interval", NULL);
    if (c->f.n_blocks > 1 && *c->f.across)
        chart_judge_say(&t, "each %s the mean over %s", repeats_noun(of), c->f.across);
    if (c->f.by) chart_judge_say(&t, "colours: %s", c->f.by);
    chart_judge_say(&t, "front, ringed: nobody is better at no higher cost");
    if (c->shown < c->f.n) chart_judge_say(&t, "the best %zu of %zu", c->shown, c->f.n);
    chart_judge_say_silent(&t, c->j);
    const char *s = arena_text(c->a, text_str(&t));
    text_free(&t);
    return s;
}

cvy_status chart_cost(store *s, const chart_request *r, arena *a, figure *out, errors *e)
{
    chart_judged j;
    cost c = {.j = &j, .a = a};
    cvy_status status = chart_judge(s, r, a, &j, e);
    if (status == CVY_OK) status = factor_make(s, j.runs, j.n, r->by, judge_best, j.maximize, a, &c.f, e);
    if (status != CVY_OK) return status;
    const size_t most = r->most ? r->most : LEVELS;
    c.shown = c.f.n < most ? c.f.n : most;
    c.mean = arena_array(a, c.shown + 1, sizeof *c.mean);
    c.half = arena_array(a, c.shown + 1, sizeof *c.half);
    for (size_t i = 0; i < c.shown; i++) {
        statistics of = factor_statistics(&c.f, &c.f.levels[i], judge_best);
        c.mean[i] = of.mean;
        c.half[i] = of.n > 1 ? of.half : 0;
    }
    for (int k = 0; k < COSTS; k++) {
        c.cost[k] = arena_array(a, c.shown + 1, sizeof *c.cost[k]);
        for (size_t i = 0; i < c.shown; i++)
            c.cost[k][i] = groups_statistics(&c.f.levels[i].g, costs[k]).mean;
    }
    give_colours(&c, r);
    tidy_labels(&c);
    c.axes[0] = chart_axis_seconds("training time", c.cost[0], c.shown, a);
    c.axes[1] = chart_axis_count("parameters", c.cost[1], c.shown, a);
    c.axes[2] = chart_axis_count("MACs per sample", c.cost[2], c.shown, a);
    figure_panel *panels = arena_array(a, COSTS, sizeof *panels);
    for (int k = 0; k < COSTS; k++) {
        fill_panel(&c, k, &panels[k]);
        if (j.unit == 100) panels[k].y.most = 100;
        if (r->log_y) panels[k].y.log = true;
    }
    *out = (figure){.title = r->title, .caption = caption_of(&c), .panels = panels, .n = COSTS, .key = true};
    return CVY_OK;
}
