/* The metrics that runs have curves of, by epoch, by step or measured. */
#ifndef REPORT_CHART_METRICS_H
#define REPORT_CHART_METRICS_H

#include "report/groups.h"

/* The names that a run of the groups from..end - 1 has, each once; all of it in the arena. */
cvy_status chart_metrics(store *s, const groups *g, size_t from, size_t end, arena *a, const char ***out,
                         size_t *n_out, errors *e);
bool chart_metrics_has(const char *const *names, size_t n, const char *name);

#endif
