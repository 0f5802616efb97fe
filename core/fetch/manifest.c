/* Owns the list of a dataset's files; must not know where they came from. */
#include "fetch/manifest.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/file.h"
#include "base/json.h"

enum { PIECE = 1 << 20, MANIFEST_MOST = 1 << 30, DEPTH_MOST = 40 };

/* ---- the files below a folder ---- */

typedef struct listing {
    arena memory;
    recipe_file *items;
    size_t n, cap;
} listing;

static void listing_free(listing *l)
{
    mem_free(l->items);
    arena_free(&l->memory);
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const recipe_file *)a)->path, ((const recipe_file *)b)->path);
}

static cvy_status list_below(const char *dir, const char *below, int depth, listing *l, errors *e)
{
    char *whole = *below ? path_join(dir, below) : mem_text(dir);
    place at = PLACE_FILE(whole);
    DIR *d = opendir(whole);
    cvy_status status =
        d ? CVY_OK : errors_add(e, CVY_ERR_CONFIG, &at, NULL, "cannot be listed: %s", strerror(errno));
    for (struct dirent *entry; d && !status && (entry = readdir(d)) != NULL;) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
        char *name = *below ? mem_printf("%s/%s", below, entry->d_name) : mem_text(entry->d_name);
        struct stat st;
        if (fstatat(dirfd(d), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
            if (S_ISDIR(st.st_mode) && depth < DEPTH_MOST) {
                status = list_below(dir, name, depth + 1, l, e);
            } else {
                l->items = MEM_GROW(l->items, l->n, &l->cap);
                l->items[l->n++] = (recipe_file){arena_text(&l->memory, name),
                                                 S_ISREG(st.st_mode) ? (int64_t)st.st_size : 0, NULL};
            }
        }
        mem_free(name);
    }
    if (d) closedir(d);
    mem_free(whole);
    return status;
}

static cvy_status list_all(const char *dir, listing *l, errors *e)
{
    cvy_status status = list_below(dir, "", 0, l, e);
    if (l->n) qsort(l->items, l->n, sizeof *l->items, by_path);
    return status;
}

int64_t manifest_size(const char *dir)
{
    listing l = {0};
    int64_t bytes = 0;
    if (file_is_dir(dir)) list_all(dir, &l, NULL);
    for (size_t i = 0; i < l.n; i++) bytes += l.items[i].bytes;
    listing_free(&l);
    return bytes;
}

/* ---- sums ---- */

typedef struct summing {
    const manifest_watch *w;
    char *piece;
    int64_t done, total;
} summing;

static cvy_status sum_file(summing *s, const char *path, char hex[65], errors *e)
{
    place at = PLACE_FILE(path);
    sha256 sum;
    cvy_status status = CVY_OK;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return errors_add(e, CVY_ERR_CONFIG, &at, NULL, "cannot be opened: %s", strerror(errno));
    sha256_init(&sum);
    int64_t offset = 0;
    for (ssize_t n = 1; n && !status;) {
        n = read(fd, s->piece, PIECE);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            at.offset = offset;
            status = errors_add(e, CVY_ERR_CONFIG, &at, NULL, "cannot be read: %s", strerror(errno));
            break;
        }
        sha256_add(&sum, s->piece, (size_t)n);
        offset += n;
        s->done += n;
        if (s->w && s->w->go_on && !s->w->go_on(s->w->ctx, s->done, s->total)) status = CVY_STOPPED;
    }
    close(fd);
    sha256_hex(&sum, hex);
    return status;
}

cvy_status manifest_write(const char *dir, const recipe *r, const manifest_source *sources, size_t n,
                          const manifest_watch *w, errors *e)
{
    listing l = {0};
    json_writer out = {0};
    summing s = {.w = w, .piece = mem_alloc(PIECE)};
    cvy_status status = list_all(dir, &l, e);
    for (size_t i = 0; i < l.n; i++) s.total += l.items[i].bytes;
    json_open(&out, '{');
    json_put_int(&out, "format", 1);
    json_put_text(&out, "dataset", r->name);
    json_key(&out, "archives");
    json_open(&out, '[');
    for (size_t i = 0; i < n; i++) {
        json_open(&out, '{');
        json_put_text(&out, "file", sources[i].file);
        json_put_text(&out, "from", sources[i].url);
        json_put_int(&out, "bytes", sources[i].bytes);
        json_put_text(&out, "sha256", sources[i].sha256);
        json_close(&out, '}');
    }
    json_close(&out, ']');
    json_key(&out, "files");
    json_open(&out, '[');
    for (size_t i = 0; i < l.n && !status; i++) {
        char hex[65], *path = path_join(dir, l.items[i].path);
        status = sum_file(&s, path, hex, e);
        json_open(&out, '{');
        json_put_text(&out, "path", l.items[i].path);
        json_put_int(&out, "bytes", l.items[i].bytes);
        json_put_text(&out, "sha256", hex);
        json_close(&out, '}');
        mem_free(path);
    }
    json_close(&out, ']');
    json_close(&out, '}');
    text_char(&out.out, '\n');
    char *path = path_join(dir, MANIFEST_NAME);
    if (!status) status = file_replace(path, text_str(&out.out), out.out.n, e);
    mem_free(path);
    mem_free(s.piece);
    text_free(&out.out);
    listing_free(&l);
    return status;
}

/* ---- comparing ---- */

/* The list in the folder; false after reporting. n stays 0 where there is none. */
static bool manifest_read(arena *a, const char *dir, recipe_file **items, size_t *n, errors *e)
{
    char *path = path_join(dir, MANIFEST_NAME), *s = NULL;
    size_t length = 0, offset = 0;
    const char *why = NULL;
    bool good = true;
    *n = 0;
    if (file_exists(path)) {
        good = !file_read(path, MANIFEST_MOST, &s, &length, e);
        const json *j = good ? json_parse(a, s, length, &why, &offset) : NULL;
        const json *files = j && j->kind == JSON_OBJECT ? json_get(j, "files") : NULL;
        if (good && (!files || files->kind != JSON_ARRAY)) {
            place at = PLACE_AT(path, offset);
            errors_add(e, CVY_ERR_CONFIG, &at, "fetch the dataset again, with --force",
                       "is no list of files: %s", why ? why : "there are no \"files\"");
            good = false;
        }
        *items = good ? arena_array(a, files->n + 1, sizeof **items) : NULL;
        for (size_t i = 0; good && i < files->n; i++) {
            const json *f = files->items[i];
            const char *name = f->kind == JSON_OBJECT ? json_get_text(f, "path", NULL) : NULL;
            if (!name || !recipe_path_stays(name)) continue;
            (*items)[(*n)++] =
                (recipe_file){name, json_get_int(f, "bytes", -1), json_get_text(f, "sha256", NULL)};
        }
    }
    mem_free(s);
    mem_free(path);
    return good;
}

static bool same_size(const char *path, const recipe_file *f, errors *e)
{
    place at = PLACE_FILE(path);
    int64_t found = file_size(path);
    if (found < 0 || file_is_dir(path)) {
        errors_add(e, CVY_ERR_CONFIG, &at, NULL, "is not there");
        return false;
    }
    if (f->bytes < 0 || found == f->bytes) return true;
    at.offset = found < f->bytes ? found : f->bytes;
    errors_add(e, CVY_ERR_CONFIG, &at, NULL, "the file %s here: expected %lld bytes, found %lld",
               found < f->bytes ? "ends" : "should end", (long long)f->bytes, (long long)found);
    return false;
}

bool manifest_is_whole(const char *dir, const recipe *r, errors *e)
{
    bool whole = file_is_dir(dir);
    for (size_t i = 0; i < r->n_files && whole; i++) {
        char *path = path_join(dir, r->files[i].path);
        whole = same_size(path, &r->files[i], e);
        mem_free(path);
    }
    return whole;
}

/* Where a file of the recipe may be as well, put there by hand: without the archive's own folder, or still packed. The
 * path, mem_alloc'ed; *f is what it must be there. */
static char *elsewhere(const char *dir, const recipe *r, recipe_file *f)
{
    const char *slash = strchr(f->path, '/');
    char *path = slash ? path_join(dir, slash + 1) : NULL;
    if (path && file_exists(path)) return path;
    mem_free(path);
    for (size_t i = 0; i < r->n_archives; i++) {
        const recipe_archive *a = &r->archives[i];
        size_t n = strlen(f->path);
        if (a->unpack != RECIPE_GZIP || strncmp(a->file, f->path, n) != 0 || strcmp(a->file + n, ".gz") != 0)
            continue;
        path = path_join(dir, a->file);
        if (file_exists(path)) {
            *f = (recipe_file){a->file, a->bytes ? a->bytes : -1, a->sha256};
            return path;
        }
        mem_free(path);
    }
    return NULL;
}

static cvy_status check_one(summing *s, const char *path, const recipe_file *f, manifest_count *count,
                            errors *e)
{
    char hex[65];
    place at = PLACE_FILE(path);
    if (!same_size(path, f, e)) return CVY_OK;
    count->files++;
    count->bytes += file_size(path);
    if (!f->sha256) return CVY_OK;
    cvy_status status = sum_file(s, path, hex, e);
    if (status) return status == CVY_STOPPED ? status : CVY_OK;
    count->summed++;
    if (strcmp(hex, f->sha256) != 0)
        errors_add(e, CVY_ERR_CONFIG, &at, NULL, "other bytes than expected: SHA-256 is %s, expected %s", hex,
                   f->sha256);
    return CVY_OK;
}

cvy_status manifest_check(const char *dir, const recipe *r, const manifest_watch *w, manifest_count *count,
                          errors *e)
{
    arena a = {0};
    recipe_file *items = NULL;
    size_t n = 0;
    *count = (manifest_count){0};
    cvy_status status = manifest_read(&a, dir, &items, &n, e) ? CVY_OK : CVY_ERR_CONFIG;
    count->listed = n > 0;
    if (!n && r && !status) {
        items = r->files;
        n = r->n_files;
    }
    summing s = {.w = w, .piece = mem_alloc(PIECE)};
    for (size_t i = 0; i < n; i++)
        if (items[i].sha256 && items[i].bytes > 0) s.total += items[i].bytes;
    for (size_t i = 0; i < n && !status; i++) {
        recipe_file f = items[i];
        char *path = path_join(dir, f.path), *other = NULL;
        if (!count->listed && !file_exists(path)) other = elsewhere(dir, r, &f);
        status = check_one(&s, other ? other : path, &f, count, e);
        mem_free(other);
        mem_free(path);
    }
    mem_free(s.piece);
    arena_free(&a);
    return status ? status : errors_status(e);
}

char *manifest_stranger(const char *dir, const recipe *r)
{
    arena a = {0};
    listing l = {0};
    recipe_file *items = NULL;
    size_t n = 0;
    char *found = NULL;
    list_all(dir, &l, NULL);
    manifest_read(&a, dir, &items, &n, NULL);
    for (size_t i = 0; i < l.n && !found; i++) {
        bool known = !strcmp(l.items[i].path, MANIFEST_NAME) || text_starts(l.items[i].path, "archives/");
        for (size_t k = 0; k < n && !known; k++) known = !strcmp(items[k].path, l.items[i].path);
        for (size_t k = 0; k < r->n_files && !known; k++) known = !strcmp(r->files[k].path, l.items[i].path);
        if (!known) found = path_join(dir, l.items[i].path);
    }
    listing_free(&l);
    arena_free(&a);
    return found;
}
