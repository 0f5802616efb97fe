/* Packed files taken apart into a folder: tar and zip archives, and single files under gzip. Believes nothing that an
 * archive says: only files and folders that stay in the folder come out. */
#ifndef FETCH_UNPACK_H
#define FETCH_UNPACK_H

#include "base/error.h"

typedef struct unpack {
    const char *path; /* what is unpacked */
    const char *into; /* a folder of our own that nobody else writes to */
    int64_t limit;    /* bytes that may come out; what came out is taken off */
    bool (*go_on)(void *ctx, int64_t done, int64_t total); /* of the packed bytes; false: stop */
    void *ctx;
} unpack;

/* A tar or zip archive with its folders. Refuses, by the member's name, links, devices, names that lead out of the
 * folder, a second file of a name, and what goes beyond the limit. CVY_STOPPED when `go_on` said so. */
cvy_status unpack_archive(unpack *u, errors *e);
/* The one file under gzip, as INTO/NAME. */
cvy_status unpack_gzip(unpack *u, const char *name, errors *e);
/* As it is, as INTO/NAME: needs no library. */
cvy_status unpack_none(unpack *u, const char *name, errors *e);

/* Whether archives can be unpacked: the build knows libarchive, and it is here; reports why not (e may be NULL). */
bool unpack_ready(errors *e);
/* "3.6.2"; NULL when not ready. */
const char *unpack_version(void);

#endif
