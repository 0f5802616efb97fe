/* A metric of one run as a curve. */
#ifndef REPORT_CHART_SERIES_H
#define REPORT_CHART_SERIES_H

#include "report/chart_kinds.h"

typedef struct series_sample {
    int64_t step;
    double x, y; /* x in the axis's unit */
} series_sample;

typedef struct series {
    series_sample *items; /* by step */
    size_t n;
} series;

/* Where curves are read from, and over what. */
typedef struct series_source {
    store *s;
    chart_x x;
    double time_unit; /* seconds */
    size_t skipped;   /* values so far that are not finite */
    arena *a;
    errors *e;
} series_source;

/* Over epochs as far as there are values of epochs; times `unit`. out->n is 0 where the run has none. */
cvy_status chart_series_read(series_source *from, const char *run, const char *metric, double unit,
                             series *out);
/* The exponential moving average as TensorBoard has it, freed from its start at zero (Kingma and Ba 2015, section 3). */
void chart_series_smooth(const series *from, double weight, arena *a, series *to);
/* In which the longest run's time reads well: 1, 60 or 3600 seconds. */
double chart_series_time_unit(const query_run *runs, size_t n);

#endif
