/* The trials of one configuration: the same values under every seed, and with `folds:` on every fold. */
#ifndef SWEEP_MEMBERS_H
#define SWEEP_MEMBERS_H

#include "sweep/space.h"
#include "sweep/trial.h"

/* How many trials a configuration has. */
size_t members_count(const experiment *x);
/* Numbers them, out[0 .. members_count(x)): who they are, not planned yet. */
void members_make(const experiment *x, int64_t config, trial *out);
/* Their words, of a point of the space (s NULL: a single run). `given`: overrides of the command line, which come first. All lives
 * in the arena. */
void members_words(const experiment *x, const space *s, const double *point, const char *const *given,
                   size_t n_given, arena *a, trial_words *out);
/* Bytes of a member's label that are its configuration's, and not its seed's and its fold's. */
size_t members_of_all(const char *label);

#endif
