/* What lies in a results folder, and which of it has to be looked into: the listing of run and sweep folders, less the runs that
 * are over and untouched since. At thousands of runs this takes as long as asking the database for them all, so it may go on
 * beside that, in a thread. */
#ifndef REPORT_LOOK_H
#define REPORT_LOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "report/sql.h"

typedef struct listing {
    char **names; /* "r1", "r2", .., "s1": of the run and sweep folders, in the order of their numbers */
    size_t n;
    bool evaluations; /* their journal is there too */
} listing;

/* Empty where there is no such folder. The caller frees it. */
listing listing_make(const char *results);
void listing_free(listing *l);

/* Drops the runs that the database knows to be over, and whose events are what they were then. One question to the file system
 * each; several threads ask. */
void look_unsettled(const char *results, sql *db, listing *l);

/* The same of a whole results folder and its database `path`, in a thread with a connection of its own; where that cannot be, in
 * look_end(). The result is the caller's; `results` and `path` must outlive it. */
typedef struct look look;
look *look_begin(const char *results, const char *path);
listing look_end(look *l);

/* When a file last changed, in nanoseconds: what the database keeps of it. */
int64_t look_stamp(const struct stat *st);

#endif
