/* The kinds of charts that there are, and what a chart is asked to show. A kind is one function that fills a figure in. */
#ifndef REPORT_CHART_KINDS_H
#define REPORT_CHART_KINDS_H

#include "report/chart_colours.h"
#include "report/figure.h"
#include "report/groups.h"

typedef enum chart_x { CHART_X_EPOCH, CHART_X_STEP, CHART_X_IMAGES, CHART_X_TIME } chart_x;
typedef enum chart_band { CHART_BAND_SD, CHART_BAND_CI95, CHART_BAND_MINMAX, CHART_BAND_NONE } chart_band;

typedef struct chart_request {
    const query_run *runs;
    size_t n;
    const groups
        *groups; /* the runs by configuration, or by the value of `by`; best first unless named one by one */
    const char *sweep; /* "s3" when the runs are those of a sweep; else NULL */
    const char *title;
    const char *metric; /* "val_accuracy,lr"; NULL: the kind's own choice */
    const char *by,
        *facet; /* dotted paths, `by` perhaps several with commas for kinds that take them; NULL */
    chart_x x;
    bool has_x;         /* x was asked for */
    const char *x_path; /* a parameter along the axis, or parameters, macs, seconds; NULL */
    double smooth;      /* weight of what came before, 0 to below 1 */
    chart_band band;
    bool log_x, log_y;
    size_t most;            /* groups shown at most; 0: the kind's own limit */
    chart_colours *colours; /* shared with the charts beside this one; NULL */
    bool *nothing; /* set beside the error where nothing is wrong but that there is nothing to draw; NULL */
} chart_request;

/* Fills *out in, all of it in the arena. Runs without anything to show are named by a warning; when nothing is left: CVY_ERR_CONFIG. */
typedef cvy_status chart_builder(store *s, const chart_request *r, arena *a, figure *out, errors *e);

/* What of a request a kind heeds, beside the runs and the title. */
enum {
    CHART_METRIC = 1 << 0,
    CHART_BY = 1 << 1,
    CHART_FACET = 1 << 2,
    CHART_X = 1 << 3,      /* the axis of curves */
    CHART_X_PATH = 1 << 4, /* a parameter along the axis */
    CHART_BAND = 1 << 5,
    CHART_SMOOTH = 1 << 6,
    CHART_LOG_X = 1 << 7,
    CHART_LOG_Y = 1 << 8,
    CHART_MOST = 1 << 9
};

typedef struct chart_kind {
    const char *name, *summary;
    chart_builder *build;
    bool by_itself; /* takes `by` as it is: the groups stay those by configuration */
    unsigned takes; /* CHART_METRIC, ... */
} chart_kind;

extern const chart_kind chart_kinds[];
extern const size_t chart_kinds_n;

/* For a builder to return: there is nothing to draw, and why. */
cvy_status chart_nothing(const chart_request *r, errors *e, const char *hint, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* A figure that says so in place of a chart. */
void chart_say_nothing(const char *title, const char *why, arena *a, figure *out);

/* Unknown: reported with the nearest name. */
const chart_kind *chart_kind_named(const char *name, errors *e);

#endif
