/* Which configurations are not worth finishing: rules over the metric's values after each epoch, as pure functions.
 *
 * A trial trains in legs: until an epoch at which its rule is asked, and then further or not. A rule that has to know what has not
 * happened yet answers EARLY_WAIT and is asked again when another trial has come further. All rules but `asha` give an answer that
 * depends on no timing: `median` and W&B's `hyperband` compare configuration i with the configurations 0 ... i - B alone
 * (space.parallelism), `halving` with all of its bracket at the same rung. */
#ifndef SWEEP_EARLY_H
#define SWEEP_EARLY_H

#include "sweep/space.h"

typedef enum early_verdict { EARLY_GO, EARLY_STOP, EARLY_WAIT } early_verdict;

/* How far a configuration is. Under repeats the values are means over its seeds, as far as all of them have come. */
typedef struct early_standing {
    const double *values; /* of the metric after epoch 1, 2, ... ; NaN: not logged */
    int64_t epochs;       /* how many of them */
    bool ended;           /* finished, failed or stopped: no more will come */
    bool complete;        /* ended by coming to its own end, however many epochs that were */
} early_standing;

/* What an answer waits for: that a configuration has come to an epoch or has ended; one behind those begun: that it is. */
typedef struct early_need {
    size_t config;
    int64_t epochs;
} early_need;

/* The next epoch after `done` at which configuration `config` (of `configs`, each of `epochs` epochs) is asked about; 0: it trains to
 * its end. */
int64_t early_next(const early_rule *r, size_t config, size_t configs, int64_t done, int64_t epochs);
/* Whether a configuration that has come to such an epoch goes on. all[0 .. n): all that have been begun; `more`: others will be.
 * With EARLY_WAIT, *need is what has to happen first: nothing else changes the answer. */
early_verdict early_ask(const early_rule *r, const space *s, const early_standing *all, size_t n, bool more,
                        size_t config, int64_t epoch, int64_t epochs, size_t configs, early_need *need);

#endif
