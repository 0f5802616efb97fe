/* Owns what a report is made of, read from the store once; must not know how it is shown. */
#include <math.h>
#include <string.h>

#include "report/names.h"
#include "report/page_own.h"
#include "report/store_own.h"

bool page_has(const page *p, groups_value *value)
{
    for (size_t i = 0; i < p->n; i++)
        if (!isnan(value(&p->runs[i]))) return true;
    return false;
}

static cvy_status read_origin(page *p, const query_run *r, page_origin *o)
{
    sql_query q =
        sql_ask(&p->s->db, p->e,
                "SELECT base_dir, overrides, fingerprint, train_samples, val_samples, test_samples, classes"
                " FROM runs WHERE name = ?",
                "t", r->name);
    *o = (page_origin){
        .train = QUERY_NONE, .validation = QUERY_NONE, .test = QUERY_NONE, .classes = QUERY_NONE};
    if (sql_next(&q, p->e))
        *o = (page_origin){.base_dir = sql_text(&q, 0, &p->a),
                           .overrides = sql_text(&q, 1, &p->a),
                           .fingerprint = sql_text(&q, 2, &p->a),
                           .train = sql_int(&q, 3, QUERY_NONE),
                           .validation = sql_int(&q, 4, QUERY_NONE),
                           .test = sql_int(&q, 5, QUERY_NONE),
                           .classes = sql_int(&q, 6, QUERY_NONE)};
    return sql_done(&q);
}

static cvy_status read_sweep(page *p)
{
    query_sweep *all;
    size_t n;
    cvy_status status = query_sweeps(p->s, &p->a, &all, &n, p->e);
    for (size_t i = 0; i < n && status == CVY_OK; i++)
        if (!strcmp(all[i].name, p->subject->sweep)) p->sweep = &all[i];
    if (status != CVY_OK || !p->sweep) return status;
    sql_query q =
        sql_ask(&p->s->db, p->e, "SELECT description FROM sweeps WHERE name = ?", "t", p->subject->sweep);
    const char *description = sql_next(&q, p->e) ? sql_text(&q, 0, &p->a) : NULL, *wrong;
    size_t offset;
    if (description) p->planned = json_parse(&p->a, description, strlen(description), &wrong, &offset);
    return sql_done(&q);
}

static void count_states(page *p)
{
    for (size_t i = 0; i < p->n; i++) {
        const char *state = p->runs[i].state;
        if (!strcmp(state, "finished"))
            p->finished++;
        else if (!strcmp(state, "failed") || !strcmp(state, "killed"))
            p->failed++;
        else if (!strcmp(state, "stopped early"))
            p->early++;
        else
            p->open++;
    }
}

/* Each configuration's statistics, and the best one's comparisons with the others. */
static void compare_all(page *p)
{
    const size_t n = p->f.n;
    double *ps = arena_array(&p->a, n + 1, sizeof *ps);
    p->against = arena_array(&p->a, n + 1, sizeof *p->against);
    p->adjusted = arena_array(&p->a, n + 1, sizeof *p->adjusted);
    p->told = arena_array(&p->a, n + 1, sizeof *p->told);
    size_t *of = arena_array(&p->a, n + 1, sizeof *of);
    p->of = arena_array(&p->a, n + 1, sizeof *p->of);
    p->level_of = arena_array(&p->a, p->n + 1, sizeof *p->level_of);
    for (size_t i = 0; i < n; i++) {
        p->of[i] = factor_statistics(&p->f, &p->f.levels[i], judge_best);
        if (p->of[i].n) p->ranked = i + 1;
        p->adjusted[i] = ps[i] = (double)NAN;
        if (i) p->against[i] = factor_compare(&p->f, 0, i, PAIRED_SIGN_FLIP);
        if (i) ps[i] = p->against[i].p;
        of[i] = p->against[i].n;
        p->comparisons += i && !isnan(ps[i]);
        const group *g = &p->f.levels[i].g;
        for (size_t k = 0; k < g->n; k++) p->level_of[g->runs[k] - p->runs] = i;
    }
    if (n > 1) paired_holm(ps + 1, n - 1, p->adjusted + 1);
    if (n > 1) paired_decidable(ps + 1, of + 1, n - 1, PAGE_ALPHA, p->told + 1);
}

/* All of them together, so that what tells them apart stays: numbers that a search drew have too many digits to be read, and models
 * too many layers. */
static void shorten_labels(page *p)
{
    enum { LABEL = 120 /* characters */ };
    p->whole = arena_array(&p->a, p->f.n + 1, sizeof *p->whole);
    p->labels = arena_array(&p->a, p->f.n + 1, sizeof *p->labels);
    for (size_t i = 0; i < p->f.n; i++) {
        const char *label = p->f.levels[i].g.label;
        p->labels[i] = p->whole[i] = label ? label : "";
    }
    names_tidy(p->labels, p->f.n, &p->a);
    for (size_t i = 0; i < p->f.n; i++) p->f.levels[i].g.label = p->labels[i];
    names_cut(p->labels, p->f.n, LABEL, &p->a);
}

cvy_status page_facts(page *p)
{
    judged j;
    cvy_status status = judge_runs(p->s, p->runs, p->n, NULL, &p->a, &j, p->e);
    p->runs = j.runs;
    p->metric = j.metric;
    p->maximize = j.maximize;
    p->others = j.others;
    if (status == CVY_OK && p->subject->sweep) status = read_sweep(p);
    p->origins = arena_array(&p->a, p->n, sizeof *p->origins);
    p->last = arena_array(&p->a, p->n, sizeof *p->last);
    for (size_t i = 0; i < p->n && status == CVY_OK; i++) {
        query_attempt *attempts;
        size_t n;
        status = read_origin(p, &p->runs[i], &p->origins[i]);
        if (status == CVY_OK) status = query_attempts(p->s, p->runs[i].name, &p->a, &attempts, &n, p->e);
        if (status == CVY_OK && n) p->last[i] = attempts[n - 1];
    }
    if (status == CVY_OK)
        status = factor_make(p->s, p->runs, p->n, NULL, judge_best, p->maximize, &p->a, &p->f, p->e);
    if (status != CVY_OK) return status;
    shorten_labels(p);
    compare_all(p);
    count_states(p);
    return CVY_OK;
}
