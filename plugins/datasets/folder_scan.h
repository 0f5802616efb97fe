/* The pictures below a folder: their names and the times that tell whether anything has changed. Private to the image_folder
 * dataset; must not know what is in a file.
 *
 * Links are followed, those to folders too. Names that begin with a dot are passed over, and so are files without a picture's
 * ending; pictures of formats that nobody here reads are listed, so that somebody hears of them. */
#ifndef DATASETS_FOLDER_SCAN_H
#define DATASETS_FOLDER_SCAN_H

#include <dirent.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>
#include "files.h"

enum {
    FOLDER_KNOWN = 1,   /* its contents have been looked at: sha, and the size if it is not bad */
    FOLDER_BAD = 2,     /* no picture, or a damaged one */
    FOLDER_DECODED = 4, /* all of it has been decoded, for the sake of knowing */
    FOLDER_ALL_FLAGS = 7
};
#define FOLDER_DEEPEST   16
#define FOLDER_UNSETTLED ((int64_t)-1)

/* A file or a folder; also how the index keeps it, so that its size and meaning are part of a format. */
typedef struct folder_record {
    int64_t size, modified, changed; /* bytes; nanoseconds, of the contents and of anything (ctime) */
    uint64_t name;                   /* where in the names, below the root; ends with a NUL */
    uint32_t height, width, flags, unused;
    unsigned char sha[32]; /* of the contents */
} folder_record;
_Static_assert(sizeof(folder_record) == 80, "a record of the index");

typedef struct folder_list {
    folder_record *dirs, *files; /* in the order of their names' bytes; the first folder is the root, "" */
    int64_t n_dirs, n_files, room_dirs, room_files;
    char *names;
    uint64_t names_bytes, names_room;
} folder_list;

typedef struct folder_scanner {
    const cvy_dataset_open *o;
    const char *root;
    folder_list *l;
    int64_t now;
} folder_scanner;

static inline void folder_list_free(folder_list *l)
{
    free(l->dirs);
    free(l->files);
    free(l->names);
    *l = (folder_list){0};
}

static inline const char *folder_name(const folder_list *l, const folder_record *r)
{
    return l->names + r->name;
}

static inline int64_t folder_now(void)
{
    struct timespec t = {0, 0};
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* What changed within the last seconds could change again without its time showing it (coarse clocks count in 2 s). */
static inline int64_t folder_settled(const struct timespec *t, int64_t now)
{
    const int64_t at = (int64_t)t->tv_sec * 1000000000 + t->tv_nsec;
    return at < now - 2000000000 ? at : FOLDER_UNSETTLED;
}

static inline void folder_stamp(folder_record *r, const struct stat *st, int64_t now)
{
    r->size = (int64_t)st->st_size;
    r->modified = folder_settled(&st->st_mtim, now);
    r->changed = (int64_t)st->st_ctim.tv_sec * 1000000000 + st->st_ctim.tv_nsec;
}

static inline int folder_same_stamp(const folder_record *a, const folder_record *b)
{
    return a->size == b->size && a->modified == b->modified && a->changed == b->changed &&
           a->modified != FOLDER_UNSETTLED;
}

/* Whether a file of this name is meant to be a picture. */
static inline int folder_is_picture(const char *name)
{
    static const char *const endings[] = {".jpg",  ".jpeg", ".jpe", ".jfif", ".png",  ".gif",
                                          ".bmp",  ".webp", ".tif", ".tiff", ".heic", ".heif",
                                          ".avif", ".jp2",  ".jxl", ".ppm",  ".pgm",  ".pnm"};
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && i < sizeof endings / sizeof *endings; i++)
        if (strcasecmp(dot, endings[i]) == 0) return 1;
    return 0;
}

/* Room for n elements of `size` bytes instead of what there was. */
static inline int folder_grow(void *pointer, int64_t n, size_t size)
{
    void *old, *more;
    int64_t bytes;
    memcpy(&old, pointer, sizeof old);
    if (__builtin_mul_overflow(n, (int64_t)size, &bytes) || !(more = realloc(old, (size_t)bytes))) return -1;
    memcpy(pointer, &more, sizeof more);
    return 0;
}

static inline int folder_out_of_memory(const folder_scanner *s)
{
    return cvy_fail_at(s->o, s->root, -1, "not enough memory for the list of its files");
}

/* `prefix` and `name` joined by a slash, kept. */
static inline int folder_keep_name(folder_scanner *s, const char *prefix, const char *name, uint64_t *at)
{
    folder_list *l = s->l;
    const size_t n = strlen(prefix), m = strlen(name), size = n + (n > 0) + m + 1;
    if (l->names_room - l->names_bytes < size) {
        const uint64_t room = 2 * l->names_room + size + 4096;
        if (room > INT64_MAX || folder_grow(&l->names, (int64_t)room, 1)) return folder_out_of_memory(s);
        l->names_room = room;
    }
    char *to = l->names + l->names_bytes;
    memcpy(to, prefix, n);
    if (n) to[n] = '/';
    memcpy(to + n + (n > 0), name, m + 1);
    *at = l->names_bytes;
    l->names_bytes += size;
    return 0;
}

static inline int folder_add(folder_scanner *s, int dir, const char *prefix, const char *name,
                             const struct stat *st)
{
    folder_list *l = s->l;
    folder_record **items = dir ? &l->dirs : &l->files;
    int64_t *n = dir ? &l->n_dirs : &l->n_files, *room = dir ? &l->room_dirs : &l->room_files;
    if (*n == *room) {
        const int64_t more = *room ? 2 * *room : 64;
        if (folder_grow(items, more, sizeof **items)) return folder_out_of_memory(s);
        *room = more;
    }
    folder_record *r = &(*items)[*n];
    *r = (folder_record){0};
    folder_stamp(r, st, s->now);
    int rc = folder_keep_name(s, prefix, name, &r->name);
    if (!rc) ++*n;
    return rc;
}

static inline int folder_walk(folder_scanner *s, int above, const char *prefix, const char *name, int depth);

static inline int folder_entry(folder_scanner *s, int fd, const char *prefix, const char *name, int depth)
{
    struct stat st;
    if (name[0] == '.') return 0;
    if (fstatat(fd, name, &st, 0) != 0) {
        char *dir = files_join(s->root, prefix), *path = dir ? files_join(dir, name) : NULL;
        const int why = errno;
        int rc = cvy_fail_at(s->o, path ? path : s->root, -1, "%s%s",
                             why == ENOENT ? "a link that leads nowhere: remove it" : "cannot be looked at: ",
                             why == ENOENT ? "" : strerror(why));
        free(path);
        free(dir);
        return rc;
    }
    if (S_ISDIR(st.st_mode)) return folder_walk(s, fd, prefix, name, depth + 1);
    return S_ISREG(st.st_mode) && folder_is_picture(name) ? folder_add(s, 0, prefix, name, &st) : 0;
}

/* The folder `name` in the folder `above`, which is `prefix` below the root. */
static inline int folder_walk(folder_scanner *s, int above, const char *prefix, const char *name, int depth)
{
    char *path = *prefix ? files_join(prefix, name) : strdup(name),
         *shown = path ? files_join(s->root, path) : NULL;
    struct stat st;
    int rc = 0, fd = -1;
    DIR *d = NULL;
    if (!path || !shown)
        rc = folder_out_of_memory(s);
    else if (depth > FOLDER_DEEPEST)
        rc = cvy_fail_at(s->o, shown, -1,
                         "more than %d folders inside one another: does a link lead back to one above?",
                         FOLDER_DEEPEST);
    else if ((fd = openat(above, *name ? name : s->root, O_RDONLY | O_CLOEXEC | O_DIRECTORY)) < 0 ||
             fstat(fd, &st) != 0 || !(d = fdopendir(fd)))
        rc = cvy_fail_at(s->o, shown, -1, "cannot be opened: %s", strerror(errno));
    else
        rc = folder_add(s, 1, prefix, name, &st);
    while (!rc) {
        errno = 0;
        const struct dirent *entry = readdir(d);
        if (!entry && errno) rc = cvy_fail_at(s->o, shown, -1, "cannot be read: %s", strerror(errno));
        if (!entry) break;
        rc = folder_entry(s, fd, path, entry->d_name, depth);
    }
    if (d)
        closedir(d);
    else if (fd >= 0)
        close(fd);
    free(shown);
    free(path);
    return rc;
}

static inline int folder_compare(const void *a, const void *b)
{
    const char *x = (const char *)(uintptr_t)((const folder_record *)a)->name;
    const char *y = (const char *)(uintptr_t)((const folder_record *)b)->name;
    return strcmp(x, y);
}

/* qsort() has no context: while it runs the names are addresses. */
static inline void folder_sort(folder_list *l, folder_record *r, int64_t n)
{
    for (int64_t i = 0; i < n; i++) r[i].name += (uint64_t)(uintptr_t)l->names;
    if (n > 0) qsort(r, (size_t)n, sizeof *r, folder_compare);
    for (int64_t i = 0; i < n; i++) r[i].name -= (uint64_t)(uintptr_t)l->names;
}

static inline int folder_scan(const cvy_dataset_open *o, const char *root, folder_list *l)
{
    folder_scanner s = {o, root, l, folder_now()};
    int rc = folder_walk(&s, AT_FDCWD, "", "", 0);
    if (!rc) folder_sort(l, l->dirs, l->n_dirs);
    if (!rc) folder_sort(l, l->files, l->n_files);
    return rc;
}

/* The file of this name; NULL: there is none. */
static inline folder_record *folder_find(const folder_list *l, const char *name)
{
    int64_t low = 0, high = l->n_files;
    while (low < high) {
        const int64_t middle = low + (high - low) / 2;
        const int order = strcmp(folder_name(l, &l->files[middle]), name);
        if (!order) return &l->files[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

#endif
