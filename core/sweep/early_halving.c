/* Owns successive halving and the brackets of Hyperband: who is compared with whom, and how many pass. Must not know trials, only
 * their values.
 *
 * Jamieson and Talwalkar, "Non-stochastic Best Arm Identification and Hyperparameter Optimization", AISTATS 2016; Li et al.,
 * "Hyperband: A Novel Bandit-Based Approach to Hyperparameter Optimization", JMLR 18 (2018), Algorithm 1: bracket s has n =
 * ceil((s_max + 1) / (s + 1) eta^s) configurations, which start with r = R eta^-s epochs; of n_i = floor(n eta^-i) in rung i go
 * on floor(n_i / eta). */
#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "sweep/early_rules.h"

/* R: what a survivor trains. */
static double most_epochs(const early_rule *r, int64_t epochs)
{
    return (double)(r->max_iter > 0 && r->max_iter < epochs ? r->max_iter : epochs);
}

early_bracket early_bracket_of(const early_rule *r, size_t config, size_t configs, int64_t epochs)
{
    double least = (double)(r->min_iter > 0 ? r->min_iter : 1), most = most_epochs(r, epochs);
    if (r->kind == EARLY_HALVING) return (early_bracket){0, configs, least};
    int s_max = most > least ? (int)floor(log(most / least) / log(r->eta) + 1e-9) : 0;
    size_t first = 0;
    for (int s = s_max;;
         s = s ? s - 1 : s_max) { /* and from the start again, as long as there are configurations */
        double wanted = ceil((s_max + 1) / (s + 1.0) * pow(r->eta, s) - 1e-9);
        size_t n = wanted < 1e9 ? (size_t)wanted : (size_t)1e9;
        if (n > configs - first) n = configs - first;
        if (config < first + n || first + n >= configs)
            return (early_bracket){first, n, most * pow(r->eta, -s)};
        first += n;
    }
}

/* Epochs of rung i; 0 when it is the end or there is none. */
static int64_t rung(const early_rule *r, const early_bracket *b, int64_t epochs, int i)
{
    int64_t at = early_epochs(b->start * pow(r->eta, i));
    return (double)at < most_epochs(r, epochs) ? at : 0;
}

int64_t early_rung_behind(const early_rule *r, size_t config, size_t configs, int64_t done, int64_t epochs)
{
    early_bracket b = early_bracket_of(r, config, configs, epochs);
    for (int i = 0;; i++) {
        int64_t at = early_epochs(b.start * pow(r->eta, i));
        if ((double)at >= most_epochs(r, epochs)) return 0;
        if (at > done && at >= 1) return at;
    }
}

typedef struct standing {
    double loss;
    size_t config;
} standing;

static int by_loss(const void *a, const void *b)
{
    const standing *x = a, *y = b;
    if (x->loss != y->loss) return x->loss < y->loss ? -1 : 1;
    return (x->config > y->config) - (x->config < y->config);
}

early_verdict early_halving(const early_rule *r, const space *s, const early_standing *all, size_t n,
                            bool more, size_t config, int64_t epoch, int64_t epochs, size_t configs,
                            early_need *need)
{
    early_bracket b = early_bracket_of(r, config, configs, epochs);
    *need = (early_need){b.first + b.n - 1, 0};
    if (more && n < b.first + b.n) return EARLY_WAIT;
    size_t in = n < b.first + b.n ? n - b.first : b.n, left = in;
    if (early_awaits(all, b.first, b.first + in, rung(r, &b, epochs, 0), need)) return EARLY_WAIT;
    standing *alive = mem_array(in + 1, sizeof *alive);
    for (size_t i = 0; i < in; i++) alive[i].config = b.first + i;
    early_verdict verdict = EARLY_GO;
    for (int i = 0; verdict == EARLY_GO; i++) {
        int64_t at = rung(r, &b, epochs, i);
        if (!at || at > epoch) break;
        for (size_t k = 0; k < left; k++) {
            const size_t one = alive[k].config;
            early_need own;
            if (early_awaits(all, one, one + 1, at,
                             &own)) { /* they stand by rank here: the last of them is needed */
                if (verdict == EARLY_GO || own.config > need->config) *need = own;
                verdict = EARLY_WAIT;
            }
            alive[k].loss = early_loss(s, &all[one], at); /* infinite for one that ended before */
        }
        if (verdict != EARLY_GO) break;
        qsort(alive, left, sizeof *alive, by_loss);
        size_t pass = (size_t)floor(floor((double)in * pow(r->eta, -i) + 1e-9) / r->eta + 1e-9);
        if (!pass) pass = 1; /* somebody has to come to the end */
        if (pass < left) left = pass;
        verdict = EARLY_STOP;
        for (size_t k = 0; k < left; k++)
            if (alive[k].config == config) verdict = EARLY_GO;
    }
    mem_free(alive);
    return verdict;
}
