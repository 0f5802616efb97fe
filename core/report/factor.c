/* Owns the crossing of one parameter's values with everything else that varies; must not know how it is shown. */
#include "report/factor.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "report/difference.h"
#include "report/measure.h"
#include "report/spelling.h"

/* A run with what it is in the crossing. */
typedef struct entry {
    const query_run *run;
    query_pairs params;               /* by key */
    const char *level, *block, *seed; /* keys; equal texts are the same thing */
    size_t i_level, i_block, i_seed;
} entry;

typedef struct crossing {
    entry *entries;
    size_t n;
    const char *by;
    const char **paths; /* of parameters that are neither the factor's nor a replicate's */
    size_t n_paths;
    arena *a;
} crossing;

static bool within(const char *path, const char *by)
{
    size_t n = strlen(by);
    return !strncmp(path, by, n) && (!path[n] || path[n] == '.');
}

static const char *value_at(const query_pairs *params, const char *path)
{
    size_t from = 0, to = params->n;
    while (from < to) {
        size_t middle = (from + to) / 2;
        int order = strcmp(params->items[middle].key, path);
        if (!order) return params->items[middle].value;
        if (order < 0)
            from = middle + 1;
        else
            to = middle;
    }
    return NULL;
}

/* ---- keys ---- */

static const char *level_key(const crossing *c, const entry *e)
{
    text t = {0};
    char own[SPELLING_BYTES];
    if (within("model", c->by) && e->run->model) text_add(&t, e->run->model);
    for (size_t i = 0; i < e->params.n; i++)
        if (within(e->params.items[i].key, c->by))
            text_printf(&t, "\n%s=%s", e->params.items[i].key, spelling_of(e->params.items[i].value, own));
    const char *key = arena_text(c->a, text_str(&t));
    text_free(&t);
    return key;
}

static const char *seed_text(const crossing *c, const entry *e)
{
    return e->run->seed == QUERY_NONE ? "?" : arena_printf(c->a, "%lld", (long long)e->run->seed);
}

static const char *seed_key(const crossing *c, const entry *e)
{
    const char *fold = value_at(&e->params, "fold"), *seed = seed_text(c, e);
    return fold ? arena_printf(c->a, "%s fold %s", seed, fold) : seed;
}

static repeated count_repeats(const crossing *c, size_t n)
{
    const char **seeds = mem_array(n + 1, sizeof *seeds), **folds = mem_array(n + 1, sizeof *folds);
    for (size_t i = 0; i < c->n; i++) {
        const entry *e = &c->entries[i];
        if (seeds[e->i_seed]) continue;
        seeds[e->i_seed] = seed_text(c, e);
        folds[e->i_seed] = value_at(&e->params, "fold");
    }
    const repeated r = repeats_of(seeds, folds, n);
    mem_free(seeds);
    mem_free(folds);
    return r;
}

static const char *block_key(const crossing *c, const entry *e)
{
    text t = {0};
    char own[SPELLING_BYTES];
    for (size_t i = 0; i < c->n_paths; i++) {
        bool model = !strcmp(c->paths[i], "model");
        const char *value = model ? e->run->model : value_at(&e->params, c->paths[i]);
        text_printf(&t, "\n%s", model ? (value ? value : "") : spelling_of(value, own));
    }
    const char *key = arena_text(c->a, text_str(&t));
    text_free(&t);
    return key;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Numbers the distinct texts found at `offset` of the entries by first appearance; in *out, in the arena. */
static size_t number_texts(crossing *c, size_t offset, size_t number, const char ***out)
{
    const char **sorted = mem_array(c->n + 1, sizeof *sorted);
    for (size_t i = 0; i < c->n; i++) sorted[i] = *(const char **)((char *)&c->entries[i] + offset);
    if (c->n) qsort(sorted, c->n, sizeof *sorted, by_text);
    size_t n = 0;
    for (size_t i = 0; i < c->n; i++)
        if (!n || strcmp(sorted[n - 1], sorted[i]) != 0) sorted[n++] = sorted[i];
    size_t *rank = mem_array(n + 1, sizeof *rank), given = 0;
    for (size_t i = 0; i < n; i++) rank[i] = n;
    *out = arena_array(c->a, n + 1, sizeof **out);
    for (size_t i = 0; i < c->n; i++) {
        const char **key = (const char **)((char *)&c->entries[i] + offset);
        const char **found = bsearch(key, sorted, n, sizeof *sorted, by_text);
        size_t k = (size_t)(found - sorted);
        if (rank[k] == n) {
            (*out)[given] = *key;
            rank[k] = given++;
        }
        *(size_t *)((char *)&c->entries[i] + number) = rank[k];
    }
    mem_free(rank);
    mem_free(sorted);
    return n;
}
#define NUMBER(c, member, out) number_texts(c, offsetof(entry, member), offsetof(entry, i_##member), out)

/* ---- what else varies ---- */

/* Every path that a run has, "model" among them, but the factor's own. */
static void collect_paths(crossing *c)
{
    const char **all = NULL;
    size_t n = 0, cap = 0;
    all = MEM_GROW(all, n, &cap);
    all[n++] = "model";
    for (size_t i = 0; i < c->n; i++)
        for (size_t k = 0; k < c->entries[i].params.n; k++) {
            const char *path = c->entries[i].params.items[k].key;
            bool known = i > 0 && value_at(&c->entries[i - 1].params, path);
            if (known || repeats_beside(path) || !strcmp(path, "model")) continue;
            all = MEM_GROW(all, n, &cap);
            all[n++] = path;
        }
    qsort(all, n, sizeof *all, by_text);
    c->paths = arena_array(c->a, n, sizeof *c->paths);
    for (size_t i = 0; i < n; i++) {
        if (i && !strcmp(all[i], all[i - 1])) continue;
        if (c->by && (within(all[i], c->by) || (!strcmp(all[i], "model") && within(c->by, "model"))))
            continue;
        c->paths[c->n_paths++] = all[i];
    }
    mem_free(all);
}

static bool same(const char *a, const char *b)
{
    return a == b || (a && b && !spelling_compare(a, b));
}

/* Keeps the paths that the level does not decide: where all runs of a level agree, for every level, it is part of what the level
 * means, as the rate that goes with each optimizer. */
static void keep_crossed(crossing *c, size_t n_levels)
{
    size_t kept = 0;
    const char **first = mem_array(n_levels, sizeof *first);
    bool *seen = mem_array(n_levels, sizeof *seen);
    for (size_t i = 0; i < c->n_paths; i++) {
        bool decided = true;
        memset(seen, 0, n_levels * sizeof *seen);
        for (size_t k = 0; k < c->n && decided; k++) {
            const entry *e = &c->entries[k];
            const char *value =
                !strcmp(c->paths[i], "model") ? e->run->model : value_at(&e->params, c->paths[i]);
            if (seen[e->i_level])
                decided = same(first[e->i_level], value);
            else
                seen[e->i_level] = true, first[e->i_level] = value;
        }
        if (!decided) c->paths[kept++] = c->paths[i];
    }
    c->n_paths = kept;
    mem_free(first);
    mem_free(seen);
}

/* "train.optimizer": the crossed paths, those of one plugin as one. */
static const char *across(const crossing *c)
{
    text t = {0};
    for (size_t i = 0; i < c->n_paths; i++) {
        const char *dot = strrchr(c->paths[i], '.');
        size_t n = dot ? (size_t)(dot - c->paths[i]) : 0;
        char *slot = n ? mem_printf("%.*s.type", (int)n, c->paths[i]) : NULL;
        bool told = false, typed = dot && !strcmp(dot, ".type");
        for (size_t k = 0; k < c->n_paths && !typed; k++) told = told || (slot && !strcmp(c->paths[k], slot));
        if (!told)
            text_printf(&t, "%s%.*s", t.n ? ", " : "", (int)(typed ? n : strlen(c->paths[i])), c->paths[i]);
        mem_free(slot);
    }
    const char *s = arena_text(c->a, text_str(&t));
    text_free(&t);
    return s;
}

static cvy_status no_such(const crossing *c, errors *e)
{
    for (size_t i = 0; i < c->n; i++)
        for (size_t k = 0; k < c->entries[i].params.n; k++)
            if (within(c->entries[i].params.items[k].key, c->by)) return CVY_OK;
    if (within("model", c->by)) return CVY_OK;
    crossing all = *c;
    all.by = NULL;
    all.n_paths = 0;
    collect_paths(&all);
    size_t n = 0;
    for (size_t i = 0; i < all.n_paths; i++) { /* those in which runs differ */
        bool differs = false;
        for (size_t k = 1; k < c->n && !differs; k++)
            differs = !strcmp(all.paths[i], "model")
                          ? !same(c->entries[k].run->model, c->entries[0].run->model)
                          : !same(value_at(&c->entries[k].params, all.paths[i]),
                                  value_at(&c->entries[0].params, all.paths[i]));
        if (differs) all.paths[n++] = all.paths[i];
    }
    text hint = {0}, shown = {0};
    const char *near = text_nearest(c->by, all.paths, n);
    if (near)
        text_printf(&hint, "did you mean %s?", near);
    else if (!n)
        text_add(&hint, "they do not differ in any parameter");
    else
        text_add(&hint, "they differ in ");
    for (size_t i = 0; !near && i < n && i < 8; i++) text_printf(&hint, "%s%s", i ? ", " : "", all.paths[i]);
    text_safe(&shown, c->by, 200);
    cvy_status status = errors_add(e, CVY_ERR_CONFIG, NULL, text_str(&hint), "no run has a parameter \"%s\"",
                                   text_str(&shown));
    text_free(&hint);
    text_free(&shown);
    return status;
}

/* ---- levels ---- */

static int by_cell(const void *a, const void *b)
{
    const factor_cell *x = a, *y = b;
    if (x->seed != y->seed) return x->seed < y->seed ? -1 : 1;
    if (x->block != y->block) return x->block < y->block ? -1 : 1;
    return (x->run->number > y->run->number) - (x->run->number < y->run->number);
}

/* Cells of one block and one seed from *at on as one: moves *at behind them; nan when none has a finite value. */
static double next_cell(const factor_level *l, size_t *at, groups_value *value)
{
    const factor_cell *first = &l->cells[*at];
    double newest = (double)NAN;
    for (; *at < l->g.n; ++*at) {
        const factor_cell *c = &l->cells[*at];
        if (c->seed != first->seed || c->block != first->block) break;
        const double v = value ? value(c->run) : c->value;
        if (isfinite(v)) newest = v;
    }
    return newest;
}

/* The mean over the blocks of the seed at *at; moves *at behind them; nan. value NULL: that of the factor. */
static double next_seed(const factor_level *l, size_t *at, groups_value *value)
{
    const size_t seed = l->cells[*at].seed;
    double sum = 0;
    size_t n = 0;
    while (*at < l->g.n && l->cells[*at].seed == seed) {
        const double v = next_cell(l, at, value);
        if (!isnan(v)) sum += v, n++;
    }
    return n ? sum / (double)n : (double)NAN;
}

static void fill_cells(const crossing *c, factor *f, groups_value *value)
{
    factor_cell **cells = mem_array(f->n + 1, sizeof *cells);
    size_t *n = mem_array(f->n + 1, sizeof *n);
    for (size_t l = 0; l < f->n; l++)
        f->levels[l].cells = cells[l] = arena_array(c->a, f->levels[l].g.n + 1, sizeof **cells);
    for (size_t i = 0; i < c->n; i++) {
        const entry *e = &c->entries[i];
        cells[e->i_level][n[e->i_level]++] = (factor_cell){e->i_block, e->i_seed, e->run, value(e->run)};
    }
    for (size_t l = 0; l < f->n; l++) {
        factor_level *level = &f->levels[l];
        if (n[l]) qsort(cells[l], n[l], sizeof **cells, by_cell);
        size_t seeds = 0; /* few of all that there are, where each configuration has its own */
        for (size_t i = 0; i < n[l]; i++) seeds += !i || cells[l][i].seed != cells[l][i - 1].seed;
        factor_mean *means = arena_array(c->a, seeds + 1, sizeof *means);
        level->means = means;
        for (size_t at = 0; at < n[l];) {
            const size_t seed = cells[l][at].seed;
            const double mean = next_seed(level, &at, NULL);
            if (!isnan(mean)) means[level->n_means++] = (factor_mean){seed, mean};
        }
    }
    mem_free(cells);
    mem_free(n);
}

/* The rows of a level's first run that are the factor's, for its label: parts below the path by what follows it. */
static query_pairs own_params(const crossing *c, const entry *e)
{
    const size_t n = strlen(c->by);
    query_pairs own = {.items = arena_array(c->a, e->params.n + 1, sizeof *own.items)};
    for (size_t i = 0; i < e->params.n; i++) {
        query_pair p = e->params.items[i];
        if (!within(p.key, c->by)) continue;
        if (p.key[n] && strcmp(c->by, "model") != 0)
            p.key += n + 1; /* the name of a model tells its layers */
        own.items[own.n++] = p;
    }
    return own;
}

static void name_levels(const crossing *c, factor *f)
{
    difference_config *configs = mem_array(f->n + 1, sizeof *configs);
    const char **labels = mem_array(f->n + 1, sizeof *labels);
    for (size_t i = 0; i < c->n; i++) {
        const entry *e = &c->entries[i];
        factor_level *l = &f->levels[e->i_level];
        const char *value = value_at(&e->params, c->by);
        if (l->g.label) continue;
        configs[e->i_level] = (difference_config){
            own_params(c, e), within("model", c->by) ? e->run->model : NULL, e->run->name};
        l->g.label = value ? value : "not set";
    }
    bool leaf = true;
    for (size_t i = 0; i < f->n; i++)
        leaf = leaf && configs[i].params.n <= 1 &&
               (!configs[i].params.n || !strcmp(configs[i].params.items[0].key, c->by));
    if (f->n > 1 && (!leaf || within("model", c->by))) {
        difference_labels(configs, f->n, false, c->a, labels);
        for (size_t i = 0; i < f->n; i++) f->levels[i].g.label = labels[i];
    } else if (f->n == 1 && within("model", c->by) && configs[0].model) {
        f->levels[0].g.label = configs[0].model;
    }
    mem_free(configs);
    mem_free(labels);
}

static void fill_groups(const crossing *c, factor *f)
{
    size_t *counts = mem_array(f->n + 1, sizeof *counts);
    for (size_t i = 0; i < c->n; i++) counts[c->entries[i].i_level]++;
    for (size_t l = 0; l < f->n; l++)
        f->levels[l].g.runs = arena_array(c->a, counts[l], sizeof *f->levels[l].g.runs);
    for (size_t i = 0; i < c->n; i++) {
        group *g = &f->levels[c->entries[i].i_level].g;
        if (!g->n) g->params = c->entries[i].params;
        g->runs[g->n++] = c->entries[i].run;
    }
    mem_free(counts);
}

/* ---- order and front ---- */

static double level_mean(const factor_level *l)
{
    double *values = mem_array(l->n_means + 1, sizeof *values);
    for (size_t i = 0; i < l->n_means; i++) values[i] = l->means[i].value;
    const double mean = statistics_of(values, l->n_means).mean;
    mem_free(values);
    return mean;
}

typedef struct priced {
    double price, loss;
    size_t level;
} priced;

static int by_price(const void *a, const void *b)
{
    const priced *x = a, *y = b;
    if (x->price != y->price) return x->price < y->price ? -1 : 1;
    return (x->loss > y->loss) - (x->loss < y->loss);
}

/* Whether nobody is as good for less or better for as much, for each level. */
static void find_front(const factor *f, groups_value *cost, bool *on)
{
    priced *all = mem_array(f->n + 1, sizeof *all);
    size_t n = 0;
    for (size_t i = 0; i < f->n; i++) {
        const double mean = level_mean(&f->levels[i]), price = groups_statistics(&f->levels[i].g, cost).mean;
        on[i] = false;
        if (!isnan(mean) && !isnan(price)) all[n++] = (priced){price, f->maximize ? -mean : mean, i};
    }
    if (n) qsort(all, n, sizeof *all, by_price);
    double cheaper = (double)INFINITY; /* the best of all that cost less */
    for (size_t i = 0, k; i < n; i = k) {
        for (k = i; k < n && all[k].price == all[i].price; k++)
            on[all[k].level] = all[k].loss == all[i].loss && all[i].loss < cheaper;
        cheaper = fmin(cheaper, all[i].loss);
    }
    mem_free(all);
}

static void mark_fronts(factor *f)
{
    bool *on = mem_array(f->n + 1, sizeof *on);
    find_front(f, measure_seconds, on);
    for (size_t i = 0; i < f->n; i++) f->levels[i].front_time = on[i];
    find_front(f, measure_parameters, on);
    for (size_t i = 0; i < f->n; i++) f->levels[i].front_parameters = on[i];
    find_front(f, measure_macs, on);
    for (size_t i = 0; i < f->n; i++) f->levels[i].front_macs = on[i];
    mem_free(on);
}

typedef struct ordered {
    factor_level l;
    double loss;
    size_t i;
} ordered;

static int by_loss(const void *a, const void *b)
{
    const ordered *x = a, *y = b;
    bool has_x = !isnan(x->loss), has_y = !isnan(y->loss);
    if (has_x != has_y) return has_x ? -1 : 1;
    if (has_x && x->loss != y->loss) return x->loss < y->loss ? -1 : 1;
    return (x->i > y->i) - (x->i < y->i);
}

static void sort_levels(factor *f)
{
    ordered *all = mem_array(f->n + 1, sizeof *all);
    for (size_t i = 0; i < f->n; i++) {
        double mean = level_mean(&f->levels[i]);
        all[i] = (ordered){f->levels[i], f->maximize ? -mean : mean, i};
    }
    if (f->n) qsort(all, f->n, sizeof *all, by_loss);
    for (size_t i = 0; i < f->n; i++) f->levels[i] = all[i].l;
    mem_free(all);
}

/* ---- the whole ---- */

static cvy_status read_entries(crossing *c, store *s, const query_run *runs, errors *e)
{
    c->entries = mem_array(c->n + 1, sizeof *c->entries);
    for (size_t i = 0; i < c->n; i++) {
        c->entries[i].run = &runs[i];
        cvy_status status = query_trial_params(s, &runs[i], c->a, &c->entries[i].params, e);
        if (status != CVY_OK) return status;
    }
    return CVY_OK;
}

/* Levels that are whole configurations, as groups put them together. */
static void take_groups(crossing *c, const query_run *runs, const groups *g)
{
    for (size_t i = 0; i < g->n; i++)
        for (size_t k = 0; k < g->items[i].n; k++)
            c->entries[g->items[i].runs[k] - runs].level = arena_printf(c->a, "%zu", i);
}

cvy_status factor_make(store *s, const query_run *runs, size_t n, const char *by, groups_value *value,
                       bool maximize, arena *a, factor *out, errors *e)
{
    crossing c = {.n = n, .by = by, .a = a};
    groups whole = {0};
    *out = (factor){.by = by, .maximize = maximize, .across = ""};
    cvy_status status = read_entries(&c, s, runs, e);
    if (status == CVY_OK && by) status = no_such(&c, e);
    if (status == CVY_OK && !by) status = groups_make(s, runs, n, false, a, &whole, e);
    if (status == CVY_OK && n) {
        const char **levels, **blocks;
        if (!by) take_groups(&c, runs, &whole);
        for (size_t i = 0; i < n; i++) {
            if (by) c.entries[i].level = level_key(&c, &c.entries[i]);
            c.entries[i].seed = seed_key(&c, &c.entries[i]);
        }
        out->n = NUMBER(&c, level, &levels);
        out->n_seeds = NUMBER(&c, seed, &out->seeds);
        out->repeats = count_repeats(&c, out->n_seeds);
        if (by) collect_paths(&c);
        if (by) keep_crossed(&c, out->n);
        for (size_t i = 0; i < n; i++) c.entries[i].block = block_key(&c, &c.entries[i]);
        out->n_blocks = NUMBER(&c, block, &blocks);
        out->across = across(&c);
        out->levels = arena_array(a, out->n, sizeof *out->levels);
        if (by) name_levels(&c, out);
        for (size_t i = 0; i < n && !by; i++) /* the key is the group's number */
            out->levels[c.entries[i].i_level].g.label =
                whole.items[strtoul(c.entries[i].level, NULL, 10)].label;
        fill_groups(&c, out);
        fill_cells(&c, out, value);
        sort_levels(out);
        mark_fronts(out);
    }
    mem_free(c.entries);
    return status;
}

statistics factor_statistics(const factor *f, const factor_level *l, groups_value *value)
{
    (void)f;
    double *means = mem_array(l->g.n + 1, sizeof *means);
    size_t n = 0;
    for (size_t at = 0; at < l->g.n;) means[n++] = next_seed(l, &at, value);
    statistics st = statistics_of(means, n);
    mem_free(means);
    return st;
}

/* The order of the cells at i of a and at k of b. */
static int compare_cells(const factor_level *a, size_t i, const factor_level *b, size_t k)
{
    const factor_cell *x = &a->cells[i], *y = &b->cells[k];
    if (x->seed != y->seed) return x->seed < y->seed ? -1 : 1;
    return (x->block > y->block) - (x->block < y->block);
}

paired factor_compare(const factor *f, size_t i, size_t k, paired_test test)
{
    const factor_level *a = &f->levels[i], *b = &f->levels[k];
    double *d = mem_array(a->g.n + 1, sizeof *d), size = 0, sum = 0;
    size_t n = 0, cells = 0, seed = SIZE_MAX;
    for (size_t at = 0, to = 0; at < a->g.n && to < b->g.n;) {
        const int order = compare_cells(a, at, b, to);
        if (order < 0) next_cell(a, &at, NULL);
        if (order > 0) next_cell(b, &to, NULL);
        if (order) continue;
        const size_t now = a->cells[at].seed;
        const double x = next_cell(a, &at, NULL), y = next_cell(b, &to, NULL);
        if (isnan(x) || isnan(y)) continue;
        if (now != seed && cells) d[n++] = sum / (double)cells;
        if (now != seed) sum = 0, cells = 0;
        seed = now;
        sum += x - y;
        cells++;
        size = fmax(size, fmax(fabs(x), fabs(y)));
    }
    if (cells) d[n++] = sum / (double)cells;
    paired p = paired_compare(d, n, paired_noise(size), test);
    mem_free(d);
    return p;
}
