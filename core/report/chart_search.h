/* The charts of sweeps: what came out, what it cost, which parameters led there, and how the search went. Each in the file of its name. */
#ifndef REPORT_CHART_SEARCH_H
#define REPORT_CHART_SEARCH_H

#include "report/chart_kinds.h"

chart_builder chart_final; /* mean, 95 % interval and seeds of each configuration, or of each value of `by` */
chart_builder chart_cost;  /* the metric against time, parameters and MACs, with the Pareto front */
chart_builder
    chart_against; /* the metric against `x_path`, a curve for each value of `by`; or both in `by` */
chart_builder chart_parallel; /* parallel coordinates: every parameter an axis, every configuration a line */
chart_builder chart_slice;    /* the metric against each parameter, a panel each */
chart_builder chart_contour;  /* the metric over two parameters, those of `by` or the two that matter most */
chart_builder chart_importance; /* how much of the variance each parameter explains */
chart_builder chart_history; /* one point per configuration in the order of the search, and the best so far */
chart_builder chart_rungs;   /* how many configurations came how far, and which were stopped early */
chart_builder chart_speed;   /* images per second over the epochs, as measured */

#endif
