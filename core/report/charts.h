/* From runs to files with pictures. */
#ifndef REPORT_CHARTS_H
#define REPORT_CHARTS_H

#include "report/chart_kinds.h"

/* Sets of picture formats, as bits. */
#define CHARTS_FORMAT(f) (1u << (f))
#define CHARTS_USUAL     (CHARTS_FORMAT(FIGURE_PNG) | CHARTS_FORMAT(FIGURE_SVG))

/* The kind that these runs are shown by when nobody asks for one. */
const chart_kind *charts_usual_kind(store *s, const chart_request *r, errors *e);
/* The runs by the value of a parameter, best first; `value` of groups.h is their best. */
cvy_status charts_group_by(store *s, const query_run *runs, size_t n, const char *by, arena *a, groups *out,
                           errors *e);

/* "png", "svg", "pdf", "txt", "six": the ending of a format's file. */
const char *charts_ending(figure_format f);
/* Writes PREFIX.png, PREFIX.svg, ...: as wide as a printed column of `inches`, or with 0 for the screen. */
cvy_status charts_write(const figure *f, unsigned formats, double inches, const char *prefix, errors *e);

#endif
