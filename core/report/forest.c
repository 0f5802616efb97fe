/* Owns regression trees and the variances of their marginals; must not know what the numbers mean. */
#include "report/forest.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/philox.h"

/* What a leaf covers on one axis. */
typedef struct span {
    double low, high;
    uint64_t mask; /* of categories */
} span;

typedef struct leaf {
    double value, volume; /* of the prediction; as a share of the box */
    const span *spans;    /* one per axis */
} leaf;

typedef struct tree {
    const forest_axis *axes;
    size_t n_axes;
    const double *x, *y; /* of all samples */
    leaf *leaves;
    size_t n, cap;
    arena memory;
} tree;

static bool categorical(const tree *t, size_t axis)
{
    return t->axes[axis].categories > 0;
}

static uint64_t all_of(int categories)
{
    return categories >= 64 ? ~(uint64_t)0 : ((uint64_t)1 << categories) - 1;
}

/* The share of an axis that a span covers. */
static double extent(const forest_axis *a, const span *s)
{
    if (a->categories > 0) return (double)__builtin_popcountll(s->mask) / a->categories;
    return (s->high - s->low) / (a->high - a->low);
}

/* ---- growing ---- */

typedef struct split {
    size_t axis;
    double at;     /* below goes left; of categories: this one goes left */
    double spread; /* sum of squares left on both sides; the smaller, the better */
    bool found;
} split;

typedef struct keyed {
    double x, y;
} keyed;

static int by_x(const void *a, const void *b)
{
    double x = ((const keyed *)a)->x, y = ((const keyed *)b)->x;
    return (x > y) - (x < y);
}

static void split_number(size_t axis, keyed *k, size_t n, split *best)
{
    double right = 0, right2 = 0, left = 0, left2 = 0;
    qsort(k, n, sizeof *k, by_x);
    for (size_t i = 0; i < n; i++) right += k[i].y, right2 += k[i].y * k[i].y;
    for (size_t i = 0; i + 1 < n; i++) {
        left += k[i].y, left2 += k[i].y * k[i].y;
        right -= k[i].y, right2 -= k[i].y * k[i].y;
        if (k[i].x >= k[i + 1].x) continue;
        double a = (double)(i + 1), b = (double)(n - i - 1);
        double spread = left2 - left * left / a + right2 - right * right / b;
        double at = 0.5 * (k[i].x + k[i + 1].x);
        if (!(at > k[i].x)) at = k[i + 1].x; /* no double lies between them */
        if (!best->found || spread < best->spread) *best = (split){axis, at, spread, true};
    }
}

static void split_category(size_t axis, const keyed *k, size_t n, int categories, split *best)
{
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++) sum += k[i].y, squares += k[i].y * k[i].y;
    for (int c = 0; c < categories; c++) {
        double in = 0, in2 = 0, count = 0;
        for (size_t i = 0; i < n; i++)
            if ((int)k[i].x == c) in += k[i].y, in2 += k[i].y * k[i].y, count++;
        double rest = (double)n - count;
        if (count < 1 || rest < 1) continue;
        double spread = in2 - in * in / count + (squares - in2) - (sum - in) * (sum - in) / rest;
        if (!best->found || spread < best->spread) *best = (split){axis, c, spread, true};
    }
}

static split best_split(const tree *t, const size_t *of, size_t n, keyed *work)
{
    split best = {0};
    for (size_t a = 0; a < t->n_axes; a++) {
        for (size_t i = 0; i < n; i++) work[i] = (keyed){t->x[of[i] * t->n_axes + a], t->y[of[i]]};
        if (categorical(t, a))
            split_category(a, work, n, t->axes[a].categories, &best);
        else
            split_number(a, work, n, &best);
    }
    return best;
}

static bool goes_left(const tree *t, const split *s, size_t sample)
{
    double v = t->x[sample * t->n_axes + s->axis];
    return categorical(t, s->axis) ? (int)v == (int)s->at : v < s->at;
}

static void add_leaf(tree *t, const span *spans, double value)
{
    double volume = 1;
    for (size_t a = 0; a < t->n_axes; a++) volume *= extent(&t->axes[a], &spans[a]);
    t->leaves = MEM_GROW(t->leaves, t->n, &t->cap);
    t->leaves[t->n++] = (leaf){value, volume, spans};
}

static void grow(tree *t, size_t *of, size_t n, const span *spans, int depth, keyed *work)
{
    enum { DEEPEST = 64 };
    double sum = 0;
    bool even = true;
    for (size_t i = 0; i < n; i++) sum += t->y[of[i]], even = even && t->y[of[i]] == t->y[of[0]];
    split s = {0};
    if (n > 1 && !even && depth < DEEPEST) s = best_split(t, of, n, work);
    if (!s.found) {
        add_leaf(t, spans, sum / (double)n);
        return;
    }
    size_t left = 0;
    for (size_t i = 0; i < n; i++)
        if (goes_left(t, &s, of[i])) {
            size_t swap = of[left];
            of[left++] = of[i];
            of[i] = swap;
        }
    span *a = arena_array(&t->memory, t->n_axes, sizeof *a),
         *b = arena_array(&t->memory, t->n_axes, sizeof *b);
    memcpy(a, spans, t->n_axes * sizeof *a);
    memcpy(b, spans, t->n_axes * sizeof *b);
    if (categorical(t, s.axis)) {
        a[s.axis].mask &= (uint64_t)1 << (int)s.at;
        b[s.axis].mask &= ~((uint64_t)1 << (int)s.at);
    } else {
        a[s.axis].high = s.at;
        b[s.axis].low = s.at;
    }
    grow(t, of, left, a, depth + 1, work);
    grow(t, of + left, n - left, b, depth + 1, work);
}

/* ---- marginals ---- */

/* Where a leaf begins or ends on an axis, and by how much the mean over the other axes changes there. */
typedef struct edge {
    double at, by;
} edge;

static int by_place(const void *a, const void *b)
{
    double x = ((const edge *)a)->at, y = ((const edge *)b)->at;
    return (x > y) - (x < y);
}

/* The variance of the mean over all other axes, which is constant between the edges of leaves. */
static double number_variance(const tree *t, size_t axis, double mean)
{
    const forest_axis *a = &t->axes[axis];
    edge *edges = mem_array(2 * t->n + 1, sizeof *edges);
    size_t n = 0;
    for (size_t i = 0; i < t->n; i++) {
        const span *s = &t->leaves[i].spans[axis];
        const double share = extent(a, s);
        if (!(share > 0)) continue;
        const double by = t->leaves[i].value * t->leaves[i].volume / share;
        edges[n++] = (edge){s->low, by};
        edges[n++] = (edge){s->high, -by};
    }
    if (n) qsort(edges, n, sizeof *edges, by_place);
    double variance = 0, m = 0;
    for (size_t k = 0; k + 1 < n; k++) {
        m += edges[k].by;
        variance += (m - mean) * (m - mean) * (edges[k + 1].at - edges[k].at) / (a->high - a->low);
    }
    mem_free(edges);
    return variance;
}

static double category_variance(const tree *t, size_t axis, double mean)
{
    const forest_axis *a = &t->axes[axis];
    double variance = 0;
    for (int c = 0; c < a->categories; c++) {
        double m = 0;
        for (size_t i = 0; i < t->n; i++) {
            const span *s = &t->leaves[i].spans[axis];
            if (s->mask >> c & 1) m += t->leaves[i].value * t->leaves[i].volume / extent(a, s);
        }
        variance += (m - mean) * (m - mean) / a->categories;
    }
    return variance;
}

/* x with a value for each nan. */
static void fill_unset(const forest_axis *axes, size_t n_axes, const double *x, size_t n, philox_stream *r,
                       double *out)
{
    for (size_t i = 0; i < n * n_axes; i++) {
        const forest_axis *a = &axes[i % n_axes];
        out[i] = !isnan(x[i])        ? x[i]
                 : a->categories > 0 ? (double)philox_below(r, (uint32_t)a->categories)
                                     : a->low + (a->high - a->low) * (double)philox_unit(r);
    }
}

void forest_importance(const forest_axis *axes, size_t n_axes, const double *x, const double *y, size_t n,
                       int trees, uint64_t seed, forest_share *shares)
{
    size_t *of = mem_array(n, sizeof *of);
    keyed *work = mem_array(n, sizeof *work);
    double *filled = mem_array(n * n_axes + 1, sizeof *filled);
    double *sum = mem_array(n_axes + 1, sizeof *sum), *squares = mem_array(n_axes + 1, sizeof *squares);
    int counted = 0;
    for (int k = 0; k < trees; k++) {
        tree t = {.axes = axes, .n_axes = n_axes, .x = filled, .y = y};
        philox_stream unset = philox_open(philox_key_of(seed, "forest", "unset"), (uint64_t)k, 0);
        fill_unset(axes, n_axes, x, n, &unset, filled);
        philox_stream r = philox_open(philox_key_of(seed, "forest", ""), (uint64_t)k, 0);
        for (size_t i = 0; i < n; i++) of[i] = philox_below(&r, (uint32_t)n);
        span *whole = arena_array(&t.memory, n_axes, sizeof *whole);
        for (size_t a = 0; a < n_axes; a++)
            whole[a] = (span){axes[a].low, axes[a].high, all_of(axes[a].categories)};
        grow(&t, of, n, whole, 0, work);
        double mean = 0, variance = 0;
        for (size_t i = 0; i < t.n; i++) mean += t.leaves[i].value * t.leaves[i].volume;
        for (size_t i = 0; i < t.n; i++)
            variance += (t.leaves[i].value - mean) * (t.leaves[i].value - mean) * t.leaves[i].volume;
        for (size_t a = 0; a < n_axes && variance > 0; a++) {
            const double own =
                categorical(&t, a) ? category_variance(&t, a, mean) : number_variance(&t, a, mean);
            double share = own / variance;
            sum[a] += share;
            squares[a] += share * share;
        }
        counted += variance > 0;
        mem_free(t.leaves);
        arena_free(&t.memory);
    }
    for (size_t a = 0; a < n_axes; a++) {
        double m = counted ? sum[a] / counted : (double)NAN;
        double v = counted > 1 ? (squares[a] - counted * m * m) / (counted - 1) : 0;
        shares[a] = (forest_share){m, counted ? sqrt(v > 0 ? v : 0) : (double)NAN};
    }
    mem_free(of);
    mem_free(work);
    mem_free(filled);
    mem_free(sum);
    mem_free(squares);
}
