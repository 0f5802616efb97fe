/* From one run or sweep folder into rows: what is new behind the cursors. Runs inside the caller's
 * transaction. */
#ifndef REPORT_INGEST_H
#define REPORT_INGEST_H

#include "report/store_own.h"

/* Whether the folder has anything that the cursors have not seen; needs no transaction. */
bool ingest_pending(store *s, const char *dir);
/* Takes in up to `limit` journal records and adds their number to *taken; *more tells that some are left. */
cvy_status ingest_folder(store *s, const char *dir, int64_t limit, int64_t *taken, bool *more, errors *e);
/* Deletes every row of "r12" or "s3". */
cvy_status ingest_forget(store *s, const char *name, errors *e);

#endif
