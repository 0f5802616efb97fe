/* Outcome of an operation. The values are also the exit codes of the `convoy` command. */
#ifndef CONVOY_STATUS_H
#define CONVOY_STATUS_H

typedef enum cvy_status {
    CVY_OK = 0,           /* done */
    CVY_ERR_RUN = 1,      /* a run failed: non-finite loss, crashed trial */
    CVY_ERR_CONFIG = 2,   /* usage, configuration or data */
    CVY_ERR_SOME = 3,     /* some trials of a sweep failed */
    CVY_ERR_RESOURCE = 4, /* storage, memory */
    CVY_ERR_PLUGIN = 5,   /* plugin foreign, or breaking its contract */
    CVY_STOPPED = 75,     /* stopped on request; resumable */
    CVY_FORCED = 130      /* stopped at once by a second Ctrl-C */
} cvy_status;

#endif
