/* Learning-rate schedules: a factor on the optimizer's rate as a function of the step, and of reduce_on_plateau also of
 * what validation has shown. */
#ifndef TRAIN_SCHEDULE_H
#define TRAIN_SCHEDULE_H

#include "plugin/registry.h"
#include "train/patience.h"

/* What a schedule has come to that is no function of the step; all zeros at the start. */
typedef struct schedule_state {
    patience waiting;
    int64_t reductions, cooling; /* times the rate fell; epochs in which nothing is waited for */
} schedule_state;

/* Makes the schedules known as plugins of kind CVY_SCHEDULE. */
void schedule_register(registry *r);
/* The factor for update `step` (from 0) of a run of `epochs` epochs of `steps_per_epoch` updates. `s`: NULL as at the
 * start. */
double schedule_factor(const cvy_child *schedule, int64_t step, int64_t steps_per_epoch, int64_t epochs,
                       const schedule_state *s);
/* The metric that it wants to be told at the end of each epoch, WATCH_*; -1: none. */
int32_t schedule_watches(const cvy_child *schedule);
void schedule_see(const cvy_child *schedule, schedule_state *s, double value);

/* Epochs of the schedule's warm-up. */
double schedule_warmup(const cvy_child *schedule);

#endif
