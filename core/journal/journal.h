/* The append-only record file: how a process says what happened so that nothing is lost or half-read.
 *
 * A file is the 8 bytes "CVYJRNL1" and then records: u32 length n (1 to JOURNAL_MAX_RECORD), u32 CRC-32C of
 * the n bytes (little-endian), n bytes of JSON. Nothing is ever truncated or rewritten; a torn tail (the
 * writer was killed) ends the readable part. One writer per file. Records are described in journal/record.h.
 */
#ifndef JOURNAL_JOURNAL_H
#define JOURNAL_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/error.h"

#define JOURNAL_MAX_RECORD (16u << 20)

typedef struct journal journal;

/* A new file; it must not exist. */
journal *journal_create(const char *path, errors *e);
/* Appends to an existing file, or creates it. Where anything unreadable stands behind its last record (a torn
 * tail, a damaged record) the file is left as it is, and a new part `PATH.2`, `PATH.3`, ... is begun; only
 * the last part is ever appended to. Readers of PATH read its parts in turn, see journal_part(). For the
 * supervisor's files; trials use one file per attempt. */
journal *journal_continue(const char *path, errors *e);
/* Hands one record to the operating system (write(2), whole): it survives a kill of this process, not a power
 * cut. After a failed write (disk full) the file may end in half a record, so every later append fails too;
 * journal_continue() starts anew behind it. */
cvy_status journal_append(journal *j, const char *json, size_t n, errors *e);
cvy_status journal_sync(journal *j, errors *e); /* fdatasync: survives a power cut */
void journal_close(journal *j);                 /* NULL is fine */

/* File name of a part of PATH, from 1 (PATH itself); NULL when there is no such file. Caller mem_free()s. */
char *journal_part(const char *path, unsigned part);

typedef struct journal_reader {
    int fd;
    uint64_t offset; /* of the next record to read; also a cursor to come back to */
    char *payload;   /* of the last record, NUL-terminated; owned */
    size_t n, cap;
    const char *path;     /* the caller's, who keeps it alive */
    unsigned char *chunk; /* read ahead; owned */
    uint64_t chunk_at;
    size_t chunk_n;
} journal_reader;

typedef enum journal_next_result {
    JOURNAL_RECORD, /* payload and n are set, offset is behind it */
    JOURNAL_END,    /* nothing more now: end of file, or a record still incomplete; ask again later */
    JOURNAL_DAMAGED /* a whole record whose checksum or length is wrong; offset stays on it */
} journal_next_result;

/* offset 0 starts at the first record; any other must be one that a reader of this file had. Reports a
 * missing file or a wrong magic (file and byte offset). A file that ends inside its magic is an empty
 * journal. */
cvy_status journal_open(journal_reader *r, const char *path, uint64_t offset, errors *e);
journal_next_result journal_next(journal_reader *r);
void journal_end(journal_reader *r);

#endif
