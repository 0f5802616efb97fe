/* Owns the table of configurations with their statistics; must not know how they were computed. */
#include <math.h>
#include <string.h>

#include "report/page_own.h"

enum { STRIP = 140, STRIP_HEIGHT = 14, COLUMNS = 24, OTHERS = PAGE_MEASURES };

static double seconds_of(const query_run *r)
{
    return r->seconds;
}

typedef struct scale {
    double low, high;
} scale;

static scale scale_of(const page *p)
{
    scale s = {(double)INFINITY, -(double)INFINITY};
    for (size_t i = 0; i < p->ranked; i++) {
        const statistics *v = &p->of[i];
        if (!v->n) continue;
        s.low = fmin(s.low, fmin(v->least, v->mean));
        s.high = fmax(s.high, fmax(v->most, v->mean));
    }
    const double room = s.high > s.low ? 0.04 * (s.high - s.low) : 1;
    s.low -= room;
    s.high += room;
    return s;
}

static double at(scale s, double v)
{
    const double x = STRIP * (v - s.low) / (s.high - s.low);
    return x < 0 ? 0 : x > STRIP ? STRIP : x;
}

static void line(html *h, const char *class, double x1, double x2)
{
    html_open(h, "line");
    html_attr(h, "class", class);
    html_attrf(h, "x1", "%.1f", x1);
    html_attrf(h, "x2", "%.1f", x2);
    html_attr(h, "y1", "7");
    html_attr(h, "y2", "7");
    html_close(h);
}

static void dot(html *h, const char *class, double x, const char *r, const char *title)
{
    html_open(h, "circle");
    html_attr(h, "class", class);
    html_attrf(h, "cx", "%.1f", x);
    html_attr(h, "cy", "7");
    html_attr(h, "r", r);
    if (title) html_element(h, "title", title);
    html_close(h);
}

/* Mean, interval and single seeds on the scale that all rows share. */
static void strip(page *p, size_t i, scale s)
{
    html *h = &p->h;
    const statistics *v = &p->of[i];
    const group *g = &p->f.levels[i].g;
    page_cell_open(p, v->half);
    if (v->n) {
        text says = {0};
        page_value_metric(&says, p->metric, v->mean, true);
        if (v->n > 1) {
            text_add(&says, ", 95 % interval ");
            page_value_metric(&says, p->metric, v->mean - v->half, false);
            text_add(&says, " to ");
            page_value_metric(&says, p->metric, v->mean + v->half, true);
        }
        html_open(h, "svg");
        html_attr(h, "class", "strip");
        html_attrf(h, "viewBox", "0 0 %d %d", STRIP, STRIP_HEIGHT);
        html_attr(h, "role", "img");
        html_attr(h, "aria-label", text_str(&says));
        html_element(h, "title", text_str(&says));
        line(h, "axis", 0, STRIP);
        if (v->n > 1) line(h, "ci", at(s, v->mean - v->half), at(s, v->mean + v->half));
        for (size_t k = 0; k < g->n && v->n > 1; k++) {
            if (!isfinite(page_judged(g->runs[k]))) continue;
            text who = {0};
            text_printf(&who, "%s: ", g->runs[k]->name);
            page_value_metric(&who, p->metric, page_judged(g->runs[k]), true);
            dot(h, "seed", at(s, page_judged(g->runs[k])), "2", text_str(&who));
            text_free(&who);
        }
        dot(h, "mean", at(s, v->mean), "3.4", NULL);
        html_close(h);
        text_free(&says);
    }
    page_cell_end(p);
}

static void mean_cell(page *p, const char *metric, statistics s)
{
    text t = {0};
    page_value_metric(&t, metric, s.mean, false);
    page_cell_open(p, s.mean);
    html_text(&p->h, text_str(&t));
    text_free(&t);
    if (s.n > 1) {
        page_value_metric(&t, metric, s.sd, false);
        html_open(&p->h, "small");
        html_textf(&p->h, " \xC2\xB1 %s", text_str(&t));
        html_close(&p->h);
        text_free(&t);
    }
    page_cell_end(p);
}

/* How far behind the best, and whether that is more than chance. */
static void behind_cells(page *p, size_t i)
{
    const paired *k = &p->against[i];
    text t = {0};
    if (!i || !p->of[i].n) {
        page_cell_number(p, i ? (double)NAN : 0, i ? "" : "best");
        page_cell_number(p, (double)NAN, "");
        return;
    }
    page_value_metric(&t, p->metric, -k->mean, false);
    page_cell_number(p, k->mean, k->n ? text_str(&t) : "nothing in common");
    text_free(&t);
    page_cell_open(p, p->adjusted[i]);
    if (k->n && paired_least(k->n) * (double)(p->f.n - 1) > 0.05)
        html_text(&p->h, "too few seeds");
    else if (k->n)
        html_textf(&p->h, p->adjusted[i] < 0.0001 ? "%.0e" : "%.3f", p->adjusted[i]);
    page_cell_end(p);
}

static void span_cell(page *p, const group *g, bool macs)
{
    int64_t least = INT64_MAX, most = INT64_MIN;
    for (size_t i = 0; i < g->n; i++) {
        const int64_t v = macs ? g->runs[i]->macs : g->runs[i]->parameters;
        if (v == QUERY_NONE) continue;
        if (v < least) least = v;
        if (v > most) most = v;
    }
    text t = {0};
    if (least > most) {
        page_cell_number(p, (double)NAN, "-");
        return;
    }
    page_value_big(&t, least);
    if (least != most) {
        text_add(&t, "\xE2\x80\x93");
        page_value_big(&t, most);
    }
    page_cell_number(p, (double)least, text_str(&t));
    text_free(&t);
}

static void front_cell(page *p, const factor_level *l)
{
    text t = {0};
    if (l->front_time) text_add(&t, "time");
    if (l->front_parameters) text_printf(&t, "%sparameters", t.n ? ", " : "");
    if (l->front_macs) text_printf(&t, "%sMACs", t.n ? ", " : "");
    page_cell(p, text_str(&t));
    text_free(&t);
}

static void row(page *p, size_t i, scale s, const page_measure *const *others, size_t n_others)
{
    const factor_level *l = &p->f.levels[i];
    text t = {0};
    page_row(p);
    text_printf(&t, "%zu", i + 1);
    page_cell_number(p, (double)(i + 1), i < p->ranked ? text_str(&t) : "-");
    text_free(&t);
    page_cell_short(p, l->g.label, 200);
    page_value_names(&t, l->g.runs, l->g.n, 3);
    page_cell(p, text_str(&t));
    text_free(&t);
    mean_cell(p, p->metric, p->of[i]);
    strip(p, i, s);
    if (p->f.n > 1 && p->f.n_seeds > 1) behind_cells(p, i);
    for (size_t k = 0; k < n_others; k++)
        mean_cell(p, others[k]->key, factor_statistics(&p->f, l, others[k]->value));
    span_cell(p, &l->g, false);
    span_cell(p, &l->g, true);
    const double seconds = factor_statistics(&p->f, l, seconds_of).mean;
    page_value_duration(&t, seconds);
    page_cell_number(p, seconds, text_str(&t));
    text_free(&t);
    if (p->f.n > 1) front_cell(p, l);
    page_row_end(p);
}

static char *with_unit(page *p, const char *title, bool percent)
{
    return percent ? arena_printf(&p->a, "%s (%%)", title) : arena_text(&p->a, title);
}

void page_configurations(page *p)
{
    const page_measure *others[OTHERS];
    page_column columns[COLUMNS];
    size_t n_others = 0, n = 0;
    for (size_t k = 0; k < PAGE_MEASURES; k++)
        if (strcmp(page_measures[k].key, p->metric) != 0 && page_has(p, page_measures[k].value))
            others[n_others++] = &page_measures[k];
    page_section(p, "configurations", "Configurations");
    columns[n++] = (page_column){"#", "rank by the metric", true};
    columns[n++] = (page_column){"Configuration", "what tells it from the others", false};
    columns[n++] = (page_column){"Runs", NULL, false};
    columns[n++] = (page_column){with_unit(p, p->metric, text_ends(p->metric, "accuracy")),
                                 "mean \xC2\xB1 standard deviation over the seeds", true};
    columns[n++] = (page_column){"95 % interval", "of the mean, Student's t; small dots are single runs", true};
    if (p->f.n > 1 && p->f.n_seeds > 1) {
        columns[n++] = (page_column){"To the best", "mean difference over the seeds that both have", true};
        columns[n++] = (page_column){"p (Holm)", "exact sign-flip test against the best, adjusted for all comparisons", true};
    }
    for (size_t k = 0; k < n_others; k++)
        columns[n++] = (page_column){with_unit(p, others[k]->title, others[k]->percent), "mean \xC2\xB1 standard deviation", true};
    columns[n++] = (page_column){"Parameters", NULL, true};
    columns[n++] = (page_column){"MACs", "multiply-accumulates of one sample's forward pass", true};
    columns[n++] = (page_column){"Time", "mean training time of a run", true};
    if (p->f.n > 1) columns[n++] = (page_column){"Front", "nobody is as good for less of these", false};
    const scale s = scale_of(p);
    page_table_open(p, "t-configurations", columns, n);
    for (size_t i = 0; i < p->f.n; i++) row(p, i, s, others, n_others);
    page_table_close(p);
    page_note(p, "By %s, the best first (%s is better). %s%s", p->metric, p->maximize ? "higher" : "lower",
              p->f.n_seeds > 1 ? "Mean \xC2\xB1 standard deviation over the seeds; the bar is the 95 % interval of the "
                                 "mean, small dots are single runs. "
                               : "",
              p->f.n > 1 ? "Front: no other configuration is at least as good for less time, parameters or MACs." : "");
    html_close(&p->h);
}
