/* Owns at which epochs each rule is asked, and leads to it; must not know trials, only their values. */
#include "sweep/early_rules.h"

#include <math.h>

double early_loss(const space *s, const early_standing *t, int64_t epoch)
{
    double v = epoch >= 1 && epoch <= t->epochs ? t->values[epoch - 1] : (double)NAN;
    return isnan(v) ? HUGE_VAL : s->metric.maximize ? -v : v;
}

double early_best(const space *s, const early_standing *t, int64_t epoch)
{
    double best = HUGE_VAL;
    for (int64_t k = 1; k <= epoch; k++) best = fmin(best, early_loss(s, t, k));
    return best;
}

bool early_awaits(const early_standing *all, size_t from, size_t to, int64_t epoch, early_need *need)
{
    for (size_t i = to; i-- > from;) {
        if (all[i].ended || all[i].epochs >= epoch) continue;
        *need = (early_need){i, epoch};
        return true;
    }
    return false;
}

size_t early_before(const space *s, size_t config)
{
    size_t behind = s->parallelism > 1 ? (size_t)s->parallelism : 1;
    return config >= behind ? config - behind + 1 : 0;
}

int64_t early_epochs(double v)
{
    return v < 9e15 ? (int64_t)floor(v + 1e-9) : INT64_MAX; /* 27 / 3 / 3 is 3 */
}

/* The first of start, start * eta, ... behind `done`. */
static int64_t next_power(int64_t start, double eta, int64_t done)
{
    double band = (double)(start > 0 ? start : 1);
    while (early_epochs(band) <= done) band *= eta;
    return early_epochs(band);
}

int64_t early_next(const early_rule *r, size_t config, size_t configs, int64_t done, int64_t epochs)
{
    int64_t next = 0;
    switch (r->kind) {
    case EARLY_NONE:
        break;
    case EARLY_MEDIAN:
        next = r->warmup + 1;
        if (done >= next) next += ((done - next) / r->interval + 1) * r->interval;
        break;
    case EARLY_HYPERBAND_WANDB:
        next = r->min_iter > 0 ? next_power(r->min_iter, r->eta, done) : early_band(r, done);
        break;
    case EARLY_ASHA:
        next = next_power(r->min_iter, r->eta, done);
        break;
    case EARLY_HALVING:
    case EARLY_HYPERBAND:
        next = early_rung_behind(r, config, configs, done, epochs);
        break;
    }
    return next > done && next < epochs ? next : 0;
}

early_verdict early_ask(const early_rule *r, const space *s, const early_standing *all, size_t n, bool more,
                        size_t config, int64_t epoch, int64_t epochs, size_t configs, early_need *need)
{
    *need = (early_need){n, 0};
    if (config >= n) return EARLY_WAIT;
    switch (r->kind) {
    case EARLY_NONE:
        break;
    case EARLY_MEDIAN:
        return early_median(r, s, all, config, epoch, need);
    case EARLY_HYPERBAND_WANDB:
        return early_wandb(r, s, all, config, epoch, need);
    case EARLY_ASHA:
        return early_asha(r, s, all, n, config, epoch);
    case EARLY_HALVING:
    case EARLY_HYPERBAND:
        return early_halving(r, s, all, n, more, config, epoch, epochs, configs, need);
    }
    return EARLY_GO;
}
