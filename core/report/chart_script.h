/* A chart as data, and the gnuplot script that draws it. */
#ifndef REPORT_CHART_SCRIPT_H
#define REPORT_CHART_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include "base/text.h"

enum { CHART_LOSS, CHART_ACCURACY, CHART_PANELS };

/* Points with finite numbers only; spread (one standard deviation) is NULL for a single run. */
typedef struct chart_curve {
    double *x, *y, *spread;
    size_t n;
} chart_curve;

typedef struct chart_series {
    const char *label;
    chart_curve train[CHART_PANELS], validation[CHART_PANELS];
    double best_epoch; /* nan: not marked */
} chart_series;

typedef struct chart {
    const char *title;
    const char *note; /* small, under the legend; NULL for none */
    const char *loss; /* axis label, "cross-entropy loss" */
    chart_series *series;
    size_t n;
} chart;

typedef enum chart_format { CHART_PNG, CHART_SVG } chart_format;

void chart_script(const chart *c, chart_format format, text *script);

#endif
