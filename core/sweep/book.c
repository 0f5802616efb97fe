/* Owns the file of pages and the facts that many trials share; must not know what a page says. */
#include "sweep/book.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"

/* Pages of the own file have this bit. A page is a line's offset and one. */
#define OWN (INT64_C(1) << 62)

enum { LINE_FIRST = 8 << 10, LINE_MOST = 64 << 20 };

struct book {
    int given, own; /* files; -1: none */
    int64_t given_bytes, own_bytes;
    arena memory;
    book_facts **facts; /* by what they say: an open hash table */
    size_t n, slots;
};

book *book_new(void)
{
    book *b = mem_alloc(sizeof *b);
    b->given = b->own = -1;
    return b;
}

book *book_open(const char *path, errors *e)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0) {
        errors_add(e, CVY_ERR_RESOURCE, &PLACE_FILE(path), NULL, "cannot be read: %s", strerror(errno));
        if (fd >= 0) close(fd);
        return NULL;
    }
    book *b = book_new();
    b->given = fd;
    b->given_bytes = (int64_t)st.st_size;
    return b;
}

void book_close(book *b)
{
    if (!b) return;
    if (b->given >= 0) close(b->given);
    if (b->own >= 0) close(b->own);
    arena_free(&b->memory);
    mem_free(b->facts);
    mem_free(b);
}

/* ---- lines ---- */

static bool own_file(book *b, errors *e)
{
    const char *tmp = getenv("TMPDIR");
    if (b->own >= 0) return true;
    char *name = mem_printf("%s/convoy-trials-XXXXXX", tmp && *tmp == '/' ? tmp : "/tmp");
    b->own = mkostemp(name, O_CLOEXEC);
    if (b->own < 0)
        errors_add(e, CVY_ERR_RESOURCE, &PLACE_FILE(name), "TMPDIR names another folder",
                   "cannot make a file for the plans: %s", strerror(errno));
    else
        unlink(name);
    mem_free(name);
    return b->own >= 0;
}

int64_t book_add(book *b, const char *line, size_t n, errors *e)
{
    if (!own_file(b, e)) return 0;
    const int64_t page = b->own_bytes + 1;
    char *whole = mem_alloc(n + 1);
    memcpy(whole, line, n);
    whole[n] = '\n';
    for (size_t done = 0; done <= n;) {
        ssize_t got = pwrite(b->own, whole + done, n + 1 - done, (off_t)b->own_bytes + (off_t)done);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) {
            mem_free(whole);
            errors_add(e, CVY_ERR_RESOURCE, NULL, "TMPDIR names another folder",
                       "cannot write the plans to a temporary file: %s", strerror(errno));
            return 0;
        }
        done += (size_t)got;
    }
    mem_free(whole);
    b->own_bytes += (int64_t)n + 1;
    return page | OWN;
}

static const char *end_of(const char *s, size_t n)
{
    return memchr(s, '\n', n);
}

char *book_line(const book *b, int64_t page, size_t *n)
{
    const int fd = (page & OWN) ? b->own : b->given;
    const int64_t at = (page & ~OWN) - 1, bytes = (page & OWN) ? b->own_bytes : b->given_bytes;
    *n = 0;
    if (fd < 0 || page <= 0 || at >= bytes) return NULL;
    size_t got = 0, room = LINE_FIRST;
    char *s = mem_alloc(room + 1);
    for (;;) {
        ssize_t more = pread(fd, s + got, room - got, (off_t)at + (off_t)got);
        if (more < 0 && errno == EINTR) continue;
        if (more < 0) break;
        const char *newline = end_of(s + got, (size_t)more);
        got += (size_t)more;
        if (newline || !more) {
            *n = newline ? (size_t)(newline - s) : got;
            s[*n] = '\0';
            return s;
        }
        if (got < room) continue;
        if (room >= LINE_MOST) break;
        room *= 2;
        s = mem_resize(s, room + 1, 1);
    }
    mem_free(s);
    return NULL;
}

int64_t book_next(const book *b, int64_t page)
{
    int64_t next = 1;
    if (page) {
        size_t n;
        char *s = book_line(b, page, &n);
        next = s ? page + (int64_t)n + 1 : INT64_MAX;
        mem_free(s);
    }
    return b->given >= 0 && next <= b->given_bytes ? next : 0;
}

/* ---- facts ---- */

static uint64_t mix(uint64_t h, const void *data, size_t n)
{
    const unsigned char *p = data;
    for (size_t i = 0; i < n; i++) h = (h ^ p[i]) * UINT64_C(0x100000001b3); /* FNV-1a */
    return h;
}

static uint64_t hash_of(const book_facts *f)
{
    const int64_t numbers[] = {f->fold,          f->epochs,   f->steps_per_epoch,
                               f->train_samples, f->accuracy, f->average};
    uint64_t h = mix(UINT64_C(0xcbf29ce484222325), numbers, sizeof numbers);
    h = mix(h, f->experiment, strlen(f->experiment) + 1);
    return mix(h, f->exact_key, strlen(f->exact_key));
}

static bool equal(const book_facts *a, const book_facts *b)
{
    return a->fold == b->fold && a->epochs == b->epochs && a->steps_per_epoch == b->steps_per_epoch &&
           a->train_samples == b->train_samples && a->accuracy == b->accuracy && a->average == b->average &&
           !strcmp(a->experiment, b->experiment) && !strcmp(a->exact_key, b->exact_key);
}

static size_t slot_of(const book *b, const book_facts *f)
{
    size_t i = (size_t)hash_of(f) & (b->slots - 1);
    while (b->facts[i] && !equal(b->facts[i], f)) i = (i + 1) & (b->slots - 1);
    return i;
}

static void make_room(book *b)
{
    if (2 * (b->n + 1) <= b->slots) return;
    book_facts **before = b->facts;
    const size_t n = b->slots;
    b->slots = n ? 2 * n : 16;
    b->facts = mem_array(b->slots, sizeof(book_facts *));
    for (size_t i = 0; i < n; i++)
        if (before[i]) b->facts[slot_of(b, before[i])] = before[i];
    mem_free(before);
}

/* The texts of others that are the same: of many facts most share their experiment and their key. */
static const char *shared(book *b, const char *s, bool key)
{
    static const char none[] = "";
    if (!*s) return none;
    for (size_t i = 0, looked = 0; i < b->slots && looked < 8; i++) {
        if (!b->facts[i]) continue;
        const char *other = key ? b->facts[i]->exact_key : b->facts[i]->experiment;
        if (!strcmp(other, s)) return other;
        looked++;
    }
    return arena_text(&b->memory, s);
}

const book_facts *book_common(book *b, const plan *p)
{
    const book_facts f = {.experiment = p->experiment ? p->experiment : "",
                          .exact_key = p->exact_key ? p->exact_key : "",
                          .fold = p->fold,
                          .epochs = p->epochs,
                          .steps_per_epoch = p->steps_per_epoch,
                          .train_samples = p->train_samples,
                          .accuracy = p->accuracy,
                          .average = p->average};
    make_room(b);
    const size_t i = slot_of(b, &f);
    if (b->facts[i]) return b->facts[i];
    book_facts *own = arena_alloc(&b->memory, sizeof *own);
    *own = f;
    own->experiment = shared(b, f.experiment, false);
    own->exact_key = shared(b, f.exact_key, true);
    b->facts[i] = own;
    b->n++;
    return own;
}
