/* `convoy compare --importance`: which parameters matter. */
#ifndef CLI_IMPORTANCE_SHOW_H
#define CLI_IMPORTANCE_SHOW_H

#include "cli/cli.h"
#include "report/groups.h"

cvy_status importance_of(const common *c, store *s, const query_run *runs, size_t n, groups_value *value,
                         const char *metric, errors *e);

#endif
