/* What plugins log of their own (cvy_log), gathered over one step until its row is written. Knows no journal. */
#ifndef TRAIN_STEP_LOG_H
#define TRAIN_STEP_LOG_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include "train/exact_sum.h"

enum { STEP_LOG_MOST = 64, STEP_LOG_NAME = 64 }; /* names in one step, bytes of a name with its NUL */

typedef struct step_log_item {
    char name[STEP_LOG_NAME];
    exact_sum sum; /* which thread comes first does not show in it */
} step_log_item;

typedef struct step_log {
    pthread_mutex_t lock; /* a layer may log from within a parallel loop */
    bool wanted;
    size_t n;
    step_log_item items[STEP_LOG_MOST]; /* by name */
} step_log;

void step_log_init(step_log *l);
void step_log_free(step_log *l);
/* Before a step; when nobody will read its values they are not gathered. */
void step_log_begin(step_log *l, bool wanted);
/* For host.log; ctx is the step_log. Values given under one name within a step are averaged, to the same bits in whatever order they
 * come, from any thread. Characters that a metric's
 * name cannot have become `_`; a name that the trainer's own metrics have, or might have, gets `own_` in front. Of more
 * names than the most the first in the alphabet are kept. */
void step_log_add(void *ctx, const char *name, double value);
double step_log_value(const step_log *l, size_t i);

#endif
