/* The pictures of `convoy eval`: confusion matrix and calibration. Private to it. */
#ifndef CLI_EVAL_PLOT_H
#define CLI_EVAL_PLOT_H

#include "cli/eval_show.h"

/* PREFIX-confusion and PREFIX-calibration, as PNG and SVG, of the run alone or of the ensemble; their names are told. Several runs
 * without an ensemble, or no classes: CVY_ERR_CONFIG. */
cvy_status eval_plot(const common *c, const eval_result *r, const char *prefix, errors *e);

#endif
