/* Owns the framing of journal files, written and read; must not know what a record says. */
#include "journal/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/memory.h"

enum {
    MAGIC = 8,        /* bytes */
    FRAME = 8,        /* length and checksum in front of a payload */
    CHUNK = 64 << 10, /* bytes read at a time */
    PARTS_MAX = 10000
};
static const char magic[MAGIC] = {'C', 'V', 'Y', 'J', 'R', 'N', 'L', '1'};

struct journal {
    int fd;
    char *path;
    bool torn; /* a write failed half way: whatever came behind it could not be read */
};

static void put32(unsigned char *p, uint32_t v)
{
    for (int i = 0; i < 4; i++) p[i] = (unsigned char)(v >> 8 * i);
}

static uint32_t get32(const unsigned char *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* ---- writing ---- */

static cvy_status fail(const char *path, const char *what, errors *e)
{
    int code = errno;
    return errors_add(e, CVY_ERR_RESOURCE, &PLACE_FILE(path), NULL, "%s: %s", what, strerror(code));
}

static cvy_status write_all(journal *j, const struct iovec *parts, int n, errors *e)
{
    struct iovec rest[2];
    memcpy(rest, parts, (size_t)n * sizeof *parts);
    struct iovec *at = rest;
    while (n) {
        ssize_t done = writev(j->fd, at, n);
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) {
            if (!done) errno = EIO;
            j->torn = true;
            return fail(j->path, "cannot write the journal", e);
        }
        size_t left = (size_t)done;
        while (n && left >= at->iov_len) left -= at->iov_len, at++, n--;
        if (n) {
            at->iov_base = (char *)at->iov_base + left;
            at->iov_len -= left;
        }
    }
    return CVY_OK;
}

static journal *journal_of(int fd, const char *path)
{
    journal *j = mem_alloc(sizeof *j);
    j->fd = fd;
    j->path = mem_text(path);
    return j;
}

journal *journal_create(const char *path, errors *e)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0666);
    if (fd < 0) {
        fail(path, "cannot create the journal", e);
        return NULL;
    }
    journal *j = journal_of(fd, path);
    struct iovec all = {.iov_base = (void *)(uintptr_t)magic, .iov_len = MAGIC};
    if (write_all(j, &all, 1, e) == CVY_OK) return j;
    journal_close(j);
    return NULL;
}

char *journal_part(const char *path, unsigned part)
{
    char *name = part < 2 ? mem_text(path) : mem_printf("%s.%u", path, part);
    struct stat st;
    if (part && stat(name, &st) == 0) return name;
    mem_free(name);
    return NULL;
}

/* Whether everything in the file can be read, so that a record behind it can be too. */
static cvy_status is_whole(const char *path, bool *whole, errors *e)
{
    journal_reader r;
    cvy_status status = journal_open(&r, path, 0, e);
    if (status != CVY_OK) return status;
    while (journal_next(&r) == JOURNAL_RECORD) {
    }
    struct stat st;
    if (fstat(r.fd, &st) != 0)
        status = fail(path, "cannot read the journal", e);
    else
        *whole = r.offset >= MAGIC && (uint64_t)st.st_size == r.offset;
    journal_end(&r);
    return status;
}

journal *journal_continue(const char *path, errors *e)
{
    char *last = NULL, *next;
    unsigned parts = 0;
    while (parts < PARTS_MAX && (next = journal_part(path, parts + 1))) {
        mem_free(last);
        last = next;
        parts++;
    }
    if (!last) return journal_create(path, e);

    journal *j = NULL;
    bool whole = false;
    if (is_whole(last, &whole, e) == CVY_OK) {
        if (whole) {
            int fd = open(last, O_WRONLY | O_APPEND | O_CLOEXEC);
            if (fd < 0)
                fail(last, "cannot append to the journal", e);
            else
                j = journal_of(fd, last);
        } else {
            char *name = mem_printf("%s.%u", path, parts + 1);
            j = journal_create(name, e);
            mem_free(name);
        }
    }
    mem_free(last);
    return j;
}

cvy_status journal_append(journal *j, const char *json, size_t n, errors *e)
{
    const place at = PLACE_FILE(j->path);
    if (j->torn)
        return errors_add(e, CVY_ERR_RESOURCE, &at, NULL,
                          "cannot write the journal: an earlier write failed");
    if (!n || n > JOURNAL_MAX_RECORD)
        return errors_add(e, CVY_ERR_RESOURCE, &at, NULL, "a record of %zu bytes: the limit is %u", n,
                          JOURNAL_MAX_RECORD);
    unsigned char frame[FRAME];
    put32(frame, (uint32_t)n);
    put32(frame + 4, crc32c(0, json, n));
    const struct iovec parts[2] = {{.iov_base = frame, .iov_len = FRAME},
                                   {.iov_base = (void *)(uintptr_t)json, .iov_len = n}};
    return write_all(j, parts, 2, e);
}

cvy_status journal_sync(journal *j, errors *e)
{
    /* The file's name is not synced apart: on a file that is new or grew, fdatasync commits the file system's
     * journal, and the creation is in it. */
    while (fdatasync(j->fd) != 0)
        if (errno != EINTR) return fail(j->path, "cannot sync the journal", e);
    return CVY_OK;
}

void journal_close(journal *j)
{
    if (!j) return;
    close(j->fd);
    mem_free(j->path);
    mem_free(j);
}

/* ---- reading ---- */

/* Reads up to n bytes at `at`; a read error ends the readable part like the end of the file does. */
static size_t read_at(int fd, uint64_t at, void *out, size_t n)
{
    size_t have = 0;
    while (have < n && at + have <= INT64_MAX) {
        ssize_t got = pread(fd, (char *)out + have, n - have, (off_t)(at + have));
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) break;
        have += (size_t)got;
    }
    return have;
}

cvy_status journal_open(journal_reader *r, const char *path, uint64_t offset, errors *e)
{
    *r = (journal_reader){.fd = open(path, O_RDONLY | O_CLOEXEC), .path = path, .offset = offset};
    if (r->fd < 0) return fail(path, "cannot open the journal", e);
    /* A writer killed before its first bytes were out leaves a piece of the magic: an empty journal, not a
     * foreign file. */
    char head[MAGIC];
    size_t n = read_at(r->fd, 0, head, MAGIC);
    if (memcmp(head, magic, n)) {
        journal_end(r);
        return errors_add(e, CVY_ERR_RESOURCE, &PLACE_AT(path, 0), NULL, "not a journal of Convoy");
    }
    if (n == MAGIC && offset < MAGIC) r->offset = MAGIC;
    return CVY_OK;
}

/* The n bytes at `at` out of the chunk, which is read again where it does not hold them; NULL when the file
 * does not either. */
static const unsigned char *chunk_get(journal_reader *r, uint64_t at, size_t n)
{
    bool inside = at >= r->chunk_at && at - r->chunk_at <= r->chunk_n && n <= r->chunk_n - (at - r->chunk_at);
    if (!inside) {
        if (!r->chunk) r->chunk = mem_alloc(CHUNK);
        r->chunk_at = at;
        r->chunk_n = read_at(r->fd, at, r->chunk, CHUNK);
        if (r->chunk_n < n) return NULL;
    }
    return r->chunk + (at - r->chunk_at);
}

/* The payload of n bytes at `at` into r->payload; false when the file ends before it. */
static bool read_payload(journal_reader *r, uint64_t at, size_t n)
{
    if (n > CHUNK) {
        /* Before the allocation: a length that the file does not hold costs nothing. */
        struct stat st;
        if (fstat(r->fd, &st) != 0 || st.st_size < 0 || (uint64_t)st.st_size < at ||
            (uint64_t)st.st_size - at < n)
            return false;
    }
    if (r->cap < n + 1) {
        size_t cap = n + 1 > 2 * r->cap ? n + 1 : 2 * r->cap;
        r->payload = mem_resize(r->payload, cap, 1);
        r->cap = cap;
    }
    if (n > CHUNK) {
        if (read_at(r->fd, at, r->payload, n) < n) return false;
    } else {
        const unsigned char *p = chunk_get(r, at, n);
        if (!p) return false;
        memcpy(r->payload, p, n);
    }
    r->payload[n] = '\0';
    return true;
}

journal_next_result journal_next(journal_reader *r)
{
    if (r->fd < 0) return JOURNAL_END;
    if (r->offset < MAGIC) {
        char head[MAGIC];
        size_t n = read_at(r->fd, 0, head, MAGIC);
        if (memcmp(head, magic, n)) return JOURNAL_DAMAGED;
        if (n < MAGIC) return JOURNAL_END;
        r->offset = MAGIC;
    }
    const unsigned char *frame = chunk_get(r, r->offset, FRAME);
    if (!frame) return JOURNAL_END;
    uint32_t n = get32(frame), sum = get32(frame + 4);
    /* Nobody writes an empty record; a tail of zeros, which a power cut leaves, would read as many of them.
     */
    if (!n || n > JOURNAL_MAX_RECORD) return JOURNAL_DAMAGED;
    if (!read_payload(r, r->offset + FRAME, n)) return JOURNAL_END;
    if (crc32c(0, r->payload, n) != sum) return JOURNAL_DAMAGED;
    r->n = n;
    r->offset += FRAME + (uint64_t)n;
    return JOURNAL_RECORD;
}

void journal_end(journal_reader *r)
{
    if (r->fd >= 0) close(r->fd);
    mem_free(r->payload);
    mem_free(r->chunk);
    *r = (journal_reader){.fd = -1};
}
