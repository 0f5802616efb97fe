/* reduce_on_plateau: falls when a metric stays as it is. What it has seen is in schedule_state, for the checkpoint. */
#include <math.h>

#include "train/schedule_own.h"

typedef struct reduce_on_plateau_config {
    SCHEDULE_WARM;
    int32_t metric, threshold_mode;
    double factor, threshold, min_factor;
    int64_t patience, cooldown;
} reduce_on_plateau_config;

enum { THRESHOLD_RELATIVE, THRESHOLD_ABSOLUTE };
static const char *const threshold_choices[] = {"relative", "absolute", NULL};

static const cvy_param reduce_on_plateau_params[] = {
    CVY_ENUM(reduce_on_plateau_config, metric, val_loss, patience_metrics, "what has to become better"),
    CVY_ALSO("monitor mode"),
    CVY_FLOAT(reduce_on_plateau_config, factor, 0.1, 0, 1, "what the learning rate is multiplied by"),
    CVY_ALSO("gamma drop"),
    CVY_INT(reduce_on_plateau_config, patience, 10, 1, 1000000,
            "epochs without a better value that are let pass; it falls after the next"),
    CVY_FLOAT(reduce_on_plateau_config, threshold, 1e-4, 0, 1e9,
              "what is better by no more than this does not count"),
    CVY_ALSO("min_delta epsilon"),
    CVY_ENUM(reduce_on_plateau_config, threshold_mode, relative, threshold_choices,
             "whether the threshold is a share of the best value or a difference to it"),
    CVY_INT(reduce_on_plateau_config, cooldown, 0, 0, 1000000,
            "epochs after a fall in which nothing is counted"),
    CVY_FLOAT(reduce_on_plateau_config, min_factor, 0, 0, 1, "least factor, as a share of the learning rate"),
    CVY_ALSO("min_lr"),
    SCHEDULE_WARM_PARAMS(reduce_on_plateau_config),
};

static double schedule_plateau(const void *config, const schedule_point *p)
{
    const reduce_on_plateau_config *c = config;
    return fmax(pow(c->factor, (double)p->s->reductions), c->min_factor);
}

static int32_t schedule_plateau_watches(const void *config)
{
    return ((const reduce_on_plateau_config *)config)->metric;
}

/* As PyTorch's ReduceLROnPlateau counts. */
static void schedule_plateau_see(const void *config, schedule_state *s, double value)
{
    const reduce_on_plateau_config *c = config;
    double margin =
        c->threshold_mode == THRESHOLD_RELATIVE ? patience_share(&s->waiting, c->threshold) : c->threshold;
    patience_see(&s->waiting, value, patience_maximizes(c->metric), margin);
    if (s->cooling > 0) {
        s->cooling--;
        s->waiting.waited = 0;
    }
    if (s->waiting.waited <= c->patience) return;
    s->reductions++;
    s->cooling = c->cooldown;
    s->waiting.waited = 0;
}

static const schedule_type reduce_on_plateau_type = {schedule_plateau, schedule_plateau_watches,
                                                     schedule_plateau_see};

static const cvy_descriptor schedules[] = {
    SCHEDULE(reduce_on_plateau, "ReduceLROnPlateau plateau",
             "falls by a factor when a metric stops improving", "counts as PyTorch's ReduceLROnPlateau"),
};

const cvy_descriptor *const schedule_plateaus[] = {&schedules[0], NULL};
