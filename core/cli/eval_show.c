/* Owns how evaluations are printed; must not know how they were made. */
#include "cli/eval_show.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "cli/results.h"
#include "cli/table.h"

enum { CONFUSION_SHOWN = 20 }; /* classes */

static double loss_of(const evaluation *v)
{
    return v->loss;
}

static double accuracy_of(const evaluation *v)
{
    return v->accuracy;
}

static double top5_of(const evaluation *v)
{
    return v->top5;
}

static double calibration_of(const evaluation *v)
{
    return v->calibration_error;
}

static const struct {
    const char *key, *title;
    double (*value)(const evaluation *v);
    bool percent;
} figures[] = {
    {"loss", "LOSS", loss_of, false},
    {"accuracy", "ACC %", accuracy_of, true},
    {"top5_accuracy", "TOP-5 %", top5_of, true},
    {"calibration_error", "ECE %", calibration_of, true},
};
enum { FIGURES = sizeof figures / sizeof *figures };

/* What the same figures are called where the run logged them. */
static const char *prefix_of(const eval_result *r)
{
    return !strcmp(r->part, "validation") ? "val" : r->part;
}

/* The only evaluation there is, or that of all together: the one to be told in detail. NULL: there are several. */
static const evaluation *detailed(const eval_result *r)
{
    if (r->ensemble) return r->ensemble;
    return r->n == 1 && r->rows[0].done ? &r->rows[0].v : NULL;
}

static void name_of(const eval_result *r, int64_t class, text *t)
{
    text_printf(t, "%lld", (long long)class);
    if (r->class_names) text_printf(t, " %s", r->class_names[class]);
}

/* ---- as text ---- */

static void take_text(table *t, text *s)
{
    table_cell(t, text_str(s));
    text_free(s);
}

static void print(const common *c, table *t)
{
    text out = {0};
    table_write(t, cli_colour(c, stdout), &out);
    cli_print(&out);
    text_free(&out);
    table_free(t);
}

static void say_line(const char *line)
{
    text out = {0};
    text_printf(&out, "\n%s\n", line);
    cli_print(&out);
    text_free(&out);
}

static void value_text(text *t, double v, bool percent)
{
    if (percent)
        results_accuracy(t, v);
    else
        results_loss(t, v);
}

static void print_one(const common *c, const eval_result *r)
{
    table t = {0};
    const evaluation *v = &r->rows[0].v;
    table_column(&t, "", TABLE_LEFT);
    table_column(&t, "", TABLE_LEFT);
    for (size_t k = 0; k < FIGURES; k++) {
        text s = {0};
        double value = figures[k].value(v);
        if (isnan(value)) continue;
        if (figures[k].value == calibration_of)
            table_cell(&t, "calibration error");
        else
            table_cellf(&t, "%s_%s", prefix_of(r), figures[k].key);
        value_text(&s, value, figures[k].percent);
        if (figures[k].percent) text_add(&s, " %");
        take_text(&t, &s);
    }
    text s = {0};
    table_cell(&t, "samples");
    text_count(&s, v->samples);
    take_text(&t, &s);
    print(c, &t);
}

static bool shown(const eval_result *r, size_t k)
{
    bool any = r->ensemble && !isnan(figures[k].value(r->ensemble));
    for (size_t i = 0; i < r->n; i++)
        any = any || (r->rows[i].done && !isnan(figures[k].value(&r->rows[i].v)));
    return any;
}

static void add_row(table *t, const eval_result *r, const char *name, const char *label, int64_t epoch,
                    const evaluation *v)
{
    text s = {0};
    table_cell(t, name);
    table_cell(t, label);
    if (epoch > 0)
        table_cellf(t, "%lld", (long long)epoch);
    else
        table_cell(t, "");
    for (size_t k = 0; k < FIGURES; k++) {
        if (!shown(r, k)) continue;
        value_text(&s, figures[k].value(v), figures[k].percent);
        take_text(t, &s);
    }
    text_count(&s, v->samples);
    take_text(t, &s);
}

/* Of one figure over the runs of a group that could be evaluated. */
static statistics over(const eval_result *r, const group *g, double (*value)(const evaluation *v))
{
    double *values = mem_array(g->n, sizeof *values);
    size_t n = 0;
    for (size_t i = 0; i < g->n; i++)
        for (size_t k = 0; k < r->n; k++)
            if (r->rows[k].run == g->runs[i] && r->rows[k].done) values[n++] = value(&r->rows[k].v);
    statistics s = statistics_of(values, n);
    mem_free(values);
    return s;
}

static void add_mean(table *t, const eval_result *r, const group *g)
{
    text s = {0};
    table_cellf(t, "mean ± sd of %zu", over(r, g, loss_of).n);
    table_cell(t, r->repeats.n > 1 ? g->label : "");
    table_cell(t, "");
    for (size_t k = 0; k < FIGURES; k++) {
        if (!shown(r, k)) continue;
        statistics of = over(r, g, figures[k].value);
        value_text(&s, of.mean, figures[k].percent);
        if (of.n > 1) text_add(&s, " ± ");
        if (of.n > 1) value_text(&s, of.sd, figures[k].percent);
        take_text(t, &s);
    }
    table_cell(t, "");
}

static void print_table(const common *c, const eval_result *r)
{
    table t = {0};
    arena titles = {0};
    const char *prefix = !strcmp(r->part, "train") ? "TRAIN" : !strcmp(r->part, "test") ? "TEST" : "VAL";
    table_column(&t, "RUN", TABLE_LEFT);
    table_column(&t, "CONFIGURATION", TABLE_LEFT);
    table_column(&t, "EPOCH", TABLE_RIGHT);
    for (size_t k = 0; k < FIGURES; k++)
        if (shown(r, k))
            table_column(&t, arena_printf(&titles, "%s %s", prefix, figures[k].title), TABLE_RIGHT);
    table_column(&t, "SAMPLES", TABLE_RIGHT);
    for (size_t i = 0; i < r->n; i++)
        if (r->rows[i].done)
            add_row(&t, r, r->rows[i].run->name, r->n > 1 ? r->single.items[i].label : "", r->rows[i].epoch,
                    &r->rows[i].v);
    for (size_t i = 0; i < r->repeats.n; i++)
        if (over(r, &r->repeats.items[i], loss_of).n > 1) add_mean(&t, r, &r->repeats.items[i]);
    if (r->ensemble) {
        text name = {0};
        text_printf(&name, "ensemble of %zu", r->n);
        add_row(&t, r, text_str(&name), "", 0, r->ensemble);
        text_free(&name);
    }
    print(c, &t);
    arena_free(&titles);
}

static void print_classes(const common *c, const eval_result *r, const scores *s)
{
    table t = {0};
    static const char *const titles[] = {"CLASS", "PRECISION %", "RECALL %", "F1 %", "SUPPORT"};
    for (size_t i = 0; i < 5; i++) table_column(&t, titles[i], i ? TABLE_RIGHT : TABLE_LEFT);
    for (int64_t k = 0; k < s->classes; k++) {
        scores_class one = scores_of(s, k);
        const double values[] = {one.precision, one.recall, one.f1};
        text cell = {0};
        name_of(r, k, &cell);
        take_text(&t, &cell);
        for (size_t i = 0; i < 3; i++) {
            results_accuracy(&cell, values[i]);
            take_text(&t, &cell);
        }
        text_count(&cell, one.support);
        take_text(&t, &cell);
    }
    print(c, &t);
}

static void print_confusion(const common *c, const eval_result *r, const scores *s)
{
    table t = {0};
    arena titles = {0};
    table_column(&t, "CLASS", TABLE_LEFT);
    for (int64_t k = 0; k < s->classes; k++)
        table_column(&t, arena_printf(&titles, "%lld", (long long)k), TABLE_RIGHT);
    for (int64_t i = 0; i < s->classes; i++) {
        text name = {0};
        name_of(r, i, &name);
        take_text(&t, &name);
        for (int64_t k = 0; k < s->classes; k++)
            table_cellf(&t, "%lld", (long long)s->confusion[i * s->classes + k]);
    }
    print(c, &t);
    arena_free(&titles);
}

void eval_show_text(const common *c, const eval_result *r)
{
    const evaluation *v = detailed(r);
    if (r->n == 1 && !r->ensemble) {
        if (!v) return;
        print_one(c, r);
    } else {
        print_table(c, r);
    }
    if (!v || !v->classes) return;
    say_line(r->ensemble ? "The ensemble, class by class:" : "Class by class:");
    print_classes(c, r, &v->scores);
    if (v->classes > CONFUSION_SHOWN) return;
    say_line("Samples of a class (row) taken for a class (column):");
    print_confusion(c, r, &v->scores);
}

/* ---- as JSON ---- */

static void put_details(json_writer *w, const eval_result *r, const scores *s)
{
    json_key(w, "classes");
    json_open(w, '[');
    for (int64_t k = 0; k < s->classes; k++) {
        scores_class one = scores_of(s, k);
        json_open(w, '{');
        json_put_text(w, "name", r->class_names ? r->class_names[k] : NULL);
        results_put_double(w, "precision", one.precision);
        results_put_double(w, "recall", one.recall);
        results_put_double(w, "f1", one.f1);
        json_put_int(w, "support", one.support);
        json_close(w, '}');
    }
    json_close(w, ']');
    json_key(w, "confusion");
    json_open(w, '[');
    for (int64_t i = 0; i < s->classes; i++) {
        json_open(w, '[');
        for (int64_t k = 0; k < s->classes; k++) json_int(w, s->confusion[i * s->classes + k]);
        json_close(w, ']');
    }
    json_close(w, ']');
    json_key(w, "calibration");
    json_open(w, '[');
    for (int i = 0; i < SCORES_BINS; i++) {
        const scores_bin *b = &s->bins[i];
        json_open(w, '{');
        json_put_int(w, "samples", b->n);
        results_put_double(w, "accuracy", b->n ? (double)b->right / (double)b->n : (double)NAN);
        results_put_double(w, "confidence", b->n ? b->confidence / (double)b->n : (double)NAN);
        json_close(w, '}');
    }
    json_close(w, ']');
}

static void put_evaluation(json_writer *w, const eval_result *r, const evaluation *v)
{
    json_put_int(w, "samples", v->samples);
    for (size_t k = 0; k < FIGURES; k++) results_put_double(w, figures[k].key, figures[k].value(v));
    if (v == detailed(r) && v->classes) put_details(w, r, &v->scores);
}

static void put_group(json_writer *w, const eval_result *r, const group *g)
{
    json_open(w, '{');
    json_put_text(w, "configuration", g->label);
    json_key(w, "runs");
    json_open(w, '[');
    for (size_t i = 0; i < g->n; i++) json_text(w, g->runs[i]->name);
    json_close(w, ']');
    for (size_t k = 0; k < FIGURES; k++) {
        statistics s = over(r, g, figures[k].value);
        json_key(w, figures[k].key);
        json_open(w, '{');
        json_put_int(w, "n", (int64_t)s.n);
        results_put_double(w, "mean", s.mean);
        results_put_double(w, "sd", s.sd);
        json_close(w, '}');
    }
    json_close(w, '}');
}

void eval_show_json(const eval_result *r)
{
    json_writer w = {0};
    json_open(&w, '{');
    json_put_text(&w, "part", r->part);
    json_put_text(&w, "which", r->which);
    json_key(&w, "input_size");
    if (r->height) {
        json_open(&w, '[');
        json_int(&w, r->height);
        json_int(&w, r->width);
        json_close(&w, ']');
    } else {
        json_null(&w);
    }
    json_key(&w, "runs");
    json_open(&w, '[');
    for (size_t i = 0; i < r->n; i++) {
        if (!r->rows[i].done) continue;
        json_open(&w, '{');
        json_put_text(&w, "run", r->rows[i].run->name);
        json_put_int(&w, "epoch", r->rows[i].epoch);
        put_evaluation(&w, r, &r->rows[i].v);
        json_close(&w, '}');
    }
    json_close(&w, ']');
    json_key(&w, "groups");
    json_open(&w, '[');
    for (size_t i = 0; i < r->repeats.n; i++) put_group(&w, r, &r->repeats.items[i]);
    json_close(&w, ']');
    json_key(&w, "ensemble");
    if (r->ensemble) {
        json_open(&w, '{');
        put_evaluation(&w, r, r->ensemble);
        json_close(&w, '}');
    } else {
        json_null(&w);
    }
    json_close(&w, '}');
    cli_print_json(&w);
}
