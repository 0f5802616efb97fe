/* Owns the rules that stop a trial by itself, against what others had at the same epoch: median, W&B's hyperband, ASHA. Must not
 * know trials, only their values. */
#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "sweep/early_rules.h"

static int by_value(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static bool reached(const early_standing *t, int64_t epoch)
{
    return t->epochs >= epoch;
}

/* Golovin et al., "Google Vizier", KDD 2017, with the rules of Optuna's MedianPruner, whose step 0 is epoch 1: a trial whose best
 * value is worse than the median of what the completed trials had at this epoch. */
early_verdict early_median(const early_rule *r, const space *s, const early_standing *all, size_t config,
                           int64_t epoch, early_need *need)
{
    size_t before = early_before(s, config), complete = 0, n = 0;
    if (before < (size_t)r->startup || !before) return EARLY_GO; /* whatever they come to */
    if (early_awaits(all, 0, before, INT64_MAX, need)) return EARLY_WAIT;
    double *there = mem_array(before, sizeof *there);
    for (size_t i = 0; i < before; i++) {
        if (!all[i].complete) continue; /* stopped or failed */
        complete++;
        double loss = early_loss(s, &all[i], epoch);
        if (loss < HUGE_VAL) there[n++] = loss;
    }
    bool enough = complete >= (size_t)r->startup && complete;
    qsort(there, n, sizeof *there, by_value);
    double median = !n ? HUGE_VAL : n % 2 ? there[n / 2] : 0.5 * (there[n / 2 - 1] + there[n / 2]);
    mem_free(there);
    double best = early_best(s, &all[config], epoch);
    if (!enough || best <= median) return enough && best == HUGE_VAL ? EARLY_STOP : EARLY_GO;
    return EARLY_STOP;
}

/* The bands int(max_iter / eta^k), k = 1 ... s, from the largest. */
int64_t early_band(const early_rule *r, int64_t done)
{
    double band = (double)r->max_iter;
    int64_t next = 0;
    for (int64_t k = 0; k < r->s; k++) {
        band /= r->eta;
        int64_t at = early_epochs(band);
        if (at < 1 || at <= done) break;
        next = at;
    }
    return next;
}

/* W&B's stop rule named after Li et al.: of the values there, one in eta passes. */
early_verdict early_wandb(const early_rule *r, const space *s, const early_standing *all, size_t config,
                          int64_t epoch, early_need *need)
{
    size_t before = early_before(s, config), n = 0;
    if (early_awaits(all, 0, before, epoch, need)) return EARLY_WAIT;
    double *there = mem_array(before + 1, sizeof *there);
    for (size_t i = 0; i < before; i++)
        if (reached(&all[i], epoch)) there[n++] = early_loss(s, &all[i], epoch);
    double own = early_loss(s, &all[config], epoch);
    there[n++] = own;
    qsort(there, n, sizeof *there, by_value);
    double threshold = there[(size_t)((double)n / r->eta)];
    mem_free(there);
    if (!r->strict) own = early_best(s, &all[config], epoch);
    if (own == HUGE_VAL && n > 1) return EARLY_STOP; /* never a number */
    return own > threshold ? EARLY_STOP : EARLY_GO;
}

/* Li et al., "A System for Massively Parallel Hyperparameter Tuning", MLSys 2020, as a stop rule: on at a rung goes who is among
 * the best 1 / eta of those that have come to it so far, the first in any case. */
early_verdict early_asha(const early_rule *r, const space *s, const early_standing *all, size_t n,
                         size_t config, int64_t epoch)
{
    size_t there = 0, better = 0;
    double own = early_loss(s, &all[config], epoch);
    for (size_t i = 0; i < n; i++) {
        if (!reached(&all[i], epoch)) continue;
        there++;
        better += early_loss(s, &all[i], epoch) < own;
    }
    size_t pass = (size_t)((double)there / r->eta);
    if (own == HUGE_VAL && there > 1) return EARLY_STOP;
    return better < (pass ? pass : 1) ? EARLY_GO : EARLY_STOP;
}
