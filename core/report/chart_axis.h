/* How quantities read on an axis: units, logarithms, what metrics are called. */
#ifndef REPORT_CHART_AXIS_H
#define REPORT_CHART_AXIS_H

#include "base/memory.h"
#include "report/figure.h"

/* "validation accuracy (%)" of val_accuracy; *unit: what its values are multiplied with. */
const char *chart_axis_metric(const char *name, arena *a, double *unit);
/* More is better, where nobody has said otherwise. */
bool chart_axis_maximize(const char *name);

/* Whether the finite values are positive, reach over two decades and are spread by magnitude. */
bool chart_axis_log(const double *v, size_t n);
/* Whether few of the finite values stand so far out that they would press all others flat: a run that explodes, an epoch that did.
 * Sorts them: v[0] is the least behind it, v[n - 1] the greatest. */
bool chart_axis_peaks(double *v, size_t n);
/* Scales the values in place to a unit with few digits: "parameters (M)". */
figure_axis chart_axis_count(const char *what, double *v, size_t n, arena *a);
figure_axis chart_axis_seconds(const char *what, double *v, size_t n, arena *a);
/* Linear, as the data want it. */
figure_axis chart_axis_plain(const char *label);
/* With ticks 0, 1, 2, ... of these names. */
figure_axis chart_axis_names(const char *label, const char *const *names, size_t n);
/* 1234.5 as "1.23e3", 0.05 as "0.05": at most three digits, for ticks and cells. */
const char *chart_axis_number(double v, arena *a);
/* The same of rising numbers, and where three digits would make one of two as many as tell them apart. */
void chart_axis_numbers(const double *v, size_t n, const char **out, arena *a);
/* A metric's value where one is told, "99.96 %": what is not all of them never reads so. unit: of chart_axis_metric(). */
const char *chart_axis_result(double v, double unit, arena *a);
/* "adam, lr 0.0245" of "adam, lr 0.024517850097728253": numbers of many digits by four of them. For several that stand beside each
 * other: names.h. */
const char *chart_axis_tidy(const char *s, arena *a);
/* At most `most` characters, in whole ones, the rest as "…"; for several the same. */
const char *chart_axis_short(const char *s, size_t most, arena *a);

#endif
