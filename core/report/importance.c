/* Owns the way from configurations as text to the numbers of a forest; must not know how trees grow. */
#include "report/importance.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "report/chart_axis.h"
#include "report/difference.h"
#include "report/spelling.h"

enum {
    TREES = 64,
    LEVELS = 10 /* numbers with up to so many values are taken as categories, each counting alike */
};

static bool number_of(const char *s, double *v)
{
    char *end = NULL;
    if (!s || !*s) return false;
    *v = strtod(s, &end);
    return !*end && isfinite(*v);
}

/* A parameter over the configurations that have a result. */
typedef struct parameter {
    const char *path;
    const char **values; /* NULL: not set */
    size_t *ids;         /* equal for equal values */
    size_t levels;
    bool conditional; /* whether it is set follows from another one */
} parameter;

/* Whether b is set wherever a has some of its values, and nowhere else, and a in more places than b. */
static bool decides(const parameter *a, const parameter *b, size_t n)
{
    enum { OPEN, SET, UNSET };
    char *of = mem_array(a->levels + 1, 1);
    bool ok = true, more = false;
    for (size_t i = 0; i < n && ok; i++) {
        const char now = b->values[i] ? SET : UNSET;
        ok = (of[a->ids[i]] == OPEN || of[a->ids[i]] == now) && (a->values[i] || !b->values[i]);
        more = more || (a->values[i] && !b->values[i]);
        of[a->ids[i]] = now;
    }
    mem_free(of);
    return ok && more;
}

static bool unset_somewhere(const parameter *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!p->values[i]) return true;
    return false;
}

/* What decides has few values, as a type does: a number that differs in every configuration would decide everything. */
static void find_conditions(parameter *p, size_t n_parameters, size_t n)
{
    for (size_t k = 0; k < n_parameters; k++) {
        if (!unset_somewhere(&p[k], n)) continue;
        for (size_t i = 0; i < n_parameters && !p[k].conditional; i++)
            p[k].conditional = i != k && p[i].levels <= LEVELS && decides(&p[i], &p[k], n);
    }
}

/* Numbers where they are set; false: a word is among them. */
static bool read_numbers(const parameter *p, size_t n, double *x)
{
    for (size_t i = 0; i < n; i++) {
        x[i] = (double)NAN;
        if (p->values[i] && !number_of(p->values[i], &x[i])) return false;
    }
    return true;
}

static void number_axis(const parameter *p, size_t n, double *x, forest_axis *axis)
{
    const bool logarithm = chart_axis_log(x, n);
    double low = HUGE_VAL, high = -HUGE_VAL;
    size_t unset = 0;
    for (size_t i = 0; i < n; i++) {
        if (!p->values[i]) {
            unset++;
            continue;
        }
        if (logarithm) x[i] = log(x[i]);
        low = fmin(low, x[i]);
        high = fmax(high, x[i]);
    }
    if (unset && !p->conditional) {
        /* Not set is below all numbers and has as much of the axis as of the configurations. Trees cut in the middle between two
         * values, so that it stands close to the lowest. */
        const double span = high - low;
        for (size_t i = 0; i < n; i++)
            if (!p->values[i]) x[i] = low - 1e-6 * span;
        low -= span * (double)unset / (double)(n - unset);
    }
    *axis = (forest_axis){0, low, high};
}

/* A parameter as an axis: few values and words as categories, numbers that are spread by magnitude by their logarithm. False: it
 * says nothing, or has more words than an axis can hold. */
static bool make_axis(const parameter *p, size_t n, double *x, forest_axis *axis, size_t *left_out)
{
    const bool numbers = read_numbers(p, n, x);
    const size_t set = p->levels - (p->conditional ? 1 : 0); /* values that count */
    if (set <= 1) return false;
    if (numbers && set > LEVELS) {
        number_axis(p, n, x, axis);
        return axis->high > axis->low;
    }
    if (set > FOREST_CATEGORIES) {
        ++*left_out;
        return false;
    }
    size_t skipped = SIZE_MAX; /* the number of "not set", where that is no value */
    for (size_t i = 0; i < n && p->conditional; i++)
        if (!p->values[i]) skipped = p->ids[i];
    for (size_t i = 0; i < n; i++) {
        const size_t id = p->ids[i];
        x[i] = id == skipped ? (double)NAN : (double)(id - (id > skipped));
    }
    *axis = (forest_axis){.categories = (int)set};
    return true;
}

static int by_share(const void *a, const void *b)
{
    const importance_item *x = a, *y = b;
    if (x->share.mean != y->share.mean) return x->share.mean > y->share.mean ? -1 : 1;
    return strcmp(x->path, y->path);
}

static parameter *read_parameters(const difference_column *columns, size_t n_columns, const size_t *of,
                                  size_t n, arena *a)
{
    parameter *p = arena_array(a, n_columns + 1, sizeof *p);
    for (size_t k = 0; k < n_columns; k++) {
        p[k].path = columns[k].path;
        p[k].values = arena_array(a, n + 1, sizeof *p[k].values);
        p[k].ids = arena_array(a, n + 1, sizeof *p[k].ids);
        for (size_t i = 0; i < n; i++) p[k].values[i] = columns[k].values[of[i]];
        p[k].levels = spelling_number(p[k].values, n, p[k].ids);
    }
    find_conditions(p, n_columns, n);
    return p;
}

static void explain_variance(const difference_column *columns, size_t n_columns, const size_t *of,
                             const double *y, importance *out, arena *a)
{
    const size_t n = out->configurations;
    arena own = {0};
    const parameter *p = read_parameters(columns, n_columns, of, n, &own);
    double *x = mem_array(n * n_columns + 1, sizeof *x), *column = mem_array(n + 1, sizeof *column);
    forest_axis *axes = mem_array(n_columns + 1, sizeof *axes);
    forest_share *shares = mem_array(n_columns + 1, sizeof *shares);
    out->items = arena_array(a, n_columns + 1, sizeof *out->items);
    for (size_t k = 0; k < n_columns; k++) {
        if (!make_axis(&p[k], n, column, &axes[out->n], &out->left_out)) continue;
        for (size_t i = 0; i < n; i++) x[i * n_columns + out->n] = column[i];
        out->items[out->n++].path = p[k].path;
    }
    for (size_t i = 0; i < n; i++) /* close up the rows */
        memmove(x + i * out->n, x + i * n_columns, out->n * sizeof *x);
    forest_importance(axes, out->n, x, y, n, TREES, 0, shares);
    out->rest = 1;
    for (size_t k = 0; k < out->n; k++) {
        out->items[k].share = shares[k];
        out->rest -= shares[k].mean;
    }
    if (out->rest < 0) out->rest = 0;
    if (out->n) qsort(out->items, out->n, sizeof *out->items, by_share);
    mem_free(x);
    mem_free(column);
    mem_free(axes);
    mem_free(shares);
    arena_free(&own);
}

cvy_status importance_make(store *s, const query_run *runs, size_t n, groups_value *value, arena *a,
                           importance *out, errors *e)
{
    groups g;
    *out = (importance){0};
    cvy_status status = groups_make(s, runs, n, false, a, &g, e);
    if (status != CVY_OK) return status;
    difference_config *configs = mem_array(g.n + 1, sizeof *configs);
    difference_column *columns;
    size_t *of = mem_array(g.n + 1, sizeof *of);
    double *y = mem_array(g.n + 1, sizeof *y);
    bool differs = false;
    for (size_t i = 0; i < g.n; i++) {
        const query_run *first = g.items[i].runs[0];
        configs[i] = (difference_config){g.items[i].params, first->model, first->name};
        double mean = groups_statistics(&g.items[i], value).mean;
        if (isnan(mean)) continue;
        of[out->configurations] = i;
        y[out->configurations++] = mean;
        differs = differs || mean != y[0];
    }
    size_t n_columns = difference_columns(configs, g.n, a, &columns);
    if (out->configurations < IMPORTANCE_LEAST)
        status =
            errors_add(e, CVY_ERR_CONFIG, NULL, "a sweep over more values",
                       "%zu configurations with a result are too few to say what matters; %d are the least",
                       out->configurations, IMPORTANCE_LEAST);
    else if (!n_columns || !differs)
        status = errors_add(e, CVY_ERR_CONFIG, NULL, NULL,
                            n_columns ? "all configurations came to the same" : "no parameter varies");
    else
        explain_variance(columns, n_columns, of, y, out, a);
    mem_free(configs);
    mem_free(of);
    mem_free(y);
    return status;
}
