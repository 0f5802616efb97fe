/* Loss and accuracy over the epochs, as PNG and SVG. */
#ifndef REPORT_CHARTS_H
#define REPORT_CHARTS_H

#include "report/groups.h"

enum { CHARTS_SERIES_MAX = 16 };

/* Draws PREFIX.png and PREFIX.svg: a panel for the loss and one for the accuracy, where the runs have it. A
 * group is one colour; of several runs their mean, in a band of one standard deviation. More groups than
 * CHARTS_SERIES_MAX: the best of them, so the groups should come sorted. Values that are not finite are left
 * out, with a warning. Runs without a finished epoch are named by a warning; when none has one:
 * CVY_ERR_CONFIG, and no file. A learning-rate range test alone has a chart of its own, chart_range.h. */
cvy_status charts_draw(store *s, const groups *g, const char *title, const char *prefix, errors *e);

#endif
