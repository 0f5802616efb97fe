/* What `convoy run --find-lr` says at its end. */
#ifndef CLI_LR_RANGE_SHOW_H
#define CLI_LR_RANGE_SHOW_H

#include "cli/cli.h"
#include "sweep/trial.h"

/* The rates that the test suggests and the chart of its curve, which is drawn into the run's folder. `code`: how the run ended;
 * returns that, or what went wrong here. */
int lr_range_show(const common *c, const trial *t, int code);

#endif
