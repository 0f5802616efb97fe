/* Runs of which each was trained for a metric of its own, judged by one. */
#ifndef REPORT_JUDGE_H
#define REPORT_JUDGE_H

#include "report/groups.h"

typedef struct judged {
    query_run *
        runs; /* copies, in the same order; best, metric and goal are those of the one metric, best is nan where there is none */
    size_t n;
    const char *metric;
    bool maximize;
    size_t others; /* runs that say another metric or goal of themselves */
} judged;

/* By `metric`; NULL: by that of the first run that has one. The value is the best of the epochs, or that of the whole run. */
cvy_status judge_runs(store *s, const query_run *runs, size_t n, const char *metric, arena *a, judged *out,
                      errors *e);
double judge_best(const query_run *r); /* a groups_value */

#endif
