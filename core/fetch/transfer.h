/* One file from a URL or a folder into a file here, in as many attempts as it takes: what has arrived stays. Knows no
 * dataset and no checksum. */
#ifndef FETCH_TRANSFER_H
#define FETCH_TRANSFER_H

#include "base/error.h"

typedef struct transfer {
    const char *url;  /* http, https or file; or a path */
    const char *part; /* the file to fill; what is known of it is kept beside, as PART.json */
    int64_t most;     /* bytes that it may have */
    int timeout;      /* seconds without a byte after which the server counts as gone */
    bool (*go_on)(void *ctx, int64_t done, int64_t total); /* total 0: not known; false: stop */
    void *ctx;
    /* filled */
    int64_t resumed; /* where an earlier attempt had come to; 0: started over */
    int64_t moved;   /* bytes that came in this attempt */
    bool again;      /* it failed, and another attempt may do better */
    bool storage;    /* it failed here: no other server will do better */
} transfer;

/* CVY_OK when the file is there as a whole, CVY_STOPPED when `go_on` said so, else after reporting. */
cvy_status transfer_run(transfer *t, errors *e);
/* Forgets what arrived. */
void transfer_forget(const char *part);

/* Whether URLs of the network can be fetched: the build knows libcurl, and it is here; reports why not (e may be NULL). */
bool transfer_ready(errors *e);
/* "7.88.1"; NULL when not ready. */
const char *transfer_version(void);

#endif
