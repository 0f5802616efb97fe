/* Runs of equal configuration put together, and what tells the groups apart. */
#ifndef REPORT_GROUPS_H
#define REPORT_GROUPS_H

#include "report/query.h"
#include "report/repeats.h"
#include "report/statistics.h"

typedef struct group {
    const query_run **runs; /* equal but for the seed and the fold; in the order given */
    size_t n, folds;        /* of how many folds they are; 0: of none */
    query_pairs params;     /* of the first */
    const char *label; /* names only what differs from the other groups: "adam, lr 0.001"; a single group is
                           called by its run, or "3 runs" */
} group;

typedef struct groups {
    group *items; /* in the order of their first runs */
    size_t n;
} groups;

/* `each`: every run is a group of its own, and seeds tell them apart too. `runs` must outlive the groups. */
cvy_status groups_make(store *s, const query_run *runs, size_t n, bool each, arena *a, groups *out,
                       errors *e);

/* Of the values that one column of run_summary has in a group. */
typedef double groups_value(const query_run *r);
statistics groups_statistics(const group *g, groups_value *value);
/* What is repeated in them. */
repeated groups_repeats(const group *items, size_t n);
/* Best first: by the mean of `best` under the runs' goal; groups without a value last. */
void groups_sort(groups *g);

#endif
