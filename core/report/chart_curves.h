/* Learning curves: any metric of runs over epochs, steps, images seen or time. */
#ifndef REPORT_CHART_CURVES_H
#define REPORT_CHART_CURVES_H

#include "report/chart_kinds.h"

enum { CHART_CURVES_MOST = 16 }; /* groups, of which the best are shown */

chart_builder chart_curves;

#endif
