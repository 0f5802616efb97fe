/* Owns the wording of answers; must not know how they were found. */
#include "cli/predict_show.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"

/* The likeliest classes, among equal ones the first; of probabilities that are no numbers none. */
static int64_t best_of(const predict_show *s, const double *p, int64_t *order)
{
    int64_t n = 0;
    for (int64_t k = 0; k < s->n; k++) {
        if (isnan(p[k])) return 0;
        int64_t at = n;
        while (at > 0 && p[order[at - 1]] < p[k]) at--;
        if (at >= s->top) continue;
        if (n < s->top) n++;
        memmove(order + at + 1, order + at, (size_t)(n - 1 - at) * sizeof *order);
        order[at] = k;
    }
    return n;
}

static const char *name_of(const predict_show *s, int64_t class)
{
    return s->class_names ? s->class_names[class] : "";
}

/* Quoted where it has to be (RFC 4180). */
static void csv_text(text *t, const char *s)
{
    if (!strpbrk(s, ",\"\r\n")) {
        text_add(t, s);
        return;
    }
    text_char(t, '"');
    for (; *s; s++) {
        if (*s == '"') text_char(t, '"');
        text_char(t, *s);
    }
    text_char(t, '"');
}

static void print(text *t)
{
    cli_print_data(t);
    text_free(t);
}

void predict_show_begin(predict_show *s, char *const *runs, size_t n_runs, const char *which)
{
    if (s->form == PREDICT_CSV) {
        text t = {0};
        text_add(&t, s->top ? "file,rank,class,name,probability" : "file");
        for (int64_t k = 0; !s->top && k < s->n; k++) text_printf(&t, ",value%lld", (long long)k);
        text_char(&t, '\n');
        print(&t);
    }
    if (s->form != PREDICT_JSON) return;
    json_open(&s->w, '{');
    json_key(&s->w, "runs");
    json_open(&s->w, '[');
    for (size_t i = 0; i < n_runs; i++) json_text(&s->w, runs[i]);
    json_close(&s->w, ']');
    json_put_text(&s->w, "which", which);
    json_key(&s->w, "predictions");
    json_open(&s->w, '[');
}

static void as_json(predict_show *s, const char *file, const double *answers, const int64_t *order, int64_t n)
{
    json_writer *w = &s->w;
    json_open(w, '{');
    json_put_text(w, "file", file);
    json_key(w, s->top ? "classes" : "values");
    json_open(w, '[');
    for (int64_t i = 0; i < (s->top ? n : s->n); i++) {
        if (!s->top) {
            json_double(w, answers[i]);
            continue;
        }
        json_open(w, '{');
        json_put_int(w, "class", order[i]);
        json_put_text(w, "name", s->class_names ? s->class_names[order[i]] : NULL);
        json_put_double(w, "probability", answers[order[i]]);
        json_close(w, '}');
    }
    json_close(w, ']');
    json_close(w, '}');
}

static void as_csv(const predict_show *s, const char *file, const double *answers, const int64_t *order,
                   int64_t n)
{
    text t = {0};
    if (!s->top) {
        csv_text(&t, file);
        for (int64_t k = 0; k < s->n; k++) {
            text_char(&t, ',');
            text_double(&t, answers[k]);
        }
        text_char(&t, '\n');
    }
    for (int64_t i = 0; i < n; i++) {
        csv_text(&t, file);
        text_printf(&t, ",%lld,%lld,", (long long)i + 1, (long long)order[i]);
        csv_text(&t, name_of(s, order[i]));
        text_char(&t, ',');
        text_double(&t, answers[order[i]]);
        text_char(&t, '\n');
    }
    print(&t);
}

static void as_text(const predict_show *s, const char *file, const double *answers, const int64_t *order,
                    int64_t n)
{
    text t = {0};
    text_safe(&t, file, 4096);
    text_add(&t, ": ");
    for (int64_t k = 0; !s->top && k < s->n; k++) text_printf(&t, "%s%.6g", k ? ", " : "", answers[k]);
    for (int64_t i = 0; i < n; i++) {
        if (i) text_add(&t, ", ");
        if (s->class_names)
            text_safe(&t, name_of(s, order[i]), 200);
        else
            text_printf(&t, "class %lld", (long long)order[i]);
        text_printf(&t, " %.2f %%", 100 * answers[order[i]]);
    }
    if (s->top && !n) text_add(&t, "no answer: the network gives numbers that are none");
    text_char(&t, '\n');
    print(&t);
}

void predict_show_one(predict_show *s, const char *file, const double *answers)
{
    int64_t *order = mem_array((size_t)s->top + 2, sizeof *order);
    const int64_t n = s->top ? best_of(s, answers, order) : 0;
    if (s->form == PREDICT_JSON)
        as_json(s, file, answers, order, n);
    else if (s->form == PREDICT_CSV)
        as_csv(s, file, answers, order, n);
    else
        as_text(s, file, answers, order, n);
    mem_free(order);
}

void predict_show_end(predict_show *s)
{
    if (s->form != PREDICT_JSON) return;
    json_close(&s->w, ']');
    json_close(&s->w, '}');
    cli_print_json(&s->w);
}
