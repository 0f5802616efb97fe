/* Waits for a metric to become better. Must not know what happens when it does not. */
#include "train/patience.h"

#include <math.h>

const char *const patience_metrics[] = {"val_loss", "val_accuracy", "train_loss", "train_accuracy", NULL};

bool patience_maximizes(int32_t metric)
{
    return metric == WATCH_VAL_ACCURACY || metric == WATCH_TRAIN_ACCURACY;
}

double patience_share(const patience *p, double share)
{
    return p->seen > 0 && isfinite(p->best) ? fabs(p->best) * share : 0;
}

void patience_see(patience *p, double value, bool maximize, double margin)
{
    bool first = p->seen == 0 || isnan(p->best);
    bool better =
        !isnan(value) && (first || (maximize ? value > p->best + margin : value < p->best - margin));
    if (better || p->seen == 0) p->best = value;
    p->waited = better ? 0 : p->waited + 1;
    p->seen++;
}

static const cvy_param stopping_params[] = {
    CVY_ENUM(stopping_settings, metric, val_loss, patience_metrics, "what has to become better"),
    CVY_ALSO("monitor"),
    CVY_INT(stopping_settings, patience, 5, 1, 1000000,
            "the run ends with the epoch that is this many past the best"),
    CVY_ALSO("epochs wait"),
    CVY_FLOAT(stopping_settings, min_delta, 0, 0, 1e9, "what is better by no more than this does not count"),
    CVY_ALSO("threshold tolerance"),
};

params_table patience_of_stopping(stopping_settings *s)
{
    return (params_table){stopping_params, sizeof stopping_params / sizeof *stopping_params,
                          sizeof *stopping_params, s};
}
