/* Schedules that stay or fall, once and for all: constant, step, multi_step, exponential, polynomial. Functions of
 * (configuration, step): a resumed run needs nothing saved. */
#include <math.h>

#include "train/schedule_own.h"

/* A drop at epoch 2 counts from the epoch's first step on, whatever step / steps_per_epoch was rounded to. */
#define SCHEDULE_ROUNDING 1e-9

/* ---- constant ---- */

typedef schedule_warm constant_config;

static const cvy_param constant_params[] = {SCHEDULE_WARM_PARAMS(constant_config)};

static double schedule_constant(const void *config, const schedule_point *p)
{
    (void)config, (void)p;
    return 1;
}

/* ---- step ---- */

typedef struct step_config {
    SCHEDULE_WARM;
    int64_t every_epochs;
    double gamma;
} step_config;

static const cvy_param step_params[] = {
    CVY_INT(step_config, every_epochs, 30, 1, 1000000, "epochs between two drops"),
    CVY_ALSO("step_size epochs_drop period"),
    CVY_FLOAT(step_config, gamma, 0.1, 0, 1, "what the factor is multiplied by at each drop"),
    CVY_ALSO("drop decay factor"),
    SCHEDULE_WARM_PARAMS(step_config),
};

static double schedule_step(const void *config, const schedule_point *p)
{
    const step_config *c = config;
    return pow(c->gamma, floor(p->epoch / (double)c->every_epochs + SCHEDULE_ROUNDING));
}

/* ---- multi_step ---- */

typedef struct multi_step_config {
    SCHEDULE_WARM;
    cvy_ints milestones;
    double gamma;
} multi_step_config;

static const cvy_param multi_step_params[] = {
    CVY_INTS(multi_step_config, milestones, NULL, 1, 1000000, "epochs after which the factor drops"),
    CVY_ALSO("steps boundaries epochs"),
    CVY_FLOAT(multi_step_config, gamma, 0.1, 0, 1, "what the factor is multiplied by at each drop"),
    CVY_ALSO("drop decay factor"),
    SCHEDULE_WARM_PARAMS(multi_step_config),
};

static double schedule_multi_step(const void *config, const schedule_point *p)
{
    const multi_step_config *c = config;
    int drops = 0;
    for (size_t i = 0; i < c->milestones.n; i++)
        drops += p->epoch + SCHEDULE_ROUNDING >= (double)c->milestones.v[i];
    return pow(c->gamma, drops);
}

/* ---- exponential ---- */

typedef struct exponential_config {
    SCHEDULE_WARM;
    double gamma;
    int32_t staircase;
} exponential_config;

static const cvy_param exponential_params[] = {
    CVY_FLOAT(exponential_config, gamma, 0.95, 0, 1, "what the factor is multiplied by in each epoch"),
    CVY_ALSO("decay decay_rate"),
    CVY_BOOL(exponential_config, staircase, true, "once per epoch; false: a little at each step"),
    SCHEDULE_WARM_PARAMS(exponential_config),
};

static double schedule_exponential(const void *config, const schedule_point *p)
{
    const exponential_config *c = config;
    return pow(c->gamma, c->staircase ? floor(p->epoch + SCHEDULE_ROUNDING) : p->epoch);
}

/* ---- polynomial ---- */

typedef struct polynomial_config {
    SCHEDULE_WARM;
    double power, min_factor;
} polynomial_config;

static const cvy_param polynomial_params[] = {
    CVY_FLOAT(polynomial_config, power, 1, 0, 100, "1 is a straight line down to the end of the run"),
    CVY_FLOAT(polynomial_config, min_factor, 0, 0, 1, "factor at the end, as a share of the learning rate"),
    CVY_ALSO("end_learning_rate min_lr"),
    SCHEDULE_WARM_PARAMS(polynomial_config),
};

static double schedule_polynomial(const void *config, const schedule_point *p)
{
    const polynomial_config *c = config;
    double left = 1 - schedule_past(config, p);
    return c->min_factor + (1 - c->min_factor) * pow(left, c->power);
}

static const schedule_type constant_type = {.factor = schedule_constant},
                           step_type = {.factor = schedule_step},
                           multi_step_type = {.factor = schedule_multi_step},
                           exponential_type = {.factor = schedule_exponential},
                           polynomial_type = {.factor = schedule_polynomial};

static const cvy_descriptor schedules[] = {
    SCHEDULE(constant, "none fixed ConstantLR", "the learning rate as it is", ""),
    SCHEDULE(step, "StepLR", "drops by a factor every few epochs", "He et al. 2015, section 3.4"),
    SCHEDULE(multi_step, "MultiStepLR PiecewiseConstantDecay piecewise",
             "drops by a factor after given epochs", "He et al. 2015, section 4.2"),
    SCHEDULE(exponential, "ExponentialLR ExponentialDecay", "falls by the same factor in each epoch", ""),
    SCHEDULE(polynomial, "PolynomialLR PolynomialDecay poly linear", "a power of what is left of the run",
             "Liu et al. 2015, ParseNet, section 3.3, the policy `poly`"),
};

const cvy_descriptor *const schedule_decays[] = {&schedules[0], &schedules[1], &schedules[2],
                                                 &schedules[3], &schedules[4], NULL};
