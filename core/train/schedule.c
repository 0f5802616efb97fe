/* The schedules' common ground: their registration and warm-up. Must not know how any of them falls. */
#include "train/schedule_own.h"

#include <math.h>

void schedule_register(registry *r)
{
    const cvy_descriptor *const *families[] = {schedule_decays, schedule_cycles, schedule_plateaus};
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        for (const cvy_descriptor *const *d = families[i]; *d; d++) registry_add_builtin(r, *d);
}

double schedule_warmup(const cvy_child *schedule)
{
    return ((const schedule_warm *)schedule->config)->warmup_epochs;
}

double schedule_past(const schedule_warm *w, const schedule_point *p)
{
    double span = p->epochs - w->warmup_epochs, past = p->epoch - w->warmup_epochs;
    return past > 0 && span > 0 ? fmin(past / span, 1) : 0;
}

double schedule_factor(const cvy_child *schedule, int64_t step, int64_t steps_per_epoch, int64_t epochs,
                       const schedule_state *s)
{
    static const schedule_state start;
    const schedule_warm *c = schedule->config;
    const schedule_type *type = schedule->plugin->type;
    double warm = c->warmup_epochs * (double)steps_per_epoch;
    double rise =
        (double)step + 1 < warm ? c->warmup_start + (1 - c->warmup_start) * ((double)step + 1) / warm : 1;
    const schedule_point p = {(double)step / (double)steps_per_epoch, (double)epochs, (double)steps_per_epoch,
                              s ? s : &start};
    return rise * type->factor(schedule->config, &p);
}

int32_t schedule_watches(const cvy_child *schedule)
{
    const schedule_type *type = schedule->plugin->type;
    return type->watches ? type->watches(schedule->config) : -1;
}

void schedule_see(const cvy_child *schedule, schedule_state *s, double value)
{
    const schedule_type *type = schedule->plugin->type;
    if (type->see) type->see(schedule->config, s, value);
}
