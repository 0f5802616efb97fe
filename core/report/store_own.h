/* What the store's own files share; nobody outside them includes it. */
#ifndef REPORT_STORE_OWN_H
#define REPORT_STORE_OWN_H

#include "report/sql.h"
#include "report/store.h"

extern const char store_schema[]; /* schema.sql, embedded by the build */

typedef struct store_metric {
    char *name;
    int64_t id;
} store_metric;

struct store {
    sql db;
    char *results, *path;
    bool in_memory;
    bool older;            /* the file is of an older schema */
    bool alone;            /* nobody else has the file: in memory, or being rebuilt under the lock */
    int lock;              /* descriptor while a batch is open, else -1 */
    store_metric *metrics; /* ids known since the last rollback */
    size_t n_metrics, cap_metrics;
};

#endif
