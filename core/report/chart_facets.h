/* Panels for the values of one parameter. */
#ifndef REPORT_CHART_FACETS_H
#define REPORT_CHART_FACETS_H

#include "report/figure.h"
#include "report/groups.h"

/* Values that are numbers in their own order; others stay, the best first. */
void chart_facets_sort(groups *g);
/* One range for all panels, but where an axis says its own. */
void chart_facets_share(figure_panel *panels, size_t n);

#endif
