/* Owns what comes out of archives and where it goes; must not know datasets. Files are written by this file and not by the
 * library: into a new folder in which there are no links, each under a name that was looked at, and never over another. */
#include "fetch/unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "fetch/library.h"
#include "fetch/recipe.h"

enum { PIECE = 1 << 18, MEMBERS_MOST = 20000000 };

static cvy_status storage_failed(const char *path, int why, errors *e)
{
    place at = PLACE_FILE(path);
    return errors_add(e, CVY_ERR_RESOURCE, &at,
                      why == ENOSPC || why == EDQUOT || why == EFBIG
                          ? "make room, or choose another place by --to DIR; what has arrived is kept"
                          : NULL,
                      "cannot be written: %s", strerror(why));
}

static bool write_whole(int fd, const char *p, size_t n)
{
    while (n) {
        ssize_t done = write(fd, p, n);
        if (done < 0 && errno == EINTR) continue;
        if (done < 0) return false;
        p += done;
        n -= (size_t)done;
    }
    return true;
}

/* A new file. Whoever gives the folder its name in the end sees to it that all is on the disk. */
typedef struct output {
    char *path;
    int fd;
} output;

static cvy_status output_open(output *o, const unpack *u, const char *name, errors *e)
{
    place at = PLACE_FILE(u->path);
    o->path = path_join(u->into, name);
    o->fd = open(o->path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (o->fd >= 0) return CVY_OK;
    int why = errno;
    cvy_status status = CVY_ERR_CONFIG;
    if (why == EEXIST || why == ENOTDIR || why == EISDIR) {
        text shown = {0};
        text_safe(&shown, name, 200);
        errors_add(e, status, &at, NULL, "member \"%s\" is there twice", text_str(&shown));
        text_free(&shown);
    } else {
        status = storage_failed(o->path, why, e);
    }
    mem_free(o->path);
    return status;
}

static cvy_status output_close(output *o, cvy_status status, errors *e)
{
    if (close(o->fd) && !status) status = storage_failed(o->path, errno, e);
    mem_free(o->path);
    return status;
}

static cvy_status output_add(const output *o, unpack *u, const char *name, const void *data, size_t n,
                             errors *e)
{
    if ((int64_t)n > u->limit) {
        place at = PLACE_FILE(u->path);
        text shown = {0};
        text_safe(&shown, name, 200);
        errors_add(
            e, CVY_ERR_CONFIG, &at, NULL,
            "member \"%s\" goes beyond what may come out of this archive in all: it is not the right one",
            text_str(&shown));
        text_free(&shown);
        return CVY_ERR_CONFIG;
    }
    if (!write_whole(o->fd, data, n)) return storage_failed(o->path, errno, e);
    u->limit -= (int64_t)n;
    return CVY_OK;
}

cvy_status unpack_none(unpack *u, const char *name, errors *e)
{
    place at = PLACE_FILE(u->path);
    output o;
    int from = open(u->path, O_RDONLY | O_CLOEXEC);
    if (from < 0) return errors_add(e, CVY_ERR_CONFIG, &at, NULL, "cannot be opened: %s", strerror(errno));
    cvy_status status = output_open(&o, u, name, e);
    if (status) {
        close(from);
        return status;
    }
    char *piece = mem_alloc(PIECE);
    int64_t done = 0, size = file_size(u->path);
    for (ssize_t n = 1; n && !status;) {
        n = read(from, piece, PIECE);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0)
            status = errors_add(e, CVY_ERR_CONFIG, &at, NULL, "cannot be read: %s", strerror(errno));
        else
            status = output_add(&o, u, name, piece, (size_t)n, e);
        done += n;
        if (!status && u->go_on && !u->go_on(u->ctx, done, size)) status = CVY_STOPPED;
    }
    mem_free(piece);
    close(from);
    return output_close(&o, status, e);
}

#ifdef CONVOY_ARCHIVE
#include <archive.h>
#include <archive_entry.h>
#include <locale.h>

/* ---- the library ---- */

typedef struct archive_library {
    struct archive *(*open)(void);
    int (*free)(struct archive *a);
    int (*tar)(struct archive *a);
    int (*zip)(struct archive *a);
    int (*raw)(struct archive *a);
    int (*gzip)(struct archive *a);
    int (*bzip2)(struct archive *a);
    int (*xz)(struct archive *a);
    int (*zstd)(struct archive *a);
    int (*file)(struct archive *a, const char *path, size_t block);
    int (*next)(struct archive *a, struct archive_entry **entry);
    la_ssize_t (*data)(struct archive *a, void *into, size_t n);
    const char *(*said)(struct archive *a);
    la_int64_t (*packed)(struct archive *a, int filter);
    const char *(*name)(struct archive_entry *entry);
    const char *(*name_utf8)(struct archive_entry *entry);
    const char *(*hardlink)(struct archive_entry *entry);
    __LA_MODE_T (*type)(struct archive_entry *entry);
    const char *(*version)(void);
} archive_library;

static bool archive_open(archive_library *l, errors *e)
{
    static const char *const names[] = {"libarchive.so.13"};
    const library_symbol symbols[] = {{"archive_read_new", &l->open},
                                      {"archive_read_free", &l->free},
                                      {"archive_read_support_format_tar", &l->tar},
                                      {"archive_read_support_format_zip", &l->zip},
                                      {"archive_read_support_format_raw", &l->raw},
                                      {"archive_read_support_filter_gzip", &l->gzip},
                                      {"archive_read_support_filter_bzip2", &l->bzip2},
                                      {"archive_read_support_filter_xz", &l->xz},
                                      {"archive_read_support_filter_zstd", &l->zstd},
                                      {"archive_read_open_filename", &l->file},
                                      {"archive_read_next_header", &l->next},
                                      {"archive_read_data", &l->data},
                                      {"archive_error_string", &l->said},
                                      {"archive_filter_bytes", &l->packed},
                                      {"archive_entry_pathname", &l->name},
                                      {"archive_entry_pathname_utf8", &l->name_utf8},
                                      {"archive_entry_hardlink", &l->hardlink},
                                      {"archive_entry_filetype", &l->type},
                                      {"archive_version_details", &l->version}};
    return library_load(names, 1, symbols, sizeof symbols / sizeof *symbols, "libarchive13", e);
}

bool unpack_ready(errors *e)
{
    archive_library l;
    return archive_open(&l, e);
}

const char *unpack_version(void)
{
    archive_library l;
    if (!archive_open(&l, NULL)) return NULL;
    const char *s = l.version(); /* "libarchive 3.6.2 zlib/..." */
    return text_starts(s, "libarchive ") ? s + strlen("libarchive ") : s;
}

/* ---- members ---- */

typedef struct reader {
    archive_library l;
    struct archive *a;
    unpack *u;
    int64_t size; /* of the packed file */
    locale_t names,
        before; /* libarchive knows names in the thread's character set alone, and zip has them in UTF-8 */
} reader;

static cvy_status damaged(const reader *r, errors *e)
{
    const char *said = r->l.said(r->a);
    place at = PLACE_AT(r->u->path, r->l.packed(r->a, -1));
    text shown = {0};
    text_safe(&shown, said ? said : "it is damaged", 300);
    errors_add(e, CVY_ERR_CONFIG, &at, NULL, "cannot be unpacked: %s", text_str(&shown));
    text_free(&shown);
    return CVY_ERR_CONFIG;
}

static cvy_status refused(const reader *r, const char *name, const char *why, errors *e)
{
    place at = PLACE_AT(r->u->path, r->l.packed(r->a, -1));
    text shown = {0};
    text_safe(&shown, name, 200);
    errors_add(e, CVY_ERR_CONFIG, &at, NULL, "member \"%s\" %s: refused, nothing of the archive is kept",
               text_str(&shown), why);
    text_free(&shown);
    return CVY_ERR_CONFIG;
}

static cvy_status member_data(reader *r, const char *name, errors *e)
{
    output o;
    cvy_status status = output_open(&o, r->u, name, e);
    if (status) return status;
    char *piece = mem_alloc(PIECE);
    while (!status) {
        la_ssize_t n = r->l.data(r->a, piece, PIECE);
        if (n == 0) break;
        if (n < 0)
            status = damaged(r, e);
        else
            status = output_add(&o, r->u, name, piece, (size_t)n, e);
        if (!status && r->u->go_on && !r->u->go_on(r->u->ctx, r->l.packed(r->a, -1), r->size))
            status = CVY_STOPPED;
    }
    mem_free(piece);
    return output_close(&o, status, e);
}

/* The folders above a file, or a folder itself; nothing here is a link, so a path leads where it says. */
static cvy_status member_folders(const reader *r, const char *name, bool itself, errors *e)
{
    char *whole = path_join(r->u->into, name), *dir = itself ? mem_text(whole) : path_dir(whole);
    size_t n = strlen(dir);
    while (n > 1 && dir[n - 1] == '/') dir[--n] = 0;
    errors own = {0};
    cvy_status status = file_make_dirs(dir, &own);
    struct stat st;
    if (status && lstat(dir, &st) == 0 && !S_ISDIR(st.st_mode)) {
        errors_free(&own);
        status = refused(r, name, "is below another member that is a file", e);
    }
    errors_move(e, &own);
    mem_free(whole);
    mem_free(dir);
    return status;
}

static cvy_status member(reader *r, struct archive_entry *entry, errors *e)
{
    const char *name = r->l.name_utf8(entry);
    if (!name) name = r->l.name(entry);
    if (!name) return refused(r, "?", "has a name that cannot be read", e);
    while (text_starts(name, "./")) name += 2; /* as `tar -c .` writes */
    const unsigned type = r->l.type(entry);
    if (!*name && type == AE_IFDIR) return CVY_OK;
    if (r->l.hardlink(entry)) return refused(r, name, "is a hard link", e);
    if (type == AE_IFLNK) return refused(r, name, "is a symbolic link", e);
    if (type != AE_IFREG && type != AE_IFDIR) return refused(r, name, "is a device, a pipe or a socket", e);
    if (*name == '/') return refused(r, name, "has an absolute name", e);
    if (!recipe_path_stays(name)) return refused(r, name, "has a name that leads elsewhere or cannot be", e);
    cvy_status status = member_folders(r, name, type == AE_IFDIR, e);
    return status || type == AE_IFDIR ? status : member_data(r, name, e);
}

static cvy_status reader_open(reader *r, unpack *u, bool raw, errors *e)
{
    *r = (reader){.u = u, .size = file_size(u->path)};
    if (!archive_open(&r->l, e)) return CVY_ERR_RESOURCE;
    r->names = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    if (r->names) r->before = uselocale(r->names);
    r->a = r->l.open();
    if (!r->a) return errors_add(e, CVY_ERR_RESOURCE, NULL, NULL, "libarchive does not start");
    /* Named one by one: "all" would take in filters that start programs. */
    r->l.gzip(r->a);
    if (raw) {
        r->l.raw(r->a);
    } else {
        r->l.bzip2(r->a);
        r->l.xz(r->a);
        r->l.zstd(r->a);
        r->l.tar(r->a);
        r->l.zip(r->a);
    }
    return r->l.file(r->a, u->path, PIECE) == ARCHIVE_OK ? CVY_OK : damaged(r, e);
}

static void reader_close(reader *r)
{
    if (r->a) r->l.free(r->a);
    if (!r->names) return;
    uselocale(r->before);
    freelocale(r->names);
}

cvy_status unpack_archive(unpack *u, errors *e)
{
    reader r;
    cvy_status status = reader_open(&r, u, false, e);
    int64_t members = 0;
    while (!status) {
        struct archive_entry *entry = NULL;
        int code = r.l.next(r.a, &entry);
        if (code == ARCHIVE_EOF) break;
        if (code != ARCHIVE_OK && code != ARCHIVE_WARN)
            status = damaged(&r, e);
        else if (++members > MEMBERS_MOST)
            status = refused(&r, r.l.name(entry), "is one too many", e);
        else
            status = member(&r, entry, e);
    }
    reader_close(&r);
    return status;
}

cvy_status unpack_gzip(unpack *u, const char *name, errors *e)
{
    reader r;
    struct archive_entry *entry = NULL;
    cvy_status status = reader_open(&r, u, true, e);
    if (!status && r.l.next(r.a, &entry) != ARCHIVE_OK) status = damaged(&r, e);
    if (!status) status = member_data(&r, name, e);
    reader_close(&r);
    return status;
}

#else

bool unpack_ready(errors *e)
{
    errors_add(e, CVY_ERR_RESOURCE, NULL, "apt-get install libarchive-dev, then configure and build again",
               "this build of Convoy unpacks no archives: it was made without libarchive");
    return false;
}

const char *unpack_version(void)
{
    return NULL;
}

cvy_status unpack_archive(unpack *u, errors *e)
{
    (void)u;
    unpack_ready(e);
    return CVY_ERR_RESOURCE;
}

cvy_status unpack_gzip(unpack *u, const char *name, errors *e)
{
    (void)u;
    (void)name;
    unpack_ready(e);
    return CVY_ERR_RESOURCE;
}

#endif
