/* Which metrics a run will log: known before it trains, so that nobody waits for one that never comes. */
#ifndef TRAIN_LOGGED_H
#define TRAIN_LOGGED_H

#include "train/setup.h"

/* What a figure was measured on, and with which weights. */
typedef enum logged_family {
    LOGGED_TRAIN,
    LOGGED_VAL,
    LOGGED_TEST,
    LOGGED_VAL_AVERAGE, /* the weights that the optimizer averages */
    LOGGED_TEST_AVERAGE,
    LOGGED_FAMILIES
} logged_family;

enum { LOGGED_FIGURES = 3, LOGGED_MOST = LOGGED_FIGURES * LOGGED_FAMILIES + 8 };

/* The names of a family's loss, accuracy and top-5 accuracy, in this order; returns how many of them a run has: the loss alone
 * where there are no classes to be right about, top-5 with more than five. */
size_t logged_figures(const setup *s, logged_family family, const char *const **names);

/* All that is logged of each epoch, and of the run as a whole; those that layers, losses and optimizers of the user's own
 * log are not among them. Returns how many. */
size_t logged_names(const setup *s, const char *names[LOGGED_MOST]);
/* Whether any of the plugins in use is the user's own, and so may log more. */
bool logged_may_be_more(registry *r);

#endif
