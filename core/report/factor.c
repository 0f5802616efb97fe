/* Owns the crossing of one parameter's values with everything else that varies; must not know how it is shown. */
#include "report/factor.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "report/difference.h"
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

/* What tells repeats from each other, and what says nothing. */
static bool of_repeats(const char *path)
{
    static const char *const names[] = {"seed", "fold", "folds", "repeats", "experiment"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(path, names[i])) return true;
    return false;
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

static const char *seed_key(const crossing *c, const entry *e)
{
    const char *fold = value_at(&e->params, "fold");
    const char *seed = e->run->seed == QUERY_NONE ? "?" : arena_printf(c->a, "%lld", (long long)e->run->seed);
    return fold ? arena_printf(c->a, "%s fold %s", seed, fold) : seed;
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
            if (known || of_repeats(path) || !strcmp(path, "model")) continue;
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

static double mean_of(const double *v, size_t n, size_t stride)
{
    double sum = 0;
    size_t k = 0;
    for (size_t i = 0; i < n; i++)
        if (!isnan(v[i * stride])) sum += v[i * stride], k++;
    return k ? sum / (double)k : (double)NAN;
}

static void fill_cells(const crossing *c, factor *f, groups_value *value)
{
    for (size_t l = 0; l < f->n; l++) {
        double *cells = arena_array(c->a, f->n_blocks * f->n_seeds + 1, sizeof *cells);
        double *by_seed = arena_array(c->a, f->n_seeds + 1, sizeof *by_seed);
        for (size_t i = 0; i < f->n_blocks * f->n_seeds; i++) cells[i] = (double)NAN;
        for (size_t i = 0; i < c->n; i++) /* trained again under the same seed: the newest counts */
            if (c->entries[i].i_level == l)
                cells[c->entries[i].i_block * f->n_seeds + c->entries[i].i_seed] = value(c->entries[i].run);
        for (size_t k = 0; k < f->n_seeds; k++) by_seed[k] = mean_of(cells + k, f->n_blocks, f->n_seeds);
        f->levels[l].cells = cells;
        f->levels[l].by_seed = by_seed;
    }
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
    for (size_t l = 0; l < f->n; l++) {
        f->levels[l].g.runs = arena_array(c->a, counts[l], sizeof *f->levels[l].g.runs);
        f->levels[l].seed_of = arena_array(c->a, counts[l], sizeof *f->levels[l].seed_of);
    }
    for (size_t i = 0; i < c->n; i++) {
        group *g = &f->levels[c->entries[i].i_level].g;
        if (!g->n) g->params = c->entries[i].params;
        f->levels[c->entries[i].i_level].seed_of[g->n] = c->entries[i].i_seed;
        g->runs[g->n++] = c->entries[i].run;
    }
    mem_free(counts);
}

/* ---- order and front ---- */

static double level_mean(const factor *f, const factor_level *l)
{
    return mean_of(l->by_seed, f->n_seeds, 1);
}

static double seconds_of(const query_run *r)
{
    return r->seconds;
}

static double parameters_of(const query_run *r)
{
    return r->parameters == QUERY_NONE ? (double)NAN : (double)r->parameters;
}

static double macs_of(const query_run *r)
{
    return r->macs == QUERY_NONE ? (double)NAN : (double)r->macs;
}

static bool on_front(const factor *f, size_t i, groups_value *cost)
{
    double own = level_mean(f, &f->levels[i]), price = groups_statistics(&f->levels[i].g, cost).mean;
    if (isnan(own) || isnan(price)) return false;
    for (size_t k = 0; k < f->n; k++) {
        double other = level_mean(f, &f->levels[k]), theirs = groups_statistics(&f->levels[k].g, cost).mean;
        if (k == i || isnan(other) || isnan(theirs)) continue;
        double gain = f->maximize ? other - own : own - other;
        if (gain >= 0 && theirs <= price && (gain > 0 || theirs < price)) return false;
    }
    return true;
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
        double mean = level_mean(f, &f->levels[i]);
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
        cvy_status status = query_params(s, runs[i].name, c->a, &c->entries[i].params, e);
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
        for (size_t i = 0; i < out->n; i++) {
            out->levels[i].front_time = on_front(out, i, seconds_of);
            out->levels[i].front_parameters = on_front(out, i, parameters_of);
            out->levels[i].front_macs = on_front(out, i, macs_of);
        }
    }
    mem_free(c.entries);
    return status;
}

statistics factor_statistics(const factor *f, const factor_level *l, groups_value *value)
{
    double *sums = mem_array(f->n_seeds + 1, sizeof *sums);
    size_t *counts = mem_array(f->n_seeds + 1, sizeof *counts);
    for (size_t i = 0; i < l->g.n; i++) {
        double v = value(l->g.runs[i]);
        if (isfinite(v)) sums[l->seed_of[i]] += v, counts[l->seed_of[i]]++;
    }
    for (size_t i = 0; i < f->n_seeds; i++) sums[i] = counts[i] ? sums[i] / (double)counts[i] : (double)NAN;
    statistics st = statistics_of(sums, f->n_seeds);
    mem_free(sums);
    mem_free(counts);
    return st;
}

paired factor_compare(const factor *f, size_t i, size_t k, paired_test test)
{
    double *d = mem_array(f->n_seeds + 1, sizeof *d);
    for (size_t s = 0; s < f->n_seeds; s++) {
        double sum = 0;
        size_t cells = 0;
        for (size_t b = 0; b < f->n_blocks; b++) {
            double x = f->levels[i].cells[b * f->n_seeds + s], y = f->levels[k].cells[b * f->n_seeds + s];
            if (isfinite(x) && isfinite(y)) sum += x - y, cells++;
        }
        d[s] = cells ? sum / (double)cells : (double)NAN;
    }
    paired p = paired_compare(d, f->n_seeds, test);
    mem_free(d);
    return p;
}
