/* What the store's own files share; nobody outside them includes it. */
#ifndef REPORT_STORE_OWN_H
#define REPORT_STORE_OWN_H

#include "report/look.h"
#include "report/sql.h"
#include "report/store.h"

extern const char store_schema[]; /* schema.sql, embedded by the build */

/* run_facts of all runs, to be followed by which. */
#define STORE_FACTS                                                                                      \
    "INSERT OR REPLACE INTO run_facts (run, state, epochs_done, best_epoch, best, best_val_accuracy,"    \
    " best_val_loss, test_accuracy, test_loss, seconds, attempts, tags) SELECT run, state, epochs_done," \
    " best_epoch, best, best_val_accuracy, best_val_loss, test_accuracy, test_loss, seconds, attempts,"  \
    " tags FROM run_figures"

typedef struct store_metric {
    char *name;
    int64_t id;
} store_metric;

struct store {
    sql db;
    char *results, *path;
    bool in_memory;
    bool small;            /* its cache: it writes beside trials that train */
    bool copied;           /* the one in memory begins as a copy of the file */
    bool alone;            /* nobody else has the file: in memory, or being rebuilt under the lock */
    bool updated;          /* by this store: its folders are to be read again */
    look *look;            /* under way since the opening, else NULL */
    int64_t version;       /* of the data, when it was opened */
    int64_t batches;       /* begun */
    int64_t older;         /* the schema of a file that an older Convoy wrote; else 0 */
    int lock;              /* descriptor while a batch is open, else -1 */
    store_metric *metrics; /* ids known since the last rollback */
    size_t n_metrics, cap_metrics;
};

#endif
