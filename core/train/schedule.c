/* The schedules and their warm-up. Functions of (configuration, step): a resumed run needs nothing saved. */
#include "train/schedule.h"

#include <math.h>

typedef struct schedule_config {
    double warmup_epochs, warmup_start; /* common to all, first in every config */
    double min_factor;
    int64_t every_epochs;
    double gamma;
} schedule_config;

typedef double schedule_fn(const schedule_config *c, double epoch, double epochs);

typedef struct schedule_type {
    schedule_fn *factor; /* after warm-up; epoch as a real number, at the start of the step */
} schedule_type;

#define WARMUP_PARAMS                                              \
    CVY_FLOAT(schedule_config, warmup_epochs, 0, 0, 1e6,           \
              "epochs over which the factor rises linearly to 1"), \
        CVY_ALSO("warmup warm_up_epochs"),                         \
        CVY_FLOAT(schedule_config, warmup_start, 0, 0, 1, "factor that the rise starts from")

static const cvy_param constant_params[] = {WARMUP_PARAMS};

static const cvy_param step_params[] = {
    CVY_INT(schedule_config, every_epochs, 30, 1, 1000000, "epochs between two drops"),
    CVY_ALSO("step_size epochs_drop period"),
    CVY_FLOAT(schedule_config, gamma, 0.1, 0, 1, "what the factor is multiplied by at each drop"),
    CVY_ALSO("drop decay factor"),
    WARMUP_PARAMS,
};

static const cvy_param cosine_params[] = {
    CVY_FLOAT(schedule_config, min_factor, 0, 0, 1, "factor at the end, as a share of the learning rate"),
    CVY_ALSO("eta_min min_lr alpha"),
    WARMUP_PARAMS,
};

static double schedule_constant(const schedule_config *c, double epoch, double epochs)
{
    (void)c, (void)epoch, (void)epochs;
    return 1;
}

static double schedule_step(const schedule_config *c, double epoch, double epochs)
{
    (void)epochs;
    return pow(c->gamma, floor(epoch / (double)c->every_epochs + 1e-9));
}

/* Loshchilov & Hutter 2017, equation 5, without restarts: from the end of the warm-up to the end of the run. A warm-up
 * as long as the run leaves nothing to fall over. */
static double schedule_cosine(const schedule_config *c, double epoch, double epochs)
{
    double span = epochs - c->warmup_epochs, past = epoch - c->warmup_epochs;
    double t = past > 0 && span > 0 ? past / span : 0;
    return c->min_factor + (1 - c->min_factor) * 0.5 * (1 + cos(M_PI * fmin(t, 1)));
}

static const schedule_type constant_type = {schedule_constant}, step_type = {schedule_step},
                           cosine_type = {schedule_cosine};

#define SCHEDULE(name_, aliases_, summary_, source_)                                                       \
    {                                                                                                      \
        CVY_ABI, sizeof(cvy_descriptor), CVY_SCHEDULE, sizeof(cvy_real), #name_, aliases_, summary_,       \
            source_, sizeof(schedule_config), CVY_PARAMS(name_##_params), sizeof(cvy_param), &name_##_type \
    }

static const cvy_descriptor schedules[] = {
    SCHEDULE(constant, "none fixed", "the learning rate as it is", ""),
    SCHEDULE(step, "StepLR", "drops by a factor every few epochs", "He et al. 2015, section 3.4"),
    SCHEDULE(cosine, "CosineAnnealingLR", "half a cosine down to the end of the run",
             "Loshchilov & Hutter 2017, equation 5"),
};

void schedule_register(registry *r)
{
    for (size_t i = 0; i < sizeof schedules / sizeof *schedules; i++) registry_add_builtin(r, &schedules[i]);
}

double schedule_warmup(const cvy_child *schedule)
{
    return ((const schedule_config *)schedule->config)->warmup_epochs;
}

double schedule_factor(const cvy_child *schedule, int64_t step, int64_t steps_per_epoch, int64_t epochs)
{
    const schedule_config *c = schedule->config;
    const schedule_type *type = schedule->plugin->type;
    double warm = c->warmup_epochs * (double)steps_per_epoch;
    double rise =
        (double)step + 1 < warm ? c->warmup_start + (1 - c->warmup_start) * ((double)step + 1) / warm : 1;
    return rise * type->factor(c, (double)step / (double)steps_per_epoch, (double)epochs);
}
