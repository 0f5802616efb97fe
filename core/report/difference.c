/* Owns how configurations are told apart in few words; must not know runs, tables or charts. */
#include "report/difference.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "report/repeats.h"
#include "report/spelling.h"

enum {
    NAMED = 4,       /* differences in one label */
    VALUE_BYTES = 40 /* of a value in a label */
};

/* A path whose values differ. */
typedef struct column {
    const char *path;
    const char **values; /* one per configuration; NULL where it has none */
    size_t *ids;         /* equal for equal values, below the number of configurations */
    bool explained;      /* follows from another column */
    int rank;            /* in a label: the smaller, the further in front */
} column;

typedef struct cell {
    const char *path, *value;
    size_t config;
} cell;

typedef struct table {
    size_t n_configs;
    column *columns;
    size_t n, cap;
    arena *a;
} table;

static int by_path(const void *a, const void *b)
{
    const cell *x = a, *y = b;
    int order = strcmp(x->path, y->path);
    return order ? order : (x->config > y->config) - (x->config < y->config);
}

static const char *last_segment(const char *path)
{
    const char *dot = strrchr(path, '.');
    return dot ? dot + 1 : path;
}

static bool is_type(const char *path)
{
    return !strcmp(last_segment(path), "type");
}

static bool is_rate(const char *path)
{
    const char *last = last_segment(path);
    return !strcmp(last, "lr") || !strcmp(last, "learning_rate");
}

static bool ignored(const char *path, bool seed)
{
    return repeats_beside(path) && !(seed && repeats_tell(path));
}

static bool same(const char *a, const char *b)
{
    return a == b || (a && b && !spelling_compare(a, b));
}

/* The cells are those of one path, by configuration. */
static void add_column(table *t, const cell *cells, size_t n)
{
    column c = {.path = cells[0].path};
    bool differs = n < t->n_configs;
    for (size_t i = 1; i < n && !differs; i++) differs = !same(cells[i].value, cells[0].value);
    if (!differs) return;
    c.values = arena_array(t->a, t->n_configs, sizeof *c.values);
    c.ids = arena_array(t->a, t->n_configs, sizeof *c.ids);
    for (size_t i = 0; i < n; i++) c.values[cells[i].config] = cells[i].value;
    spelling_number(c.values, t->n_configs, c.ids);
    c.rank = !strcmp(c.path, "model") ? 0 : is_type(c.path) ? 1 : is_rate(c.path) ? 2 : 3;
    t->columns = MEM_GROW(t->columns, t->n, &t->cap);
    t->columns[t->n++] = c;
}

static void collect(table *t, const difference_config *configs, bool seed)
{
    cell *cells = NULL;
    size_t n = 0, cap = 0;
    for (size_t i = 0; i < t->n_configs; i++) {
        if (configs[i].model && *configs[i].model) {
            cells = MEM_GROW(cells, n, &cap);
            cells[n++] = (cell){"model", configs[i].model, i};
        }
        for (size_t k = 0; k < configs[i].params.n; k++) {
            const query_pair *p = &configs[i].params.items[k];
            if (ignored(p->key, seed) || !strcmp(p->key, "model")) continue;
            cells = MEM_GROW(cells, n, &cap);
            cells[n++] = (cell){p->key, p->value, i};
        }
    }
    if (n) qsort(cells, n, sizeof *cells, by_path);
    for (size_t i = 0, k; i < n; i = k) {
        for (k = i + 1; k < n && !strcmp(cells[k].path, cells[i].path); k++) {
        }
        add_column(t, cells + i, k - i);
    }
    mem_free(cells);
}

/* Whether `by` alone decides c: wherever by is equal, c is too. */
static bool follows(const table *t, const column *c, const column *by)
{
    size_t *of = mem_array(t->n_configs, sizeof *of);
    for (size_t i = 0; i < t->n_configs; i++) of[i] = SIZE_MAX;
    bool ok = true;
    for (size_t i = 0; i < t->n_configs && ok; i++) {
        size_t *seen = &of[by->ids[i]];
        ok = *seen == SIZE_MAX || *seen == c->ids[i];
        *seen = c->ids[i];
    }
    mem_free(of);
    return ok;
}

/* Whether path lies beside or under the type, or in the model, that `by` names. */
static bool under(const char *path, const column *by)
{
    if (!strcmp(by->path, "model")) return text_starts(path, "model.");
    if (!is_type(by->path)) return false;
    size_t n = strlen(by->path) - strlen("type");
    return !strncmp(path, by->path, n) && strcmp(path, by->path) != 0;
}

/* The learning rate is what a reader looks for, also where every optimizer has its own: `rates` leaves it in. */
static void explain(table *t, bool rates)
{
    for (size_t i = 0; i < t->n; i++) {
        column *c = &t->columns[i];
        if (rates && is_rate(c->path)) continue;
        for (size_t k = 0; k < t->n && !c->explained; k++)
            c->explained = k != i && under(c->path, &t->columns[k]) && follows(t, c, &t->columns[k]);
    }
}

/* What follows the slot whose plugin a label names anyway: "lr" beside train.optimizer.type. NULL: there is none. */
static const char *beside_type(const table *t, const column *c)
{
    const char *from = NULL;
    for (size_t i = 0; i < t->n; i++) {
        const column *o = &t->columns[i];
        if (o == c || o->explained || !is_type(o->path) || !under(c->path, o)) continue;
        const char *rest = c->path + strlen(o->path) - strlen("type");
        if (!from || rest < from) from = rest; /* the outermost */
    }
    return from;
}

/* As many segments from the end as it takes to be unlike the other columns. */
static const char *shortest_end(const table *t, const column *c)
{
    const char *from = last_segment(c->path);
    while (from > c->path) {
        bool taken = false;
        for (size_t i = 0; i < t->n && !taken; i++) {
            const column *o = &t->columns[i];
            if (o == c || o->explained) continue;
            size_t n = strlen(from), m = strlen(o->path);
            taken = m >= n && !strcmp(o->path + m - n, from) && (m == n || o->path[m - n - 1] == '.');
        }
        if (!taken) break;
        from--;
        while (from > c->path && from[-1] != '.') from--;
    }
    return from;
}

static const char *short_path(const table *t, const column *c)
{
    const char *by_end = shortest_end(t, c), *by_slot = beside_type(t, c);
    bool taken = !by_slot || strlen(by_slot) >= strlen(by_end);
    for (size_t i = 0; i < t->n && !taken; i++) {
        const column *o = &t->columns[i];
        const char *theirs = o == c || o->explained ? NULL : beside_type(t, o);
        taken = theirs && !strcmp(theirs, by_slot);
    }
    return taken ? by_end : by_slot;
}

static void add_difference(const table *t, const column *c, size_t config, text *out)
{
    const char *value = c->values[config];
    if (!value) return; /* not having it is told by what it has instead */
    if (out->n) text_add(out, ", ");
    if (c->rank > 1) text_printf(out, "%s ", short_path(t, c));
    text_safe(out, value, VALUE_BYTES);
}

static const char *label_of(const table *t, const column *const *order, size_t n, size_t config)
{
    text out = {0};
    for (size_t i = 0; i < n && i < NAMED; i++) add_difference(t, order[i], config, &out);
    const char *label = arena_text(t->a, text_str(&out));
    text_free(&out);
    return label;
}

static int by_rank(const void *a, const void *b)
{
    const column *x = *(column *const *)a, *y = *(column *const *)b;
    if (x->rank != y->rank) return x->rank < y->rank ? -1 : 1;
    return strcmp(x->path, y->path);
}

typedef struct numbered {
    const char *label;
    size_t config;
} numbered;

static int by_label(const void *a, const void *b)
{
    const numbered *x = a, *y = b;
    int order = strcmp(x->label, y->label);
    return order ? order : (x->config > y->config) - (x->config < y->config);
}

/* Names behind labels that came out equal. */
static void make_unique(const difference_config *configs, size_t n, arena *a, const char **labels)
{
    numbered *sorted = mem_array(n, sizeof *sorted);
    for (size_t i = 0; i < n; i++) sorted[i] = (numbered){labels[i], i};
    qsort(sorted, n, sizeof *sorted, by_label);
    for (size_t i = 0; i < n; i++) {
        const char *label = sorted[i].label;
        bool alone = (i == 0 || strcmp(sorted[i - 1].label, label) != 0) &&
                     (i + 1 == n || strcmp(sorted[i + 1].label, label) != 0);
        const char *name = configs[sorted[i].config].name;
        if (!*label)
            labels[sorted[i].config] = name;
        else if (!alone)
            labels[sorted[i].config] = arena_printf(a, "%s (%s)", label, name);
    }
    mem_free(sorted);
}

void difference_labels(const difference_config *configs, size_t n, bool seed, arena *a, const char **labels)
{
    if (!n) return;
    table t = {.n_configs = n, .a = a};
    collect(&t, configs, seed);
    explain(&t, true);
    column **order = mem_array(t.n, sizeof *order);
    size_t named = 0;
    for (size_t i = 0; i < t.n; i++)
        if (!t.columns[i].explained) order[named++] = &t.columns[i];
    if (named) qsort(order, named, sizeof *order, by_rank);
    for (size_t i = 0; i < n; i++) labels[i] = label_of(&t, (const column *const *)order, named, i);
    make_unique(configs, n, a, labels);
    mem_free(order);
    mem_free(t.columns);
}

size_t difference_columns(const difference_config *configs, size_t n, arena *a, difference_column **out)
{
    table t = {.n_configs = n, .a = a};
    size_t kept = 0;
    if (n) collect(&t, configs, false);
    explain(&t, false);
    *out = arena_array(a, t.n + 1, sizeof **out);
    for (size_t i = 0; i < t.n; i++)
        if (!t.columns[i].explained)
            (*out)[kept++] = (difference_column){t.columns[i].path, t.columns[i].values};
    mem_free(t.columns);
    return kept;
}
