/* The chart of a learning-rate range test: the loss over the learning rate. */
#ifndef REPORT_CHART_RANGE_H
#define REPORT_CHART_RANGE_H

#include "report/query.h"

/* Whether the run is such a test that has come to its end. */
bool chart_range_is(store *s, const char *run, errors *e);
/* Draws PREFIX.png and PREFIX.svg: the losses of the steps, the curve through them, and the rates that it suggests. */
cvy_status chart_range_draw(store *s, const char *run, const char *title, const char *prefix, errors *e);

#endif
