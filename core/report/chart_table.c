/* Owns the way from configurations as text to columns of numbers for charts; must not know what is drawn of them. */
#include "report/chart_table.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "report/chart_axis.h"
#include "report/difference.h"
#include "report/names.h"
#include "report/spelling.h"

enum { WORD = 24 /* characters of a value at a tick */ };

static int by_number(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void fill_numbers(const difference_column *d, size_t n, arena *a, chart_column *c)
{
    double *at = arena_array(a, n + 1, sizeof *at), *sorted = arena_array(a, n + 1, sizeof *sorted);
    size_t k = 0;
    for (size_t i = 0; i < n; i++) {
        at[i] = (double)NAN;
        if (spelling_value(d->values[i], &at[i]))
            sorted[k++] = at[i];
        else
            at[i] = (double)NAN, c->unset++;
    }
    c->log = chart_axis_log(at, n);
    c->at = at;
    qsort(sorted, k, sizeof *sorted, by_number);
    for (size_t i = 0; i < k; i++)
        if (!i || sorted[i] != sorted[i - 1]) sorted[c->distinct++] = sorted[i];
    c->values = sorted;
    c->low = sorted[0];
    c->high = sorted[c->distinct - 1];
}

/* A list goes without its brackets. */
static const char *word_of(const char *v, arena *a)
{
    const size_t n = strlen(v);
    if (!n) return "none";
    return n > 2 && v[0] == '[' && v[n - 1] == ']' ? arena_text_n(a, v + 1, n - 2) : v;
}

static void fill_words(const difference_column *d, size_t n, arena *a, chart_column *c)
{
    double *at = arena_array(a, n + 1, sizeof *at);
    const char **set = mem_array(n + 1, sizeof *set);
    size_t *ids = mem_array(n + 1, sizeof *ids), n_set = 0;
    for (size_t i = 0; i < n; i++)
        if (d->values[i]) set[n_set++] = d->values[i];
    c->unset = n - n_set;
    c->n_words = n_set ? spelling_number(set, n_set, ids) : 0;
    c->words = arena_array(a, c->n_words + 1, sizeof *c->words);
    for (size_t i = 0, k = 0; i < n; i++) {
        at[i] = d->values[i] ? (double)ids[k] : (double)NAN;
        if (!d->values[i]) continue;
        if (!c->words[ids[k]]) c->words[ids[k]] = word_of(set[k], a);
        k++;
    }
    names_tidy(c->words, c->n_words, a);
    names_cut(c->words, c->n_words, WORD, a);
    c->at = at;
    c->distinct = c->n_words;
    c->low = 0;
    c->high = c->n_words ? (double)(c->n_words - 1) : 0;
    mem_free(ids);
    mem_free(set);
}

static void fill_column(const difference_column *d, size_t n, arena *a, chart_column *c)
{
    *c = (chart_column){.path = d->path, .numbers = true};
    size_t set = 0;
    double v;
    for (size_t i = 0; i < n; i++) {
        if (!d->values[i]) continue;
        c->numbers = c->numbers && spelling_value(d->values[i], &v);
        set++;
    }
    c->numbers = c->numbers && set;
    if (c->numbers)
        fill_numbers(d, n, a, c);
    else
        fill_words(d, n, a, c);
}

/* "stem.channels": as much of the path from its end as tells it from the others; a type is called after what it is the type of. */
static void name_columns(chart_table *t, arena *a)
{
    for (size_t i = 0; i < t->n_columns; i++) {
        const char *path = t->columns[i].path;
        size_t end = strlen(path);
        if (text_ends(path, ".type")) end -= strlen(".type");
        size_t from = end;
        for (bool taken = true; taken && from > 0;) {
            while (from > 0 && path[--from] != '.') {
            }
            const char *name = path + from + (path[from] == '.');
            size_t n = end - (size_t)(name - path);
            taken = false;
            for (size_t k = 0; k < t->n_columns && !taken; k++) {
                const char *other = t->columns[k].path;
                size_t m = strlen(other) - (text_ends(other, ".type") ? strlen(".type") : 0);
                taken = k != i && m >= n && !strncmp(other + m - n, name, n) &&
                        (m == n || other[m - n - 1] == '.');
            }
            t->columns[i].label = arena_text_n(a, name, n);
        }
        if (!t->columns[i].label) t->columns[i].label = path;
        t->columns[i].label = chart_axis_short(t->columns[i].label, 40, a);
    }
}

static bool any_state(const group *g, const char *state)
{
    for (size_t i = 0; i < g->n; i++)
        if (g->runs[i]->state && !strcmp(g->runs[i]->state, state)) return true;
    return false;
}

static void fill_rows(chart_table *t, bool maximize, arena *a)
{
    t->rows = arena_array(a, t->n + 1, sizeof *t->rows);
    t->best = t->n;
    for (size_t i = 0; i < t->n; i++) {
        chart_row *r = &t->rows[i];
        r->g = &t->g.items[i];
        const statistics of = groups_statistics(r->g, judge_best);
        r->value = of.mean;
        r->n = of.n;
        r->stopped = any_state(r->g, "stopped early");
        r->failed = !r->stopped && !any_state(r->g, "finished");
        t->stopped += r->stopped;
        t->failed += r->failed;
        t->silent += isnan(r->value) ? 1 : 0;
        if (isnan(r->value)) continue;
        double best = t->best < t->n ? t->rows[t->best].value : (double)NAN;
        if (!(maximize ? r->value <= best : r->value >= best)) t->best = i;
    }
}

cvy_status chart_table_make(store *s, const chart_judged *j, arena *a, chart_table *out, errors *e)
{
    *out = (chart_table){0};
    cvy_status status = groups_make(s, j->runs, j->n, false, a, &out->g, e);
    if (status != CVY_OK) return status;
    out->n = out->g.n;
    fill_rows(out, j->maximize, a);
    difference_config *configs = mem_array(out->n + 1, sizeof *configs);
    difference_column *columns;
    for (size_t i = 0; i < out->n; i++) {
        const group *g = &out->g.items[i];
        configs[i] = (difference_config){g->params, g->runs[0]->model, g->runs[0]->name};
    }
    size_t n = difference_columns(configs, out->n, a, &columns);
    out->columns = arena_array(a, n + 1, sizeof *out->columns);
    for (size_t i = 0; i < n; i++) {
        chart_column *c = &out->columns[out->n_columns];
        fill_column(&columns[i], out->n, a, c);
        out->n_columns += c->distinct > 1 || (c->unset && c->distinct);
    }
    mem_free(configs);
    name_columns(out, a);
    const char **labels = mem_array(out->n + 1, sizeof *labels);
    for (size_t i = 0; i < out->n; i++) labels[i] = out->g.items[i].label;
    names_tidy(labels, out->n, a);
    for (size_t i = 0; i < out->n; i++) out->g.items[i].label = labels[i];
    mem_free(labels);
    return CVY_OK;
}

const chart_column *chart_table_column(const chart_table *t, const char *path, errors *e)
{
    for (size_t i = 0; i < t->n_columns; i++)
        if (!strcmp(t->columns[i].path, path) || !strcmp(t->columns[i].label, path)) return &t->columns[i];
    for (size_t i = 0; i < t->n_columns; i++) { /* "train.optimizer" for its type */
        const char *own = t->columns[i].path;
        size_t n = strlen(path);
        if (!strncmp(own, path, n) && !strcmp(own + n, ".type")) return &t->columns[i];
    }
    text hint = {0}, safe = {0};
    const char **paths = mem_array(t->n_columns + 1, sizeof *paths);
    for (size_t i = 0; i < t->n_columns; i++) paths[i] = t->columns[i].path;
    const char *near = text_nearest(path, paths, t->n_columns);
    if (near) text_printf(&hint, "did you mean %s?", near);
    for (size_t i = 0; !near && i < t->n_columns && i < 8; i++)
        text_printf(&hint, "%s%s", i ? ", " : "they differ in ", paths[i]);
    text_safe(&safe, path, 200);
    errors_add(e, CVY_ERR_CONFIG, NULL, hint.n ? text_str(&hint) : "they do not differ in any parameter",
               "the runs do not differ in a parameter \"%s\"", text_str(&safe));
    text_free(&hint);
    text_free(&safe);
    mem_free(paths);
    return NULL;
}

figure_axis chart_table_axis(const chart_column *c)
{
    if (!c->numbers) return chart_axis_names(c->label, c->words, c->n_words);
    figure_axis x = chart_axis_plain(c->label);
    x.log = c->log;
    if (c->distinct <= CHART_TABLE_TICKS) x.ticks = c->values, x.n_ticks = c->distinct;
    return x;
}

void chart_table_say(const chart_table *t, text *caption)
{
    const repeated of = groups_repeats(t->g.items, t->g.n);
    size_t least = SIZE_MAX, most = 0;
    for (size_t i = 0; i < t->n; i++) {
        const size_t n = t->rows[i].n;
        if (n && n < least) least = n;
        if (n > most) most = n;
    }
    chart_judge_say(caption, "%zu configuration%s", t->n - t->silent, t->n - t->silent == 1 ? "" : "s");
    if (most > 1) {
        text_add(caption, ", each the mean over ");
        repeats_say_span(&of, least, most, caption);
    }
    if (t->stopped) chart_judge_say(caption, "%zu stopped early", t->stopped);
    if (t->silent) chart_judge_say(caption, "%zu without a value left out", t->silent);
}
