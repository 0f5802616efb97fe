/* Owns the way from configurations as text to the numbers of a forest; must not know how trees grow. */
#include "report/importance.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "report/difference.h"

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

/* The place of each value among the distinct ones. */
static size_t rank_values(const difference_column *c, const size_t *of, size_t n, double *x, size_t stride)
{
    const char **seen = mem_array(n + 1, sizeof *seen);
    size_t n_seen = 0;
    for (size_t i = 0; i < n; i++) {
        const char *v = c->values[of[i]] ? c->values[of[i]] : "";
        size_t k = 0;
        while (k < n_seen && strcmp(seen[k], v) != 0) k++;
        if (k == n_seen) seen[n_seen++] = v;
        x[i * stride] = (double)k;
    }
    mem_free(seen);
    return n_seen;
}

/* A column as an axis: numbers over two decades by their logarithm, few values and words as categories. False: more words than an
 * axis can hold. */
static bool make_axis(const difference_column *c, const size_t *of, size_t n, double *x, size_t stride,
                      forest_axis *axis)
{
    bool numbers = true, positive = true;
    double low = HUGE_VAL, high = -HUGE_VAL, v;
    for (size_t i = 0; i < n && numbers; i++) {
        if ((numbers = number_of(c->values[of[i]], &v))) {
            positive = positive && v > 0;
            if (v < low) low = v;
            if (v > high) high = v;
        }
    }
    size_t levels = rank_values(c, of, n, x, stride);
    if (levels <= LEVELS || (!numbers && levels <= FOREST_CATEGORIES)) {
        *axis = (forest_axis){.categories = (int)levels};
        return true;
    }
    if (!numbers) return false;
    bool logarithm = positive && high >= 100 * low;
    for (size_t i = 0; i < n; i++) {
        number_of(c->values[of[i]], &v);
        x[i * stride] = logarithm ? log(v) : v;
    }
    *axis = (forest_axis){0, logarithm ? log(low) : low, logarithm ? log(high) : high};
    return true;
}

static int by_share(const void *a, const void *b)
{
    const importance_item *x = a, *y = b;
    if (x->share.mean != y->share.mean) return x->share.mean > y->share.mean ? -1 : 1;
    return strcmp(x->path, y->path);
}

static void explain_variance(const difference_column *columns, size_t n_columns, const size_t *of,
                             const double *y, importance *out, arena *a)
{
    const size_t n = out->configurations;
    double *x = mem_array(n * n_columns + 1, sizeof *x), *column = mem_array(n + 1, sizeof *column);
    forest_axis *axes = mem_array(n_columns + 1, sizeof *axes);
    forest_share *shares = mem_array(n_columns + 1, sizeof *shares);
    out->items = arena_array(a, n_columns + 1, sizeof *out->items);
    for (size_t k = 0; k < n_columns; k++) {
        if (!make_axis(&columns[k], of, n, column, 1, &axes[out->n]) || axes[out->n].categories == 1)
            continue;
        for (size_t i = 0; i < n; i++) x[i * n_columns + out->n] = column[i];
        out->items[out->n++].path = columns[k].path;
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
