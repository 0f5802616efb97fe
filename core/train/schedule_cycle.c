/* Schedules made of arcs: cosine, cosine_restarts, one_cycle. Functions of (configuration, step): a resumed run needs
 * nothing saved. */
#include <math.h>

#include "train/schedule_own.h"

/* From 1 at t = 0 to `least` at t = 1. */
static double schedule_arc(double least, double t)
{
    return least + (1 - least) * 0.5 * (1 + cos(M_PI * t));
}

/* ---- cosine ---- */

typedef struct cosine_config {
    SCHEDULE_WARM;
    double min_factor;
} cosine_config;

static const cvy_param cosine_params[] = {
    CVY_FLOAT(cosine_config, min_factor, 0, 0, 1, "factor at the end, as a share of the learning rate"),
    CVY_ALSO("eta_min min_lr alpha"),
    SCHEDULE_WARM_PARAMS(cosine_config),
};

/* Without restarts: from the end of the warm-up to the end of the run. */
static double schedule_cosine(const void *config, const schedule_point *p)
{
    return schedule_arc(((const cosine_config *)config)->min_factor, schedule_past(config, p));
}

/* ---- cosine_restarts ---- */

typedef struct cosine_restarts_config {
    SCHEDULE_WARM;
    int64_t cycle_epochs, cycle_mult;
    double min_factor;
} cosine_restarts_config;

static const cvy_param cosine_restarts_params[] = {
    CVY_INT(cosine_restarts_config, cycle_epochs, 10, 1, 1000000, "epochs of the first cycle"),
    CVY_ALSO("T_0 period first_decay_steps"),
    CVY_INT(cosine_restarts_config, cycle_mult, 1, 1, 1000,
            "how many times as long as the last each cycle is"),
    CVY_ALSO("T_mult t_mul"),
    CVY_FLOAT(cosine_restarts_config, min_factor, 0, 0, 1,
              "factor at the end of a cycle, as a share of the learning rate"),
    CVY_ALSO("eta_min min_lr alpha"),
    SCHEDULE_WARM_PARAMS(cosine_restarts_config),
};

static double schedule_cosine_restarts(const void *config, const schedule_point *p)
{
    const cosine_restarts_config *c = config;
    double past = fmax(p->epoch - c->warmup_epochs, 0) + 1e-9, span = (double)c->cycle_epochs;
    if (c->cycle_mult == 1) past = fmod(past, span);
    while (past >= span && span < 1e12) {
        past -= span;
        span *= (double)c->cycle_mult;
    }
    return schedule_arc(c->min_factor, fmax(past - 1e-9, 0) / span);
}

/* ---- one_cycle ---- */

typedef struct one_cycle_config {
    SCHEDULE_WARM;
    double rise, div_factor, final_div_factor;
    int32_t anneal, three_phase;
} one_cycle_config;

enum { ANNEAL_COSINE, ANNEAL_LINEAR };
static const char *const anneal_choices[] = {"cosine", "linear", NULL};

static const cvy_param one_cycle_params[] = {
    CVY_FLOAT(one_cycle_config, rise, 0.3, 0, 1, "share of the run in which the factor rises to 1"),
    CVY_ALSO("pct_start"),
    CVY_FLOAT(one_cycle_config, div_factor, 25, 1, 1e9, "the first factor is 1 over this"),
    CVY_FLOAT(one_cycle_config, final_div_factor, 1e4, 1, 1e12, "the last factor is the first one over this"),
    CVY_ENUM(one_cycle_config, anneal, cosine, anneal_choices, "the shape of rise and fall"),
    CVY_ALSO("anneal_strategy"),
    CVY_BOOL(one_cycle_config, three_phase, false,
             "fall back to the first factor in as many steps as it rose, then to the last one"),
    SCHEDULE_WARM_PARAMS(one_cycle_config),
};

/* The optimizer's learning rate is the greatest of the cycle. The first step has the first factor and the last step the
 * last one. */
static double schedule_one_cycle(const void *config, const schedule_point *p)
{
    const one_cycle_config *c = config;
    double steps = (p->epochs - c->warmup_epochs) * p->per_epoch;
    double at = fmax((p->epoch - c->warmup_epochs) * p->per_epoch, 0), from = 0;
    const double first = 1 / c->div_factor, last = first / c->final_div_factor;
    const double ends[] = {c->rise * steps - 1, c->three_phase ? 2 * c->rise * steps - 2 : steps - 1,
                           steps - 1};
    const double factors[] = {first, 1, c->three_phase ? first : last, last};
    int phase = 0;
    while (phase < (c->three_phase ? 2 : 1) && at > ends[phase]) from = ends[phase++];
    double span = ends[phase] - from, t = span > 0 ? fmin(fmax((at - from) / span, 0), 1) : 1;
    double share = c->anneal == ANNEAL_LINEAR ? t : 0.5 * (1 - cos(M_PI * t));
    return factors[phase] + (factors[phase + 1] - factors[phase]) * share;
}

static const schedule_type cosine_type = {.factor = schedule_cosine},
                           cosine_restarts_type = {.factor = schedule_cosine_restarts},
                           one_cycle_type = {.factor = schedule_one_cycle};

static const cvy_descriptor schedules[] = {
    SCHEDULE(cosine, "CosineAnnealingLR CosineDecay", "half a cosine down to the end of the run",
             "Loshchilov & Hutter 2017, equation 5"),
    SCHEDULE(cosine_restarts, "CosineAnnealingWarmRestarts CosineDecayRestarts sgdr",
             "half a cosine down, again and again", "Loshchilov & Hutter 2017, SGDR, section 3"),
    SCHEDULE(
        one_cycle, "OneCycleLR 1cycle onecycle", "up to the learning rate, and far down below the start",
        "Smith 2018, A disciplined approach to neural network hyper-parameters, section 4, in the shape of "
        "PyTorch's OneCycleLR; the momentum is not cycled"),
};

const cvy_descriptor *const schedule_cycles[] = {&schedules[0], &schedules[1], &schedules[2], NULL};
