/* Owns the grouping of runs by configuration; must not know how groups are shown. */
#include "report/groups.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "report/difference.h"
#include "report/judge.h"
#include "report/spelling.h"

enum { LONG_NAME = 48 /* bytes */ };

/* A run on its way into a group. */
typedef struct member {
    const query_run *run;
    query_pairs params;
    size_t index, variant; /* variant: 0, 1, ... among trials of one sweep that say the same of themselves */
} member;

static int compare_int(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

static int compare_text(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "");
}

/* Order of what runs say of their configuration, seed and fold left out. */
static int compare_config(const member *a, const member *b)
{
    int order = compare_text(a->run->model, b->run->model);
    if (!order) order = compare_text(a->run->dataset, b->run->dataset);
    /* Parameters need not name every layer of a model, nor all that a sweep changes. */
    if (!order) order = compare_int(a->run->parameters, b->run->parameters);
    if (!order) order = compare_int(a->run->macs, b->run->macs);
    size_t i = 0, k = 0;
    while (!order) {
        while (i < a->params.n && repeats_beside(a->params.items[i].key)) i++;
        while (k < b->params.n && repeats_beside(b->params.items[k].key)) k++;
        bool end_a = i == a->params.n, end_b = k == b->params.n;
        if (end_a || end_b) return (int)end_b - (int)end_a;
        order = strcmp(a->params.items[i].key, b->params.items[k].key);
        if (!order) order = spelling_compare(a->params.items[i].value, b->params.items[k].value);
        i++;
        k++;
    }
    return order;
}

static int compare_index(const member *a, const member *b)
{
    return (a->index > b->index) - (a->index < b->index);
}

static int by_config(const void *a, const void *b)
{
    const member *x = a, *y = b;
    int order = compare_config(x, y);
    if (!order) order = compare_text(x->run->sweep, y->run->sweep);
    if (!order) order = compare_int(x->run->trial, y->run->trial);
    return order ? order : compare_index(x, y);
}

static int by_variant(const void *a, const void *b)
{
    const member *x = a, *y = b;
    if (x->variant != y->variant) return x->variant < y->variant ? -1 : 1;
    return compare_index(x, y);
}

/* Trials of one sweep are configurations of their own even where their runs say the same: a sweep may change what no parameter
 * names. Of two sweeps, or a sweep and single runs, the first of them in one is the first of them in the other. The members are
 * equal by compare_config() and in the order of by_config(). */
static void tell_trials(member *m, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        const query_run *before = m[i - 1].run, *run = m[i].run;
        if (compare_text(before->sweep, run->sweep) != 0)
            m[i].variant = 0;
        else
            m[i].variant = m[i - 1].variant + (run->sweep && before->trial != run->trial);
    }
    qsort(m, n, sizeof *m, by_variant);
}

/* Brings repeats of each other together. */
static void sort_members(member *m, size_t n)
{
    if (n) qsort(m, n, sizeof *m, by_config);
    for (size_t i = 0, k; i < n; i = k) {
        for (k = i + 1; k < n && !compare_config(&m[i], &m[k]); k++) {
        }
        tell_trials(m + i, k - i);
    }
}

/* Members of one group stand together from `first` on. */
typedef struct span {
    size_t first, n, index;
} span;

static int by_index(const void *a, const void *b)
{
    const span *x = a, *y = b;
    return (x->index > y->index) - (x->index < y->index);
}

/* How many folds its runs are of; 0: they are no folds, or of one alone. */
static size_t count_folds(const member *m, size_t n)
{
    const char **seen = mem_array(n + 1, sizeof *seen);
    size_t folds = 0;
    for (size_t i = 0; i < n; i++) {
        const char *fold = NULL;
        for (size_t k = 0; k < m[i].params.n && !fold; k++)
            if (!strcmp(m[i].params.items[k].key, "fold")) fold = m[i].params.items[k].value;
        size_t k = 0;
        while (fold && k < folds && strcmp(seen[k], fold) != 0) k++;
        if (fold && k == folds) seen[folds++] = fold;
    }
    mem_free(seen);
    return folds > 1 ? folds : 0;
}

static int by_text(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;
    return strcmp(*x, *y);
}

/* What a sweep calls its configurations stands for differences that are too long to read, where it tells them apart: whole models
 * have names there. */
static void name_by_sweep(const groups *g, const char **labels)
{
    size_t longest = 0;
    for (size_t i = 0; i < g->n; i++)
        if (strlen(labels[i]) > longest) longest = strlen(labels[i]);
    if (longest <= LONG_NAME) return;
    const char **theirs = mem_array(g->n, sizeof *theirs);
    bool good = true;
    for (size_t i = 0; i < g->n && good; i++) {
        const query_run *first = g->items[i].runs[0];
        theirs[i] = first->label;
        good = first->sweep && first->label && strlen(first->label) < longest &&
               !strcmp(first->sweep, g->items[0].runs[0]->sweep);
    }
    if (good) {
        const char **sorted = mem_array(g->n, sizeof *sorted);
        memcpy(sorted, theirs, g->n * sizeof *sorted);
        qsort(sorted, g->n, sizeof *sorted, by_text);
        for (size_t i = 1; i < g->n; i++) good = good && strcmp(sorted[i - 1], sorted[i]) != 0;
        mem_free(sorted);
    }
    if (good) memcpy(labels, theirs, g->n * sizeof *labels);
    mem_free(theirs);
}

static void name_groups(groups *g, bool each, arena *a)
{
    difference_config *configs = mem_array(g->n, sizeof *configs);
    const char **labels = mem_array(g->n, sizeof *labels);
    for (size_t i = 0; i < g->n; i++) {
        const query_run *first = g->items[i].runs[0];
        configs[i] = (difference_config){g->items[i].params, first->model, first->name};
    }
    if (g->n == 1)
        labels[0] = g->items[0].n == 1                   ? g->items[0].runs[0]->name
                    : g->items[0].n == g->items[0].folds ? arena_printf(a, "%zu folds", g->items[0].n)
                                                         : arena_printf(a, "%zu runs", g->items[0].n);
    else
        difference_labels(configs, g->n, each, a, labels);
    if (g->n > 1 && !each) name_by_sweep(g, labels);
    for (size_t i = 0; i < g->n; i++) g->items[i].label = labels[i];
    mem_free(configs);
    mem_free(labels);
}

cvy_status groups_make(store *s, const query_run *runs, size_t n, bool each, arena *a, groups *out, errors *e)
{
    *out = (groups){0};
    member *members = mem_array(n, sizeof *members);
    span *spans = mem_array(n, sizeof *spans);
    cvy_status status = CVY_OK;
    for (size_t i = 0; i < n && status == CVY_OK; i++) {
        members[i] = (member){.run = &runs[i], .index = i};
        status = query_trial_params(s, &runs[i], a, &members[i].params, e);
    }
    if (status == CVY_OK && !each) sort_members(members, n);
    for (size_t i = 0; i < n && status == CVY_OK; i++) {
        bool more = i && !each && members[i - 1].variant == members[i].variant &&
                    !compare_config(&members[i - 1], &members[i]);
        if (!more) spans[out->n++] = (span){i, 0, members[i].index};
        spans[out->n - 1].n++;
    }
    if (out->n) qsort(spans, out->n, sizeof *spans, by_index);
    out->items = arena_array(a, out->n, sizeof *out->items);
    for (size_t i = 0; i < out->n; i++) {
        group *g = &out->items[i];
        g->n = spans[i].n;
        g->params = members[spans[i].first].params;
        g->folds = count_folds(&members[spans[i].first], g->n);
        g->runs = arena_array(a, g->n, sizeof *g->runs);
        for (size_t k = 0; k < g->n; k++) g->runs[k] = members[spans[i].first + k].run;
    }
    if (out->n) name_groups(out, each, a);
    mem_free(members);
    mem_free(spans);
    return status;
}

repeated groups_repeats(const group *items, size_t n)
{
    repeated all = {0};
    for (size_t i = 0; i < n; i++) {
        const group *g = &items[i];
        if (g->n > 1)
            all = repeats_join(all, (repeated){g->n, g->n / (g->folds ? g->folds : 1), g->folds, !g->folds});
    }
    return all;
}

statistics groups_statistics(const group *g, groups_value *value)
{
    double *values = mem_array(g->n, sizeof *values);
    for (size_t i = 0; i < g->n; i++) values[i] = value(g->runs[i]);
    statistics s = statistics_of(values, g->n);
    mem_free(values);
    return s;
}

/* A group with its place in the order, worst is largest. */
typedef struct ranked {
    group g;
    double loss;
    size_t index;
} ranked;

static int by_loss(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    bool has_x = !isnan(x->loss), has_y = !isnan(y->loss);
    if (has_x != has_y) return has_x ? -1 : 1;
    if (has_x && x->loss != y->loss) return x->loss < y->loss ? -1 : 1;
    return (x->index > y->index) - (x->index < y->index);
}

void groups_sort(groups *g)
{
    ranked *order = mem_array(g->n, sizeof *order);
    for (size_t i = 0; i < g->n; i++) {
        const char *goal = g->items[i].runs[0]->goal;
        double mean = groups_statistics(&g->items[i], judge_best).mean;
        order[i] = (ranked){g->items[i], goal && !strcmp(goal, "minimize") ? mean : -mean, i};
    }
    if (g->n) qsort(order, g->n, sizeof *order, by_loss);
    for (size_t i = 0; i < g->n; i++) g->items[i] = order[i].g;
    mem_free(order);
}
