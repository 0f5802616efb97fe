/* Owns the order in which a dataset is fetched, checked, unpacked and put in place; must not know HTTP or archives. */
#include "fetch/fetch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/file.h"
#include "fetch/manifest.h"
#include "fetch/md5.h"
#include "fetch/transfer.h"
#include "fetch/unpack.h"

enum { PIECE = 1 << 20, PAUSE_MS = 1000 };
#define UNKNOWN_MOST ((int64_t)1 << 40) /* of an archive whose size the recipe does not say */

typedef struct job {
    fetch *f;
    arena memory;
    char *work, *staged; /* .fetching/NAME; the folder unpacked in it */
    manifest_source *sources;
    const char *what; /* of the progress */
} job;

static bool go_on(void *ctx, int64_t done, int64_t total)
{
    const job *j = ctx;
    return !j->f->go_on || j->f->go_on(j->f->ctx, j->what, done, total);
}

__attribute__((format(printf, 2, 3))) static void say(const job *j, const char *fmt, ...)
{
    text line = {0};
    va_list ap;
    va_start(ap, fmt);
    text_vprintf(&line, fmt, ap);
    va_end(ap);
    if (j->f->say) j->f->say(j->f->ctx, text_str(&line));
    text_free(&line);
}

/* ---- checksums ---- */

static bool looks_like_a_page(const char *s, size_t n)
{
    while (n && strchr(" \t\r\n", *s)) s++, n--;
    return n > 4 && (!strncasecmp(s, "<!do", 4) || !strncasecmp(s, "<htm", 4));
}

/* CVY_OK with *right: whether the file is what was published; reports what it is instead. */
static cvy_status compare(job *j, const recipe_archive *a, const char *path, manifest_source *source,
                          bool *right, errors *e)
{
    place at = PLACE_FILE(path);
    md5 m;
    sha256 s;
    char md5_found[33], *piece = mem_alloc(PIECE);
    int64_t done = 0;
    bool page = false;
    cvy_status status = CVY_OK;
    *right = false;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) status = errors_add(e, CVY_ERR_RESOURCE, &at, NULL, "cannot be read: %s", strerror(errno));
    md5_init(&m);
    sha256_init(&s);
    j->what = "checking";
    for (ssize_t n = 1; n && !status;) {
        n = read(fd, piece, PIECE);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            status = errors_add(e, CVY_ERR_RESOURCE, &at, NULL, "cannot be read: %s", strerror(errno));
            break;
        }
        if (!done) page = looks_like_a_page(piece, (size_t)n);
        md5_add(&m, piece, (size_t)n);
        sha256_add(&s, piece, (size_t)n);
        done += n;
        if (!go_on(j, done, a->bytes)) status = CVY_STOPPED;
    }
    if (fd >= 0) close(fd);
    mem_free(piece);
    md5_hex(&m, md5_found);
    sha256_hex(&s, source->sha256);
    source->bytes = done;
    if (status) return status;
    const char *hint = page ? "it is a web page: perhaps of a network that wants a login first" : NULL;
    if (a->bytes && done != a->bytes)
        errors_add(e, CVY_ERR_CONFIG, &at, hint, "has %lld bytes, expected %lld", (long long)done,
                   (long long)a->bytes);
    else if (a->sha256 && strcmp(a->sha256, source->sha256) != 0)
        errors_add(e, CVY_ERR_CONFIG, &at, hint, "wrong checksum: SHA-256 is %s, expected %s", source->sha256,
                   a->sha256);
    else if (a->md5 && strcmp(a->md5, md5_found) != 0)
        errors_add(e, CVY_ERR_CONFIG, &at, hint, "wrong checksum: MD5 is %s, expected %s", md5_found, a->md5);
    else
        *right = true;
    return CVY_OK;
}

/* ---- one archive ---- */

/* Waits a little before a server is asked again; false when told to stop. */
static bool pause_before_retry(const job *j)
{
    for (int ms = 0; ms < PAUSE_MS; ms += 100) {
        if (!go_on((void *)(uintptr_t)j, 0, 0)) return false;
        poll(NULL, 0, 100);
    }
    return true;
}

static cvy_status attempt(job *j, const recipe_archive *a, const char *url, const char *part, transfer *t,
                          errors *e)
{
    *t = (transfer){.url = url,
                    .part = part,
                    .most = a->bytes ? a->bytes : UNKNOWN_MOST,
                    .timeout = j->f->timeout,
                    .go_on = go_on,
                    .ctx = j};
    j->what = a->file;
    cvy_status status = transfer_run(t, e);
    if (t->resumed) say(j, "%s: went on at byte %lld", a->file, (long long)t->resumed);
    return status;
}

/* All attempts at one URL. *over: no other URL will do better. */
static cvy_status from_url(job *j, const recipe_archive *a, const char *url, const char *part, bool *over,
                           errors *e)
{
    transfer t = {0};
    for (int tried = 0;; tried++) {
        errors own = {0};
        cvy_status status = attempt(j, a, url, part, &t, &own);
        bool more = status && status != CVY_STOPPED && t.again && (tried < j->f->retries || t.moved > 0);
        if (!more || t.storage) {
            *over = t.storage || status == CVY_STOPPED;
            errors_move(e, &own);
            return status;
        }
        if (t.moved > 0) tried = -1; /* a server that sends a little each time gets on, too */
        say(j, "%s: %s; trying again", a->file, own.n ? own.items[0].what : "it failed");
        errors_free(&own);
        if (t.moved == 0 && !pause_before_retry(j)) {
            *over = true;
            return CVY_STOPPED;
        }
    }
}

/* Fetches from this URL until the checksum is right: a part that was begun long ago may be of another file, so that
 * it is begun once more. */
static cvy_status whole_from_url(job *j, const recipe_archive *a, const char *url, const char *part,
                                 manifest_source *source, bool *over, errors *e)
{
    for (;;) {
        const bool begun = file_size(part) > 0;
        bool right = false;
        cvy_status status =
            begun && a->bytes && file_size(part) == a->bytes ? CVY_OK : from_url(j, a, url, part, over, e);
        if (status) return status;
        errors own = {0};
        status = compare(j, a, part, source, &right, &own);
        if (!status && !right) {
            transfer_forget(part);
            if (begun) {
                say(j, "%s: what was resumed has a wrong checksum; fetching all of it", a->file);
                errors_free(&own);
                continue;
            }
            status = CVY_ERR_CONFIG;
        }
        for (size_t i = 0; i < own.n; i++) { /* the place it came from says more than the part that is gone */
            place at = PLACE_FILE(url);
            errors_add(e, own.items[i].status, &at, own.items[i].hint, "%s", own.items[i].what);
        }
        errors_free(&own);
        *over = status == CVY_STOPPED || status == CVY_ERR_RESOURCE;
        return status;
    }
}

static char *url_of(const char *base, const char *file)
{
    return mem_printf("%s%s%s", base, text_ends(base, "/") ? "" : "/", file);
}

static cvy_status get(job *j, const recipe_archive *a, manifest_source *source, errors *e)
{
    const recipe *r = j->f->recipe;
    const size_t n = j->f->from ? 1 : r->n_mirrors;
    char *path = path_join(j->work, a->file), *part = mem_printf("%s.part", path);
    bool right = false, over = false, here = false;
    cvy_status status = CVY_OK;
    errors found = {0};
    source->file = a->file;
    if (file_exists(path)) { /* of a fetch that was stopped later on */
        status = compare(j, a, path, source, &right, NULL);
        source->url = j->f->from ? j->f->from : r->mirrors[0];
        if (!right && !status) unlink(path);
        over = status == CVY_STOPPED;
        here = right;
    }
    for (size_t i = 0; i < n && !right && !over; i++) {
        char *url = url_of(j->f->from ? j->f->from : r->mirrors[i], a->file);
        say(j, "fetching %s", url);
        status = whole_from_url(j, a, url, part, source, &over, &found);
        source->url = arena_text(&j->memory, url);
        right = !status;
        mem_free(url);
    }
    if (right && !here) {
        transfer_forget(path); /* never there: the name is about to be taken */
        if (rename(part, path)) {
            place at = PLACE_FILE(path);
            status = errors_add(&found, CVY_ERR_RESOURCE, &at, NULL, "cannot be made: %s", strerror(errno));
        }
        transfer_forget(part);
    }
    if (status && status != CVY_STOPPED) errors_move(e, &found);
    errors_free(&found);
    mem_free(part);
    mem_free(path);
    return status;
}

/* ---- unpacking and putting in place ---- */

static cvy_status unpack_one(job *j, const recipe_archive *a, int64_t *limit, errors *e)
{
    char *path = path_join(j->work, a->file), *label = mem_printf("unpacking %s", a->file);
    unpack u = {.path = path, .into = j->staged, .limit = *limit, .go_on = go_on, .ctx = j};
    j->what = label;
    size_t length = strlen(a->file);
    char *bare = mem_text_n(a->file, length > 3 ? length - 3 : length); /* without .gz */
    cvy_status status = a->unpack == RECIPE_ARCHIVE ? unpack_archive(&u, e)
                        : a->unpack == RECIPE_GZIP  ? unpack_gzip(&u, bare, e)
                                                    : unpack_none(&u, a->file, e);
    *limit = u.limit;
    mem_free(bare);
    mem_free(label);
    mem_free(path);
    return status;
}

static cvy_status sync_all(const char *dir, errors *e)
{
    place at = PLACE_FILE(dir);
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    cvy_status status = CVY_OK;
    if (fd < 0 || syncfs(fd))
        status =
            errors_add(e, CVY_ERR_RESOURCE, &at, NULL, "cannot be written to the disk: %s", strerror(errno));
    if (fd >= 0) close(fd);
    return status;
}

static cvy_status stage(job *j, errors *e)
{
    const recipe *r = j->f->recipe;
    int64_t limit = r->limit;
    cvy_status status = file_remove_tree(j->staged, e);
    if (!status) status = file_make_dirs(j->staged, e);
    for (size_t i = 0; i < r->n_archives && !status; i++) status = unpack_one(j, &r->archives[i], &limit, e);
    if (!status && !manifest_is_whole(j->staged, r, e)) status = CVY_ERR_CONFIG;
    manifest_watch w = {go_on, j};
    j->what = "summing";
    if (!status) status = manifest_write(j->staged, r, j->sources, r->n_archives, &w, e);
    char *kept = path_join(j->staged, "archives");
    if (!status && j->f->keep) status = file_make_dirs(kept, e);
    for (size_t i = 0; i < r->n_archives && !status && j->f->keep; i++) {
        char *from = path_join(j->work, r->archives[i].file), *to = path_join(kept, r->archives[i].file);
        place at = PLACE_FILE(to);
        if (link(from, to)) /* a second name, so that a stop from here on loses nothing */
            status = errors_add(e, CVY_ERR_RESOURCE, &at, NULL, "cannot be made: %s", strerror(errno));
        mem_free(from);
        mem_free(to);
    }
    mem_free(kept);
    return status ? status : sync_all(j->staged, e);
}

/* The new folder takes the name; what had it before is out of the way first, and back if that fails. */
static cvy_status put_in_place(job *j, errors *e)
{
    fetch *f = j->f;
    place at = PLACE_FILE(f->dir);
    struct stat st;
    char *old = path_join(j->work, "replaced");
    bool there = lstat(f->dir, &st) == 0;
    cvy_status status = there ? file_remove_tree(old, e) : CVY_OK;
    if (!status && there && rename(f->dir, old))
        status = errors_add(e, CVY_ERR_RESOURCE, &at, NULL, "cannot be replaced: %s", strerror(errno));
    if (!status && rename(j->staged, f->dir)) {
        int why = errno;
        if (there && rename(old, f->dir)) say(j, "what was in %s is now in %s", f->dir, old);
        status = errors_add(e, CVY_ERR_RESOURCE, &at, NULL, "cannot be made: %s", strerror(why));
    }
    if (!status) status = file_sync_dir(f->data_dir, e);
    mem_free(old);
    return status;
}

/* ---- before anything is fetched ---- */

/* Whether the place is free, or may be replaced; *done: nothing is to be done. */
static cvy_status look_at_place(fetch *f, bool *done, errors *e)
{
    place at = PLACE_FILE(f->dir);
    struct stat st;
    *done = false;
    if (lstat(f->dir, &st)) return CVY_OK;
    bool whole = manifest_is_whole(f->dir, f->recipe, NULL);
    if (whole && !f->force) {
        *done = f->was_here = true;
        return CVY_OK;
    }
    if (!S_ISDIR(st.st_mode))
        return errors_add(e, CVY_ERR_CONFIG, &at, "move it away, or choose another place by --to DIR",
                          "is in the way: it is no folder%s", S_ISLNK(st.st_mode) ? " but a link" : "");
    char *strange = manifest_stranger(f->dir, f->recipe);
    cvy_status status = CVY_OK;
    if (strange)
        status = errors_add(e, CVY_ERR_CONFIG, &at, "move it away, or choose another place by --to DIR",
                            "is in the way: it holds what is no part of the dataset, %s", strange);
    mem_free(strange);
    return status;
}

/* Archives and what comes out of them, as far as the recipe says. */
static cvy_status look_at_room(const job *j, errors *e)
{
    const recipe *r = j->f->recipe;
    struct statvfs s;
    int64_t need = 0;
    for (size_t i = 0; i < r->n_archives; i++) {
        char *path = path_join(j->work, r->archives[i].file), *part = mem_printf("%s.part", path);
        int64_t have = file_size(path) > 0 ? file_size(path) : file_size(part) > 0 ? file_size(part) : 0;
        if (r->archives[i].bytes > have) need += r->archives[i].bytes - have;
        mem_free(part);
        mem_free(path);
    }
    for (size_t i = 0; i < r->n_files; i++)
        if (r->files[i].bytes > 0) need += r->files[i].bytes;
    if (statvfs(j->work, &s)) return CVY_OK; /* then the first write says what is wrong */
    int64_t free_bytes = (int64_t)((uint64_t)s.f_bavail * s.f_frsize);
    if (need <= free_bytes) return CVY_OK;
    place at = PLACE_FILE(j->f->data_dir);
    return errors_add(e, CVY_ERR_RESOURCE, &at, "make room, or choose another place by --to DIR",
                      "%lld MB are needed here and %lld MB are free", (long long)(need / 1000000 + 1),
                      (long long)(free_bytes / 1000000));
}

/* What this build or machine lacks is said before the first byte is fetched. */
static cvy_status look_at_libraries(const fetch *f, errors *e)
{
    const recipe *r = f->recipe;
    bool packed = false,
         network = f->from ? strstr(f->from, "://") && !text_starts(f->from, "file://") : false;
    for (size_t i = 0; i < r->n_archives; i++) packed = packed || r->archives[i].unpack != RECIPE_NONE;
    for (size_t i = 0; i < r->n_mirrors && !f->from; i++)
        network = network || !text_starts(r->mirrors[i], "file://");
    bool good = !network || transfer_ready(e);
    good = (!packed || unpack_ready(e)) && good;
    return good ? CVY_OK : CVY_ERR_RESOURCE;
}

static cvy_status all(job *j, errors *e)
{
    const recipe *r = j->f->recipe;
    cvy_status status = look_at_room(j, e);
    j->sources = arena_array(&j->memory, r->n_archives, sizeof *j->sources);
    for (size_t i = 0; i < r->n_archives && !status; i++) status = get(j, &r->archives[i], &j->sources[i], e);
    if (!status) status = stage(j, e);
    if (!status) status = put_in_place(j, e);
    if (!status) {
        file_remove_tree(j->work, NULL);
        char *above = path_dir(j->work);
        rmdir(above); /* when this was the last */
        mem_free(above);
    } else if (status == CVY_ERR_CONFIG) {
        file_remove_tree(j->staged, NULL);
    }
    return status;
}

cvy_status fetch_run(fetch *f, errors *e)
{
    bool done;
    job j = {.f = f};
    f->dir = path_join(f->data_dir, f->recipe->name);
    cvy_status status = look_at_place(f, &done, e);
    if (status || done) return status;
    status = look_at_libraries(f, e);
    char *hidden = path_join(f->data_dir, ".fetching");
    j.work = path_join(hidden, f->recipe->name);
    j.staged = path_join(j.work, "unpacked");
    if (!status) status = file_make_dirs(j.work, e);
    char *lock = mem_printf("%s.lock", j.work);
    int held = status ? -1 : file_lock(lock, 0, e);
    if (!status && held < 0) {
        status = errors_status(e);
        if (!status) {
            place at = PLACE_FILE(f->dir);
            status = errors_add(e, CVY_ERR_CONFIG, &at, "wait for it", "another process is fetching it");
        }
    }
    if (!status) status = all(&j, e);
    if (held >= 0) {
        unlink(lock);
        file_unlock(held);
        rmdir(j.work); /* where nothing has arrived, nothing stays */
        rmdir(hidden);
    }
    mem_free(lock);
    mem_free(hidden);
    mem_free(j.work);
    mem_free(j.staged);
    arena_free(&j.memory);
    return status;
}

void fetch_free(fetch *f)
{
    mem_free(f->dir);
    f->dir = NULL;
}

void fetch_by_hand(const recipe *r, const char *dir, text *out)
{
    for (size_t i = 0; i < r->n_archives; i++) {
        const recipe_archive *a = &r->archives[i];
        for (size_t k = 0; k < r->n_mirrors; k++)
            text_printf(out, "%s%s%s\n", k ? "  or " : "", r->mirrors[k], a->file);
        if (a->sha256) text_printf(out, "  SHA-256 %s\n", a->sha256);
        if (a->md5) text_printf(out, "  MD5 %s\n", a->md5);
        text_printf(out, "  %s %s\n",
                    a->unpack == RECIPE_ARCHIVE ? "unpack it (tar xf) into"
                    : a->unpack == RECIPE_GZIP  ? "unpack it (gunzip) into"
                                                : "put it into",
                    dir);
    }
}
