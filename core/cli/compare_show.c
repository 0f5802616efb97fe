/* Owns how comparisons are laid out, for people and for machines; must not know how they come about. */
#include "cli/compare_show.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "cli/results.h"
#include "cli/table.h"
#include "report/judge.h"
#include "report/measure.h"

/* ---- as text ---- */

static void add_value(text *out, double v, bool percent)
{
    if (percent)
        results_accuracy(out, v);
    else
        results_loss(out, v);
}

static void cell(table *t, text *s)
{
    table_cell(t, text_str(s));
    text_free(s);
}

/* The judged metric where it is none of the columns, as a column of its own; false: it is one. */
static bool own_column(const compare_shown *s, measure_result *out, char **title)
{
    for (size_t k = 0; k < MEASURE_RESULTS; k++)
        if (!strcmp(measure_results[k].key, s->metric)) return false;
    const bool percent = text_ends(s->metric, "accuracy");
    *title = mem_printf("%s%s", s->metric, percent ? " %" : "");
    for (char *p = *title; *p; p++) *p = (char)(*p == '_' ? ' ' : toupper((unsigned char)*p));
    *out = (measure_result){s->metric, *title, *title, judge_best, percent};
    return true;
}

static void value_cell(table *t, const factor *f, statistics s, bool percent)
{
    text out = {0};
    add_value(&out, s.mean, percent);
    if (s.n > 1) {
        text_add(&out, " ± ");
        add_value(&out, s.sd, percent);
        if (f->repeats.folds > 1)
            text_printf(&out, " (%zu %ss)", s.n, repeats_noun(&f->repeats));
        else
            text_printf(&out, " (%zu)", s.n);
    }
    cell(t, &out);
}

static void interval_cell(table *t, double mean, double half, bool percent)
{
    text out = {0};
    if (!isnan(half)) {
        text_char(&out, '[');
        add_value(&out, mean - half, percent);
        text_add(&out, ", ");
        add_value(&out, mean + half, percent);
        text_char(&out, ']');
    }
    cell(t, &out);
}

/* "r12", "r12-r14", "r3 r7", "r3 and 5 more" */
static void names_cell(table *t, const group *g)
{
    int64_t first = g->runs[0]->number;
    bool row = g->n > 2;
    for (size_t i = 0; i < g->n && row; i++) row = g->runs[i]->number == first + (int64_t)i;
    if (row)
        table_cellf(t, "%s-%s", g->runs[0]->name, g->runs[g->n - 1]->name);
    else if (g->n == 1)
        table_cell(t, g->runs[0]->name);
    else if (g->n == 2)
        table_cellf(t, "%s %s", g->runs[0]->name, g->runs[1]->name);
    else
        table_cellf(t, "%s and %zu more", g->runs[0]->name, g->n - 1);
}

/* Beside accuracies stand accuracies, and losses beside losses. */
static bool of_kind(const compare_shown *s, const measure_result *column)
{
    const bool accuracy = text_ends(s->metric, "accuracy"), loss = text_ends(s->metric, "loss");
    return accuracy == loss || column->percent == accuracy;
}

static bool any(const factor *f, groups_value *value)
{
    for (size_t i = 0; i < f->n; i++)
        if (factor_statistics(f, &f->levels[i], value).n) return true;
    return false;
}

/* Of the runs that say it; QUERY_NONE where none does. */
static void span_of(const group *g, bool macs, int64_t *least, int64_t *most)
{
    *least = INT64_MAX;
    *most = INT64_MIN;
    for (size_t i = 0; i < g->n; i++) {
        const int64_t v = macs ? g->runs[i]->macs : g->runs[i]->parameters;
        if (v == QUERY_NONE) continue;
        if (v < *least) *least = v;
        if (v > *most) *most = v;
    }
    if (*least > *most) *least = *most = QUERY_NONE;
}

/* One number where all runs agree, else the span. */
static void span_cell(table *t, const group *g, bool macs)
{
    text s = {0};
    int64_t least, most;
    span_of(g, macs, &least, &most);
    if (macs || least != most)
        results_big(&s, least);
    else
        results_count(&s, least);
    if (least != most) {
        text_add(&s, " to ");
        results_big(&s, most);
    }
    cell(t, &s);
}

/* Mostly the two are equal: the runs of a group are of one network. */
static void put_span(json_writer *w, const char *least_key, const char *most_key, const group *g, bool macs)
{
    int64_t least, most;
    span_of(g, macs, &least, &most);
    results_put_int(w, least_key, least);
    results_put_int(w, most_key, most);
}

static void front_cell(table *t, const factor_level *l)
{
    text s = {0};
    if (l->front_time) text_add(&s, "time ");
    if (l->front_parameters) text_add(&s, "parameters ");
    if (l->front_macs) text_add(&s, "MACs ");
    while (s.n && text_str(&s)[s.n - 1] == ' ') s.s[--s.n] = 0;
    cell(t, &s);
}

/* The last part of the path, in capitals. */
static char *title_of(const char *by)
{
    if (!by) return mem_text("CONFIGURATION");
    const char *dot = strrchr(by, '.');
    char *s = mem_text(dot && strcmp(dot, ".type") != 0 ? dot + 1 : by);
    for (char *p = s; *p; p++) *p = (char)toupper((unsigned char)*p);
    return s;
}

static void levels_table(const common *c, const compare_shown *s)
{
    const factor *f = s->f;
    table t = {0};
    text out = {0};
    measure_result *columns = mem_array(MEASURE_RESULTS + 1, sizeof *columns);
    size_t n = 0;
    char *title = title_of(f->by), *own_title = NULL;
    bool fronts = f->n > 1;
    if (own_column(s, &columns[0], &own_title)) n++;
    for (size_t k = 0; k < MEASURE_RESULTS; k++)
        if (of_kind(s, &measure_results[k]) && any(f, measure_results[k].value))
            columns[n++] = measure_results[k];
    table_column(&t, "RUNS", TABLE_LEFT);
    table_column(&t, title, TABLE_LEFT);
    for (size_t k = 0; k < n; k++) {
        table_column(&t, columns[k].head, TABLE_RIGHT);
        if (!strcmp(columns[k].key, s->metric) && f->n_seeds > 1) table_column(&t, "95 %", TABLE_RIGHT);
    }
    table_column(&t, "PARAMETERS", TABLE_RIGHT);
    table_column(&t, "MACS", TABLE_RIGHT);
    table_column(&t, "TIME", TABLE_RIGHT);
    if (fronts) table_column(&t, "FRONT", TABLE_LEFT);
    for (size_t i = 0; i < f->n; i++) {
        const factor_level *l = &f->levels[i];
        text time = {0};
        names_cell(&t, &l->g);
        table_cell(&t, l->g.label);
        for (size_t k = 0; k < n; k++) {
            statistics st = factor_statistics(f, l, columns[k].value);
            value_cell(&t, f, st, columns[k].percent);
            if (!strcmp(columns[k].key, s->metric) && f->n_seeds > 1)
                interval_cell(&t, st.mean, st.half, columns[k].percent);
        }
        span_cell(&t, &l->g, false);
        span_cell(&t, &l->g, true);
        results_duration(&time, factor_statistics(f, l, measure_seconds).mean);
        cell(&t, &time);
        if (fronts) front_cell(&t, l);
    }
    table_write(&t, cli_colour(c, stdout), &out);
    cli_print(&out);
    text_free(&out);
    table_free(&t);
    mem_free(columns);
    mem_free(title);
    mem_free(own_title);
}

static void add_p(text *out, double p)
{
    if (isnan(p))
        text_char(out, '-');
    else
        text_printf(out, p < 0.0001 ? "%.1e" : "%.4f", p);
}

static void verdict(const compare_shown *s, const comparison *k, text *out)
{
    const bool up = (k->p.mean > 0) == s->f->maximize;
    if (!k->p.n)
        text_add(out, "nothing in common");
    else if (k->adjusted <= s->alpha)
        text_printf(out, "%s is better", s->f->levels[up ? k->a : k->b].g.label);
    else if (!k->decidable)
        text_printf(out, "undecided: needs %zu repeats", paired_needed(s->tested, s->alpha));
    else
        text_add(out, "no difference shown");
}

static void pairs_table(const common *c, const compare_shown *s)
{
    const bool percent = text_ends(s->metric, "accuracy");
    table t = {0};
    text out = {0};
    table_column(&t, "A", TABLE_LEFT);
    table_column(&t, "B", TABLE_LEFT);
    table_column(&t, percent ? "A - B, POINTS" : "A - B", TABLE_RIGHT);
    table_column(&t, "95 %", TABLE_RIGHT);
    table_column(&t, "P", TABLE_RIGHT);
    table_column(&t, "P, HOLM", TABLE_RIGHT);
    table_column(&t, "VERDICT", TABLE_LEFT);
    for (size_t i = 0; i < s->n_pairs; i++) {
        const comparison *k = &s->pairs[i];
        text v = {0};
        table_cell(&t, s->f->levels[k->a].g.label);
        table_cell(&t, s->f->levels[k->b].g.label);
        add_value(&v, k->p.mean, percent);
        cell(&t, &v);
        interval_cell(&t, k->p.mean, k->p.half, percent);
        add_p(&v, k->p.p);
        cell(&t, &v);
        add_p(&v, k->adjusted);
        cell(&t, &v);
        verdict(s, k, &v);
        cell(&t, &v);
    }
    text_char(&out, '\n');
    table_write(&t, cli_colour(c, stdout), &out);
    cli_print(&out);
    text_free(&out);
    table_free(&t);
}

/* Many pairs are tested by Wilcoxon's test, few as one has asked. */
static const char *tests_name(const compare_shown *s)
{
    bool flips = false, ranks = false;
    for (size_t i = 0; i < s->n_pairs; i++) {
        flips = flips || (s->pairs[i].p.n && s->pairs[i].p.test == PAIRED_SIGN_FLIP);
        ranks = ranks || (s->pairs[i].p.n && s->pairs[i].p.test == PAIRED_WILCOXON);
    }
    if (!ranks) return "exact sign-flip test";
    return flips ? "exact sign-flip test, of many pairs exact Wilcoxon signed-rank test"
                 : "exact Wilcoxon signed-rank test";
}

/* "2 seeds, each the mean over 3 of train.optimizer" */
static void unit_text(const factor *f, text *out)
{
    repeats_say(&f->repeats, out);
    if (f->n_blocks > 1)
        text_printf(out, ", each the mean over %zu settings of %s", f->n_blocks,
                    *f->across ? f->across : "the rest");
}

void compare_table(const common *c, const compare_shown *s)
{
    const factor *f = s->f;
    const char *noun = repeats_noun(&f->repeats);
    levels_table(c, s);
    text unit = {0};
    unit_text(f, &unit);
    if (s->n_pairs && f->n_seeds > 1) {
        pairs_table(c, s);
        cli_say(c, "by %s, the best first; mean ± standard deviation (%ss); 95 %% intervals over the %ss",
                s->metric, noun, noun);
        cli_say(c, "differences paired by %s: %s; %s, adjusted for %zu comparison%s after Holm, alpha %g",
                repeats_key(&f->repeats), text_str(&unit), tests_name(s), s->tested,
                s->tested == 1 ? "" : "s", s->alpha);
    } else {
        cli_say(c, "by %s, the best first; %s", s->metric, text_str(&unit));
        if (f->n > 1) cli_say(c, "one seed says nothing about chance: `repeats: 5` trains five");
    }
    if (f->n > 1) cli_say(c, "FRONT: nobody is as good for less time, parameters or MACs");
    text_free(&unit);
}

/* ---- as JSON ---- */

static void put_interval(json_writer *w, double mean, double half)
{
    json_key(w, "ci95");
    if (isnan(half)) {
        json_null(w);
        return;
    }
    json_open(w, '[');
    json_double(w, mean - half);
    json_double(w, mean + half);
    json_close(w, ']');
}

static void put_statistics(json_writer *w, const char *key, statistics s)
{
    json_key(w, key);
    if (!s.n) {
        json_null(w);
        return;
    }
    json_open(w, '{');
    json_put_int(w, "n", (int64_t)s.n);
    results_put_double(w, "mean", s.mean);
    results_put_double(w, "sd", s.sd);
    put_interval(w, s.mean, s.half);
    results_put_double(w, "min", s.least);
    results_put_double(w, "max", s.most);
    json_close(w, '}');
}

static void put_level(json_writer *w, const factor *f, const factor_level *l)
{
    const query_run *first = l->g.runs[0];
    json_open(w, '{');
    json_put_text(w, "label", l->g.label);
    json_key(w, "runs");
    json_open(w, '[');
    for (size_t k = 0; k < l->g.n; k++) json_text(w, l->g.runs[k]->name);
    json_close(w, ']');
    json_put_text(w, "metric", first->metric);
    json_put_text(w, "goal", first->goal);
    put_statistics(w, "best", factor_statistics(f, l, judge_best));
    for (size_t k = 0; k < MEASURE_RESULTS; k++)
        put_statistics(w, measure_results[k].key, factor_statistics(f, l, measure_results[k].value));
    put_span(w, "parameters", "parameters_most", &l->g, false);
    put_span(w, "macs", "macs_most", &l->g, true);
    put_statistics(w, "seconds", factor_statistics(f, l, measure_seconds));
    json_key(w, "front");
    json_open(w, '[');
    if (l->front_time) json_text(w, "time");
    if (l->front_parameters) json_text(w, "parameters");
    if (l->front_macs) json_text(w, "macs");
    json_close(w, ']');
    json_close(w, '}');
}

static void put_pair(json_writer *w, const compare_shown *s, const comparison *k)
{
    text v = {0};
    verdict(s, k, &v);
    json_open(w, '{');
    json_put_text(w, "a", s->f->levels[k->a].g.label);
    json_put_text(w, "b", s->f->levels[k->b].g.label);
    json_put_int(w, "n", (int64_t)k->p.n);
    results_put_double(w, "difference", k->p.mean);
    put_interval(w, k->p.mean, k->p.half);
    json_put_text(w, "test", k->p.test == PAIRED_SIGN_FLIP ? "sign-flip" : "wilcoxon");
    results_put_double(w, "p", k->p.p);
    results_put_double(w, "p_holm", k->adjusted);
    json_put_bool(w, "decidable", k->decidable);
    json_put_text(w, "verdict", text_str(&v));
    json_close(w, '}');
    text_free(&v);
}

void compare_json(const compare_shown *s)
{
    const factor *f = s->f;
    json_writer w = {0};
    text unit = {0};
    unit_text(f, &unit);
    json_open(&w, '{');
    json_put_text(&w, "by", f->by);
    json_put_text(&w, "metric", s->metric);
    json_put_text(&w, "unit", text_str(&unit));
    json_put_int(&w, "seeds", (int64_t)f->repeats.seeds);
    json_put_int(&w, "folds", (int64_t)f->repeats.folds);
    json_put_int(&w, "blocks", (int64_t)f->n_blocks);
    json_put_text(&w, "across", f->across);
    json_put_double(&w, "alpha", s->alpha);
    json_key(&w, "configurations");
    json_open(&w, '[');
    for (size_t i = 0; i < f->n; i++) put_level(&w, f, &f->levels[i]);
    json_close(&w, ']');
    json_key(&w, "comparisons");
    json_open(&w, '[');
    for (size_t i = 0; i < s->n_pairs; i++) put_pair(&w, s, &s->pairs[i]);
    json_close(&w, ']');
    json_close(&w, '}');
    cli_print_json(&w);
    text_free(&unit);
}
