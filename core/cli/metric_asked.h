/* The metric that a sweep is judged by, asked of its trials before any is trained: whether they will log it. */
#ifndef CLI_METRIC_ASKED_H
#define CLI_METRIC_ASKED_H

#include "sweep/space.h"

typedef struct metric_asked {
    char *names;             /* that the last one heard of will log, each with a blank behind it */
    bool more;               /* plugins of the user's own may log others */
    size_t looked, unlogged; /* configurations heard of; those that will not log the metric */
} metric_asked;              /* a zeroed one has heard of none */

/* Hears of a configuration. */
void metric_asked_hear(metric_asked *m, const space_metric *metric, const char *names, bool more);
/* Reports a metric that none of them will log, or not all. `usual` is what stands where nobody names one; `at`: where the metric
 * is named. */
cvy_status metric_asked_judge(const metric_asked *m, const space_metric *metric, const space_metric *usual,
                              const place *at, errors *e);
void metric_asked_free(metric_asked *m);

#endif
