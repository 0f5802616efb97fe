/* Several words of a user for runs and sweeps at once: what they may mean is read once. query_find is for one. */
#ifndef REPORT_FIND_H
#define REPORT_FIND_H

#include "report/query.h"

typedef struct finder finder;

/* What is found is in the arena; NULL after reporting. */
finder *finder_open(store *s, arena *a, errors *e);
/* As query_find. */
cvy_status finder_find(finder *f, const char *word, bool one, query_target *out, errors *e);
void finder_close(finder *f); /* NULL is fine */

#endif
