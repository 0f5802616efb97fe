/* The chart of a learning-rate range test: the loss over the learning rate. */
#ifndef REPORT_CHART_RANGE_H
#define REPORT_CHART_RANGE_H

#include "report/chart_kinds.h"

/* Whether the run is such a test that has come to its end. */
bool chart_range_is(store *s, const char *run, errors *e);
/* The losses of the steps, the curve through them, and the rates that it suggests; a panel for each run. */
chart_builder chart_range;
/* The same of one run as PREFIX.png and PREFIX.svg. */
cvy_status chart_range_draw(store *s, const char *run, const char *title, const char *prefix, errors *e);

#endif
