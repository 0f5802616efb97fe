/* Owns the table of configurations with their statistics; must not know how they were computed. */
#include <math.h>
#include <string.h>

#include "report/page_own.h"

enum { STRIP = 140, STRIP_HEIGHT = 14, COLUMNS = 24, OTHERS = MEASURE_RESULTS };

typedef struct scale {
    double low, high;
} scale;

/* Of what lies within Tukey's fences (Exploratory Data Analysis, 1977), so that one configuration that learned nothing does not
 * press all others into one spot; what lies beyond is shown at the edge. */
static scale scale_of(const page *p)
{
    const size_t n = p->ranked;
    scale s = {(double)INFINITY, -(double)INFINITY};
    if (!n) return (scale){0, 1};
    const double q1 = p->of[n / 4].mean, q3 = p->of[n - 1 - n / 4].mean,
                 reach = 1.5 * fabs(q1 - q3); /* sorted */
    for (size_t i = 0; i < n; i++) {
        const statistics *v = &p->of[i];
        if (!v->n || (n > 3 && (v->mean < fmin(q1, q3) - reach || v->mean > fmax(q1, q3) + reach))) continue;
        s.low = fmin(s.low, v->least);
        s.high = fmax(s.high, v->most);
    }
    if (!(s.high >= s.low)) s = (scale){p->of[0].mean, p->of[0].mean};
    const double room = s.high > s.low ? 0.05 * (s.high - s.low) : 1;
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
        shown_metric(&says, p->metric, v->mean, true);
        if (v->n > 1) {
            text_add(&says, ", 95 % interval ");
            shown_metric(&says, p->metric, v->mean - v->half, false);
            text_add(&says, " to ");
            shown_metric(&says, p->metric, v->mean + v->half, true);
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
            const double own = judge_best(g->runs[k]);
            if (!(own >= s.low && own <= s.high)) continue;
            text who = {0};
            text_printf(&who, "%s: ", g->runs[k]->name);
            shown_metric(&who, p->metric, judge_best(g->runs[k]), true);
            dot(h, "seed", at(s, judge_best(g->runs[k])), "2", text_str(&who));
            text_free(&who);
        }
        if (v->mean < s.low || v->mean > s.high) {
            html_open(h, "path"); /* an arrow to where it is */
            html_attr(h, "class", "mean");
            html_attr(h, "d", v->mean < s.low ? "M0,7l8,-4v8z" : "M140,7l-8,-4v8z");
            html_close(h);
        } else {
            dot(h, "mean", at(s, v->mean), "3.4", NULL);
        }
        html_close(h);
        text_free(&says);
    }
    page_cell_end(p);
}

static void mean_cell(page *p, const char *metric, statistics s)
{
    text t = {0};
    shown_metric(&t, metric, s.mean, false);
    page_cell_open(p, s.mean);
    html_text(&p->h, text_str(&t));
    text_free(&t);
    if (s.n > 1) {
        shown_metric(&t, metric, s.sd, false);
        html_open(&p->h, "small");
        html_textf(&p->h, " \xC2\xB1 %s", text_str(&t));
        html_close(&p->h);
        text_free(&t);
    }
    page_cell_end(p);
}

/* Whether so few seeds can tell any difference from chance. */
static bool any_told(const page *p)
{
    for (size_t i = 1; i < p->f.n; i++)
        if (p->told[i]) return true;
    return false;
}

/* How far behind the best, and whether that is more than chance. */
static void behind_cells(page *p, size_t i, bool told)
{
    const paired *k = &p->against[i];
    const repeated *of = &p->f.repeats;
    text t = {0};
    if (!i || !p->of[i].n) {
        page_cell_number(p, i ? (double)NAN : 0, i ? "" : "best");
        if (told) page_cell_number(p, (double)NAN, "");
        return;
    }
    shown_metric(&t, p->metric, -k->mean, false);
    page_cell_number(p, k->mean, k->n ? text_str(&t) : arena_printf(&p->a, "no common %s", repeats_noun(of)));
    text_free(&t);
    if (!told) return;
    page_cell_open(p, p->adjusted[i]);
    if (!p->told[i])
        html_textf(&p->h, "too few %ss", repeats_noun(of));
    else
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
    shown_big(&t, least);
    if (least != most) {
        text_add(&t, "\xE2\x80\x93");
        shown_big(&t, most);
    }
    page_cell_number(p, (double)least, text_str(&t));
    text_free(&t);
}

static void front_cell(page *p, const factor_level *l, const bool sizes[2])
{
    text t = {0};
    if (l->front_time) text_add(&t, "time");
    if (l->front_parameters && sizes[0]) text_printf(&t, "%sparameters", t.n ? ", " : "");
    if (l->front_macs && sizes[1]) text_printf(&t, "%sMACs", t.n ? ", " : "");
    page_cell(p, text_str(&t));
    text_free(&t);
}

/* With what became of its runs where not all came to their end. */
static void label_cell(page *p, size_t level)
{
    const group *g = &p->f.levels[level].g;
    size_t failed = 0, early = 0;
    for (size_t i = 0; i < g->n; i++) {
        const char *state = g->runs[i]->state;
        failed += !strcmp(state, "failed") || !strcmp(state, "killed");
        early += !strcmp(state, "stopped early");
    }
    html_open(&p->h, "td");
    page_label(p, level);
    if (failed || early) {
        html_open(&p->h, "small");
        if (failed) html_attr(&p->h, "class", "bad");
        if (g->n > 1) html_textf(&p->h, " %zu of %zu", failed ? failed : early, g->n);
        html_text(&p->h, failed ? " failed" : " stopped early");
        html_close(&p->h);
    }
    html_close(&p->h);
}

static void row(page *p, size_t i, scale s, const measure_result *const *others, size_t n_others,
                const bool sizes[2])
{
    const factor_level *l = &p->f.levels[i];
    text t = {0};
    page_row(p);
    text_printf(&t, "%zu", i + 1);
    page_cell_number(p, (double)(i + 1), i < p->ranked ? text_str(&t) : "-");
    text_free(&t);
    label_cell(p, i);
    page_value_names(&t, l->g.runs, l->g.n, 3);
    page_cell(p, text_str(&t));
    text_free(&t);
    mean_cell(p, p->metric, p->of[i]);
    strip(p, i, s);
    if (p->f.n > 1 && p->f.n_seeds > 1) behind_cells(p, i, any_told(p));
    for (size_t k = 0; k < n_others; k++)
        mean_cell(p, others[k]->key, factor_statistics(&p->f, l, others[k]->value));
    if (sizes[0]) span_cell(p, &l->g, false);
    if (sizes[1]) span_cell(p, &l->g, true);
    const double seconds = factor_statistics(&p->f, l, measure_seconds).mean;
    shown_duration(&t, seconds);
    page_cell_number(p, seconds, text_str(&t));
    text_free(&t);
    if (p->f.n > 1) front_cell(p, l, sizes);
    page_row_end(p);
}

/* Whether configurations differ in it; what is the same everywhere stands in the summary. */
static bool differs(const page *p, bool macs)
{
    for (size_t i = 1; i < p->n; i++)
        if (macs ? p->runs[i].macs != p->runs[0].macs : p->runs[i].parameters != p->runs[0].parameters)
            return true;
    return false;
}

static char *with_unit(page *p, const char *title, bool percent)
{
    return percent ? arena_printf(&p->a, "%s (%%)", title) : arena_text(&p->a, title);
}

void page_configurations(page *p)
{
    const measure_result *others[OTHERS];
    page_column columns[COLUMNS];
    size_t n_others = 0, n = 0;
    for (size_t k = 0; k < MEASURE_RESULTS; k++)
        if (strcmp(measure_results[k].key, p->metric) != 0 && page_has(p, measure_results[k].value) &&
            (measure_results[k].percent == text_ends(p->metric, "accuracy") ||
             strncmp(p->metric, "val", 3) != 0))
            others[n_others++] = &measure_results[k];
    const char *noun = repeats_noun(&p->f.repeats);
    page_section(p, "configurations", "Configurations");
    columns[n++] = (page_column){"#", "rank by the metric", true};
    columns[n++] = (page_column){"Configuration", "what tells it from the others", false};
    columns[n++] = (page_column){"Runs", NULL, false};
    columns[n++] =
        (page_column){with_unit(p, p->metric, text_ends(p->metric, "accuracy")),
                      arena_printf(&p->a, "mean \xC2\xB1 standard deviation over the %ss", noun), true};
    columns[n++] = (page_column){
        "95 % interval",
        "of the mean, Student's t; small dots are single runs, arrows point to what is off the scale", true};
    if (p->f.n > 1 && p->f.n_seeds > 1) {
        columns[n++] = (page_column){
            "To the best", arena_printf(&p->a, "mean difference over the %ss that both have", noun), true};
        if (any_told(p))
            columns[n++] = (page_column){
                "p (Holm)", "exact sign-flip test against the best, adjusted for all comparisons", true};
    }
    for (size_t k = 0; k < n_others; k++)
        columns[n++] = (page_column){with_unit(p, others[k]->title, others[k]->percent),
                                     "mean \xC2\xB1 standard deviation", true};
    const bool sizes[2] = {differs(p, false), differs(p, true)};
    if (sizes[0]) columns[n++] = (page_column){"Parameters", NULL, true};
    if (sizes[1])
        columns[n++] = (page_column){"MACs", "multiply-accumulates of one sample's forward pass", true};
    columns[n++] = (page_column){"Time", "mean training time of a run", true};
    if (p->f.n > 1) columns[n++] = (page_column){"Front", "nobody is as good for less of these", false};
    const scale s = scale_of(p);
    page_table_open(p, "t-configurations", columns, n);
    for (size_t i = 0; i < p->f.n; i++) row(p, i, s, others, n_others, sizes);
    page_table_close(p);
    page_note(p, "By %s, the best first (%s is better). %s%s", p->metric, p->maximize ? "higher" : "lower",
              p->f.n_seeds > 1
                  ? arena_printf(
                        &p->a,
                        "Mean \xC2\xB1 standard deviation over the %ss; the bar is the 95 %% interval of the "
                        "mean, small dots are single runs, an arrow points to what is off the scale. ",
                        noun)
                  : "",
              p->f.n > 1
                  ? "Front: no other configuration is at least as good for less time, parameters or MACs."
                  : "");
    html_close(&p->h);
}
