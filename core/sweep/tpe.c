/* Owns the tree-structured Parzen estimator as a search method: which results are good, which parameters are estimated together, and
 * the choice among candidates. Must not know how a trial is run.
 *
 * Bergstra et al., "Algorithms for Hyper-Parameter Optimization", NIPS 2011, with the rules of Optuna's TPESampler. Parameters under
 * the same conditions are one group, estimated from the configurations that had them; groups follow those that decide about them. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sweep/distribution.h"
#include "sweep/parzen.h"
#include "sweep/random.h"
#include "sweep/search.h"
#include "sweep/space_rules.h"

enum {
    GOOD_MAX = 25,
    SEARCHED = 50
}; /* attempts by density that `where` may refuse before drawing from the space */

typedef struct job {
    const space *s;
    uint64_t seed;
    size_t config;
    uint32_t attempt;
    const search_result *results;
    const size_t *ranked; /* the results, best first */
    size_t n;
    arena *a;
    double *point;
} job;

/* ---- results ---- */

typedef struct ranked {
    double loss;
    bool stopped, failed;
    size_t i;
} ranked;

static int by_rank(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    if (x->stopped != y->stopped)
        return x->stopped ? 1 : -1; /* what was let go to the end was better all along */
    if (x->loss != y->loss) return x->loss < y->loss ? -1 : 1;
    if (x->failed != y->failed) return x->failed ? 1 : -1;
    return (x->i > y->i) - (x->i < y->i);
}

/* The losses, with those of failed configurations put in. False when there is no result at all. */
static bool rate(const space *s, const search_result *results, size_t n, ranked *out)
{
    double best = HUGE_VAL, worst = -HUGE_VAL, latest = HUGE_VAL;
    for (size_t i = 0; i < n; i++) {
        double loss = s->metric.maximize ? -results[i].value : results[i].value;
        out[i] = (ranked){loss, results[i].stopped, isnan(loss), i};
        if (out[i].failed) continue;
        best = fmin(best, loss);
        worst = fmax(worst, loss);
    }
    if (best > worst) return false;
    for (size_t i = 0; i < n; i++) {
        if (!out[i].failed) {
            latest = out[i].loss;
            continue;
        }
        out[i].stopped = false;
        out[i].loss = s->impute == SPACE_IMPUTE_BEST ? best
                      : s->impute == SPACE_IMPUTE_LATEST && latest < HUGE_VAL
                          ? latest
                          : HUGE_VAL; /* as the worst, and behind it */
        if (out[i].loss == HUGE_VAL) out[i].stopped = true;
    }
    return true;
}

/* ---- one group ---- */

static parzen_value place_of(const space_parameter *p, double value)
{
    parzen_value v = {value, value};
    if (p->kind != SPACE_CHOICE) distribution_share(p, value, &v.low, &v.high);
    return v;
}

static int by_number(const void *a, const void *b)
{
    const size_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* The estimator of which[from .. to), places in the results, in their order there. */
static const parzen *estimate(const job *j, const parzen_axis *axes, const size_t *members, size_t dims,
                              size_t *which, size_t n)
{
    parzen_value *observed = arena_array(j->a, n * dims + 1, sizeof *observed);
    if (n) qsort(which, n, sizeof *which, by_number);
    for (size_t k = 0; k < n; k++)
        for (size_t d = 0; d < dims; d++)
            observed[k * dims + d] =
                place_of(&j->s->parameters[members[d]], j->results[which[k]].point[members[d]]);
    return parzen_make(&j->s->tpe, axes, dims, observed, n, j->a);
}

/* Whether all values of the group, of which there are no more than steps and choices, were tried before. */
static bool tried(const job *j, const size_t *members, size_t dims, const double *values)
{
    for (size_t i = 0; i < j->n; i++) {
        size_t d = 0;
        while (d < dims && j->results[i].point[members[d]] == values[d]) d++;
        if (d == dims) return true;
    }
    return false;
}

static void choose(const job *j, const size_t *members, size_t dims)
{
    const space *s = j->s;
    size_t *with = arena_array(j->a, j->n + 1, sizeof *with), n = 0;
    for (size_t i = 0; i < j->n; i++)
        if (!isnan(j->results[j->ranked[i]].point[members[0]])) with[n++] = j->ranked[i];
    parzen_axis *axes = arena_array(j->a, dims, sizeof *axes);
    bool steps = dims == s->n; /* one group is all there is: configurations can be told apart by it */
    for (size_t d = 0; d < dims; d++) {
        const space_parameter *p = &s->parameters[members[d]];
        axes[d] = (parzen_axis){p->kind == SPACE_CHOICE ? p->n : 0, p->probabilities};
        steps = steps && distribution_values(p) > 0;
    }
    size_t good = (size_t)ceil(s->tpe.gamma * (double)n);
    if (good > GOOD_MAX) good = GOOD_MAX;
    const parzen *below = estimate(j, axes, members, dims, with, good);
    const parzen *above = estimate(j, axes, members, dims, with + good, n - good);
    philox_stream r = random_open(j->seed, "tpe", s->parameters[members[0]].path, j->config, j->attempt);
    double *drawn = arena_array(j->a, dims, sizeof *drawn), best = 0;
    parzen_value *at = arena_array(j->a, dims, sizeof *at);
    bool best_tried = false;
    for (int64_t c = 0; c < s->tpe.candidates; c++) {
        parzen_draw(below, &r, drawn);
        for (size_t d = 0; d < dims; d++) {
            const space_parameter *p = &s->parameters[members[d]];
            if (p->kind != SPACE_CHOICE) drawn[d] = distribution_quantile(p, drawn[d]);
            at[d] = place_of(p, drawn[d]);
        }
        double score = parzen_log_density(below, at) - parzen_log_density(above, at);
        bool again = steps && tried(j, members, dims, drawn);
        if (c && (again != best_tried ? again : score <= best)) continue;
        best = score;
        best_tried = again;
        for (size_t d = 0; d < dims; d++) j->point[members[d]] = drawn[d];
    }
}

/* ---- the whole ---- */

static bool same_conditions(const space *s, size_t a, size_t b)
{
    const space_rules *r = s->rules;
    if (!r || !r->n_when) return true;
    if (r->n_when[a] != r->n_when[b]) return false;
    for (size_t i = 0; i < r->n_when[a]; i++) {
        const space_condition *x = &r->when[a][i], *y = &r->when[b][i];
        if (x->parameter != y->parameter || x->n != y->n || !x->inner != !y->inner) return false;
        if (x->inner && strcmp(x->inner, y->inner) != 0) return false;
        for (size_t k = 0; k < x->n; k++)
            if (!node_equal(x->values[k], y->values[k])) return false;
    }
    return true;
}

static void choose_all(const job *j)
{
    const space *s = j->s;
    bool *done = arena_array(j->a, s->n, sizeof *done);
    size_t *members = arena_array(j->a, s->n, sizeof *members);
    for (size_t k = 0; k < s->n; k++) {
        size_t first = space_rules_order(s, k), dims = 0;
        if (done[first] || space_rules_leader(s, first) != first) continue;
        for (size_t i = first; i < s->n; i++) {
            if (done[i] || space_rules_leader(s, i) != i || !same_conditions(s, first, i)) continue;
            if (i != first && !s->tpe.multivariate) break;
            done[i] = true;
            members[dims++] = i;
        }
        bool active = space_rules_active(s, j->point, first);
        if (active) choose(j, members, dims);
        for (size_t d = 0; !active && d < dims; d++) j->point[members[d]] = (double)NAN;
        /* what comes after may depend on those that advance with these */
        for (size_t i = 0; i < s->n; i++) {
            size_t leader = space_rules_leader(s, i);
            if (leader != i && done[leader]) j->point[i] = j->point[leader];
        }
    }
    space_rules_settle(s, j->point);
}

static bool propose(const space *s, uint64_t seed, const search_result *results, size_t n_results,
                    size_t config, uint32_t attempt, double *point)
{
    arena a = {0};
    ranked *all = arena_array(&a, n_results + 1, sizeof *all);
    if ((int64_t)n_results < s->tpe.startup || attempt >= SEARCHED || !rate(s, results, n_results, all)) {
        random_draw(s, seed, config, attempt, point);
        arena_free(&a);
        return true;
    }
    qsort(all, n_results, sizeof *all, by_rank);
    size_t *order = arena_array(&a, n_results, sizeof *order);
    for (size_t i = 0; i < n_results; i++) order[i] = all[i].i;
    job j = {s, seed, config, attempt, results, order, n_results, &a, point};
    choose_all(&j);
    arena_free(&a);
    return true;
}

const search_method search_tpe = {.name = "tpe", .adaptive = true, .count = random_count, .propose = propose};
