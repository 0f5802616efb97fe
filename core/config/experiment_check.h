/* The keys of an experiment file itself. */
#ifndef CONFIG_EXPERIMENT_CHECK_H
#define CONFIG_EXPERIMENT_CHECK_H

#include "config/experiment.h"

/* In the order in which they are written. */
const char *const *experiment_keys(size_t *n);
/* Checks all of them and sets x->name, seed, folds, fold and repeats. False after reporting. */
bool experiment_check(arena *a, const node *raw, experiment *x, errors *e);
/* The file's name without folder and ending. */
const char *experiment_default_name(arena *a, const char *file);
/* The path that people coming from elsewhere mean by a word at the top of the file: `optimizer` is
 * train.optimizer. NULL when unknown. */
const char *experiment_means(const char *word);

#endif
