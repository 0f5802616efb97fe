/* A chart of a user's own SELECT: x, y and, when there is a third column, a series for each of its values. */
#ifndef REPORT_CHART_QUERY_H
#define REPORT_CHART_QUERY_H

#include "base/memory.h"
#include "report/figure.h"
#include "report/store.h"

typedef struct chart_query {
    const char *statement;
    const char *const *values; /* for its ? */
    size_t n;
    bool log_x, log_y;
    bool *nothing; /* as in chart_request */
} chart_query;

/* Lines where every series has x in rising order, else points; x of texts makes bars. Columns' names are the axes' labels. */
cvy_status chart_query_figure(store *s, const chart_query *q, arena *a, figure *out, errors *e);

#endif
