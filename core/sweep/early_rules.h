/* The rules behind early.h, one file for each family, and what they share. */
#ifndef SWEEP_EARLY_RULES_H
#define SWEEP_EARLY_RULES_H

#include "sweep/early.h"

/* The metric after an epoch, less being better; infinite where there is none. The least of those until then. */
double early_loss(const space *s, const early_standing *t, int64_t epoch);
double early_best(const space *s, const early_standing *t, int64_t epoch);
/* Whether one of all[from .. to) is still on its way to an epoch. It is the last of them that is needed: they come about in this
 * order, and who waits is to be asked seldom. */
bool early_awaits(const early_standing *all, size_t from, size_t to, int64_t epoch, early_need *need);
/* Configurations 0 ... that `config` is compared with: those up to config - B. */
size_t early_before(const space *s, size_t config);
/* A number of epochs, rounded down, but not by what computing left behind the point. */
int64_t early_epochs(double v);

/* early_stop.c */
int64_t early_band(const early_rule *r, int64_t done); /* W&B's max_iter form: the next band; 0: none */
early_verdict early_median(const early_rule *r, const space *s, const early_standing *all, size_t config,
                           int64_t epoch, early_need *need);
early_verdict early_wandb(const early_rule *r, const space *s, const early_standing *all, size_t config,
                          int64_t epoch, early_need *need);
early_verdict early_asha(const early_rule *r, const space *s, const early_standing *all, size_t n,
                         size_t config, int64_t epoch);

/* early_halving.c: synchronous successive halving, alone or in Hyperband's brackets. */
typedef struct early_bracket {
    size_t first, n; /* its configurations */
    double start;    /* epochs of its first rung */
} early_bracket;

/* The bracket that a configuration belongs to. */
early_bracket early_bracket_of(const early_rule *r, size_t config, size_t configs, int64_t epochs);
int64_t early_rung_behind(const early_rule *r, size_t config, size_t configs, int64_t done, int64_t epochs);
early_verdict early_halving(const early_rule *r, const space *s, const early_standing *all, size_t n,
                            bool more, size_t config, int64_t epoch, int64_t epochs, size_t configs,
                            early_need *need);

#endif
