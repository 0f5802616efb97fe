/* Owns what a user's word for a run or a sweep means; must not know how the answer is shown. */
#include "report/find.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "report/store_own.h"

/* A name that somebody gave: of an experiment, or a tag of a run or a sweep. */
typedef struct given {
    const char *name;
    bool tag;
} given;

struct finder {
    store *s;
    arena *a;
    query_run *runs;            /* all, oldest first */
    const query_run **numbered; /* the same by number */
    size_t n_runs;
    given *names; /* once a word has asked for them */
    size_t n_names, cap_names;
    bool named;
};

static void take(finder *f, query_target *out, const query_run *runs, size_t n)
{
    out->sweep = NULL;
    out->n = n;
    out->runs = arena_array(f->a, n, sizeof *runs);
    if (n) memcpy(out->runs, runs, n * sizeof *runs);
}

static cvy_status take_sweep(finder *f, query_target *out, const char *sweep, errors *e)
{
    out->sweep = sweep;
    return query_sweep_runs(f->s, sweep, f->a, &out->runs, &out->n, e);
}

static int by_number(const void *a, const void *b)
{
    const query_run *x = *(const query_run *const *)a, *y = *(const query_run *const *)b;
    return (x->number > y->number) - (x->number < y->number);
}

static const query_run *run_named(const finder *f, const char *name)
{
    const query_run sought = {.number = store_number(name, 'r')}, *key = &sought;
    if (!sought.number || !f->n_runs) return NULL;
    const query_run **found = bsearch(&key, f->numbered, f->n_runs, sizeof *f->numbered, by_number);
    return found ? *found : NULL;
}

static bool sweep_exists(finder *f, const char *name, errors *e)
{
    sql_query q = sql_ask(&f->s->db, e,
                          "SELECT 1 WHERE EXISTS (SELECT 1 FROM sweep_summary WHERE name = ?1)"
                          " OR EXISTS (SELECT 1 FROM run_summary WHERE sweep = ?1)",
                          "t", name);
    bool found = sql_next(&q, e);
    sql_done(&q);
    return found;
}

static cvy_status collect_names(finder *f, errors *e)
{
    if (f->named) return CVY_OK;
    sql_query q = sql_ask(&f->s->db, e,
                          "SELECT name, 0 FROM experiments WHERE name <> ''"
                          " UNION SELECT tag, 1 FROM tags WHERE tag <> '' ORDER BY 1, 2",
                          "");
    while (sql_next(&q, e)) {
        f->names = MEM_GROW(f->names, f->n_names, &f->cap_names);
        f->names[f->n_names++] = (given){sql_text(&q, 0, f->a), sql_int(&q, 1, 0) != 0};
    }
    f->named = true;
    return sql_done(&q);
}

/* The exact name, or the only one that begins with the word. */
static const given *name_for(const finder *f, const char *word, size_t *matches)
{
    const given *found = NULL;
    *matches = 0;
    for (size_t i = 0; i < f->n_names; i++) {
        if (!strcmp(f->names[i].name, word)) {
            *matches = 1;
            return &f->names[i];
        }
        if (!*word || !text_starts(f->names[i].name, word)) continue;
        if (!found || strcmp(found->name, f->names[i].name)) ++*matches;
        if (!found) found = &f->names[i];
    }
    return *matches == 1 ? found : NULL;
}

static cvy_status take_tagged(finder *f, query_target *out, const char *tag, bool one, errors *e)
{
    const char *sweep = NULL;
    query_run *runs = NULL;
    size_t n = 0, cap = 0;
    sql_query q = sql_ask(&f->s->db, e, "SELECT owner FROM tags WHERE tag = ? ORDER BY time", "t", tag);
    while (sql_next(&q, e)) {
        const char *owner = sql_text(&q, 0, f->a);
        const query_run *r = owner ? run_named(f, owner) : NULL;
        if (!r) {
            if (owner && store_number(owner, 's')) sweep = owner;
            continue;
        }
        runs = MEM_GROW(runs, n, &cap);
        runs[n++] = *r;
    }
    cvy_status status = sql_done(&q);
    if (status == CVY_OK && !n && sweep)
        status = take_sweep(f, out, sweep, e);
    else if (n)
        take(f, out, one ? runs + n - 1 : runs, one ? 1 : n);
    mem_free(runs);
    return status;
}

static void take_experiment(finder *f, query_target *out, const char *name, bool one)
{
    query_run *runs = mem_array(f->n_runs, sizeof *runs);
    size_t n = 0;
    for (size_t i = 0; i < f->n_runs; i++)
        if (f->runs[i].experiment && !strcmp(f->runs[i].experiment, name)) runs[n++] = f->runs[i];
    take(f, out, one && n ? runs + n - 1 : runs, one && n ? 1 : n);
    mem_free(runs);
}

static cvy_status not_found(const finder *f, const char *word, size_t matches, errors *e)
{
    text hint = {0};
    const char **names = mem_array(f->n_names + f->n_runs, sizeof *names);
    size_t n = 0;
    for (size_t i = 0; i < f->n_names; i++)
        if (matches < 2 || text_starts(f->names[i].name, word)) names[n++] = f->names[i].name;
    const char *near = text_nearest(word, names, n), *kind = store_number(word, 's') ? "sweep" : "run";
    /* r98 is as near to r99 as can be, and no help. */
    if (store_number(word, 'r') || store_number(word, 's')) near = NULL;
    if (matches > 1) {
        text_add(&hint, "it may mean ");
        for (size_t i = 0; i < n && i < 5; i++) text_printf(&hint, "%s%s", i ? ", " : "", names[i]);
        if (n > 5) text_add(&hint, ", ...");
    } else if (near) {
        text_printf(&hint, "did you mean %s?", near);
    } else if (f->n_runs) {
        text_printf(&hint, "the last run is %s; `convoy ls` lists all", f->runs[f->n_runs - 1].name);
    } else {
        text_printf(&hint, "there are no runs in %s yet", store_results(f->s));
    }
    text shown = {0};
    text_safe(&shown, word, 200);
    cvy_status status = errors_add(
        e, CVY_ERR_CONFIG, NULL, text_str(&hint),
        matches > 1 ? "%s \"%s\" is the beginning of several names" : "no %s \"%s\"", kind, text_str(&shown));
    text_free(&hint);
    text_free(&shown);
    mem_free(names);
    return status;
}

static cvy_status find(finder *f, const char *word, bool one, query_target *out, errors *e)
{
    const query_run *run = run_named(f, word), *last = f->n_runs ? &f->runs[f->n_runs - 1] : NULL;
    size_t matches = 0;
    if (!strcmp(word, "last") && last) {
        if (!one && last->sweep) return take_sweep(f, out, last->sweep, e);
        run = last;
    }
    if (run) {
        take(f, out, run, 1);
        return CVY_OK;
    }
    if (store_number(word, 's') && sweep_exists(f, word, e))
        return take_sweep(f, out, arena_text(f->a, word), e);
    cvy_status status = collect_names(f, e);
    if (status != CVY_OK) return status;
    const given *name = name_for(f, word, &matches);
    if (!name) return not_found(f, word, matches, e);
    if (name->tag) return take_tagged(f, out, name->name, one, e);
    take_experiment(f, out, name->name, one);
    return CVY_OK;
}

finder *finder_open(store *s, arena *a, errors *e)
{
    finder *f = mem_alloc(sizeof *f);
    f->s = s;
    f->a = a;
    if (query_runs(s, a, &f->runs, &f->n_runs, e) != CVY_OK) {
        finder_close(f);
        return NULL;
    }
    f->numbered = mem_array(f->n_runs + 1, sizeof *f->numbered);
    for (size_t i = 0; i < f->n_runs; i++) f->numbered[i] = &f->runs[i];
    if (f->n_runs) qsort(f->numbered, f->n_runs, sizeof *f->numbered, by_number);
    return f;
}

void finder_close(finder *f)
{
    if (!f) return;
    mem_free(f->names);
    mem_free(f->numbered);
    mem_free(f);
}

cvy_status finder_find(finder *f, const char *word, bool one, query_target *out, errors *e)
{
    *out = (query_target){0};
    return find(f, word, one, out, e);
}

cvy_status query_find(store *s, const char *word, bool one, arena *a, query_target *out, errors *e)
{
    *out = (query_target){0};
    finder *f = finder_open(s, a, e);
    if (!f) return errors_status(e);
    cvy_status status = finder_find(f, word, one, out, e);
    finder_close(f);
    return status;
}
