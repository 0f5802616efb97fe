/* Learning-rate schedules: a factor on the optimizer's rate as a function of the step alone. */
#ifndef TRAIN_SCHEDULE_H
#define TRAIN_SCHEDULE_H

#include "plugin/registry.h"

/* Makes `constant`, `step` and `cosine` known as plugins of kind CVY_SCHEDULE. */
void schedule_register(registry *r);
/* The factor for update `step` (from 0) of a run of `epochs` epochs of `steps_per_epoch` updates. */
double schedule_factor(const cvy_child *schedule, int64_t step, int64_t steps_per_epoch, int64_t epochs);

/* Epochs of the schedule's warm-up. */
double schedule_warmup(const cvy_child *schedule);

#endif
