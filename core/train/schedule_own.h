/* What the schedules' families share. Only they and schedule.c include it. */
#ifndef TRAIN_SCHEDULE_OWN_H
#define TRAIN_SCHEDULE_OWN_H

#include "train/schedule.h"

/* Common to all: every schedule's config begins with it. */
typedef struct schedule_warm {
    double warmup_epochs, warmup_start;
} schedule_warm;
#define SCHEDULE_WARM double warmup_epochs, warmup_start

/* Where a step stands, real numbers in epochs. */
typedef struct schedule_point {
    double epoch, epochs, per_epoch; /* at the start of the step; of the run; steps of an epoch */
    const schedule_state *s;         /* never NULL */
} schedule_point;

typedef struct schedule_type {
    double (*factor)(const void *config, const schedule_point *p); /* after warm-up */
    /* Of those that look at a metric; else NULL. */
    int32_t (*watches)(const void *config);
    void (*see)(const void *config, schedule_state *s, double value);
} schedule_type;

#define SCHEDULE_WARM_PARAMS(T)                                                                 \
    CVY_FLOAT(T, warmup_epochs, 0, 0, 1e6, "epochs over which the factor rises linearly to 1"), \
        CVY_ALSO("warmup warm_up_epochs"),                                                      \
        CVY_FLOAT(T, warmup_start, 0, 0, 1, "factor that the rise starts from")

#define SCHEDULE(name_, aliases_, summary_, source_)                                                      \
    {                                                                                                     \
        CVY_ABI, sizeof(cvy_descriptor), CVY_SCHEDULE, sizeof(cvy_real), #name_, aliases_, summary_,      \
            source_, sizeof(name_##_config), CVY_PARAMS(name_##_params), sizeof(cvy_param), &name_##_type \
    }

/* The part of the run behind the warm-up that has gone by, on [0, 1]. A warm-up as long as the run leaves nothing. */
double schedule_past(const schedule_warm *w, const schedule_point *p);

/* Each family's descriptors, NULL-terminated. */
extern const cvy_descriptor *const schedule_decays[], *const schedule_cycles[], *const schedule_plateaus[];

#endif
