/* What repeats of a configuration are: the same under another seed, or on another fold of a cross-validation; and how so many of them
 * read. */
#ifndef REPORT_REPEATS_H
#define REPORT_REPEATS_H

#include <stdbool.h>
#include <stddef.h>
#include "base/text.h"

/* Whether a parameter tells repeats from each other: the seed, the fold. */
bool repeats_tell(const char *path);
/* Whether a parameter is no part of the configuration: those, how many repeats there are, what the experiment is called. Into how
 * many folds the data are cut is part of it: it decides how much there is to learn from. */
bool repeats_beside(const char *path);

typedef struct repeated {
    size_t n;            /* different ones */
    size_t seeds, folds; /* among them; folds 0: of none */
    bool whole;          /* some are of no fold */
} repeated;

/* Of n that are different; folds[i] is NULL where there is none. */
repeated repeats_of(const char *const *seeds, const char *const *folds, size_t n);
/* What both are some of. */
repeated repeats_join(repeated a, repeated b);
/* "seed", "fold" or "repeat": what one of them is. */
const char *repeats_noun(const repeated *r);
/* "seed", "fold" or "seed and fold": what two have in common that are compared with each other. */
const char *repeats_key(const repeated *r);
/* "1 seed", "3 folds", "2 seeds x 3 folds", "5 folds of 2 seeds", "4 repeats". */
void repeats_say(const repeated *r, text *t);
/* Where each value is over some of them: "7 seeds", "3 to 7 seeds". */
void repeats_say_span(const repeated *r, size_t least, size_t most, text *t);
/* "7 runs", "3 to 7 runs" */
void repeats_span(size_t least, size_t most, const char *noun, text *t);

#endif
